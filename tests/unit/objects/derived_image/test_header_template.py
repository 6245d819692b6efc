"""Headers made after another one equal those that are made by themselves, byte for byte."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless, generate_uid

import synthetic
from dicomarray.dicom.part10 import encoded
from dicomarray.dicom.raw_header import read_raw_header
from dicomarray.errors import OutputError
from dicomarray.objects.common import identity
from dicomarray.objects.derived_image import classic, template
from writers import write_series

REPOSITORY = Path(__file__).parents[4]
REAL = Path(os.environ.get("DICOMARRAY_TEST_DATA", REPOSITORY.parent / "shared" / "data")) / "series"
SHAPE = (4, 5, 7)


class Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Stopped:
        return cls(2024, 2, 3, 4, 5, 6, tzinfo=tz)


def both_ways(
    monkeypatch: pytest.MonkeyPatch, folder: Path, files: Sequence[Path], array: Any, **options: Any
) -> int:
    """Write fast and slowly, compare all bytes; how many images the fast way had to derive."""
    counter = itertools.count(1)
    derived: list[str] = []
    derive = classic.derive

    def counted(header: Any, *others: Any) -> None:
        derived.append(header.SOPInstanceUID)
        derive(header, *others)

    written = []
    for name in ("fast", "slow"):
        with monkeypatch.context() as patch:
            # the same UIDs and the same time both ways, without a key that leaves the time out
            numbers = itertools.count(10**30)
            patch.setattr(identity, "random_uid", lambda numbers=numbers: f"2.25.{next(numbers)}")
            patch.setattr(identity, "datetime", Stopped)
            if name == "fast":
                patch.setattr(classic, "derive", counted)
            else:
                patch.setattr(classic, "read_raw_header", lambda *_: None)
                patch.setattr(template, "read_raw_header", lambda *_: None)
            report = write_series(array, files, folder / f"{name}-{next(counter)}", **options)
            written.append([file.read_bytes() for file in report.files])
    for fast, slow in zip(*written, strict=True):
        assert fast == slow
    return len(derived)


def uid(index: int) -> str:
    """Of one length: images whose UIDs have another are of another kind."""
    return f"2.25.{10**38 + index}"


def changed(files: Sequence[Path], change: Any) -> Sequence[Path]:
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        change(data_set, index)
        data_set.save_as(file)
    return files


# --- templates made in code ---------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian", "deflated"])
@pytest.mark.parametrize("modality", sorted(synthetic.CLASSES))
@pytest.mark.parametrize(
    "options", [{"values": "stored"}, {"values": "full-range"}, {"uid_key": "k"}], ids=str
)
def test_every_class_and_syntax(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, modality: str, options: dict[str, Any]
) -> None:
    """One image is derived, the others are made after it; unusual syntaxes are derived one by one."""
    stored = synthetic.stored_values(SHAPE, bits_stored=16)
    each = [{"SliceLocation": n / 3, "AcquisitionTime": f"1200{n:02d}", "SmallestImagePixelValue": 0,
             "LargestImagePixelValue": n, "SOPInstanceUID": uid(n)} for n in range(len(stored))]  # fmt: skip
    files = synthetic.write_series(
        tmp_path / "in", stored, modality=modality, bits_stored=16, syntax=syntax, each=each
    )
    derived = both_ways(monkeypatch, tmp_path, files, stored, **options)
    assert derived == (1 if syntax in ("explicit", "implicit") else len(stored))


def uneven_window(data_set: Dataset, index: int) -> None:
    data_set.WindowCenter, data_set.WindowWidth = 40 + index, 400


def uneven_slope(data_set: Dataset, index: int) -> None:
    data_set.RescaleSlope, data_set.RescaleIntercept = f"{1 + index / 8}", "0"


def uneven_numbers(data_set: Dataset, _: int) -> None:
    data_set.InstanceNumber = 1


def uneven_uids(data_set: Dataset, index: int) -> None:
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = f"1.2.{10**index}"


def uneven_private(data_set: Dataset, index: int) -> None:
    block = data_set.private_block(0x0019, "ACME", create=True)
    block.add_new(0x0C, "LO", "x" * index)
    data_set.add_new(0x60000010, "US", index)


def uneven_sources(data_set: Dataset, index: int) -> None:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = data_set.SOPClassUID, f"1.2.3.{index}"
    data_set.SourceImageSequence = [item]
    data_set["SourceImageSequence"].is_undefined_length = True


def uneven_references(data_set: Dataset, index: int) -> None:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = data_set.SOPClassUID, f"1.2.3.{index % 2}"
    data_set.ReferencedImageSequence = [item]


def named_series(data_set: Dataset, _: int) -> None:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = data_set.SOPClassUID, "1.2.3.4.5"
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedInstanceSequence = "1.2.3", [item]
    data_set.ReferencedSeriesSequence = [series]


def uneven_texts(data_set: Dataset, index: int) -> None:
    data_set.SpecificCharacterSet = "ISO_IR 192" if index % 2 else "ISO_IR 100"
    data_set.ImageComments = "äöü" * index
    data_set.DerivationDescription = "averaged" if index > 2 else "filtered"


def uneven_equipment(data_set: Dataset, index: int) -> None:
    data_set.StationName, data_set.Manufacturer = f"ROOM{index % 3}", "ACME"


def uneven_attributes(data_set: Dataset, index: int) -> None:
    if index % 2:
        data_set.TableHeight = 100 + index


def odd_numbers(data_set: Dataset, index: int) -> None:
    data_set.RescaleSlope = " 1.0" if index == 3 else "1"
    data_set.SliceLocation = "+1.50E0"
    data_set.InstanceNumber = f"00{index}" if index % 2 else f"+{index}"


CHANGES = [
    uneven_window, uneven_slope, uneven_numbers, uneven_uids, uneven_private, uneven_sources,
    uneven_references, named_series, uneven_texts, uneven_equipment, uneven_attributes, odd_numbers,
]  # fmt: skip


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_differs_between_the_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modality: str, change: Any
) -> None:
    """Kept and new slopes, private elements kept and dropped, equipment of both kinds."""
    stored = synthetic.stored_values(SHAPE, bits_stored=16)
    files = synthetic.write_series(tmp_path / "in", stored, modality=modality, bits_stored=16)
    changed(files, change)
    slopes = [float(pydicom.dcmread(file).get("RescaleSlope", 1)) for file in files]
    intercepts = [float(pydicom.dcmread(file).get("RescaleIntercept", 0)) for file in files]
    modal = stored * np.reshape(slopes, (-1, 1, 1)) + np.reshape(intercepts, (-1, 1, 1))
    for options in ({}, {"values": "full-range"}, {"keep_private": ["(0019,ACME,0C)"], "equipment": "keep"}):
        both_ways(monkeypatch, tmp_path / str(len(options)), files, modal, **options)


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (uneven_slope, 1), (uneven_numbers, 1), (uneven_private, 1), (uneven_sources, 1), (named_series, 1),
        (uneven_references, 2), (uneven_attributes, 2), (uneven_equipment, 3),
    ],
)  # fmt: skip
def test_what_is_usual_is_not_derived_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, most: int
) -> None:
    """As many images as there are kinds of headers, however many slices."""
    stored = synthetic.stored_values(SHAPE, bits_stored=16)
    files = synthetic.write_series(tmp_path / "in", stored, modality="PT", bits_stored=16)
    changed(files, lambda data_set, index: setattr(data_set, "SOPInstanceUID", uid(index)))
    changed(files, change)
    assert both_ways(monkeypatch, tmp_path, files, stored, values="stored") <= most


def test_compressed_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their headers are Explicit VR as well."""
    stored = synthetic.stored_values(SHAPE, bits_stored=16)
    each = [{"SOPInstanceUID": uid(n)} for n in range(len(stored))]
    files = synthetic.write_series(tmp_path / "in", stored, bits_stored=16, each=each)
    changed(files, lambda data_set, _: data_set.compress(RLELossless, generate_instance_uid=False))
    assert both_ways(monkeypatch, tmp_path, files, stored, values="stored") == 1


