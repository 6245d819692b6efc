"""Files -> the headers of instances, or why they are none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.errors import InputError
from dicomarray.sources.fsspec import shown_path
from dicomarray.sources.header_workers import Outcome, outcome_of, read_outcomes
from dicomarray.sources.skipped import Skipped
from dicomarray.storage.places import Url

if TYPE_CHECKING:
    from dicomarray.sources.archives import Unpacked


class Progress(Protocol):
    """Is told how far a long job is."""

    def __call__(self, files: int, size: int = 0, total: int | None = None, /) -> None:
        """So many files were seen, which have ``size`` bytes in all; ``total`` is how many there are."""


_IDENTIFYING = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality")


def read_instances(
    files: Sequence[Path | Skipped], names: frozenset[str], progress: Progress | None, workers: int | None
) -> tuple[list[Header], list[Skipped]]:
    """The instances in the files, and what is none."""
    headers: list[Header] = []
    skipped: list[Skipped] = []
    size = 0
    reader = HeaderReader(names)
    paths = [found for found in files if isinstance(found, Path)]
    with closing(read_outcomes(paths, names, workers)) as outcomes:
        for seen, found in enumerate(files, 1):
            for item in (found,) if isinstance(found, Skipped) else _items(found, next(outcomes), reader):
                if isinstance(item, Skipped):
                    skipped.append(_as_shown(item))
                else:
                    headers.append(item)
                    size += 0 if item.stamp is None else item.stamp.size
            if progress is not None:
                progress(seen, size, len(files))
    return headers, skipped


def _items(path: Path, outcome: Outcome, reader: HeaderReader) -> Iterable[Header | Skipped]:
    """The header of a file, or those of the members of an archive."""
    if isinstance(outcome, Header) and outcome.is_image:
        return (outcome,)  # nearly every file: nothing else is asked of it
    return _members(path, _instance(outcome), reader)


def _as_shown(item: Skipped) -> Skipped:
    path = shown_path(item.path)
    if item.lost_from is None or isinstance(item.lost_from, Url):
        return Skipped(path, item.reason, item.lost_from)
    in_folder = item.lost_from == item.path.parent
    return Skipped(path, item.reason, path.parent if in_folder else shown_path(item.lost_from))


def _instance(outcome: Outcome) -> Header | Skipped:
    """The header, or why it is none of an instance."""
    reason = no_instance(outcome) if isinstance(outcome, Header) else None
    return outcome if reason is None else Skipped.lost(outcome.path, reason)


def of_member(item: Skipped, member: Unpacked) -> Skipped:
    """What was skipped of an archive, by the names that it has there."""
    return Skipped(member.shown, item.reason, member.archive if item.lost_from is not None else None)


def _members(path: Path, first: Header | Skipped, reader: HeaderReader) -> Iterable[Header | Skipped]:
    if isinstance(first, Header):
        return (first,)
    from dicomarray.sources.archives import kind_of, unpack

    try:
        kind = kind_of(path)
        members = None if kind is None else unpack(path, kind)
    except OSError as error:
        return (Skipped.lost(path, f"cannot be read: {error.strerror}"),)
    except InputError as error:
        return (Skipped.because(path, error),)
    if members is None:
        return (first,)
    return (_of_archive(member, reader) for member in members)


def _of_archive(member: Unpacked | Skipped, reader: HeaderReader) -> Header | Skipped:
    if isinstance(member, Skipped):
        return member
    found = _instance(outcome_of(reader, member.path))
    return of_member(found, member) if isinstance(found, Skipped) else found


def no_instance(header: Header) -> str | None:
    """Why what could be read is not enough to be an instance; None where it is.

    A header that was cut off loses its last elements: an image without series and size would be taken for
    a report of its own.  One that still names its series stays there, so that the series is known to be
    incomplete.
    """
    if header.is_image or header.text("SeriesInstanceUID"):
        return None
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    kind = UID(header.text("SOPClassUID") or "", validation_mode=IGNORE).name
    if not any(header.attributes.get(keyword) for keyword in _IDENTIFYING):
        return "damaged: nothing that a DICOM object has can be read"
    if "Image Storage" in kind:
        return f"damaged, perhaps truncated: {kind} without Series Instance UID, Rows and Columns"
    return None
