"""Mosaics become slices: against the array that was tiled, dcm2niix and nibabel; and what is refused."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.nicom.dicomwrappers import wrapper_from_file
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, EnhancedMRImageStorage, ImplicitVRLittleEndian

import dicomarray
import mosaic_files as made
import oracles
from dicomarray.assembly.frames.frame import Frame, frames_of
from dicomarray.dicom.headers.header import read_header
from dicomarray.errors import GeometryError
from dicomarray.volume import Volume

COSINE, SINE = math.cos(0.3), math.sin(0.3)
ORIENTATIONS = {
    "axial": made.IDENTITY,
    "oblique": (1.0, 0.0, 0.0, 0.0, COSINE, -SINE),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
    "sagittal": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
}
SHAPE = (5, 6, 8)  # 3 x 3 tiles, 4 of them blank
NIBABEL_DATA = Path(nibabel.__file__).parent / "nicom" / "tests" / "data"
# The header has nine digits of a cosine and 16 characters of a position.
PLACE_MM = 1e-5


def slices(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> NDArray[np.uint16]:
    """No two slices alike, nor anything symmetrical."""
    return np.random.default_rng(seed).integers(1, 4000, shape).astype(np.uint16)


def with_csa(volume: NDArray[Any], orientation: Any = made.IDENTITY, sign: float = 1, **more: Any) -> Dataset:
    """A mosaic as scanners write it."""
    instance = more.pop("instance", 1)
    normal = sign * made.directions(orientation)[2]
    csa = made.image_csa(len(volume), normal, **more)
    return made.add_csa(made.mosaic(volume, orientation, instance), csa)


def load(dataset: Dataset, folder: Path, **options: Any) -> Volume:
    made.write(dataset, folder / "one.dcm", **options)
    return dicomarray.load(folder)


def frames(dataset: Dataset, folder: Path) -> list[Frame]:
    return frames_of(read_header(made.write(dataset, folder / "one.dcm")))


def expect(volume: Volume, tiles: NDArray[Any], orientation: Any = made.IDENTITY, sign: float = 1) -> None:
    """Slices ascend along row direction x column direction, each where it was put."""
    np.testing.assert_array_equal(volume.array, tiles if sign > 0 else tiles[::-1])
    expected = made.affine(tiles.shape, orientation, sign)  # type: ignore[arg-type]
    np.testing.assert_allclose(volume.affine, expected, rtol=0, atol=PLACE_MM)


# --- Siemens, with a CSA header ---------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_slices_lie_where_they_were_put(orientation: Any, sign: float, tmp_path: Path) -> None:
    """They do in every orientation, along the image's normal and against it."""
    expect(load(with_csa(slices(), orientation, sign), tmp_path), slices(), orientation, sign)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_like_dcm2niix(orientation: Any, sign: float, tmp_path: Path) -> None:
    """dcm2niix sees the same values at the same places."""
    volume = load(with_csa(slices(), orientation, sign), tmp_path / "in")
    read = oracles.dcm2niix([tmp_path / "in" / "one.dcm"])
    np.testing.assert_array_equal(volume.array, read.array)
    np.testing.assert_allclose(volume.affine, read.affine, rtol=0, atol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 10, 16, 17])
def test_any_number_of_slices(count: int, tmp_path: Path) -> None:
    """The grid is the smallest square that holds them; blank tiles at its end are no slices."""
    tiles = slices((count, 6, 8))
    expect_count = load(with_csa(tiles), tmp_path)
    np.testing.assert_array_equal(expect_count.array, tiles)
    np.testing.assert_allclose(expect_count.affine[:3, 3], made.ORIGIN, atol=PLACE_MM)


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, -1]))
def test_tiling_is_undone(tmp_path_factory: Any, count: int, rows: int, columns: int, sign: int) -> None:
    """Any number of slices of any size comes back as it was before it was tiled."""
    tiles = slices((count, rows, columns))
    volume = load(with_csa(tiles, sign=sign), tmp_path_factory.mktemp("mosaic"))
    np.testing.assert_array_equal(volume.array, tiles if sign > 0 else tiles[::-1])


