"""Headers -> series; what was skipped and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, overload

from dicomarray.assembly.series import Series
from dicomarray.catalog.unreadable_files import Losses
from dicomarray.dicom.attribute_names import check_name
from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.errors import InputError, UsageError
from dicomarray.runtime.garbage_collection import young_collections_only
from dicomarray.sources.filesystem import find_files
from dicomarray.sources.fsspec import mirrored, shown_path
from dicomarray.sources.header_workers import Outcome, outcome_of, read_outcomes
from dicomarray.sources.skipped import Skipped
from dicomarray.storage.places import PathLike, Url, places

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
    import pyarrow  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from dicomarray.query.config import Config
    from dicomarray.query.explanation import Explanation
    from dicomarray.sources.archives import Unpacked


class Progress(Protocol):
    """Is told how far a long job is."""

    def __call__(self, files: int, size: int = 0, total: int | None = None, /) -> None:
        """So many files were seen, which have ``size`` bytes in all; ``total`` is how many there are."""


NO_NUMBER = 1 << 62  # sorts behind every Series Number
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

    def to_pandas(
        self, rows: Literal["series", "instances"] = "series", attributes: Iterable[str] | None = None
    ) -> pandas.DataFrame:
        """The catalog as a pandas data frame.

        Parameters
        ----------
        rows
            One row a series, or an instance.
        attributes
            Which columns there are beside the UID, and ``num_instances`` or ``path``: DICOM keywords or tags;
            None takes some that say what an image is and do not name the patient.  For a series a cell is
            what all its instances agree on; it is empty where they do not.  Several values are a tuple.

        Raises
        ------
        UsageError
            Where pandas is not installed, or ``rows`` is something else.
        HeaderError
            Where a name in ``attributes`` is none.
        """
        from dicomarray.catalog.tables import to_pandas

        return to_pandas(self.series, rows, attributes)

    def to_arrow(
        self, rows: Literal["series", "instances"] = "series", attributes: Iterable[str] | None = None
    ) -> pyarrow.Table:
        """The catalog as an Arrow table: as `to_pandas`, but of one type a column.

        A column in which any cell has several values holds lists; one of which values differ in type, texts.
        """
        from dicomarray.catalog.tables import to_arrow

        return to_arrow(self.series, rows, attributes)

    def explain(self, config: Config, show_patient: bool = False) -> Explanation:
        """Why series match a filter config or not: the scan, the conditions, the series, nearest miss first.

        Parameters
        ----------
        config
            A mapping, or the path of a JSON, YAML or TOML file with one.
        show_patient
            Whether values that may tell who the patient is are shown (names, ids, comments, physicians, ...);
            they are hidden by default.

        Raises
        ------
        ConfigError
            For mistakes in the config, all of them at once.
        """
        from dicomarray.query.config import selection_of
        from dicomarray.query.explanation import explain_series

        return explain_series(self.series, self.skipped, selection_of(config), show_patient)


def scan(
    path: PathLike | Url | Iterable[PathLike | Url],
    attributes: Iterable[str] = (),
    progress: Progress | None = None,
    *,
    workers: int | None = None,
) -> Catalog:
    """Read the headers of every DICOM file at or below a path, whatever the files are called.

    Parameters
    ----------
    path
        A folder or file, or several of them.  Archives (zip, tar, compressed tar, a compressed file) are
        unpacked into a temporary folder that is removed when the process ends.  URLs such as
        ``"s3://bucket/archive"`` need fsspec; of their files just the headers are fetched.
    attributes
        Keywords, or tags such as ``"(0018,0050)"``, to read beside the usual ones.
    progress
        Called with the number of files seen so far, their bytes, and the number of all files.
    workers
        How many processes read; None chooses by the number of files and of processors.  What is found does
        not depend on it.

    Raises
    ------
    InputError
        Where the path does not exist.
    HeaderError
        Where a name in ``attributes`` is none.
    UsageError
        Where ``workers`` is less than 1, or a URL needs a package that is not installed.
    StorageError
        Where the store of a URL fails.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"workers is {workers}; it must be at least 1")
    names = DEFAULT_KEYWORDS.union(attributes)
    for name in names:
        check_name(name)  # a mistake is one in an empty folder too
    roots, lost = mirrored(places(path), progress)
    with young_collections_only():
        headers, skipped = _read([*find_files(roots), *lost], names, progress, workers)
        return Catalog(tuple(_group(headers, skipped)), tuple(skipped))


def _read(
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


def _group(headers: Iterable[Header], skipped: Iterable[Skipped]) -> list[Series]:
    groups: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        uid = header.text("SeriesInstanceUID") or ""
        groups.setdefault((uid, "" if uid else str(header.path)), []).append(header)
    losses = Losses.of(skipped)
    series = [Series(uid, tuple(members), losses.notes(members)) for (uid, _), members in groups.items()]
    return sorted(series, key=in_catalog_order)


def in_catalog_order(series: Series) -> tuple[int, str, str]:
    number = series.instances[0].attributes.get("SeriesNumber")
    return (number if isinstance(number, int) else NO_NUMBER, series.uid, str(series.instances[0].path))
