"""A 3-D array and the files of its template series to the files of a derived series: all of them, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

from dicomarray.atomic import new_folder, refuse_inside
from dicomarray.errors import OutputError, TemplateError, ValuesError
from dicomarray.threads import ImageCount, PixelProgress, do_each
from dicomarray.values import Array
from dicomarray.version import __version__
from dicomarray.writing import lossy
from dicomarray.writing.classes import RescalePlace
from dicomarray.writing.clean import strip, swap_words
from dicomarray.writing.compress import check_compression, compress_pixels
from dicomarray.writing.derive import SeriesPlan, SliceOutput, check_units, derive
from dicomarray.writing.diffusion import lost_directions, tell_direction
from dicomarray.writing.encode import Encoding
from dicomarray.writing.heads import Head, read_head
from dicomarray.writing.layout import encode_files
from dicomarray.writing.mosaics import check_headers, for_mosaics
from dicomarray.writing.options import WriteOptions, private_block
from dicomarray.writing.plan import image_maker, image_uids, make_plan
from dicomarray.writing.repeated import Repeated, pixel_words, tags_of
from dicomarray.writing.request import WriteRequest
from dicomarray.writing.template import UNREADABLE, Template, read_header, read_template, reason, text

# Made once (PS3.5 B.2); it names this software in every file that it writes (PS3.10 7.1).
IMPLEMENTATION_CLASS_UID = "2.25.200870302587740582784928558676690548984"
_LONGEST_VERSION_NAME = 16  # characters, VR SH
DEFAULTS = WriteOptions()
_PREAMBLE = 128  # bytes before "DICM" in a file (PS3.10 7.1)


@dataclass(frozen=True)
class WriteReport:
    """What was written, and how far it is from the array.

    ``slope`` and ``intercept`` are None where each slice keeps the template's own.  Errors are in the
    units of the array.
    """

    files: tuple[Path, ...]
    series_uid: str
    sop_uids: tuple[str, ...]
    max_error: float
    mean_error: float
    clipped: int
    slope: float | None
    intercept: float | None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        where = f" in {self.files[0].parent}" if self.files else ""
        return (
            f"<WriteReport: {len(self.files)} files{where}, series {self.series_uid}, greatest error "
            f"{self.max_error:.6g}, {self.clipped} clipped, {len(self.warnings)} warnings>"
        )


# Called with the files in their temporary folder and the report.
Check = Callable[[Sequence[Path], WriteReport], None]


def write_series(
    request: WriteRequest,
    output: Path,
    options: WriteOptions = DEFAULTS,
    check: Check | None = None,
    progress: PixelProgress | None = None,
) -> WriteReport:
    """Write an array as a new series of the template's study, one file an image, ``0001.dcm`` and so on.

    Parameters
    ----------
    request
        The array, and the file of the template for each of its images; see `encode` for dtypes.
    output
        A folder that is new or empty; with ``overwrite`` one that holds nothing but ``.dcm`` files.
    options
        How to write; ``verify`` is the caller's, who knows how to read: see ``check``.
    check
        Called with the files in their temporary folder and the report; what it raises undoes everything.
    progress
        Called with the number of images that are written, their bytes, and the number of all.

    Raises
    ------
    TemplateError
        The template cannot carry the array: its class, its kind of pixels, its shape.
    ValuesError
        Values that cannot be stored.
    UsageError
        An option that cannot be written.
    OutputError
        The output exists already, lies inside the template's folder, or cannot be written.
    """
    files = [source.path for source in request.sources]
    for folder in {path.parent for path in files}:
        refuse_inside(output, folder)
    template = read_template(files, [source.rescale for source in request.sources])
    if request.tiled:
        check_headers(read_header(files[0]), files[0])
        options = for_mosaics(options)
    check_units(request.units, template.kind)
    encoding = encode_request(request, template, options, "files")
    plan = make_plan(template, encoding, options, request)
    uids = image_uids(template, plan, options)
    report = report_of(template, encoding, plan, uids, output)
    if text(template.headers[0], "SOPClassUID") == MRImageStorage:
        report = replace(report, warnings=report.warnings + lost_directions(request, options))
    with new_series(report, output, options, check) as paths:
        image_of = image_maker(template, encoding, plan, uids, request)
        count = ImageCount(progress, len(paths), encoding.image_bytes)
        do_each(_writer(paths, image_of, template.heads, plan, options), range(len(paths)), count.add)
    return report


@contextmanager
def new_series(
    report: WriteReport, output: Path, options: WriteOptions, check: Check | None
) -> Iterator[list[Path]]:
    """The files of a report in a temporary folder, to be written; at the end they are checked and appear."""
    with new_folder(output, options.overwrite, is_result) as folder:
        paths = [folder / file.name for file in report.files]
        yield paths
        if check is not None:
            check(paths, report)


def encode_request(
    request: WriteRequest, template: Template, options: WriteOptions, counted: str
) -> Encoding:
    """The array as stored values of the template; ``counted`` is what the first axis of its shape counts.

    Raises
    ------
    TemplateError
        Where the template has another shape, or stores what the compression cannot hold.
    ValuesError
        Where values cannot be stored, or not as exactly as ``max_error`` asks for.
    """
    if options.compress != "none":
        for stored in set(template.stored):
            check_compression(stored, options.compress)
    found, wanted = request.images.shape, template.shape
    same = found == wanted if request.grid is None else (len(found), found[0]) == (len(wanted), wanted[0])
    if not same:
        raise TemplateError(
            f"the array has the shape {request.array.shape}, the template {wanted} "
            f"({counted}, Rows, Columns); another shape needs a grid of its own"
        )
    encoding = encode_files(
        request.images, template.layout, template.stored, template.rescales, options, template.kind.limit
    )
    check_error(encoding.max_error / request.unit, encoding.mean_error / request.unit, options.max_error)
    return encoding


def check_error(greatest: float, mean: float, limit: float | None) -> None:
    """Raise ValuesError where what would be written is further from the array than ``max_error`` allows."""
    if limit is not None and greatest > limit:
        raise ValuesError(
            f"the greatest error would be {greatest:.6g} (mean {mean:.6g}), more "
            f"than max_error={limit:g}: take a template that stores more bits, or allow more"
        )


def report_of(
    template: Template, encoding: Encoding, plan: SeriesPlan, sop_uids: tuple[str, ...], output: Path
) -> WriteReport:
    """What is to be written: a file for each of the UIDs, in their order."""
    return WriteReport(
        files=tuple(output / name for name in _file_names(len(sop_uids))),
        series_uid=plan.series_uid,
        sop_uids=sop_uids,
        max_error=encoding.max_error,
        mean_error=encoding.mean_error,
        clipped=encoding.clipped,
        slope=None if plan.slope is None else float(plan.slope),
        intercept=None if plan.intercept is None else float(plan.intercept),
        warnings=tuple(_warnings_of(template, encoding)),
    )


def _warnings_of(template: Template, encoding: Encoding) -> list[str]:
    found = []
    if encoding.filled:
        found.append(f"{encoding.filled} values were NaN or infinite and got the fill value")
    if encoding.clipped:
        found.append(f"{encoding.clipped} values were clipped to the range that can be stored")
    rescaled = not all(rescale.identity for rescale in encoding.rescales)
    if template.kind.place is RescalePlace.MAPPING and rescaled:
        found.append(
            f"images of {template.kind.name} say slope and intercept in Real World Value Mapping only, which "
            "many viewers ignore: they will show stored values"
        )
    return found


def _file_names(count: int) -> list[str]:
    """In the order of the images, which is also that of the names."""
    digits = max(4, len(str(count)))
    return [f"{index:0{digits}d}.dcm" for index in range(1, count + 1)]


def _writer(
    paths: Sequence[Path],
    image_of: Callable[[int], SliceOutput],
    heads: Sequence[Head | None],
    plan: SeriesPlan,
    options: WriteOptions,
) -> Callable[[int], None]:
    """What writes the file of an index, in any thread, its header after an earlier one where that can be."""
    repeated = Repeated(plan, bool(options.keep_private))
    models = Lock()

    def write(index: int) -> None:
        path, image = paths[index], image_of(index)
        with models:  # whoever comes while the first header is derived, waits for it
            head = _usual_head(heads[index], image, plan, options, repeated)
            header = None if head is None else repeated.header(head, image)
            if head is not None and header is None:
                _derive_file(path, plan, image, options, repeated, head)
                return
        if header is None:
            _derive_file(path, plan, image, options, repeated, None)
        else:
            _write_bytes(path, header, pixel_words(image))

    return write


def _usual_head(
    known: Head | None, image: SliceOutput, plan: SeriesPlan, options: WriteOptions, repeated: Repeated
) -> Head | None:
    """The template's header as bytes, where the image's can be made of one that was made before."""
    if plan.grid is not None or image.source.identity or options.compress != "none":
        return None
    try:
        head = known or read_head(image.source.path, repeated.like)
    except OSError:
        return None  # pydicom tells what is wrong with it
    return None if head is None or lossy.is_always(head.syntax) else head


def _write_bytes(path: Path, header: bytes, pixels: Array) -> None:
    words = pixels.reshape(-1).view(np.uint8)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        try:
            rest = [memoryview(part) for part in (header, words.data, b"\0" * (words.size % 2))]
            while rest:
                # in one call where the system can: a file begun with a few bytes takes longer to write
                written = os.writev(file, rest) if hasattr(os, "writev") else os.write(file, rest[0])
                while rest and written >= len(rest[0]):
                    written -= len(rest.pop(0))
                if rest:
                    rest[0] = rest[0][written:]
        finally:
            os.close(file)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error


def _derive_file(
    path: Path,
    plan: SeriesPlan,
    image: SliceOutput,
    options: WriteOptions,
    repeated: Repeated,
    head: Head | None,
) -> None:
    source = image.source.path
    header = read_header(source)
    before = tags_of(header)
    try:
        lossy.remember(header, source, image.stored_type)
        needed = tell_direction(header)
        strip(header, [private_block(text) for text in options.keep_private])
        stripped = before - tags_of(header) - needed
        if header.original_encoding[1] is False:
            swap_words(header)
        derive(header, plan, image)
        syntax = None
        if options.compress != "none":
            syntax = compress_pixels(header, image.stored, image.stored_type, options.compress, str(source))
        write_header(path, header, syntax)
        if head is not None:
            repeated.remember(head, stripped, header, path.read_bytes(), image)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error
    except UNREADABLE as error:
        raise TemplateError(
            f"{source}: the template's header cannot be written back ({reason(error)}); check "
            "it with dciodvfy, or choose another template"
        ) from error


def write_header(path: Path, header: FileDataset, syntax: UID | None = None) -> None:
    """A Part 10 file.

    Without a transfer syntax: little endian as the template is, Explicit VR where it is compressed or big
    endian.
    """
    if syntax is None:
        native_implicit = header.original_encoding == (True, True)
        syntax = ImplicitVRLittleEndian if native_implicit else ExplicitVRLittleEndian
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = header.SOPClassUID
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = f"DICOMARRAY_{__version__}"[:_LONGEST_VERSION_NAME]
    header.file_meta = meta
    header.preamble = b"\0" * _PREAMBLE
    dcmwrite(path, header, enforce_file_format=True)


def is_result(entry: Path) -> bool:
    """Whether a file may be replaced: it is named and begins like those that are written here."""
    if entry.suffix != ".dcm" or entry.is_symlink() or not entry.is_file():
        return False
    with entry.open("rb") as stream:
        return stream.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"
