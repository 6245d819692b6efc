"""The files of a series are nearly equal: what is equal is compared, not walked and decoded again.

A layout holds the elements of a first file, and which of them were ever seen to differ, within a series or
from one series to the next.  The others form constant runs (`runs`).  A file that does not fit is walked
whole, and what is new in it leaves the runs.
"""

from __future__ import annotations

from collections import deque

from dicomarray.dicom.attribute_names import Request
from dicomarray.dicom.decoding import values_of
from dicomarray.dicom.headers.attributes import Attributes
from dicomarray.dicom.headers.plan import (
    MAX_CACHED_LENGTH,
    MAX_SHARED_LENGTH,
    ChangedError,
    Found,
    OfSeries,
    Plan,
    Raw,
    Table,
    Taken,
    make_plan,
    remember,
)
from dicomarray.dicom.headers.runs import Template
from dicomarray.dicom.headers.series_key import series_key
from dicomarray.dicom.part10 import (
    FIRST_READ,
    META_START,
    PIXEL_DATA,
    DoubtError,
    Element,
    Place,
    Window,
    element_at,
    pixel_place,
    read_file_meta,
    vr_text,
    walk,
)

# Where files still differ in new elements after so many, a layout does not pay; half of them are for files of
# series that it already has.
MAX_CHANGES = 64
# Series that differ in more elements are not similar.
MAX_BETWEEN_SERIES = 40
# Longer headers are not read at once: mostly, they hold a long element that no one asks for.  Bytes.
MAX_FIRST_READ = 64 * 1024
# Some elements come and go: most files of a series have the elements of one of a few.
MAX_TEMPLATES = 8
# Of scanners and kinds of series; a file of a further series is held against the layouts of all.
MAX_KINDS = 32

_Kind = tuple[str | bytes | None, ...]


class Layouts:
    """Reads the files of any series, one after the other."""

    def __init__(self, request: Request) -> None:
        self._request = request
        # by series; None where its files are walked whole, each
        self._layouts: dict[bytes, _Layout | None] = {}
        self._latest: _Layout | None = None
        self._of_kind: dict[_Kind, _Layout] = {}
        # what differed within one series most often does in the next
        self._differing: set[int] = set()
        self._uneven: set[int] = set()

    @property
    def first_read(self) -> int:
        """How many bytes of a file to read first: all before its pixels, if it is like the latest ones."""
        return FIRST_READ if self._latest is None else self._latest.first_read

    def read(self, window: Window) -> Found:
        """What a file has of the request, the same whatever was read before.

        Raises
        ------
        DoubtError
            Where pydicom had better read the file.
        """
        if self._latest is not None and (found := self._latest.find_uniform(window)) is not None:
            return found
        window.hold(0, 1)
        key = series_key(window.data)
        is_known = key in self._layouts
        layout = self._layouts.get(key)
        for similar in (layout,) if is_known else self._of_kind.values():
            if similar is not None and (found := similar.found(window, key)) is not None:
                self._use(key, similar)
                return found
        table = _table(window, self._request)
        kind = self._kind(table)
        if not is_known:
            layout = self._of_kind.get(kind)
        if layout is not None and layout.kind == kind and layout.learn(table, key):
            self._use(key, layout)
            return layout.found(window, key) or _found_in(table, self._request)
        alone = _found_in(table, self._request)
        if is_known:
            remember(self._layouts, key, None)
        elif all(raw.is_short for tag, raw in table.raws.items() if self._request.explains(tag)):
            layout = _Layout(self._request, kind, table, self._differing, self._uneven)
            layout.add_series(key)
            remember(self._of_kind, kind, layout, MAX_KINDS)
            self._use(key, layout)
        return alone

    def _kind(self, table: Table) -> _Kind:
        """What must be the same in all files of a layout: it says how their elements are read."""
        explaining = [raw.content for tag, raw in table.raws.items() if self._request.explains(tag)]
        return table.meta.transfer_syntax, table.meta.media_storage_class, *explaining

    def _use(self, key: bytes, layout: _Layout) -> None:
        remember(self._layouts, key, layout)
        self._latest = layout


