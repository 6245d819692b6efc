"""An array and the files of its template series to the files of a derived series: all of them, or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydicom.uid import MRImageStorage

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.dicom.pixels.encoder import check_compression
from dicomarray.errors import TemplateError, ValuesError
from dicomarray.objects.common.files import Check, WriteReport, new_series
from dicomarray.objects.common.headers import read_header, text
from dicomarray.objects.common.options import WriteOptions
from dicomarray.objects.derived_image.classic import file_writer
from dicomarray.objects.derived_image.derive import SeriesPlan, check_units
from dicomarray.objects.derived_image.diffusion import lost_directions, orientation_of
from dicomarray.objects.derived_image.encode import Encoding, encode
from dicomarray.objects.derived_image.enhanced.enhanced import derived_objects, write_objects
from dicomarray.objects.derived_image.enhanced.template import read_objects
from dicomarray.objects.derived_image.image_classes import ImageClass, RescalePlace
from dicomarray.objects.derived_image.pixel_layout import mode_for
from dicomarray.objects.derived_image.plan import image_maker, image_uids, make_plan
from dicomarray.objects.derived_image.request import WriteRequest
from dicomarray.objects.derived_image.strip_attributes import check_mosaics, for_mosaics
from dicomarray.objects.derived_image.template import Template, read_template
from dicomarray.runtime.threads import MAX_THREADS, ImageCount, PixelProgress, do_each
from dicomarray.storage.atomic import refuse_inside

# A series of fewer bytes is written before a second thread has begun.
_FEW_BYTES = 1 << 20


def write_series(
    request: WriteRequest,
    output: Path,
    options: WriteOptions,
    check: Check | None = None,
    progress: PixelProgress | None = None,
) -> WriteReport:
    """Write an array as a new series of the template's study, ``0001.dcm`` and so on.

    There is one file for each image, or for each enhanced object of the template; see `encode` for dtypes.
    ``options.verify`` is the caller's, who knows how to read, and gives a ``check``.  ``progress`` is called
    with the number of images that are written, their bytes, and the number of all.  Raises TemplateError
    where the template cannot carry the array, ValuesError for values that cannot be stored, UsageError for
    an option that cannot be written, OutputError where the output exists or lies in the template's folder.
    """
    files = [source.path for source in request.sources]
    for folder in {path.parent for path in files}:
        refuse_inside(output, folder)
    template = (read_objects if request.enhanced else read_template)(request.sources)
    if request.tiled:
        check_mosaics(read_header(files[0]), files[0])
        options = for_mosaics(options)
    check_units(request.units, template.kind)
    encoding = _encoding(request, template, options)
    plan = make_plan(request, template, encoding, options)
    uids = image_uids(plan)
    report = _report(plan, uids, output)
    if text(template.headers[0], "SOPClassUID") == MRImageStorage:
        plan = replace(plan, orientation=orientation_of(files[0], options))
        lost = lost_directions(request, plan.orientation, options)
        report = replace(report, warnings=report.warnings + lost)
    count = ImageCount(progress, len(files), encoding.image_bytes)
    with new_series(report, output, options, check) as paths:
        if request.enhanced:
            write_objects(paths, derived_objects(plan, uids), plan, count)
        else:
            threads = _threads_for(len(paths) * encoding.image_bytes, options)
            do_each(file_writer(paths, image_maker(plan, uids), plan), range(len(paths)), count.add, threads)
    return report


def _threads_for(size: int, options: WriteOptions) -> int:
    """The most threads for so many bytes of pixels; to compress them takes longer."""
    return 1 if size < _FEW_BYTES and options.compress == "none" else MAX_THREADS


def _encoding(request: WriteRequest, template: Template, options: WriteOptions) -> Encoding:
    """The array as stored values of the template."""
    if options.compress != "none":
        for stored in set(template.stored):
            check_compression(stored, options.compress)
    # all repetitions one after the other, with the further axes of an image
    images = request.array.reshape(-1, *request.array.shape[-len(template.layout.shape) :])
    found, wanted = images.shape, template.shape
    same = found == wanted if request.grid is None else (len(found), found[0]) == (len(wanted), wanted[0])
    if not same:
        raise TemplateError(
            f"the array has the shape {request.array.shape}, the template {wanted} "
            f"({'frames' if request.enhanced else 'files'}, Rows, Columns); another shape needs a grid of "
            "its own"
        )
    encoding = encode(
        images,
        mode_for(template.layout, options.values, template.rescales),
        template.stored,
        template.rescales,
        options.fill,
        limit=template.kind.limit,
        clip=options.clip,
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


def _report(plan: SeriesPlan, sop_uids: tuple[str, ...], output: Path) -> WriteReport:
    """What is to be written: a file for each of the UIDs, in their order."""
    encoding = plan.encoding
    return WriteReport(
        files=tuple(output / name for name in _file_names(len(sop_uids))),
        series_uid=plan.identity.series_uid,
        sop_uids=sop_uids,
        max_error=encoding.max_error,
        mean_error=encoding.mean_error,
        clipped=encoding.clipped,
        slope=None if encoding.slope is None else float(encoding.slope),
        intercept=None if encoding.intercept is None else float(encoding.intercept),
        warnings=_warnings_of(plan.kind, encoding),
    )


def _warnings_of(kind: ImageClass, encoding: Encoding) -> Warnings:
    found: Warnings = ()
    if encoding.filled:
        found += warning(
            f"{encoding.filled} values were NaN or infinite and got the fill value [fill-values]"
        )
    if encoding.clipped:
        found += warning(
            f"{encoding.clipped} values were clipped to the range that can be stored [clipped-values]"
        )
    if encoding.outside:
        found += warning(
            f"{encoding.outside} values lie beyond what slope, intercept and bits of the template can say: "
            f"all are written with slope {encoding.slope}, and are off by up to {encoding.max_error:.4g} "
            "[rescaled-values]"
        )
    rescaled = not all(rescale.identity for rescale in encoding.rescales)
    if kind.place is RescalePlace.MAPPING and rescaled:
        found += warning(
            f"images of {kind.name} say slope and intercept in Real World Value Mapping only, which "
            "many viewers ignore: they will show stored values [mapping-units]"
        )
    return found


def _file_names(count: int) -> list[str]:
    """In the order of the images, which is also that of the names."""
    digits = max(4, len(str(count)))
    return [f"{index:0{digits}d}.dcm" for index in range(1, count + 1)]