@pytest.mark.parametrize("form", ["old", "spm"])
def test_older_csa(form: str, tmp_path: Path) -> None:
    """The older CSA header, which begins with nothing that could be recognized."""
    elements = {"NumberOfImagesInMosaic": ["5"], "SliceNormalVector": ["0", "0", "-1"]}
    dataset = made.add_csa(made.mosaic(slices()), made.encode_csa(elements, form))
    expect(load(dataset, tmp_path), slices(), sign=-1)


def test_without_spacing_between_slices(tmp_path: Path) -> None:
    """Old scanners write no SpacingBetweenSlices: the slices touch."""
    dataset = with_csa(slices())
    del dataset.SpacingBetweenSlices
    assert load(dataset, tmp_path).spacing[0] == pytest.approx(3)


def moved_block(dataset: Dataset, group: int, block: int) -> Dataset:
    """Private block 0x10 of a group in another place, as a PACS puts it."""
    for tag in [tag for tag in map(Tag, dataset.keys()) if tag.group == group]:
        element = dataset.pop(tag)
        if tag.elem == 0x10:
            dataset.add_new((group, block), "LO", element.value)
        else:
            dataset.add_new((group, block << 8 | tag.elem & 0xFF), element.VR, element.value)
    return dataset


def without_creator(dataset: Dataset) -> Dataset:
    dataset[0x0029, 0x0010].value = "Anon"
    return dataset


def medcom(dataset: Dataset) -> Dataset:
    raw = dataset[0x0029, 0x1010].value
    del dataset[0x0029, 0x1010], dataset[0x0029, 0x0010]
    dataset.private_block(0x0021, "SIEMENS MEDCOM HEADER", create=True).add_new(0x42, "OB", raw)
    return dataset


@pytest.mark.parametrize(
    "disturb",
    [lambda d: moved_block(d, 0x0029, 0x11), lambda d: moved_block(d, 0x0029, 0xE1), without_creator, medcom],
    ids=["moved", "moved far", "creator lost", "elsewhere"],
)
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"])
def test_renumbered_private_groups(
    disturb: Callable[[Dataset], Dataset], syntax: str, tmp_path: Path
) -> None:
    """The CSA header is found wherever it lies, whatever the transfer syntax."""
    expect(load(disturb(with_csa(slices(), sign=-1)), tmp_path, syntax=syntax), slices(), sign=-1)


# --- Siemens, without ------------------------------------------------------------------------------------


def in_series_header(dataset: Dataset, text: bytes) -> None:
    made.add_csa(dataset, series=made.series_csa(text))


def in_sds(dataset: Dataset, text: bytes) -> None:
    dataset.private_block(0x0021, "SIEMENS MR SDS 01", create=True).add_new(0x19, "UN", text)


