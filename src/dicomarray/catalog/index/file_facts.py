"""What only files can tell (tiles of mosaics, CSA headers): kept in the index, so that facts need no file."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dicomarray.assembly.frames.frame import mosaic_tiles
from dicomarray.assembly.frames.mosaic_detection import (
    SIEMENS_MOSAIC,
    UIH_GRID,
    is_mosaic,
)
from dicomarray.assembly.grouping.further_attributes import csa_diffusion_of
from dicomarray.catalog.index.gathering import CSA, TILES
from dicomarray.core.diffusion import B_VALUE_ELEMENTS
from dicomarray.core.geometry import Plane
from dicomarray.dicom.headers.all_elements import canonical_name
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.vr import Value, texts
from dicomarray.errors import DataError

if TYPE_CHECKING:
    from dicomarray.assembly.frames.mosaics import Tile


def only_in_file(header: Header) -> dict[str, Value]:
    """What only the file could tell otherwise, by the names of its columns.

    Of a mosaic its tiles as plain values, or the reason why its file does not have them; of a Siemens image
    what only its CSA header says of diffusion.  ``header`` has all attributes of the file.
    """
    values = header.attributes
    if not _may_have_facts(values):
        return {}
    try:
        if is_mosaic(header):
            known = {name: values[name] for name in DEFAULT_KEYWORDS if name in values}
            usual = Header(header.reference, header.transfer_syntax, known, header.pixels)
            return {TILES: tuple(_plain(tile) for tile in mosaic_tiles(usual))}
    except DataError as error:
        return {TILES: str(error)}
    private = {name: values.get(canonical_name(name)) for name in B_VALUE_ELEMENTS}
    # all values are not decoded for the few that are asked for: the chain is for reading only
    csa = csa_diffusion_of(header, ChainMap(private, values))  # type: ignore[arg-type]
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
    from dicomarray.assembly.frames.mosaics import Tile

    row, column, rows, columns = map(int, item["at"])
    x, y, z = map(float, item["position"])
    a, b, c, d, e, f = map(float, item["orientation"])
    between_rows, between_columns = map(float, item["spacing"])
    (attributes,) = item["attributes"]
    plane = Plane((x, y, z), (a, b, c), (d, e, f), (between_rows, between_columns))
    return Tile(row, column, rows, columns, plane, dict(attributes))


def _may_have_facts(values: Mapping[str, Value]) -> bool:
    """What costs nothing to tell of most instances."""
    words = "\\".join(texts(values.get("ImageType"))).upper()
    if SIEMENS_MOSAIC in words or UIH_GRID in words:
        return True
    if values.get("Modality") != "MR" or values.get("NumberOfFrames") not in (None, 1):
        return False
    manufacturer = "\\".join(texts(values.get("Manufacturer")))
    return not manufacturer or "SIEMENS" in manufacturer.upper()
