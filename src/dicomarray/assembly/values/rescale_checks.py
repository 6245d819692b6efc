"""Whether images say what their values are: slope, intercept and units, each of them or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.pixel_values import UNREADABLE
from dicomarray.dicom.headers.attributes import Attributes, may_differ
from dicomarray.dicom.vr import Value, is_mislabelled
from dicomarray.errors import HeaderError, ValuesError
from dicomarray.storage.references import Reference

# What an image has that does not say it: stored values as they are.
_IDENTITY = {"RescaleSlope": 1, "RescaleIntercept": 0}
_UNITS = ("RescaleType", "Units", "DoseUnits")
_INJECTION = (
    "RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalStartDateTime",
)  # fmt: skip


def require_rescale(frames: Sequence[Frame]) -> None:
    """Refuse images whose values are unknown, or unknown in some images of the volume only.

    Raises
    ------
    HeaderError
        Where RescaleSlope or RescaleIntercept is no number, or missing in some images and changes values in
        others; where an RT Dose has no Dose Grid Scaling (PS3.3 C.8.8.3.1).  Names the files.
    """
    for frame in frames:
        if frame.rescale is UNREADABLE:
            _require_numbers(frame)
    first = frames[0]
    if first.attributes.get("Modality") == "RTDOSE" and first.attributes.get("RescaleSlope") is None:
        raise HeaderError(
            f"{first.header.reference}: DoseGridScaling is missing; without it stored values are no dose; "
            'take units="stored"'
        )
    for keyword in may_differ([frame.attributes for frame in frames], _IDENTITY):
        stated = [frame for frame in frames if frame.attributes.get(keyword) is not None]
        rescaled = [frame for frame in stated if frame.attributes.get(keyword) != _IDENTITY[keyword]]
        if rescaled and len(stated) < len(frames):
            silent = next(frame for frame in frames if frame.attributes.get(keyword) is None)
            raise HeaderError(
                f"{silent.header.reference}: {keyword} is missing, and is {rescaled[0].attributes[keyword]} "
                f"in {rescaled[0].header.reference} of the same volume; its values are unknown. Mend or "
                "leave out such files ("
                f'{len(frames) - len(stated)} of {len(frames)}), or take units="stored"'
            )


def _require_numbers(frame: Frame) -> None:
    try:
        for keyword in _IDENTITY:
            frame.number(keyword)
    except HeaderError as error:
        raise HeaderError(f'{error}; mend it, or take units="stored"') from error


def stored_notes(frames: Sequence[Frame]) -> Warnings:
    """A warning where stored values are asked for and what leads on from them is no number."""
    count = sum(frame.rescale is UNREADABLE for frame in frames)
    if not count:
        return ()
    return warning(
        f"RescaleSlope or RescaleIntercept is no number in {count} of {len(frames)} images: stored values "
        "do not need them, but the sidecar has 1 and 0 in their place [rescale-unusable]"
    )


def require_one_injection(images: Mapping[Reference, Mapping[str, Value]]) -> None:
    """Refuse PET images of one volume that contradict each other: one patient was weighed, and injected once.

    Raises
    ------
    ValuesError
        Names the attribute and two files.
    """
    known: dict[str, tuple[Reference, Value]] = {}
    for path, image in images.items():
        if image.get("Units") == "GML":  # a SUV already
            continue
        for keyword, value in _dose_attributes(image).items():
            other, earlier = known.setdefault(keyword, (path, value))
            if value != earlier:
                raise ValuesError(
                    f"{keyword} differs between {other} and {path}, of one volume; which of the two "
                    'makes the SUV is unknown; mend them, or take units="modality"'
                )


def _dose_attributes(image: Mapping[str, Value]) -> dict[str, Value]:
    items = image.get("RadiopharmaceuticalInformationSequence")
    isotope = items[0] if isinstance(items, tuple) and items and isinstance(items[0], Mapping) else {}
    return {"PatientWeight": image.get("PatientWeight"), **{word: isotope.get(word) for word in _INJECTION}}


def half_rescale_notes(frames: Sequence[Frame]) -> Warnings:
    """Warnings where images have a slope without an intercept, or the reverse (PS3.3 C.11.1: both)."""
    notes: Warnings = ()
    for keyword, other in (("RescaleSlope", "RescaleIntercept"), ("RescaleIntercept", "RescaleSlope")):
        half = [
            frame
            for frame in frames
            if frame.attributes.get(keyword) is None and frame.attributes.get(other) is not None
        ]
        if half:
            notes += warning(
                f"{keyword} is missing or empty in {len(half)} of {len(frames)} images that have a {other} "
                f"({half[0].attributes[other]}): {_IDENTITY[keyword]} is assumed [half-rescale]"
            )
    return notes


def mislabelled_notes(frames: Sequence[Frame]) -> Warnings:
    """Warnings where numbers stand in elements whose VR in the file is one of text."""
    names: set[str] = set()
    seen: set[int] = set()
    for frame in frames:
        attributes = frame.attributes
        key = id(attributes.common if isinstance(attributes, Attributes) else frame.header)
        if isinstance(attributes, Attributes):
            names.update(attributes.own_that(is_mislabelled))
        if key not in seen:
            seen.add(key)
            names.update(name for name, value in attributes.items() if is_mislabelled(value))
    if not names:
        return ()
    return warning(
        f"{', '.join(sorted(names))}: the file has a VR of text where the standard has one of numbers "
        "(PS3.6); the text was read as numbers [vr-of-text]"
    )


def has_rescale(frames: Sequence[Frame]) -> bool:
    """Whether any image says how its stored values are to be scaled."""
    return any(frame.attributes.get(keyword) is not None for frame in frames for keyword in _IDENTITY)


def units_notes(frames: Sequence[Frame]) -> Warnings:
    """Warnings where some images do not say their units, or a CT not its scale."""
    notes: Warnings = ()
    first = frames[0].attributes
    for keyword in may_differ([frame.attributes for frame in frames], _UNITS):
        silent = sum(frame.attributes.get(keyword) is None for frame in frames)
        if silent and not (keyword == "RescaleType" and first.get("Modality") == "CT"):  # HU by default there
            notes += warning(
                f"{keyword} is missing in {silent} of {len(frames)} images, not in others [units-missing]"
            )
        stated = [frame.attributes.get(keyword) for frame in frames]
        several = list(dict.fromkeys(str(units) for units in stated if units is not None))
        if len(several) > 1:
            notes += warning(f"{keyword} differs between images: {', '.join(several)} [units-differ]")
    scaled = {"CT": "HU", "PT": first.get("Units")}.get(str(first.get("Modality")))
    if scaled and not has_rescale(frames):
        notes += warning(
            f"RescaleSlope and RescaleIntercept are missing: values are as stored, and may "
            f"be no {scaled} [no-rescale]"
        )
    return notes
