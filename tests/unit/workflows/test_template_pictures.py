"""Colour, loops of frames and mosaics as templates: what comes back, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.uid import UltrasoundMultiFrameImageStorage, generate_uid

import dicomarray
import mosaic_files
import oracles
import synthetic
from dciodvfy import new_issues
from dicomarray.errors import GeometryError, TemplateError, UsageError, ValuesError

RANDOM = np.random.default_rng(3)
COLOURS = RANDOM.integers(0, 256, (3, 12, 16, 3), dtype=np.uint8)
VOLUME = RANDOM.integers(0, 4096, (5, 12, 16)).astype(np.uint16)
PALETTE = np.arange(256, dtype=np.uint16) * 257


def loop(path: Path, frames: NDArray[Any], **attributes: Any) -> Path:
    """An Ultrasound Multi-frame image with a time for each frame."""
    values = {
        "SOPClassUID": UltrasoundMultiFrameImageStorage,
        "Modality": "US",
        "NumberOfFrames": len(frames),
        "FrameTime": 40,
        "FrameIncrementPointer": 0x00181063,
        "Rows": frames.shape[1],
        "Columns": frames.shape[2],
        "ImageType": ["ORIGINAL", "PRIMARY"],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    (file,) = synthetic.write_series(path.parent, frames[:1], modality="SC", common=values | attributes)
    dataset = pydicom.dcmread(file)
    dataset.PixelData = frames.tobytes()
    dataset.save_as(path)
    if file != path:
        file.unlink()
    return path


def mosaics(folder: Path, volumes: NDArray[Any], sign: int = 1) -> list[Path]:
    """One mosaic for each time point, with the CSA header that tells its slices."""
    csa = mosaic_files.image_csa(volumes.shape[1], (0, 0, sign))
    uid = generate_uid()
    files = []
    for index, volume in enumerate(volumes):
        dataset = mosaic_files.mosaic(
            volume, instance=index + 1, AcquisitionTime=f"1200{index:02d}", SeriesInstanceUID=uid
        )
        dataset.PixelPaddingValue = 0
        block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", 2.5)
        files.append(mosaic_files.write(mosaic_files.add_csa(dataset, csa), folder / f"{index}.dcm"))
    return files


# ---- colour


def test_colour_comes_back_bit_for_bit(tmp_path: Path) -> None:
    """An RGB array becomes RGB images, pixel by pixel, which others read alike."""
    files = synthetic.write_series(tmp_path / "in", COLOURS, modality="SC")
    changed = 255 - COLOURS
    report = dicomarray.to_dicom(changed, tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, changed)
    assert (report.max_error, report.slope) == (0, None)
    for file, source, image in zip(report.files, files, changed, strict=True):
        written = pydicom.dcmread(file)
        described = written.PhotometricInterpretation, written.SamplesPerPixel, written.PlanarConfiguration
        assert described == ("RGB", 3, 0)
        assert "RescaleSlope" not in written and "WindowCenter" not in written
        np.testing.assert_array_equal(written.pixel_array, image)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(file)))[0], image)
        assert new_issues(source, file)[0] == set()


@pytest.mark.parametrize("compress", ["rle", "jpeg-ls", "jpeg-2000", "htj2k"])
def test_colour_can_be_compressed(compress: str, tmp_path: Path) -> None:
    """All lossless codecs hold colour; verification reads it back."""
    synthetic.write_series(tmp_path / "in", COLOURS, modality="SC")
    dicomarray.to_dicom(COLOURS, tmp_path / "in", tmp_path / "out", compress=compress)
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, COLOURS)


def test_planes_and_whole_floats_become_pixels(tmp_path: Path) -> None:
    """A template stored plane by plane is written pixel by pixel; floats are taken where they are whole."""
    (file,) = synthetic.write_series(tmp_path / "in", COLOURS[:1], modality="SC")
    dataset = pydicom.dcmread(file)
    dataset.PlanarConfiguration = 1
    dataset.PixelData = np.moveaxis(COLOURS[0], -1, 0).tobytes()
    dataset.save_as(file)
    report = dicomarray.to_dicom(COLOURS[:1].astype(np.float64), tmp_path / "in", tmp_path / "out")
    assert pydicom.dcmread(report.files[0]).PlanarConfiguration == 0
    np.testing.assert_array_equal(pydicom.dcmread(report.files[0]).pixel_array, COLOURS[0])


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0])
def test_colours_are_never_rescaled(value: float, tmp_path: Path) -> None:
    """A fraction, or a value that 8 bits do not hold, is refused."""
    synthetic.write_series(tmp_path / "in", COLOURS, modality="SC")
    array = COLOURS.astype(np.float64)
    array[1, 2, 3, 1] = value
    with pytest.raises(ValuesError):
        dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out")
    with pytest.raises(UsageError, match="not rescaled"):
        dicomarray.to_dicom(COLOURS, tmp_path / "in", tmp_path / "out", values="full-range")


def test_colour_into_grey_and_grey_into_colour_are_refused(tmp_path: Path) -> None:
    """The message says what would do."""
    synthetic.write_series(tmp_path / "colour", COLOURS, modality="SC")
    synthetic.write_series(tmp_path / "grey", VOLUME[:3])
    with pytest.raises(TemplateError, match=r"is in colour.*last axis"):
        dicomarray.to_dicom(COLOURS[..., 0], tmp_path / "colour", tmp_path / "out")
    with pytest.raises(TemplateError, match=r"is grey.*series in colour as template"):
        dicomarray.to_dicom(COLOURS, tmp_path / "grey", tmp_path / "out")


def test_colour_is_written_on_its_own_grid_only(tmp_path: Path) -> None:
    """Another number of images, or a place of its own, is refused."""
    synthetic.write_series(tmp_path / "in", COLOURS, modality="SC")
    with pytest.raises(TemplateError, match="in colour, which can only be written on its own grid"):
        dicomarray.to_dicom(COLOURS[:2], tmp_path / "in", tmp_path / "out")
    with pytest.raises(GeometryError):
        dicomarray.to_dicom(COLOURS, tmp_path / "in", tmp_path / "out", affine=np.eye(4))


@pytest.mark.parametrize("syntax", ["explicit", "big-endian"])
def test_palette_indices_come_back_with_their_palette(syntax: str, tmp_path: Path) -> None:
    """Indices are written as they are, and still stand for the same colours."""
    indices = COLOURS[..., 0]
    order = ">u2" if syntax == "big-endian" else "<u2"
    tables = {
        f"{colour}PaletteColorLookupTable{part}": value
        for shift, colour in enumerate(("Red", "Green", "Blue"))
        for part, value in (
            ("Descriptor", [256, 0, 16]),
            ("Data", np.roll(PALETTE, 40 * shift).astype(order).tobytes()),
        )
    }
    common = {"PhotometricInterpretation": "PALETTE COLOR"} | tables
    synthetic.write_series(tmp_path / "in", indices, modality="SC", syntax=syntax, common=common)
    before = dicomarray.load(tmp_path / "in", palette="rgb")
    report = dicomarray.to_dicom(indices, tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, indices)
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out", palette="rgb").array, before.array)
    assert pydicom.dcmread(report.files[0]).PhotometricInterpretation == "PALETTE COLOR"
    with pytest.raises(TemplateError, match="palette"):
        dicomarray.to_dicom(before.array, tmp_path / "in", tmp_path / "other")
    with pytest.raises(ValuesError):
        dicomarray.to_dicom(indices * 0.5, tmp_path / "in", tmp_path / "other")


# ---- loops


@pytest.mark.parametrize("compress", ["none", "jpeg-ls"])
@pytest.mark.parametrize("frames", [COLOURS, COLOURS[..., 1]], ids=["colour", "grey"])
def test_loop_comes_back_as_one_file(frames: NDArray[Any], compress: str, tmp_path: Path) -> None:
    """It has as many frames in one file, with the template's times."""
    template = loop(tmp_path / "in" / "loop.dcm", frames)
    changed = frames[::-1].copy()
    report = dicomarray.to_dicom(changed, tmp_path / "in", tmp_path / "out", compress=compress)
    assert len(report.files) == 1
    read = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(read.array, changed)
    written = pydicom.dcmread(report.files[0])
    assert (written.NumberOfFrames, written.FrameTime, written.ImageType[0]) == (3, 40, "DERIVED")
    np.testing.assert_array_equal(written.pixel_array, changed)
    assert new_issues(template, report.files[0])[0] == set()


