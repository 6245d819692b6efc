"""Sequences without end, or where words belong, and numbers that are none: declared, at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray.core.nesting import MAX_DEPTH, TOO_DEEP
from hostile_elements import element, nested, outcome, outcome_in_child, replace_element

CONTENT, REFERENCED, TRANSFER_SYNTAX = 0x0040A730, 0x00081140, 0x00020010
SERIES_UID, SERIES_NUMBER, B_VALUE = 0x0020000E, 0x00200011, 0x00189087
FINE = "(6, 24, 20)"


@pytest.fixture
def series(tmp_path: Path) -> Path:
    synthetic.write_series(tmp_path / "series", synthetic.stored_values((6, 24, 20)), bits_stored=12)
    return tmp_path / "series"


def loads(folder: Path) -> Callable[[], str]:
    return lambda: str(dicomarray.load(folder).array.shape)


def indexes(folder: Path) -> Callable[[], str]:
    """An index of the folder, and whether it has the series of the scan with the same attributes."""

    def work() -> str:
        path = folder.parent / "index.sqlite"
        dicomarray.index(folder, path)
        kept = {s.uid: [dict(i.attributes) for i in s.instances] for s in dicomarray.open_index(path)}
        scanned = {s.uid: [dict(i.attributes) for i in s.instances] for s in dicomarray.scan(folder)}
        return "agree" if kept.keys() == scanned.keys() else f"{sorted(kept)} and {sorted(scanned)}"

    return work


def writes(folder: Path) -> Callable[[], str]:
    def work() -> str:
        values = np.zeros((6, 24, 20), np.int16)
        dicomarray.to_dicom(values, folder, folder.parent / "out")
        return "written"

    return work


def is_declared(said: str) -> bool:
    """Whether work ended well, or in an error of the package."""
    return said in (FINE, "written") or hasattr(dicomarray.errors, said.partition(":")[0])


def every_outcome(works: list[Callable[[], str]]) -> str:
    """A line for each."""
    return "\n".join(outcome(work).partition("\n")[0][:80] for work in works)


DEPTHS = [2, MAX_DEPTH, MAX_DEPTH + 1, 300]


@pytest.mark.parametrize("defined", [True, False], ids=["lengths", "delimiters"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_nested_sequences_cost_nothing(series: Path, depth: int, defined: bool) -> None:
    """However deep: the image is read, or the file skipped and said to be missing; scan and index agree."""
    replace_element(series / "0003.dcm", CONTENT, nested(CONTENT, depth, defined))

    def work() -> str:
        catalog = dicomarray.scan(series)
        return (
            f"{[s.volume(missing='keep').array.shape for s in catalog]} {[s.reason for s in catalog.skipped]}"
        )

    read, skipped = f"[{FINE}] []", f"[(5, 24, 20)] ['{TOO_DEEP}']"
    assert outcome_in_child(work) in ([read] if defined or depth <= MAX_DEPTH else [read, skipped])
    assert outcome_in_child(indexes(series)) == "agree"


@pytest.mark.parametrize("defined", [True, False], ids=["lengths", "delimiters"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_nested_sequences_in_a_template_are_refused(series: Path, depth: int, defined: bool) -> None:
    """Up to the limit they are copied; behind it the template is refused, at once and by name."""
    for path in series.iterdir():
        replace_element(path, CONTENT, nested(CONTENT, depth, defined))
    said = outcome_in_child(writes(series))
    if depth <= MAX_DEPTH:
        assert said == "written"
    else:
        assert said.startswith(("TemplateError", "InputError")) and len(said) < 500


def test_an_error_inside_nested_sequences_stays_short(series: Path) -> None:
    """pydicom's error repeats itself at each level: the limit keeps it from filling the memory."""
    wrong = element(B_VALUE, b"FD", b"\0" * 6)
    for path in series.iterdir():
        replace_element(path, CONTENT, nested(CONTENT, MAX_DEPTH, True, wrong))
    assert outcome_in_child(writes(series)).startswith("TemplateError")


@pytest.mark.parametrize("tag", [TRANSFER_SYNTAX, 0x00020000, 0x00020003], ids=["syntax", "length", "uid"])
@pytest.mark.parametrize("depth", [1, 2000])
@pytest.mark.parametrize("defined", [True, False], ids=["lengths", "delimiters"])
def test_a_sequence_in_the_file_meta_information_is_skipped(
    series: Path, depth: int, defined: bool, tag: int
) -> None:
    """As Transfer Syntax UID or another: the file is skipped, which costs the others nothing."""
    raw = (series / "0001.dcm").read_bytes()
    at = raw.index(element(tag, b"UI", b"")[:4])
    size = int.from_bytes(raw[at + 6 : at + 8], "little")
    broken = nested(tag, depth, defined)
    (series / "bad.dcm").write_bytes(raw[:at] + broken + raw[at + 8 + size :])

    def work() -> str:
        catalog = dicomarray.scan(series)
        return f"{catalog[0].volume().array.shape} {[s.path.name for s in catalog.skipped]}"

    assert outcome_in_child(work) == f"{FINE} ['bad.dcm']"


