"""An instance that came from a PACS, in a file beside its place: who it is, and its name."""

from __future__ import annotations

from pathlib import Path

from dicomarray.dicom.headers.header import read_header
from dicomarray.dicom.uids import is_safe_uid
from dicomarray.sources.base import RemoteSeries
from dicomarray.storage.atomic import usual_mode

_IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def identity_of(part: Path) -> tuple[str | None, str | None, str | None]:
    """The UIDs of its study, its series and itself; raises InputError where it is no DICOM object."""
    study, series, sop = map(read_header(part, _IDENTITY).text, _IDENTITY)
    return study, series, sop


def uid_in(part: Path, series: RemoteSeries) -> str | None:
    """Its SOP Instance UID; None where it is of another series, or has none that can be a file's name.

    Raises
    ------
    InputError
        Where it is no DICOM object.
    """
    study, uid, sop = identity_of(part)
    return sop if (study, uid) == (series.study, series.uid) and is_safe_uid(sop) else None


def named(part: Path, uid: str) -> Path:
    """The file under its name, which it gets when it is whole."""
    file = part.with_name(f"{uid}.dcm")
    part.chmod(usual_mode(0o666))
    part.replace(file)
    return file
