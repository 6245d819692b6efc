"""Files that may have been images of a series, and could not be read.

A slice that is lost between others leaves a gap; of the first or last one no position tells.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.plain_text import some
from dicomarray.dicom.headers.header import Header
from dicomarray.sources.base import EXAMPLES, Skipped
from dicomarray.storage.places import Place


class UnreadableFiles(NamedTuple):
    """What was skipped and may have been an image, by the folder or archive that it lies in."""

    by_place: Mapping[str, Sequence[Skipped]]

    @classmethod
    def of(cls, skipped: Iterable[Skipped]) -> UnreadableFiles:
        """Those among all that was skipped."""
        found: dict[str, list[Skipped]] = {}
        for item in skipped:
            if item.lost_from is not None:
                found.setdefault(_name(item.lost_from), []).append(item)
        return cls(found)

    def notes(self, headers: Iterable[Header]) -> Warnings:
        """What to say of a series with these instances; nothing where nothing lies beside them."""
        return self.notes_at(_places(headers)) if self.by_place else ()

    def notes_at(self, places: Iterable[str]) -> Warnings:
        """What to say of a series with files in these folders and archives."""
        lost = sorted(
            (item for place in set(places) for item in self.by_place.get(place, ())),
            key=lambda item: (str(item.path), item.reason),
        )
        if not lost:
            return ()
        named = some([f"{item.path.name} ({item.reason})" for item in lost], EXAMPLES)
        files = "a file" if len(lost) == 1 else f"{len(lost)} files"
        return warning(
            f"{files} beside the images could not be read, so images may be missing: {named} [unreadable]"
        )


def _places(headers: Iterable[Header]) -> set[str]:
    """The folders of the files; of those in archives the archives, and the folders of these."""
    found: set[Place] = set()
    for header in headers:
        found.update(
            (header.reference.parent,) if isinstance(header.reference, Path) else header.reference.beside
        )
    return {_name(place) for place in found}


def _name(place: Place) -> str:
    return os.path.abspath(place) if isinstance(place, Path) else str(place)  # noqa: PTH100 - without ".."
