"""Damaged files and headers that lie, all the way to the volume: a right answer or an error that says why.

Whatever the bytes are: `scan` does not raise, `volumes` raises nothing but the package's own errors, no
memory is taken for what is only claimed, nothing hangs, and no warning quotes what a damaged file holds.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
import shutil
import traceback
import tracemalloc
import warnings
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement

import dicomarray
import synthetic
from comparison import cases
from dicomarray.errors import DataError, DicomArrayError

# --- random damage ----------------------------------------------------------------------------------------

PER_SAMPLE = 60
TIME_LIMIT_S = 120  # for all cases of one sample; they take two seconds
# What a few small files may cost; a false number of frames or rows costs gigabytes.
MEMORY_LIMIT_BYTES = 200 << 20
PIXEL_DATA = b"\xe0\x7f\x10\x00"  # the tag (7FE0,0010), little endian


def compressed(folder: Path) -> None:
    """The same image in JPEG-LS, JPEG 2000, RLE and JPEG, a series each."""
    folder.mkdir(exist_ok=True)
    for name in ("MR_small_jpeg_ls_lossless.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm", "JPGExtended.dcm"):
        shutil.copy(str(get_testdata_file(name, download=False)), folder)


def enhanced(folder: Path) -> None:
    """Ten frames of an enhanced MR object, its groups in sequences, RLE."""
    folder.mkdir(exist_ok=True)
    shutil.copy(str(get_testdata_file("emri_small_RLE.dcm", download=False)), folder)


def deflated(folder: Path) -> None:
    synthetic.write_series(folder, synthetic.stored_values(), syntax="deflated")


SAMPLES: dict[str, Callable[[Path], object]] = {
    "ct": cases.plain_ct,
    "ct big endian": cases.big_endian,
    "ct deflated": deflated,
    "mr with two echoes": cases.two_echoes,
    "enhanced ct": cases.enhanced_ct_with_slopes,
    "enhanced mr": enhanced,
    "mosaic": cases.siemens_mosaic,
    "compressed": compressed,
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_random_damage(tmp_path: Path, sample: str) -> None:
    """Bits flipped, bytes cut, inserted, overwritten, in headers and pixels, files cut off: see above."""
    SAMPLES[sample](tmp_path / "sound")
    assert in_child(damage_many, tmp_path, sample) == []


def damage_many(folder: Path, seed: str) -> list[str]:
    """What went wrong in each case, with its number, by which it can be repeated."""
    sound = sorted(path for path in (folder / "sound").rglob("*") if path.is_file())
    wrong = []
    for number in range(PER_SAMPLE):
        chance = random.Random(f"{seed} {number}")
        case = folder / str(number)
        case.mkdir()
        victim = chance.choice(sound)
        for path in sound:
            raw = path.read_bytes()
            (case / path.name).write_bytes(damaged(raw, chance) if path == victim else raw)
        fault = fault_of(case)
        if fault:
            wrong.append(f"{seed} {number}, {victim.name}: {fault}")
    return wrong


def damaged(sound: bytes, chance: random.Random) -> bytes:
    """Three of four wounds lie in the header, where every byte has a meaning."""
    raw = bytearray(sound)
    for _ in range(chance.choice((1, 1, 2, 5))):
        header = raw.rfind(PIXEL_DATA) + 12
        end = header if header > 12 and chance.random() < 0.75 else len(raw)
        at, size = chance.randrange(max(end, 1)), chance.choice((1, 2, 4, 8, 40))
        wound = chance.randrange(7)
        if wound == 0:
            del raw[at:]
        elif wound == 1:
            del raw[at : at + size]
        elif wound == 2:
            raw[at:at] = chance.randbytes(size)
        elif wound == 3:
            raw[at : at + size] = bytes([chance.choice((0x00, 0xFF))]) * size
        elif wound == 4:
            raw[at:at] = raw[at // 2 : at // 2 + size]
        elif at < len(raw):
            raw[at] ^= 1 << chance.randrange(8)
    return bytes(raw)


def fault_of(folder: Path) -> str:
    """What went wrong; empty where the folder was read, or refused with an error of the package."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for series in dicomarray.scan(folder):
                read_all_ways(series)
        except Exception:  # noqa: BLE001 - that there is none is what is tested
            return traceback.format_exc(limit=-3)
    return "; ".join(f"{warning.filename}: {warning.message}" for warning in caught)


def read_all_ways(series: dicomarray.Series) -> None:
    assert series.title and len(series.files) == len(series.instances)
    dict(series.attributes)
    for options in ({}, {"missing": "keep", "duplicates": "split"}, {"units": "stored"}):
        try:
            volumes = series.volumes(**options)  # type: ignore[arg-type]  # one option or another
        except DicomArrayError as error:
            assert str(error)
            continue
        for volume in volumes:
            assert volume.array.ndim == len(volume.axes)
            json.dumps(volume.metadata, allow_nan=False)


