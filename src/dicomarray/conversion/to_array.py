"""DICOM to NumPy: one volume as an array with its sidecar, or all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from dicomarray.atomic import refuse_existing, refuse_inside
from dicomarray.conversion.choosing import (
    Config,
    Inputs,
    choose_series,
    file_stem,
    filter_catalog,
    roots_of,
    shown,
)
from dicomarray.errors import DataError, InputError, UsageError
from dicomarray.reading.assemble import assemble
from dicomarray.reading.catalog import Progress
from dicomarray.reading.files import PathLike
from dicomarray.reading.options import ReadKeywords, read_options
from dicomarray.reading.series import Series
from dicomarray.reading.stacking import Stack
from dicomarray.values import Normalization
from dicomarray.volume import Volume


@dataclass(frozen=True, slots=True)
class Failure:
    """A series that could not be converted, and why."""

    series: str
    reason: str


@dataclass(frozen=True, slots=True)
class NumpyReport:
    """What `to_numpy` wrote: pairs of array and sidecar; in a batch also what failed."""

    files: tuple[tuple[Path, Path], ...]
    volumes: tuple[str, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]


def load(
    path: Inputs,
    *,
    series: str | None = None,
    volume: int | None = None,
    config: Config = None,
    **options: Unpack[ReadKeywords],
) -> Volume:
    """The one volume under a path.

    Parameters
    ----------
    path
        A folder, a file, or several.
    series, config
        Which series, where there are several: its UID, or a filter config.
    volume
        Which volume of the series, where it holds several: its index in `Series.volumes`.
    options
        How to read: ``units``, ``missing`` and the others of `ReadOptions`.

    Raises
    ------
    ChoiceError
        Where there are several series or volumes; the message lists them.
    DataError
        Where the images form no regular volume or cannot be read.
    """
    checked = read_options(options)
    return assemble(choose_series(path, series, config).stack(checked, volume), checked)


def to_numpy(  # noqa: PLR0913 - the options of the command, by the same names
    input_dicom: Inputs,
    output_npy: PathLike,
    output_json: PathLike | None = None,
    *,
    normalize: tuple[float, float] | None = None,
    series: str | None = None,
    volume: int | None = None,
    config: Config = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Unpack[ReadKeywords],
) -> NumpyReport:
    """Write a volume as ``.npy`` and its metadata as JSON.

    Where both outputs name folders (they exist, or end with a slash), every volume of every series is
    written, and a series that fails is reported without stopping the rest.

    Parameters
    ----------
    normalize
        Bounds ``(lower, upper)``: values become ``(x - lower) / (upper - lower)``, clipped to [0, 1].
    series, volume, config, options
        As in `load`.

    Raises
    ------
    UsageError
        For options that cannot work; nothing is read then.
    OutputError
        Where an output exists and ``overwrite`` is not set, or lies inside the input.
    DataError
        As in `load`, where single files are asked for.
    """
    checked = read_options(options)
    bounds = None if normalize is None else Normalization(float(normalize[0]), float(normalize[1]))
    npy, json = _outputs(output_npy, output_json)
    input_dicom = roots_of(input_dicom)
    for root in input_dicom:
        for output in (npy, json):
            refuse_inside(output, root)

    def converted(stack: Stack) -> Volume:
        made = assemble(stack, checked)
        return made if bounds is None else made.normalize(bounds.lower, bounds.upper)

    if names_folder(output_npy):
        selected = filter_catalog(input_dicom, config, progress).series
        batch = [s for s in selected if s.is_image and series in (None, s.uid)]
        if not batch:
            raise InputError(f"{shown(input_dicom)}: no series with images matches")

        def stacks(series: Series) -> list[Stack]:
            return series.stacks(checked) if volume is None else [series.stack(checked, volume)]

        return _save_all(batch, npy, json, stacks, converted, overwrite)
    for output in (npy, json):
        refuse_existing(output, overwrite)
    made = converted(choose_series(input_dicom, series, config, progress).stack(checked, volume))
    made.save(npy, json, overwrite=overwrite)
    return NumpyReport(((npy, json),), (repr(made),), (), made.warnings)


def names_folder(path: PathLike) -> bool:
    """Whether an output path means a folder: it is one, or is written like one."""
    text = os.fspath(path)
    return Path(text).is_dir() or text.endswith(("/", os.sep))


def _outputs(output_npy: PathLike, output_json: PathLike | None) -> tuple[Path, Path]:
    npy = Path(output_npy)
    if output_json is None:
        return npy, npy if names_folder(output_npy) else npy.with_suffix(".json")
    if names_folder(output_npy) != names_folder(output_json):
        raise UsageError(
            f"{output_npy} and {output_json}: name two files for one volume, or two folders for all volumes"
        )
    return npy, Path(output_json)


def _save_all(
    batch: Sequence[Series],
    npy: Path,
    json: Path,
    stacks: Callable[[Series], list[Stack]],
    converted: Callable[[Stack], Volume],
    overwrite: bool,
) -> NumpyReport:
    files, shown, failures, warnings = [], [], [], []
    for series in batch:
        try:
            found = stacks(series)
            for index, stack in enumerate(found):
                name = file_stem(series) + (f"_{index}" if len(found) > 1 else "")
                made = converted(stack)
                pair = (npy / f"{name}.npy", json / f"{name}.json")
                made.save(*pair, overwrite=overwrite)
                files.append(pair)
                shown.append(repr(made))
                warnings += [f"{name}: {warning}" for warning in made.warnings]
        except DataError as error:
            failures.append(Failure(series.title, str(error)))
    return NumpyReport(tuple(files), tuple(shown), tuple(failures), tuple(warnings))
