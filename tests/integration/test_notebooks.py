"""What a notebook shows: pictures and tables of a bounded size, in which no text of a file is HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
from synthetic import stored_values, two_time_points, write_series

EMPTY = ("img", "input")
COMMON = {"SeriesDescription": "<script>alert(1)</script>", "StudyDescription": "<b>HEAD</b>"}


class Balanced(HTMLParser):
    """Sees to it that every element is closed, and collects their names."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, _: Any) -> None:
        self.names.append(tag)
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shown(thing: Any) -> str:
    """The HTML of an object, checked for what all of them promise."""
    html = str(thing._repr_html_())
    assert {"script", "b"}.isdisjoint(set(Balanced(html).names) - {"b"})
    assert "<script" not in html
    assert "<b>HEAD" not in html
    assert "SYNTHETIC^" not in html
    assert "http" not in html
    return html


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CT whose words look like HTML."""
    write_series(tmp_path / "ct", stored_values(), common=COMMON)
    return tmp_path / "ct"


@pytest.mark.parametrize("kind", ["plain", "time", "colour", "empty"])
def test_volumes(folder: Path, tmp_path: Path, kind: str) -> None:
    """Three planes and a slider; an empty array says why it has none."""
    volume = dicomarray.load(folder)
    if kind == "time":
        two_time_points(tmp_path / "time")
        volume = dicomarray.load(tmp_path / "time")
    elif kind == "colour":
        volume = dicomarray.Volume.from_array(
            np.zeros((3, 8, 9, 3), np.uint8), axes=("frame", "row", "column", "sample")
        )
    elif kind == "empty":
        volume = dicomarray.Volume.from_array(np.zeros((0, 4, 4)))
    html = shown(volume)
    pictures = html.count("<img")
    assert (
        (pictures == 0) if kind == "empty" else (pictures == 1 + volume.array.shape[volume.info.slice_axis])
    )
    assert ('type="range"' in html) == (kind != "empty")


def test_a_large_volume_stays_small() -> None:
    """Of many slices some are in the notebook, so that its file stays small."""
    volume = dicomarray.Volume.from_array(np.random.default_rng(0).normal(size=(300, 256, 256)), np.eye(4))
    html = shown(volume)
    assert html.count("<img") == 25
    assert len(html) < 3_000_000


def test_masks_and_reports(folder: Path, tmp_path: Path) -> None:
    """Segments with colour, voxels and millilitres; what was written with its errors and warnings."""
    volume = dicomarray.load(folder)
    masks = dicomarray.Segmentation(volume.array > 0, {1: "liver"}, geometry_of=volume)
    html = shown(masks)
    assert str(int((volume.array > 0).sum())) in html
    assert "rgb(221, 130, 101)" in html
    report = dicomarray.to_dicom(volume.array * 1.5, folder, tmp_path / "out")
    assert f"{report.max_error:.6g}" in shown(report) and "slope" in shown(report)
    assert "slope" not in shown(dicomarray.to_rtstruct(masks, folder, tmp_path / "masks"))


def test_series_and_catalogs(folder: Path) -> None:
    """A row a series; of very many the first ones, and how many more there are."""
    catalog = dicomarray.scan(folder)
    assert "6 x 12 x 16" in shown(catalog[0])
    assert "axial" in shown(catalog)
    many = type(catalog)(catalog.series * 10_000, ())
    html = shown(many)
    assert html.count("<tr>") == 101
    assert "and 9900 more" in html
