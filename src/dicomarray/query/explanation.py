"""Why series do not match: a report, data only; the command line renders it.

Values that name the patient are hidden unless they are asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from dicomarray.assembly.series import Series
from dicomarray.dicom.dictionary import keywords, vr_for_tag
from dicomarray.dicom.headers.columns import HasColumns
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.vr import Value
from dicomarray.errors import InputError
from dicomarray.query.nodes import Entry
from dicomarray.query.selection import Failure, Seen, Selection, Verdicts, evaluate_all, parse
from dicomarray.sources.base import Skipped
from dicomarray.storage.references import ObjectReference

# Of the values of a condition, so many are shown.
MAX_EXAMPLES = 5
HIDDEN = "(hidden)"
# Files that are looked through for an attribute that is nowhere to be found, of as many series.
LOOKED_THROUGH = 5
# Reasons for which a file is no DICOM image rather than a damaged one.
_NOT_DICOM = ("not DICOM", "an empty file", "a DICOMDIR")


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the scan saw: files, members of archives among them."""

    files: int
    not_dicom: int
    unreadable: int
    without_series_uid: int
    series: int


@dataclass(frozen=True, slots=True)
class Values:
    """The most common values of a field or fact; ``count`` of each is the number of series that have it."""

    field: str
    common: tuple[Seen, ...]
    distinct: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of the top level: how many series pass, and for how many it alone is in the way."""

    path: str
    passed: int
    only_blocker: int
    values: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class Reason(Values):
    """A condition that a series fails: the values seen, instances that pass, and what may help."""

    path: str
    passed: int
    total: int
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """A series that is not taken: what it fails; or the series that the limit took in its place."""

    title: str
    reasons: tuple[Reason, ...]
    dropped_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of everything; ``missed`` begins with the nearest miss."""

    scanned: Scanned
    matching: int
    conditions: tuple[Condition, ...]
    missed: tuple[Missed, ...]
    hints: tuple[str, ...]


def explain_series(
    series: Sequence[Series], skipped: Sequence[Skipped], selection: Selection, show_patient: bool = False
) -> Explanation:
    """As `explain`, for series that were read before anybody asked; what is not known of them is read."""
    further = selection.attributes - DEFAULT_KEYWORDS
    known = [_with(one, further) for one in series] if further else series
    return explain(evaluate_all(selection, known), skipped, show_patient)


def _with(series: Series, names: frozenset[str]) -> Series:
    """The series with more attributes read; an index has all of them."""
    if isinstance(series.instances, HasColumns):
        return series
    headers = [
        replace(header, attributes={**header.attributes, **header.further(names)})
        for header in series.instances
    ]
    return replace(series, instances=tuple(headers))


def explain(verdicts: Verdicts, skipped: Sequence[Skipped], show_patient: bool = False) -> Explanation:
    """The report on series that were judged, and on what the scan skipped."""
    order = sorted(range(len(verdicts.series)), key=lambda number: _distance(verdicts, number))
    relaxed = _without_case(verdicts.selection)
    return Explanation(
        scanned=_scanned(verdicts.series, skipped),
        matching=len(verdicts.kept),
        conditions=tuple(
            _condition(entry, verdicts, show_patient) for entry in verdicts.selection.root.parts
        ),
        missed=tuple(
            _missed(verdicts, number, relaxed, show_patient)
            for number in order
            if number not in verdicts.kept
        ),
        hints=tuple(_absent_everywhere(verdicts)),
    )


def _scanned(series: Sequence[Series], skipped: Sequence[Skipped]) -> Scanned:
    no_dicom = sum(item.reason.startswith(_NOT_DICOM) for item in skipped)
    return Scanned(
        files=sum(len(one.instances) for one in series) + len(skipped),
        not_dicom=no_dicom,
        unreadable=len(skipped) - no_dicom,
        without_series_uid=sum(not one.uid for one in series),
        series=len(series),
    )


def _distance(verdicts: Verdicts, number: int) -> tuple[int, float]:
    """How far a series is from matching: conditions that fail, and the part of instances that fail them."""
    failures = verdicts.decisions[number].failures
    conditions = {failure.condition for failure in failures}
    failing = [1 - failure.passed / failure.total for failure in failures]
    return len(conditions), sum(failing) / len(failing) if failing else 0.0


def _condition(entry: Entry, verdicts: Verdicts, show_patient: bool) -> Condition:
    path = entry.path
    failing = [{failure.condition for failure in decision.failures} for decision in verdicts.decisions]
    values = []
    for name, leaf in {leaf.field.name: leaf for leaf in entry.leaves()}.items():
        counter = Counter(key for decision in verdicts.decisions for key in leaf.seen(decision.evaluation))
        common = [Seen(value, present, count) for (value, present), count in counter.most_common()]
        if common:  # else there are no series
            hide = leaf.identifying and not show_patient
            values.append(Values(name, *_shown(common, len(common), hide)))
    return Condition(
        path,
        passed=sum(path not in conditions for conditions in failing),
        only_blocker=sum(conditions == {path} for conditions in failing),
        values=tuple(values),
    )


