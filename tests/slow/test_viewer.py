"""The page with NiiVue in a browser: what is seen, where it is, what moves; and what opens it."""

from __future__ import annotations

import base64
import io
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import dicomarray
import synthetic
from browser import Page, browser, chromium
from dicomarray import Segment, Segmentation, Volume
from dicomarray.cli.main import main
from dicomarray.render.options import PageOptions
from dicomarray.render.pages import save_page

NIIVUE = PageOptions(viewer="niivue")
SHAPE, SPACING = (20, 30, 40), (2.0, 1.0, 1.5)
# Along slices, rows and columns: to which side of the patient, in LPS.
STACKS = {
    "axial": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "axial from above": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "sagittal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "coronal, feet first": ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
    "oblique": ((0.0, -0.5, 0.8660254), (0, 0.8660254, 0.5), (1, 0, 0)),
}
BODY, MARK = 100, 1000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser; the tests are skipped, and say so, without one or without NiiVue."""
    try:
        distribution("ipyniivue")
    except PackageNotFoundError:
        pytest.skip("no ipyniivue: pip install 'dicomarray[viewer]'")
    if chromium() is None:
        pytest.skip("no Chromium: scripts/install-system-packages")
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


def marked(stack: str) -> Volume:
    """A block whose left, front, upper part is bright, as slices of some direction."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(STACKS[stack], float).T * SPACING
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    index = np.stack([*np.indices(SHAPE).reshape(3, -1), np.ones(np.prod(SHAPE))])
    places = (affine @ index)[:3]
    parts = places / np.abs(places).max(axis=1, keepdims=True)
    array = BODY * (np.abs(parts) < 0.8).all(axis=0)
    array[((parts * [[1], [-1], [1]]) > -0.1).all(axis=0) & (array > 0)] = MARK
    return Volume.from_array(array.reshape(SHAPE).astype(np.int16), affine)


def open_page(page: Page, path: Path | str) -> None:
    page.looks(900, 700)
    page.open(path)
    assert page.wait_for("document.body.dataset.ready") == "yes", page.ask("failed.textContent")


def set_value(page: Page, name: str, value: float) -> None:
    """As its user does: a new value, and the events of it."""
    events = "for (const kind of ['input', 'change']) it.dispatchEvent(new Event(kind))"
    page.ask(f"{{ const it = document.getElementById('{name}'); it.value = {value}; {events} }}")


def layout(page: Page, name: str) -> None:
    page.ask(f"[...layouts.children].find(one => one.textContent === '{name}').click()")


def seen(page: Page, view: int = 0) -> NDArray[np.int16]:
    """What a canvas shows (row, column, RGB)."""
    box = page.ask(f"document.getElementById('view-{view}').getBoundingClientRect().toJSON()")
    pixels = np.asarray(Image.open(io.BytesIO(page.picture())).convert("RGB")).astype(np.int16)
    top, left, height, width = (round(box[name]) for name in ("y", "x", "height", "width"))
    return pixels[top : top + height, left : left + width]


def side_of_mark(rgb: NDArray[Any], body: NDArray[Any], mark: NDArray[Any]) -> str:
    """Where the bright corner is in the block: of "left right" and "top bottom"."""
    (rows, columns), (all_rows, all_columns) = np.nonzero(mark), np.nonzero(body | mark)
    assert rows.size > 20, rgb.shape
    across = "right" if columns.mean() > (all_columns.min() + all_columns.max()) / 2 else "left"
    return f"{'top' if rows.mean() < (all_rows.min() + all_rows.max()) / 2 else 'bottom'} {across}"


