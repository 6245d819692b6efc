"""Items that are like earlier ones: what a walk of every item gives, and the same where bytes are damaged."""

from __future__ import annotations

import copy
import pickle
import struct
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

import enhanced_files as enhanced
import synthetic
from dicomarray.assembly.frames.frame import frames_of
from dicomarray.dicom import part10, sequences
from dicomarray.dicom.functional_groups import CONTRADICTED, FUNCTIONAL_GROUPS, flatten
from dicomarray.dicom.headers.header import read_header
from dicomarray.dicom.part10 import DoubtError, read_part10
from dicomarray.dicom.pydicom_fallback import plain_value
from dicomarray.dicom.sequence_items import Item

DECIMALS = st.sampled_from(["0", "-0", "1.5", "-12.25", "130", "1e-3"])


@st.composite
def several_alike(draw: st.DrawFn) -> list[Dataset]:
    """Items like those of functional groups: some values and their lengths differ, now and then more."""
    undefined = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    return [_group(draw, undefined) for _ in range(draw(st.integers(4, 12)))]


def _group(draw: st.DrawFn, undefined: tuple[bool, bool, bool]) -> Dataset:
    group, content, place, deeper, deepest = (Dataset() for _ in range(5))
    content.StackID = "1"
    content.InStackPositionNumber = draw(st.integers(1, 3))
    content.DimensionIndexValues = [1, draw(st.integers(1, 3))]
    content.FrameComments = draw(st.sampled_from(["", "", "A comment", "longer than the other one"]))
    place.ImagePositionPatient = [draw(DECIMALS) for _ in range(3)]
    deepest.DiffusionGradientOrientation = [0.0, 1.0, draw(st.sampled_from([0.0, -0.0, 0.5]))]
    deeper.DiffusionGradientDirectionSequence = [deepest] * draw(st.sampled_from([1, 1, 1, 2]))
    deeper.DiffusionBValue = float(draw(st.integers(0, 2)))
    group.FrameContentSequence, group.PlanePositionSequence, group.MRDiffusionSequence = (
        [content],
        [place],
        [deeper],
    )
    if draw(st.integers(0, 5)) == 0:
        group.PixelPresentation = "COLOR"
    if draw(st.booleans()):
        group.private_block(0x0019, "SOMEBODY", create=True).add_new(0x0C, "OB", draw(st.binary(max_size=4)))
    for one, name in ((group, "PlanePositionSequence"), (group, "MRDiffusionSequence")):
        one[name].is_undefined_length = one[name].value.is_undefined_length = undefined[0]
    for one in (place, deeper, deepest):
        one.is_undefined_length_sequence_item = undefined[1]
    group.is_undefined_length_sequence_item = undefined[2]
    return group


