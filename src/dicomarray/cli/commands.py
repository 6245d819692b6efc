"""The commands: each calls one use case and renders what it returns."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dicomarray
from dicomarray.cli import rendering
from dicomarray.cli.exit_codes import DONE, SOME_FAILED
from dicomarray.cli.progress import Counter
from dicomarray.cli.where import with_conditions
from dicomarray.conversion.choosing import filter_catalog
from dicomarray.errors import InputError, OutputError
from dicomarray.pipeline import RunEntry
from dicomarray.reading.config import load_config
from dicomarray.reading.options import READ_NAMES
from dicomarray.writing.options import WRITE_NAMES


def to_numpy(options: argparse.Namespace) -> int:
    """A DICOM series to an array and its metadata."""
    with Counter("files scanned") as counter:
        report = dicomarray.to_numpy(
            options.input_dicom,
            options.output_npy,
            options.output_json,
            normalize=options.normalize,
            series=options.series,
            volume=options.volume,
            config=options.config,
            overwrite=options.overwrite,
            progress=counter,
            **_given(options, READ_NAMES),
        )
    for (npy, json), shown in zip(report.files, report.volumes, strict=True):
        print(f"{npy} {json} {shown}")
    _warn(report.warnings)
    _warn((f"{failure.series}: {failure.reason}" for failure in report.failures), "failed")
    return SOME_FAILED if report.failures else DONE


def to_dicom(options: argparse.Namespace) -> int:
    """An array to a new DICOM series."""
    beside = Path(options.input_npy).with_suffix(".json")
    if options.input_json is None and beside.is_file():
        _warn([f"{beside} is not used; with --input-json a normalization is undone, the geometry checked"])
    with Counter("files scanned") as counter:
        report = dicomarray.to_dicom(
            options.input_npy,
            options.input_dicom,
            options.output_dicom,
            input_json=options.input_json,
            series=options.series,
            volume=options.volume,
            progress=counter,
            **_given(options, WRITE_NAMES),
        )
    print("\n".join(rendering.write_lines(report)))
    _warn(report.warnings)
    return DONE


def filter(options: argparse.Namespace) -> int:
    """The series that match."""
    config = {} if options.config is None else load_config(Path(options.config))
    with Counter("files scanned") as counter:
        found = filter_catalog(options.input_dicom, with_conditions(config, options.where), counter)
    if found.series or options.format != "files":
        print(rendering.series_list(found.series, options.format))
    _warn(found.warnings)
    _note(rendering.skipped_lines(found.catalog.skipped))
    _note([f"{len(found.series)} of {len(found.catalog)} series match"])
    return DONE


def run(options: argparse.Namespace) -> int:
    """A function over every matching series."""
    done = 0

    def finished(entry: RunEntry, total: int) -> None:
        nonlocal done
        done += 1
        line = f"[{done}/{total}] {rendering.run_line(entry)}"
        print(line, file=sys.stderr if entry.status == "failed" else sys.stdout, flush=True)
        if entry.traceback:
            _note(entry.traceback.rstrip().splitlines())
        _warn(f"{entry.title}: {warning}" for warning in entry.warnings)

    with Counter("files scanned") as counter:
        report = dicomarray.run(
            options.input_dicom,
            options.output_dicom,
            options.function,
            options.config,
            workers=options.workers,
            progress=counter,
            finished=finished,
            **_given(options, (*READ_NAMES, *WRITE_NAMES)),
        )
    if not report.entries:
        raise InputError(f"{options.input_dicom}: no series with images matches")
    _note([f"{len(report.written)} of {len(report.entries)} series written, {len(report.failed)} failed"])
    return SOME_FAILED if report.failed else DONE


def view(options: argparse.Namespace) -> int:
    """A picture of three planes."""
    from dicomarray.conversion.saved import load_saved
    from dicomarray.outputs.pictures import draw, save_png

    output = Path(options.output)
    if output.suffix.lower() != ".png":
        raise OutputError(f"{output}: only .png pictures are made so far")
    if options.input_npy is not None:
        volume = load_saved(options.input_npy, options.input_json)
    else:
        volume = dicomarray.load(
            options.input_dicom, series=options.series, volume=options.volume, **_given(options, READ_NAMES)
        )
    save_png(draw(volume), output, overwrite=options.overwrite)
    print(output)
    _warn(volume.warnings)
    return DONE


def demo(options: argparse.Namespace) -> int:
    """The whole round trip on a study that is made for it."""
    from dicomarray.demo.tour import tour

    for line in tour(Path(options.folder), options.overwrite):
        print(line, flush=True)
    return DONE


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """The options that were given; the defaults have one home, and it is not here."""
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def _warn(lines: Iterable[str], kind: str = "warning") -> None:
    _note(f"dicomarray: {kind}: {line}" for line in lines)


def _note(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)
