"""Headers -> series; what was skipped and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from pydicom.config import IGNORE
from pydicom.uid import UID

from dicomarray.errors import InputError
from dicomarray.reading.archives import kind_of, unpack
from dicomarray.reading.files import PathLike, Skipped, find_files
from dicomarray.reading.headers import DEFAULT_KEYWORDS, Header, check_name, read_header
from dicomarray.reading.series import Series

Progress = Callable[[int], None]
_IDENTIFYING = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality")


@dataclass(frozen=True, eq=False)
class Catalog(Sequence[Series]):
    """The series found, ordered by series number and UID, and the files that belong to none."""

    series: tuple[Series, ...]
    skipped: tuple[Skipped, ...]

    @overload
    def __getitem__(self, index: int) -> Series: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Series]: ...
    def __getitem__(self, index: int | slice) -> Series | Sequence[Series]:
        return self.series[index]

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self.series)} series, {len(self.skipped)} files skipped>"

    @property
    def images(self) -> list[Series]:
        """The series that have pixels."""
        return [series for series in self.series if series.is_image]


def scan(
    path: PathLike | Iterable[PathLike],
    attributes: Iterable[str] = (),
    progress: Progress | None = None,
) -> Catalog:
    """Read the headers of every DICOM file at or below a path, whatever the files are called.

    Parameters
    ----------
    path
        A folder or file, or several of them.  Archives (zip, tar, compressed tar, a compressed file) are
        unpacked into a temporary folder that is removed when the process ends.
    attributes
        Keywords, or tags such as ``"(0018,0050)"``, to read beside the usual ones.
    progress
        Called with the number of files seen so far.

    Raises
    ------
    InputError
        Where the path does not exist.
    HeaderError
        Where a name in ``attributes`` is none.
    """
    names = DEFAULT_KEYWORDS.union(attributes)
    for name in names:
        check_name(name)  # a mistake is one in an empty folder too
    headers: list[Header] = []
    skipped: list[Skipped] = []
    for seen, found in enumerate(find_files(path), 1):
        for item in [found] if isinstance(found, Skipped) else _headers_in(found, names):
            if isinstance(item, Skipped):
                skipped.append(item)
            else:
                headers.append(item)
        if progress is not None:
            progress(seen)
    return Catalog(tuple(_group(headers)), tuple(skipped))


def _headers_in(path: Path, names: frozenset[str]) -> Iterator[Header | Skipped]:
    """The header of a file, or those of the members of an archive."""
    first = _header(path, path, names)
    if isinstance(first, Header):
        yield first
        return
    try:
        kind = kind_of(path)
        members = None if kind is None else unpack(path, kind)
    except OSError as error:
        yield Skipped(path, f"cannot be read: {error.strerror}")
    except InputError as error:
        yield Skipped(path, str(error))
    else:
        for member in [first] if members is None else members:
            yield member if isinstance(member, Skipped) else _header(member.path, member.shown, names)


def _header(path: Path, shown: Path, names: frozenset[str]) -> Header | Skipped:
    try:
        header = read_header(path, names)
    except InputError as error:
        return Skipped(shown, str(error))
    reason = _no_instance(header)
    return header if reason is None else Skipped(shown, reason)


def _no_instance(header: Header) -> str | None:
    """Why what could be read is not enough to be an instance; None where it is.

    A header that was cut off loses its last elements: an image without series and size would be taken for
    a report of its own.  One that still names its series stays there, so that the series is known to be
    incomplete.
    """
    if header.is_image or header.text("SeriesInstanceUID"):
        return None
    kind = UID(header.text("SOPClassUID") or "", validation_mode=IGNORE).name
    if not any(header.attributes.get(keyword) for keyword in _IDENTIFYING):
        return "damaged: nothing that a DICOM object has can be read"
    if "Image Storage" in kind:
        return f"damaged, perhaps truncated: {kind} without Series Instance UID, Rows and Columns"
    return None


def _group(headers: Iterable[Header]) -> list[Series]:
    groups: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        uid = header.text("SeriesInstanceUID") or ""
        groups.setdefault((uid, "" if uid else str(header.path)), []).append(header)
    series = [Series(uid, tuple(members)) for (uid, _), members in groups.items()]
    return sorted(series, key=_order)


def _order(series: Series) -> tuple[int, str, str]:
    number = series.instances[0].attributes.get("SeriesNumber")
    return (number if isinstance(number, int) else 1 << 62, series.uid, str(series.instances[0].path))
