"""The header of a template as pydicom has it, or why it cannot be read; plain values of its attributes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset

from dicomarray.core.nesting import TOO_DEEP
from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES, TOO_FAR, inflates_beyond_limit
from dicomarray.dicom.raw_header import RawHeader
from dicomarray.errors import TemplateError
from dicomarray.objects.common.header_faults import fault_of
from dicomarray.objects.common.quick_elements import header_of
from dicomarray.storage.plain_files import open_header
from dicomarray.storage.references import Reference

_WHOLE_NUMBER = re.compile(r"[-+]?[0-9]{1,11}")


def read_header(path: Reference) -> FileDataset:
    """The whole header of one file, without pixels.

    Raises TemplateError where it cannot be read.
    """
    try:
        with open_header(path) as stream:
            if inflates_beyond_limit(stream):
                raise TemplateError(f"{path}: {TOO_FAR}")
            header = dcmread(stream, stop_before_pixels=True, force=True)
        fault = fault_of(header)
    except PYDICOM_FAILURES as error:
        raise TemplateError(f"{path}: cannot be read as DICOM: {reason(error)}") from error
    refuse_fault(fault, path)
    return header


def parsed_header(raw: RawHeader, path: Reference) -> FileDataset:
    """The same of a file whose header is at hand, and need not be read again."""
    header = header_of(raw)
    refuse_fault(fault_of(header), path)
    return header


def refuse_fault(fault: str | None, path: Reference) -> None:
    if fault is not None:
        raise TemplateError(f"{path}: {fault}; repair the template, or choose another")


def reason(error: Exception) -> str:
    """Why, without a value that pydicom may have put into its message: it could be a birth date."""
    found: BaseException | None = error
    if isinstance(error, RecursionError):
        return TOO_DEEP
    while found is not None:  # pydicom raises errors of its own for those of the system
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return type(error).__name__


def text(header: Dataset, keyword: str) -> str:
    """An attribute as text without padding; empty where it is absent or empty."""
    value = header.get(keyword)
    return "" if value is None else str(value).strip()


def whole_number(digits: str) -> int | None:
    """The number of an Integer String (PS3.5 6.2); None for what is none."""
    return int(digits) if _WHOLE_NUMBER.fullmatch(digits) else None


def values(header: Dataset, keyword: str) -> list[Any]:
    """All values of an attribute, empty where it is absent or empty."""
    value = header.get(keyword)
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | bytes) or not hasattr(value, "__iter__") else list(value)


def drop(data_set: Dataset, keywords: Iterable[str]) -> None:
    """Drop attributes, in place, where they are present."""
    for keyword in keywords:
        if keyword in data_set:
            del data_set[keyword]


def part_of(data_set: Dataset, keywords: Iterable[str]) -> Dataset:
    """Those of some attributes that are present."""
    part = Dataset()
    for keyword in keywords:
        if keyword in data_set:
            part[keyword] = data_set[keyword]
    return part
