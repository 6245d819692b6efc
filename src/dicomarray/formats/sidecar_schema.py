"""The sidecar as a JSON Schema (draft 2020-12): what other programs may rely on."""

from __future__ import annotations

from typing import Any

from dicomarray.formats.sidecar import FORMAT

_NUMBER = {"type": "number"}
_POINT = {"type": "array", "items": _NUMBER, "minItems": 3, "maxItems": 3}
_ROW = {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4}
_TEXT = {"type": "string"}


def sidecar_schema() -> dict[str, Any]:
    """The schema of a sidecar; lengths in millimetres, angles in degrees, coordinates LPS."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dicomarray sidecar",
        **_object(
            {
                "format": {"const": FORMAT},
                "array": _array(),
                "geometry": {"anyOf": [{"type": "null"}, _geometry()]},
                "values": _values(),
                "series": {"type": "object"},
                "slices": {"type": "array", "items": _slice()},
                "warnings": _list(_TEXT),
            },
            {"segments": _list({"type": "object", "required": ["number", "label"]})},
        ),
    }


def _array() -> dict[str, Any]:
    return _object(
        {
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
            "dtype": _TEXT,
            "axes": _list(_TEXT),
            "units": _TEXT,
            "coordinates": {"type": "object", "additionalProperties": {"type": "array"}},
        }
    )


def _geometry() -> dict[str, Any]:
    return _object(
        {
            "affine": {"type": "array", "items": _ROW, "minItems": 4, "maxItems": 4},
            "spacing_mm": _POINT,
            "origin_mm": _POINT,
            "direction": {"type": "array", "items": _POINT, "minItems": 3, "maxItems": 3},
            "slice_positions_mm": _list(_POINT),
            "uniform": {"type": "boolean"},
            "gantry_tilt_deg": _NUMBER,
            "frame_of_reference_uid": {"type": ["string", "null"]},
        }
    )


def _values() -> dict[str, Any]:
    normalization = _object({"lower": _NUMBER, "upper": _NUMBER, "clip": {"type": "boolean"}})
    return _object(
        {
            "modality": _list(_object({"slope": _NUMBER, "intercept": _NUMBER})),
            "normalization": {"anyOf": [{"type": "null"}, normalization]},
            "units": _TEXT,
        }
    )


def _slice() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"SOPInstanceUID": {"type": ["string", "null"]}, "frame": {"type": "integer"}},
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }
