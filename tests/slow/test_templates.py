"""Every real image as a template: each reader gets the values that were asked for, where they were asked for.

The series are the real ones where they are at hand, and pydicom's test files and pydicom-data.  A template
that is refused must be one that `REFUSED` names, with the reason that the error gives.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

import dciodvfy
import dicomarray
from comparison.truth import niftis_of
from dicomarray.assembly.frames.frame import frames_of
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import KEEP, Series
from dicomarray.assembly.volumes.assemble import assemble
from dicomarray.errors import DataError
from dicomarray.objects.derived_image.image_classes import RescalePlace, image_class, is_classic
from real_series import FOLDERS

# Templates that are refused, by one of their files, and what the error says.
REFUSED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "the compressed stream holds",  # damaged: it cannot be read
    "SC_rgb_dcmtk_+eb+cr.dcm": "a template is one series of images of one size and kind",
    "SC_rgb_jpeg.dcm": "the template's header cannot be written back",
    "SC_rgb_small_odd.dcm": "a template is one series of images of one size and kind",
    "US1_J2KR.dcm": "a template is one series of images of one size and kind",
    "emri_small.dcm": "PerFrameFunctionalGroupsSequence is missing",
    "emri_small_RLE.dcm": "PerFrameFunctionalGroupsSequence is missing",
    "emri_small_big_endian.dcm": "PerFrameFunctionalGroupsSequence is missing",
    "emri_small_jpeg_2k_lossless.dcm": "PerFrameFunctionalGroupsSequence is missing",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "PerFrameFunctionalGroupsSequence is missing",
    "emri_small_jpeg_ls_lossless.dcm": "PerFrameFunctionalGroupsSequence is missing",
}
# Segmentation and Label Map Segmentation Storage: what they hold is no image.
# Folders of real series, likewise: a derived series belongs to one study.
REFUSED_FOLDERS = {"ct-oblique-simpleitk": "StudyInstanceUID differs"}
NO_TEMPLATES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
# A table of modality values has no slope that leads back: its values are rescaled, within the error told.
MODALITY_LUTS = ("mlut_18.dcm",)
# What dciodvfy may find in derived enhanced MR: these modules may stand in originals only.
ALLOWED_ERROR = re.compile(
    r"which may not be present otherwise.*Module=<(MRPulseSequence|BulkMotionSynchronization)>"
)
# dcm2niix takes the sign from the header where the codestream says another.
# dcm2niix takes the b-values of a derived GE series for those of two.
NOT_FOR_DCM2NIIX = ("J2K_pixelrep_mismatch.dcm",)
NOT_FOR_DCM2NIIX_FOLDERS = ("mr-ge-dwi-equal-pixels",)
# Without its class dciodvfy looks no further at a template.
NOT_FOR_DCIODVFY = "missing SOPClassUID"
# SimpleITK inverts the one and applies the palette of the other.
NOT_FOR_SIMPLEITK = ("MONOCHROME1", "PALETTE COLOR")
# Ultrasound and nuclear medicine say slope and intercept in a Real World Value Mapping only, since their
# modules have no Rescale Slope: SimpleITK, GDCM and dcm2niix show stored values, and with pydicom whoever
# asks for the mapping gets what was written.
# Readers calculate in float32 here and there: of the greatest value.
FLOAT32 = 2.0**-22
# Of longer series a slab of slices is enough.
MANY_FILES = 50


@dataclass(frozen=True, eq=False)
class Unit:
    """One volume of a series as a template."""

    name: str
    series: Series
    index: int
    stack: Stack

    @cached_property
    def files(self) -> list[Path]:
        return list(dict.fromkeys(frame.header.reference for frame in self.stack.frames))

    @property
    def whole(self) -> bool:
        """Whether the template's files hold nothing else."""
        headers = {frame.header.reference: frame.header for frame in self.stack.frames}
        return len(self.stack.frames) == sum(len(frames_of(header)) for header in headers.values())

    @cached_property
    def place(self) -> int:
        """Which volume of its own files it is."""
        files = set(self.files)
        own = tuple(header for header in self.series.instances if header.reference in files)
        labels = [
            [frame.order for frame in stack.frames] for stack in Series(self.series.uid, own).stacks(KEEP)
        ]
        return labels.index([frame.order for frame in self.stack.frames])

    @property
    def numbers(self) -> bool:
        """Whether its values may be any; colours and indices are whole numbers."""
        photometric = self.stack.frames[0].attributes["PhotometricInterpretation"]
        return not self.stack.kind.colour and photometric != "PALETTE COLOR"

    @property
    def mapped(self) -> bool:
        """Whether its class says slope and intercept in a Real World Value Mapping only."""
        uid = self.stack.frames[0].header.text("SOPClassUID") or ""
        return is_classic(uid) and image_class(uid, "").place is RescalePlace.MAPPING

    @property
    def for_dcm2niix(self) -> bool:
        name = self.files[0].name
        return (
            self.whole
            and self.stack.geometry is not None
            and not self.stack.kind.colour
            and name not in NOT_FOR_DCM2NIIX
            and not set(NOT_FOR_DCM2NIIX_FOLDERS).intersection(self.files[0].parts)
            and len({frame.rescale for frame in self.stack.frames}) == 1  # else it takes one of them for all
        )

    @property
    def refusal(self) -> str | None:
        """What the error says where it is no template."""
        if self.stack.frames[0].header.text("SOPClassUID") in NO_TEMPLATES:
            return "cannot carry a derived image"
        if REFUSED_FOLDERS.keys() & set(self.files[0].parts):
            return next(text for name, text in REFUSED_FOLDERS.items() if name in self.files[0].parts)
        return next((REFUSED[path.name] for path in self.files if path.name in REFUSED), None)


