"""A line of a ledger as a JSON Schema (draft 2020-12): what other programs may rely on."""

from __future__ import annotations

from typing import Any

from dicomarray.formats.sidecar_schema import NUMBER, ROW, TEXT, list_of, object_of
from dicomarray.pipeline.entries import LATER
from dicomarray.pipeline.ledger import FORMAT

_COUNT = {"type": "integer", "minimum": 0}
_TEXT_OR_NULL, _NUMBER_OR_NULL = {"type": ["string", "null"]}, {"type": ["number", "null"]}
_TEXTS, _OBJECT = list_of(TEXT), {"type": "object"}
_DIGEST = {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}


def ledger_schema() -> dict[str, Any]:
    """The schema of one line; a ledger is such lines, one JSON object each."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "a line of a dicomarray ledger",
        "oneOf": [object_of(_run()), object_of(_entry(), LATER)],
    }


def _run() -> dict[str, Any]:
    function = object_of({"name": TEXT, "digest": _DIGEST, "version": _TEXT_OR_NULL})
    objects = dict.fromkeys(("parameters", "masks", "reading", "writing", "versions", "again"), _OBJECT)
    return {
        "record": {"const": "run"},
        "format": {"const": FORMAT},
        "started": TEXT,
        "function": function,
        **objects,
        "observe": _TEXT_OR_NULL,
        "per": {"enum": ["series", "study"]},
        "volume": {"type": ["integer", "null"]},
        "settings": _DIGEST,
        "source": _TEXT_OR_NULL,
        "python": TEXT,
        "pacs": _TEXT_OR_NULL,
        "timeout": _NUMBER_OR_NULL,
        "memory_limit": _NUMBER_OR_NULL,
        "series": _COUNT,
        "done_before": _COUNT,
    }


def _entry() -> dict[str, Any]:
    return {
        "record": {"const": "entry"},
        "name": TEXT,
        "series_uids": _TEXTS,
        "title": TEXT,
        "status": {"enum": ["written", "failed"]},
        "started": NUMBER,
        "seconds": NUMBER,
        "inputs": TEXT,
        "inputs_sha256": _DIGEST,
        "output": _TEXT_OR_NULL,
        "outputs": list_of(object_of(_output(), LATER)),
        "warnings": _TEXTS,
        "error": _TEXT_OR_NULL,
        "traceback": _TEXT_OR_NULL,
        "stored": _TEXT_OR_NULL,
    }


def _output() -> dict[str, Any]:
    return {
        **dict.fromkeys(("name", "source_uid", "series_uid", "folder", "units"), TEXT),
        **dict.fromkeys(("count", "clipped"), _COUNT),
        **dict.fromkeys(("slope", "intercept"), _NUMBER_OR_NULL),
        **dict.fromkeys(("max_error", "mean_error"), NUMBER),
        "shape": list_of(_COUNT),
        "axes": _TEXTS,
        "affine": {"anyOf": [{"type": "null"}, {"type": "array", "items": ROW, "minItems": 4}]},
        "sha256": _DIGEST,
        "stamp": _DIGEST,
        "volume": {"type": ["integer", "null"]},
        "observed": _OBJECT,
    }
