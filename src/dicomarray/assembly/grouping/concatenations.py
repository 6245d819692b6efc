"""Concatenations: one enhanced object in several files (PS3.3 C.7.6.16), of which some may be missing."""

from __future__ import annotations

from collections.abc import Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.duplicates import some
from dicomarray.assembly.options import ReadOptions
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.dicom.vr import Value
from dicomarray.errors import GeometryError


def missing_parts(frames: Sequence[Frame], options: ReadOptions) -> Warnings:
    """What is missing of concatenations: one object in several files (PS3.3 C.7.6.16).

    Raises
    ------
    GeometryError
        Where a part is missing, unless ``missing`` says what to do then: it is a warning then.
    """
    parts: dict[str, dict[Value, Frame]] = {}
    for frame in frames:
        if uid := frame.header.text("ConcatenationUID"):
            parts.setdefault(uid, {}).setdefault(frame.attributes.get("InConcatenationNumber"), frame)
    warnings: Warnings = ()
    for uid, members in parts.items():
        first = next(iter(members.values()))
        numbers = [number for number in members if isinstance(number, int)]
        total = int(first.number("InConcatenationTotalNumber") or max(numbers, default=len(members)))
        if len(members) >= total:
            continue
        there = some([f"{frame.header.path} (part {number})" for number, frame in members.items()])
        lost = total - len(members)
        told = f"{lost} of the {total} parts of concatenation {uid} are missing; there is {there}"
        if options.missing == "error":
            raise GeometryError(
                f'{told}. Find the missing files, or take what is there with missing="keep" (--missing keep)'
            )
        warnings += warning(f"{told} [missing-parts]")
    return warnings
