"""Where the frames of an instance lie that only its file can tell: mosaics, dose grids, loops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydicom.datadict import tag_for_keyword

from dicomarray.errors import DataError
from dicomarray.reading.elements.values import Value
from dicomarray.reading.frames.mosaic_words import (
    SIEMENS_MOSAIC,
    TELLING_GROUPS,
    UIH_GRID,
    is_mosaic,
    slices_told,
)
from dicomarray.reading.frames.multiframe import FUNCTIONAL_GROUPS
from dicomarray.reading.headers.header import DEFAULT_KEYWORDS, Header
from dicomarray.reading.indexing.elements import Decoded, Raw, Walked
from dicomarray.reading.selection.rows import frame_places

_NUMBER_OF_FRAMES, _IMAGE_TYPE = tag_for_keyword("NumberOfFrames"), tag_for_keyword("ImageType")
_MODALITY = tag_for_keyword("Modality")
_GROUPS = frozenset(tag_for_keyword(keyword) for keyword in FUNCTIONAL_GROUPS)
_WORDS = (SIEMENS_MOSAIC.encode(), UIH_GRID.encode())


def places_of(path: Path, instance: Walked | Decoded) -> Value:
    """What `rows.frame_places` tells of an instance, or the reason why it cannot.

    None where the instance is one frame, or says itself, in functional groups, where its frames lie.
    """
    if not _may_have_frames(instance):
        return None
    values = instance.values()
    known = {name: values[name] for name in DEFAULT_KEYWORDS if name in values}
    header = Header(path, instance.transfer_syntax, known, instance.pixels)
    if "NumberOfFrames" not in known and not is_mosaic(header):
        return None
    try:
        return tuple(frame_places(header))
    except DataError as error:
        return str(error)


def _may_have_frames(instance: Walked | Decoded) -> bool:
    """What costs nothing to tell of most instances."""
    if isinstance(instance, Decoded):
        return not any(instance.known.get(keyword) for keyword in FUNCTIONAL_GROUPS)
    elements = instance.elements
    if not _GROUPS.isdisjoint(elements):
        return False
    words = _bytes(elements, _IMAGE_TYPE).upper()
    if _NUMBER_OF_FRAMES in elements or any(word in words for word in _WORDS):
        return True
    if _bytes(elements, _MODALITY).strip() != b"MR":
        return False
    return slices_told({tag: raw[3] for tag, raw in elements.items() if tag >> 16 in TELLING_GROUPS}) > 1


def _bytes(elements: Mapping[int, Raw], tag: int | None) -> bytes:
    raw = elements.get(tag or 0)
    return b"" if raw is None or raw[3] is None else raw[3]
