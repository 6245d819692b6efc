"""The archive as a page: what it answers, to whom, and what a browser makes of it."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

import dicomarray
from dicomarray.cli.browse.archive import PAGE, Archive
from dicomarray.cli.browse.server import application
from dicomarray.errors import InputError
from dicomarray.render.options import PageOptions
from synthetic import stored_values, write_series

KEY = "a key of the test"
BASE = "http://127.0.0.1"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CT series and one MR, of a patient with a name, in an index."""
    folder = tmp_path_factory.mktemp("browse") / "archive"
    for number, modality in enumerate(("CT", "CT", "MR"), 1):
        common = {"SeriesNumber": number, "SeriesDescription": f"<b>{modality} {number}</b>"}
        common |= {"PatientName": "MARKED^NAME", "StudyDescription": "HEAD"}
        write_series(folder / str(number), stored_values(), modality=modality, common=common)
    write_series(folder / "cut", stored_values(), modality="MR", common={"SeriesDescription": "cut"})
    for path in (folder / "cut").iterdir():
        path.write_bytes(path.read_bytes()[:-40])
    dicomarray.index(folder, folder.parent / "index.sqlite")
    return folder.parent / "index.sqlite"


@pytest.fixture
def client(index: Path) -> TestClient:
    """A browser that opened the address with the key."""
    client = TestClient(application(Archive(index), KEY), base_url=BASE)
    client.get("/", params={"key": KEY})
    return client


def test_only_who_has_the_key_and_a_name_of_this_computer_gets_an_answer(index: Path) -> None:
    """Neither other users of the computer nor pages of other sites read the archive."""
    paths = ("/", "/search", "/words", "/why", "/values", "/picture/1", "/view/1")
    stranger = TestClient(application(Archive(index), KEY), base_url=BASE)
    assert [stranger.get(path).status_code for path in paths] == [403] * len(paths)
    assert stranger.get("/", params={"key": "wröng"}).status_code == 403
    elsewhere = TestClient(application(Archive(index), KEY), base_url="http://example.org")
    assert [elsewhere.get(path, params={"key": KEY}).status_code for path in paths] == [403] * len(paths)
    opened = stranger.get("/", params={"key": KEY})
    assert opened.status_code == 200
    assert "key" not in str(opened.url)
    assert "default-src 'none'" in opened.headers["content-security-policy"]
    cookie = opened.history[0].headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_search_is_that_of_the_filter(client: TestClient, index: Path) -> None:
    """The same series in the same order, and the config that finds them again."""
    conditions = ["Modality=CT", "num_slices>=2", "sort=-SeriesNumber"]
    found = client.get("/search", params={"w": conditions}).json()
    again = dicomarray.dicom_filter(None, found["config"], index=index)
    assert [row["SeriesInstanceUID"] for row in found["series"]] == [series.uid for series in again]
    assert [row["SeriesNumber"] for row in found["series"]] == ["2", "1"]
    assert (found["total"], found["of"]) == (2, 4)
    assert client.get("/search", params={"start": PAGE}).json()["series"] == []


def bright(volume: dicomarray.Volume) -> dict[str, object]:
    """An image and masks of a volume."""
    masks = dicomarray.Segmentation(volume.array > volume.array.mean(), {1: "tumor"}, geometry_of=volume)
    return {"half": volume.array / 2, "mask": masks}


@pytest.mark.usefixtures("niivue")
def test_results_of_a_run_are_opened_beside_their_source(index: Path, tmp_path: Path) -> None:
    """Those that the ledger names, by the series that they were made of; one that is gone is told."""
    dicomarray.run(None, tmp_path / "run", bright, {"SeriesNumber": 1}, index=index)
    archive = Archive(index, page=PageOptions(viewer="niivue"), run=tmp_path / "run")
    rows = archive.search(["Modality=CT"])["series"]
    assert [row["results"] for row in rows] == [["half", "mask"], []]
    uid = rows[0]["SeriesInstanceUID"]
    half, mask = archive.page(uid, 0), archive.page(uid, 1)
    assert ('id="image-1"' in half, 'id="masks-0"' in half) == (True, False)
    assert ('id="image-1"' in mask, 'id="masks-0"' in mask, "tumor" in mask) == (False, True, True)
    (result,) = (path for path in (tmp_path / "run").iterdir() if path.is_dir())
    shutil.rmtree(result / "half")
    client = TestClient(application(archive, KEY), base_url=BASE)
    client.get("/", params={"key": KEY})
    assert [client.get(f"/view/{uid}?result={at}").status_code for at in (0, 1, 2)] == [400, 200, 400]
    with pytest.raises(InputError, match="holds no ledger"):
        Archive(index, run=tmp_path)


