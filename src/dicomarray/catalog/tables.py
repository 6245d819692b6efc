"""A catalog as a table: one row a series or an instance, for pandas or Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from dicomarray.assembly.series import Series
from dicomarray.core.optional_packages import package
from dicomarray.dicom.attribute_names import check_name
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.vr import Value
from dicomarray.errors import UsageError
from dicomarray.storage.references import file_of

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
    import pyarrow  # type: ignore[import-untyped,import-not-found,unused-ignore]

Rows = Literal["series", "instances"]

# What a table shows when nothing is asked for; nothing that names the patient.
SERIES_COLUMNS = (
    "StudyInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined", "ProtocolName",
    "Manufacturer", "ManufacturerModelName", "Rows", "Columns", "SliceThickness",
)  # fmt: skip
INSTANCE_COLUMNS = (
    "SOPInstanceUID", "Modality", "SeriesNumber", "InstanceNumber", "AcquisitionNumber", "ImageType",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceLocation", "NumberOfFrames",
    "Rows", "Columns",
)  # fmt: skip

Columns = dict[str, list[Any]]


def to_pandas(series: Sequence[Series], rows: Rows, attributes: Iterable[str] | None) -> pandas.DataFrame:
    """The table as a data frame; see `Catalog.to_pandas`."""
    columns = _columns(series, rows, attributes)
    pandas = _package("pandas")
    # not by pandas' own guess, for which a slice thickness of 2.0 would be a whole number
    return pandas.DataFrame(
        {n: pandas.Series(cells, dtype=_pandas_dtype(cells)) for n, cells in columns.items()}
    )


def _pandas_dtype(cells: Sequence[Value]) -> str:
    """A type that has room for missing cells; what is neither number nor text stays the object that it is."""
    kinds = {
        _kind(cell) if isinstance(cell, int | str) else type(cell).__name__
        for cell in cells
        if cell is not None
    }
    if kinds <= {"number"}:
        return "Int64" if kinds else "object"
    if kinds <= {"number", "float"}:
        return "Float64"
    return "string" if kinds == {"text"} else "object"


def to_arrow(series: Sequence[Series], rows: Rows, attributes: Iterable[str] | None) -> pyarrow.Table:
    """The table for Arrow; see `Catalog.to_arrow`."""
    columns = _columns(series, rows, attributes)
    pyarrow = _package("pyarrow")
    return pyarrow.table({name: pyarrow.array(_of_one_type(cells)) for name, cells in columns.items()})


def _package(name: str) -> Any:
    return package(name, "tables", f"this table needs {name}, which is not installed; install it alone, or")


def _columns(series: Sequence[Series], rows: Rows, attributes: Iterable[str] | None) -> Columns:
    if rows not in get_args(Rows):
        raise UsageError(f'rows="{rows}" is unknown; there are: {", ".join(get_args(Rows))}')
    if isinstance(attributes, str):
        raise UsageError(f'attributes="{attributes}" is a text; give a list of names: ["{attributes}"]')
    usual = SERIES_COLUMNS if rows == "series" else INSTANCE_COLUMNS
    names = usual if attributes is None else tuple(dict.fromkeys(attributes))
    for name in names:
        check_name(name)
    return _of_series(series, names) if rows == "series" else _of_instances(series, names)


def _of_series(series: Sequence[Series], names: Sequence[str]) -> Columns:
    """One row a series: what its instances agree on, None where they do not."""
    return {
        "SeriesInstanceUID": [one.uid or None for one in series],
        "num_instances": [len(one.instances) for one in series],
        **{
            name: [one.attributes.get(name) for one in series]
            for name in names
            if name != "SeriesInstanceUID"
        },
    }


def _of_instances(series: Sequence[Series], names: Sequence[str]) -> Columns:
    """One row an instance, series by series."""
    further = frozenset(names) - DEFAULT_KEYWORDS
    rows: list[dict[str, Any]] = []
    for one in series:
        for header in one.instances:
            read, known = header.further(further) if further else {}, header.attributes
            of_file = {"SeriesInstanceUID": one.uid or None, "path": str(file_of(header.reference))}
            # one by one: what nobody asks for is not decoded
            rows.append(of_file | {name: read[name] if name in read else known.get(name) for name in names})
    return {name: [row[name] for row in rows] for name in ("SeriesInstanceUID", "path", *names)}


def _of_one_type(cells: list[Value]) -> list[Value]:
    """Cells that Arrow can hold in one column: numbers, texts, lists of either; mixed ones become texts.

    Single and several values of one attribute become lists, and sequences the text of their items.
    """
    several = any(isinstance(cell, tuple) for cell in cells)
    lists = [cell if isinstance(cell, tuple) else (cell,) for cell in cells]
    kinds = {_kind(item) for items in lists for item in items if item is not None}
    if len(kinds) > 1 or kinds == {"other"}:
        lists = [tuple(None if item is None else str(item) for item in items) for items in lists]
    if not several:
        return [item for (item,) in lists]
    return [None if cell is None else list(items) for cell, items in zip(cells, lists, strict=True)]


def _kind(value: Value) -> str:
    """Whole numbers go with others; items of sequences and integers beyond 64 bits go with nothing."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63):
        return "number"
    return "text" if isinstance(value, str) else "other"