def greys(rgb: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Which pixels show the block, and which its bright corner; letters and the crosshair are in colour."""
    is_grey = np.ptp(rgb, axis=2) < 12
    return is_grey & (abs(rgb[..., 0] - 255 * BODY // MARK) < 12), is_grey & (rgb[..., 0] > 230)


def test_left_is_left(page: Page, tmp_path: Path) -> None:
    """However slices are stored, right is seen at the left, the front at the top or left, the head above."""
    for stack in STACKS:
        volume = marked(stack)
        save_page(volume, tmp_path / f"{stack}.html", NIIVUE)
        open_page(page, tmp_path / f"{stack}.html")
        place = [round(float(axis.mean())) for axis in np.nonzero(volume.array == MARK)]
        page.ask(f"viewer.goTo(viewer.views[0], {place})")
        where = page.ask("where.textContent")
        assert re.match(rf"L [\d.]+ +A [\d.]+ +S [\d.]+ mm · \[{', '.join(map(str, place))}\]", where), where
        assert f"{MARK} modality" in where
        found = {}
        for name in ("axial", "coronal", "sagittal"):
            layout(page, name)
            rgb = seen(page)
            found[name] = side_of_mark(rgb, *greys(rgb))
        assert found == {"axial": "top right", "coronal": "top right", "sagittal": "top left"}, stack


def test_the_small_page_shows_the_same_side(tmp_path: Path) -> None:
    """The slices of the small page agree with the planes of the other one."""
    volume = marked("axial")
    save_page(volume, tmp_path / "small.html", PageOptions())
    text = (tmp_path / "small.html").read_text("utf-8")
    (picture,) = re.findall(r'alt="slice 16 [^"]*" src="data:image/png;base64,([^"]*)"', text)
    rgb = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")).astype(np.int16)
    assert side_of_mark(rgb, *greys(rgb)) == "top right"


def test_the_archive_opens_series_in_the_viewer(page: Page, tmp_path: Path) -> None:
    """A search narrows the rows, which fit a small window; what is opened is shown by the server's policy."""
    for number, modality in enumerate(("CT", "MR", "MR"), 1):
        common = {"SeriesNumber": number, "SeriesDescription": "A RATHER LONG DESCRIPTION OF A SERIES"}
        array = synthetic.stored_values()
        synthetic.write_series(tmp_path / "in" / str(number), array, modality=modality, common=common)
    dicomarray.index(tmp_path / "in", tmp_path / "in.sqlite")
    command = [sys.executable, "-m", "dicomarray", "browse", "--index", str(tmp_path / "in.sqlite")]
    with subprocess.Popen([*command, "--viewer", "niivue"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            page.events.clear()
            page.looks(400, 600, dark=True)
            page.open(server.stdout.readline().strip())
            page.wait_for("document.querySelectorAll('tbody tr').length === 3")
            page.wait_for("document.querySelectorAll('tbody img').length === 3")
            assert page.ask("document.documentElement.scrollWidth") <= 400
            page.ask("condition.value = 'Modality=CT'; condition.form.requestSubmit()")
            page.wait_for("document.querySelectorAll('tbody tr').length === 1")
            open_page(page, page.ask("document.querySelector('tbody a').href"))
            assert "6 x 12 x 16 HU" in page.ask("document.title")
            assert [text for text in page.said if "GL Driver Message" not in text] == []
        finally:
            server.send_signal(signal.SIGINT)


@pytest.fixture
def pet_and_ct(tmp_path: Path) -> list[str]:
    """The flags for a PET of two times with two overlapping masks, beside a CT in the same place."""
    array = np.full((2, 8, 24, 24), 100, np.uint16)
    array[0, 2:6, 8:16, 8:16], array[1, 2:6, 8:16, 8:16] = 1000, 3000
    shared = {"FrameOfReferenceUID": "2.25.1"}
    times = [{"FrameReferenceTime": time, "AcquisitionTime": f"12{time // 1000:04d}"} for time in (0, 1000)]
    synthetic.write_repetitions(tmp_path / "pet", array, times, modality="PT", common=shared)
    ct = np.arange(8 * 24 * 24, dtype=np.uint16).reshape(8, 24, 24) % 4096
    synthetic.write_series(tmp_path / "ct", ct, common=shared)
    hot = array[0] == 1000
    wide = np.zeros_like(hot)
    wide[1:7, 4:20, 12:20] = True
    segments = [Segment(1, "hot", colour=(255, 0, 0)), Segment(2, "</script>wide", colour=(0, 0, 255))]
    volume = dicomarray.load(tmp_path / "pet")
    masks = Segmentation({"hot": hot, "</script>wide": wide}, segments, geometry_of=volume)
    dicomarray.to_rtstruct(masks, tmp_path / "pet", tmp_path / "masks")
    return [
        "-i",
        f"{tmp_path / 'pet'}",
        "--overlay",
        f"{tmp_path / 'masks'}",
        "--beside",
        f"{tmp_path / 'ct'}",
    ]


def test_moving_through_a_page(page: Page, tmp_path: Path, pet_and_ct: list[str]) -> None:
    """Time, window, masks, planes and the other volume follow controls and the mouse; PET is inverted."""
    path = tmp_path / "page.html"
    assert main(["view", *pet_and_ct, "--viewer", "niivue", "-o", str(path)]) == 0
    page.events.clear()
    open_page(page, path)
    layout(page, "axial")
    start = seen(page)
    assert start[3, 3].min() > 230  # the ground of what is inverted
    assert start[..., 0].min() < 150
    hot, wide = "segments.children[0]", "segments.children[1]"
    page.ask(f"{hot}.querySelector('button').click()")
    assert " 1000 " in page.ask("where.textContent") and "hot" in page.ask("where.textContent")

    set_value(page, "time", 1)
    assert "2 of 2" in page.ask("step.textContent")
    assert " 3000 " in page.ask("where.textContent")
    page.ask("viewer.goTo(viewer.views[0], [4, 9, 9])")

    def is_red() -> int:
        rgb = seen(page)
        return int(np.count_nonzero((rgb[..., 0] > rgb[..., 2] + 60) & (rgb[..., 0] > rgb[..., 1] + 60)))

    assert is_red() > 500
    shown = seen(page).std()
    page.ask("alone.click()")
    assert is_red() > 500 and abs(seen(page).std() - shown) > 1
    page.ask("alone.click()")
    page.ask(f"{hot}.querySelector('input').click()")
    assert is_red() < 50
    assert "hot" not in page.ask("where.textContent") and "</script>wide" in page.ask(f"{wide}.textContent")

    before = seen(page)
    set_value(page, "upper", 100000)
    assert seen(page).mean() > before.mean() + 5  # inverted: what is little is bright
    page.ask("document.querySelectorAll('#places input')[0].value = 6")
    page.ask("document.querySelectorAll('#places input')[0].dispatchEvent(new Event('input'))")
    assert "[6, 9, 9]" in page.ask("where.textContent")
    one, other = (page.ask(f"placeOf(viewer.views[{n}])") for n in (0, 1))
    np.testing.assert_allclose(one, other, atol=1e-3)
    box = page.ask("document.getElementById('view-0').getBoundingClientRect().toJSON()")
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.click(*middle)
    assert page.ask("where.textContent.includes('[6, 9, 9]')") is False
    here = page.ask("where.textContent")
    page.wheel(*middle, down=100)
    page.wait_for(f"where.textContent !== {here!r}")

    set_value(page, "blend", 1)
    page.wait_for("viewer.views[0].nv.volumes.length === 4")
    layout(page, "3-D")
    assert seen(page).std() > 5
    page.looks(420, 600, dark=True)
    assert page.ask("document.documentElement.scrollWidth") <= 420
    assert page.loaded[1:] == []
    assert [text for text in page.said if "GL Driver Message" not in text] == []