def written(items: list[Dataset], undefined: bool, explicit: bool) -> tuple[bytes, Any]:
    """The bytes of a sequence as pydicom writes them, and its items as pydicom reads them again."""
    outer = Dataset()
    outer.PerFrameFunctionalGroupsSequence = items
    outer["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, not explicit
    write_dataset(stream, outer)
    read = pydicom.filereader.read_dataset(BytesIO(stream.getvalue()), not explicit, True)
    return stream.getvalue()[12 if explicit else 8 :], plain_value(read["PerFrameFunctionalGroupsSequence"])


def outcome(content: bytes, undefined: bool, explicit: bool) -> str:
    """The items of a sequence, or that they are doubted."""
    try:
        return repr(sequences.items_of(content, undefined, explicit))
    except DoubtError:
        return "doubt"


def outcome_of_a_walk(content: bytes, undefined: bool, explicit: bool) -> str:
    """The same without a comparison of items."""
    with patch.object(sequences, "FEW_ITEMS", len(content)):
        return outcome(content, undefined, explicit)


@given(several_alike(), st.booleans())
def test_items_that_are_alike_are_pydicoms(items: list[Dataset], undefined: bool) -> None:
    """Value by value, in the same order and of the same types, lengths defined or not."""
    content, expected = written(items, undefined, explicit=True)
    assert outcome(content, undefined, explicit=True) == repr(expected)


@given(several_alike(), st.booleans(), st.booleans(), st.data())
def test_damage_is_seen_as_by_a_walk(
    items: list[Dataset], undefined: bool, explicit: bool, data: st.DataObject
) -> None:
    """Bytes changed, or cut off anywhere: the items or the doubt that a walk of every item ends with."""
    for item in items:
        del item[0x0019:0x001A]  # private elements have no VR in implicit VR: all would be doubted
    content, _ = written(items, undefined, explicit)
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        damaged[place] = data.draw(st.sampled_from([0, 1, 2, 8, 0x20, 0xFF, damaged[place] ^ 2]))
    for some in (bytes(damaged), content[: data.draw(st.integers(1, len(content) - 1))]):
        for length_undefined in (True, False):
            assert outcome(some, length_undefined, explicit) == outcome_of_a_walk(
                some, length_undefined, explicit
            )


def groups_like_a_scanners(count: int, undefined: bool) -> bytes:
    """Positions of differing lengths, texts, numbers."""
    items = []
    for index in range(count):
        content, place, group = Dataset(), Dataset(), Dataset()
        content.FrameAcquisitionDateTime, content.InStackPositionNumber = f"20200101120000.{index:06d}", index
        place.ImagePositionPatient = [f"{index / 7:.{index % 9 + 2}g}", "0", index]
        place.is_undefined_length_sequence_item = content.is_undefined_length_sequence_item = undefined
        group.FrameContentSequence, group.PlanePositionSequence = [content], [place]
        for name in ("FrameContentSequence", "PlanePositionSequence"):
            group[name].is_undefined_length = group[name].value.is_undefined_length = undefined
        group.is_undefined_length_sequence_item = undefined
        items.append(group)
    return written(items, undefined, explicit=True)[0]


@pytest.mark.parametrize("undefined", [False, True])
def test_few_items_are_walked(undefined: bool) -> None:
    """Of a hundred with values of any length, but a handful: the others are compared."""
    content = groups_like_a_scanners(100, undefined)
    items = sequences.items_of(content, undefined, explicit=True)
    assert repr(items) == outcome_of_a_walk(content, undefined, explicit=True)
    assert sum(not isinstance(item, Item) for item in items) < 12


@given(st.booleans(), st.data())
def test_the_end_of_a_sequence_is_where_a_walk_finds_it(
    tmp_path_factory: pytest.TempPathFactory, explicit: bool, data: st.DataObject
) -> None:
    """Items of undefined length, more than one read holds; with bytes changed the same, or doubt."""
    dataset = Dataset()
    dataset.PerFrameFunctionalGroupsSequence = long_groups()
    dataset.PixelData, dataset.file_meta = b"ab", FileMetaDataset()
    dataset["PixelData"].VR = "OW"
    dataset["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    path = tmp_path_factory.mktemp("damaged") / "e.dcm"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3"
    dataset.save_as(path, enforce_file_format=True)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0x180, len(content) - 1))
        content[place] = data.draw(st.sampled_from([0, 1, 2, 8, 0xFF, content[place] ^ 2]))
    path.write_bytes(content)
    with path.open("rb") as stream:
        found = read_part10(stream, None)
    with path.open("rb") as stream, patch.object(part10, "FEW_ITEMS", len(content)):
        assert found == read_part10(stream, None)


@lru_cache(maxsize=1)
def long_groups() -> Any:
    """Items with positions of differing lengths."""
    content = groups_like_a_scanners(150, undefined=True)
    head = struct.pack("<HH2sHL", 0x5200, 0x9230, b"SQ", 0, 0xFFFFFFFF)
    read = pydicom.filereader.read_dataset(BytesIO(head + content), False, True)
    return read["PerFrameFunctionalGroupsSequence"].value


def test_items_that_are_never_alike_are_read_like_others() -> None:
    """A comparison that seldom helps changes nothing."""
    items = []
    for index in range(300):
        item = Dataset()
        for bit in range(9):
            if index >> bit & 1:
                item.add_new(0x00181000 + bit, "LO", "A")
        items.append(item)
    content, expected = written(items, undefined=False, explicit=True)
    assert repr(sequences.items_of(content, False, True)) == repr(expected)


