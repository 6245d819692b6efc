"""The files of a new series: all of them or none, and the report on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.notebook import notebook
from dicomarray.core.pixel_values import Array
from dicomarray.dicom.part10 import file_start
from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES
from dicomarray.errors import OutputError, TemplateError
from dicomarray.objects.common.headers import reason, text
from dicomarray.objects.common.options import SeriesOptions
from dicomarray.storage.atomic import new_folder
from dicomarray.storage.references import Reference
from dicomarray.version import __version__

# Made once (PS3.5 B.2); it names this software in every file that it writes (PS3.10 7.1).
IMPLEMENTATION_CLASS_UID = "2.25.200870302587740582784928558676690548984"

_VERSION_NAME = f"DICOMARRAY_{__version__}"[:16]  # VR SH

_PREAMBLE = 128  # bytes before "DICM" in a file (PS3.10 7.1)


@dataclass(frozen=True)
class WriteReport:
    """What was written, and how far it is from the array.

    ``slope`` and ``intercept`` are None where each slice keeps the template's own.  Errors are in the
    units of the array.  ``stored`` are the URLs of the instances, where they went to a PACS; then no
    files are left here.
    """

    files: tuple[Path, ...]
    series_uid: str
    sop_uids: tuple[str, ...]
    max_error: float
    mean_error: float
    clipped: int
    slope: float | None
    intercept: float | None
    warnings: Warnings = ()
    stored: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """How many files there are, and where."""
        if self.stored:
            where, count = self.stored[0].rpartition("/instances/")[0], len(self.stored)
            return f"{count} {'instance' if count == 1 else 'instances'} in {where}"
        count = len(self.files)
        where = f" in {self.files[0].parent}" if self.files else ""
        return f"{count} {'file' if count == 1 else 'files'}{where}"

    def _repr_html_(self) -> str:
        """A table, in a notebook."""
        return str(notebook("report_html", self))

    def __repr__(self) -> str:
        return (
            f"<WriteReport: {self.place}, series {self.series_uid}, greatest error "
            f"{self.max_error:.6g}, {self.clipped} clipped, {len(self.warnings)} warnings>"
        )


# Called with the files in their temporary folder and the report; what it raises undoes everything.
Check = Callable[[Sequence[Path], WriteReport], None]


@contextmanager
def new_series(
    report: WriteReport, output: Path, options: SeriesOptions, check: Check | None
) -> Iterator[list[Path]]:
    """The files of a report in a temporary folder, to be written; at the end they are checked and appear."""
    with new_folder(output, options.overwrite, is_result) as folder:
        paths = [folder / file.name for file in report.files]
        yield paths
        if check is not None:
            check(paths, report)


@contextmanager
def write_errors_named(path: Path, source: Reference) -> Iterator[None]:
    """While a header of the template is changed and written: which of the two files an error is of."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error
    except PYDICOM_FAILURES as error:
        raise TemplateError(
            f"{source}: the template's header cannot be written back ({reason(error)}); check "
            "it with dciodvfy, or choose another template"
        ) from error


def write_bytes(path: Path, header: bytes, pixels: Array) -> None:
    words = pixels.reshape(-1).view(np.uint8)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        try:
            rest = [memoryview(part) for part in (header, words.data, b"\0" * (words.size % 2))]
            while rest:
                # in one call where the system can: a file begun with a few bytes takes longer to write
                written = os.writev(file, rest) if hasattr(os, "writev") else os.write(file, rest[0])
                while rest and written >= len(rest[0]):
                    written -= len(rest.pop(0))
                if rest:
                    rest[0] = rest[0][written:]
        finally:
            os.close(file)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error


def write_header(path: Path, header: FileDataset, syntax: UID | None = None) -> None:
    """A Part 10 file.

    Without a transfer syntax: little endian as the template is, Explicit VR where it is compressed or big
    endian.
    """
    if syntax is None:
        native_implicit = header.original_encoding == (True, True)
        syntax = ImplicitVRLittleEndian if native_implicit else ExplicitVRLittleEndian
    header.preamble, header.file_meta = None, FileMetaDataset()  # pydicom knows the rest of both
    header.file_meta.TransferSyntaxUID = syntax
    header.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    header.file_meta.ImplementationVersionName = _VERSION_NAME
    dcmwrite(path, header, enforce_file_format=True)


def start_of_file(header: Dataset, syntax: str) -> bytes:
    """Preamble and File Meta Information of a file of this software (PS3.10 7.1)."""
    uids = {
        0x00020002: text(header, "SOPClassUID"),
        0x00020003: text(header, "SOPInstanceUID"),
        0x00020010: syntax,
        0x00020012: IMPLEMENTATION_CLASS_UID,
    }
    return file_start(
        [
            (0x00020001, "OB", b"\0\1"),
            *((tag, "UI", uid.encode("ascii")) for tag, uid in uids.items()),
            (0x00020013, "SH", _VERSION_NAME.encode("ascii")),
        ]
    )


def is_result(entry: Path) -> bool:
    """Whether a file may be replaced: it is named and begins like those that are written here."""
    if entry.suffix != ".dcm" or entry.is_symlink() or not entry.is_file():
        return False
    with entry.open("rb") as stream:
        return stream.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"