def in_child(work: Callable[[Path, str], list[str]], folder: Path, argument: str) -> list[str]:
    """What the work returns, in a process of its own: a hang and a crash are faults, and so is its size."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(work, folder, argument, there))
    child.start()
    there.close()
    try:
        faults: list[str] = here.recv() if here.poll(TIME_LIMIT_S) else [f"nothing after {TIME_LIMIT_S} s"]
    except EOFError:
        faults = ["the process crashed"]
    child.kill()
    child.join()
    here.close()
    return faults


def _work(
    work: Callable[[Path, str], list[str]], folder: Path, argument: str, connection: Connection
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    faults = work(folder, argument)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    if grown > MEMORY_LIMIT_BYTES:
        faults.append(f"{grown >> 20} MB of memory")
    connection.send(faults)
    connection.close()


# --- headers that lie -------------------------------------------------------------------------------------

# An image of another size or kind is no slice of the volume, which then has a gap.
A_SLICE_LESS = r"1 slice is missing.* between .*0002\.dcm and .*0004\.dcm"
# In the third slice of six; what the error must say.
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "rows beyond the file": ({"Rows": 65535, "Columns": 65535}, A_SLICE_LESS),
    "no rows": ({"Rows": 0}, A_SLICE_LESS),
    "frames beyond any": ({"NumberOfFrames": 10**9}, "NumberOfFrames is 1000000000"),
    "frames beyond the file": ({"NumberOfFrames": 999_999}, "NumberOfFrames is 999999"),
    "no frames": ({"NumberOfFrames": 0}, "NumberOfFrames is 0"),
    "8 bits, 16 in the file": ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, "pixel data"),
    "more bits stored than allocated": ({"BitsStored": 17, "HighBit": 16}, "BitsStored"),
    "position no number": ({"ImagePositionPatient": ["NAN", "0", "0"]}, "ImagePositionPatient"),
    "position infinite": ({"ImagePositionPatient": ["0", "0", "INF"]}, "ImagePositionPatient"),
    "position beyond everything": ({"ImagePositionPatient": ["0", "0", "1e300"]}, "ImagePositionPatient"),
    "position of two numbers": ({"ImagePositionPatient": ["0", "0"]}, "ImagePositionPatient"),
    "no size of a pixel": ({"PixelSpacing": ["0", "0.5"]}, "PixelSpacing"),
    "a pixel's size negative": ({"PixelSpacing": ["-1", "0.5"]}, "PixelSpacing"),
    "a pixel's size next to nothing": ({"PixelSpacing": ["1e-300", "0.5"]}, "PixelSpacing"),
    "directions not upright": (
        {"ImageOrientationPatient": ["1", "0", "0", "0.7071", "0.7071", "0"]},
        "ImageOrientationPatient",
    ),
    "directions no unit vectors": (
        {"ImageOrientationPatient": ["2", "0", "0", "0", "1", "0"]},
        "ImageOrientationPatient",
    ),
    "slope no number": ({"RescaleSlope": "NAN"}, "RescaleSlope"),
    "slope beyond everything": ({"RescaleSlope": "1e301"}, "RescaleSlope"),
    "colour of one sample": ({"SamplesPerPixel": 3}, A_SLICE_LESS),
    "an unknown kind of pixel": ({"PhotometricInterpretation": "XYZ"}, "PhotometricInterpretation"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused(tmp_path: Path, lie: str) -> None:
    """One slice of a CT lies: an error that names file and attribute, before memory is taken."""
    attributes, message = LIES[lie]
    write_ct(tmp_path, attributes)
    series = dicomarray.scan(tmp_path)[0]
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message) as caught:
            series.volume()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "0003.dcm" in str(caught.value) or message == A_SLICE_LESS
    assert peak < 20 << 20
    assert fault_of(tmp_path) == ""


def write_ct(folder: Path, third: Mapping[str, Any]) -> None:
    """The plain CT; the third slice has these attributes, written as they are, whatever pydicom thinks."""
    values = synthetic.stored_values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = synthetic.write_series(folder, values, bits_stored=12)
        dataset = pydicom.dcmread(files[2])
        for keyword, value in third.items():
            setattr(dataset, keyword, value)
        dataset.save_as(files[2])


# In one slice of six, and no reason to refuse the series.
HARMLESS: dict[str, dict[str, Any]] = {
    "thickness negative": {"SliceThickness": "-2.5"},
    "thickness next to nothing": {"SliceThickness": "1e-300"},
    "spacing 0 between slices": {"SpacingBetweenSlices": "0"},
    "a huge Instance Number": {"InstanceNumber": "2147483647"},
    "a tiny rounding error": {"ImageOrientationPatient": ["1", "1e-300", "0", "0", "1", "-1e-17"]},
    "orientation -0": {"ImageOrientationPatient": ["1", "-0", "0", "0", "1", "-0"]},
}


@pytest.mark.parametrize("lie", HARMLESS)
def test_what_does_not_matter_changes_nothing(tmp_path: Path, lie: str) -> None:
    """Attributes that the geometry does not need may be anything: the same values in the same places."""
    write_ct(tmp_path, HARMLESS[lie])
    volume = dicomarray.load(tmp_path)
    np.testing.assert_array_equal(volume.array, synthetic.stored_values().astype(int) - 1024)
    expected = np.array([(*synthetic.ORIGIN_MM[:2], 100 + 2.5 * index) for index in range(6)])
    np.testing.assert_allclose(volume.metadata["geometry"]["slice_positions_mm"], expected, atol=1e-9)
    assert fault_of(tmp_path) == ""


@pytest.mark.parametrize("slope", [1e38, 1e-43])
def test_a_slope_beyond_float32_is_kept(tmp_path: Path, slope: float) -> None:
    """1e38 times 4095 needs a float64, and so does 1e-43: nothing becomes infinite, or 0."""
    scaling = {"RescaleSlope": f"{slope:g}", "RescaleIntercept": "0"}
    synthetic.write_series(tmp_path, synthetic.stored_values(), bits_stored=12, common=scaling)
    volume = dicomarray.load(tmp_path)
    np.testing.assert_allclose(volume.array, synthetic.stored_values() * slope, rtol=1e-6)
    assert fault_of(tmp_path) == ""


@pytest.mark.parametrize("thickness", ["1e-300", "0", "-3"])
def test_a_lone_slice_has_a_geometry(tmp_path: Path, thickness: str) -> None:
    """Whatever its thickness claims, direction and affine are numbers."""
    synthetic.write_series(tmp_path, synthetic.stored_values()[:1], common={"SliceThickness": thickness})
    volume = dicomarray.load(tmp_path)
    assert np.isfinite(volume.affine).all()
    assert np.linalg.det(volume.affine) != 0
    assert fault_of(tmp_path) == ""


def test_one_uid_for_different_images(tmp_path: Path) -> None:
    """Two different slices under one SOP Instance UID are two slices, and a warning says so."""
    files = synthetic.write_series(tmp_path, synthetic.stored_values(), bits_stored=12)
    uid = pydicom.dcmread(files[1]).SOPInstanceUID
    dataset = pydicom.dcmread(files[4])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.save_as(files[4])
    volume = dicomarray.load(tmp_path)
    np.testing.assert_array_equal(volume.array, synthetic.stored_values().astype(int) - 1024)
    assert any("SOPInstanceUID is not unique" in warning for warning in volume.warnings)


@pytest.mark.parametrize("syntax", list(synthetic.NATIVE_SYNTAXES))
def test_no_warning_quotes_a_file(tmp_path: Path, syntax: str) -> None:
    """pydicom warns of an unknown character set, quoting it, each time that it reads the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        common = {"SpecificCharacterSet": "DOE^JANE"}
        synthetic.write_series(tmp_path, synthetic.stored_values(), syntax=syntax, common=common)
    with pytest.warns(UserWarning, match="DOE"):
        pydicom.dcmread(tmp_path / "0001.dcm")
    assert fault_of(tmp_path) == ""