def test_loop_of_another_length_is_refused(tmp_path: Path) -> None:
    """Frames have times, which nobody gave."""
    loop(tmp_path / "in" / "loop.dcm", COLOURS)
    with pytest.raises(TemplateError, match="its own grid"):
        dicomarray.to_dicom(COLOURS[:2], tmp_path / "in", tmp_path / "out")


def test_grey_loop_can_be_rescaled(tmp_path: Path) -> None:
    """Values that the template does not hold are told by a Real World Value Mapping, with a warning."""
    frames = COLOURS[..., 0]
    loop(tmp_path / "in" / "loop.dcm", frames)
    report = dicomarray.to_dicom(frames * 0.5 - 3, tmp_path / "in", tmp_path / "out", verify=False)
    assert any("Real World Value Mapping" in warning for warning in report.warnings)
    (item,) = pydicom.dcmread(report.files[0]).RealWorldValueMappingSequence
    stored = pydicom.dcmread(report.files[0]).pixel_array
    meant = stored * item.RealWorldValueSlope + item.RealWorldValueIntercept
    np.testing.assert_allclose(meant, frames * 0.5 - 3, atol=report.max_error * 1.001)


def test_one_frame_is_no_loop(tmp_path: Path) -> None:
    """Slices whose headers say NumberOfFrames 1 are slices: they can be written on another grid."""
    synthetic.write_series(tmp_path / "in", VOLUME, common={"NumberOfFrames": 1})
    volume = dicomarray.load(tmp_path / "in")
    dicomarray.to_dicom(volume.array[1:3], tmp_path / "in", tmp_path / "out", affine=_from(volume, 1))
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, volume.array[1:3])


