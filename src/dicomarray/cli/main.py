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

# These derive new objects from a series, which they take by -d.
TEMPLATE_COMMANDS = ("to_dicom", "to_rtstruct", "to_seg")
# Options of reading that make sense for an array alone: written series and pictures are in modality values.
NOT_EVERYWHERE = ("units", "exclude_padding")
# Objects made between two searches for garbage.  More than NumPy's import and ours make, which all stay; and
# what lies about meanwhile is small, because no command makes cycles of objects that hold pixels.
OBJECTS_A_COLLECTION = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    options = parsed(arguments)
    if options.run not in (
        "run",
        "listen",
    ):  # there a user's function works, in whose threads and garbage we do not meddle
        _start_and_end_quickly()
    command = importlib.import_module("dicomarray.cli.commands")
    try:
        return int(getattr(command, options.run)(options))
    except DicomArrayError as error:
        return _complain(error, _code_of(error))
    except BrokenPipeError:
        # whoever read our output has enough; Python would complain once more when it closes the stream
        be_silent(sys.stdout)
        return DONE
    except OSError as error:
        return _complain(error, NOT_CONVERTED)
    except KeyboardInterrupt:
        print_text("dicomarray: interrupted", sys.stderr)
        return INTERRUPTED


def _start_and_end_quickly() -> None:
    """Leave out what takes a tenth of the time of a small conversion, and a fifth of that of a filter."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would start a thread for each processor
    gc.set_threshold(OBJECTS_A_COLLECTION)
    atexit.register(gc.freeze)  # else all that is loaded is searched for garbage, just before it goes


def _code_of(error: DicomArrayError) -> int:
    """An output inside its input is no wrong use: the command line is sound, its place is not."""
    wrong_use = isinstance(error, UsageError) and not isinstance(error, InsideInputError)
    return WRONG_USE if wrong_use else NOT_CONVERTED


def _complain(error: Exception, code: int) -> int:
    print_text(f"dicomarray: error: {error}", sys.stderr)
    return code


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a command line; folders that stand there without a flag are inputs.

    argparse takes such words only where they stand together, so what it leaves is taken here.
    """
    words = sys.argv[1:] if arguments is None else arguments
    called = next((word for word in words if word in COMMANDS), "")
    options, rest = parser(called).parse_known_args(arguments)
    command, name = options.command, str(getattr(options, "inputs", ""))
    if rest and (not name or any(word.startswith("-") for word in rest)):
        by_d = "-i" in rest and options.run in TEMPLATE_COMMANDS
        hint = " (the template is -d/--input-dicom)" if by_d else ""
        command.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    if "" in rest:
        command.error("argument -i/--input-dicom: an empty name")
    if rest:
        given = getattr(options, name)
        setattr(options, name, [*([given] if isinstance(given, str) else given or ()), *rest])
    indexed = getattr(options, "index", None) is not None and options.run != "index"
    if name and not getattr(options, name) and not indexed:
        _refuse_without_input(options)
    if options.run == "view" and options.input_npy is not None and (options.input_dicom or indexed):
        command.error("argument -n/--input-npy: not allowed with argument -i/--input-dicom or --index")
    return options


def _refuse_without_input(options: argparse.Namespace) -> None:
    template = dict.fromkeys(TEMPLATE_COMMANDS, "-d/--input-dicom")
    flags = {**template, "view": "-i/--input-dicom or -n/--input-npy"}
    if options.run in ("filter", "run") or (options.run == "view" and options.input_npy is not None):
        return  # of these the command says what is missing
    flag = flags.get(options.run, "-i/--input-dicom")
    options.command.error(f"the following arguments are required: {flag} (a folder, or several)")


