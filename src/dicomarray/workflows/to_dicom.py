"""NumPy to DICOM: an array as a new series derived from a template series."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import ArrayLike

from dicomarray.assembly.grouping.patients import patient_warnings, refuse_mixed_patients
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.series import KEEP, UNPLACED
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import Matrix, StackGeometry
from dicomarray.core.options import made_of, takes
from dicomarray.core.pixel_values import Array
from dicomarray.errors import GeometryError, UsageError, ValuesError
from dicomarray.objects.common.files import WriteReport
from dicomarray.objects.common.options import Mode, WriteKeywords, WriteOptions
from dicomarray.objects.derived_image.writing import check_error, write_series
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.runtime.threads import PixelProgress
from dicomarray.sources.base import Progress
from dicomarray.storage.places import PathLike
from dicomarray.volume import Volume
from dicomarray.workflows.file_layouts import as_files, template_name
from dicomarray.workflows.given_arrays import by_affine_alone, given_array, on_template
from dicomarray.workflows.grid_mapping import place, read_affine
from dicomarray.workflows.output_units import MODALITY, STORED, written_units
from dicomarray.workflows.push import local_or_stored
from dicomarray.workflows.templates import Template, in_hand_or_asked, template_stack
from dicomarray.workflows.verification import verify_series

if TYPE_CHECKING:
    from dicomarray.query.config import Config

# By so much greater is an error that float32 adds more to than the last digits of it.
NOTICEABLE = 1.01


@takes(WriteOptions)
def to_dicom(  # noqa: PLR0913 - the template, the array's place and meaning, by name
    array_or_npy: Array | Volume | PathLike,
    template_dicom: Template | None,
    output_dicom: PathLike,
    *,
    input_json: PathLike | None = None,
    series: str | None = None,
    volume: int | None = None,
    config: Config = None,
    index: PathLike | None = None,
    affine: ArrayLike | PathLike | None = None,
    units: str | None = None,
    progress: Progress | None = None,
    pixel_progress: PixelProgress | None = None,
    **options: Unpack[WriteKeywords],
) -> WriteReport:
    """Write an array as a new series derived from a template series.

    Parameters
    ----------
    array_or_npy
        Shape ``(slices, rows, columns)``, for a 4-D template ``(repetitions, slices, rows, columns)``; or the
        path of such a ``.npy``, or a `Volume`.  A NIfTI file (``.nii``, ``.nii.gz``; extra ``nifti``) is
        placed by its affine alone, whatever the order and direction of its axes.
    template_dicom
        A folder or file, or several; a `Series`; a `Volume` that was read from DICOM files; with ``index`` it
        may be None.
    input_json
        The array's sidecar: with it a normalization is undone, and the voxels lie where it says.
    series, volume, config, index
        Which series (UID or a filter config) and volume (its index) is the template, where there are several;
        an index file (see `dicomarray.index`) answers without a scan.
    affine
        4x4 from the index (slice, row, column) to LPS mm, or a ``.npy`` or ``.json`` with it: where the
        voxels lie, if not where a `Volume` or sidecar says, else on the template's grid.
    units
        Of the array's values, if not the template's: ``"HU"``, ``"US"`` (unspecified) and the other Rescale
        Types (PS3.3 C.11.1.1.2); for PET its Units: ``"GML"`` (SUV), ``"BQML"``, ... (C.8.9.1.1.3).
    progress
        Called with the number of files of the template's folder that were looked at.
    pixel_progress
        Called with the number of images that are written, their bytes, and the number of all; and again for
        those that are read back, where the series is verified.
    options
        How to write: those of `WriteOptions`, below.

    Raises
    ------
    TemplateError
        Where the template cannot carry the array: another shape without a place, a class that takes no
        derived image.
    GeometryError
        Where no series can say the array's place, or it has nothing to do with the template's.
    ValuesError
        Where values do not fit, or are not finite.
    VerificationError
        Where what was written does not read back as asked; nothing is left behind.
    OutputError
        Where the output exists and ``overwrite`` is not set, or lies inside the template folder.
    """
    checked = made_of(WriteOptions, options)

    def made(output: Path) -> WriteReport:
        template = in_hand_or_asked(
            template_dicom, volume, output, series=series, config=config, index=index, progress=progress
        )
        given = given_array(array_or_npy, input_json)
        reading, made_from = KEEP, None
        if isinstance(given, Volume):
            reading = UNPLACED if given.geometry is None else KEEP
            made_from = given.info
        stack = template_stack(template, volume, reading, made_from)
        if isinstance(given, Volume) and by_affine_alone(array_or_npy):
            if affine is not None:
                raise UsageError(f"{array_or_npy} says where its voxels lie: give no affine beside it")
            given = on_template(given, stack.geometry)
        matrix = None if affine is None else read_affine(affine)
        report = write_like(given, stack, output, checked, matrix, units, progress=pixel_progress)
        return replace(report, warnings=_unused_sidecar(array_or_npy, input_json) + report.warnings)

    return local_or_stored(output_dicom, made)


def _unused_sidecar(given: Volume | Array | PathLike, input_json: PathLike | None) -> Warnings:
    """What is to be said where an array has a sidecar beside it that is not asked for."""
    if input_json is not None or not isinstance(given, str | os.PathLike):
        return ()
    beside = Path(given).with_suffix(".json")
    if Path(given).suffix != ".npy" or not beside.is_file():
        return ()
    return warning(
        f"{beside} is not used; input_json (--input-json) gives its geometry and normalization "
        "[sidecar-unused]"
    )


@pydicom_quiet
def write_like(
    given: Volume | Array,
    stack: Stack,
    output: Path,
    options: WriteOptions,
    affine: Matrix | None = None,
    units: str | None = None,
    *,
    progress: PixelProgress | None = None,
) -> WriteReport:
    """`to_dicom` with a template that is found already; of an array alone nothing is known but its values."""
    mode, unit = options.values, 1.0
    volume = given if isinstance(given, Volume) else None
    refuse_mixed_patients(stack.frames, template_name(stack))
    array, hidden = _unmasked(given.array if isinstance(given, Volume) else given)
    off_bounds = () if volume is None else _off_bounds(array, volume)
    if volume is not None:
        array, mode = _undone(array, volume, mode)
        unit = 1.0 if volume.normalization is None else volume.normalization.span
    if hidden is not None:
        array = _filled(array, hidden, options.fill)
    units, said = written_units(array, _known_units(volume), stack, mode, units)
    placed = replace(place(array, _asked_grid(array, volume, affine, stack), stack), units=units, unit=unit)
    request = as_files(placed, stack)

    off: list[float] = []  # by how much values are off for a reader

    def check(files: Sequence[Path], report: WriteReport) -> None:
        off.append(verify_series(files, placed.array, stack, report, mode == "stored", placed.grid, progress))
        check_error(_max_error_of(report.max_error, off) / unit, report.mean_error / unit, options.max_error)

    # what places the slices of a mosaic is private: only reading tells whether all of it is still there
    verify = options.verify or request.tiled
    report = write_series(request, output, replace(options, values=mode), check if verify else None, progress)
    if hidden is not None:
        said += warning(f"{np.count_nonzero(hidden)} masked values got the fill value [fill-values]")
    return replace(
        report,
        max_error=_max_error_of(report.max_error, off) / unit,
        mean_error=report.mean_error / unit,
        warnings=patient_warnings(stack.frames) + off_bounds + request.warnings + said + report.warnings,
    )


def _max_error_of(written: float, read: Sequence[float]) -> float:
    """The greatest error: of what is written, unless readers, in float32, get one that is clearly greater."""
    found = max(read, default=0.0)
    return found if found > NOTICEABLE * written else written


def _known_units(volume: Volume | None) -> str | None:
    """The units of the values, where anything says what they are: a NIfTI file does not."""
    if volume is None or (volume.info.value_units == MODALITY and not volume.series and not volume.slices):
        return None
    return volume.info.value_units


def _unmasked(array: Array) -> tuple[Array, Array | None]:
    """The data of an array, and where it is masked; None where it is nowhere."""
    mask = getattr(array, "mask", None)  # only `numpy.ma` has one, which need not be imported for it
    if mask is None:
        return array, None
    hidden = np.broadcast_to(np.asarray(mask, bool), array.shape)
    return np.asarray(array), hidden if hidden.any() else None


def _filled(array: Array, hidden: Array, fill: float | None) -> Array:
    """The array with ``fill`` where it is masked.

    Raises ValuesError without a fill value; UsageError where the array's type cannot hold it.
    """
    if fill is None:
        raise ValuesError(
            f"{np.count_nonzero(hidden)} of {array.size} values are masked; give the value that stands for "
            "them (fill=), or write what the array's own filled(...) gives"
        )
    if array.dtype.kind in "iu" and not (
        float(fill).is_integer() and np.iinfo(array.dtype).min <= fill <= np.iinfo(array.dtype).max
    ):
        raise UsageError(f"fill={fill}: the fill value must be a number that {array.dtype} can hold")
    return np.where(hidden, np.asarray(fill).astype(array.dtype), array)


def _asked_grid(
    array: Array, volume: Volume | None, affine: Matrix | None, stack: Stack
) -> StackGeometry | None:
    """The affine that was given, else the volume's grid; None where nothing says."""
    known = None if volume is None else volume.geometry
    if affine is not None:
        frame_of_reference = None if known is None else known.frame_of_reference_uid
        return StackGeometry.from_affine(affine, array.shape[-3] if array.ndim > 2 else 1, frame_of_reference)
    if volume is not None and (known is None) != (stack.geometry is None):
        raise GeometryError(
            f"the array and {template_name(stack)} differ: only one of them has a patient geometry"
        )
    return known


def _off_bounds(array: Array, volume: Volume) -> Warnings:
    """A warning where values are far from what the sidecar says that they are: normalized to 0..1."""
    known = volume.normalization
    if known is None or array.dtype.kind not in "iuf" or array.size == 0:
        return ()
    least, greatest = float(np.fmin.reduce(array, axis=None)), float(np.fmax.reduce(array, axis=None))
    if not (least < -1 or greatest > 2):  # a model may overshoot
        return ()
    return warning(
        f"the sidecar says that values are normalized, 0 for {known.lower:g} and 1 for {known.upper:g} "
        f"{known.units}; the array reaches from {least:g} to {greatest:g}, and may be none of this sidecar "
        "[not-normalized]"
    )


def _undone(array: Array, volume: Volume, mode: Mode) -> tuple[Array, Mode]:
    """The volume's modality values; or stored ones, and the mode for them."""
    if volume.normalization is not None:
        array = volume.normalization.undo(array)
    if volume.info.value_units == STORED:
        if mode == "full-range":
            raise UsageError('the array holds stored values: values="full-range" needs modality values')
        # undone, stored values are whole numbers again but for the rounding of the normalization
        return array if volume.normalization is None else np.rint(array), "stored"
    return array, mode