@pytest.mark.parametrize("place", [in_series_header, in_sds])
@pytest.mark.parametrize("protocol_reversed", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_slices_of_the_protocol(
    place: Any, protocol_reversed: bool, sign: float, orientation: Any, tmp_path: Path
) -> None:
    """Number and direction by the protocol text, which may count from the other end than the tiles."""
    dataset = made.mosaic(slices(), orientation)
    centres = made.centres(SHAPE, orientation, sign)
    place(dataset, made.protocol_text(centres[::-1] if protocol_reversed else centres))
    expect(load(dataset, tmp_path), slices(), orientation, sign)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("stated", [True, False])
def test_slab_of_the_protocol(sign: float, stated: bool, tmp_path: Path) -> None:
    """A 3-D measurement has one centre only: the slices lie around it."""
    middle = made.centres(SHAPE, made.IDENTITY, sign).mean(axis=0)[None]
    text = made.protocol_text(middle, "sKSpace.ucDimension = 0x4\nsKSpace.lImagesPerSlab = 5")
    dataset = made.mosaic(slices())
    made.add_csa(dataset, made.image_csa(5 if stated else None, None), made.series_csa(text))
    expect(load(dataset, tmp_path), slices(), sign=sign)


@pytest.mark.parametrize(
    ("creator", "vr", "value"),
    [("SIEMENS MR HEADER", "US", 5), ("SIEMENS MR HEADER", "UN", b"\5\0"), ("Anon", "US", 5)],
)
def test_count_in_a_private_element(creator: str, vr: str, value: object, tmp_path: Path) -> None:
    """(0019,xx0A) has the number where the CSA header is gone; the protocol has the direction."""
    dataset = made.mosaic(slices())
    dataset.private_block(0x0019, creator, create=True).add_new(0x0A, vr, value)
    # a slab without the number of its images: only the element above knows it
    in_series_header(dataset, made.protocol_text(made.centres(SHAPE, made.IDENTITY, -1).mean(axis=0)[None]))
    expect(load(dataset, tmp_path), slices(), sign=-1)


def test_private_elements_of_others(tmp_path: Path) -> None:
    """Somebody else's (0019,xx0A) and (0019,xx0C) say nothing beside a CSA header."""
    dataset = with_csa(slices())
    block = dataset.private_block(0x0019, "SOME ARCHIVE", create=True)
    block.add_new(0x0A, "US", 7)
    block.add_new(0x0C, "IS", 1000)
    volume = load(dataset, tmp_path)
    expect(volume, slices())
    assert "DiffusionBValue" not in volume.slices[0]


def test_count_alone_is_not_enough(tmp_path: Path) -> None:
    """Nothing tells whether the first tile is the lowest or the highest slice: an error, no guess."""
    dataset = made.mosaic(slices())
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 5)
    with pytest.raises(GeometryError, match="on which side of the first slice the others lie"):
        frames(dataset, tmp_path)


def test_one_slice_needs_no_direction(tmp_path: Path) -> None:
    """A mosaic of one slice is that slice, in its place."""
    dataset = made.mosaic(slices((1, 6, 8)))
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 1)
    (frame,) = frames(dataset, tmp_path)
    assert frame.plane is not None and frame.plane.position == pytest.approx(made.ORIGIN)
    assert (frame.rows, frame.columns) == (6, 8)


# --- Siemens, without the word MOSAIC -----------------------------------------------------------------------

LARGE = (7, 60, 50)  # 3 x 3 tiles of 120 mm x 75 mm
WORDLESS = [["ORIGINAL", "PRIMARY", "M", "ND", "NORM"], "DERIVED"]


def wordless(image_type: Any = "DERIVED", **more: Any) -> Dataset:
    """A mosaic whose Image Type an archive has rewritten."""
    dataset = with_csa(slices(LARGE), sign=-1, **more)
    dataset.ImageType = image_type
    return dataset


@pytest.mark.parametrize("manufacturer", ["SIEMENS", "Siemens Healthineers", None])
@pytest.mark.parametrize("image_type", WORDLESS)
def test_image_type_without_the_word(image_type: Any, manufacturer: str | None, tmp_path: Path) -> None:
    """The CSA header tells the slices of an image too large for one, as dcm2niix knows."""
    dataset = wordless(image_type)
    dataset.Manufacturer = manufacturer
    volume = load(dataset, tmp_path)
    expect(volume, slices(LARGE), sign=-1)
    if manufacturer:
        read = oracles.dcm2niix([tmp_path / "one.dcm"])
        np.testing.assert_array_equal(volume.array, read.array)
        np.testing.assert_allclose(volume.affine, read.affine, atol=1e-3)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_number_alone_without_the_word(syntax: str, tmp_path: Path) -> None:
    """(0019,xx0A) of Siemens' block tells it too; also in a file that pydicom has to read."""
    dataset = wordless()
    text = made.protocol_text(made.centres(LARGE, made.IDENTITY, -1))
    del dataset[0x0029, 0x1010]
    in_series_header(dataset, text)
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 7)
    expect(load(dataset, tmp_path, syntax=syntax), slices(LARGE), sign=-1)


