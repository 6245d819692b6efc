"""Masks and label maps, written into a series of images: what they must not claim to be."""

from __future__ import annotations

import numpy as np

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.values.modality import units_of, values_of
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.pixel_values import Array

# What `units_of` says where a series claims no units.
_NO_UNITS = ("modality", "1")
# No unit, in the words of Rescale Type (PS3.3 C.11.1.1.2) and of Units of a PET (C.8.9.1.1.3).
_UNSPECIFIED, _PET_NONE = "US", "NONE"
SEGMENTATION = (
    "DICOM SEG is the class of segmentations, which viewers show over the images; highdicom writes it"
)


def is_labels(array: Array, stack: Stack) -> bool:
    """Whether values can be no measurements of the template's kind.

    Booleans never are; 8-bit integers are not where the values of the template need more bits: whoever has
    measured values has them in the type that reading gave.
    """
    if array.dtype == np.bool_:
        return True
    return (
        array.dtype.kind in "iu"
        and array.dtype.itemsize == 1
        and values_of(stack, ReadOptions()).dtype.itemsize > 1
    )


def label_units(stack: Stack) -> str | None:
    """The units to write for labels; None where the template claims none."""
    if units_of(stack) in _NO_UNITS:
        return None
    return _PET_NONE if stack.frames[0].attributes.get("Modality") == "PT" else _UNSPECIFIED


def label_note(array: Array, units: str | None) -> Warnings:
    """What the caller is told."""
    told = "" if units is None else f", without the template's units ({units})"
    return warning(
        f"the array of {array.dtype} holds labels and no measurements: they are written, exactly, as pixel "
        f"values of an image of the template's class{told}. {SEGMENTATION} [labels]"
    )
