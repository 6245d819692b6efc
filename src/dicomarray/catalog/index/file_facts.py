"""What only files can tell (tiles of mosaics, CSA headers): kept in the index, so that facts need no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword

from dicomarray.assembly.frames.frame import mosaic_tiles
from dicomarray.assembly.frames.mosaic_detection import (
    MOSAIC_GROUPS,
    SIEMENS_MOSAIC,
    UIH_GRID,
    is_csa,
    is_mosaic,
    mosaic_slice_count,
)
from dicomarray.assembly.frames.mosaics import Tile
from dicomarray.assembly.grouping.diffusion import csa_diffusion_of
from dicomarray.catalog.index.gathering import CSA, TILES
from dicomarray.core.diffusion import B_VALUE, B_VALUE_ELEMENTS
from dicomarray.core.geometry import Plane
from dicomarray.dicom.headers.all_elements import Decoded, Walked, canonical_name
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.part10 import Element
from dicomarray.dicom.vr import Value
from dicomarray.errors import DataError
from dicomarray.storage.references import Reference

_IMAGE_TYPE, _MODALITY, _NUMBER_OF_FRAMES, _B_VALUE = map(
    tag_for_keyword, ("ImageType", "Modality", "NumberOfFrames", B_VALUE)
)
_WORDS = (SIEMENS_MOSAIC.encode(), UIH_GRID.encode())


def only_in_file(path: Reference, instance: Walked | Decoded) -> dict[str, Value]:
    """What only the file could tell otherwise, by the names of its columns.

    Of a mosaic its tiles as plain values, or the reason why its file does not have them; of a Siemens image
    what only its CSA header says of diffusion.
    """
    if not _may_have_facts(instance):
        return {}
    values = instance.values()
    known = {name: values[name] for name in DEFAULT_KEYWORDS if name in values}
    header = Header(path, instance.transfer_syntax, known, instance.pixels)
    try:
        if is_mosaic(header):
            return {TILES: tuple(_plain(tile) for tile in mosaic_tiles(header))}
    except DataError as error:
        return {TILES: str(error)}
    private = {name: values.get(canonical_name(name)) for name in B_VALUE_ELEMENTS}
    csa = csa_diffusion_of(header, {**private, **known})
    return {CSA: (dict(csa),)} if csa else {}


def _plain(tile: Tile) -> dict[str, Any]:
    return {
        "at": (tile.row, tile.column, tile.rows, tile.columns),
        "position": tile.plane.position,
        "orientation": tile.plane.orientation,
        "spacing": tile.plane.pixel_spacing,
        "attributes": (dict(tile.attributes),),
    }


def kept_tiles(plain: Value) -> Sequence[Tile] | str | None:
    """What `only_in_file` made, from its plain values.

    Raises
    ------
    ValueError, TypeError, KeyError
        Where they are something else: the index is damaged.
    """
    if plain is None or isinstance(plain, str):
        return plain
    return [_tile(item) for item in plain]


def kept_csa(plain: Value) -> Mapping[str, Value]:
    """The attributes out of a CSA header; raises as `kept_tiles`."""
    if plain is None:
        return {}
    (attributes,) = plain
    return dict(attributes)


def _tile(item: Any) -> Tile:
    row, column, rows, columns = map(int, item["at"])
    x, y, z = map(float, item["position"])
    a, b, c, d, e, f = map(float, item["orientation"])
    between_rows, between_columns = map(float, item["spacing"])
    (attributes,) = item["attributes"]
    plane = Plane((x, y, z), (a, b, c), (d, e, f), (between_rows, between_columns))
    return Tile(row, column, rows, columns, plane, dict(attributes))


def _may_have_facts(instance: Walked | Decoded) -> bool:
    """What costs nothing to tell of most instances."""
    if isinstance(instance, Decoded):
        return True
    elements = instance.elements
    words = _bytes(elements, _IMAGE_TYPE).upper()
    if any(word in words for word in _WORDS):
        return True
    if _bytes(elements, _MODALITY).strip() != b"MR" or _NUMBER_OF_FRAMES in elements:
        return False
    private = {tag: element.value for tag, element in elements.items() if tag >> 16 in MOSAIC_GROUPS}
    return mosaic_slice_count(private) > 1 or (_B_VALUE not in elements and any(map(is_csa, private)))


def _bytes(elements: Mapping[int, Element], tag: int | None) -> bytes:
    element = elements.get(tag or 0)
    return b"" if element is None else element.value or b""
