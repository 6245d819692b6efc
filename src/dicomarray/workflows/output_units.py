"""The units that a written series tells, and when they cannot be told truthfully."""

from __future__ import annotations

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.values.modality import units_of
from dicomarray.core.suv import SUV_UNITS
from dicomarray.errors import UsageError
from dicomarray.objects.common.options import Mode

STORED = "stored"
# Where nothing says what values are, and where a mapping says that they are in no units (UCUM).
_NO_UNITS = {"modality", "1"}
# SUV by body weight is g/ml in the words of the standard (PS3.3 C.8.9.1.1.3).
_STANDARD_WORDS = {SUV_UNITS: "GML"}


def written_units(asked: str | None, known: str | None, stack: Stack, mode: Mode) -> str | None:
    """The units to write, in the standard's words; None where they are the template's.

    ``asked`` is what the caller says, ``known`` what a sidecar says of the array's values.

    Raises
    ------
    UsageError
        Where the array is in other units than the template and nobody said so, or holds stored values.
    """
    own = units_of(stack)
    name = f"template series {stack.frames[0].header.text('SeriesInstanceUID')}"
    if asked is not None:
        if STORED in (known, mode):
            raise UsageError(
                f'units="{asked}": the array holds stored values, whose units are the template\'s'
            )
        word = _STANDARD_WORDS.get(asked, asked)
        return None if word == own else word
    if known not in (None, STORED, own) and not {known, own} <= _NO_UNITS:
        word = _STANDARD_WORDS.get(str(known), known)
        raise UsageError(
            f"the array is in {known}, {name} in {own}: written as they are, the numbers would mean "
            f'something else. Say so (units="{word}", --units {word}), or convert them back first'
        )
    return None
