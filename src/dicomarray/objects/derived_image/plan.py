"""What the images of a derived series share, and what tells them apart: identity, values, numbers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from dicomarray.core.pixel_values import Rescale
from dicomarray.objects.common.headers import whole_number
from dicomarray.objects.common.identity import new_identity, new_uid
from dicomarray.objects.common.options import WriteOptions
from dicomarray.objects.derived_image.derive import SeriesPlan
from dicomarray.objects.derived_image.encode import Encoding
from dicomarray.objects.derived_image.grid import new_grid
from dicomarray.objects.derived_image.image_output import SliceOutput
from dicomarray.objects.derived_image.request import WriteRequest
from dicomarray.objects.derived_image.template import Template


def make_plan(
    request: WriteRequest, template: Template, encoding: Encoding, options: WriteOptions
) -> SeriesPlan:
    """Everything that is one for the whole series."""
    low, high = _ends(encoding.ends, encoding.rescales)
    can_be = [(stored.minimum, stored.maximum) for stored in template.stored]
    return SeriesPlan(
        request=request,
        template=template,
        encoding=encoding,
        options=options,
        identity=new_identity(template.headers, _series_uid(template, encoding, options, request), options),
        low=low,
        high=high,
        representable=_ends(can_be, template.rescales),
        grid=new_grid(request),
    )


def image_uids(plan: SeriesPlan) -> tuple[str, ...]:
    """New SOP Instance UIDs, one for each file."""
    return tuple(
        new_uid(plan.options, plan.identity.series_uid, uid, str(index))
        for index, uid in enumerate(plan.template.sop_uids)
    )


def image_maker(plan: SeriesPlan, uids: Sequence[str]) -> Callable[[int], SliceOutput]:
    """What makes the image of an index: its stored values may be a copy, which lasts as long as the image."""
    request, template, encoding = plan.request, plan.template, plan.encoding
    repetitions = len(request.array) if request.array.ndim - len(template.layout.shape) == 2 else 1
    numbers = instance_numbers(template.instance_numbers, repetitions)
    users = Counter((source.path, source.frame) for source in request.sources if plan.grid is not None)
    # a PET is decay corrected by the times of its images (PS3.3 C.8.9.4); repetitions are told apart by them
    timed = plan.kind.series_time_kept or request.array.ndim == 4

    def make(index: int) -> SliceOutput:
        source = request.sources[index]
        return SliceOutput(
            stored=encoding.stored[index],
            ends=encoding.ends[index],
            stored_type=template.stored[index],
            rescale=encoding.rescales[index],
            sop_uid=uids[index],
            instance_number=numbers[index],
            source=source,
            index=index,
            timeless=source.plane is not None and not timed and users[source.path, source.frame] > 1,
        )

    return make


def instance_numbers(found: Sequence[str], repetitions: int = 1) -> list[int | None]:
    """None where each image keeps its Instance Number, because all have one of their own; else 1..N.

    ``found`` are the template's, repetitions slowest.  Where there are several, their numbers stay only if
    they run in the order of the array, repetition by repetition or slice by slice: readers tell repetitions
    by them, and what else told the template's may be private.
    """
    known = {number for number in found if number}
    kept = len(known) == len(found) and (repetitions == 1 or _run(found, repetitions))
    return [None] * len(found) if kept else list(range(1, len(found) + 1))


def _run(found: Sequence[str], repetitions: int) -> bool:
    """Whether numbers come repetition by repetition, or else slice by slice, in either order of slices."""
    whole = [whole_number(number) for number in found]
    if None in whole:
        return False
    numbers = np.array(whole, np.int64).reshape(repetitions, -1)
    if np.all(numbers[:-1].max(axis=1) < numbers[1:].min(axis=1)):
        return True
    upwards = all(np.diff(numbers, axis=0).ravel() > 0)
    first, last = numbers[0], numbers[-1]
    return upwards and bool(np.all(last[:-1] < first[1:]) or np.all(last[1:] < first[:-1]))


def _ends(pairs: Iterable[tuple[int, int]], rescales: Sequence[Rescale]) -> tuple[float, float]:
    """The least and the greatest decoded value, of the ends of each image."""
    decoded = [
        float(value) * rescale.slope + rescale.intercept
        for pair, rescale in zip(pairs, rescales, strict=True)
        for value in pair
    ]
    return min(decoded), max(decoded)


def _series_uid(template: Template, encoding: Encoding, options: WriteOptions, request: WriteRequest) -> str:
    if options.uid_key is None:
        return new_uid(options)
    uid = new_uid(options, "series", *_fingerprint(template, encoding, request))
    frames = [source.frame for source in request.sources]
    return new_uid(options, uid, repr(frames)) if request.enhanced else uid


def _fingerprint(template: Template, encoding: Encoding, request: WriteRequest) -> tuple[str, ...]:
    pixels = hashlib.sha256()
    for index in range(len(encoding.stored)):
        pixels.update(np.ascontiguousarray(encoding.stored[index]).data)
    return (
        pixels.hexdigest(),
        repr((request.array.shape, request.units, [source.plane for source in request.sources])),
        repr(encoding.rescales),
        *template.sop_uids,
    )