def test_an_item_is_a_mapping_like_another() -> None:
    """It equals the dict with its elements, copies and pickles as one, and cannot be changed."""
    *_, item = sequences.items_of(groups_like_a_scanners(9, True), True, explicit=True)
    assert isinstance(item, Item)
    plain = dict(item)
    assert (item, copy.deepcopy(item), len(item)) == (plain, plain, len(plain))
    assert type(pickle.loads(pickle.dumps(item))) is dict
    assert item.get("FrameContentSequence") == plain["FrameContentSequence"]
    with pytest.raises(TypeError):
        item["StackID"] = "2"  # type: ignore[index]


def of_each_frame(path: Path) -> list[dict[str, Any]]:
    """The attributes of each frame out of pydicom's data set: its own groups over the shared ones."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    shared, per_frame = (
        plain_value(dataset[name]) if name in dataset else ({},) for name in FUNCTIONAL_GROUPS
    )
    below = dict(read_header(path).attributes)
    return [below | flatten(shared[0]) | flatten(group) for group in per_frame]


def assert_frames_are_pydicoms(path: Path) -> None:
    """The same values of the same types, beside the note of what the shared groups say otherwise."""
    for frame, expected in zip(frames_of(read_header(path)), of_each_frame(path), strict=True):
        found = {name: value for name, value in frame.attributes.items() if name != CONTRADICTED}
        assert repr(dict(sorted(found.items()))) == repr(dict(sorted(expected.items())))
        assert len(found) == len(expected)
        assert all(name in frame.attributes for name in expected)


@given(st.data())
def test_attributes_of_frames_are_pydicoms(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever is shared, differs, is absent in some frames, or stands in the data set as well."""
    choices: list[st.SearchStrategy[enhanced.Group]] = [
        st.builds(enhanced.at, st.sampled_from([0.0, -0.0, 1.5, 10.25, 100.0])),
        st.builds(enhanced.rescaled, st.sampled_from([1.0, 0.12345]), st.sampled_from([0.0, -1024.0])),
        st.builds(enhanced.echo, st.sampled_from([10.0, 20.0])),
        st.builds(
            enhanced.weighted, st.sampled_from([0.0, 1000.0]), st.sampled_from([None, (1.0, 0.0, 0.0)])
        ),
        st.builds(
            lambda number: enhanced.content(StackID="1", InStackPositionNumber=number), st.integers(1, 3)
        ),
    ]

    def group() -> enhanced.Group:
        parts = [data.draw(choice) for choice in choices if data.draw(st.integers(0, 6))]
        return {name: value for part in parts for name, value in part.items()}

    frames = [group() or enhanced.echo(1.0) for _ in range(data.draw(st.integers(2, 10)))]
    path = tmp_path_factory.mktemp("enhanced") / "e.dcm"
    common = {"RescaleSlope": 3, "EchoTime": 5} if data.draw(st.booleans()) else {}
    array = synthetic.stored_values((len(frames), 3, 4))
    enhanced.write_enhanced(path, array, frames, shared=data.draw(choices[2]), common=common)
    assert_frames_are_pydicoms(path)


def test_what_equals_in_all_frames_is_held_once(tmp_path: Path) -> None:
    """Only what differs is each frame's own: loops over frames need not ask for the rest."""
    frames = [enhanced.at(index * 2.0) | enhanced.echo(30.0) for index in range(20)]
    path = enhanced.write_enhanced(tmp_path / "e.dcm", synthetic.stored_values((20, 3, 4)), frames)
    commons = {frame.attributes.common for frame in frames_of(read_header(path))}  # type: ignore[attr-defined]
    (common,) = commons
    assert list(common.slots) == ["ImagePositionPatient"]
    assert common.values["EffectiveEchoTime"] == 30.0


def test_attributes_of_real_frames_are_pydicoms(real_data: Path) -> None:
    """Those of enhanced objects of several vendors are."""
    count = 0
    for path in sorted(real_data.rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            found = read_part10(stream, frozenset((0x52009230,)))
        if found is not None and found.elements:
            assert_frames_are_pydicoms(path)
            count += 1
    assert count > 20
