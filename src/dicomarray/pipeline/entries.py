"""What became of each series: one small entry, the same in Python and in the ledger."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dicomarray.core.coded_warnings import CodedWarning, Warnings
from dicomarray.pipeline.compressed_sequence import CompressedSequence
from dicomarray.sources.base import SkippedGroup
from dicomarray.storage.places import Place

Status = Literal["written", "failed"]


@dataclass(frozen=True, slots=True)
class SeriesOutput:
    """One series that was written; nothing in it grows with the number of voxels or slices.

    Attributes
    ----------
    name
        What the function called the result, ``"volume0"`` and so on before it where the series holds
        several volumes; empty for the only result of the only volume.
    source_uid, series_uid
        Series Instance UIDs of the template and of the new series.
    folder, count
        Where its files lie, and how many they are.
    shape, axes, units
        Of the array that was written.
    affine
        4x4, index (slice, row, column) to LPS mm; None without patient geometry.
    slope, intercept
        One for the series, or None where each slice keeps the template's own.
    max_error, mean_error, clipped
        How far what was written is from the array, in the array's units; how many values were clipped.
    volume
        The index of the volume of the source that it was made of; None in an older ledger.
    sha256, stamp
        One for its files, see `checksums.sha256_of_series`, and a digest of their names, sizes and times;
        None in an older ledger.
    observed
        What the ``observe`` function of the run returned.
    thumbnail
        A small picture on its way to the page of the run; empty otherwise.
    """

    name: str
    source_uid: str
    series_uid: str
    folder: Place
    count: int
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    units: str
    affine: tuple[tuple[float, ...], ...] | None
    slope: float | None
    intercept: float | None
    max_error: float
    mean_error: float
    clipped: int
    sha256: str | None = None
    stamp: str | None = None
    volume: int | None = None
    observed: Mapping[str, Any] = field(default_factory=dict)
    thumbnail: str = field(default="", repr=False)

    @property
    def files(self) -> tuple[Place, ...]:
        """The files, by name, as they lie in the folder now."""
        return tuple(sorted(self.folder.glob("*.dcm"), key=str))


@dataclass(frozen=True, slots=True)
class RunEntry:
    """What became of one series, or of one study.

    ``error`` is the reason in one line or a few, ``traceback`` where the user's function raised;
    ``output`` is the folder of the results, ``outputs`` has each of them.  ``name`` is the folder's name
    and the entry's key in the ledger, ``inputs`` the digest of the files' names, sizes and times.
    ``started`` is in seconds since 1970, UTC.  ``resumed`` entries are those of an earlier run.  ``stored``
    is what a PACS answered to which the results went.  ``inputs_sha256`` is one for the contents of the
    files, see `checksums.sha256_of_series`; None for what lies in a store, and in an older ledger.
    """

    name: str
    series_uids: tuple[str, ...]
    title: str
    status: Status
    seconds: float
    started: float = 0.0
    inputs: str = ""
    output: Place | None = None
    outputs: tuple[SeriesOutput, ...] = ()
    warnings: Warnings = ()
    error: str | None = None
    traceback: str | None = None
    resumed: bool = False
    stored: str | None = None
    inputs_sha256: str | None = None

    @property
    def series_uid(self) -> str:
        """Series Instance UID of the input; the first one of a study."""
        return self.series_uids[0]

    @property
    def report(self) -> SeriesOutput | None:
        """The first series that was written; None where none was."""
        return self.outputs[0] if self.outputs else None


@dataclass(frozen=True, slots=True)
class RunReport:
    """One entry a series (or study), in the order of the catalog.

    ``ledger`` is the file that has them, ``page`` the HTML page that shows them, ``skipped`` what the scan
    took for no instance, by reason.  ``again`` counts what an earlier run had done, or tried, and ``resume``
    did again, by the reason.  Entries are made when they are asked for: those of 10,000 series would
    take 25 MB.
    """

    entries: Sequence[RunEntry] = field(default_factory=CompressedSequence)
    ledger: Place | None = None
    page: Place | None = None
    skipped: Sequence[SkippedGroup] = ()
    again: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        done, failed = len(self.written), len(self.failed)
        return f"<RunReport: {len(self)} series or studies, {done} written, {failed} failed; {self.ledger}>"

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[RunEntry]:
        return iter(self.entries)

    @property
    def failed(self) -> Sequence[RunEntry]:
        return self._those("failed")

    @property
    def written(self) -> Sequence[RunEntry]:
        return self._those("written")

    def _those(self, status: Status) -> Sequence[RunEntry]:
        return CompressedSequence(entry for entry in self.entries if entry.status == status)


# What older ledgers lack, and what stands in none.
LATER = ("stored", "inputs_sha256", "sha256", "stamp", "volume")
_NOT_KEPT = ("resumed", "thumbnail")


def as_json(entry: RunEntry) -> dict[str, Any]:
    """The entry as a line of the ledger, its folders relative to the output folder of the run."""
    record = {"record": "entry", **_kept(entry)}
    record["output"] = None if entry.output is None else entry.output.name
    record["outputs"] = [_kept(output) for output in entry.outputs]
    for output in record["outputs"]:
        if isinstance(entry.output, Path) and isinstance(output["folder"], Path):
            output["folder"] = output["folder"].relative_to(entry.output.parent).as_posix()
    return record


def _kept(item: RunEntry | SeriesOutput) -> dict[str, Any]:
    return {f.name: getattr(item, f.name) for f in dataclasses.fields(item) if f.name not in _NOT_KEPT}


def from_json(record: Mapping[str, Any], root: Place) -> RunEntry:
    """The entry of a ledger in the output folder ``root``.

    Raises KeyError or TypeError where the record is none that `as_json` made.
    """
    values = _values(RunEntry, record)
    values["output"] = None if record["output"] is None else root / record["output"]
    values["outputs"] = tuple(_output_from_json(output, root) for output in record["outputs"])
    values["series_uids"] = tuple(record["series_uids"])
    values["warnings"] = tuple(map(CodedWarning, record["warnings"]))
    return RunEntry(**values)


def _output_from_json(record: Mapping[str, Any], root: Place) -> SeriesOutput:
    values = _values(SeriesOutput, record)
    values["folder"] = root / record["folder"]
    values["shape"], values["axes"] = tuple(record["shape"]), tuple(record["axes"])
    if record["affine"] is not None:
        values["affine"] = tuple(tuple(row) for row in record["affine"])
    return SeriesOutput(**values)


def _values(kind: type[RunEntry | SeriesOutput], record: Mapping[str, Any]) -> dict[str, Any]:
    names = [f.name for f in dataclasses.fields(kind) if f.name not in _NOT_KEPT]
    return {name: record.get(name) if name in LATER else record[name] for name in names}
