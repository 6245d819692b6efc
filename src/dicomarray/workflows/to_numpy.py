"""DICOM to NumPy: one volume as an array with its sidecar, or all of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Unpack

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadKeywords, ReadOptions
from dicomarray.assembly.series import Series
from dicomarray.assembly.volumes.assemble import assemble, assemble_through
from dicomarray.assembly.volumes.regrid import changes_grid
from dicomarray.catalog.series_selection import Found, Inputs, ScanRequest, file_stem, select
from dicomarray.core.coded_warnings import CodedWarning, Warnings
from dicomarray.core.options import check_flag, made_of, takes
from dicomarray.core.pixel_values import Normalization
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import DataError, DiskFullError, UsageError
from dicomarray.formats import sidecar, zarr_store
from dicomarray.formats.npy import NpyFile
from dicomarray.runtime.threads import PixelProgress, thread_count
from dicomarray.sources.base import Progress, Skipped
from dicomarray.storage.atomic import making, new_files, refuse_existing
from dicomarray.storage.places import PathLike, local_path
from dicomarray.volume import Volume, array_and_sidecar

if TYPE_CHECKING:
    from dicomarray.query.config import Config
    from dicomarray.segmentation import Segmentation
    from dicomarray.workflows.load_segmentation import Resampling
    from dicomarray.workflows.structure_sets import Grid


@dataclass(frozen=True, slots=True)
class Failure:
    """A series that could not be converted, and why."""

    series: str
    reason: str


@dataclass(frozen=True, slots=True)
class MaskReading:
    """On which grid, and of which step, the masks of a segmentation are read; see `load_segmentation`."""

    on: Grid | None = None
    resample: Resampling | None = None
    time: int | None = None
    volume: int | None = None
    occupancy: bool = False

    def __post_init__(self) -> None:
        check_flag("occupancy", self.occupancy)

    def are_meant(self, found: Found) -> bool:
        """Whether masks are asked for: by what is said of them, or since there is nothing else."""
        return self.on is not None or self.time is not None or found.only_masks

    def of(self, series: Series, found: Found) -> Segmentation:
        """The masks of a series with one segmentation, among what was found."""
        from dicomarray.workflows.load_segmentation import load_from

        return load_from(series, found.catalog, self)


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What was written: of each volume its files; what failed in a batch; what the scan skipped.

    ``notes`` tell of objects that are no images and lie there too.
    """

    files: tuple[tuple[Path, ...], ...]
    volumes: tuple[str, ...]
    failures: tuple[Failure, ...]
    warnings: Warnings
    skipped: tuple[Skipped, ...] = ()
    notes: Warnings = ()

    def __repr__(self) -> str:
        counts = (
            f"{len(self.warnings)} warnings, {len(self.failures)} failed, {len(self.skipped)} files skipped"
        )
        names = ", ".join(str(first) for first, *_ in self.files[:3]) + (
            ", ..." if len(self.files) > 3 else ""
        )
        return f"<{type(self).__name__}: {names or 'no file'}; {counts}>"


class NumpyReport(ConversionReport):
    """What `to_numpy` wrote: pairs of array and sidecar."""


Report = TypeVar("Report", bound=ConversionReport)
# The files of a volume, and what is known of it.
Written = tuple[tuple[Path, ...], VolumeInfo]
# The name of a result, and what writes it.
Part = tuple[str, Callable[[], Written]]


def convert_one(
    report: type[Report],
    found: Found,
    masks: MaskReading,
    write: Callable[[Series], Written],
    write_masks: Callable[[Series], Written],
) -> Report:
    """The one volume among what was found, or the labels of the one segmentation where these are meant."""
    skipped = tuple(found.catalog.skipped)
    if masks.are_meant(found):
        from dicomarray.workflows.load_segmentation import one_segmentation

        paths, info = write_masks(one_segmentation(found.series, str(found.request)))
        return report((paths,), (f"<Volume {info}>",), (), info.warnings, skipped)
    chosen = found.one()
    paths, info = write(chosen)
    return report((paths,), (f"<Volume {info}>",), (), info.warnings, skipped, found.notes(chosen))


