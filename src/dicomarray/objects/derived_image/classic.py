"""A 3-D array and the files of its template series to the files of a derived series: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

from pydicom.uid import MRImageStorage

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.dicom.pixels.encoder import check_compression, compress_pixels
from dicomarray.dicom.raw_header import Head, read_head
from dicomarray.errors import OutputError, TemplateError, ValuesError
from dicomarray.objects.common import lossy
from dicomarray.objects.common.files import Check, WriteReport, new_series, write_bytes, write_header
from dicomarray.objects.common.headers import UNREADABLE, read_header, reason, text
from dicomarray.objects.common.options import WriteOptions, private_block
from dicomarray.objects.derived_image.derive import SeriesPlan, SliceOutput, check_units, derive
from dicomarray.objects.derived_image.diffusion import lost_directions, tell_direction
from dicomarray.objects.derived_image.encode import Encoding
from dicomarray.objects.derived_image.header_template import Repeated, pixel_words, tags_of
from dicomarray.objects.derived_image.image_classes import RescalePlace
from dicomarray.objects.derived_image.mosaics import check_headers, for_mosaics
from dicomarray.objects.derived_image.pixel_layout import encode_files
from dicomarray.objects.derived_image.plan import image_maker, image_uids, make_plan
from dicomarray.objects.derived_image.request import WriteRequest
from dicomarray.objects.derived_image.strip_attributes import strip, swap_words
from dicomarray.objects.derived_image.template import Template, read_template
from dicomarray.runtime.threads import ImageCount, PixelProgress, do_each
from dicomarray.storage.atomic import refuse_inside

DEFAULTS = WriteOptions()


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
        warnings=_warnings_of(template, encoding),
    )


def _warnings_of(template: Template, encoding: Encoding) -> Warnings:
    found: Warnings = ()
    if encoding.filled:
        found += warning(
            f"{encoding.filled} values were NaN or infinite and got the fill value [fill-values]"
        )
    if encoding.clipped:
        found += warning(
            f"{encoding.clipped} values were clipped to the range that can be stored [clipped-values]"
        )
    rescaled = not all(rescale.identity for rescale in encoding.rescales)
    if template.kind.place is RescalePlace.MAPPING and rescaled:
        found += warning(
            f"images of {template.kind.name} say slope and intercept in Real World Value Mapping only, which "
            "many viewers ignore: they will show stored values [mapping-units]"
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
            write_bytes(path, header, pixel_words(image))

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
