"""Fixtures that every part of the suite shares: where real files are, and small series made in code."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import data_store
import pydicom.data
import pytest
from hypothesis import settings
from numpy.typing import NDArray

import pacs
import synthetic
from real_series import REAL_DATA
from watching import opened_files

# A machine under load is slow, not wrong: no time limit on a single example.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# What is looked for in the script of ipyniivue.
NIIVUE = 'log("Creating new Niivue instance"),n=new Fake(t);class Fake {}'

# A shell starts what it runs in the background with interrupts ignored, and children inherit that; tests
# interrupt processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real series, a folder for each; the test is skipped, and says so, without it."""
    folder = REAL_DATA / "series"
    if not folder.is_dir():
        pytest.skip(f"no real series in {folder}: set DICOMARRAY_TEST_DATA to the folder that holds series/")
    return folder


@pytest.fixture(scope="session")
def pydicom_data() -> Path:
    """pydicom's own data: ``test_files`` and ``charset_files``."""
    return Path(pydicom.data.__file__).parent


@pytest.fixture(scope="session")
def pydicom_more_data() -> Path:
    """The files of the package pydicom-data, ``*.dcm`` in one folder."""
    return Path(data_store.__file__).parent / "data"


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """A plain CT series in a folder of its own; its stored values are `synthetic.stored_values()`."""
    synthetic.write_series(tmp_path / "ct", synthetic.stored_values(), bits_stored=12)
    return tmp_path / "ct"


@pytest.fixture
def make_series(tmp_path: Path) -> Callable[..., Path]:
    """Writes a series with `synthetic.write_series` into a new folder, and returns the folder."""

    def make(array: NDArray[Any] | None = None, name: str = "series", **options: Any) -> Path:
        values = synthetic.stored_values() if array is None else array
        synthetic.write_series(tmp_path / name, values, **options)
        return tmp_path / name

    return make


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[Path]]:
    """The files of the test that were opened, by whatever means; cleared where a test begins to watch."""
    with opened_files(tmp_path) as files:
        yield files


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder with its bytes, folders with none: to see that nothing changed."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
            for path in sorted(folder.rglob("*"))
        }

    return read


@pytest.fixture(scope="session")
def orthanc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pacs.Orthanc]:
    """One Orthanc for the session; the test is skipped, and says so, where there is none."""
    if (what := pacs.missing()) is not None:
        pytest.skip(what)
    with pacs.running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def orthanc(orthanc_server: pacs.Orthanc) -> pacs.Orthanc:
    """A running Orthanc with nothing in it."""
    orthanc_server.clear()
    return orthanc_server


@pytest.fixture
def niivue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package ipyniivue whose script is one line; returns that file."""
    folder = tmp_path / "site" / "ipyniivue-2.4.9.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: ipyniivue\nVersion: 2.4.9\n")
    (folder / "LICENSE").write_text("BSD -- as it is")
    (folder / "RECORD").write_text("widget.js,,\nipyniivue-2.4.9.dist-info/LICENSE,,\n")
    (folder.parent / "widget.js").write_text(NIIVUE)
    monkeypatch.syspath_prepend(folder.parent)
    return folder.parent / "widget.js"
