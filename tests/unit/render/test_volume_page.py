"""The page of a volume: every slice on it, in order, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dicomarray
from dicomarray.errors import OutputError
from dicomarray.render.options import PageOptions
from dicomarray.render.pages import save_page
from dicomarray.render.pictures import MAX_SLICES, draw_slices
from dicomarray.volume import Volume


def test_every_slice_is_on_the_page(ct: Path, tmp_path: Path) -> None:
    """One picture a slice, in the order of the array, with its number and sides; names nobody."""
    volume = dicomarray.load(ct)
    save_page(volume, tmp_path / "v.html", PageOptions())
    page = (tmp_path / "v.html").read_text("utf-8")
    slices = re.findall(r'alt="(slice [^"]*)" src="data:image/png;base64,([^"]*)"', page)
    sides = "left R, right L, top A, bottom P"
    assert [title for title, _ in slices] == [f"slice {i + 1} of 6 · {sides}" for i in range(6)]
    means = [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).mean() for _, data in slices]
    expected = [image.mean() for image in volume.array]
    assert np.corrcoef(means, expected)[0, 1] > 0.9
    assert "<title>CT 1 SYNTHETIC SERIES, 6 x 12 x 16 HU</title>" in page
    assert "SYNTHETIC^" not in page and "SYNTHETIC-1" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_an_existing_page_stays(ct: Path, tmp_path: Path) -> None:
    """Nothing is replaced without being asked to."""
    (tmp_path / "v.html").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        save_page(dicomarray.load(ct), tmp_path / "v.html", PageOptions())
    assert (tmp_path / "v.html").read_text() == "mine"


def test_very_many_slices_are_chosen_evenly() -> None:
    """A page holds so many pictures at most; the first and the last slice are among them."""
    volume = Volume.from_array(np.zeros((1000, 2, 2), np.int16))
    slices = draw_slices(volume)
    assert len(slices) == MAX_SLICES
    assert (slices[0][0], slices[-1][0]) == ("frame 1 of 1000", "frame 1000 of 1000")
