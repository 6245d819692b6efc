"""Whether images say what their values are: slope, intercept and units, each of them or none."""

from __future__ import annotations

from collections.abc import Sequence

from dicomarray.errors import HeaderError
from dicomarray.reading.frames.frame import Frame
from dicomarray.reading.headers.attributes import may_differ

# What an image has that does not say it: stored values as they are.
_IDENTITY = {"RescaleSlope": 1, "RescaleIntercept": 0}
_UNITS = ("RescaleType", "Units", "DoseUnits")


def require_rescale(frames: Sequence[Frame]) -> None:
    """Refuse images whose values cannot be told, while those of others of the volume can.

    Raises
    ------
    HeaderError
        Where RescaleSlope or RescaleIntercept is missing in some images and changes values in others; where
        an RT Dose has no Dose Grid Scaling (PS3.3 C.8.8.3.1).  Names the files.
    """
    first = frames[0]
    if first.attributes.get("Modality") == "RTDOSE" and first.attributes.get("RescaleSlope") is None:
        raise HeaderError(
            f"{first.header.path}: DoseGridScaling is missing; without it stored values are no dose; take "
            'units="stored"'
        )
    for keyword in may_differ([frame.attributes for frame in frames], _IDENTITY):
        told = [frame for frame in frames if frame.attributes.get(keyword) is not None]
        rescaled = [frame for frame in told if frame.attributes.get(keyword) != _IDENTITY[keyword]]
        if rescaled and len(told) < len(frames):
            silent = next(frame for frame in frames if frame.attributes.get(keyword) is None)
            raise HeaderError(
                f"{silent.header.path}: {keyword} is missing, and is {rescaled[0].attributes[keyword]} in "
                f"{rescaled[0].header.path} of the same volume; what its values are cannot be told. Mend or "
                "leave out such files ("
                f'{len(frames) - len(told)} of {len(frames)}), or take units="stored"'
            )


def has_rescale(frames: Sequence[Frame]) -> bool:
    """Whether any image says how its stored values are to be scaled."""
    return any(frame.attributes.get(keyword) is not None for frame in frames for keyword in _IDENTITY)


def units_notes(frames: Sequence[Frame]) -> tuple[str, ...]:
    """Warnings where some images do not say their units, or a CT not its scale."""
    notes = []
    first = frames[0].attributes
    for keyword in may_differ([frame.attributes for frame in frames], _UNITS):
        silent = sum(frame.attributes.get(keyword) is None for frame in frames)
        if silent and not (keyword == "RescaleType" and first.get("Modality") == "CT"):  # HU by default there
            notes.append(
                f"{keyword} is missing in {silent} of {len(frames)} images; that of the others is taken"
            )
    if first.get("Modality") == "CT" and first.get("RescaleType") is None and not has_rescale(frames):
        notes.append("RescaleSlope and RescaleIntercept are missing: values are as stored, and may be no HU")
    return tuple(notes)
