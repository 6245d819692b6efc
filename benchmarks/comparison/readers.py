"""The contenders, each by the way in that its own documentation recommends; what they return as `Loaded`."""

# The contenders have no types, and need not be installed where this is checked.
# mypy: disable-error-code="no-untyped-call,import-not-found,import-untyped"
from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset

from comparison.judging import Loaded, corners_of


@dataclass(frozen=True, eq=False)
class Reading:
    """All volumes of a series, and what the reader warned of."""

    volumes: list[Loaded]
    warnings: list[str]


@dataclass(frozen=True)
class Reader:
    """``packages`` are those whose versions matter."""

    name: str
    how: str
    packages: tuple[str, ...]
    read: Callable[[Sequence[Path]], Reading]

    @property
    def versions(self) -> str:
        return ", ".join(f"{package} {version(package)}" for package in self.packages)


def dicomarray_volumes(files: Sequence[Path]) -> Reading:
    """``scan`` and ``volumes``, no options."""
    import dicomarray

    volumes = [volume for series in dicomarray.scan(files) for volume in series.volumes()]
    loaded = []
    for volume in volumes:
        corners = None
        if volume.affine is not None:
            shape = volume.array.shape[volume.axes.index("slice") :][:3]
            corners = corners_of(volume.affine, shape)
            geometry = volume.metadata["geometry"]
            if not geometry["uniform"]:  # no affine can place these: the sidecar says where each slice is
                positions = np.array(geometry["slice_positions_mm"])
                corners = corners + (positions - corners[:, 0, 0])[:, None, None]
        loaded.append(Loaded(volume.array, corners))
    return Reading(loaded, [text for volume in volumes for text in volume.warnings])


def simpleitk_series(files: Sequence[Path]) -> Reading:
    """The series identifiers of a folder, the file names of each in GDCM's order, and the series reader."""
    import SimpleITK as sitk  # noqa: N813 - its own documentation's name for it

    loaded = []
    with _folder_of(files) as folder, _printed() as printed:
        for identifier in sitk.ImageSeriesReader.GetGDCMSeriesIDs(folder):
            names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder, identifier)
            # a multi-frame file is a volume by itself: the series reader is for one slice a file
            image = sitk.ReadImage(names[0] if len(names) == 1 else names)
            affine = np.eye(4)
            size = min(image.GetDimension(), 3)
            direction = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)[:size, :size]
            affine[:3, :3] = (direction * image.GetSpacing()[:size])[:, ::-1]
            affine[:3, 3] = image.GetOrigin()[:size]
            array = sitk.GetArrayFromImage(image)
            first = array.ndim - 3 - (image.GetNumberOfComponentsPerPixel() > 1)
            loaded.append(Loaded(array, corners_of(affine, array.shape[first : first + 3])))
    # "ImageSeriesReader (0x...): Non uniform sampling or missing slices detected,  maximum nonuniformity:2"
    said = [text.partition(", ")[0] for text in printed if "Non uniform sampling" in text]
    return Reading(loaded, said)


def highdicom_volume(files: Sequence[Path]) -> Reading:
    """``get_volume_from_series`` for one frame a file, ``imread(...).get_volume()`` for many.

    Real world values and what is for display only (MONOCHROME1, ICC profiles) are switched off, for the
    truth is in modality values.
    """
    import highdicom

    options = {
        "apply_real_world_transform": False,
        "apply_presentation_lut": False,
        "apply_icc_profile": False,
    }

    heads = {file: pydicom.dcmread(file) for file in files}
    single = [ds for ds in heads.values() if "PerFrameFunctionalGroupsSequence" not in ds]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        volumes = [
            highdicom.imread(file).get_volume(**options)
            for file, ds in heads.items()
            if "PerFrameFunctionalGroupsSequence" in ds
        ]
        if single:
            volumes.append(highdicom.get_volume_from_series(single, **options))
    said = [str(warning.message) for warning in caught if "highdicom" in warning.filename]
    loaded = [Loaded(volume.array, corners_of(volume.affine, volume.spatial_shape)) for volume in volumes]
    return Reading(loaded, said)