def slab(series: Series) -> Series:
    """A series of very many files as the files of some neighbouring slices, with all repetitions of these."""
    if len(series.instances) <= MANY_FILES:
        return series
    places = [header.text("ImagePositionPatient") for header in series.instances]
    distinct = sorted(set(places), key=lambda place: float(str(place).rpartition("\\")[2]))
    count = max(2, MANY_FILES * len(distinct) // len(series.instances))
    first = (len(distinct) - count) // 2
    chosen = set(distinct[first : first + count])
    return replace(
        series,
        instances=tuple(h for h, place in zip(series.instances, places, strict=True) if place in chosen),
    )


def units_below(folder: Path) -> Iterator[Unit]:
    for scanned in dicomarray.scan(folder).images:
        series = slab(scanned)
        try:
            stacks = series.stacks(KEEP)
        except DataError:
            continue  # what cannot be read is no template; the tests of reading name these
        for index, stack in enumerate(stacks):
            first = stack.frames[0].header.reference
            yield Unit(f"{first.parent.name}/{first.name}:{index}", series, index, stack)


def derived_frames(output: Path) -> Stack:
    """The one stack of a derived series, which is read as strictly as the reader can."""
    (series,) = dicomarray.scan(output)
    (stack,) = series.stacks(ReadOptions(missing="keep"))
    return stack


@lru_cache(maxsize=2048)  # both series of a round trip
def _pydicom(path: Path) -> tuple[pydicom.Dataset, NDArray[Any]]:
    data_set = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in data_set.file_meta:
        data_set.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    pixels = data_set.pixel_array
    return data_set, pixels if int(data_set.get("NumberOfFrames") or 1) > 1 else pixels[np.newaxis]


def pydicom_frame(path: Path, index: int) -> NDArray[np.float64]:
    """The modality values of a frame by pydicom: stored values, and the slope that belongs to the frame."""
    data_set, pixels = _pydicom(path)
    slope = intercept = None
    for place in (data_set, *_groups(data_set, index)):
        slope = place.get("RescaleSlope", slope)
        intercept = place.get("RescaleIntercept", intercept)
    stored = pixels[index].astype(np.float64)
    return stored * float(1 if slope is None else slope) + float(0 if intercept is None else intercept)


def mapped_frame(path: Path, index: int) -> NDArray[np.float64]:
    """The values of a frame by pydicom, and the Real World Value Mapping."""
    data_set, pixels = _pydicom(path)
    (item,) = data_set.RealWorldValueMappingSequence
    return pixels[index].astype(np.float64) * item.RealWorldValueSlope + item.RealWorldValueIntercept


def _groups(data_set: pydicom.Dataset, index: int) -> Iterator[pydicom.Dataset]:
    for item in data_set.get("SharedFunctionalGroupsSequence") or ():
        yield from item.get("PixelValueTransformationSequence") or ()
    frames = data_set.get("PerFrameFunctionalGroupsSequence") or ()
    if index < len(frames):
        yield from frames[index].get("PixelValueTransformationSequence") or ()


@lru_cache(maxsize=4)
def _simpleitk(path: Path) -> NDArray[np.float64]:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    return np.asarray(sitk.GetArrayFromImage(reader.Execute()), np.float64)


def simpleitk_frame(path: Path, index: int) -> NDArray[np.float64]:
    """The modality values of a frame by SimpleITK."""
    return _simpleitk(path)[index]


@lru_cache(maxsize=4)
def _gdcm(path: Path) -> tuple[NDArray[Any], float, float]:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read(), path
    image = reader.GetImage()
    kind = image.GetPixelFormat()
    dtype = np.dtype(f"{'i' if kind.GetPixelRepresentation() else 'u'}{kind.GetBitsAllocated() // 8}")
    raw = image.GetBuffer().encode("utf-8", errors="surrogateescape")
    shape = [image.GetDimension(axis) for axis in range(image.GetNumberOfDimensions())][::-1]
    shape = shape if len(shape) == 3 else [1, *shape]
    samples = kind.GetSamplesPerPixel()
    values = np.frombuffer(raw, dtype).reshape(*shape, *([samples] if samples > 1 else []))
    return values, image.GetSlope(), image.GetIntercept()


def gdcm_frame(path: Path, index: int) -> NDArray[np.float64]:
    """The modality values of a frame by GDCM."""
    values, slope, intercept = _gdcm(path)
    return values[index] * slope + intercept


Reader = Callable[[Path, int], NDArray[np.float64]]
READERS: dict[str, Reader] = {"pydicom": pydicom_frame, "SimpleITK": simpleitk_frame, "GDCM": gdcm_frame}


def asked_for(unit: Unit) -> NDArray[Any]:
    return assemble(unit.stack, ReadOptions(missing="keep")).array


def write(unit: Unit, array: NDArray[Any], output: Path, **options: Any) -> Any:
    return dicomarray.to_dicom(
        array, unit.files, output, series=unit.series.uid or None, volume=unit.place, **options
    )


def compare_frames(
    array: NDArray[Any], derived: Stack, allowed: float, readers: dict[str, Reader] = READERS
) -> None:
    """Every reader's value of every voxel of the derived series is that of the array."""
    images = array.reshape(-1, *array.shape[len(derived.shape) :])
    mosaic = derived.frames[0].tile is not None
    photometric = derived.frames[0].attributes["PhotometricInterpretation"]
    for name, read in readers.items():
        if name == "SimpleITK" and photometric in NOT_FOR_SIMPLEITK:
            continue
        for frame, image in zip(derived.frames, images, strict=True):
            found = read(frame.header.reference, 0 if mosaic else frame.index)
            if frame.tile is not None:
                found = frame.tile.cut(found)
            error = np.abs(found - image).max()
            assert error <= allowed + np.abs(image).max() * FLOAT32, (name, frame.header.reference, error)


def compare_stored(unit: Unit, derived: Stack) -> None:
    """The stored values of the derived series are the template's, bit for bit."""
    for source, frame in zip(unit.stack.frames, derived.frames, strict=True):
        one, other = (_pydicom(f.header.reference)[1] for f in (source, frame))
        mosaic = source.tile is not None
        assert np.array_equal(one[0 if mosaic else source.index], other[0 if mosaic else frame.index])


Nifti = tuple[Any, NDArray[np.float64]]


class Told:
    """What other programs say of a series; they run beside this one until it asks."""

    def __init__(self, pool: ThreadPoolExecutor, files: Sequence[Path], niftis: bool, *flags: str) -> None:
        self.issues: Future[set[str]] = pool.submit(dciodvfy.issues, files[0])
        self.niftis: Future[list[Nifti]] | None = None
        if niftis:
            self.niftis = pool.submit(nifti_volumes, files, *flags)


def compare_conformance(template: Told, output: Told) -> None:
    """dciodvfy finds no error in the output that the template does not have."""
    before = template.issues.result()
    if any(NOT_FOR_DCIODVFY in issue for issue in before):
        return
    new = {issue for issue in output.issues.result() - before if "Error" in issue}
    assert not {error for error in new if not ALLOWED_ERROR.search(error)}


def nifti_volumes(files: Sequence[Path], *flags: str) -> list[Nifti]:
    """Affine and values of every volume that dcm2niix makes, in an order that files have no part in."""
    with niftis_of(files, *flags) as names:
        # of tilted or uneven series dcm2niix makes resampled volumes too, and masks of overlays
        own = [name for name in names if not any(word in name.name for word in ("_Tilt", "_Eq", "_ROI"))]
        images = [nibabel.Nifti1Image.from_filename(name) for name in own]
        found = [(image.affine.round(3).tolist(), np.asarray(image.dataobj, np.float64)) for image in images]
    return sorted(found, key=lambda pair: (pair[1].shape, pair[0], pair[1].sum()))


def compare_niftis(template: Told, output: Told, scale: float, offset: float, allowed: float) -> None:
    """dcm2niix makes the same volumes of template and output, at the same places, with the values asked for.

    Of a template its display values (``-p n``): Philips' private scaling is not in the output.
    """
    if template.niftis is None or output.niftis is None:
        return
    before, after = template.niftis.result(), output.niftis.result()
    assert len(before) == len(after)
    for (place, values), (other_place, others) in zip(before, after, strict=True):
        assert values.shape == others.shape
        np.testing.assert_allclose(other_place, place, atol=2e-3)
        asked = values * scale + offset
        assert np.abs(others - asked).max() <= allowed + np.abs(asked).max() * FLOAT32


def round_trip(unit: Unit, folder: Path) -> None:
    """Written unchanged and written with other numbers: both are read as asked for."""
    array = asked_for(unit)
    changed = array.astype(np.float64) * 0.37 + 3.3
    with ThreadPoolExecutor(max_workers=2) as pool:
        template = Told(pool, unit.files, unit.for_dcm2niix, "-p", "n")
        report = write(unit, array, folder / "same")
        files, same = list(report.files), Told(pool, report.files, unit.for_dcm2niix)
        if unit.numbers:
            other = write(unit, changed, folder / "changed")
            files += other.files
            told = Told(pool, other.files, unit.for_dcm2niix and not unit.mapped)
        in_the_set = pool.submit(dciodvfy.new_set_issues, unit.files, files)
        compare_same(unit, array, derived_frames(folder / "same"), report)
        compare_niftis(template, same, 1.0, 0.0, report.max_error)
        compare_conformance(template, same)
        if unit.numbers:
            read = np.abs(changed).max() * FLOAT32  # the error told is that of a reader in float32
            assert other.max_error <= other.slope / 2 * (1 + 1e-9) + read
            readers = {"pydicom": mapped_frame} if unit.mapped else READERS
            compare_frames(changed, derived_frames(folder / "changed"), other.slope / 2, readers)
            compare_niftis(template, told, 0.37, 3.3, other.slope / 2)
            compare_conformance(template, told)
        if not any(NOT_FOR_DCIODVFY in issue for issue in template.issues.result()):
            assert not in_the_set.result()
    _pydicom.cache_clear()


def compare_same(unit: Unit, array: NDArray[Any], derived: Stack, report: Any) -> None:
    """Nothing is changed by writing an array that nobody changed."""
    assert derived.shape == unit.stack.shape
    if unit.files[0].name in MODALITY_LUTS:
        assert report.max_error <= report.slope / 2
    else:
        assert report.max_error == 0
        compare_stored(unit, derived)
    compare_frames(array, derived, report.max_error)


def check_all(units: Iterator[Unit], folder: Path) -> int:
    """Every unit, or its refusal; how many there were."""
    count = 0
    for count, unit in enumerate(units, 1):
        refusal = unit.refusal
        scratch = folder / str(count)
        if refusal is None:
            round_trip(unit, scratch)
        else:
            with pytest.raises(DataError, match=re.escape(refusal)):
                write(unit, asked_for(unit), scratch)
            assert not scratch.exists()
        shutil.rmtree(scratch, ignore_errors=True)
    return count


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_real_series(real_data: Path, tmp_path: Path, name: str) -> None:
    """Every real series is a template for which all readers agree."""
    assert check_all(units_below(real_data / name), tmp_path)


def test_pydicoms_files(pydicom_data: Path, tmp_path: Path) -> None:
    """So is every image that comes with pydicom, but for those named above."""
    assert check_all(units_below(pydicom_data / "test_files"), tmp_path)


def test_pydicom_data(pydicom_more_data: Path, tmp_path: Path) -> None:
    """So is every image of the package pydicom-data, but for those named above."""
    assert check_all(units_below(pydicom_more_data), tmp_path)


def test_exceptions_are_documented() -> None:
    """Whoever relies on what is checked here finds all that is not."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "writing.md").read_text(encoding="utf-8")
    for name in (
        *REFUSED,
        *REFUSED_FOLDERS,
        *MODALITY_LUTS,
        *NOT_FOR_DCM2NIIX,
        *NOT_FOR_DCM2NIIX_FOLDERS,
        *NOT_FOR_SIMPLEITK,
    ):
        assert name in page, name
