"""An array and the enhanced multi-frame objects of its template to a derived series: all of it, or nothing.

For each object of the template one is written, with the frames that the array holds of it, in the order of
the array: slices ascending along the normal, repetitions slowest.  That is the order in which simple readers
(ITK, and with it SimpleITK) take frames for slices.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.uid import ImplicitVRLittleEndian

from dicomarray.core.pixel_values import Array
from dicomarray.dicom.pixels.encoder import compress_pixels
from dicomarray.dicom.uids import legal_uid
from dicomarray.errors import TemplateError
from dicomarray.objects.common import lossy
from dicomarray.objects.common.files import write_errors_named, write_header
from dicomarray.objects.common.headers import read_header, text
from dicomarray.objects.common.identity import new_uid
from dicomarray.objects.common.modules import reference_series
from dicomarray.objects.common.options import PrivateBlock, WriteOptions, private_block
from dicomarray.objects.derived_image.derive import SeriesPlan, describe_pixels, identify
from dicomarray.objects.derived_image.encode import Encoding
from dicomarray.objects.derived_image.enhanced.dimensions import compacted, restacked
from dicomarray.objects.derived_image.enhanced.frame_places import FrameOutput
from dicomarray.objects.derived_image.enhanced.functional_groups import (
    ObjectOutput,
    choose_frames,
    derive_groups,
    private_dimensions,
)
from dicomarray.objects.derived_image.pixel_layout import describe_colour
from dicomarray.objects.derived_image.plan import instance_numbers
from dicomarray.objects.derived_image.request import WriteRequest
from dicomarray.objects.derived_image.strip_attributes import kept_tags, strip, swap_words
from dicomarray.objects.derived_image.template import Template
from dicomarray.runtime.threads import ImageCount

# Pixel Data with a length in 32 bits, an even one (PS3.5 7.1).
_MAX_BYTES = 2**32 - 2
PHILIPS_SLICES = PrivateBlock(0x2001, "Philips Imaging DD 001", 0x18)


def derived_objects(
    request: WriteRequest,
    template: Template,
    encoding: Encoding,
    plan: SeriesPlan,
    uids: Sequence[str],
    options: WriteOptions,
) -> list[ObjectOutput]:
    """The derived objects, with these SOP Instance UIDs."""
    numbers = instance_numbers(template.instance_numbers)
    stored = np.asarray(encoding.stored)
    frames = _frames(request, template, plan)
    organizations = {
        uid: new_uid(options, plan.identity.series_uid, uid)
        for one in template.objects
        for uid in one.organizations
    }
    return [
        ObjectOutput(
            stored=_images(stored, one.images),
            ends=(
                min(encoding.ends[image][0] for image in one.images),
                max(encoding.ends[image][1] for image in one.images),
            ),
            stored_type=one.stored,
            rescale=encoding.rescales[one.images[0]],
            frames=tuple(frames[index] for index in one.images),
            sop_uid=uid,
            instance_number=number,
            organizations=organizations,
        )
        for one, uid, number in zip(template.objects, uids, numbers, strict=True)
    ]


def _frames(request: WriteRequest, template: Template, plan: SeriesPlan) -> list[FrameOutput]:
    """Each image of the array with its place among the frames of the series."""
    stated, grid = template.indices, plan.grid
    placed = compacted(stated) if grid is None or not grid.moved else restacked(stated, grid.slices)
    users = Counter((source.path, source.frame) for source in request.sources)
    return [
        FrameOutput(
            source=source,
            indices=indices,
            # repetitions are told apart by their times
            timeless=users[source.path, source.frame] > 1 and request.array.ndim != 4,
        )
        for source, indices in zip(request.sources, placed, strict=True)
    ]


def _images(stored: Array, images: Sequence[int]) -> Array:
    """Those images of all; a view where they follow each other."""
    first, last = images[0], images[-1]
    if list(images) == list(range(first, last + 1)):
        return stored[first : last + 1]
    return np.asarray(stored[list(images)])


def write_objects(
    paths: Sequence[Path],
    images: Sequence[ObjectOutput],
    template: Template,
    plan: SeriesPlan,
    options: WriteOptions,
    count: ImageCount,
) -> None:
    """Each object in its file; ``count`` counts the frames."""
    for path, source, image in zip(paths, template.files, images, strict=True):
        header = read_header(source)
        with write_errors_named(path, source):
            lossy.remember(header, source, image.stored_type)
            _derive(header, plan, image, [private_block(text) for text in options.keep_private])
            if options.compress == "none":
                write_header(path, header)
                _append_pixels(path, header, image)
                count.add(len(image.frames))
            else:
                kind, name = image.stored_type, options.compress
                syntax = compress_pixels(header, image.stored, kind, name, str(source), count.add)
                write_header(path, header, syntax)


def _derive(header: FileDataset, plan: SeriesPlan, image: ObjectOutput, keep: Sequence[PrivateBlock]) -> None:
    """Turn a header of the template, in place, into that of the derived object, but for its pixels."""
    choose_frames(header, image.frames)
    excerpts = private_dimensions(header)
    # readers divide the frames of Philips' private dimensions by it
    counted = [PHILIPS_SLICES] if any(len(excerpt) for excerpt in excerpts) else []
    strip(header, [*keep, *counted])
    _count_slices(header, image)
    if header.original_encoding[1] is False:
        swap_words(header)
    derive_groups(header, plan, image, excerpts)
    class_uid, source_uid, series_uid = (
        text(header, keyword) for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
    )
    if "ReferencedSeriesSequence" in header and legal_uid(source_uid) and legal_uid(series_uid):
        reference_series(header, class_uid, source_uid, series_uid)
    identify(header, plan, image.sop_uid, image.instance_number)
    header.Rows, header.Columns = image.stored.shape[1:3]
    describe_colour(header)
    describe_pixels(header, image.ends, image.stored_type)


def _count_slices(header: FileDataset, image: ObjectOutput) -> None:
    """Philips' number of slices, in place, where it is kept: that of the frames that are written."""
    for tag in list(kept_tags(header, [PHILIPS_SLICES])):
        if not tag.is_private_creator:
            header[tag].value = len({(frame.indices.stack, frame.indices.position) for frame in image.frames})


def _append_pixels(path: Path, header: FileDataset, image: ObjectOutput) -> None:
    """Pixel Data, the last element, straight from the array's memory: little endian (PS3.5 7.1, A.2).

    OW, or OB up to 8 bits allocated.
    """
    words = np.ascontiguousarray(image.stored, image.stored_type.dtype.newbyteorder("<"))
    length = words.nbytes + words.nbytes % 2
    if length > _MAX_BYTES:
        raise TemplateError(
            f"{path.name}: {words.nbytes} bytes of pixels; one object holds at most {_MAX_BYTES} without "
            "compression. Write the volume in parts, or ask for compression"
        )
    tag = struct.pack("<HH", 0x7FE0, 0x0010)
    vr = b"OB" if image.stored_type.bits_allocated <= 8 else b"OW"
    implicit = header.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    with path.open("ab") as stream:
        stream.write(tag + (b"" if implicit else vr + b"\0\0") + struct.pack("<L", length))
        stream.write(words.data)
        stream.write(b"\0" * (words.nbytes % 2))
