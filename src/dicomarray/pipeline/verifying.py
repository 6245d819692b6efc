"""A run looked at later: whether its results, and its inputs, are still what its ledger says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from dicomarray.catalog.scan import scan
from dicomarray.catalog.series_selection import Inputs
from dicomarray.errors import InputError
from dicomarray.pipeline import ledger
from dicomarray.pipeline.checksums import Finding, finding_of_files, finding_of_result
from dicomarray.pipeline.entries import RunEntry
from dicomarray.storage.places import PathLike, Url, place_of


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one result or input: ``subject`` is a folder of the run, or the UID of an input series.

    ``unknown``: the ledger has no SHA-256 of it, since it lay in a store, or the ledger is older than these.
    """

    subject: str
    what: Literal["result", "input"]
    finding: Finding


def verify_run(run: PathLike | Url, input_dicom: Inputs | None = None) -> list[Checked]:
    """Compare the results of a run, and its inputs where they are given, with the SHA-256 in its ledger.

    Parameters
    ----------
    run
        The output folder of the run, on this computer.
    input_dicom
        The folders that the run read; None leaves the inputs out.

    Returns
    -------
    list of Checked
        One for each written result, in the order of the ledger; then one for each series (or study) read.

    Raises
    ------
    InputError
        Where the folder holds no ledger, or no series was written.
    """
    folder = place_of(run)
    entries = [entry for entry in ledger.entries_of_run(folder) if entry.status == "written"]
    if not entries:
        raise InputError(f"{folder}: its ledger names no series that was written; there is nothing to verify")
    checked = [
        Checked(f"{output.folder}", "result", finding_of_result(output))
        for entry in entries
        for output in entry.outputs
    ]
    return checked if input_dicom is None else [*checked, *_inputs(entries, input_dicom)]


def _inputs(entries: Iterable[RunEntry], input_dicom: Inputs) -> Iterator[Checked]:
    found = {series.uid: series.references for series in scan(input_dicom)}
    for entry in entries:
        subject = " ".join(entry.series_uids)
        if not all(uid in found for uid in entry.series_uids):
            yield Checked(subject, "input", "missing")
            continue
        references = [reference for uid in entry.series_uids for reference in found[uid]]
        yield Checked(subject, "input", finding_of_files(entry.inputs_sha256, references))
