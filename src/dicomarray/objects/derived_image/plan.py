"""What the images of a derived series share, and what tells them apart: identity, time, names, range."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset

from dicomarray.core.pixel_values import Rescale
from dicomarray.dicom.uids import UID_NAMESPACE, random_uid
from dicomarray.errors import UsageError
from dicomarray.objects.common.headers import text, values, whole_number
from dicomarray.objects.common.options import WriteOptions
from dicomarray.objects.derived_image.derive import SeriesPlan, SliceOutput
from dicomarray.objects.derived_image.encode import Encoding
from dicomarray.objects.derived_image.grid import new_grid
from dicomarray.objects.derived_image.request import WriteRequest
from dicomarray.objects.derived_image.template import Template
from dicomarray.version import __version__

# Longest Series Description, in characters (VR LO), and what is added to the template's.
_LONGEST_DESCRIPTION = 64
_DESCRIPTION_SUFFIX = " (dicomarray)"
# Added to the template's Series Number: worklists sort by it, and scanners count from 1.
SERIES_NUMBER_STEP = 1000
_GREATEST_NUMBER = 2**31 - 1  # VR IS


def make_plan(
    template: Template, encoding: Encoding, options: WriteOptions, request: WriteRequest
) -> SeriesPlan:
    """Everything that is one for the whole series.

    Raises
    ------
    UsageError
        Where a description or number cannot be written.
    """
    first = template.headers[0]
    low, high = _ends(
        (float(value), rescale)
        for pair, rescale in zip(encoding.ends, encoding.rescales, strict=True)
        for value in pair
    )
    return SeriesPlan(
        kind=template.kind,
        series_uid=_series_uid(template, encoding, options, request),
        series_number=_series_number(first, options.series_number),
        description=_description(template, options.series_description),
        derivation=f"Pixel values computed from the source images; written by dicomarray {__version__}",
        units=request.units,
        now=None if options.uid_key is not None else _now(first),
        slope=encoding.slope,
        intercept=encoding.intercept,
        low=low,
        high=high,
        representable=_ends(
            (float(value), rescale)
            for rescale, stored in zip(template.rescales, template.stored, strict=True)
            for value in (stored.minimum, stored.maximum)
        ),
        stored_values_given=options.values == "stored",
        keep_equipment=options.equipment == "keep",
        grid=new_grid(request),
    )


def image_uids(template: Template, plan: SeriesPlan, options: WriteOptions) -> tuple[str, ...]:
    """New SOP Instance UIDs, one for each image."""
    return tuple(
        new_uid(options, plan.series_uid, uid, str(index)) for index, uid in enumerate(template.sop_uids)
    )


def image_maker(
    template: Template, encoding: Encoding, plan: SeriesPlan, uids: Sequence[str], request: WriteRequest
) -> Callable[[int], SliceOutput]:
    """What makes the image of an index: its stored values may be a copy, which lasts as long as the image."""
    repetitions = len(request.array) if request.array.ndim - request.image_axes == 2 else 1
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


def _ends(pairs: Iterable[tuple[float, Rescale]]) -> tuple[float, float]:
    decoded = [value * rescale.slope + rescale.intercept for value, rescale in pairs]
    return min(decoded), max(decoded)


def _series_uid(template: Template, encoding: Encoding, options: WriteOptions, request: WriteRequest) -> str:
    if options.uid_key is None:
        return new_uid(options)
    return new_uid(options, "series", *_fingerprint(template, encoding, request))


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


def new_uid(options: WriteOptions, *parts: str) -> str:
    """Random, or, with a key, the same for the same parts (PS3.5 B.2)."""
    if options.uid_key is None:
        return random_uid()
    # how the files are put in place says nothing of what is in them
    said = replace(options, verify=True, overwrite=False)
    name = "\0".join((__version__, repr(said), *parts))
    return f"2.25.{uuid.uuid5(UID_NAMESPACE, name).int}"


def _series_number(first: Dataset, chosen: int | None) -> int:
    if chosen is not None:
        if not 0 <= chosen <= _GREATEST_NUMBER:
            raise UsageError(f"series_number={chosen} is outside of 0 to {_GREATEST_NUMBER} (VR IS)")
        return chosen
    number = (whole_number(text(first, "SeriesNumber")) or 0) + SERIES_NUMBER_STEP
    return number if 0 <= number <= _GREATEST_NUMBER else SERIES_NUMBER_STEP


def _description(template: Template, chosen: str | None) -> str:
    if chosen is None:
        original = " ".join(str(part) for part in values(template.headers[0], "SeriesDescription"))
        original = "".join(letter for letter in original if letter.isprintable()).strip()
        room = _LONGEST_DESCRIPTION - len(_DESCRIPTION_SUFFIX)
        return (original[:room].rstrip() + _DESCRIPTION_SUFFIX).strip()
    if len(chosen) > _LONGEST_DESCRIPTION or "\\" in chosen or not chosen.isprintable():
        raise UsageError(
            f"series_description={chosen!r}: at most {_LONGEST_DESCRIPTION} printable characters without "
            "backslash can be written (VR LO)"
        )
    for terms in {tuple(values(header, "SpecificCharacterSet")) for header in template.headers}:
        if not chosen.isascii() and not _encodable(chosen, list(terms)):
            raise UsageError(
                f"series_description={chosen!r} cannot be written in the template's SpecificCharacterSet "
                f"{list(terms) or '(none: ASCII)'}; use ASCII letters"
            )
    return chosen


def _encodable(words: str, terms: list[str]) -> bool:
    for encoding in convert_encodings(terms) if terms else []:
        try:
            words.encode(encoding)
        except UnicodeEncodeError:
            continue
        return True
    return False


def _now(first: Dataset) -> datetime:
    """The time of the run, in the time zone that the template counts in (PS3.3 C.12.1.1.8)."""
    offset = text(first, "TimezoneOffsetFromUTC")
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdecimal():
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        if minutes < 24 * 60:
            return datetime.now(timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)))
    return datetime.now()  # without an offset, times in DICOM are local