WORDS = {
    "ImageType": 0x00080008, "Modality": 0x00080060, "Manufacturer": 0x00080070,
    "PhotometricInterpretation": 0x00280004, "Rows": 0x00280010, "ImagePositionPatient": 0x00200032,
    "PixelSpacing": 0x00280030, "RescaleSlope": 0x00281053, "SeriesInstanceUID": SERIES_UID,
    "AcquisitionTime": 0x00080032, "InstanceNumber": 0x00200013, "EchoTime": 0x00180081,
    "SpecificCharacterSet": 0x00080005, "SOPClassUID": 0x00080016, "BitsStored": 0x00280101,
}  # fmt: skip


@pytest.mark.parametrize("defined", [True, False], ids=["lengths", "delimiters"])
@pytest.mark.parametrize("keyword", WORDS)
def test_a_sequence_where_words_belong_is_declared(series: Path, keyword: str, defined: bool) -> None:
    """In all images or in one it costs the attribute, the file, or gives an error of the package."""
    tag = WORDS[keyword]
    third = series / "0003.dcm"
    for paths in ([third], [path for path in series.iterdir() if path != third]):
        for path in paths:
            replace_element(path, tag, nested(REFERENCED, 1, defined).replace(
                element(REFERENCED, b"SQ", b"")[:4], element(tag, b"SQ", b"")[:4]
            ))  # fmt: skip
        works = [loads(series), writes(series), indexes(series)]
        said = outcome_in_child(partial(every_outcome, works)).splitlines()
        assert all(map(is_declared, said[:2])) and said[2] == "agree"


@pytest.mark.parametrize("where", ["0003.dcm", "*.dcm"])
def test_a_sequence_that_is_not_used_is_told(series: Path, where: str) -> None:
    """Body Part Examined as a sequence: the volume is read, and says so; without that it says nothing."""
    assert not dicomarray.load(series).warnings
    tag = 0x00180015
    _is_told(series, "BodyPartExamined", tag, where)


def test_a_sequence_is_told_where_images_have_values_of_their_own(series: Path) -> None:
    """Acquisition Time differs among the others, and is a sequence in one."""
    tag = 0x00080032
    for number, path in enumerate(sorted(series.iterdir())):
        replace_element(path, tag, element(tag, b"TM", b"10000%d" % number))
    _is_told(series, "AcquisitionTime", tag, "0003.dcm")


def _is_told(series: Path, keyword: str, tag: int, where: str) -> None:
    for path in series.glob(where):
        replace_element(path, tag, nested(tag, 1, True))
    told = [text for text in dicomarray.load(series).warnings if f"{keyword} is a sequence" in text]
    assert len(told) == 1


@pytest.mark.parametrize("raw", [element(SERIES_UID, b"US", b"\1\0"), element(SERIES_UID, b"FD", b"\0" * 6)])
def test_a_series_uid_of_a_numeric_vr_is_one_thing(series: Path, raw: bytes) -> None:
    """Scan and index call the series the same."""
    for path in series.iterdir():
        replace_element(path, SERIES_UID, raw)
    assert outcome_in_child(indexes(series)) == "agree"


ODD_NUMBERS = {
    "two signs": element(SERIES_NUMBER, b"IS", b"--1 "),
    "an infinite number": element(SERIES_NUMBER, b"IS", b"-1e400"),
    "no number": element(SERIES_NUMBER, b"IS", b"one "),
    "infinite bits": element(0x00280100, b"DS", b"1e999 "),
    "too long": element(SERIES_NUMBER, b"IS", b"9" * 400),
    "cut off": element(B_VALUE, b"FD", b"\0" * 6),
    "cut off, a short one": element(SERIES_NUMBER, b"US", b"\0" * 3),
}


@pytest.mark.parametrize("raw", ODD_NUMBERS.values(), ids=ODD_NUMBERS)
@pytest.mark.parametrize("where", ["0003.dcm", "*.dcm"])
def test_odd_numbers_in_a_template_are_declared(series: Path, raw: bytes, where: str) -> None:
    """Kept as they are where nobody needs them, else refused; numbers that are cut off are refused."""
    tag = int.from_bytes(raw[:2], "little") << 16 | int.from_bytes(raw[2:4], "little")
    for path in series.glob(where):
        replace_element(path, tag, raw)
    said = outcome_in_child(writes(series))
    assert is_declared(said)
    if b"\0\0\0" in raw and where == "*.dcm":
        assert said.startswith("TemplateError") and f"({tag >> 16:04X},{tag & 0xFFFF:04X})" in said.upper()