@pytest.mark.parametrize("count", [None, 1, "x"])
def test_large_slice_is_no_mosaic(count: Any, tmp_path: Path) -> None:
    """A whole-body image is one slice, whatever else its CSA header says; so is one of somebody else."""
    dataset = made.add_csa(made.mosaic(slices(LARGE)), made.image_csa(count, (0, 0, 1)))
    dataset.ImageType = WORDLESS[0]
    dataset.private_block(0x0019, "SOMEBODY ELSE", create=True).add_new(0x0A, "US", 7)
    (frame,) = frames(dataset, tmp_path)
    assert frame.tile is None and frame.rows == 180


def test_large_slice_cut_from_a_mosaic(tmp_path: Path) -> None:
    """Somebody has cut the mosaic and left its CSA header: 225 mm x 360 mm would be tiles of 60 mm."""
    dataset = made.add_csa(made.mosaic(slices(LARGE)), made.image_csa(36, (0, 0, 1)))
    dataset.ImageType = WORDLESS[0]
    (frame,) = frames(dataset, tmp_path)
    assert frame.tile is None and frame.rows == 180


def test_damaged_csa_of_a_large_slice(tmp_path: Path) -> None:
    """A CSA header that ends too early does not stop an image that is none."""
    dataset = wordless()
    csa = dataset[0x0029, 0x1010].value
    dataset[0x0029, 0x1010].value = csa[: csa.index(b"NumberOfImagesInMosaic") + 100]
    (frame,) = frames(dataset, tmp_path)
    assert frame.tile is None


def test_files_are_asked_once_a_group(tmp_path: Path, opened: list[Path]) -> None:
    """Large images of a series are looked up in one file for all; small ones in none."""
    for index in range(6):
        large, small = made.mosaic(slices(LARGE)), made.mosaic(slices())
        for name, dataset in (("large", large), ("small", small)):
            dataset.ImageType = WORDLESS[0]
            dataset.InstanceNumber = index + 1
            dataset.ImagePositionPatient = [0, 0, index]
            made.write(dataset, tmp_path / name / f"{index}.dcm")
    for name, files in (("small", 0), ("large", 1)):
        (series,) = dicomarray.scan(tmp_path / name)
        opened.clear()
        assert len(series.stacks()[0].frames) == 6
        assert len(set(opened)) == files


def test_filters_and_index_see_the_slices(tmp_path: Path) -> None:
    """Facts are those of the slices, in a scan and in an index, which needs no file."""
    asked = {"num_slices": 7, "num_frames": 1, "num_volumes": 1, "is_regular": True}
    file = made.write(wordless(), tmp_path / "in" / "one.dcm")
    assert len(dicomarray.dicom_filter(tmp_path / "in", asked)) == 1
    dicomarray.index(tmp_path / "in", tmp_path / "i.sqlite")
    file.rename(tmp_path / "gone.dcm")
    assert len(dicomarray.dicom_filter(None, asked, index=tmp_path / "i.sqlite")) == 1


# --- several mosaics --------------------------------------------------------------------------------------


def test_time_points(tmp_path: Path) -> None:
    """fMRI: one volume, time first, in the order of Instance Number whatever the names of the files."""
    series = slices((12, *SHAPE))
    for index, tiles in enumerate(series):
        made.write(with_csa(tiles, sign=-1, instance=index + 1), tmp_path / f"{(index * 5) % 12:02d}.dcm")
    volume = dicomarray.load(tmp_path)
    assert volume.axes == ("time", "slice", "row", "column")
    np.testing.assert_array_equal(volume.array, series[:, ::-1])
    np.testing.assert_allclose(volume.affine, made.affine(SHAPE, made.IDENTITY, -1), atol=PLACE_MM)
    assert [record["frame"] for record in volume.slices[:5]] == [4, 3, 2, 1, 0]  # tiles from 0
    assert volume.slices[0]["ImagePositionPatient"] == pytest.approx((-30, -40, 12 - 4 * made.GAP))
    assert volume.series["Rows"] == 6 and volume.series["Columns"] == 8


