"""DICOM to NIfTI: one volume as ``.nii`` or ``.nii.gz``, or all of them, with what BIDS wants beside it."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import Series
from dicomarray.assembly.volumes.assemble import assemble, assemble_through
from dicomarray.assembly.volumes.regrid import changes_grid
from dicomarray.catalog.series_selection import Found, Inputs, ScanRequest, select
from dicomarray.core.coded_warnings import warning
from dicomarray.core.options import all_made_of, takes
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import GeometryError, OutputError, PixelError
from dicomarray.formats import bids, nifti, sidecar
from dicomarray.formats.bids_values import TOGETHER, number
from dicomarray.formats.nifti_file import (
    NARROW,
    Layout,
    TooWideError,
    header_of,
    layout_of,
    may_be_narrow,
    open_nifti,
    write_array,
)
from dicomarray.runtime.threads import PixelProgress, thread_count
from dicomarray.sources.base import Progress
from dicomarray.storage.atomic import new_files, refuse_existing
from dicomarray.storage.places import PathLike, local_path
from dicomarray.workflows.acquisition import acquisition, diffusion_table, encoding, is_along_patient
from dicomarray.workflows.nifti_options import NiftiKeywords, NiftiOptions, keywords_in
from dicomarray.workflows.to_numpy import (
    ConversionReport,
    MaskReading,
    Part,
    Written,
    convert_all,
    convert_one,
    free_name,
    names_folder,
)

if TYPE_CHECKING:
    from dicomarray.query.config import Config
    from dicomarray.workflows.load_segmentation import Resampling
    from dicomarray.workflows.structure_sets import Grid

# What stays of a value in a file's name.
_UNUSUAL = re.compile(r"[^A-Za-z0-9.+-]+")
MAX_NAME_LENGTH = 120
_BESIDE = (".json", ".bval", ".bvec")
_TASK = re.compile(r"(?:^|_)task-([A-Za-z0-9+]+)(?=[_.])")
# What dcm2niix adds to a name for what voxels are.
_COMPONENTS = {"phase": "_ph", "real": "_real", "imaginary": "_imaginary"}
SHEARED = warning(
    "the slices are sheared (a tilted gantry): only the sform says so, qform_code is 0; programs that read "
    'the qform alone find no place, tilt="upright" (--tilt upright) resamples [nifti-shear]'
)


class NiftiReport(ConversionReport):
    """What `to_nifti` wrote: of each volume the image, then what lies beside it."""


@takes(NiftiOptions, ReadOptions)
def to_nifti(  # noqa: PLR0913 - the options of the command, by the same names
    input_dicom: Inputs | None,
    output: PathLike,
    *,
    series: str | None = None,
    volume: int | None = None,
    config: Config = None,
    index: PathLike | None = None,
    overwrite: bool = False,
    on: Grid | None = None,
    resample: Resampling | None = None,
    time: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    pixel_progress: PixelProgress | None = None,
    **options: Unpack[NiftiKeywords],
) -> NiftiReport:
    """Write a volume as NIfTI, with the voxels, places and stored order of axes that dcm2niix has.

    Beside ``ct.nii.gz`` lie ``ct.json`` with BIDS' names, and of diffusion images ``ct.bval`` and ``ct.bvec``
    in FSL's convention.  Of a DICOM Segmentation or RT Structure Set the labels are written, and beside them
    a sidecar with its segments.  Where the output is a folder (it exists, or ends with a slash) every volume
    of every series is written to it, and what cannot be written is reported without stopping the rest.

    Parameters
    ----------
    output
        A file ``.nii`` or ``.nii.gz``, or a folder.
    on, resample, time
        Of a segmentation: the images whose grid its labels come on, and of which step; see
        `load_segmentation`.
    progress
        Called with the number of files that were looked at.
    series, volume, config, index, workers, pixel_progress
        As in `load`.
    options
        What is written, and how images are read: see below.

    Raises
    ------
    UsageError
        For options that cannot work, and without nibabel; nothing is read then.
    OutputError
        Where an output exists and ``overwrite`` is not set, lies inside the input, or cannot be written.
    GeometryError
        Where slices are not evenly spaced, which NIfTI cannot say.
    DataError
        As in `load`, where a single file is asked for.
    """
    wanted, reading = all_made_of(options, NiftiOptions, ReadOptions)
    if reading.missing == "resample":
        reading = replace(reading, uneven="resample")
    thread_count(workers)
    nifti.nibabel("nifti1", output)
    path = local_path(output)
    request = ScanRequest(input_dicom, index, config, series, volume, workers, progress)
    request.refuse_as_output(path)
    masks = MaskReading(on, resample, time, volume)
    writer = _Writer(request, wanted, reading, overwrite, workers, pixel_progress, masks)
    if names_folder(output):
        found, taken = select(request), set[str]()
        return convert_all(NiftiReport, found, lambda series: writer.parts(found, series, path, taken))
    if not path.name.lower().endswith(nifti.SUFFIXES):
        raise OutputError(
            f"{path}: name the file .nii or .nii.gz, or a folder (with / at the end) for all volumes"
        )
    writer.refuse_existing(path)
    found = select(request)
    return convert_one(
        NiftiReport,
        found,
        masks,
        lambda chosen: writer.write(chosen.stack(reading, volume), path),
        lambda chosen: writer.write_masks(found, chosen, path),
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    """Stacks to files, as the options say."""

    request: ScanRequest
    options: NiftiOptions
    reading: ReadOptions
    overwrite: bool
    workers: int | None
    progress: PixelProgress | None
    masks: MaskReading

    def parts(self, found: Found, series: Series, folder: Path, taken: set[str]) -> Iterator[Part]:
        """The volumes of a series, or the masks of a segmentation, with a name each that no other has."""
        if series.is_segments:
            header = series.instances[0]
            name = free_name(file_name(self.options.name, header, header.attributes), taken)
            yield name, partial(self.write_masks, found, series, folder / f"{name}.nii.gz")
            return
        volume, stacks = self.request.volume, series.stacks(self.reading)
        echoes = _echoes(stacks)
        for stack in stacks if volume is None else [series.stack(self.reading, volume)]:
            first, echo = stack.frames[0], _echo(stack, echoes)
            stem = file_name(self.options.name, first.header, first.attributes) + _suffix(stack, stacks, echo)
            name = free_name(stem, taken)
            yield name, partial(self.write, stack, folder / f"{name}.nii.gz", echo=echo)

    def refuse_existing(self, path: Path) -> None:
        """Raise OutputError where the image is there, or what may be taken for its sidecars."""
        self.request.refuse_as_output(path)
        for beside in (path, *(nifti.path_beside(path, suffix) for suffix in _BESIDE)):
            refuse_existing(beside, self.overwrite)
            if beside.suffix == ".json" and sidecar.is_sidecar(beside):
                raise OutputError(
                    f"{beside} is the sidecar of an array, which would be lost: give the image another name"
                )

    def write_masks(self, found: Found, series: Series, path: Path) -> Written:
        """The labels of a segmentation, and the sidecar from which they are known again."""
        json = nifti.path_beside(path, ".json")
        self.request.refuse_as_output(path, json)
        for output in (path, json):
            refuse_existing(output, self.overwrite)
        masks = self.masks.of(series, found)
        if masks.geometry is not None and not masks.geometry.uniform:
            raise GeometryError(
                "the slices of the masks are not evenly spaced, which NIfTI cannot say; to_numpy (to-numpy) "
                'can, or bring them onto an even grid (on=, resample="nearest"; --on, --resample nearest)'
            )
        made = masks.volume()
        with new_files((path, json), self.overwrite) as (image, names):
            layout = layout_of(masks.geometry, masks.shape)
            write_array(image, made.array, layout, False, path.name.lower().endswith(".gz"), 0.0)
            sidecar.write(names, made.info)
        return (path, json), made.info

    def write(self, stack: Stack, path: Path, echo: int | None = None) -> Written:
        """One volume; the files that were written, and what is known of it."""
        self.refuse_existing(path)
        _check_even(stack, self.reading)
        known = acquisition(stack)
        table = diffusion_table(stack) if self.options.bids else None
        suffixes = ((".json",) if self.options.bids else ()) + ((".bval", ".bvec") if table else ())
        paths = (path, *(nifti.path_beside(path, suffix) for suffix in suffixes))
        with new_files(paths, self.overwrite) as (image, *others):
            info, layout = self._voxels(stack, known, image, packed=path.name.lower().endswith(".gz"))
            for file, suffix in zip(others, suffixes, strict=True):
                if suffix == ".json":
                    timing = encoding(stack, known, layout)
                    known[TOGETHER] = timing.get("MultibandAccelerationFactor", known.get(TOGETHER))
                    bids.write(file, bids.describe(known, stack.repetitions, echo) | timing | _task(path))
                elif table is not None and layout.affine is not None:
                    text = table.bval() if suffix == ".bval" else table.bvec(layout.affine)
                    file.write_text(text, encoding="ascii")
        for suffix in set(_BESIDE) - set(suffixes):
            nifti.path_beside(path, suffix).unlink(missing_ok=True)  # of the image that was replaced
        sheared = layout.affine is not None and not layout.quaternion
        return paths, info.warned(SHEARED if sheared else ())

    def _voxels(
        self, stack: Stack, known: Mapping[str, Any], image: Path, packed: bool
    ) -> tuple[VolumeInfo, Layout]:
        """Write them, image by image where the file has them in the order of the array."""
        seconds = (number(known, "RepetitionTime") or 0.0) / 1000
        first, along_patient = stack.frames[0], is_along_patient(stack, known)
        if along_patient or changes_grid(stack.geometry, self.reading):
            made = assemble(stack, self.reading, self.workers, self.progress)
            shape = made.array.shape[made.info.slice_axis :][:3]
            layout = layout_of(made.geometry, shape, along_patient)
            _check_colour(made.axes[-1] == "sample", made.array.dtype, first)
            write_array(image, made.array, layout, made.axes[-1] == "sample", packed, seconds)
            return made.info, layout
        layout = layout_of(
            stack.geometry, (stack.shape[-1], first.rows, first.columns), pixel_spacing=_pixel_spacing(known)
        )

        def opened(
            leading: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any], narrow: bool = False
        ) -> Any:
            colour = len(shape) > 2
            _check_colour(colour, dtype, first)
            stored = NARROW if narrow and may_be_narrow(dtype) else dtype
            header = header_of(layout, (*leading, *shape[:2]), stored, colour, seconds)
            return open_nifti(image, header, math.prod(shape) * stored.itemsize, stored, packed)

        reading = (stack, self.reading, None, self.workers, self.progress)
        try:
            info = assemble_through(partial(opened, narrow=True), *reading)
        except TooWideError:
            info = assemble_through(opened, *reading)
        return info, layout


def _task(path: Path) -> dict[str, str]:
    """The task that a name of BIDS says (``sub-01_task-rest_bold``), which it wants in the JSON as well."""
    found = _TASK.search(path.name)
    return {"TaskName": found[1]} if found else {}


def _check_even(stack: Stack, reading: ReadOptions) -> None:
    geometry = stack.geometry
    if geometry is None or geometry.uniform or changes_grid(geometry, reading):
        return
    raise GeometryError(
        f"series {stack.frames[0].header.text('SeriesInstanceUID')}: its slices are not evenly spaced, which "
        'NIfTI cannot say; missing="resample" (--missing resample) makes an even grid'
    )


def _check_colour(colour: bool, dtype: np.dtype[Any], frame: Frame) -> None:
    if colour and dtype != np.uint8:
        raise PixelError(f"{frame.header.reference}: colours of {dtype}; NIfTI has those of 8 bits only")


def _pixel_spacing(known: Mapping[str, Any]) -> tuple[float, float]:
    """mm between (rows, columns) of an image without a place; 1 where nothing says it."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = known.get(keyword)
        if isinstance(value, tuple) and len(value) == 2:
            rows, columns = (number({"size": size}, "size") or 0.0 for size in value)
            if rows > 0 and columns > 0:
                return rows, columns
    return 1.0, 1.0


