"""The page of a run: self-contained, escaped, and working in a browser."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dicomarray
from dicomarray.render.pages import Row, write_page
from dicomarray.render.pictures import THUMBNAIL_PIXELS, PlaneOfVolume, draw_thumbnails

SUMMARY = "A run", ("functions:smooth", "3 series"), {"written": 1, "failed": 1, "skipped": 1}


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8), 100).save(stream, "PNG")
    return stream.getvalue()


def rows() -> list[Row]:
    return [
        Row("written", "CT 1 1.2.3", (("grid", "2 x 3 x 4"),), links=(("output", "a folder/x"),),
            pictures=(("before", png()), ("after", png()))),
        Row("failed", "CT 2 1.2.4", reason="<script>document.title='broken'</script>", details="Traceback",
            warnings=("a & b",)),
        Row("skipped", "CT 3 1.2.5"),
    ]  # fmt: skip


class Reader(HTMLParser):
    """All attributes that could load something, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(tmp_path: Path) -> Path:
    write_page(tmp_path / "page.html", *SUMMARY, rows(), "")
    return tmp_path / "page.html"


def test_everything_is_in_the_page(page: Path) -> None:
    """Nothing is fetched: pictures are data, links are relative, and the page forbids the rest."""
    reader = Reader()
    reader.feed(page.read_text("utf-8"))
    assert len(reader.loaded) == 3
    assert reader.loaded.count("a%20folder/x") == 1
    assert all(target.startswith("data:image/png;base64,") or "//" not in target for target in reader.loaded)
    assert "default-src &#x27;none&#x27;" in page.read_text("utf-8")


def test_texts_are_escaped(page: Path) -> None:
    """A reason that holds markup is shown as text."""
    reader = Reader()
    reader.feed(page.read_text("utf-8"))
    assert "<script>document.title" in reader.text
    assert "a & b" in reader.text


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    """A row that cannot be made leaves no page, and an earlier page as it was."""
    target = tmp_path / "page.html"
    target.write_text("earlier")

    def failing() -> Callable[[], None]:
        yield rows()[0]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_page(target, *SUMMARY, failing(), "")
    assert target.read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(("status", "shown"), [("", 3), ("failed", 1), ("skipped", 1)])
def test_in_a_browser(page: Path, tmp_path: Path, status: str, shown: int) -> None:
    """Chromium runs the page's own script, which shows the rows of the status in the address."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"file://{page}#{status}",
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "<title>A run</title>" in dom
    articles = [tag.split(">")[0] for tag in dom.split("<article")[1:]]
    assert len(articles) == 3
    assert sum("hidden" not in tag for tag in articles) == shown


def test_thumbnails_share_a_window(ct: Path) -> None:
    """Before and after are in the window of the first, and no side is longer than said."""
    volume = dicomarray.load(ct)
    before, after = draw_thumbnails(PlaneOfVolume.of(volume), volume.with_array(volume.array // 2))
    assert max(before.size) == max(after.size) == THUMBNAIL_PIXELS
    assert np.asarray(before).mean() > np.asarray(after).mean()
