"""NumPy to DICOM: an array as a new series derived from a template series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from dicomarray import sidecar
from dicomarray.atomic import refuse_inside
from dicomarray.conversion.choosing import Inputs, choose_series, roots_of
from dicomarray.conversion.saved import load_array
from dicomarray.conversion.verifying import verify_series
from dicomarray.errors import GeometryError, TemplateError, UsageError
from dicomarray.geometry import StackGeometry
from dicomarray.reading.assemble import modality_units
from dicomarray.reading.catalog import Progress
from dicomarray.reading.files import PathLike
from dicomarray.reading.series import KEEP
from dicomarray.reading.stacking import Stack
from dicomarray.sidecar import Sidecar
from dicomarray.values import Array
from dicomarray.volume import Volume
from dicomarray.writing.dicom import WriteReport, write_series
from dicomarray.writing.encode import Mode
from dicomarray.writing.options import WriteKeywords, WriteOptions, write_options

# An affine in a sidecar and one read again from the same headers agree to rounding; mm at the far corner.
SAME_GRID_MM = 1e-3


def to_dicom(
    array_or_npy: Array | Volume | PathLike,
    template_dicom: Inputs,
    output_dicom: PathLike,
    *,
    input_json: PathLike | None = None,
    series: str | None = None,
    volume: int | None = None,
    progress: Progress | None = None,
    **options: Unpack[WriteKeywords],
) -> WriteReport:
    """Write an array as a new series derived from a template series.

    Parameters
    ----------
    array_or_npy
        Shape ``(slices, rows, columns)`` on the template's grid, or the path of such a ``.npy``, or a
        `Volume`.
    input_json
        The array's sidecar: with it a normalization is undone and the geometry compared.
    series, volume
        Which series (UID) and volume (index) of the template folder, where there are several.
    options
        How to write: ``values``, ``verify``, ``overwrite`` and the others of `WriteOptions`.

    Raises
    ------
    TemplateError
        Where the template cannot carry the array: another shape, a class that takes no derived image.
    ValuesError
        Where values do not fit, or are not finite.
    VerificationError
        Where what was written does not read back as asked; nothing is left behind.
    OutputError
        Where the output exists and ``overwrite`` is not set, or lies inside the template folder.
    """
    checked = write_options(options)
    output = Path(output_dicom)
    template_dicom = roots_of(template_dicom)
    for root in template_dicom:
        refuse_inside(output, root)
    array, notes = _array_and_sidecar(array_or_npy, input_json)
    uid = series or (notes.series.get("SeriesInstanceUID") if notes is not None else None)
    template = choose_series(template_dicom, uid, progress=progress)
    return write_like(array, notes, template.stack(KEEP, volume), output, checked)


def write_like(
    array: Array, notes: Sidecar | None, stack: Stack, output: Path, options: WriteOptions
) -> WriteReport:
    """`to_dicom` with a template that is found already, and an array that a sidecar may describe."""
    if any(frame.of_multiframe for frame in stack.frames):
        raise TemplateError(
            f"{template_name(stack)} is enhanced multi-frame; such templates are not written yet. "
            "Use the classic form of the series as template"
        )
    if stack.axis is not None:
        raise TemplateError(
            f"{template_name(stack)} is 4-D ({stack.label}); such templates are not written yet"
        )
    mode = options.values
    if notes is not None:
        _compare_grid(notes, stack)
        _compare_units(notes, stack)
        array, mode = _undo(array, notes, mode)

    def check(files: Sequence[Path], report: WriteReport) -> None:
        verify_series(files, array, stack, report, stored=mode == "stored")

    return write_series(
        array,
        [frame.header.path for frame in stack.frames],
        output,
        values=mode,
        fill=options.fill,
        clip=options.clip,
        overwrite=options.overwrite,
        series_description=options.series_description,
        series_number=options.series_number,
        uid_key=options.uid_key,
        keep_equipment=options.equipment == "keep",
        check=check if options.verify else None,
    )


def template_name(stack: Stack) -> str:
    """The template in a message."""
    return f"template series {stack.frames[0].header.text('SeriesInstanceUID')}"


def _array_and_sidecar(
    source: Array | Volume | PathLike, input_json: PathLike | None
) -> tuple[Array, Sidecar | None]:
    notes = None if input_json is None else sidecar.read(Path(input_json))
    if isinstance(source, Volume):
        return source.array, notes or sidecar.parse(source.metadata)
    if isinstance(source, np.ndarray):
        return source, notes
    return load_array(Path(source)), notes


def _compare_grid(notes: Sidecar, stack: Stack) -> None:
    geometry = stack.geometry
    if (notes.geometry is None) != (geometry is None):
        raise GeometryError(
            f"the sidecar and {template_name(stack)} differ: only one of them has a patient geometry"
        )
    if notes.geometry is None or geometry is None:
        return
    if not _same_grid(notes.geometry, geometry, notes.shape):
        raise GeometryError(
            f"the array's sidecar places it on another grid than {template_name(stack)}; writing on "
            "another grid is not available yet. Use the series that the array was made from as template"
        )


def _compare_units(notes: Sidecar, stack: Stack) -> None:
    units = modality_units(stack.frames)
    if notes.value_units not in ("stored", units):
        raise UsageError(
            f"the array is in {notes.value_units}, {template_name(stack)} in {units}: written as they are, "
            "the numbers would mean something else. Convert them back first, and leave the sidecar out"
        )


def _same_grid(one: StackGeometry, other: StackGeometry, shape: Sequence[int]) -> bool:
    """Whether no voxel's centre is moved by more than rounding."""
    if one.slice_positions.shape != other.slice_positions.shape:
        return False
    far_corner = np.array([0, *shape[-2:]], float)
    shift = np.abs(one.slice_positions - other.slice_positions).max()
    turn = np.abs((one.affine - other.affine)[:3, :3] @ far_corner).max()
    return bool(shift + turn <= SAME_GRID_MM)


def _undo(array: Array, notes: Sidecar, mode: Mode) -> tuple[Array, Mode]:
    """Modality values (or stored ones, and the mode for them) of an array that a sidecar describes."""
    if array.shape != notes.shape:
        raise UsageError(
            f"the array has shape {array.shape}, its sidecar says {notes.shape}: they do not belong together"
        )
    if notes.normalization is not None:
        array = notes.normalization.undo(array)
    if notes.value_units == "stored":
        if mode == "full-range":
            raise UsageError('the array holds stored values: values="full-range" needs modality values')
        # undone, stored values are whole numbers again but for the rounding of the normalization
        return array if notes.normalization is None else np.rint(array), "stored"
    return array, mode