def parser(called: str | None = None) -> argparse.ArgumentParser:
    """The whole command line; or with the arguments of one command alone, which takes less time."""
    top = argparse.ArgumentParser(
        prog="dicomarray",
        description="DICOM series in, NumPy arrays out, and back into DICOM that a PACS accepts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"dicomarray {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (text, add_arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.register("action", None, _Once)
        command.set_defaults(run=name.replace("-", "_"), command=command)
        if called in (None, name):
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


def _to_numpy(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    c.add_argument(
        "-n",
        "--output-npy",
        metavar="FILE",
        required=True,
        help="the array; a folder (its name ends with /): all volumes of all series",
    )
    c.add_argument("-j", "--output-json", metavar="FILE", help="the metadata; default: beside the array")
    c.add_argument(
        "--normalize",
        nargs=2,
        type=float,
        metavar=("LOWER", "UPPER"),
        help="map LOWER..UPPER to 0..1, clipped, float32",
    )
    _choice(c)
    _reading(c)
    _grid_of_masks(c)
    c.add_argument(
        "--workers", type=int, metavar="N", help="threads that read and decode; default: one a processor"
    )
    _overwrite(c)


def _grid_of_masks(c: argparse.ArgumentParser) -> None:
    c.add_argument(
        "--on",
        metavar="DIR",
        help="of a segmentation: the images whose grid its labels come on; default: those that were "
        "segmented, where they lie beside it",
    )
    c.add_argument(
        "--resample", metavar="nearest", help="with --on: on any other grid too, by the nearest voxel"
    )
    c.add_argument("--time", type=int, metavar="N", help="of a segmentation of several steps: which, from 0")


def _to_nifti(c: argparse.ArgumentParser) -> None:
    from dicomarray.cli.option_flags import add_flags
    from dicomarray.workflows.nifti_options import NiftiOptions

    _inputs(c)
    c.add_argument(
        "-o",
        "--output",
        metavar="FILE.nii.gz|DIR/",
        required=True,
        help="the image; a folder (its name ends with /): all volumes of all series",
    )
    add_flags(c, NiftiOptions, metavars={"name": "PATTERN"})
    _choice(c)
    _reading(c)
    _grid_of_masks(c)
    c.add_argument(
        "--workers", type=int, metavar="N", help="threads that read and decode; default: one a processor"
    )
    _overwrite(c)


def _to_dicom(c: argparse.ArgumentParser) -> None:
    c.add_argument(
        "-n", "--input-npy", metavar="FILE", required=True, help="the array: .npy, .nii or .nii.gz"
    )
    _input(c, "-d", "TEMPLATE_DIR", "folder or file with the template series")
    c.add_argument("-o", "--output-dicom", metavar="DIR", required=True, help="folder for the new series")
    c.add_argument(
        "-j",
        "--input-json",
        metavar="FILE",
        help="the array's metadata: undoes a normalization, says where the voxels lie",
    )
    c.add_argument(
        "--affine",
        metavar="FILE",
        help="where the voxels lie: 4x4 from slice, row, column to LPS mm; .npy or .json",
    )
    c.add_argument("--units", metavar="NAME", help="of the values, if not the template's: HU, US, GML, ...")
    _writing(c)
    _choice(c)
    _overwrite(c)


def _to_seg(c: argparse.ArgumentParser) -> None:
    from dicomarray.cli.option_flags import add_flags
    from dicomarray.objects.segmentation.options import SegmentationOptions

    _labels(c, "new series")
    add_flags(c, SegmentationOptions, leave_out=("overwrite",))
    _choice(c)
    _overwrite(c)


def _to_rtstruct(c: argparse.ArgumentParser) -> None:
    from dicomarray.cli.option_flags import add_flags
    from dicomarray.objects.structure_set.options import StructureSetOptions

    _labels(c, "structure set")
    add_flags(c, StructureSetOptions, leave_out=("overwrite",))
    _choice(c)
    _overwrite(c)


def _labels(c: argparse.ArgumentParser, name: str) -> None:
    """What commands have in common that write masks of a series."""
    c.add_argument(
        "-n",
        "--input-npy",
        metavar="LABELS",
        required=True,
        help="the labels: .npy (with its sidecar, where one lies beside it), .nii or .nii.gz",
    )
    _input(c, "-d", "TEMPLATE_DIR", "folder or file with the series that was segmented")
    c.add_argument(
        "-o", "--output-dicom", metavar="DIR", required=True, help=f"folder for the {name}, or a PACS"
    )
    c.add_argument(
        "-j", "--input-json", metavar="FILE", help="the labels' sidecar; default: the one beside them"
    )
    c.add_argument(
        "--affine",
        metavar="FILE",
        help="where the labels lie: 4x4 from slice, row, column to LPS mm; .npy or .json",
    )
    c.add_argument(
        "--segments", metavar="FILE", help='what the labels are, JSON: {"1": "liver", "2": "spleen"}'
    )
    c.add_argument("--time", type=int, metavar="N", help="of a series with repetitions: the step, from 0")


def _filter(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    _series(c)
    c.add_argument(
        "--format", default="table", choices=("table", "json", "csv", "files"), help="default: table"
    )
    c.add_argument(
        "-0", "--null", action="store_true", help="with --format files: a zero byte ends each name"
    )
    c.add_argument("--why", action="store_true", help="say why the other series do not match")
    c.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that read headers; default: by the number of files",
    )
    c.add_argument("--show-patient", action="store_true", help="with --why: values that name the patient too")


def _index(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    c.add_argument("--index", metavar="FILE", required=True, help="the index; it is made where there is none")


def _pull(c: argparse.ArgumentParser) -> None:
    c.add_argument(
        "--from",
        dest="source",
        metavar="URL",
        required=True,
        type=_path,
        help="the PACS: dicomweb+https://HOST/dicom-web, https://HOST/dicom-web, or dimse://AE@HOST:PORT",
    )
    c.add_argument("-o", "--output", metavar="DIR", required=True, type=_path, help="folder for the series")
    _conditions(c)
    c.add_argument("--index", metavar="FILE", help="an index to bring up to date with the folder afterwards")
    _limits(c)


def _push(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    c.add_argument(
        "--to",
        dest="target",
        metavar="URL",
        required=True,
        type=_path,
        help="the PACS: dicomweb+https://HOST/dicom-web, https://HOST/dicom-web, or dimse://AE@HOST:PORT",
    )
    _series(c)
    _limits(c)


def _limits(c: argparse.ArgumentParser) -> None:
    from dicomarray.cli.option_flags import add_flags
    from dicomarray.storage.limits import TransferOptions

    add_flags(c, TransferOptions)


def _inputs(c: argparse.ArgumentParser) -> None:
    """Folders or files, searched as one; words without a flag are such as well (`parsed`)."""
    _folders(c, "folders or files, searched as one; those without a flag are inputs too")
    c.set_defaults(inputs="input_dicom")


def _folders(c: argparse.ArgumentParser, text: str) -> None:
    c.add_argument("-i", "--input-dicom", metavar="DIR", nargs="+", action="extend", type=_path, help=text)


def _input(c: argparse.ArgumentParser, flag: str, metavar: str, text: str) -> None:
    c.add_argument(flag, "--input-dicom", metavar=metavar, type=_path, help=f"{text}; also without a flag")
    c.set_defaults(inputs="input_dicom")


def _path(text: str) -> str:
    """An empty name, as of a variable that is not set, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name")
    return text


def _run(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    _series(c)
    c.add_argument("-o", "--output-dicom", metavar="DIR", required=True, help="folder for the new series")
    _function(c)
    _running(c)
    _writing(c)
    _reading(c, leave_out=NOT_EVERYWHERE)
    _overwrite(c)


def _running(c: argparse.ArgumentParser) -> None:
    from dicomarray.cli.option_flags import add_flags
    from dicomarray.pipeline.options import RunOptions

    # series and index are flags of every command that chooses; the parameters come from a file here, not from
    # a mapping; a function that observes is given in Python alone
    leave_out = ("series", "index", "parameters", "observe")
    metavars = {"scheduler": "ADDRESS", "timeout": "SECONDS", "memory_limit": "SIZE"}
    add_flags(c, RunOptions, leave_out, metavars)
    _parameters(c)


def _function(c: argparse.ArgumentParser) -> None:
    c.add_argument(
        "-f",
        "--function",
        metavar="module:function",
        required=True,
        help="takes a Volume, returns an array, a Volume or a dict of them; also file.py:function",
    )


def _parameters(c: argparse.ArgumentParser) -> None:
    c.add_argument("--parameters", metavar="FILE", help="parameters of the function: JSON, YAML or TOML")
    c.add_argument(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter of the function, over those of --parameters; the value is JSON, or else a text "
        "(repeatable)",
    )


def _listen(c: argparse.ArgumentParser) -> None:
    from dicomarray.cli.option_flags import add_flags
    from dicomarray.pipeline.options import ListenOptions

    c.add_argument("--aet", metavar="NAME", required=True, help="our AE title, which senders have to name")
    c.add_argument("--port", metavar="N", type=int, required=True, help="the port that is listened on")
    _function(c)
    c.add_argument(
        "-o",
        "--output-dicom",
        metavar="DIR|URL",
        required=True,
        type=_path,
        help="folder for the results, a store, or a PACS that they are sent to",
    )
    c.add_argument(
        "--spool", metavar="DIR", help="keeps what is received; default: beside the output, with .received"
    )
    _conditions(c)
    add_flags(
        c,
        ListenOptions,
        metavars={"allow": "AE[@ADDRESS],...", "timeout": "SECONDS"}
        | dict.fromkeys(("tls_cert", "tls_key", "tls_ca"), "FILE"),
    )
    _parameters(c)
    _writing(c)
    _reading(c, leave_out=NOT_EVERYWHERE)


def _view(c: argparse.ArgumentParser) -> None:
    _input(c, "-i", "DIR", "folder or file with the series")
    c.add_argument("-n", "--input-npy", metavar="FILE", help="instead: an array that to-numpy wrote")
    c.add_argument(
        "-j", "--input-json", metavar="FILE", help="the array's metadata; default: beside the array"
    )
    c.add_argument("-o", "--output", metavar="FILE.png|FILE.html", required=True, help="the picture")
    c.add_argument(
        "--overlay",
        metavar="SEG_OR_NPY",
        help="masks to draw in colour: a DICOM SEG, a structure set, or labels as .npy, .nii or .nii.gz",
    )
    c.add_argument(
        "--resample",
        metavar="nearest",
        help="with --overlay: a DICOM SEG on any other grid too, by the nearest voxel",
    )
    c.add_argument(
        "--beside",
        metavar="DIR_OR_NPY",
        type=_path,
        help="with --viewer niivue: another volume, moved with it: the source of a result, the CT of a PET; "
        "a series, or an array as .npy, .nii or .nii.gz",
    )
    c.add_argument("--beside-series", metavar="UID", help="which series beside it, where there are several")
    _page(c)
    _choice(c)
    _reading(c, leave_out=NOT_EVERYWHERE)
    _overwrite(c)


def _page(c: argparse.ArgumentParser) -> None:
    from dicomarray.cli.option_flags import add_flags
    from dicomarray.render.options import PageOptions

    add_flags(c, PageOptions)


def _browse(c: argparse.ArgumentParser) -> None:
    c.add_argument(
        "--index", metavar="FILE", required=True, type=_path, help="the index, see dicomarray index"
    )
    c.add_argument(
        "--run",
        dest="made_by",
        metavar="DIR",
        type=_path,
        help="the output folder of a run: its results are opened beside the series that they were made of",
    )
    c.add_argument("--port", metavar="N", type=int, default=0, help="on this computer; default: a free one")
    c.add_argument("--show-patient", action="store_true", help="show what names the patient too")
    _page(c)


def _check(c: argparse.ArgumentParser) -> None:
    _inputs(c)
    c.add_argument("--pixels", action="store_true", help="decode the pixel data too")


def _verify(c: argparse.ArgumentParser) -> None:
    c.add_argument("folder", metavar="RUN", type=_path, help="the output folder of a run")
    _folders(c, "what the run read: is it still the same?")


def _schema(c: argparse.ArgumentParser) -> None:
    kinds = ("filter", "sidecar", "ledger")
    c.add_argument("name", metavar="NAME", choices=kinds, help=f"of which file: {', '.join(kinds)}")


def _completion(c: argparse.ArgumentParser) -> None:
    shells = ("bash", "zsh", "fish", "tcsh", "powershell")
    c.add_argument("shell", metavar="SHELL", choices=shells, help=", ".join(shells))


def _demo(c: argparse.ArgumentParser) -> None:
    c.add_argument("folder", metavar="DIR", nargs="?", default="dicomarray-demo", help="default: %(default)s")
    _overwrite(c)


def _series(c: argparse.ArgumentParser) -> None:
    """Which series are meant; the same flags in every command."""
    c.add_argument(
        "--index",
        metavar="FILE",
        help="take the series from this index, without a scan; with inputs: those below them",
    )
    _conditions(c)
    c.add_argument("--series", metavar="UID", help="the series with this UID")


def _conditions(c: argparse.ArgumentParser) -> None:
    c.add_argument("-c", "--config", metavar="FILE", help="filter config: JSON, YAML or TOML")
    c.add_argument(
        "-w",
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help="a condition: 'Modality=MR', 'num_slices>=20'; repeatable, all must hold; also "
        "sort=-num_slices, limit=1, per=study",
    )


def _choice(c: argparse.ArgumentParser) -> None:
    """Which series is meant, and which volume of it."""
    _series(c)
    c.add_argument(
        "--volume", type=int, metavar="N", help="which volume of the series, where there are several"
    )


def _reading(c: argparse.ArgumentParser, leave_out: Sequence[str] = ()) -> None:
    from dicomarray.assembly.options import ReadOptions
    from dicomarray.cli.option_flags import add_flags

    add_flags(c, ReadOptions, leave_out)


def _writing(c: argparse.ArgumentParser) -> None:
    from dicomarray.cli.option_flags import add_flags
    from dicomarray.objects.common.options import WriteOptions

    add_flags(c, WriteOptions, leave_out=("overwrite",))


def _overwrite(c: argparse.ArgumentParser) -> None:
    c.add_argument("--overwrite", action="store_true", help="replace an existing result")


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
