"""How a series is written: the options of `to_dicom`, by the same names on the command line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, TypedDict

from dicomarray.core.options import check_choices
from dicomarray.errors import UsageError

Mode = Literal["auto", "stored", "full-range"]
Equipment = Literal["own", "keep"]
Compression = Literal["none", "rle", "jpeg-ls", "jpeg-2000", "htj2k"]
# Hexadecimal digits of the private group and of the element's last two, around the creator (PS3.5 7.8.1).
_PRIVATE = re.compile(r"\(([0-9A-Fa-f]{4}),([^,\\]{1,64})(?:,([0-9A-Fa-f]{2}))?\)")


class SeriesOptions:
    """What the options of everything that writes a series of its own have; they are dataclasses."""

    __slots__ = ()
    verify: bool
    overwrite: bool
    uid_key: str | None
    series_description: str | None
    series_number: int | None


def check_series_options(options: SeriesOptions) -> None:
    """Raise UsageError where what names a new series is of another type than it must be."""
    _check_type(options, ("series_number",), Integral, "a whole number")
    _check_type(options, ("uid_key", "series_description"), str, "a text")


def _check_type(options: Any, names: Iterable[str], kind: Any, wanted: str) -> None:
    """Raise UsageError for another type, or none; numpy's own numbers are as good as Python's."""
    for name in names:
        value: Any = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, kind | None):
            raise UsageError(f"{name}={value!r}: {wanted} is needed")


class SeriesKeywords(TypedDict, total=False):
    """The keyword arguments of everything that writes a series of its own; see `SeriesOptions`."""

    verify: bool
    overwrite: bool
    uid_key: str | None
    series_description: str | None
    series_number: int | None


class WriteKeywords(SeriesKeywords, total=False):
    """The keyword arguments of everything that writes images; see `WriteOptions`."""

    values: Mode
    fill: float | None
    clip: bool
    equipment: Equipment
    max_error: float | None
    keep_private: Iterable[str]
    compress: Compression


@dataclass(frozen=True, slots=True)
class WriteOptions(SeriesOptions):
    """How an array becomes a series.

    Attributes
    ----------
    values
        ``"auto"``: modality values, kept bit for bit where the template's slope and type hold them, else
        rescaled to its range; ``"stored"``: stored values; ``"full-range"``: always stretched.
    fill
        What NaN and infinity become; without it they are an error.
    clip
        Move values that cannot be stored to the end of the range, and report how many; without it they
        are an error.
    verify
        Read the files back and compare values and geometry, before they are put in place.
    overwrite
        Replace an earlier result.
    uid_key
        Make the UIDs of this text, the template and the values: the same call makes the same series
        again, byte for byte, and no duplicate.  Without it they are random.
    series_description
        Of the new series; without it the template's, with " (dicomarray)" added.
    series_number
        Of the new series; without it the template's plus 1000.
    equipment
        ``"own"``: dicomarray made the images, the scanner moves to Contributing Equipment; ``"keep"``: the
        template's stays, for readers that tune themselves by vendor.
    max_error
        Refuse to write where a voxel would be further off than this, in the units of the array.
    keep_private
        Private elements to keep, ``"(0019,SIEMENS MR HEADER,0C)"``, or whole blocks of them,
        ``"(0019,SIEMENS MR HEADER)"``, at the top level of each header; else all are dropped, since they
        describe the old pixels.
    compress
        A lossless transfer syntax; ``"none"``: uncompressed.
    """

    values: Mode = "auto"
    fill: float | None = None
    clip: bool = False
    verify: bool = True
    overwrite: bool = False
    uid_key: str | None = None
    series_description: str | None = None
    series_number: int | None = None
    equipment: Equipment = "own"
    max_error: float | None = None
    keep_private: tuple[str, ...] = ()
    compress: Compression = "none"

    def __post_init__(self) -> None:
        """Refuse what is no option, before anything is read."""
        check_choices(self)
        _check_type(self, ("fill", "max_error"), Real, "a number")
        check_series_options(self)
        if self.fill is not None and not math.isfinite(self.fill):
            raise UsageError(f"fill must be a finite number, not {self.fill}")
        if self.max_error is not None and not 0 <= self.max_error < math.inf:
            raise UsageError(f"max_error must be a number from 0, not {self.max_error}")
        given: Any = self.keep_private
        if not isinstance(given, Iterable) or not all(isinstance(text, str) for text in given):
            raise UsageError(f"keep_private={given!r}: a list of texts is needed")
        # one text is taken as one element, not as its letters
        object.__setattr__(self, "keep_private", (given,) if isinstance(given, str) else tuple(given))
        for text in self.keep_private:
            private_block(text)


def private_block(text: str) -> tuple[int, str, int | None]:
    """What ``"(gggg,CREATOR,ee)"`` or ``"(gggg,CREATOR)"`` names; without an element it means all.

    Raises UsageError where it is neither, or the group is not private (odd).
    """
    found = _PRIVATE.fullmatch(text.strip())
    if found is None or int(found[1], 16) % 2 == 0:
        raise UsageError(
            f'keep_private="{text}": write a private element as (gggg,CREATOR,ee) with an odd group, such as '
            "(0019,SIEMENS MR HEADER,0C), or its whole block as (gggg,CREATOR)"
        )
    return int(found[1], 16), found[2].strip(), None if found[3] is None else int(found[3], 16)
