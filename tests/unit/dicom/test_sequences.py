"""Items of sequences from their bytes: what pydicom gives, or nothing."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from dicomarray.dicom.part10 import DoubtError, read_part10
from dicomarray.dicom.pydicom_fallback import plain_value
from dicomarray.dicom.sequences import items_of

TEXT = st.text("ABC xyz09.-", max_size=12).map(str.strip)
NUMBER = st.floats(-1e6, 1e6).map(lambda value: f"{value:.6g}")


@st.composite
def groups(draw: st.DrawFn, depth: int = 0) -> Dataset:
    """A data set such as a functional group: text, numbers, bytes, tags, private elements, sequences."""
    item = Dataset()
    item.StackID = draw(TEXT)
    item.FrameType = draw(st.lists(st.sampled_from(["ORIGINAL", "PRIMARY", "M"]), max_size=4))
    item.ImagePositionPatient = draw(st.lists(NUMBER, min_size=3, max_size=3))
    item.InStackPositionNumber = draw(st.integers(0, 1 << 31))
    item.DimensionIndexValues = draw(st.lists(st.integers(0, 1 << 31), max_size=4))
    item.EffectiveEchoTime = draw(st.floats(0, 1e9))
    item.InstanceNumber = draw(st.none() | st.integers(-99, 99))
    item.DimensionIndexPointer = draw(st.integers(0x00080000, 0x00FFFFFF))
    item.ICCProfile = draw(st.binary(max_size=6))
    item.private_block(0x0019, "SOMEBODY", create=True).add_new(0x0C, "LO", draw(TEXT))
    if depth < 2 and draw(st.booleans()):
        nested = Sequence([draw(groups(depth + 1)) for _ in range(draw(st.integers(0, 2)))])
        nested.is_undefined_length = draw(st.booleans())
        item.PlanePositionSequence = nested
        item["PlanePositionSequence"].is_undefined_length = nested.is_undefined_length
        for one in nested:
            one.is_undefined_length_sequence_item = draw(st.booleans())
    return item


def content_of(items: list[Dataset], undefined: bool) -> tuple[bytes, Any]:
    """The bytes of a sequence as pydicom writes them, and its items as pydicom reads them again."""
    outer = Dataset()
    outer.PerFrameFunctionalGroupsSequence = items
    outer["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, outer)
    written = stream.getvalue()
    read = pydicom.filereader.read_dataset(BytesIO(written), False, True)
    return written[12:], plain_value(read["PerFrameFunctionalGroupsSequence"])


@given(st.lists(groups(), min_size=1, max_size=3), st.booleans())
def test_items_are_pydicoms(items: list[Dataset], undefined: bool) -> None:
    """Keyword by keyword, in the same order and of the same types, lengths defined or not."""
    content, expected = content_of(items, undefined)
    found = items_of(content, undefined, explicit=True)
    assert repr(found) == repr(expected)


@given(st.data())
def test_damaged_bytes_are_doubted(data: st.DataObject) -> None:
    """Cut off anywhere, or with a byte changed: doubt, or some items, and never another error."""
    item, nested = Dataset(), Dataset()
    nested.StackID, nested.ImagePositionPatient = "1", [1, 2, 3]
    item.PlanePositionSequence = [nested]
    content, _ = content_of([item, item], undefined=data.draw(st.booleans()))
    damaged = bytearray(content)
    damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for some in (bytes(damaged), content[: data.draw(st.integers(1, len(content) - 1))]):
        for undefined in (True, False):
            try:
                assert isinstance(items_of(some, undefined, explicit=True), tuple)
            except DoubtError:
                continue


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("UN", b"ab"), ("PN", b"A^B "), ("LO", b"\xe4 "), ("LO", b" a"), ("CS", b"A \\B"), ("DS", b"one "),
        ("IS", b"1.5 "), ("DS", b"nan "), ("US", b"abc"), ("XX", b"ab"),
    ],
)  # fmt: skip
def test_what_pydicom_knows_better_is_doubted(vr: str, value: bytes) -> None:
    """Text that is not ASCII or padded inside, numbers that are none, unknown VRs."""
    head = struct.pack("<HH2s", 0x0018, 0x0010, vr.encode())
    length = struct.pack("<HL", 0, len(value)) if vr == "UN" else struct.pack("<H", len(value))
    element = head + length + value
    content = struct.pack("<HHL", 0xFFFE, 0xE000, len(element)) + element
    with pytest.raises(DoubtError):
        items_of(content, undefined=False, explicit=True)


def test_real_sequences_are_pydicoms(real_data: Path) -> None:
    """Those of enhanced objects of several vendors are, private ones included."""
    count = 0
    for path in sorted((real_data / "mr-enhanced-philips-siemens").rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            part10 = read_part10(stream, None)
        if part10 is None:
            continue
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        for tag, element in part10.elements.items():
            if element.vr != "SQ" or element.value is None:
                continue
            try:
                found = items_of(element.value, element.undefined, part10.meta.explicit)
            except DoubtError:
                continue
            assert repr(found) == repr(plain_value(dataset[tag])), (path, hex(tag))
            count += 1
    assert count > 10
