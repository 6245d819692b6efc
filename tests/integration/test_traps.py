"""What trips readers of real series, one test each: from the files to the volume, values and places."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import EnhancedMRImageStorage, JPEGExtended12Bit, generate_uid

import dicomarray
import mosaic_files
import synthetic
from comparison import cases
from comparison.judging import RIGHT, Loaded, corners_of, judge
from comparison.truth import know
from dicomarray import Volume
from dicomarray.errors import ChoiceError, DataError
from synthetic import ORIGIN_MM, SPACING_MM


def volumes(folder: Path, **options: Any) -> list[Volume]:
    """All volumes of the one series in a folder."""
    (series,) = dicomarray.scan(folder)
    return series.volumes(**options)


def places(volume: Volume) -> NDArray[np.float64]:
    """(slices, 3): the centre of voxel (0, 0) of each slice."""
    return np.array(volume.metadata["geometry"]["slice_positions_mm"])


def along_z(distances: Sequence[float]) -> NDArray[np.float64]:
    """The usual origin, and so many mm above it."""
    return np.array([(ORIGIN_MM[0], ORIGIN_MM[1], ORIGIN_MM[2] + distance) for distance in distances])


# --- every hand-made series of the comparison -------------------------------------------------------------


@pytest.mark.parametrize("make", [make for _, make in cases.HAND_MADE], ids=[n for n, _ in cases.HAND_MADE])
def test_every_frame_of_hand_made_series(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """Judged by frames that pydicom reads: each once, in its place, with its values, kinds not mixed.

    Among them: orientation that jitters, sagittal and oblique stacks, MONOCHROME1 (never inverted), slopes
    that vary by slice and by frame, a duplicated position, a gap, a tilted gantry, echoes, b-values.
    """
    make(tmp_path)
    files = sorted(tmp_path.rglob("*.dcm"))
    found = [as_loaded(volume) for volume in volumes(tmp_path, missing="keep", duplicates="split")]
    verdict = judge(found, know(files).truth)
    assert verdict.outcome == RIGHT, verdict


def as_loaded(volume: Volume) -> Loaded:
    if volume.affine is None:
        return Loaded(volume.array, None)
    corners = corners_of(volume.affine, volume.array.shape[volume.axes.index("slice") :][:3])
    return Loaded(volume.array, corners + (places(volume) - corners[:, 0, 0])[:, None, None])


# --- identity and order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", [range(6), (2, 3)], ids=["everywhere", "in two slices"])
def test_frame_of_reference_missing(tmp_path: Path, absent: Sequence[int]) -> None:
    """Without FrameOfReferenceUID a series is one volume; where some slices have one, it says so."""
    each = [{"FrameOfReferenceUID": ...} if index in absent else {} for index in range(6)]
    synthetic.write_series(tmp_path, synthetic.stored_values(), each=each)
    (volume,) = volumes(tmp_path)
    np.testing.assert_array_equal(volume.array, synthetic.stored_values().astype(int) - 1024)
    np.testing.assert_allclose(places(volume), along_z(np.arange(6) * SPACING_MM))
    warned = any("FrameOfReferenceUID" in warning for warning in volume.warnings)
    assert warned == (len(absent) < 6)


@pytest.mark.parametrize("orientation", [cases.SAGITTAL, cases.CORONAL, cases.OBLIQUE, (0, -1, 0, 0, 0, -1)])
def test_sorting_goes_along_the_normal(tmp_path: Path, orientation: Sequence[float]) -> None:
    """By z, or by number, a sagittal stack has no order: slices lie along row x column direction."""
    array = synthetic.stored_values()
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(row, column)
    order = [4, 0, 3, 5, 1, 2]
    each = [
        {"ImagePositionPatient": [f"{v:.10g}" for v in np.array(ORIGIN_MM) + place * SPACING_MM * normal]}
        for place in order
    ]
    common = {"ImageOrientationPatient": [f"{v:.10g}" for v in orientation]}
    synthetic.write_series(tmp_path, array, modality="MR", common=common, each=each)
    (volume,) = volumes(tmp_path)
    np.testing.assert_array_equal(volume.array, array[np.argsort(order)])
    expected = ORIGIN_MM + np.arange(6)[:, None] * SPACING_MM * normal
    np.testing.assert_allclose(places(volume), expected, atol=1e-6)
    assert np.linalg.det(volume.affine[:3, [2, 1, 0]]) > 0


# --- values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_high_bit_are_no_value(tmp_path: Path, signed: bool) -> None:
    """Overlays of old in the four bits above HighBit 11 (PS3.5 8.1.1): cut off, the sign bit spread."""
    array = synthetic.stored_values(signed=signed)
    dirty = array.view(np.uint16) & 0x0FFF | np.uint16(0xA000)
    files = synthetic.write_series(tmp_path, dirty, bits_stored=12, common={"RescaleIntercept": 0})
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.PixelRepresentation = int(signed)
        dataset.save_as(file)
    (volume,) = volumes(tmp_path)
    np.testing.assert_array_equal(volume.array, array)


def test_slope_differs_by_echo(tmp_path: Path) -> None:
    """Each echo is a volume with its own slope and intercept, as Philips writes them."""
    scales = [(2.5, -10.0), (0.125, 4.0)]
    cases.one_series(
        tmp_path,
        [
            {"EchoTime": 5 * n, "EchoNumbers": n, "RescaleSlope": slope, "RescaleIntercept": intercept}
            for n, (slope, intercept) in enumerate(scales, 1)
        ],
    )
    found = volumes(tmp_path)
    assert len(found) == 2
    for part, (volume, (slope, intercept)) in enumerate(zip(found, scales, strict=True)):
        stored = np.roll(synthetic.stored_values(), 7 * part, axis=2)
        np.testing.assert_allclose(volume.array, stored * slope + intercept)


def test_lossy_jpeg_of_12_bits(tmp_path: Path) -> None:
    """JPEG Extended of 12 bits keeps a smooth image within the loss, over the whole range, and says so."""
    y, x = np.mgrid[:12, :16]
    array = np.stack([(y * 150 + x * 100 + 100 * k).astype(np.uint16) for k in range(4)])
    for file, image in zip(synthetic.write_series(tmp_path, array, bits_stored=12), array, strict=True):
        dataset = pydicom.dcmread(file)
        stream = imagecodecs.jpeg_encode(image, level=98, bitspersample=12)
        dataset.PixelData = encapsulate([bytes(stream)])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGExtended12Bit
        dataset.LossyImageCompression = "01"
        dataset.save_as(file)
    (volume,) = volumes(tmp_path)
    assert volume.array.max() > 2000  # HU: not cut to 8 bits
    np.testing.assert_allclose(volume.array, array.astype(int) - 1024, atol=12)
    assert any("compressed with loss" in warning for warning in volume.warnings)


# --- places -----------------------------------------------------------------------------------------------


def test_tilted_gantry_with_varying_gaps(tmp_path: Path) -> None:
    """A head CT, 20 degrees, 2.5 mm below and 5 mm above: every slice where its header says, both told."""
    tilt, table = np.radians(20), [0.0, 2.5, 5.0, 10.0, 15.0, 20.0]
    cosines = [1, 0, 0, 0, f"{np.cos(tilt):.10f}", f"{np.sin(tilt):.10f}"]
    each = [{"ImagePositionPatient": list(place)} for place in along_z(table)]
    common = {"ImageOrientationPatient": cosines, "GantryDetectorTilt": 20}
    synthetic.write_series(tmp_path, synthetic.stored_values(), common=common, each=each)
    (volume,) = volumes(tmp_path)
    geometry = volume.metadata["geometry"]
    np.testing.assert_allclose(places(volume), along_z(table), atol=1e-6)
    assert geometry["uniform"] is False
    assert abs(geometry["gantry_tilt_deg"]) == pytest.approx(20, abs=0.01)
    text = " ".join(volume.warnings)
    assert "tilted gantry" in text
    assert "not evenly spaced" in text


def test_mosaic_without_a_count_in_reversed_order(tmp_path: Path) -> None:
    """No number of slices in the CSA header, tiles from the head down: the protocol text has the truth."""
    values = synthetic.stored_values((5, 8, 10))
    centres = mosaic_files.centres((5, 8, 10), mosaic_files.IDENTITY, -1)
    dataset = mosaic_files.mosaic(values)
    csa = mosaic_files.image_csa(None, None)
    mosaic_files.add_csa(dataset, csa, mosaic_files.series_csa(mosaic_files.protocol_text(centres)))
    mosaic_files.write(dataset, tmp_path / "mosaic.dcm")
    (volume,) = volumes(tmp_path)
    np.testing.assert_array_equal(volume.array, values[::-1])
    expected = mosaic_files.affine((5, 8, 10), mosaic_files.IDENTITY, -1)
    np.testing.assert_allclose(volume.affine, expected, atol=1e-6)


# --- enhanced objects -------------------------------------------------------------------------------------

Weighting = tuple[float, tuple[float, float, float] | None]
WEIGHTINGS: tuple[Weighting, ...] = (
    (0.0, None),
    (1000.0, (1.0, 0.0, 0.0)),
    (1000.0, (0.0, 1.0, 0.0)),
    (1000.0, (0.0, 0.0, 1.0)),
)


def enhanced_diffusion(folder: Path, order: Sequence[tuple[int, int]], pointer: int) -> NDArray[np.uint16]:
    """One enhanced MR object with frames in this order; its values are (weighting, slice, row, column).

    ``order`` has (weighting, slice) of each frame; ``pointer`` is the tag of the second dimension index.
    """
    slices = max(place for _, place in order) + 1
    values = synthetic.stored_values((len(WEIGHTINGS), slices, 12, 16)).astype(np.uint16)
    synthetic.write_series(folder, values[0, :1], modality="MR")
    (path,) = folder.iterdir()
    dataset = pydicom.dcmread(path)
    one = copy.deepcopy(dataset)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(dataset, keyword)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    dataset.NumberOfFrames = len(order)
    dataset.PixelData = b"".join(values[index].astype("<u2").tobytes() for index in order)
    dataset.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=one.ImageOrientationPatient)],
            PixelMeasuresSequence=[item(PixelSpacing=one.PixelSpacing, SliceThickness=one.SliceThickness)],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [diffusion_frame(*index) for index in order]
    uid = generate_uid(prefix=None)
    dataset.DimensionOrganizationSequence = [item(DimensionOrganizationUID=uid)]
    dataset.DimensionIndexSequence = [
        item(DimensionOrganizationUID=uid, DimensionIndexPointer=tag, FunctionalGroupPointer=0x00209111)
        for tag in (0x00209057, pointer)
    ]
    if pointer >> 16 & 1:
        dataset.DimensionIndexSequence[1].DimensionIndexPrivateCreator = "SOMEBODY'S DIMENSIONS"
    dataset.save_as(path)
    return values


def diffusion_frame(weighting: int, place: int) -> Dataset:
    b_value, direction = WEIGHTINGS[weighting]
    diffusion = item(DiffusionBValue=b_value, DiffusionDirectionality="NONE")
    if direction is not None:
        diffusion.DiffusionDirectionality = "DIRECTIONAL"
        gradient = item(DiffusionGradientOrientation=list(direction))
        diffusion.DiffusionGradientDirectionSequence = [gradient]
    content = item(StackID="1", InStackPositionNumber=place + 1)
    content.DimensionIndexValues = [place + 1, weighting + 1]
    position = item(ImagePositionPatient=list(along_z([place * SPACING_MM])[0]))
    return item(
        FrameContentSequence=[content], PlanePositionSequence=[position], MRDiffusionSequence=[diffusion]
    )


def item(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


SLICE_BY_SLICE = [(weighting, place) for place in range(3) for weighting in range(4)]
# The scanner sorts by position first, from the head down, and puts the unweighted image last.
LIKE_PHILIPS = [(weighting, place) for place in (2, 1, 0) for weighting in (1, 2, 3, 0)]
VOLUME_BY_VOLUME = [(weighting, place) for weighting in range(4) for place in range(3)]


@pytest.mark.parametrize("order", [SLICE_BY_SLICE, LIKE_PHILIPS, VOLUME_BY_VOLUME])
def test_enhanced_diffusion_in_any_order_of_frames(tmp_path: Path, order: list[tuple[int, int]]) -> None:
    """Frame numbers say nothing of time: each b-value and direction is one step, with all its slices."""
    values = enhanced_diffusion(tmp_path, order, pointer=0x00189087)
    check_diffusion(tmp_path, values)


def test_private_dimension_index_pointers(tmp_path: Path) -> None:
    """An index that points to a private attribute orders nothing, and harms nothing."""
    values = enhanced_diffusion(tmp_path, LIKE_PHILIPS, pointer=0x20051011)
    check_diffusion(tmp_path, values)


def check_diffusion(folder: Path, values: NDArray[np.uint16]) -> None:
    (volume,) = volumes(folder)
    assert volume.axes == ("diffusion", "slice", "row", "column")
    np.testing.assert_allclose(places(volume), along_z(np.arange(3) * SPACING_MM))
    steps = volume.coordinates["DiffusionBValue"]
    directions = volume.coordinates["DiffusionGradientOrientation"]
    known = {weighting: index for index, weighting in enumerate(WEIGHTINGS)}
    found = [known[b, None if d is None else tuple(d)] for b, d in zip(steps, directions, strict=True)]
    assert sorted(found) == [0, 1, 2, 3]
    np.testing.assert_array_equal(volume.array, values[found])


# --- folders as they are ----------------------------------------------------------------------------------


def test_what_lies_among_the_images(ct: Path) -> None:
    """A DICOMDIR, a report of the same series, .DS_Store, text: the volume is the same, the rest told."""
    expected = dicomarray.load(ct)
    shutil.copy(str(get_testdata_file("DICOMDIR", download=False)), ct / "DICOMDIR")
    (ct / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(100))
    (ct / "notes.txt").write_text("slice 3 is noisy")
    report = pydicom.dcmread(get_testdata_file("reportsi.dcm", download=False))
    report.SeriesInstanceUID = pydicom.dcmread(next(ct.glob("*.dcm"))).SeriesInstanceUID
    report.save_as(ct / "report")
    catalog = dicomarray.scan(ct)
    assert {skipped.path.name for skipped in catalog.skipped} == {"DICOMDIR", ".DS_Store", "notes.txt"}
    (series,) = catalog
    volume = series.volume()
    np.testing.assert_array_equal(volume.array, expected.array)
    np.testing.assert_array_equal(volume.affine, expected.affine)
    assert any("1 instances without pixels left out: report" in warning for warning in volume.warnings)


def test_files_without_a_header_of_their_own(ct: Path) -> None:
    """Bare data sets, no preamble, no file meta information: the same volume."""
    expected = dicomarray.load(ct)
    for path in sorted(ct.iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.preamble, dataset.file_meta = None, FileMetaDataset()
        dcmwrite(path, dataset, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    volume = dicomarray.load(ct)
    np.testing.assert_array_equal(volume.array, expected.array)
    np.testing.assert_array_equal(volume.affine, expected.affine)


def test_one_zip_of_a_series(ct: Path, tmp_path: Path) -> None:
    """The path of a zip is as good as the folder: a volume, without unpacking by hand."""
    expected = dicomarray.load(ct)
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", ct)
    np.testing.assert_array_equal(dicomarray.load(archive).array, expected.array)


def test_an_odd_attribute_does_not_cost_the_sidecar(ct: Path, tmp_path: Path) -> None:
    """Values that break their VR are told as they are; the JSON is one that every reader takes."""
    for path in sorted(ct.iterdir()):
        dataset = pydicom.dcmread(path)
        for keyword, raw in {"KVP": b"-inf", "SliceLocation": b"NaN "}.items():
            element = RawDataElement(Tag(keyword), "DS", len(raw), raw, 0, False, True)
            dataset[element.tag] = element
        dataset.save_as(path)
    volume = dicomarray.load(ct)
    volume.save(tmp_path / "ct.npy", tmp_path / "ct.json")
    sidecar = json.loads((tmp_path / "ct.json").read_text(), parse_constant=pytest.fail)
    assert sidecar["series"]["KVP"] == "-inf"
    assert [record["SliceLocation"] for record in sidecar["slices"]] == ["nan"] * 6


def test_one_volume_under_two_series_is_not_guessed(tmp_path: Path) -> None:
    """Half of the slices under another Series Instance UID: two series, and "the" volume is refused."""
    array = synthetic.stored_values()
    same = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    above = [ORIGIN_MM[0], ORIGIN_MM[1], ORIGIN_MM[2] + 3 * SPACING_MM]
    synthetic.write_series(tmp_path, array[:3], common=same)
    synthetic.write_series(tmp_path, array[3:], common=same | {"ImagePositionPatient": above})
    with pytest.raises(ChoiceError, match="2 series"):
        dicomarray.load(tmp_path)


def test_one_bad_slice_costs_its_series_only(ct: Path, tmp_path: Path) -> None:
    """A truncated slice is an error of its series, which names the file; other series are read."""
    synthetic.write_series(tmp_path / "other", synthetic.stored_values())
    broken = sorted(ct.iterdir())[3]
    broken.write_bytes(broken.read_bytes()[:-50])
    answers = []
    for series in dicomarray.scan(tmp_path):
        try:
            answers.append(str(series.volume().array.shape))
        except DataError as error:
            answers.append(str(error))
    assert len(answers) == 2
    assert "(6, 12, 16)" in answers
    assert any(broken.name in answer and "truncated" in answer for answer in answers)