def dicom_numpy_slices(files: Sequence[Path]) -> Reading:
    """``combine_slices``; its array is (column, row, slice)."""
    import dicom_numpy

    array, affine = dicom_numpy.combine_slices([pydicom.dcmread(file) for file in files])
    array, affine = np.transpose(array, (2, 1, 0)), np.asarray(affine)[:, [2, 1, 0, 3]]
    return Reading([Loaded(array, corners_of(affine, array.shape))], [])


def pydicom_by_number(files: Sequence[Path]) -> Reading:
    """Sorted by Instance Number."""
    return _stacked(sorted((pydicom.dcmread(file) for file in files), key=lambda ds: int(ds.InstanceNumber)))


def pydicom_by_z(files: Sequence[Path]) -> Reading:
    """Sorted by the third number of Image Position."""
    data_sets = [pydicom.dcmread(file) for file in files]
    return _stacked(sorted(data_sets, key=lambda ds: float(ds.ImagePositionPatient[2])))


def _stacked(data_sets: Sequence[Dataset]) -> Reading:
    """What most people write: values by the slope of each, the step from the first slice to the second."""
    first = data_sets[0]
    array = np.stack(
        [
            ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
            for ds in data_sets
        ]
    )
    orientation, position = np.array(first.ImageOrientationPatient), np.array(first.ImagePositionPatient)
    affine = np.eye(4)
    affine[:3, 1] = orientation[3:] * first.PixelSpacing[0]
    affine[:3, 2] = orientation[:3] * first.PixelSpacing[1]
    affine[:3, 3] = position
    if len(data_sets) > 1:
        affine[:3, 0] = np.array(data_sets[1].ImagePositionPatient) - position
    return Reading([Loaded(array, corners_of(affine, array.shape[:3]))], [])


READERS = (
    Reader("dicomarray", "`scan(files)`, `series.volumes()`", ("dicomarray",), dicomarray_volumes),
    Reader(
        "SimpleITK",
        "`GetGDCMSeriesIDs`, `GetGDCMSeriesFileNames`, `ReadImage`",
        ("SimpleITK",),
        simpleitk_series,
    ),
    Reader(
        "highdicom",
        "`get_volume_from_series`; `imread(file).get_volume()` for a multi-frame file",
        ("highdicom", "pydicom"),
        highdicom_volume,
    ),
    Reader("dicom-numpy", "`combine_slices`", ("dicom-numpy", "pydicom"), dicom_numpy_slices),
    Reader(
        "pydicom, by number",
        "a loop: sorted by Instance Number, `pixel_array` with the slope of each slice, stacked",
        ("pydicom",),
        pydicom_by_number,
    ),
    Reader(
        "pydicom, by z",
        "the same, sorted by the z of Image Position (Patient)",
        ("pydicom",),
        pydicom_by_z,
    ),
)


@contextmanager
def _folder_of(files: Sequence[Path]) -> Iterator[str]:
    """A folder with links to exactly these files, for readers that look for series by themselves."""
    with tempfile.TemporaryDirectory() as folder:
        for index, file in enumerate(files):
            Path(folder, f"{index:05d}.dcm").symlink_to(file.resolve())
        yield folder


@contextmanager
def _printed() -> Iterator[list[str]]:
    """What a library in C++ prints on standard error, line by line, known at the end."""
    lines: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            stream.seek(0)
            lines += stream.read().decode(errors="replace").splitlines()


def shortened(text: str, length: int = 110) -> str:
    """A message on one line, without paths, UIDs and addresses in memory: those differ by run."""
    text = re.sub(r"Exception thrown in SimpleITK \w+: \S+\s*", "", text)
    text = text.rsplit("itk::ERROR: ", maxsplit=1)[-1]
    text = re.sub(r"\(0x[0-9a-f]+\)|0x[0-9a-f]{6,}", "", text)
    text = re.sub(r"\d+(\.\d+){4,}", "...", text)
    text = re.sub(r"(?<![\w.])/[^\s:'\",]*/([^\s:'\",]*)", r"\1", text)
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3].rsplit(" ", 1)[0] + " ..."
