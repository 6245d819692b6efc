"""A file -> `StructureSet`: names, references and points, as the file has them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.geometry import FARTHEST_MM
from dicomarray.core.segments import Code, rgb_of
from dicomarray.dicom.part10 import DoubtError, Element
from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES
from dicomarray.dicom.segment_objects import STRUCTURE_SET
from dicomarray.dicom.vr import LATIN_1, Value, decode, encodings_of, texts
from dicomarray.errors import InputError, SegmentationError
from dicomarray.objects.common.headers import reason
from dicomarray.objects.structure_set.contents import CLOSED, XOR, ReferencedSeries, Roi, StructureSet
from dicomarray.objects.structure_set.elements import Elements, items_of, read_again, read_elements
from dicomarray.objects.structure_set.number_tables import numbers_of
from dicomarray.storage.references import Reference

_CHARACTER_SET, _CLASS = 0x00080005, 0x00080016
_STUDY_UID, _SERIES_UID, _FRAME_OF_REFERENCE = 0x0020000D, 0x0020000E, 0x00200052
_REFERENCED_UID = 0x00081155
_FRAMES, _FRAME_UID, _STUDIES, _SERIES = 0x30060010, 0x30060024, 0x30060012, 0x30060014
_IMAGES = 0x30060016
_ROIS, _ROI_NUMBER, _ROI_NAME, _ALGORITHM = 0x30060020, 0x30060022, 0x30060026, 0x30060036
_ROI_CONTOURS, _COLOUR, _CONTOURS, _REFERENCED_ROI = 0x30060039, 0x3006002A, 0x30060040, 0x30060084
_CONTOUR_KIND, _DATA = 0x30060042, 0x30060050
_OBSERVATIONS, _KIND, _CODES = 0x30060080, 0x300600A4, 0x30060086
_CODE_VALUE, _CODE_SCHEME, _CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
_CLOSED = (CLOSED, XOR)


def read_structure_set(path: Reference) -> StructureSet:
    """A structure set, with all of its contours.

    Raises InputError where the file cannot be read as DICOM; SegmentationError where it is no structure set,
    or says nothing of its regions.
    """
    try:
        if (found := read_elements(path)) is not None:
            with suppress(DoubtError, struct.error):  # pydicom may understand it
                return _Parser(*found, path).structure_set()
        return _Parser(*read_again(path), path).structure_set()
    except (*PYDICOM_FAILURES, DoubtError) as error:
        raise InputError(f"{path} cannot be read as DICOM: {reason(error)}") from error


class _Parser:
    """Takes one file apart."""

    def __init__(self, elements: Elements, explicit: bool, path: Reference) -> None:
        self._elements, self._items, self._path = elements, partial(items_of, explicit=explicit), path
        self._encodings: tuple[str, ...] = (LATIN_1,)
        self._kinds: dict[bytes, str] = {}
        self._encodings = encodings_of(texts(self._value(elements, _CHARACTER_SET, "CS")))

    def structure_set(self) -> StructureSet:
        top = self._elements
        if self._text(top, _CLASS, "UI") != STRUCTURE_SET:
            raise SegmentationError(f"{self._path} is no RT Structure Set (SOPClassUID {STRUCTURE_SET})")
        contours: dict[int, list[Elements]] = {}
        for item in self._items(top, _ROI_CONTOURS):
            contours.setdefault(self._number(item, _REFERENCED_ROI), []).append(item)
        kinds = {self._number(item, _REFERENCED_ROI): item for item in self._items(top, _OBSERVATIONS)}
        regions = self._items(top, _ROIS)
        if not regions:
            raise SegmentationError(f"{self._path} names no region: Structure Set ROI Sequence is empty")
        rois = []
        for region in regions:
            number = self._number(region, _ROI_NUMBER)
            rois.append(self._roi(number, region, contours.get(number, []), kinds.get(number, {})))
        return StructureSet(tuple(rois), tuple(self._series()), self._text(top, _STUDY_UID, "UI"))

    def _roi(self, number: int, region: Elements, contours: Sequence[Elements], observation: Elements) -> Roi:
        left_out: Counter[str] = Counter()
        tables, exclusive = [], []
        for contour in (one for item in contours for one in self._items(item, _CONTOURS)):
            kind = self._contour_kind(contour.get(_CONTOUR_KIND))
            if kind not in _CLOSED:
                left_out[kind or "without a type"] += 1
                continue
            # VR DS; a table too long for that has VR UN, and the same bytes
            data = contour.get(_DATA)
            tables.append((b"" if data is None else data.value or b"").rstrip(b" \0"))
            exclusive.append(kind == XOR)
        points, starts, whole = _points(tables)
        return Roi(
            number=number,
            name=self._text(region, _ROI_NAME, "LO"),
            points=points,
            starts=starts,
            exclusive=np.array(exclusive, bool)[whole],
            left_out=dict(left_out),
            damaged=int(np.count_nonzero(~whole)),
            colour=next(filter(None, (rgb_of(self._value(item, _COLOUR, "IS")) for item in contours)), None),
            kind=self._text(observation, _KIND, "CS") or None,
            algorithm=self._text(region, _ALGORITHM, "CS") or None,
            code=self._code(observation),
            frame_of_reference_uid=self._text(region, _FRAME_UID, "UI") or None,
        )

    def _contour_kind(self, element: Element | None) -> str:
        """Contour Geometric Type, decoded once for all contours that have it."""
        raw = b"" if element is None else element.value or b""
        if raw not in self._kinds:
            self._kinds[raw] = "\\".join(texts(decode("CS", raw, True, self._encodings))).upper()
        return self._kinds[raw]

    def _series(self) -> Iterator[ReferencedSeries]:
        for frame in self._items(self._elements, _FRAMES):
            uid = self._text(frame, _FRAME_OF_REFERENCE, "UI")
            for study in self._items(frame, _STUDIES):
                for series in self._items(study, _SERIES):
                    yield ReferencedSeries(
                        self._text(series, _SERIES_UID, "UI"),
                        self._text(study, _REFERENCED_UID, "UI"),
                        uid,
                        frozenset(
                            self._text(image, _REFERENCED_UID, "UI") for image in self._items(series, _IMAGES)
                        ),
                    )

    def _value(self, elements: Elements, tag: int, vr: str) -> Value:
        element = elements.get(tag)
        if element is None or not element.value:
            return None
        return decode(vr, element.value, True, self._encodings)

    def _text(self, elements: Elements, tag: int, vr: str) -> str:
        return "\\".join(texts(self._value(elements, tag, vr))) if tag in elements else ""

    def _number(self, elements: Elements, tag: int) -> int:
        value = self._value(elements, tag, "IS")
        if not isinstance(value, int):
            raise SegmentationError(
                f"{self._path}: a region has no number (ROI Number, Referenced ROI Number), so that its "
                "contours cannot be found"
            )
        return value

    def _code(self, observation: Elements) -> Code | None:
        for item in self._items(observation, _CODES):
            parts = [
                self._text(item, tag, vr)
                for tag, vr in ((_CODE_VALUE, "SH"), (_CODE_SCHEME, "SH"), (_CODE_MEANING, "LO"))
            ]
            if all(parts):
                return Code(*parts)
        return None


def _points(tables: Sequence[bytes]) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """Points of contours, shape (n, 3), LPS mm; where each contour starts; which of the tables have any."""
    numbers = numbers_of(b"\\".join(tables)) if tables else None
    if numbers is not None:
        lengths = np.array([table.count(b"\\") + 1 for table in tables], np.intp)
    else:  # something in them is no number
        each = [numbers_of(table) for table in tables]
        lengths = np.array([0 if found is None else len(found) for found in each], np.intp)
        numbers = np.concatenate([np.zeros(0), *(found for found in each if found is not None)])
    whole = np.ones(len(lengths), bool)
    if (lengths % 3).any() or not _are_near(numbers):
        odd = np.repeat(lengths % 3 != 0, lengths) | ~(np.abs(numbers) <= FARTHEST_MM)
        whole = np.bincount(np.repeat(np.arange(len(lengths)), lengths)[odd], minlength=len(lengths)) == 0
        numbers = numbers[np.repeat(whole, lengths)]
    points = numbers.reshape(-1, 3)
    counts = np.where(whole, lengths // 3, 0)
    ends = np.cumsum(counts)
    kept = np.ones(len(points), bool)
    several = counts > 1
    last = ends[several] - 1
    twice = (points[last] == points[(ends - counts)[several]]).all(axis=1)  # closed twice
    kept[last[twice]] = False
    counts[np.flatnonzero(several)[twice]] -= 1
    whole = counts > 2
    kept &= np.repeat(whole, ends - np.concatenate([[0], ends[:-1]]))
    starts = np.concatenate([[0], np.cumsum(counts[whole])]).astype(np.intp)
    return points if kept.all() else points[kept], starts, whole


def _are_near(numbers: NDArray[np.float64]) -> bool:
    """Whether all of them are numbers that can be places, in mm."""
    return bool(numbers.min(initial=0) >= -FARTHEST_MM and numbers.max(initial=0) <= FARTHEST_MM)