def in_csa(dataset: Dataset, b_value: int, gradient: list[float]) -> Dataset:
    directions = [f"{v:.8f}" for v in gradient]
    csa = made.image_csa(5, (0, 0, 1), B_value=[str(b_value)], DiffusionGradientDirection=directions)
    return made.add_csa(dataset, csa)


def in_private_elements(dataset: Dataset, b_value: int, gradient: list[float]) -> Dataset:
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", b_value)
    if gradient:
        block.add_new(0x0E, "FD", gradient)
    return made.add_csa(dataset, made.image_csa(5, (0, 0, 1)))


@pytest.mark.parametrize("place", [in_csa, in_private_elements])
def test_diffusion(place: Any, tmp_path: Path) -> None:
    """DTI: the axis is diffusion; b-values and directions come from the private attributes."""
    series = slices((3, *SHAPE))
    weightings = [(0, []), (1000, [1.0, 0.0, 0.0]), (1000, [0.0, 0.6, -0.8])]
    for index, (tiles, (b_value, gradient)) in enumerate(zip(series, weightings, strict=True)):
        dataset = place(made.mosaic(tiles, instance=index + 1, AcquisitionNumber=1), b_value, gradient)
        made.write(dataset, tmp_path / f"{index}.dcm")
    volume = dicomarray.load(tmp_path)
    assert volume.axes[0] == "diffusion"
    assert volume.coordinates["DiffusionBValue"] == (0, 1000, 1000)
    assert volume.coordinates["DiffusionGradientOrientation"] == (None, (1, 0, 0), (0, 0.6, -0.8))
    np.testing.assert_array_equal(volume.array, series)


# --- UIH --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("count", [1, 2, 5, 7, 9, 13])
def test_uih_grid(count: int, sign: float, tmp_path: Path) -> None:
    """Each slice has its own place; the grid is as wide as a square would be, but no higher than needed."""
    tiles = slices((count, 6, 8))
    volume = load(made.grid(tiles, ORIENTATIONS["oblique"], sign=sign), tmp_path)
    np.testing.assert_array_equal(volume.array, tiles if sign > 0 else tiles[::-1])
    if count > 1:
        expected = made.affine((count, 6, 8), ORIENTATIONS["oblique"], sign)
        np.testing.assert_allclose(volume.affine, expected, rtol=0, atol=PLACE_MM)


def test_uih_grid_like_dcm2niix(tmp_path: Path) -> None:
    """dcm2niix sees the same slices at the same places."""
    volume = load(made.grid(slices((7, 6, 8))), tmp_path / "in")
    read = oracles.dcm2niix([tmp_path / "in" / "one.dcm"])
    np.testing.assert_array_equal(volume.array, read.array)
    np.testing.assert_allclose(volume.affine, read.affine, rtol=0, atol=1e-3)


def test_uih_sequence_of_unknown_type(tmp_path: Path) -> None:
    """The sequence as plain bytes, in a block that a PACS has moved."""
    dataset = made.grid(slices())
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_sequence(buffer, DataElement(0x00651051, "SQ", dataset.pop((0x0065, 0x1051)).value), ["iso8859"])
    dataset.add_new((0x0065, 0x1051), "UN", buffer.getvalue())
    expect(load(moved_block(dataset, 0x0065, 0x22), tmp_path), slices())