def test_an_odd_number_of_bytes_is_padded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PS3.5 7.1.1: values have an even length."""
    stored = synthetic.stored_values((4, 3, 5), bits_stored=8)
    files = synthetic.write_series(tmp_path / "in", stored, bits_stored=8)
    both_ways(monkeypatch, tmp_path, files, stored, values="stored")
    both_ways(monkeypatch, tmp_path / "float", files, stored * 0.37)


# --- real templates -----------------------------------------------------------------------------------------


def real_series() -> Iterator[Any]:
    found: dict[str, list[Path]] = {}
    for folder in sorted(REAL.iterdir()) if REAL.is_dir() else ():
        for path in sorted(path for path in folder.rglob("*") if path.is_file())[:60]:
            try:
                header = pydicom.dcmread(path, stop_before_pixels=True)
            except pydicom.errors.InvalidDicomError:
                continue
            if header.get("Rows") and not header.get("NumberOfFrames") and header.get("SamplesPerPixel") == 1:
                key = f"{folder.name}-{header.get('SeriesInstanceUID')}-{header.Rows}-{header.Columns}"
                found.setdefault(key, []).append(path)
    for key, files in found.items():
        yield pytest.param(files[:8], id=key)


@pytest.mark.parametrize("files", list(real_series()))
def test_real_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> None:
    """Every scanner's own way to write headers."""
    header = pydicom.dcmread(files[0], stop_before_pixels=True)
    if "MOSAIC" in header.get("ImageType", ()) or header.get("Modality") in ("SEG", "RTDOSE"):
        pytest.skip("no template of single images")
    if "ct-oblique-simpleitk" in files[0].parts:
        pytest.skip("each image names a study of its own")
    array = (
        np.arange(len(files) * header.Rows * header.Columns).reshape(-1, header.Rows, header.Columns) % 200
    )
    for options in ({"values": "stored"}, {"values": "full-range"}):
        both_ways(monkeypatch, tmp_path / options["values"], files, array.astype(np.int16), **options)


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "693_J2KR.dcm"],
)
def test_files_of_pydicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One real file is taken as three slices."""
    source = pydicom.dcmread(get_testdata_file(name, download=False))
    files = []
    for index in range(3):
        source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        source.InstanceNumber = index + 1
        files.append(tmp_path / "in" / f"{index}.dcm")
        files[-1].parent.mkdir(exist_ok=True)
        source.save_as(files[-1])
    array = np.zeros((3, source.Rows, source.Columns), np.uint8)
    both_ways(monkeypatch, tmp_path / "out", files, array, values="stored")


# --- heads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_a_head_holds_what_pydicom_finds(tmp_path: Path, syntax: str) -> None:
    """All elements, in order, with their values; sequences of undefined length too."""
    (file,) = synthetic.write_series(tmp_path, synthetic.stored_values((1, 2, 2)), syntax=syntax)
    changed([file], uneven_sources)
    head = read_raw_header(file)
    assert head is not None
    data_set = pydicom.dcmread(file, stop_before_pixels=True)
    assert list(head.elements) == [int(tag) for tag in data_set.keys()]  # noqa: SIM118
    for tag in head.elements:
        raw = data_set.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.VR != "SQ":
            assert head.value(tag) == (raw.value or b"")
    found = read_raw_header(file, head)
    assert found is not None and found.elements == head.elements


def test_a_head_is_read_whatever_its_size(tmp_path: Path) -> None:
    """Beyond the first bytes that are read, and with the pixel data behind."""
    (file,) = synthetic.write_series(
        tmp_path,
        synthetic.stored_values((1, 2, 2)),
        common={"ImageComments": "x" * 9000, "TextValue": "y" * 99999},
    )
    head = read_raw_header(file)
    assert head is not None
    assert len(head.value(0x0040A160)) == 100000


def test_cut_files_are_not_understood(tmp_path: Path) -> None:
    """None, or what is complete: never a wrong element."""
    (file,) = synthetic.write_series(tmp_path, synthetic.stored_values((1, 2, 2)))
    whole, data = read_raw_header(file), file.read_bytes()
    assert whole is not None
    for length in range(0, len(data), 3):
        file.write_bytes(data[:length])
        found = read_raw_header(file)
        assert found is None or found.elements == whole.elements


def test_tags_out_of_order_are_not_understood(tmp_path: Path) -> None:
    """PS3.5 7.1: elements ascend; what does not is left to pydicom."""
    (file,) = synthetic.write_series(tmp_path, synthetic.stored_values((1, 2, 2)))
    data = file.read_bytes()
    place = data.index(b"\x08\x00\x60\x00CS")
    file.write_bytes(data[:place] + encoded(0x00080005, "CS", b"ISO_IR 6", explicit=True) + data[place:])
    assert read_raw_header(file) is None


def test_a_full_disk_is_told_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC in every file made after the first: an error that tells it, no folder, no part of one."""
    stored = synthetic.stored_values(SHAPE, bits_stored=16)
    files = synthetic.write_series(tmp_path / "in", stored, bits_stored=16)
    write = classic.write_bytes
    # a UID of another length would make its file a first one, too
    uids = itertools.count(10**30)
    monkeypatch.setattr(identity, "random_uid", lambda: f"2.25.{next(uids)}")
    monkeypatch.setattr(classic, "write_bytes", lambda _, *data: write(Path("/dev/full"), *data))
    with pytest.raises(OutputError, match="No space left"):
        write_series(stored, files, tmp_path / "results" / "out", values="stored")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("gathers", [True, False])
def test_a_write_that_takes_a_part_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gathers: bool
) -> None:
    """With one call for header and pixels, and where the system has none: no byte is lost or doubled."""
    write = os.write

    def some(file: int, parts: Sequence[Any]) -> int:
        return write(file, b"".join(parts)[:5])

    if gathers:
        monkeypatch.setattr(os, "writev", some, raising=False)
    else:
        monkeypatch.delattr(os, "writev", raising=False)
        monkeypatch.setattr(os, "write", lambda file, part: some(file, [part]))
    classic.write_bytes(tmp_path / "file", b"the header", np.arange(11, dtype=np.uint8))
    assert (tmp_path / "file").read_bytes() == b"the header" + bytes([*range(11), 0])
