"""The files of a series are nearly alike: what is alike is compared, not walked and decoded again.

A layout holds the elements of a series' first file, and which of them were ever seen to differ.  The others
form runs (`runs`).  A file that does not fit is walked whole, and what is new in it leaves the runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dicomarray.reading.element_values import Value
from dicomarray.reading.names import Request
from dicomarray.reading.part10 import (
    MEDIA_STORAGE_CLASS,
    META_START,
    PIXEL_DATA,
    TRANSFER_SYNTAX,
    DoubtError,
    FileMeta,
    PixelPlace,
    Place,
    Window,
    element_at,
    pixel_place,
    read_file_meta,
    walk,
)
from dicomarray.reading.runs import LONGEST_SHARED, ChangedError, Found, Plan, Raw, make_plan, read_by_plan
from dicomarray.reading.steps import Steps, make_steps, read_by_steps
from dicomarray.reading.walked import values_of

# A layout takes some ten to thirty kilobytes; an archive may have the files of many series mixed in a folder.
MOST_LAYOUTS = 512
# A series whose files still differ in new elements after so many has no layout that pays.
MOST_LESSONS = 64
LONGEST_UID = 64  # PS3.5 9.1
# (0020,000E) Series Instance UID with its VR, and without
_SERIES_EXPLICIT, _SERIES = b"\x20\x00\x0e\x00UI", b"\x20\x00\x0e\x00"


@dataclass(frozen=True, slots=True)
class _Table:
    """All elements of a file before its pixel data, by tag in their order."""

    meta: FileMeta
    raws: dict[int, Raw]
    pixels: PixelPlace | None


class Layouts:
    """Reads the files of any series, one after the other."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._layouts: dict[bytes, _Layout] = {}
        # what differed within one series most often does in the next
        self._differing: set[int] = set()

    def read(self, window: Window) -> Found:
        """What a file has of the request, the same whatever was read before.

        Raises
        ------
        DoubtError
            Where pydicom had better read the file.
        """
        key = _series_key(window.data)
        layout = self._layouts.get(key)
        if layout is None:
            table = _table(window, self._request)
            alone = _found_in(table, self._request)
            self._remember(key, _Layout(self._request, table, alone.attributes))
            return alone  # it may be the only one: no plan for others yet
        found = layout.found(window, self._differing)
        if found is None:
            table = _table(window, self._request)
            if layout.pays:
                self._differing |= layout.learn(table)
                found = layout.found(window, self._differing)
        return found or _found_in(table, self._request)

    def _remember(self, key: bytes, layout: _Layout) -> None:
        self._layouts[key] = layout
        if len(self._layouts) > MOST_LAYOUTS:
            del self._layouts[next(iter(self._layouts))]


class _Layout:
    """What is known of the files of one series; where it does not ``pay``, each is walked whole."""

    def __init__(self, request: Request, first: _Table, values: Mapping[str, Value]) -> None:
        self.pays = True
        self._request = request
        self._meta = first.meta
        self._samples = dict(first.raws)
        self._values = values
        self._loose = {tag for tag, raw in first.raws.items() if not raw.is_short}
        self._latest = first
        self._lessons = 0
        self._plan: Plan | None = None
        self._steps: Steps | None = None

    def found(self, window: Window, differing: set[int]) -> Found | None:
        """What a file has of the request, if it fits; ``differing`` are tags that differ in other series."""
        if not self.pays:
            return None
        try:
            if self._plan is None:
                self._loose |= differing & self._samples.keys()
                self._plan = self._planned()
            return self._by_steps(window) or read_by_plan(window, self._plan)
        except (ChangedError, DoubtError):
            return None  # the whole walk decides which of them it is

    def _by_steps(self, window: Window) -> Found | None:
        if self._steps is None:
            return None
        try:
            return read_by_steps(window, self._steps)
        except (ChangedError, DoubtError):
            return None

    def learn(self, table: _Table) -> set[int]:
        """Take what differs in a further file out of the runs; its tags."""
        raws = table.raws
        new = raws.keys() - self._samples.keys()
        changed = {
            tag for tag, raw in self._samples.items() if tag not in self._loose and raws.get(tag) != raw
        }
        self._lessons += 1
        if self._lessons > MOST_LESSONS or any(self._is_fixed(tag) for tag in changed | new):
            self.pays = False
            return set()
        self._samples.update((tag, raws[tag]) for tag in new)
        self._latest = table
        self._loose |= changed | new
        try:
            self._plan = self._planned()
        except DoubtError:  # a sequence of the first file, which pydicom had better read
            self.pays = False
        return changed

    def _planned(self) -> Plan:
        known = self._values if self._plan is None else self._plan.common.values
        plan = make_plan(self._request, self._meta, self._samples, self._loose, known)
        self._steps = make_steps(plan, self._latest.raws, self._latest.pixels)
        return plan

    def _is_fixed(self, tag: int) -> bool:
        """Whether the element says how others are read, so that it must be the same in all files."""
        return tag in (TRANSFER_SYNTAX, MEDIA_STORAGE_CLASS) or self._request.explains(tag)


def _found_in(table: _Table, request: Request) -> Found:
    wanted = {tag: raw.element() for tag, raw in table.raws.items() if request.wants(tag)}
    return Found(table.meta, values_of(wanted, request, table.meta.explicit), table.pixels)


def _table(window: Window, request: Request) -> _Table:
    """Every element of a file; DoubtError where pydicom had better read it."""
    meta = read_file_meta(window)
    raws: dict[int, Raw] = {}
    place = META_START
    while place < meta.end:
        element = element_at(window, place, True)
        raws[element[0]] = _raw(window, place, element, False)
        place = element[2] + element[3]
    pixels = None
    for element in walk(window, meta.end, meta.explicit):
        if element[0] in PIXEL_DATA:
            pixels = pixel_place(element)
        else:
            raws[element[0]] = _raw(window, place, element, request.wants(element[0]))
            place = element[2] + element[3]
    return _Table(meta, raws, pixels)


def _raw(window: Window, start: int, element: Place, wanted: bool) -> Raw:
    _, vr, place, length, undefined = element
    head = window.bytes_at(start, place - start)
    content = window.bytes_at(place, length) if wanted or length <= LONGEST_SHARED else None
    return Raw(vr, head, content, length, undefined)


def _series_key(start: bytes) -> bytes:
    """What looks like Series Instance UID: it chooses the layout, which is then held against the file."""
    place, size = start.find(_SERIES_EXPLICIT), start[:0]
    if place >= 0:
        size = start[place + 6 : place + 8]
    elif (place := start.find(_SERIES)) >= 0:
        size = start[place + 4 : place + 8]
    length = min(int.from_bytes(size, "little"), LONGEST_UID)
    return start[place + 8 : place + 8 + length] if place >= 0 else b""