def test_uih_diffusion(tmp_path: Path) -> None:
    """The b-values come from UIH's private element."""
    for index, b_value in enumerate((0.0, 800.0)):
        dataset = made.grid(slices(), instance=index + 1)
        dataset.private_block(0x0065, "Image Private Header").add_new(0x09, "FD", b_value)
        made.write(dataset, tmp_path / f"{index}.dcm")
    assert dicomarray.load(tmp_path).coordinates["DiffusionBValue"] == (0, 800)


# --- what is no mosaic, and what is refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        {"SOPClassUID": EnhancedMRImageStorage},
        {"Modality": "OT"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "M"]},
    ],
)
def test_no_mosaic(attributes: dict[str, Any], tmp_path: Path) -> None:
    """Enhanced objects keep the word MOSAIC and have a frame for each slice; others never are mosaics."""
    dataset = made.mosaic(slices(), **attributes)
    (frame,) = frames(dataset, tmp_path)
    assert frame.tile is None and frame.rows == 18


def no_count(dataset: Dataset) -> None:
    del dataset[0x0029, 0x1010]


def damaged_csa(dataset: Dataset) -> None:
    dataset[0x0029, 0x1010].value = dataset[0x0029, 0x1010].value[:150]


def other_count(dataset: Dataset) -> None:
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 6)


def new_csa(count: int, normal: Any) -> Callable[[Dataset], None]:
    def put(dataset: Dataset) -> None:
        dataset[0x0029, 0x1010].value = made.image_csa(count, normal)

    return put


def protocol_elsewhere(dataset: Dataset) -> None:
    centres = made.centres(SHAPE, made.IDENTITY, 1) + np.array([0.0, 0.0, 500.0])
    dataset[0x0029, 0x1010].value = made.series_csa(made.protocol_text(centres))


def without(*keywords: str) -> Callable[[Dataset], None]:
    def remove(dataset: Dataset) -> None:
        for keyword in keywords:
            delattr(dataset, keyword)

    return remove


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_count, "nothing says how many"),
        (damaged_csa, "are all missing .a damaged CSA header"),
        (other_count, r"disagree on how many: \[5, 6\]"),
        (new_csa(10, (0, 0, 1)), "18 x 24 pixels cannot be cut into 4 x 4 tiles, as 10 slices"),
        (new_csa(10**9, (0, 0, 1)), "cannot be cut into 31623 x 31623 tiles"),
        (new_csa(5, (0, 1, 0)), "no unit vector upright on"),
        (new_csa(5, (0, 0, 0)), "no unit vector upright on"),
        (new_csa(5, (1e300, 1e300, 1e300)), "no unit vector upright on"),
        (new_csa(5, (0, 0)), "SliceNormalVector of the CSA header and the slices of the protocol"),
        (protocol_elsewhere, "its first slice lies 507 mm from the middle"),
        (without("ImagePositionPatient"), "its place is unknown"),
        (without("PixelSpacing"), "its place is unknown"),
        (without("SpacingBetweenSlices", "SliceThickness"), "the distance of its slices is unknown"),
    ],
)
def test_refused(spoil: Callable[[Dataset], None], message: str, tmp_path: Path) -> None:
    """What cannot be told with certainty is an error that names the file and says what is missing."""
    dataset = with_csa(slices())
    spoil(dataset)
    with pytest.raises(GeometryError, match=message) as caught:
        frames(dataset, tmp_path)
    assert str(tmp_path / "one.dcm") in str(caught.value)


def uih_without_private(dataset: Dataset) -> None:
    del dataset[0x0065, 0x1050], dataset[0x0065, 0x1051]


def uih_item_too_few(dataset: Dataset) -> None:
    dataset[0x0065, 0x1051].value.pop()


def uih_item_without_place(dataset: Dataset) -> None:
    del dataset[0x0065, 0x1051].value[3].ImagePositionPatient


def uih_wrong_grid(dataset: Dataset) -> None:
    dataset.Rows, dataset.Columns = 18, 16  # as many pixels, but 16 is no multiple of 3


