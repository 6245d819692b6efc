"""Why series do not match, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dicomarray.core.plain_text import one_line
from dicomarray.query.explanation import Condition, Explanation, Missed, Reason, Values
from dicomarray.query.facts import FACTS
from dicomarray.query.selection import Seen

# Nobody reads through more series; the nearest misses come first.
MAX_MISSED = 50
MAX_DROPPED_FOR = 3
# Characters of a value; a list of UIDs or a comment would fill the screen.
MAX_VALUE_LENGTH = 60


def explanation_lines(explanation: Explanation) -> list[str]:
    """The scan, the conditions, then the series that do not match, nearest miss first."""
    scanned = explanation.scanned
    lines = [
        f"{scanned.files} files seen: {scanned.not_dicom} not DICOM, {scanned.unreadable} unreadable, "
        f"{scanned.without_series_uid} without Series Instance UID",
        f"{scanned.series} series found, {explanation.matching} taken",
    ]
    for condition in explanation.conditions:
        lines += _condition_lines(condition, scanned.series)
    lines += explanation.hints
    for missed in explanation.missed[:MAX_MISSED]:
        lines += ["", *_missed_lines(missed)]
    if len(explanation.missed) > MAX_MISSED:
        lines += ["", f"and {len(explanation.missed) - MAX_MISSED} more series that are further off"]
    return lines


def _condition_lines(condition: Condition, series: int) -> Iterator[str]:
    alone = f", the only one that fails for {condition.only_blocker}" if condition.only_blocker else ""
    yield f"{condition.path}: {condition.passed} of {series} series pass{alone}"
    for values in condition.values:
        yield f"  {_values_text(values)}"


def _values_text(values: Values) -> str:
    seen = ", ".join(f"{_value_text(one)} in {one.count} series" for one in values.common)
    return f"{values.field} is {seen}{_more(values.common, values.distinct)}"


def _missed_lines(missed: Missed) -> Iterator[str]:
    if missed.dropped_for:
        earlier = "; ".join(missed.dropped_for[:MAX_DROPPED_FOR])
        more = len(missed.dropped_for) - MAX_DROPPED_FOR
        earlier += f" and {more} more" if more > 0 else ""
        yield f"{missed.title} matches, but the limit took {earlier}"
        return
    yield missed.title
    for reason in missed.reasons:
        yield f"  {_reason_text(reason)}"


def _reason_text(reason: Reason) -> str:
    """``$.ImageType: 3 of 4 images pass: AXIAL in 3, LOCALIZER in 1 (instances disagree; use "some")``."""
    hints = f" ({'; '.join(reason.hints)})" if reason.hints else ""
    more = _more(reason.common, reason.distinct)
    if reason.field in FACTS:  # a fact is one of the whole series
        return f"{reason.path}: {', '.join(map(_value_text, reason.common))}{more}{hints}"
    if reason.distinct == 1 and not reason.passed:
        images = f"all {reason.total} images" if reason.total > 1 else "its one image"
        return f"{reason.path}: {_value_text(reason.common[0])} in {images}{hints}"
    seen = ", ".join(f"{_value_text(one)} in {one.count}" for one in reason.common)
    return f"{reason.path}: {reason.passed} of {reason.total} images pass: {seen}{more}{hints}"


def _more(common: Sequence[Seen], distinct: int) -> str:
    more = distinct - len(common)
    return f" and {more} other values" if more > 0 else ""


def _value_text(seen: Seen) -> str:
    if seen.value is None:
        return "(empty)" if seen.present else "(absent)"
    text = one_line(seen.value)  # else a line break in a file's text would forge a line
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 3] + "..."
