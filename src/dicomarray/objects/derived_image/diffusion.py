"""Where the diffusion gradients of classic MR images point, in the standard's words.

Philips and Siemens have the direction in the coordinates of the patient, as the standard has it (PS3.3
C.8.13.5.9), so it can be said in its words.  GE counts along frequency, phase and slice, and Canon along the
image, with a sign that depends on a polarity which no attribute tells: these directions are not rewritten.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.objects.common.headers import read_header, text, values
from dicomarray.objects.common.options import PrivateBlock, WriteOptions, private_block
from dicomarray.objects.derived_image.request import WriteRequest
from dicomarray.objects.derived_image.strip_attributes import kept_tags

# b-value, and direction, of each vendor who has it in the patient's coordinates, as X\Y\Z or an element each.
_IN_PATIENT = (
    (
        PrivateBlock(0x2001, "Philips Imaging DD 001", 0x03),
        tuple(PrivateBlock(0x2005, "Philips MR Imaging DD 001", element) for element in (0xB0, 0xB1, 0xB2)),
    ),
    (
        PrivateBlock(0x0019, "SIEMENS MR HEADER", 0x0C),
        (PrivateBlock(0x0019, "SIEMENS MR HEADER", 0x0E),),
    ),
)
_GE = tuple(PrivateBlock(0x0019, "GEMS_ACQU_01", element) for element in (0xBB, 0xBC, 0xBD))
_CANON = re.compile(r"b=[0-9.]+\(-?[0-9.]+,-?[0-9.]+,-?[0-9.]+\)")
# How far the length of a direction may be from 1: it is rounded to three digits and more.
_LENGTH_TOLERANCE = 0.05
_BINARY = {4: "<f", 8: "<d", 24: "<3d"}  # of unknown VR, which is little endian (PS3.5 6.2.2)
_KEEP = (
    "the directions of the diffusion gradients are {where}, which cannot be written in the patient's "
    "coordinates; readers find them with {how} [directions-lost]"
)


def add_direction(header: Dataset) -> frozenset[int]:
    """Add, in place, b-value and direction in the standard's words where a private element alone has them.

    Diffusion b-value (0018,9087), Diffusion Directionality (0018,9075) and Diffusion Gradient Orientation
    (0018,9089).  Returned are the tags of the private elements that decided.
    """
    if text(header, "SOPClassUID") != MRImageStorage or values(header, "DiffusionGradientOrientation"):
        return frozenset()
    looked_at: set[int] = set()
    for b_value, direction in _IN_PATIENT:
        tags = [tag for block in direction for tag in _elements(header, block)]
        b_tags = list(_elements(header, b_value))
        looked_at.update(map(int, (*tags, *b_tags)))
        vector = [number for tag in tags for number in _numbers(header[tag].value)]
        if len(vector) != 3 or abs(math.hypot(*vector) - 1) > _LENGTH_TOLERANCE:
            continue
        header.DiffusionGradientOrientation = vector
        header.DiffusionDirectionality = "DIRECTIONAL"
        told = [number for tag in b_tags for number in _numbers(header[tag].value)]
        if told and not values(header, "DiffusionBValue"):
            header.DiffusionBValue = told[0]
        break
    return frozenset(looked_at)


def lost_directions(request: WriteRequest, options: WriteOptions) -> Warnings:
    """A sentence where the directions of a classic MR series do not survive, and how they would."""
    likely = max(request.sources, key=lambda source: source.identity.get("DiffusionBValue", 0))
    if not likely.identity:  # those without a gradient often come first
        likely = request.sources[-1]
    header = read_header(likely.path)
    if values(header, "DiffusionGradientOrientation"):
        return ()
    kept = set(kept_tags(header, [private_block(word) for word in options.keep_private]))
    same_equipment = options.equipment == "keep"
    tags = [tag for block in _GE for tag in _elements(header, block)]
    if any(number for tag in tags for number in _numbers(header[tag].value)):
        if same_equipment and kept.issuperset(tags):
            return ()
        where = "in GE's private elements, along frequency, phase and slice"
        how = 'equipment="keep" and keep_private=["(0019,GEMS_ACQU_01)", "(0043,GEMS_PARM_01,39)"]'
        return warning(_KEEP.format(where=where, how=how))
    if not same_equipment and _CANON.search(text(header, "ImageComments")):
        where = "in Image Comments, in Canon's way, along the image"
        return warning(_KEEP.format(where=where, how='equipment="keep"'))
    return ()


def _elements(header: Dataset, block: PrivateBlock) -> Iterator[Any]:
    """The tags of a private element, without its creator's."""
    return (tag for tag in kept_tags(header, [block]) if not tag.is_private_creator)


def _numbers(value: Any) -> list[float]:
    """The finite numbers of a value; none where it is something else."""
    if isinstance(value, bytes):
        layout = _BINARY.get(len(value))
        found: Sequence[Any] = struct.unpack(layout, value) if layout else ()
    else:
        found = [] if value is None else [value] if isinstance(value, str | float | int) else list(value)
    try:
        numbers = [float(number) for number in found]
    except (TypeError, ValueError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
