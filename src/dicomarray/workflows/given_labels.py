"""The labels or masks that a user gives, however that is, with their segments -> a `Segmentation`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from dicomarray.core.coded_terms import coded, filled, look_up
from dicomarray.core.pixel_values import Array
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import GeometryError, InputError, SegmentationError, UsageError
from dicomarray.formats import sidecar, zarr_store
from dicomarray.formats.segment_list import Segments, relabelled, segments_of
from dicomarray.segmentation import Segmentation, info_of_labels
from dicomarray.storage.places import PathLike
from dicomarray.volume import Volume
from dicomarray.workflows.given_arrays import given_array, labels_file
from dicomarray.workflows.grid_mapping import read_affine

SUFFIXES = (".nii.gz", ".nii", ".npy", zarr_store.SUFFIX)
# Affines of masks of one volume agree to the rounding of the program that wrote them.
SAME_GRID_MM = 1e-3

Labels = Array | Mapping[str, Array] | Segmentation | Volume | PathLike


def given_labels(
    labels: Labels, segments: Segments | None, template: VolumeInfo, *, codes: bool = True
) -> Segmentation:
    """The segmentation of labels or masks (see `to_seg`), where they say that they lie, else on the template.

    Labels may also be a folder of files, each the mask of the structure that its name says.  With ``codes``
    each segment needs coded terms, as those of DICOM SEG do; else they are added where known.

    Raises SegmentationError where a label has no segment, a segment no codes, or an array another shape than
    the template; UsageError where it is no array of labels.
    """
    masks = _segmentation(labels, segments, template)
    if codes:
        return masks.with_segments(tuple(map(coded, masks.segments)))
    terms = ((one, look_up(one.label)) for one in masks.segments)
    return masks.with_segments(tuple(one if term is None else filled(one, term) for one, term in terms))


def labels_at(labels: Labels, input_json: PathLike | None, affine: ArrayLike | PathLike | None) -> Labels:
    """An array of labels with its sidecar, or at a place of its own; as they are where neither is given.

    Raises UsageError where these are no array of labels.
    """
    if input_json is None and affine is None:
        return labels
    if isinstance(labels, Mapping | Segmentation):
        raise UsageError("a sidecar or affine (input_json=, affine=) belongs to one array of labels")
    given = given_array(labels, input_json)
    if affine is None:
        return given
    array = given.array if isinstance(given, Volume) else given
    placed = Volume.from_array(array, read_affine(affine))
    known = given.info.segments if isinstance(given, Volume) else ()
    return replace(placed, info=replace(placed.info, segments=known))


def images_of_labels(labels: Labels) -> VolumeInfo | None:
    """What labels say of the images that they were made of; None where they say nothing."""
    info = labels.info if isinstance(labels, Volume | Segmentation) else None
    if isinstance(labels, str | os.PathLike) and Path(labels).suffix.lower() == ".npy":
        beside = Path(labels).with_suffix(".json")
        info = sidecar.read(beside) if beside.is_file() else None
    elif isinstance(labels, str | os.PathLike) and zarr_store.is_zarr(labels):
        info = zarr_store.load(Path(labels))[1]
    return None if info is None or info.series.get("Modality") in ("SEG", "RTSTRUCT") else info


def _segmentation(labels: Labels, segments: Segments | None, template: VolumeInfo) -> Segmentation:
    if isinstance(labels, str | os.PathLike):
        if not os.fspath(labels):
            raise UsageError("the labels are an empty name; name a .npy, .nii, .nii.gz, or a folder of masks")
        if Path(labels).is_dir() and not zarr_store.is_zarr(labels):
            masks = MaskFiles(Path(labels), template)
            return Segmentation(masks, segments, geometry_of=masks.grid)
        labels = labels_file(labels, template.geometry)
    if isinstance(labels, Segmentation):
        return labels.with_segments(relabelled(labels.segments, segments))
    if isinstance(labels, Volume):
        known = relabelled(labels.info.segments, segments) if labels.info.segments else segments
        return _of_array(whole_numbers(np.asarray(labels.array)), known, replace(labels.info, segments=()))
    if isinstance(labels, Mapping):
        return Segmentation(labels, segments, geometry_of=template)
    array = whole_numbers(np.asarray(labels))
    if array.dtype.kind == "b" and segments is not None and (count := len(segments_of(segments))) != 1:
        raise SegmentationError(f"a bool mask is of one segment, and there are {count}: give masks by name")
    return _of_array(array, segments, template)


def _of_array(array: Array, segments: Segments | None, grid: VolumeInfo) -> Segmentation:
    """Labels that nobody changes while they are written: those that can be taken as they are, uncopied."""
    if array.dtype == np.uint8 and array.ndim == 3:
        given = segments_of(segments)
        return Segmentation.from_layers([array], {}, info_of_labels(grid, array.shape, given))
    return Segmentation(array, segments, geometry_of=grid)


class MaskFiles(Mapping[str, Array]):
    """The masks in the files of a folder, by the names of these; one is read when it is asked for.

    Raises InputError where the folder has no such file; GeometryError where two files lie on different grids;
    the message names them.
    """

    def __init__(self, folder: Path, template: VolumeInfo) -> None:
        found = sorted(path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES))
        self._files = {path.name[: path.name.index(".")]: path for path in found}
        if not found:
            raise InputError(f"{folder} holds no masks: no file that ends with {', '.join(SUFFIXES)}")
        if len(self._files) != len(found):
            raise UsageError(f"two files in {folder} have one name but for their endings")
        self._template = template
        first = labels_file(found[0], template.geometry)
        self._first, self.grid = found[0], first.info if isinstance(first, Volume) else template

    def __getitem__(self, name: str) -> Array:
        path = self._files[name]
        given = labels_file(path, self._template.geometry)
        if isinstance(given, Volume) and not _same_grid(given.info, self.grid):
            raise GeometryError(f"{path} and {self._first} lie on different grids: they are of two volumes")
        array = whole_numbers(given.array if isinstance(given, Volume) else given)
        if array.dtype.kind in "iu" and array.size and not 0 <= array.min() <= array.max() <= 1:
            raise UsageError(f"{path} holds other numbers than 0 and 1: it is no mask of one structure")
        return array if array.dtype.kind == "f" else array.astype(bool)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _same_grid(one: VolumeInfo, other: VolumeInfo) -> bool:
    if one.shape != other.shape or (one.geometry is None) != (other.geometry is None):
        return False
    if one.geometry is None or other.geometry is None:
        return True
    return bool(np.allclose(one.geometry.affine, other.geometry.affine, rtol=0, atol=SAME_GRID_MM))


def whole_numbers(array: Array) -> Array:
    """Labels that a file or model keeps as floating point, as whole numbers; fractions stay what they are.

    Raises UsageError where values are neither whole numbers nor fractions of one segment.
    """
    if array.dtype.kind != "f":
        return array
    if not np.isfinite(array).all():
        raise UsageError("the labels hold NaN or infinity: give whole numbers")
    if (array == np.rint(array)).all():
        return array.astype(np.int64 if np.abs(array).max(initial=0) > np.iinfo(np.int32).max else np.int32)
    if array.min() >= 0 and array.max() <= 1:
        return array
    raise UsageError(
        "the labels are no whole numbers: a label map says 0, 1, 2, ..., fractions lie in [0, 1]"
    )