def _from(volume: dicomarray.Volume, first: int) -> NDArray[np.float64]:
    affine = volume.affine.copy()
    affine[:3, 3] += first * affine[:3, 0]
    return affine


# ---- mosaics


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("sign", [1, -1])
def test_mosaic_comes_back(times: int, sign: int, tmp_path: Path) -> None:
    """Slices are found at their places again, by dicomarray and by dcm2niix; other private elements go."""
    volumes = RANDOM.integers(0, 4096, (times, 5, 12, 16)).astype(np.uint16)
    files = mosaics(tmp_path / "in", volumes, sign)
    before = dicomarray.load(tmp_path / "in")
    assert before.array.shape == (volumes.shape if times > 1 else volumes.shape[1:])
    changed = (before.array // 2).astype(before.array.dtype)
    report = dicomarray.to_dicom(changed, tmp_path / "in", tmp_path / "out")
    assert len(report.files) == times
    after = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(after.array, changed)
    np.testing.assert_array_equal(after.affine, before.affine)
    written = pydicom.dcmread(report.files[0])
    assert list(written.ImageType) == ["DERIVED", "SECONDARY", "M", "ND", "MOSAIC"]
    assert written.Manufacturer == "SIEMENS"
    assert {tag.group for tag in list(written.keys()) if tag.is_private} == {0x0029}
    assert not written.pixel_array[24:, 32:].any()
    if times == 1:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        one, other = (oracles.dcm2niix(f) for f in (files, report.files))
        np.testing.assert_allclose(other.affine, one.affine, atol=1e-6)
        np.testing.assert_array_equal(other.array, changed)
    assert new_issues(files[0], report.files[0])[0] == set()


def test_mosaic_that_could_not_be_read_again_is_refused(tmp_path: Path) -> None:
    """Where the CSA header has lost its creator, reading finds it, but it would not stay: said at once."""
    (file,) = mosaics(tmp_path / "in", VOLUME[None])
    data_set = pydicom.dcmread(file)
    del data_set[0x0029, 0x0010]
    data_set.save_as(file)
    volume = dicomarray.load(tmp_path / "in")
    with pytest.raises(TemplateError, match=r"CSA header stands in \(0029,1010\) without its creator"):
        dicomarray.to_dicom(volume, tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mosaic_can_be_rescaled(tmp_path: Path) -> None:
    """One slope for all mosaics; the error is what the report says."""
    mosaics(tmp_path / "in", VOLUME[None])
    array = dicomarray.load(tmp_path / "in").array * 0.37
    report = dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out")
    found = dicomarray.load(tmp_path / "out").array
    assert 0 < np.abs(found - array).max() <= report.max_error * 1.01 <= report.slope


def test_mosaic_on_another_grid_is_refused(tmp_path: Path) -> None:
    """The private header places the slices of the template, and no others."""
    mosaics(tmp_path / "in", VOLUME[None])
    volume = dicomarray.load(tmp_path / "in")
    with pytest.raises(TemplateError, match="a mosaic, which can only be written on its own grid"):
        dicomarray.to_dicom(volume.array[:4], tmp_path / "in", tmp_path / "out")
    moved = volume.affine.copy()
    moved[0, 3] += 1
    with pytest.raises(GeometryError, match="a mosaic, which can only be written on its own grid"):
        dicomarray.to_dicom(volume.array, tmp_path / "in", tmp_path / "out", affine=moved)
    report = dicomarray.to_dicom(volume, tmp_path / "in", tmp_path / "out")
    assert report.max_error == 0


def test_uih_grid_comes_back(tmp_path: Path) -> None:
    """The private sequence with the place of each slice stays."""
    mosaic_files.write(mosaic_files.grid(VOLUME), tmp_path / "in" / "0.dcm")
    before = dicomarray.load(tmp_path / "in")
    dicomarray.to_dicom(before.array // 3, tmp_path / "in", tmp_path / "out")
    after = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(after.array, before.array // 3)
    np.testing.assert_array_equal(after.affine, before.affine)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 9), st.integers(1, 9), st.integers(0, 5))
def test_place_is_the_reverse_of_cut(slices: int, rows: int, columns: int, seed: int) -> None:
    """Tiles that are placed make the picture they were cut from, but for what no tile covers: that is 0."""
    from dicomarray.assembly.frames.mosaics import Tile
    from dicomarray.core.geometry import Plane

    side = int(np.ceil(np.sqrt(slices)))
    plane = Plane.from_attributes((0, 0, 0), (1, 0, 0, 0, 1, 0), (1, 1))
    volume = np.random.default_rng(seed).integers(1, 100, (slices, rows, columns))
    picture = np.zeros((side * rows, side * columns), volume.dtype)
    for index, image in enumerate(volume):
        Tile(index // side * rows, index % side * columns, rows, columns, plane, {}).place(picture, image)
    np.testing.assert_array_equal(picture, mosaic_files.tile(volume, (side, side)))
