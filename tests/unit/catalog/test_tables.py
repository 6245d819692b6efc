"""A catalog as a table: what is in the rows, and of which type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

import synthetic
from dicomarray.catalog.catalog import Catalog
from dicomarray.catalog.index.opening import open_index
from dicomarray.catalog.index.scanning import index
from dicomarray.catalog.scan import scan
from dicomarray.catalog.tables import INSTANCE_COLUMNS, SERIES_COLUMNS
from dicomarray.dicom.headers.attributes import Attributes
from dicomarray.dicom.identities import may_identify
from dicomarray.errors import HeaderError, UsageError


@pytest.fixture
def folder(make_series: Callable[..., Path], tmp_path: Path) -> Path:
    """A CT and an MR series."""
    make_series(synthetic.stored_values((3, 4, 5)), "in/ct", common={"SeriesNumber": 1})
    make_series(
        synthetic.stored_values((2, 4, 5)),
        "in/mr",
        modality="MR",
        common={"SeriesNumber": None, "SliceThickness": 3.5},
    )
    return tmp_path / "in"


@pytest.fixture(params=["scan", "index"])
def catalog(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Catalog:
    """They, read from the files and from an index."""
    if request.param == "scan":
        return scan(folder)
    index(folder, tmp_path / "index")
    return open_index(tmp_path / "index")


def test_no_patient() -> None:
    """The columns that nobody has to ask for name nobody."""
    assert not any(map(may_identify, (*SERIES_COLUMNS, *INSTANCE_COLUMNS)))


def test_pandas_series(catalog: Catalog) -> None:
    """One row a series; numbers are numbers, also where one is missing; several values are a tuple."""
    pytest.importorskip("pandas")
    frame = catalog.to_pandas()
    assert list(frame.columns) == ["SeriesInstanceUID", "num_instances", *SERIES_COLUMNS]
    assert list(frame["SeriesInstanceUID"]) == [series.uid for series in catalog]
    assert list(frame["num_instances"]) == [3, 2]
    assert str(frame["num_instances"].dtype) == "Int64"
    assert str(frame["SeriesNumber"].dtype) == "Int64"
    assert frame["SeriesNumber"].isna().tolist() == [False, True]
    assert frame["SliceThickness"].tolist() == [2.5, 3.5]
    assert str(frame["SliceThickness"].dtype) == "Float64"
    assert frame["Modality"].tolist() == ["CT", "MR"]
    assert "str" in str(frame["Modality"].dtype)


def test_pandas_instances(catalog: Catalog) -> None:
    """One row an instance, with the columns that are asked for, patient and private ones too."""
    pytest.importorskip("pandas")
    names = ["InstanceNumber", "ImagePositionPatient", "PatientID", "KVP", "(0018,0050)"]
    frame = catalog.to_pandas("instances", names)
    assert list(frame.columns) == ["SeriesInstanceUID", "path", *names]
    assert frame["path"].tolist() == [str(h.reference) for series in catalog for h in series.instances]
    assert frame["ImagePositionPatient"][1] == catalog[0].instances[1].attributes["ImagePositionPatient"]
    assert set(frame["PatientID"]) == {"SYNTHETIC-1"}
    assert frame["KVP"].isna().tolist() == [False, False, False, True, True]
    assert frame["(0018,0050)"].tolist() == [2.5, 2.5, 2.5, 3.5, 3.5]


def test_arrow(catalog: Catalog) -> None:
    """Arrow has the same rows, and one type a column."""
    pyarrow = pytest.importorskip("pyarrow")
    table = catalog.to_arrow("instances")
    assert table.num_rows == 5
    types = {name: table.schema.field(name).type for name in table.column_names}
    assert types["InstanceNumber"] == pyarrow.int64()
    assert types["SliceLocation"] in (pyarrow.float64(), pyarrow.null())
    assert types["ImagePositionPatient"] == pyarrow.list_(pyarrow.float64())
    assert types["ImageType"] == pyarrow.list_(pyarrow.string())
    assert catalog.to_arrow().column("SeriesNumber").to_pylist() == [1, None]


def test_nothing_found(tmp_path: Path) -> None:
    """An empty catalog is a table without rows."""
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    (tmp_path / "empty").mkdir()
    assert scan(tmp_path / "empty").to_pandas().shape == (0, 2 + len(SERIES_COLUMNS))
    assert scan(tmp_path / "empty").to_arrow("instances").num_rows == 0


def test_one_type_a_column(make_series: Callable[..., Path]) -> None:
    """Cells that differ in kind become lists or texts, and none is lost."""
    pytest.importorskip("pyarrow")
    code = Dataset()
    code.CodeValue = "A"
    each: list[dict[str, Any]] = [
        {"ExposureTime": 1, "KVP": 1, "EchoNumbers": [1, 2], "ProcedureCodeSequence": [code]},
        {"ExposureTime": 2, "KVP": None, "EchoNumbers": 3},
        {"ExposureTime": 3, "KVP": 2.5},
    ]
    folder = make_series(synthetic.stored_values((3, 4, 5)), each=each)
    first = folder / "0001.dcm"
    written, odd = b"\x18\x00\x50\x11IS\x02\x001 ", b"\x18\x00\x50\x11IS\x02\x001A"
    assert written in first.read_bytes()
    first.write_bytes(first.read_bytes().replace(written, odd))
    names = ["ExposureTime", "KVP", "EchoNumbers", "ProcedureCodeSequence"]
    table = scan(folder).to_arrow("instances", names)
    assert {name: table.column(name).to_pylist() for name in names} == {
        "ExposureTime": ["1A", "2", "3"],
        "KVP": [1, None, 2.5],
        "EchoNumbers": [[1, 2], [3], None],
        "ProcedureCodeSequence": [["{'CodeValue': 'A'}"], None, None],
    }


def test_other_attributes_stay_as_they_are(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further attribute costs no look at those that nobody asks for."""
    pytest.importorskip("pandas")

    def looked(_: Attributes) -> Any:
        raise AssertionError("all attributes of an instance were gone through")

    monkeypatch.setattr(Attributes, "__iter__", looked)
    table = catalog.to_pandas("instances", ["SliceThickness", "PatientComments"])
    assert table["SliceThickness"].tolist() == [2.5, 2.5, 2.5, 3.5, 3.5]
    assert table["PatientComments"].isna().all()


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_not_installed(ct: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Without the package the message says what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    catalog = scan(ct)
    with pytest.raises(UsageError, match=rf"{package}.*dicomarray\[tables\]"):
        (catalog.to_pandas if package == "pandas" else catalog.to_arrow)()


def test_mistakes(ct: Path) -> None:
    """Unknown rows, names, and a text in the place of a list."""
    catalog = scan(ct)
    with pytest.raises(UsageError, match="series, instances"):
        catalog.to_pandas("studies")  # type: ignore[arg-type]
    with pytest.raises(HeaderError, match="Modalty"):
        catalog.to_pandas("series", ["Modalty"])
    with pytest.raises(UsageError, match="give a list"):
        catalog.to_pandas("series", "Modality")
