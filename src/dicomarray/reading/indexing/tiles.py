"""The tiles of mosaics, which only their files can tell: kept in the index, so that facts need no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from dicomarray.errors import DataError
from dicomarray.geometry import Plane
from dicomarray.reading.elements.values import Value
from dicomarray.reading.frames.frame import mosaic_tiles
from dicomarray.reading.frames.mosaic_words import (
    SIEMENS_MOSAIC,
    TELLING_GROUPS,
    UIH_GRID,
    is_mosaic,
    slices_told,
)
from dicomarray.reading.frames.mosaics import Tile
from dicomarray.reading.headers.header import DEFAULT_KEYWORDS, Header
from dicomarray.reading.indexing.elements import Decoded, Raw, Walked

_IMAGE_TYPE, _MODALITY = tag_for_keyword("ImageType"), tag_for_keyword("Modality")
_WORDS = (SIEMENS_MOSAIC.encode(), UIH_GRID.encode())


def tiles_of(path: Path, instance: Walked | Decoded) -> Value:
    """The tiles of a mosaic as plain values, or the reason why its file does not tell them; else None."""
    if not _may_be_mosaic(instance):
        return None
    values = instance.values()
    known = {name: values[name] for name in DEFAULT_KEYWORDS if name in values}
    header = Header(path, instance.transfer_syntax, known, instance.pixels)
    try:
        return tuple(_plain(tile) for tile in mosaic_tiles(header)) if is_mosaic(header) else None
    except DataError as error:
        return str(error)


def _plain(tile: Tile) -> dict[str, Any]:
    return {
        "at": (tile.row, tile.column, tile.rows, tile.columns),
        "position": tile.plane.position,
        "orientation": tile.plane.orientation,
        "spacing": tile.plane.pixel_spacing,
        "attributes": (dict(tile.attributes),),
    }


def kept_tiles(plain: Value) -> Sequence[Tile] | str | None:
    """What `tiles_of` made, from its plain values.

    Raises
    ------
    ValueError, TypeError, KeyError
        Where they are something else: the index is damaged.
    """
    if plain is None or isinstance(plain, str):
        return plain
    return [_tile(item) for item in plain]


def _tile(item: Any) -> Tile:
    row, column, rows, columns = map(int, item["at"])
    x, y, z = map(float, item["position"])
    a, b, c, d, e, f = map(float, item["orientation"])
    between_rows, between_columns = map(float, item["spacing"])
    (attributes,) = item["attributes"]
    plane = Plane((x, y, z), (a, b, c), (d, e, f), (between_rows, between_columns))
    return Tile(row, column, rows, columns, plane, dict(attributes))


def _may_be_mosaic(instance: Walked | Decoded) -> bool:
    """What costs nothing to tell of most instances."""
    if isinstance(instance, Decoded):
        return True
    elements = instance.elements
    words = _bytes(elements, _IMAGE_TYPE).upper()
    if any(word in words for word in _WORDS):
        return True
    if _bytes(elements, _MODALITY).strip() != b"MR":
        return False
    return slices_told({tag: raw[3] for tag, raw in elements.items() if tag >> 16 in TELLING_GROUPS}) > 1


def _bytes(elements: Mapping[int, Raw], tag: int | None) -> bytes:
    raw = elements.get(tag or 0)
    return b"" if raw is None or raw[3] is None else raw[3]