def test_mistakes_are_told_with_what_was_meant(client: TestClient) -> None:
    """A wrong word is an answer with a suggestion, not a fault."""
    answer = client.get("/search", params={"w": ["Modalty=CT"]})
    assert answer.status_code == 400
    assert "Modality" in answer.json()["error"]
    assert client.get("/search", params={"w": ["nonsense"]}).status_code == 400


def test_values_and_words_are_proposed(client: TestClient) -> None:
    """What the archive has is proposed; what names the patient is not."""
    assert sorted(client.get("/values", params={"field": "Modality"}).json()) == ["CT", "MR"]
    assert client.get("/values", params={"field": "PatientName"}).json() == []
    words = client.get("/words").json()
    assert "num_slices" in words["facts"]
    assert {"Modality", "EchoTime"} <= set(words["keywords"])


def test_nobody_is_named_unasked(client: TestClient, index: Path) -> None:
    """No answer has the patient's name; with show_patient the rows have it."""
    asked = {"w": ["PatientName=nobody"]}
    texts = [client.get("/search").text, client.get("/why", params=asked).text]
    uid = client.get("/search", params={"w": ["Modality=CT"]}).json()["series"][0]["SeriesInstanceUID"]
    texts.append(client.get(f"/view/{uid}").text)
    assert not [text for text in texts if "MARKED" in text]
    shown = Archive(index, show_patient=True).search(["Modality=CT"])
    assert shown["series"][0]["PatientName"] == "MARKED^NAME"


def test_pictures_and_pages(client: TestClient) -> None:
    """A series has a small picture and a page; a damaged one says why it has none."""
    found = client.get("/search").json()["series"]
    rows = {row["SeriesDescription"]: row["SeriesInstanceUID"] for row in found}
    whole, cut = rows["<b>CT 1</b>"], rows["cut"]
    picture = client.get(f"/picture/{whole}")
    assert max(Image.open(io.BytesIO(picture.content)).size) == 128
    page = client.get(f"/view/{whole}")
    assert page.status_code == 200
    assert "<b>CT 1" not in page.text
    for path in (f"/picture/{cut}", f"/view/{cut}", "/picture/1.2.3", "/view/..%2fetc"):
        answer = client.get(path)
        assert answer.status_code in (400, 404), path
    assert "truncated" in client.get(f"/view/{cut}").text


@pytest.fixture
def address(index: Path) -> Iterator[str]:
    """The command, started; its address with the key."""
    command = [sys.executable, "-m", "dicomarray", "browse", "--index", str(index)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)


def test_a_browser_shows_what_matches(address: str, tmp_path: Path) -> None:
    """The page searches as its address says, shows rows with pictures, and takes text of files as text."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?key=[\w-]+", address)
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom",
        f"{address}#w=Modality%3DCT",
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "2 of 4 series" in dom
    assert "&lt;b&gt;CT 1&lt;/b&gt;" in dom
    assert dom.count('src="picture/') == 2


def test_a_config_copied_from_the_page_runs(client: TestClient, index: Path, tmp_path: Path) -> None:
    """What the page copies is a config of `run`."""
    config = client.get("/search", params={"w": ["Modality=MR", "SeriesNumber=3"]}).json()["config"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    report = dicomarray.run(
        None, tmp_path / "out", lambda v: v.array, tmp_path / "config.json", index=index, report=False
    )
    assert len(report.written) == 1