def convert_all(report: type[Report], found: Found, parts: Callable[[Series], Iterable[Part]]) -> Report:
    """All that was found; what cannot be written is a failure of a volume, or of a whole series."""
    files, shown, failures, warnings = [], [], [], []
    for series in found.convertible:
        try:
            named = list(parts(series))
        except DataError as error:
            failures.append(Failure(series.title, str(error)))
            continue
        for place, (name, write) in enumerate(named):
            try:
                paths, info = write()
            except (DataError, DiskFullError) as error:  # where one is too large there is room for others
                failures.append(Failure(_titled(series, place if len(named) > 1 else None), str(error)))
                continue
            files.append(paths)
            shown.append(f"<Volume {info}>")
            warnings += [CodedWarning(f"{name}: {warning}") for warning in info.warnings]
    skipped = tuple(found.catalog.skipped)
    return report(tuple(files), tuple(shown), tuple(failures), tuple(warnings), skipped, found.notes())


def _titled(series: Series, volume: int | None) -> str:
    """How a failure names a volume; a segmentation by its instance, as there may be several in a series."""
    if series.is_segments:
        return f"{series.title}, SOP Instance {series.instances[0].text('SOPInstanceUID')}"
    return series.title if volume is None else f"{series.title}, volume {volume}"


@takes(ReadOptions)
def load(
    path: Inputs | None,
    *,
    series: str | None = None,
    volume: int | None = None,
    config: Config = None,
    index: PathLike | None = None,
    workers: int | None = None,
    pixel_progress: PixelProgress | None = None,
    **options: Unpack[ReadKeywords],
) -> Volume:
    """The one volume under a path.

    Parameters
    ----------
    path
        A folder, a file, or several; with ``index`` it may be None, for everything in it.
    series, config
        Which series, where there are several: its UID, or a filter config.
    index
        An index file (see `dicomarray.index`): it answers without a scan.
    volume
        Which volume of the series, where it holds several: its index in `Series.volumes`.
    workers
        Threads that read and decode, and processes that read headers (see `scan`); by default as many as
        there are processors that may be used, and processes only for very many files.
    pixel_progress
        Called with the number of images that are read, the bytes of their stored values, and the number of
        all.
    options
        How to read: those of `ReadOptions`, below.

    Raises
    ------
    ChoiceError
        Where there are several series or volumes; the message lists them.
    DataError
        Where the images form no regular volume or cannot be read.
    """
    checked = made_of(ReadOptions, options)
    thread_count(workers)
    found = select(ScanRequest(path, index, config, series, volume, workers))
    chosen = found.one()
    made = assemble(chosen.stack(checked, volume), checked, workers, pixel_progress)
    return replace(made, info=made.info.warned(found.notes(chosen)))


