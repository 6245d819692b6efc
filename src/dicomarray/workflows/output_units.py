"""The units that a written series has, and when they cannot be written truthfully: labels have none."""

from __future__ import annotations

import numpy as np

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.values.modality import units_of, values_of
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.pixel_values import Array
from dicomarray.core.suv import SUV_UNITS
from dicomarray.errors import UsageError
from dicomarray.objects.common.options import Mode
from dicomarray.workflows.file_layouts import template_name

STORED, MODALITY, HOUNSFIELD = "stored", "modality", "HU"
# Where nothing says what values are, and where a mapping says that they are in no units (UCUM).
_NO_UNITS = {MODALITY, "1"}
# SUV by body weight is g/ml in the words of the standard (PS3.3 C.8.9.1.1.3).
_STANDARD_WORDS = {SUV_UNITS: "GML"}


# No unit, in the words of Rescale Type (PS3.3 C.11.1.1.2) and of Units of a PET (C.8.9.1.1.3).
_UNSPECIFIED, _PET_NONE = "US", "NONE"
SEGMENTATION = (
    "DICOM SEG is the class of segmentations, which viewers show over the images: to_seg (to-seg) writes it, "
    "and run does where the function returns a Segmentation"
)


def written_units(
    array: Array, known: str | None, stack: Stack, mode: Mode, asked: str | None
) -> tuple[str | None, Warnings]:
    """The units to write, in the standard's words, None where they are the template's; what to say of them.

    ``asked`` is what the caller says, ``known`` what is known of the array's values.

    Raises UsageError where the array is in other units than the template and nobody said so, or holds stored
    values.
    """
    own = units_of(stack)
    if asked is not None:
        if not isinstance(asked, str):
            raise UsageError(f'units={asked!r:.40}: a text is needed, such as "HU"')
        if STORED in (known, mode):
            raise UsageError(
                f'units="{asked}": the array holds stored values, whose units are the template\'s'
            )
        word = _STANDARD_WORDS.get(asked, asked)
        return None if word == own else word, ()
    if known not in (None, STORED, own) and not {known, own} <= _NO_UNITS:
        word, name = _STANDARD_WORDS.get(str(known), known), template_name(stack)
        raise UsageError(
            f"the array is in {known}, {name} in {own}: written as they are, the numbers would mean "
            f'something else. Say so (units="{word}", --units {word}), or convert them back first'
        )
    if known is None and own == HOUNSFIELD and _are_fractions(array):
        return None, warning(
            f"all values of the array lie from 0 to 1, and are written as {own}: if they are normalized, its "
            "sidecar leads back (input_json, -j); if they are in other units, say so (units, --units) "
            "[fractions-as-hu]"
        )
    measured = known is not None and array.dtype != np.bool_
    if measured or mode == "stored" or stack.kind.colour or not _is_labels(array, stack):
        return None, ()
    units = None
    if own not in _NO_UNITS:
        units = _PET_NONE if stack.frames[0].attributes.get("Modality") == "PT" else _UNSPECIFIED
    without = "" if units is None else f", without the template's units ({units})"
    return units, warning(
        f"the array of {array.dtype} holds labels and no measurements: they are written, exactly, as pixel "
        f"values of an image of the template's class{without}. {SEGMENTATION} [labels]"
    )


def _are_fractions(array: Array) -> bool:
    """Whether values are floating point numbers from 0 to 1, and not all 0: no CT has such values in HU."""
    if array.dtype.kind != "f" or not array.size or not 0 <= array.flat[0] <= 1:
        return False  # as of nearly all images of a CT, without a look at all their voxels
    return bool(array.min() >= 0 and 0 < array.max() <= 1)


def _is_labels(array: Array, stack: Stack) -> bool:
    """Whether values can be no measurements of the template's kind.

    Booleans never are; 8-bit integers are not where the values of the template need more bits: whoever has
    measured values has them in the type that reading gave.  Wider ones are not where they are 0 and 1 alone.
    """
    if array.dtype == np.bool_:
        return True
    if array.dtype.kind not in "iu" or values_of(stack, ReadOptions()).dtype.itemsize == 1:
        return False
    return array.dtype.itemsize == 1 or (array.size > 0 and array.max() == 1 and array.min() == 0)
