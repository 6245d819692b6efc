"""What each repetition of a volume is at: the name of their axis, and every attribute that tells them apart.

A value is that of all images of a repetition, or the earliest where each has a time of its own.  Free text is
told by words of a closed list only, since it may name a patient.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.acquisition_order import ACQUIRED, moment
from dicomarray.assembly.grouping.discriminators import (
    ASL_CONTEXT,
    ATTRIBUTES,
    AXES,
    FURTHER,
    PHILIPS_LABEL,
    RANKED,
    differing,
    distinct,
)
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.diffusion import CANON_ELEMENT, canon_diffusion

# Of these each slice may have its own value: the earliest stands for the repetition.
_NUMBERS = (*RANKED, "NominalCardiacTriggerDelayTime", "TemporalPositionTimeOffset")
_MOMENTS = (
    "AcquisitionDate", *ACQUIRED, "FrameReferenceDateTime", "ContentDate", "ContentTime",
)  # fmt: skip
_NAMES = tuple(dict.fromkeys((*ATTRIBUTES, *RANKED, *FURTHER, *_MOMENTS)))
# What a free text may say of a repetition.
FREE_TEXT_WORDS = frozenset((
    "label", "labeled", "labelled", "control", "tag", "tagged", "untagged", "m0", "calibration", "perfusion",
    "rest", "stress", "inspiration", "expiration", "inhale", "exhale", "systole", "diastole", "baseline",
    "native", "pre", "post", "arterial", "venous", "portal", "delayed", "equilibrium", "left", "right", "on",
    "off", "positive", "negative",
))  # fmt: skip
_WORD = re.compile(r"[a-z0-9]+")
Groups = Sequence[Sequence[Frame]]


def axis_and_coordinates(groups: Groups) -> tuple[str, dict[str, list[Any]]]:
    """The axis, named by the first attribute that is one value in a repetition, and what all of them say."""
    varying = differing(itertools.chain.from_iterable(groups), _NAMES)
    steps = {name: found for name in varying if (found := _steps(groups, name)) is not None}
    constant = {name for name in steps if all(len(distinct(group, name)) == 1 for group in groups)}
    axis = next((axis for axis, names in AXES.items() if not constant.isdisjoint(names)), "time")
    private = {name: found for name, found in steps.items() if name.startswith("(")}
    coordinates = {name: found for name, found in steps.items() if name not in private}
    if (labels := private.pop(PHILIPS_LABEL, None)) and all(isinstance(label, str) for label in labels):
        coordinates[ASL_CONTEXT] = [label.strip().upper() for label in labels]
    numbers = {"InstanceNumber": _earliest(groups, "InstanceNumber", int)}
    for name, found in (*private.items(), *numbers.items()):  # where nothing else tells all of them apart
        before = _count_distinct(coordinates)
        if name == "InstanceNumber" and not coordinates:
            break  # nothing but the order in which they were acquired, which is that of the axis
        if before < len(groups) and found and _count_distinct({**coordinates, name: found}) > before:
            coordinates[name] = found
    return axis, coordinates


def _steps(groups: Groups, name: str) -> list[Any] | None:
    """The value in each repetition; None where there is none, or one for all of them."""
    values = [distinct(group, name) for group in groups]
    found: list[Any] | None = None
    if all(len(value) == 1 for value in values):
        found = [next(iter(value)) for value in values]
        found = _words(found) if name == CANON_ELEMENT else found
    elif name in _MOMENTS:
        found = _earliest(groups, name, str)
    elif name in _NUMBERS:
        found = _earliest(groups, name, (int, float))
    return found if found is not None and len(set(found)) > 1 else None


def _earliest(groups: Groups, name: str, kind: Any) -> list[Any] | None:
    values: list[list[Any]] = [[frame.attributes.get(name) for frame in group] for group in groups]
    if not all(isinstance(value, kind) for group in values for value in group):
        return None
    return [min(group, key=moment) for group in values]


def _words(texts: Sequence[Hashable]) -> list[Any] | None:
    """A word of the closed list for each text; 1, 2, ... where one has none, or two have the same."""
    if any(canon_diffusion(text) for text in texts):
        return None  # b-value and gradient, which stand in attributes of their own
    known = [FREE_TEXT_WORDS.intersection(_WORD.findall(str(text or "").lower())) for text in texts]
    words = [min(found) if len(found) == 1 else None for found in known]
    if None not in words and len(set(words)) == len(set(texts)):
        return words
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts), start=1)}
    return [numbers[text] for text in texts]


def _count_distinct(coordinates: Mapping[str, Sequence[Any]]) -> int:
    """How many repetitions some coordinates tell apart."""
    return len(set(zip(*coordinates.values(), strict=True))) if coordinates else 0


def out_of_time(coordinates: Mapping[str, Sequence[Any]]) -> Warnings:
    """A warning where repetitions are in another order than that of their times; midnight may lie between."""
    for keyword in ACQUIRED:
        times = [moment(time) for time in coordinates.get(keyword, ())]
        dates = coordinates.get("AcquisitionDate") if keyword == "AcquisitionTime" else None
        moments = list(zip(dates, times, strict=True)) if dates and times else [("", time) for time in times]
        steps_back = sum(after < before for before, after in itertools.pairwise(moments))
        known_day = "Date" in keyword or bool(dates)
        if steps_back > (0 if known_day else 1) or (steps_back and moments[-1] > moments[0]):
            return warning(
                f"repetitions are in the order of their numbers, which is not that of {keyword} [time-order]"
            )
    return ()