def _shown(seen: Sequence[Seen], distinct: int, hide: bool) -> tuple[tuple[Seen, ...], int]:
    """The most common values, and how many there are; hidden, without those that are: none names nobody."""
    if hide:
        count = sum(item.count for item in seen if item.value is not None)
        kept = [item for item in seen if item.value is None]
        seen = [Seen(HIDDEN, True, count), *kept] if count else kept
        distinct = len(seen)
    return tuple(seen[:MAX_EXAMPLES]), distinct


def _missed(verdicts: Verdicts, number: int, relaxed: Selection | None, show_patient: bool) -> Missed:
    series, decision = verdicts.series[number], verdicts.decisions[number]
    if number in verdicts.dropped:
        return Missed(
            series.title, (), tuple(verdicts.series[taker].title for taker in verdicts.dropped[number])
        )
    by_case = set[str]()
    if relaxed is not None:
        still = {failure.condition for failure in relaxed.decide(decision.evaluation.rows).failures}
        by_case = {failure.condition for failure in decision.failures} - still
    return Missed(
        series.title,
        tuple(
            _reason(_with_doubt(failure, series), failure.condition in by_case, show_patient)
            for failure in decision.failures
        ),
    )


def _with_doubt(failure: Failure, series: Series) -> Failure:
    """Of a private element that a server does not tell nobody knows whether the instances have it."""
    if not failure.field.startswith("(") or any(item.present for item in failure.seen):
        return failure
    first = next(iter(series.instances)).reference
    if not (isinstance(first, ObjectReference) and first.is_described):
        return failure
    why = "the server does not tell it, and may leave out private elements; pull the series and ask its files"
    return replace(failure, why_unknown=why)


def _reason(failure: Failure, by_case: bool, show_patient: bool) -> Reason:
    shown = _shown(failure.seen, failure.distinct, failure.identifying and not show_patient)
    hints = tuple(_hints(failure, by_case))
    return Reason(failure.field, *shown, failure.path, failure.passed, failure.total, hints)


def _hints(failure: Failure, by_case: bool) -> list[str]:
    hints = []
    if failure.disagree:
        negated = ".not" in failure.path
        hints.append(
            f"instances disagree; use {'not: {every: ...}' if negated else chr(34) + 'some' + chr(34)}"
        )
    if failure.why_unknown is not None:
        hints.append(f"unknown: {failure.why_unknown}")
    if by_case:
        hints.append("only case: true is in the way")
    if any(item.value is None and item.present for item in failure.seen):
        hints.append("empty: present without a value, which matches empty: true and exists: false only")
    return hints


def _without_case(selection: Selection) -> Selection | None:
    """The same config without ``case: true``; None where it has none."""
    config = _drop_case(selection.config)
    return None if config == selection.config else parse(config)


def _drop_case(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return [_drop_case(part) for part in config]
    if not isinstance(config, dict):
        return config
    return {key: _drop_case(value) for key, value in config.items() if key != "case"}


def _absent_everywhere(verdicts: Verdicts) -> list[str]:
    """Attributes that no instance has; those that lie inside a sequence, with the way there."""
    hints = dict[str, None]()
    if not verdicts.series:
        return []
    for leaf in verdicts.selection.root.leaves():
        if leaf.field.is_fact:
            continue
        holders = [
            leaf.seen(decision.evaluation).keys() != {(None, False)} for decision in verdicts.decisions
        ]
        if any(holders):
            continue
        hint = f"{leaf.field.name} is absent from all {len(verdicts.series)} series"
        path = _inside_sequence(verdicts.series, leaf.field.key) if leaf.field.is_plain else None
        hints[hint + (f"; there is {path}, inside a sequence" if path else "")] = None
    return list(hints)


def _inside_sequence(series: Sequence[Series], keyword: str) -> str | None:
    for one in series[:LOOKED_THROUGH]:
        try:
            sequences = one.instances[0].further(_sequence_keywords())
        except InputError:
            continue
        for name, items in sequences.items():
            path = _path_to(keyword, items, name)
            if path is not None:
                return path
    return None


def _path_to(keyword: str, items: Value, path: str) -> str | None:
    for item in items if isinstance(items, tuple) else ():
        if not isinstance(item, Mapping):
            continue
        if keyword in item:
            return f"{path}.{keyword}"
        for name, value in item.items():
            found = _path_to(keyword, value, f"{path}.{name}")
            if found is not None:
                return found
    return None


@lru_cache(maxsize=1)
def _sequence_keywords() -> frozenset[str]:
    """Every sequence of the standard; which one holds an attribute only the file tells."""
    return frozenset(keyword for keyword, tag in keywords().items() if vr_for_tag(tag) == "SQ")
