"""What each frame of a multi-frame instance says of itself, laid over the attributes of the data set."""

from __future__ import annotations

from collections.abc import Mapping

from dicomarray.errors import HeaderError
from dicomarray.geometry import Plane
from dicomarray.reading.element_values import Value
from dicomarray.reading.headers import Header

FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def frame_attributes(header: Header, count: int) -> list[dict[str, Value]] | None:
    """By keyword, what differs from the data set in each frame; None where frames say nothing of their own.

    Raises
    ------
    HeaderError
        Where the number of frames and what describes them do not fit.
    """
    groups = header.further(FUNCTIONAL_GROUPS)
    shared, per_frame = (_items(header, keyword, groups.get(keyword)) for keyword in FUNCTIONAL_GROUPS)
    if shared or per_frame:
        return _functional_groups(header, count, shared, per_frame)
    if header.attributes.get("Modality") == "RTDOSE":
        return _dose_planes(header, count)
    if count > 1:
        # one position for all frames is none: a cine loop, or views of a rotating camera
        return [{"ImagePositionPatient": None} for _ in range(count)]
    return None


def _items(header: Header, keyword: str, value: Value) -> tuple[Mapping[str, Value], ...]:
    items = value or ()
    if not (isinstance(items, tuple) and all(isinstance(item, Mapping) for item in items)):
        raise HeaderError(f"{header.path}: {keyword} is {str(value)[:40]!r} where a sequence is expected")
    return items


def _functional_groups(
    header: Header,
    count: int,
    shared: tuple[Mapping[str, Value], ...],
    per_frame: tuple[Mapping[str, Value], ...],
) -> list[dict[str, Value]]:
    """Enhanced objects: shared functional groups, and each frame's own over them (PS3.3 C.7.6.16)."""
    if per_frame and len(per_frame) != count:
        raise HeaderError(
            f"{header.path}: NumberOfFrames is {count}, but PerFrameFunctionalGroupsSequence has "
            f"{len(per_frame)} items; the file is damaged"
        )
    common = flatten(shared[0]) if shared else {}
    known: dict[int, dict[str, Value]] = {}
    return [common | (flatten(per_frame[index], known) if per_frame else {}) for index in range(count)]


def flatten(group: Mapping[str, Value], known: dict[int, dict[str, Value]] | None = None) -> dict[str, Value]:
    """All standard attributes inside a functional group's macros by keyword: each macro has one item.

    Vendors put whole classic data sets into private sequences here, with another idea of the position.
    ``known`` keeps what was made of an item, by its `id`, for other frames that share it.
    """
    flat: dict[str, Value] = {}
    for keyword, value in group.items():
        if keyword[0] == "(":
            continue
        if type(value) is tuple and value and (type(value[0]) is dict or isinstance(value[0], Mapping)):
            flat |= _of_macro(value[0], {} if known is None else known)
        else:
            flat[keyword] = value
    return flat


def _of_macro(item: Mapping[str, Value], known: dict[int, dict[str, Value]]) -> dict[str, Value]:
    if (flat := known.get(id(item))) is None:
        flat = known[id(item)] = flatten(item, known)
    return flat


def _dose_planes(header: Header, count: int) -> list[dict[str, Value]]:
    """RT Dose: planes along the normal, stored values times Dose Grid Scaling (PS3.3 C.8.8.3)."""
    scaling = header.number("DoseGridScaling")
    common: dict[str, Value] = {} if scaling is None else {"RescaleSlope": scaling, "RescaleIntercept": 0.0}
    if count == 1:
        return [common]
    offsets = header.numbers("GridFrameOffsetVector", count)
    position, orientation = (
        header.numbers("ImagePositionPatient", 3),
        header.numbers("ImageOrientationPatient", 6),
    )
    spacing = header.numbers("PixelSpacing", 2)
    if offsets is None or position is None or orientation is None or spacing is None:
        return [common | {"ImagePositionPatient": None} for _ in range(count)]
    normal = Plane.from_attributes(position, orientation, spacing).normal
    # relative to the first plane, or coordinates that begin with the first plane's: differences either way
    return [
        common
        | {
            "ImagePositionPatient": tuple(
                p + (offset - offsets[0]) * n for p, n in zip(position, normal.tolist(), strict=True)
            )
        }
        for offset in offsets
    ]
