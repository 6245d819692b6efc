"""Arguments -> a command -> an exit code.

Nothing heavy is imported here: ``--help`` answers before NumPy or pydicom would have loaded.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dicomarray.cli.exit_codes import DONE, INTERRUPTED, NOT_CONVERTED, WRONG_USE
from dicomarray.cli.streams import be_silent, print_text
from dicomarray.errors import DicomArrayError, InsideInputError, UsageError
from dicomarray.version import __version__

EPILOG = """\
exit codes: 0 all done; 1 the data could not be converted; 2 wrong use (flags, config);
3 a batch in which some series failed; 130 interrupted.

Results go to standard output, progress, warnings and errors to standard error.
Nothing is overwritten without --overwrite, and nothing is ever written into an input folder.
"""

# Where the options are declared that become flags (`_options`).
READING, WRITING = "assembly.options:ReadOptions", "objects.common.options:WriteOptions"
LIMITS, PAGE = "storage.limits:TransferOptions", "render.options:PageOptions"
PACS = "the PACS: dicomweb+https://HOST/dicom-web, https://HOST/dicom-web, or dimse://AE@HOST:PORT"
# Options of reading that make sense for an array alone: written series and pictures are in modality values.
NOT_EVERYWHERE = ("units", "exclude_padding")
# Objects made between two searches for garbage.  More than NumPy's import and ours make, which all stay; and
# what lies about meanwhile is small, because no command makes cycles of objects that hold pixels.
OBJECTS_A_COLLECTION = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    options = parsed(arguments)
    # where a user's function works we do not meddle in its threads and garbage
    if options.run not in ("run", "listen"):
        _start_and_end_quickly()
    command = importlib.import_module("dicomarray.cli.commands")
    try:
        return int(getattr(command, options.run)(options))
    except InsideInputError as error:  # the command line is sound, the place of its output is not
        return _complain(error, NOT_CONVERTED)
    except UsageError as error:
        return _complain(error, WRONG_USE)
    except BrokenPipeError:
        # whoever read our output has enough; Python would complain once more when it closes the stream
        be_silent(sys.stdout)
        return DONE
    except (DicomArrayError, OSError) as error:
        return _complain(error, NOT_CONVERTED)
    except KeyboardInterrupt:
        print_text("dicomarray: interrupted", sys.stderr)
        return INTERRUPTED


def _start_and_end_quickly() -> None:
    """Leave out what takes a tenth of the time of a small conversion, and a fifth of that of a filter."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would start a thread for each processor
    gc.set_threshold(OBJECTS_A_COLLECTION)
    atexit.register(gc.freeze)  # else all that is loaded is searched for garbage, just before it goes


def _complain(error: Exception, code: int) -> int:
    print_text(f"dicomarray: error: {error}", sys.stderr)
    return code


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a command line; folders that stand there without a flag are inputs.

    argparse takes such words only where they stand together, so what it leaves is taken here.
    """
    words = sys.argv[1:] if arguments is None else arguments
    called = next((word for word in words if word in COMMANDS), "")
    options, rest = parser(called, alone=called in words[:1]).parse_known_args(arguments)
    command, takes_inputs = options.command, "needed" in options
    if rest and (not takes_inputs or any(word.startswith("-") for word in rest)):
        by_d = "-i" in rest and takes_inputs and options.needed.startswith("-d")
        hint = " (the template is -d/--input-dicom)" if by_d else ""
        command.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    if "" in rest:
        command.error("argument -i/--input-dicom: an empty name")
    if rest:
        given = options.input_dicom
        options.input_dicom = [*([given] if isinstance(given, str) else given or ()), *rest]
    indexed = getattr(options, "index", None) is not None and options.run != "index"
    if options.run == "view" and options.input_npy is not None:
        if options.input_dicom or indexed:
            command.error("argument -n/--input-npy: not allowed with argument -i/--input-dicom or --index")
    elif takes_inputs and options.needed and not options.input_dicom and not indexed:
        needed = f"{options.needed} (a folder, or several)"
        command.error(f"the following arguments are required: {needed}")
    return options


def parser(called: str | None = None, alone: bool = False) -> argparse.ArgumentParser:
    """The whole command line; or with the arguments of one command, or of it ``alone``, which is faster."""
    top = argparse.ArgumentParser(
        prog="dicomarray",
        description="DICOM series in, NumPy arrays out, and back into DICOM that a PACS accepts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"dicomarray {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (text, add_arguments) in COMMANDS.items():
        if alone and name != called:
            continue
        is_wanted = called in (None, name)
        command = commands.add_parser(name, help=text, description=text, add_help=is_wanted)
        command.register("action", None, _Once)
        command.set_defaults(run=name.replace("-", "_"), command=command)
        if is_wanted:
            add_arguments(command)
    return top


class _Once(argparse.Action):
    """Takes the value of a flag; a second one, which argparse would take for the first, is refused."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        given = namespace.__dict__.setdefault("_given", set())
        if option_string is not None and self.dest in given:
            parser.error(f"{'/'.join(self.option_strings)} is given twice")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def _flag(c: argparse.ArgumentParser, names: str, metavar: Any, text: str, **more: Any) -> None:
    """A flag with a value, or several of one meaning: ``"-n --input-npy"``; what its help says."""
    c.add_argument(*names.split(), metavar=metavar, help=text, **more)


