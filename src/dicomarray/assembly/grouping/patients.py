"""Whether the images of a series name one patient: where they do not, it is said, and nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.plain_text import some
from dicomarray.dicom.headers.attributes import may_differ
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.keywords import PATIENT
from dicomarray.dicom.vr import Value
from dicomarray.errors import TemplateError


def patient_warnings(frames: Sequence[Frame]) -> Warnings:
    """The warnings for images that name several patients, or of which some name none; no name is shown."""
    headers = _headers(frames)
    differing = _differing(headers)
    notes: Warnings = ()
    if named := _several(differing):
        notes += warning(f"{_mixed(headers, named)}: the volume may mix patients [mixed-patients]")
    for keyword, values in differing.items():
        if without := [header for header, value in zip(headers, values, strict=True) if not value]:
            notes += warning(
                f"{keyword} is empty in {len(without)} of {len(headers)} files ({_files(without)}) and "
                "filled in the others: whether all are of one patient is not known [mixed-patients]"
            )
    return notes


def refuse_mixed_patients(frames: Sequence[Frame], template: str) -> None:
    """Raise TemplateError for images of several patients: what is written would name the wrong one."""
    headers = _headers(frames)
    if named := _several(_differing(headers)):
        raise TemplateError(
            f"{template} is of no single patient: {_mixed(headers, named)}. What is made of it would name "
            "the wrong patient: correct these files, or choose images of one patient"
        )


def _headers(frames: Sequence[Frame]) -> list[Header]:
    return list({id(frame.header): frame.header for frame in frames}.values())


def _several(differing: dict[str, list[str]]) -> dict[str, list[str]]:
    """The attributes in which images name different patients, with the value of each image."""
    return {keyword: values for keyword, values in differing.items() if len(set(values) - {""}) > 1}


def _differing(headers: Sequence[Header]) -> dict[str, list[str]]:
    """The attributes of the patient that differ, also where some are empty, with the value of each image."""
    differing = may_differ([header.attributes for header in headers], PATIENT)
    values = {keyword: [_plain(keyword, h.attributes.get(keyword)) for h in headers] for keyword in differing}
    return {keyword: each for keyword, each in values.items() if len(set(each)) > 1}


def _plain(keyword: str, value: Value) -> str:
    """A value without what differs between spellings of the same one; empty where it is absent."""
    text = "" if value is None else str(value).strip()
    if keyword == "PatientBirthDate":
        return text.replace(".", "")  # as older files have it (PS3.5 6.2)
    if keyword == "PatientName":
        spelled = text.split("=")[0] or text  # other groups are the same name in other scripts
        return " ".join(spelled.replace("^", " ").casefold().split())
    return text


def _mixed(headers: Sequence[Header], named: dict[str, list[str]]) -> str:
    """Which attributes differ, in how many patients, and the files that are of others than most."""
    each = list(zip(*named.values(), strict=True))
    (usual, _), *_ = Counter(each).most_common(1)
    others = [header for header, one in zip(headers, each, strict=True) if one != usual]
    count = max(len(set(values) - {""}) for values in named.values())
    return (
        f"{len(headers)} files name {count} patients by {' and '.join(named)}; {len(others)} are of "
        f"another than the rest: {_files(others)}"
    )


def _files(headers: Sequence[Header]) -> str:
    return some([header.reference.name for header in headers])
