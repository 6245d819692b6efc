"""The array that a user gives, however that is: in hand, as ``.npy`` with or without sidecar, as NIfTI."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from dicomarray.core.axis_order import order_like, snapped
from dicomarray.core.geometry import StackGeometry
from dicomarray.core.pixel_values import Array, Rescale
from dicomarray.errors import GeometryError, UsageError
from dicomarray.formats import nifti, sidecar, zarr_store
from dicomarray.formats.npy import load_array
from dicomarray.storage.places import PathLike, local_path
from dicomarray.volume import Volume


def by_affine_alone(source: object) -> bool:
    """Whether what is given is a NIfTI file, of which only the affine says which axis is which."""
    return isinstance(source, str | os.PathLike) and nifti.is_nifti(source)


def given_array(source: Array | Volume | PathLike, input_json: PathLike | None = None) -> Volume | Array:
    """A volume where anything is known beside the values, which a ``.npy`` alone does not tell.

    A NIfTI file is a volume; `on_template` gives it the axes of the template.

    Raises InputError where a file is missing or damaged; UsageError for what is no array.
    """
    if isinstance(source, str | os.PathLike) and by_affine_alone(source):
        return Volume(
            *nifti.load(Path(source), None if input_json is None else local_path(input_json), beside=False)
        )
    if zarr_store.is_zarr(source):
        source = Volume.load(cast("PathLike", source))
    if isinstance(source, Volume) and zarr_store.is_lazy(source.array):
        source = source.with_array(np.asarray(source.array))
    info = None if input_json is None else sidecar.read(local_path(input_json))
    if isinstance(source, Volume):
        if info is None:
            return source
        array = source.array
    elif isinstance(source, np.ndarray):
        array = source
    elif isinstance(source, str | os.PathLike):
        array = load_array(Path(source))
    else:
        raise UsageError(
            f"the array is a {type(source).__name__}: give a NumPy array (numpy.asarray makes one), a Volume "
            "or the path of a .npy, .nii or .nii.gz"
        )
    return array if info is None else Volume(array, info)


def labels_file(path: PathLike, template: StackGeometry | None) -> Volume | Array:
    """The labels in a file: a ``.npy`` (a volume with the sidecar beside it, if there is one), Zarr or NIfTI.

    NIfTI comes on the axes of the template, placed by its affine alone; see `on_template`.

    Raises InputError where a file is missing or damaged; GeometryError for a NIfTI file where the template
    has no place in the patient.
    """
    if nifti.is_nifti(path):
        return on_template(Volume.load(path), template)
    if zarr_store.is_zarr(path):
        return given_array(path)
    beside = Path(path).with_suffix(".json")
    return given_array(path, beside if beside.is_file() else None)


def on_template(volume: Volume, template: StackGeometry | None) -> Volume:
    """A volume with its axes in the order and direction of a template's; no voxel is moved or resampled.

    Where its voxels are the template's, or some of them, or continue them, but for rounding, it has the
    template's own numbers: then `Volume.geometry` equals the template's exactly.  Axes before the slices and
    after the columns stay.

    Raises GeometryError where only one of them has a place in the patient.
    """
    if volume.geometry is None and template is None:
        return volume
    if volume.geometry is None or template is None:
        which = "the template has" if template is None else "the array has"
        raise GeometryError(
            f"{which} no patient geometry, so nothing says how the array lies on it: give a NumPy array, or "
            "a .npy without sidecar, with the axes of the template"
        )
    order = order_like(volume.geometry.affine, template)
    first = volume.info.slice_axis
    colour = volume.array.ndim - first > 3
    array = np.moveaxis(volume.array, -1, 0) if colour else volume.array
    shape = array.shape[-3:]
    turned = np.ascontiguousarray(order.turn(array))
    affine = order.turn_affine(volume.geometry.affine, shape)
    slices = turned.shape[-3]
    geometry = StackGeometry.from_affine(affine, slices, volume.geometry.frame_of_reference_uid)
    geometry = snapped(geometry, turned.shape, template)
    turned = np.ascontiguousarray(np.moveaxis(turned, 0, -1)) if colour else turned
    info = volume.info
    if order.source[0] != 0 or order.flipped[0]:
        info = replace(info, slices=(), rescales=(Rescale(),))
    info = replace(info, shape=turned.shape, geometry=geometry)
    return replace(volume, array=turned, info=info, padding=None)