class _Layout:
    """What is known of the files of similar series.

    ``differing`` are tags that differ within other series, ``uneven`` those whose values have other lengths;
    what does so in these is added.
    """

    def __init__(
        self,
        request: Request,
        kind: _Kind,
        first: Table,
        differing: set[int],
        uneven: set[int],
    ) -> None:
        self._request, self.kind = request, kind
        self._latest = first.without_long_values()
        self._samples = dict(self._latest.raws)
        self._differing, self._uneven = differing, uneven
        self._varying = {tag for tag, raw in first.raws.items() if not raw.is_short or tag in differing}
        self._varying_between_series: set[int] = set()
        # by series; None where it is not known yet
        self._series: dict[bytes, OfSeries | None] = {}
        self._changes = 0
        self._plan: Plan | None = None
        # the one that fitted last is the first
        self._templates: deque[Template] = deque(maxlen=MAX_TEMPLATES)
        self.first_read = FIRST_READ

    def add_series(self, key: bytes, values: OfSeries | None = None) -> None:
        """Know a series, and what differs in it from others."""
        remember(self._series, key, values)

    def find_uniform(self, window: Window) -> Found | None:
        """What a file has of the request, if it fits and is of a series that is known."""
        if self._plan is None or (taken := self._taken(window)) is None:
            return None
        own, of_series, pixels = taken
        common = self._plan.commons.get(of_series)
        return None if common is None else (self._plan.meta, Attributes(common, own), pixels)

    def found(self, window: Window, key: bytes) -> Found | None:
        """What a file of the series with this key has of the request, if it fits."""
        try:
            plan = self._plan or self._planned()
        except DoubtError:
            return None  # the whole walk decides
        if (taken := self._taken(window)) is None:
            return None
        own, of_series, pixels = taken
        known = self._series.get(key)
        if known is not None and known != of_series:
            return self.found(window, key) if self._relax(plan, known, of_series) else None
        self.add_series(key, of_series)
        return plan.meta, Attributes(plan.common_of(of_series), own), pixels

    def _taken(self, window: Window) -> Taken | None:
        for template in self._templates:
            try:
                taken = template.read(window)
            except (ChangedError, DoubtError):
                continue
            if template is not self._templates[0]:
                self._templates.remove(template)
                self._templates.appendleft(template)
            pixels = taken[2]
            end = window.size if pixels is None else pixels.start
            if self.first_read < end <= MAX_FIRST_READ:
                self.first_read = end
            return taken
        return None

    def _relax(self, plan: Plan, one: OfSeries, other: OfSeries) -> bool:
        """Take what differs within a series for what may differ in any file."""
        within = {
            slot.tag
            for slot in plan.names_of_series.values()
            if one[slot.index - plan.count_own] != other[slot.index - plan.count_own]
        }
        self._varying |= within
        self._differing |= within
        return self._plan_again()

    def learn(self, table: Table, key: bytes) -> bool:
        """Take what differs in a further file out of the runs; False where it differs too much."""
        table = table.without_long_values()
        raws = table.raws
        changed = {tag for tag, raw in self._samples.items() if not self._fits(tag, raw, raws.get(tag))}
        new = raws.keys() - self._samples.keys()
        self._changes += 1
        if key in self._series:
            if self._changes > MAX_CHANGES:
                return False
            self._varying |= changed | new
            self._differing |= changed
        else:
            if self._changes > MAX_CHANGES // 2 or len(changed | new) > MAX_BETWEEN_SERIES:
                return False
            # what changes again does not fit a slot of a series
            self._varying |= changed & self._varying_between_series
            self._varying_between_series |= changed | new
        before, self._latest = self._latest.raws, table
        if self._plan is not None and not changed and not new:
            # just some lengths are others, or some of the elements have come or gone
            both = raws.keys() & before.keys()
            self._uneven |= {tag for tag in both if raws[tag].element.length != before[tag].element.length}
            self._templates.appendleft(Template(self._plan, table, self._uneven))
            return True
        self._samples.update((tag, raws[tag]) for tag in new)
        return self._plan_again()

    def _fits(self, tag: int, sample: Raw, raw: Raw | None) -> bool:
        """Whether an element, or that it is absent, fits the plan."""
        if tag in self._varying:
            return True
        if tag in self._varying_between_series:
            return raw is None or (
                raw.element.vr == sample.element.vr and raw.element.length <= MAX_CACHED_LENGTH
            )
        return raw == sample

    def _plan_again(self) -> bool:
        self._series = dict.fromkeys(self._series)
        try:
            self._planned()
        except DoubtError:  # a sequence of the first file, which pydicom had better read
            return False
        return True

    def _planned(self) -> Plan:
        of_series = self._varying_between_series - self._varying
        known = {} if self._plan is None else self._plan.common.values
        meta = self._latest.meta
        self._plan = make_plan(self._request, meta, self._samples, self._varying, of_series, known)
        self._templates.clear()
        self._templates.appendleft(Template(self._plan, self._latest, self._uneven))
        return self._plan


def _found_in(table: Table, request: Request) -> Found:
    wanted = {tag: raw.element for tag, raw in table.raws.items() if request.wants(tag)}
    return table.meta, values_of(wanted, request, table.meta.explicit), table.pixels


def _table(window: Window, request: Request) -> Table:
    """Every element of a file; DoubtError where pydicom had better read it."""
    meta = read_file_meta(window)
    raws: dict[int, Raw] = {}
    place = META_START
    while place < meta.end:
        element = element_at(window, place, True)
        raws[element[0]] = _raw(window, place, element)
        place = element[2] + element[3]
    pixels, pixel_head = None, b""
    for element in walk(window, meta.end, meta.explicit):
        if element[0] in PIXEL_DATA:
            pixels, pixel_head = pixel_place(element), window.bytes_at(place, element[2] - place)
        else:
            raws[element[0]] = _raw(window, place, element, request)
            place = element[2] + element[3]
    return Table(meta, raws, pixels, pixel_head)


def _raw(window: Window, start: int, element: Place, request: Request | None = None) -> Raw:
    """An element; its value too where others may share it, or it is asked for."""
    tag, vr_bytes, place, length, undefined = element
    vr = vr_text(vr_bytes)
    is_kept = length <= MAX_SHARED_LENGTH or (request is not None and request.keeps(tag, vr, length))
    content, head = window.bytes_at(start, place - start + (length if is_kept else 0)), place - start
    return Raw(content[:head], Element(vr, content[head:] if is_kept else None, length, undefined))
