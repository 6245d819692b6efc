"""The sidecar as a JSON Schema (draft 2020-12): what other programs may rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dicomarray.formats.sidecar import FORMAT

NUMBER = {"type": "number"}
_POINT = {"type": "array", "items": NUMBER, "minItems": 3, "maxItems": 3}
ROW = {"type": "array", "items": NUMBER, "minItems": 4, "maxItems": 4}
TEXT = {"type": "string"}


def sidecar_schema() -> dict[str, Any]:
    """The schema of a sidecar; lengths in millimetres, angles in degrees, coordinates LPS."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dicomarray sidecar",
        **object_of(
            {
                "format": {"const": FORMAT},
                "array": _array(),
                "geometry": {"anyOf": [{"type": "null"}, _geometry()]},
                "values": _values(),
                "series": {"type": "object"},
                "slices": {"type": "array", "items": _slice()},
                "warnings": list_of(TEXT),
                "segments": list_of({"type": "object", "required": ["number", "label"]}),
            },
            ("segments",),
        ),
    }


def _array() -> dict[str, Any]:
    return object_of(
        {
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
            "dtype": TEXT,
            "axes": list_of(TEXT),
            "units": TEXT,
            "coordinates": {"type": "object", "additionalProperties": {"type": "array"}},
        }
    )


def _geometry() -> dict[str, Any]:
    return object_of(
        {
            "affine": {"type": "array", "items": ROW, "minItems": 4, "maxItems": 4},
            "spacing_mm": _POINT,
            "origin_mm": _POINT,
            "direction": {"type": "array", "items": _POINT, "minItems": 3, "maxItems": 3},
            "slice_positions_mm": list_of(_POINT),
            "uniform": {"type": "boolean"},
            "gantry_tilt_deg": NUMBER,
            "frame_of_reference_uid": {"type": ["string", "null"]},
        }
    )


def _values() -> dict[str, Any]:
    normalization = object_of({"lower": NUMBER, "upper": NUMBER, "clip": {"type": "boolean"}})
    return object_of(
        {
            "modality": list_of(object_of({"slope": NUMBER, "intercept": NUMBER})),
            "normalization": {"anyOf": [{"type": "null"}, normalization]},
            "units": TEXT,
        }
    )


def _slice() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"SOPInstanceUID": {"type": ["string", "null"]}, "frame": {"type": "integer"}},
    }


def list_of(items: dict[str, Any]) -> dict[str, Any]:
    """An array of such items."""
    return {"type": "array", "items": items}


def object_of(properties: dict[str, Any], optional: Sequence[str] = ()) -> dict[str, Any]:
    """An object with these keys and no others; those that are ``optional`` may be missing."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
