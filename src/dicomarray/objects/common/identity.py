"""What makes a new series one of its own, whatever its objects are: UID, number, description, time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset

from dicomarray.dicom.uids import UID_NAMESPACE, random_uid
from dicomarray.errors import UsageError
from dicomarray.objects.common.headers import drop, text, values, whole_number
from dicomarray.objects.common.modules import replace_equipment
from dicomarray.objects.common.options import SeriesOptions
from dicomarray.version import __version__

# Longest Series Description, in characters (VR LO), and what is added to the template's.
_MAX_DESCRIPTION_LENGTH = 64
_DESCRIPTION_SUFFIX = " (dicomarray)"
# Added to the template's Series Number: worklists sort by it, and scanners count from 1.
SERIES_NUMBER_STEP = 1000
_GREATEST_NUMBER = 2**31 - 1  # VR IS


@dataclass(frozen=True, slots=True)
class SeriesIdentity:
    """What every object of a new series says of it.

    ``now`` is the one time of the run, None where the template's times stay so that a rerun is identical.
    """

    series_uid: str
    series_number: int
    description: str
    now: datetime | None
    keep_equipment: bool

    def put(
        self, header: Dataset, sop_uid: str, instance_number: int | None, series_time_kept: bool = False
    ) -> None:
        """Make a header, in place, that of a new instance; ``instance_number`` None keeps the template's."""
        header.SOPInstanceUID = sop_uid
        header.SeriesInstanceUID = self.series_uid
        header.SeriesNumber = self.series_number
        header.SeriesDescription = self.description
        if instance_number is not None:
            header.InstanceNumber = instance_number
        if not self.keep_equipment:
            replace_equipment(header)
        self._date(header, series_time_kept)

    def _date(self, header: Dataset, series_time_kept: bool) -> None:
        """The one time of the run; none at all where the same call must write the same bytes."""
        if self.now is None:
            drop(header, ("InstanceCreationDate", "InstanceCreationTime"))
            return
        for event in ("InstanceCreation", "Content", *(() if series_time_kept else ("Series",))):
            setattr(header, f"{event}Date", self.now.strftime("%Y%m%d"))
            setattr(header, f"{event}Time", self.now.strftime("%H%M%S.%f"))


def new_identity(headers: Sequence[Dataset], series_uid: str, options: SeriesOptions) -> SeriesIdentity:
    """That of a series whose template has these headers."""
    return SeriesIdentity(
        series_uid=series_uid,
        series_number=_series_number(headers[0], options.series_number),
        description=_description(headers, options.series_description),
        now=None if options.uid_key is not None else _now(headers[0]),
        keep_equipment=getattr(options, "equipment", "own") == "keep",
    )


def new_uid(options: SeriesOptions, *parts: str) -> str:
    """Random, or, with a key, the same for the same parts (PS3.5 B.2)."""
    if options.uid_key is None:
        return random_uid()
    # how the files are put in place says nothing of what is in them
    dataclass_of_options: Any = options
    said = replace(dataclass_of_options, verify=True, overwrite=False)
    name = "\0".join((__version__, repr(said), *parts))
    return f"2.25.{uuid.uuid5(UID_NAMESPACE, name).int}"


def _series_number(first: Dataset, chosen: int | None) -> int:
    if chosen is not None:
        if not 0 <= chosen <= _GREATEST_NUMBER:
            raise UsageError(f"series_number={chosen} is outside of 0 to {_GREATEST_NUMBER} (VR IS)")
        return chosen
    number = (whole_number(text(first, "SeriesNumber")) or 0) + SERIES_NUMBER_STEP
    return number if 0 <= number <= _GREATEST_NUMBER else SERIES_NUMBER_STEP


def _description(headers: Sequence[Dataset], chosen: str | None) -> str:
    if chosen is None:
        original = " ".join(str(part) for part in values(headers[0], "SeriesDescription"))
        original = "".join(letter for letter in original if letter.isprintable()).strip()
        room = _MAX_DESCRIPTION_LENGTH - len(_DESCRIPTION_SUFFIX)
        return (original[:room].rstrip() + _DESCRIPTION_SUFFIX).strip()
    if len(chosen) > _MAX_DESCRIPTION_LENGTH or "\\" in chosen or not chosen.isprintable():
        raise UsageError(
            f"series_description={chosen!r}: at most {_MAX_DESCRIPTION_LENGTH} printable characters without "
            "backslash can be written (VR LO)"
        )
    for terms in {tuple(values(header, "SpecificCharacterSet")) for header in headers}:
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
