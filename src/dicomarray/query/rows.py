"""A series as a filter sees it: a table with a row for each instance, or frame, and a column an attribute.

A filter asks columns, never files, so an index, which keeps them, answers the same configs: a column has one
cell for each row, or **a single cell where all rows have the same** value; then a condition on it costs one
evaluation a series, however many instances it has.  Columns are asked for by the names of
`Selection.attributes`, only those, each once.

A cell is what `Header.attributes` holds for the attribute, and `ABSENT` where the instance lacks it.  Of an
enhanced object every frame is a row, whose functional groups answer plain keywords (PS3.3 C.7.6.16).
`rows_of` makes such rows of headers.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dicomarray.assembly.frames.closed import ClosedHeader
from dicomarray.core.coded_warnings import CodedWarning, Warnings, warning
from dicomarray.dicom.functional_groups import FUNCTIONAL_GROUPS, FunctionalGroups, flatten, items_of
from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.columns import HasColumns, column_of, without_repeats
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.vr import Value
from dicomarray.errors import DataError

# Of patient, study, series and equipment: no functional group has them, so that no frame need be looked at.
SERIES_WIDE = frozenset(
    {
        "Modality", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID", "SOPInstanceUID", "SeriesNumber",
        "SeriesDescription", "StudyDescription", "StudyDate", "StudyTime", "SeriesDate", "SeriesTime",
        "StudyID", "AccessionNumber", "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
        "PatientAge", "PatientWeight", "PatientSize", "IssuerOfPatientID", "PatientPosition",
        "BodyPartExamined", "ProtocolName", "Manufacturer", "ManufacturerModelName", "StationName",
        "DeviceSerialNumber", "SoftwareVersions", "InstitutionName", "MagneticFieldStrength",
        "NumberOfFrames", "Rows", "Columns", "ImageType", "InstanceNumber", "BurnedInAnnotation",
        "SegmentSequence", "StructureSetROISequence", "ReferencedSeriesSequence",
        "ReferencedFrameOfReferenceSequence",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """The table of one series.

    Attributes
    ----------
    instances
        Its headers, of which facts make frames and stacks.
    rows
        The rows, where these are not the instances; without instances each row is one.
    owners
        For each row the number of the instance that it belongs to, ascending; None: each has its own.
    warnings
        What is odd about the files, such as frames that could not be read.
    """

    instances: Sequence[Header] = ()
    rows: Sequence[Mapping[str, Value]] | None = None
    owners: Sequence[int] | None = None
    warnings: Warnings = ()

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.instances if self.rows is None else self.rows)

    @property
    def headers(self) -> Sequence[Header]:
        """The instances, with closed files."""
        if isinstance(self.instances, HasColumns):
            return self.instances.kept_headers()
        return [ClosedHeader.of(header) for header in self.instances]

    def column(self, name: str) -> Sequence[Value]:
        """The cells of an attribute, one for each row, or a single one where all are the same."""
        if self.rows is None:
            return column_of(self.instances, name)
        return without_repeats([row.get(name, ABSENT) for row in self.rows])


def rows_of(headers: Sequence[Header], attributes: Iterable[str]) -> Rows:
    """The table of a series.

    Parameters
    ----------
    headers
        Its instances, with the attributes read that will be asked for, or from an index, which has all.
    attributes
        What will be asked for.  Functional groups are read only where they can answer.
    """
    names = frozenset(attributes)
    if names <= SERIES_WIDE or all(cell is ABSENT for cell in column_of(headers, "NumberOfFrames")):
        return Rows(headers)
    rows: list[Mapping[str, Value]] = []
    owners: list[int] = []
    warnings: list[CodedWarning] = []
    for owner, header in enumerate(headers):
        known = header.attributes
        if isinstance(headers, HasColumns):
            known = ChainMap(dict(header.further(names)), known)  # type: ignore[arg-type] # it is only read
        frames: Sequence[Mapping[str, Value]] = (known,)
        if "NumberOfFrames" in known:
            try:
                frames = _frame_rows(header, known)
            except DataError as error:
                warnings += warning(
                    f"{error}; it is judged by its data set, not frame by frame [query-frames]"
                )
        rows += frames
        owners += [owner] * len(frames)
    return Rows(headers, rows, owners, tuple(warnings))


def _frame_rows(header: Header, known: Mapping[str, Value]) -> Sequence[Mapping[str, Value]]:
    """The frames of an instance that say something of their own; else the instance as it is."""
    groups = FunctionalGroups.of(header.further(FUNCTIONAL_GROUPS), header.reference)
    if not groups:
        return [known]
    groups.check_count(known.get("NumberOfFrames"), header.reference)
    common = _with_group(known, groups.shared)
    return [_with_group(common, group) for group in groups.per_frame] or [common]


def _with_group(below: Mapping[str, Value], group: Mapping[str, Value]) -> dict[str, Value]:
    """A row with a functional group over it: macros, their attributes, and what lies deeper in them.

    What lies deeper (codes, references to other images) stands back behind the data set's own attributes.
    """
    near: dict[str, Value] = {}
    deep: dict[str, Value] = {}
    for keyword, value in group.items():
        if keyword.startswith("("):
            continue
        near[keyword] = value
        for number, item in enumerate(items_of(value)):
            deep = flatten(item) | deep
            own = {name: cell for name, cell in item.items() if not name.startswith("(")}
            near |= own if number == 0 else {name: _joined(near, name, own[name]) for name in own}
    return {**deep, **below, **near}


def _joined(known: Mapping[str, Value], name: str, further: Value) -> Value:
    """The values of several items of a macro, any of which answers."""
    parts = [value for value in (known.get(name), further) if value is not None]
    values = tuple(v for part in parts for v in (part if isinstance(part, tuple) else (part,)))
    return values if len(values) > 1 else (values[0] if values else None)