def file_name(pattern: str, header: Header, attributes: Mapping[str, Any]) -> str:
    """The name that a pattern gives to a volume; characters that a file name should not have become ``_``.

    ``attributes`` are those of its first frame.
    """
    keywords = keywords_in(pattern)
    known = {**header.further(keywords), **attributes}
    values = {name: _UNUSUAL.sub("_", _joined(known.get(name))).strip("_.") or "none" for name in keywords}
    parts = string.Formatter().parse(pattern)
    name = "".join(text + ("" if field is None else values[field]) for text, field, _, _ in parts)
    return "/".join(part[:MAX_NAME_LENGTH].strip() or "none" for part in name.split("/"))


def _joined(value: Any) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return "_".join(str(one) for one in values if one is not None and not isinstance(one, Mapping))


def _echoes(stacks: Sequence[Stack]) -> Mapping[object, int]:
    """The numbers of echoes by Echo Number, or in enhanced objects, which have none, by the echo's time.

    Empty where there is only one.
    """
    numbers = {stack.kind.echo_number for stack in stacks}
    if len(numbers) > 1:
        return {number: number for number in numbers if isinstance(number, int) and number > 0}
    kinds = [stack.kind for stack in stacks if stack.frames[0].of_multiframe]
    times = sorted({kind.echo_time for kind in kinds if isinstance(kind.echo_time, float)})
    return {time: place for place, time in enumerate(times, 1)} if len(times) > 1 else {}


def _echo(stack: Stack, echoes: Mapping[object, int]) -> int | None:
    return echoes.get(stack.kind.echo_number, echoes.get(stack.kind.echo_time))


def _suffix(stack: Stack, others: Sequence[Stack], echo: int | None) -> str:
    """What tells a volume from others of its series, in the words that dcm2niix has for it."""
    if len(others) == 1:
        return ""
    return (f"_e{echo}" if echo else "") + _COMPONENTS.get(stack.kind.component, "")