def uih_no_sequence(dataset: Dataset) -> None:
    del dataset[0x0065, 0x1051]
    dataset.add_new((0x0065, 0x1051), "UN", b"no sequence at all")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (uih_without_private, "a number of 0 and the places of 0"),
        (uih_item_too_few, "a number of 5 and the places of 4"),
        (uih_item_without_place, "the place of slice 3 is unknown"),
        (uih_wrong_grid, "18 x 16 pixels cannot be cut into 2 x 3 tiles"),
        (uih_no_sequence, "the places of its slices are lost"),
    ],
)
def test_uih_refused(spoil: Callable[[Dataset], None], message: str, tmp_path: Path) -> None:
    """Grids of UIH are refused for the same reasons."""
    dataset = made.grid(slices())
    spoil(dataset)
    with pytest.raises(GeometryError, match=message):
        frames(dataset, tmp_path)


# --- from scanners ----------------------------------------------------------------------------------------


def nibabel_files(folder: Path) -> list[Path]:
    """Two mosaics of a diffusion series, b = 0 and 1000 (their pixels are blank but for a corner)."""
    paths = []
    for name in ("siemens_dwi_0", "siemens_dwi_1000"):
        path = folder / f"{name}.dcm"
        path.write_bytes(gzip.decompress((NIBABEL_DATA / f"{name}.dcm.gz").read_bytes()))
        paths.append(path)
    return paths


def test_real_diffusion_like_nibabel(tmp_path: Path) -> None:
    """Values and affine of each mosaic are those of nibabel's reader; the b-values those of the scanner."""
    paths = nibabel_files(tmp_path)
    volume = dicomarray.load(tmp_path)
    assert volume.axes[0] == "diffusion" and volume.coordinates["DiffusionBValue"] == (0, 1000)
    for path, array in zip(paths, volume.array, strict=True):
        theirs = wrapper_from_file(path)
        # (row, column, slice), and an affine for that order; nibabel leaves rounded cosines as they are
        np.testing.assert_array_equal(array, theirs.get_data().transpose(2, 0, 1))
        np.testing.assert_allclose(volume.affine, theirs.affine[:, [2, 0, 1, 3]], rtol=0, atol=1e-3)


def test_real_slice_normal() -> None:
    """A de-identified mosaic that has nothing private left but its CSA header."""
    tiles = frames_of(read_header(NIBABEL_DATA / "csa_slice_norm.dcm"))
    assert len(tiles) == 32 and tiles[0].plane is not None and tiles[1].plane is not None
    step = np.subtract(tiles[1].plane.position, tiles[0].plane.position)
    np.testing.assert_allclose(step, np.array([0, 0.43994078, 0.89802679]) * 1.5, atol=1e-5)


@pytest.mark.parametrize("name", ["mr_0003/epi_pe_ap-00001.dcm", "mr_0004/epi_pe_pa-00002.dcm"])
def test_real_mosaic_like_dcm2niix(name: str, real_data: Path, tmp_path: Path) -> None:
    """Values and places equal dcm2niix's; the same by the protocol text alone, without the CSA header."""
    path = real_data / "mr-siemens-mosaic" / name
    read = oracles.dcm2niix([path])
    stripped = dcmread(path)
    del stripped[0x0029, 0x1010], stripped[0x0019, 0x100A]
    for source in (path, made.write(stripped, tmp_path / "stripped" / "one.dcm")):
        volume = dicomarray.load(source)
        np.testing.assert_array_equal(volume.array, read.array)
        np.testing.assert_allclose(volume.affine, read.affine, rtol=0, atol=1e-3)


def test_implicit_syntax(tmp_path: Path) -> None:
    """Private elements are found where they have no value representation."""
    expect(load(with_csa(slices()), tmp_path, syntax=ImplicitVRLittleEndian), slices())