def _options(c: argparse.ArgumentParser, place: str, leave_out: Sequence[str] = (), **metavars: str) -> None:
    """The flags of a dataclass of options, ``"module:name"``, which only a command that has them loads."""
    from dicomarray.cli.option_flags import add_flags

    module, _, name = place.partition(":")
    add_flags(c, getattr(importlib.import_module(f"dicomarray.{module}"), name), leave_out, metavars)


def _to_numpy(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    text = "the array; a folder (its name ends with /): all volumes of all series"
    _flag(c, "-n --output-npy", "FILE", text, required=True)
    _flag(c, "-j --output-json", "FILE", "the metadata; default: beside the array")
    bounds = "map LOWER..UPPER to 0..1, clipped, float32"
    _flag(c, "--normalize", ("LOWER", "UPPER"), bounds, nargs=2, type=float)
    _conversion(c)


def _to_nifti(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    text = "the image; a folder (its name ends with /): all volumes of all series"
    _flag(c, "-o --output", "FILE.nii.gz|DIR/", text, required=True)
    _options(c, "workflows.nifti_options:NiftiOptions", name="PATTERN")
    _conversion(c)


def _conversion(c: argparse.ArgumentParser) -> None:
    """Which volumes become files, and how they are read."""
    _choice(c)
    _options(c, READING)
    on = (
        "of a segmentation: the images whose grid its labels come on; default: those that were segmented, "
        "where they lie beside it"
    )
    _flag(c, "--on", "DIR", on)
    _flag(c, "--resample", "nearest", "with --on: on any other grid too, by the nearest voxel")
    _flag(c, "--time", "N", "of a segmentation of several steps: which, from 0", type=int)
    _flag(c, "--workers", "N", "threads that read and decode; default: one a processor", type=int)
    _overwrite(c)


def _to_dicom(c: argparse.ArgumentParser) -> None:
    _flag(c, "-n --input-npy", "FILE", "the array: .npy, .nii or .nii.gz", required=True)
    _input(c, "-d", "TEMPLATE_DIR", "folder or file with the template series")
    _flag(c, "-o --output-dicom", "DIR", "folder for the new series", required=True)
    sidecar = "the array's metadata: undoes a normalization, says where the voxels lie"
    _flag(c, "-j --input-json", "FILE", sidecar)
    _affine(c, "voxels")
    _flag(c, "--units", "NAME", "of the values, if not the template's: HU, US, GML, ...")
    _options(c, WRITING, ("overwrite",))
    _choice(c)
    _overwrite(c)


def _affine(c: argparse.ArgumentParser, what: str) -> None:
    _flag(
        c, "--affine", "FILE", f"where the {what} lie: 4x4 from slice, row, column to LPS mm; .npy or .json"
    )


def _to_seg(c: argparse.ArgumentParser) -> None:
    _labels(c, "new series", "objects.segmentation.options:SegmentationOptions")


def _to_rtstruct(c: argparse.ArgumentParser) -> None:
    _labels(c, "structure set", "objects.structure_set.options:StructureSetOptions")


def _labels(c: argparse.ArgumentParser, name: str, options: str) -> None:
    """What commands have in common that write masks of a series."""
    text = "the labels: .npy (with its sidecar, where one lies beside it), .nii or .nii.gz"
    _flag(c, "-n --input-npy", "LABELS", text, required=True)
    _input(c, "-d", "TEMPLATE_DIR", "folder or file with the series that was segmented")
    _flag(c, "-o --output-dicom", "DIR", f"folder for the {name}, or a PACS", required=True)
    _flag(c, "-j --input-json", "FILE", "the labels' sidecar; default: the one beside them")
    _affine(c, "labels")
    _flag(c, "--segments", "FILE", 'what the labels are, JSON: {"1": "liver", "2": "spleen"}')
    _flag(c, "--time", "N", "of a series with repetitions: the step, from 0", type=int)
    _options(c, options, ("overwrite",))
    _choice(c)
    _overwrite(c)


def _filter(c: argparse.ArgumentParser) -> None:
    _inputs(c, needed="")
    _series(c)
    _flag(c, "--format", None, "default: table", default="table", choices=("table", "json", "csv", "files"))
    _switch(c, "-0 --null", "with --format files: a zero byte ends each name")
    _switch(c, "--why", "say why the other series do not match")
    _header_workers(c)
    _switch(c, "--show-patient", "with --why: values that name the patient too")


def _index(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    _flag(c, "--index", "FILE", "the index; it is made where there is none", required=True)
    _header_workers(c)


def _header_workers(c: argparse.ArgumentParser) -> None:
    _flag(c, "--workers", "N", "processes that read headers; default: by the number of files", type=int)


def _pull(c: argparse.ArgumentParser) -> None:
    _flag(c, "--from", "URL", PACS, dest="source", required=True, type=_path)
    _flag(c, "-o --output", "DIR", "folder for the series", required=True, type=_path)
    _conditions(c)
    _flag(c, "--index", "FILE", "an index to bring up to date with the folder afterwards")
    _options(c, LIMITS)


def _push(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    _flag(c, "--to", "URL", PACS, dest="target", required=True, type=_path)
    _series(c)
    _options(c, LIMITS)


def _inputs(c: argparse.ArgumentParser, needed: str = "-i/--input-dicom") -> None:
    """Folders or files, searched as one; words without a flag are such as well (`parsed`).

    Where nothing is ``needed`` the command says what is missing.
    """
    _folders(c, "folders or files, searched as one; those without a flag are inputs too")
    c.set_defaults(needed=needed)


def _folders(c: argparse.ArgumentParser, text: str) -> None:
    _flag(c, "-i --input-dicom", "DIR", text, nargs="+", action="extend", type=_path)


def _input(c: argparse.ArgumentParser, flag: str, metavar: str, text: str) -> None:
    _flag(c, f"{flag} --input-dicom", metavar, f"{text}; also without a flag", type=_path)
    c.set_defaults(needed=f"{flag}/--input-dicom")


def _path(text: str) -> str:
    """An empty name, as of a variable that is not set, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name")
    return text


def _run(c: argparse.ArgumentParser) -> None:
    _inputs(c, needed="")
    _series(c)
    _flag(c, "-o --output-dicom", "DIR", "folder for the new series", required=True)
    _function(c)
    # series and index are flags of every command that chooses; the parameters come from a file here, not from
    # a mapping; a function that observes is given in Python alone
    leave_out = ("series", "index", "parameters", "observe")
    places = {"scheduler": "ADDRESS", "timeout": "SECONDS", "memory_limit": "SIZE"}
    _options(c, "pipeline.options:RunOptions", leave_out, **places)
    _working(c)
    _overwrite(c)


def _function(c: argparse.ArgumentParser) -> None:
    text = "takes a Volume, returns an array, a Volume or a dict of them; also file.py:function"
    _flag(c, "-f --function", "module:function", text, required=True)


def _working(c: argparse.ArgumentParser) -> None:
    """What the function gets, and how results are written."""
    _flag(c, "--parameters", "FILE", "parameters of the function: JSON, YAML or TOML")
    text = (
        "a parameter of the function, over those of --parameters; the value is JSON, or else a text "
        "(repeatable)"
    )
    _flag(c, "--param", "NAME=VALUE", text, action="append", default=[])
    _options(c, WRITING, ("overwrite",))
    _options(c, READING, NOT_EVERYWHERE)


def _listen(c: argparse.ArgumentParser) -> None:
    _flag(c, "--aet", "NAME", "our AE title, which senders have to name", required=True)
    _flag(c, "--port", "N", "the port that is listened on", type=int, required=True)
    _function(c)
    text = "folder for the results, a store, or a PACS that they are sent to"
    _flag(c, "-o --output-dicom", "DIR|URL", text, required=True, type=_path)
    _flag(c, "--spool", "DIR", "keeps what is received; default: beside the output, with .received")
    _conditions(c)
    files = dict.fromkeys(("tls_cert", "tls_key", "tls_ca"), "FILE")
    _options(c, "pipeline.options:ListenOptions", allow="AE[@ADDRESS],...", timeout="SECONDS", **files)
    _working(c)


def _view(c: argparse.ArgumentParser) -> None:
    _input(c, "-i", "DIR", "folder or file with the series")
    c.set_defaults(needed="-i/--input-dicom or -n/--input-npy")
    _flag(c, "-n --input-npy", "FILE", "instead: an array that to-numpy wrote")
    _flag(c, "-j --input-json", "FILE", "the array's metadata; default: beside the array")
    _flag(c, "-o --output", "FILE.png|FILE.html", "the picture", required=True)
    masks = "masks to draw in colour: a DICOM SEG, a structure set, or labels as .npy, .nii or .nii.gz"
    _flag(c, "--overlay", "SEG_OR_NPY", masks)
    resample = "with --overlay: a DICOM SEG on any other grid too, by the nearest voxel"
    _flag(c, "--resample", "nearest", resample)
    beside = (
        "with --viewer niivue: another volume, moved with it: the source of a result, the CT of a PET; "
        "a series, or an array as .npy, .nii or .nii.gz"
    )
    _flag(c, "--beside", "DIR_OR_NPY", beside, type=_path)
    _flag(c, "--beside-series", "UID", "which series beside it, where there are several")
    _options(c, PAGE)
    _choice(c)
    _options(c, READING, NOT_EVERYWHERE)
    _overwrite(c)


def _browse(c: argparse.ArgumentParser) -> None:
    _flag(c, "--index", "FILE", "the index, see dicomarray index", required=True, type=_path)
    run = "the output folder of a run: its results are opened beside the series that they were made of"
    _flag(c, "--run", "DIR", run, dest="made_by", type=_path)
    _flag(c, "--port", "N", "on this computer; default: a free one", type=int, default=0)
    _switch(c, "--show-patient", "show what names the patient too")
    _options(c, PAGE)


def _check(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    _switch(c, "--pixels", "decode the pixel data too")


def _verify(c: argparse.ArgumentParser) -> None:
    _flag(c, "folder", "RUN", "the output folder of a run", type=_path)
    _folders(c, "what the run read: is it still the same?")


def _schema(c: argparse.ArgumentParser) -> None:
    kinds = ("filter", "sidecar", "ledger")
    _flag(c, "name", "NAME", f"of which file: {', '.join(kinds)}", choices=kinds)


def _completion(c: argparse.ArgumentParser) -> None:
    shells = ("bash", "zsh", "fish", "tcsh", "powershell")
    _flag(c, "shell", "SHELL", ", ".join(shells), choices=shells)


def _demo(c: argparse.ArgumentParser) -> None:
    _flag(c, "folder", "DIR", "default: %(default)s", nargs="?", default="dicomarray-demo")
    _overwrite(c)


def _series(c: argparse.ArgumentParser) -> None:
    """Which series are meant; the same flags in every command."""
    text = "take the series from this index, without a scan; with inputs: those below them"
    _flag(c, "--index", "FILE", text)
    _conditions(c)
    _flag(c, "--series", "UID", "the series with this UID")


def _conditions(c: argparse.ArgumentParser) -> None:
    _flag(c, "-c --config", "FILE", "filter config: JSON, YAML or TOML")
    text = (
        "a condition: 'Modality=MR', 'num_slices>=20'; repeatable, all must hold; also "
        "sort=-num_slices, limit=1, per=study"
    )
    _flag(c, "-w --where", "CONDITION", text, action="append", default=[])


def _choice(c: argparse.ArgumentParser) -> None:
    """Which series is meant, and which volume of it."""
    _series(c)
    _flag(c, "--volume", "N", "which volume of the series, where there are several", type=int)


def _switch(c: argparse.ArgumentParser, names: str, text: str) -> None:
    c.add_argument(*names.split(), action="store_true", help=text)


def _overwrite(c: argparse.ArgumentParser) -> None:
    _switch(c, "--overwrite", "replace an existing result")


# What each command is for, and what adds its arguments.
COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "to-numpy": ("a DICOM series -> an array (.npy) and its metadata (.json)", _to_numpy),
    "to-nifti": ("a DICOM series -> NIfTI (.nii.gz), with the JSON of BIDS and .bval, .bvec", _to_nifti),
    "to-dicom": ("an array -> a new DICOM series derived from a template series", _to_dicom),
    "to-seg": ("labels -> a DICOM Segmentation that refers to the images of a series", _to_seg),
    "to-rtstruct": ("labels -> an RT Structure Set of a template series", _to_rtstruct),
    "filter": ("list the series below a folder that match", _filter),
    "index": ("keep the catalog of folders in one file, and up to date", _index),
    "run": ("a function over every matching series, results written as DICOM", _run),
    "pull": ("copy the matching series of a PACS into a folder", _pull),
    "push": ("store a folder in a PACS, and see that all arrived", _push),
    "listen": ("a function over every series that is sent here over DIMSE", _listen),
    "view": ("a picture of three planes through a volume, or a page to look through it", _view),
    "browse": ("the archive of an index as a page on this computer: search, look, copy the config", _browse),
    "check": ("what is wrong with the DICOM files below a folder", _check),
    "verify": ("whether a run's results, and its inputs, are still what its ledger says", _verify),
    "schema": ("a JSON Schema, for editors and programs: of a config, a sidecar, a ledger", _schema),
    "completion": ("a script for your shell that completes commands, flags and their values", _completion),
    "demo": ("make a small CT study and take it through the whole round trip", _demo),
}
