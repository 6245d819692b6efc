"""How a series is written: the options of `to_dicom`, by the same names on the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from dicomarray.errors import UsageError
from dicomarray.keywords import check_choices, made_of, names_of
from dicomarray.writing.encode import Mode

Equipment = Literal["own", "keep"]


class WriteKeywords(TypedDict, total=False):
    """The keyword arguments of everything that writes DICOM; see `WriteOptions`."""

    values: str
    fill: float | None
    clip: bool
    verify: bool
    overwrite: bool
    uid_key: str | None
    series_description: str | None
    series_number: int | None
    equipment: str


@dataclass(frozen=True, slots=True)
class WriteOptions:
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
        Read the files back before they are put in place, and compare values and geometry.
    overwrite
        Replace an earlier result.
    uid_key
        Make the UIDs of this text, the template and the values: the same call makes the same series
        again, byte for byte, and no duplicate.  Without it they are random.
    series_description, series_number
        Of the new series; by default the template's with " (dicomarray)", and plus 1000.
    equipment
        ``"own"``: dicomarray made the images, the scanner moves to Contributing Equipment; ``"keep"`` the
        template's, for readers that tune themselves by vendor.
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

    def __post_init__(self) -> None:
        """Refuse what is no option, before anything is read."""
        choices: dict[str, Any] = {"values": Mode, "equipment": Equipment}
        check_choices(self, choices)
        if self.fill is not None and not math.isfinite(self.fill):
            raise UsageError(f"fill must be a finite number, not {self.fill}")


WRITE_NAMES = names_of(WriteOptions)


def write_options(keywords: WriteKeywords) -> WriteOptions:
    """The options, checked.

    Raises
    ------
    UsageError
        For an unknown option or value; the message lists those that exist.
    """
    return made_of(WriteOptions, keywords)