def test_a_slope_of_0_is_told(tmp_path: Path) -> None:
    """All voxels are the intercept, as PS3.3 C.11.1.1 has it, but not without a word."""
    write_ct(tmp_path, {"RescaleSlope": "0"})
    volume = dicomarray.load(tmp_path)
    assert (volume.array[2] == -1024).all()
    assert any("RescaleSlope is 0 in 1 images" in warning for warning in volume.warnings)
    assert fault_of(tmp_path) == ""


FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


@pytest.mark.parametrize("kind", ["missing", "one too few", "no sequence", "empty items"])
@pytest.mark.parametrize("sequence", FUNCTIONAL_GROUPS)
def test_functional_groups_that_lie(tmp_path: Path, sequence: str, kind: str) -> None:
    """Groups that are gone, too few, empty or no sequence: an error or no geometry, never a made-up one."""
    cases.enhanced_ct(tmp_path)
    path = tmp_path / "enhanced.dcm"
    dataset = pydicom.dcmread(path)
    items = list(dataset[sequence].value)
    if kind == "missing":
        del dataset[sequence]
    elif kind == "one too few":
        dataset[sequence].value = items[:-1]
    elif kind == "empty items":
        dataset[sequence].value = [pydicom.Dataset() for _ in items]
    else:
        element = dataset[sequence]
        del dataset[sequence]
        dataset[element.tag] = RawDataElement(element.tag, "LO", 8, b"nothing ", 0, False, True)
    dataset.save_as(path)
    assert fault_of(tmp_path) == ""
    try:
        volumes = dicomarray.scan(tmp_path)[0].volumes()
    except DataError as error:
        assert path.name in str(error)
    else:
        assert [volume.affine for volume in volumes] == [None]
