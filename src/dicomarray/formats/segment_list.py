"""``segments=``: what labels or masks stand for, in every form that it may be given in -> `Segment`s."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dicomarray.core.coded_terms import coded
from dicomarray.core.segments import Segment
from dicomarray.errors import SegmentationError, UsageError
from dicomarray.formats import dcmqi_metadata
from dicomarray.storage.json_files import read_json

# One of: the path of a JSON; names by number, or numbers by name; a list of names, in the order of their
# numbers from 1; segments, or what `Segment.to_json` makes of them.
Segments = str | os.PathLike[str] | Mapping[Any, Any] | Sequence[Any]
LARGEST_BYTES = 1 << 26  # of a JSON of segments: 65535 of them, with long texts
BACKGROUND = 0
FORMS = (
    'segments={1: "liver", 2: "spleen"}, a list of names or of Segment, or the path of a JSON of either '
    '(--segments names.json: {"1": "liver", "2": "spleen"})'
)


def segments_of(given: Segments | None, masks: Iterable[str] = ()) -> tuple[Segment, ...]:
    """The segments that a user gave, in the order of their numbers.

    Parameters
    ----------
    given
        Names by number, ``{1: "liver", 2: "spleen"}``, or numbers by name; names in a list, numbered from 1;
        `Segment`s; the path of a JSON of any of these, which may be a sidecar, nnU-Net's ``dataset.json`` or
        dcmqi's metadata (``segmentAttributes``).
        Names of terms or segments by the name of the mask, where masks have names.  None stands for these.
    masks
        The names of masks, where they have names: each needs a segment of its label.

    Raises SegmentationError where a name is unknown (the message suggests), or there are no segments and no
    names; UsageError where it is nothing of the kind; InputError where the file cannot be read.
    """
    names = tuple(masks)
    if given is None:
        segments = [coded(Segment(at, name)) for at, name in enumerate(names, 1)]
    else:
        segments = _parsed(given, names)
    if not segments:
        raise SegmentationError(f"nothing says what the labels stand for: give {FORMS}")
    return tuple(sorted(segments, key=lambda segment: segment.number))


def _parsed(given: Segments, masks: Sequence[str] = ()) -> list[Segment]:
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        if isinstance(given, str) and not path.suffix and not path.exists():
            if given.lstrip()[:1] in ("{", "["):
                raise UsageError(
                    "the segments are JSON itself: put it into a file and give its path (--segments "
                    "names.json); in Python give the dict or list"
                )
            raise UsageError(
                f'there is no file "{given}"; of one segment give its name in a list: ["{given}"] (for '
                "--segments in a file, names.json)"
            )
        try:
            return _parsed(read_json(path, LARGEST_BYTES, "list of segments", f". Give {FORMS}"), masks)
        except (UsageError, SegmentationError) as error:
            raise type(error)(f"{path}: {error}") from error
    if isinstance(given, Mapping):
        return _of_mapping(given, masks)
    if isinstance(given, Sequence):
        return [_one(at, one) for at, one in enumerate(given, 1)]
    raise UsageError(f"segments is a {type(given).__name__}: give {FORMS}")


def _of_mapping(given: Mapping[Any, Any], masks: Sequence[str]) -> list[Segment]:
    if set(given) & set(masks) and not any(_is_number(value) for value in given.values()):
        if unknown := [name for name in given if name not in masks]:
            raise SegmentationError(f"segments has {unknown[0]!r:.80}, and there is no mask of that name")
        return [replace(_one(masks.index(name) + 1, one), label=name) for name, one in given.items()]
    if dcmqi_metadata.KEY in given:
        return [coded(segment) for segment in dcmqi_metadata.segments_of(given)]
    for key in ("segments", "labels"):  # a sidecar; the dataset.json of nnU-Net
        inner = given.get(key)
        if isinstance(inner, Mapping | list):
            return _parsed(inner, masks)
    if given and all(_is_number(value) for value in given.values()):
        given = {number: name for name, number in given.items()}
    return [_one(_number(key), one) for key, one in given.items() if not _is_background(key, one)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_background(key: Any, one: Any) -> bool:
    return str(key) == str(BACKGROUND) and (not isinstance(one, str) or one.lower() == "background")


def _number(key: Any) -> int:
    try:
        return int(str(key))
    except ValueError:
        raise UsageError(
            f"the number of a segment is {key!r:.80}, and no whole number: give {FORMS}"
        ) from None


def _one(number: int, given: Any) -> Segment:
    if isinstance(given, Segment):
        return given
    if isinstance(given, str):
        return coded(Segment(number, given))
    if isinstance(given, Mapping):
        return coded(Segment.from_json({"number": number, **given}))
    if isinstance(given, list):
        raise UsageError(
            f"segment {number} stands for {given!r:.80}: give regions that overlap as masks, each by its name"
        )
    raise UsageError(f"segment {number} is a {type(given).__name__}: give a name or a Segment")


def relabelled(segments: Sequence[Segment], given: Segments | None) -> tuple[Segment, ...]:
    """Segments that are known already, but for what a user says anew about their numbers or labels.

    What has a number and a label that are not known is a further segment.

    Raises SegmentationError where a label is known by another number than the user says, which is another
    segment's.
    """
    if given is None:
        return tuple(segments)
    labels = {segment.label: segment.number for segment in segments}
    new = {segment.number: segment for segment in segments}
    for one in segments_of(given):
        number = labels.get(one.label, one.number)
        if number != one.number and one.number in labels.values():
            raise SegmentationError(
                f'"{one.label}" is segment {number} of the labels, and {one.number} in segments: give it the '
                "number that it has there, or leave segments out"
            )
        new[number] = replace(one, number=number)
    return tuple(new[number] for number in sorted(new))
