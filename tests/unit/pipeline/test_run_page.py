"""The page of a run: what became of each series, with thumbnails, and nothing that grows in memory."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dicomarray
import synthetic
from dicomarray import Volume
from dicomarray.pipeline import jobs
from dicomarray.pipeline.page import FILE_NAME, THUMBNAILS, plane_to_show, thumbnail


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two CT series."""
    for number in (1, 2):
        common = {"SeriesNumber": number, "PatientName": "DOE^JANE"}
        synthetic.write_series(tmp_path / "in" / str(number), synthetic.stored_values(), common=common)
    return tmp_path / "in"


def second_fails(volume: Volume) -> object:
    if volume.series["SeriesNumber"] == 2:
        raise ValueError("the second <one>")
    return {"soft": volume.array // 2, "mask": volume.array > 0}


def articles(page: str) -> list[str]:
    return page.split("<article")[1:]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_a_series(archive: Path, tmp_path: Path, workers: int) -> None:
    """Failures come first, with their reason escaped; each result has its grid, error, link and picture."""
    report = dicomarray.run(archive, tmp_path / "out", second_fails, workers=workers)
    assert report.page == tmp_path / "out" / FILE_NAME
    page = Path(report.page).read_text("utf-8")
    failed, written = articles(page)
    assert "the second &lt;one&gt;" in failed
    assert "Traceback" in failed
    assert "<img" not in failed
    assert "6 x 12 x 16 (slice, row, column), 2.5 x 0.5 x 0.75 mm" in written
    assert written.count("greatest error") == 2
    links = re.findall(r'href="([^"]+)"', written)
    assert [(tmp_path / "out" / link).is_dir() for link in links] == [True, True]
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", written)
    assert len(pictures) == 2
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        assert np.asarray(image).std() > 0
    assert "DOE" not in page


def test_entries_carry_no_pictures(archive: Path, tmp_path: Path) -> None:
    """Neither the report nor the ledger holds them: they are in a file of their own."""
    report = dicomarray.run(archive, tmp_path / "out", second_fails)
    assert [result.thumbnail for entry in report for result in entry.outputs] == ["", ""]
    _, *entries = map(json.loads, Path(report.ledger).read_text().splitlines())
    assert "thumbnail" not in json.dumps(entries)
    lines = (tmp_path / "out" / THUMBNAILS).read_text().splitlines()
    name = report.written[0].name
    assert [json.loads(line)[0] for line in lines] == [f"{name}/soft", f"{name}/mask"]


def test_of_many_series_the_first_have_pictures(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No picture is drawn that the page would not show; the others have rows as well."""
    monkeypatch.setattr(jobs, "MAX_THUMBNAILS", 1)
    report = dicomarray.run(archive, tmp_path / "out", lambda volume: volume.array)
    assert len((tmp_path / "out" / THUMBNAILS).read_text().splitlines()) == 1
    first, second = articles(Path(report.page).read_text("utf-8"))
    assert "<img" in first
    assert "<img" not in second


def test_a_resumed_run_shows_everything(archive: Path, tmp_path: Path) -> None:
    """What was done before is kept, with its picture, even where a line of the pictures is torn."""
    dicomarray.run(archive, tmp_path / "out", second_fails)
    with (tmp_path / "out" / THUMBNAILS).open("a") as file:
        file.write('["torn", "abc')
    report = dicomarray.run(archive, tmp_path / "out", second_fails, resume=True)
    failed, kept = articles(Path(report.page).read_text("utf-8"))
    assert ' class="failed"' in failed
    assert ' class="kept"' in kept
    assert kept.count("data:image/jpeg") == 2


def test_without_a_page(archive: Path, tmp_path: Path) -> None:
    """report=False writes neither the page nor pictures."""
    report = dicomarray.run(archive, tmp_path / "out", second_fails, report=False)
    assert report.page is None
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"ledger.jsonl", report.written[0].name}


def test_what_cannot_be_drawn_has_no_picture() -> None:
    """Five samples a voxel are no colour; the series is written all the same."""
    array = np.zeros((1, 2, 2, 5), np.uint8)
    volume = Volume.from_array(array, axes=("frame", "row", "column", "sample"))
    assert thumbnail(plane_to_show(volume), volume) == ""


def darken(volume: Volume) -> object:
    """Works in place, and loses everything."""
    volume.array[...] = volume.array.min()
    return volume.array


def darken_study(volumes: dict[str, Volume]) -> object:
    return {key: darken(volume) for key, volume in volumes.items()}


def greatest(before: Volume, after: Volume) -> dict[str, float]:
    return {"before": float(before.array.max()), "after": float(after.array.max())}


@pytest.mark.parametrize(("function", "per"), [(darken, "series"), (darken_study, "study")])
def test_before_is_what_the_function_got(archive: Path, tmp_path: Path, function: Any, per: Any) -> None:
    """Of a function that works in its array, pictures and observations show both, not the result twice."""
    expected = max(float(series.volume().array.max()) for series in dicomarray.scan(archive))
    report = dicomarray.run(archive, tmp_path / "out", function, per=per, observe=greatest)
    observed = [output.observed for entry in report for output in entry.outputs]
    assert max(one["before"] for one in observed) == expected
    assert all(one["after"] < one["before"] for one in observed)
    for line in (tmp_path / "out" / THUMBNAILS).read_text().splitlines():
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(json.loads(line)[1]))).convert("L"))
        left, right = picture[:, : picture.shape[1] // 2 - 4], picture[:, picture.shape[1] // 2 + 4 :]
        assert np.ptp(left) > 100
        assert np.ptp(right) < 20
