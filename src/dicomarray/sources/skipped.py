"""Files that are no part of any series, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dicomarray.dicom.recognition import NoImageError
from dicomarray.errors import InputError
from dicomarray.storage.places import Place
from dicomarray.storage.references import ObjectReference, Reference

# Of the files that are skipped for one reason so many are named.
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no part of any series, and why.

    For a member of an archive the path is that of the archive with the member's name behind it; for a file in
    a store it is a `Url`.  What is empty, damaged or cannot be read may have been an image: ``lost_from`` is
    the folder (or archive) whose images may be incomplete without it; None for what surely is none.
    """

    path: Place
    reason: str
    lost_from: Place | None = None

    @classmethod
    def lost(cls, path: Place | ObjectReference, reason: str) -> Skipped:
        """A file or folder that may have held an image of the folder (or archive) that it lies in."""
        if isinstance(path, ObjectReference):
            return cls(path.place, reason, path.beside[0])
        return cls(path, reason, path.parent)

    @classmethod
    def because(cls, path: Reference, error: InputError) -> Skipped:
        """A file that cannot be taken."""
        lost = cls.lost(path, str(error))
        return replace(lost, lost_from=None) if isinstance(error, NoImageError) else lost


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """How many files were skipped for one reason, and the names of some."""

    reason: str
    count: int
    examples: tuple[str, ...]


def by_reason(skipped: Iterable[Skipped]) -> list[SkippedGroup]:
    """What was skipped in a few lines, the most frequent reason first."""
    names: dict[str, list[str]] = {}
    for item in skipped:
        names.setdefault(item.reason, []).append(item.path.name)
    groups = [SkippedGroup(reason, len(n), tuple(n[:EXAMPLES])) for reason, n in names.items()]
    return sorted(groups, key=lambda group: -group.count)