@takes(ReadOptions)
def to_numpy(  # noqa: PLR0913 - the options of the command, by the same names
    input_dicom: Inputs | None,
    output_npy: PathLike,
    output_json: PathLike | None = None,
    *,
    normalize: tuple[float, float] | None = None,
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
    **options: Unpack[ReadKeywords],
) -> NumpyReport:
    """Write a volume as ``.npy`` and its metadata as JSON.

    Of a DICOM Segmentation or RT Structure Set the labels are written, and the sidecar has its segments.

    The array is written a few images at a time: it may be larger than the memory.  Only where ``missing``,
    ``uneven`` or ``tilt`` make a new grid all of it is needed.

    Where both outputs name folders (they exist, or end with a slash), every volume of every series is
    written, and a series that fails is reported without stopping the rest.

    Parameters
    ----------
    normalize
        Bounds ``(lower, upper)``: values become ``(x - lower) / (upper - lower)``, clipped to [0, 1].
    on, resample, time
        Of a segmentation: the images whose grid its labels come on, and of which step; see
        `load_segmentation`.
    progress
        Called with the number of files that were looked at.
    series, volume, config, index, workers, pixel_progress, options
        As in `load`; ``pixel_progress`` counts the images of one volume after the other.

    Raises
    ------
    UsageError
        For options that cannot work; nothing is read then.
    OutputError
        Where an output exists and ``overwrite`` is not set, lies inside the input, or cannot be written.
    DataError
        As in `load`, where single files are asked for.
    """
    checked = made_of(ReadOptions, options)
    thread_count(workers)
    bounds = None if normalize is None else _bounds(normalize)
    npy, json = _outputs(output_npy, output_json)
    request = ScanRequest(input_dicom, index, config, series, volume, workers, progress)
    request.refuse_as_output(npy, json)

    def write(stack: Stack, npy: Path, json: Path) -> Written:
        request.refuse_as_output(npy, json)
        if changes_grid(stack.geometry, checked):
            made = assemble(stack, checked, workers, pixel_progress)
            made = made if bounds is None else made.normalize(bounds.lower, bounds.upper)
            made.save(npy, json, overwrite=overwrite)
            return (npy, json), made.info
        if zarr_store.is_zarr(npy):
            with zarr_store.new_store(npy, overwrite) as folder:
                opened = partial(zarr_store.ZarrFile, folder)
                info = assemble_through(opened, stack, checked, bounds, workers, pixel_progress)
                zarr_store.describe(folder, info)
            return (npy, json), info
        with new_files((npy, json), overwrite) as (array_file, json_file):
            to_file = partial(NpyFile, array_file)
            info = assemble_through(to_file, stack, checked, bounds, workers, pixel_progress)
            sidecar.write(json_file, info)
        return (npy, json), info

    masks, taken = MaskReading(on, resample, time, volume), set[str]()

    def parts(series: Series) -> Iterator[Part]:
        stem = file_stem(series)
        if series.is_segments:
            name = free_name(stem, taken)
            yield name, partial(write_labels, series, npy / f"{name}.npy", json / f"{name}.json")
            return
        stacks = series.stacks(checked) if volume is None else [series.stack(checked, volume)]
        for number, stack in enumerate(stacks):
            name = stem if len(stacks) == 1 else f"{stem}_{number}"
            yield name, partial(write, stack, npy / f"{name}.npy", json / f"{name}.json")

    if names_folder(output_npy):
        found = select(request)
        write_labels = partial(_write_labels, found, masks, overwrite)
        return convert_all(NumpyReport, found, parts)
    for output in (json,) if zarr_store.is_zarr(npy) else (npy, json):
        refuse_existing(output, overwrite)
    found = select(request)
    if masks.are_meant(found) and (bounds is not None or checked.units != ReadOptions().units):
        raise UsageError(
            "labels are numbers of segments: they have no units and are not normalized; leave out units "
            "and normalize (--units, --normalize)"
        )
    return convert_one(
        NumpyReport,
        found,
        masks,
        lambda chosen: write(chosen.stack(checked, volume), npy, json),
        lambda chosen: _write_labels(found, masks, overwrite, chosen, npy, json),
    )


def _bounds(given: Sequence[float]) -> Normalization:
    try:
        lower, upper = map(float, given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"normalize is {given!r:.80}: give two numbers, (lower, upper)") from error
    return Normalization(lower, upper)


def _write_labels(
    found: Found, masks: MaskReading, overwrite: bool, series: Series, npy: Path, json: Path
) -> Written:
    made = masks.of(series, found).volume()
    made.save(npy, json, overwrite=overwrite)
    return (npy, json), made.info


def free_name(stem: str, taken: set[str]) -> str:
    """The name, with a number behind it where that is needed, and from now on taken."""
    numbered = (f"{stem}_{number}" for number in itertools.count(2))
    name = next(name for name in itertools.chain([stem], numbered) if name.lower() not in taken)
    taken.add(name.lower())  # some file systems do not tell capitals from others
    return name


def names_folder(path: PathLike) -> bool:
    """Whether an output path means a folder: it is one, or is written like one."""
    text = os.fspath(path)
    if zarr_store.is_zarr(text):
        return False
    if text.endswith(("/", os.sep)):
        return True
    with making(Path(text)):
        return Path(text).is_dir()


def _outputs(output_npy: PathLike, output_json: PathLike | None) -> tuple[Path, Path]:
    npy = local_path(output_npy)
    if output_json is None:
        return (npy, npy) if names_folder(output_npy) else array_and_sidecar(npy)
    json = local_path(output_json)
    if names_folder(output_npy) != names_folder(output_json):
        raise UsageError(
            f"{output_npy} and {output_json}: name two files for one volume, or two folders for all volumes"
        )
    return (npy, json) if names_folder(output_npy) else array_and_sidecar(npy, json)
