"""An array and the enhanced multi-frame objects of its template to a derived series: all of it, or nothing.

For each object of the template one is written, with the frames that the array holds of it, in the order of
the array: slices ascending along the normal, repetitions slowest.  That is the order in which simple readers
(ITK, and with it SimpleITK) take frames for slices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset

from dicomarray.core.pixel_values import Array
from dicomarray.objects.common import lossy
from dicomarray.objects.common.files import write_errors_named
from dicomarray.objects.common.headers import read_header
from dicomarray.objects.common.identity import new_uid
from dicomarray.objects.common.modules import reference_series
from dicomarray.objects.derived_image.derive import SeriesPlan, identify
from dicomarray.objects.derived_image.enhanced.dimensions import compacted, keep_named, restacked
from dicomarray.objects.derived_image.enhanced.functional_groups import choose_frames, derive_groups
from dicomarray.objects.derived_image.image_output import FrameOutput, ObjectOutput, write_image
from dicomarray.objects.derived_image.pixel_layout import describe_colour
from dicomarray.objects.derived_image.plan import instance_numbers
from dicomarray.objects.derived_image.strip_attributes import kept_tags, strip, swap_words
from dicomarray.runtime.threads import ImageCount

PHILIPS_SLICES = "(2001,Philips Imaging DD 001,18)"


def derived_objects(plan: SeriesPlan, uids: Sequence[str]) -> list[ObjectOutput]:
    """The derived objects, with these SOP Instance UIDs."""
    template, encoding = plan.template, plan.encoding
    numbers = instance_numbers(template.instance_numbers)
    stored = np.asarray(encoding.stored)
    frames = _frames(plan)
    organization = cache(partial(new_uid, plan.options, plan.identity.series_uid))
    return [
        ObjectOutput(
            stored=_images(stored, images),
            ends=(
                min(encoding.ends[image][0] for image in images),
                max(encoding.ends[image][1] for image in images),
            ),
            stored_type=template.stored[images[0]],
            rescale=encoding.rescales[images[0]],
            frames=tuple(frames[index] for index in images),
            sop_uid=uid,
            instance_number=number,
            organization=organization,
        )
        for images, uid, number in zip(template.images, uids, numbers, strict=True)
    ]


def _frames(plan: SeriesPlan) -> list[FrameOutput]:
    """Each image of the array with its place among the frames of the series."""
    request, stated, grid = plan.request, plan.template.indices, plan.grid
    placed = compacted(stated) if grid is None or not grid.moved else restacked(stated, grid.slices)
    users = Counter((source.path, source.frame) for source in request.sources)
    return [
        FrameOutput(
            source=source,
            indices=indices,
            rescale=rescale,
            # repetitions are told apart by their times
            timeless=users[source.path, source.frame] > 1 and request.array.ndim != 4,
        )
        for source, indices, rescale in zip(request.sources, placed, plan.template.rescales, strict=True)
    ]


def _images(stored: Array, images: Sequence[int]) -> Array:
    """Those images of all; a view where they follow each other."""
    first, last = images[0], images[-1]
    if list(images) == list(range(first, last + 1)):
        return stored[first : last + 1]
    return np.asarray(stored[list(images)])


def write_objects(
    paths: Sequence[Path], images: Sequence[ObjectOutput], plan: SeriesPlan, count: ImageCount
) -> None:
    """Each object in its file; ``count`` counts the frames."""
    for path, source, image in zip(paths, plan.template.files, images, strict=True):
        header = read_header(source)
        with write_errors_named(path, source):
            lossy.remember(header, source, image.stored_type)
            _derive(header, plan, image)
            write_image(path, header, image, plan.options.compress, source, count.add)
            if plan.options.compress == "none":
                count.add(len(image.frames))


def _derive(header: FileDataset, plan: SeriesPlan, image: ObjectOutput) -> None:
    """Turn a header of the template, in place, into that of the derived object, but for its pixels."""
    choose_frames(header, image.frames)
    named = keep_named(header)
    # readers divide the frames of Philips' private dimensions by it
    counted = [PHILIPS_SLICES] if named else []
    strip(header, [*plan.options.keep_private, *counted], named)
    _count_slices(header, image)
    if header.original_encoding[1] is False:
        swap_words(header)
    derive_groups(header, plan, image)
    reference_series(header)
    identify(header, plan, image)
    header.Rows, header.Columns = image.stored.shape[1:3]
    describe_colour(header)


def _count_slices(header: FileDataset, image: ObjectOutput) -> None:
    """Philips' number of slices, in place, where it is kept: that of the frames that are written."""
    for tag in list(kept_tags(header, [PHILIPS_SLICES])):
        if not tag.is_private_creator:
            header[tag].value = len({(frame.indices.stack, frame.indices.position) for frame in image.frames})
