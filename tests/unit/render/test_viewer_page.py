"""What is in the page with NiiVue: which voxels, where they lie, what is said of them, and no patient."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray import Segment, Segmentation, UsageError, Volume
from dicomarray.cli.main import main
from dicomarray.render.options import PageOptions
from dicomarray.render.pages import save_page
from dicomarray.render.viewer.images import MAX_VOXELS, masks_of, picture_of


def embedded(page: str, name: str) -> bytes:
    (text,) = re.findall(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    return gzip.decompress(base64.b64decode(text))


def described(page: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="content">([^<]*)</script>', page)
    return json.loads(text)


def opened(content: bytes) -> Any:
    return nibabel.Nifti1Image.from_bytes(content)


def test_a_page_holds_the_volume_its_masks_and_another_one(
    ct: Path, tmp_path: Path, niivue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each voxel lies where it lay, labels keep their places and colours, and nothing names the patient."""
    volume = dicomarray.load(ct)
    labels = np.zeros(volume.array.shape, np.uint8)
    labels[2, 3, 4:7] = 1
    segments = [Segment(1, "</script><b>", colour=(1, 2, 3)), Segment(2, "none")]
    Segmentation(labels, segments, geometry_of=volume).save(tmp_path / "l.npy", tmp_path / "l.json")
    output = tmp_path / "v.html"
    flags = ["--overlay", f"{tmp_path / 'l.npy'}", "--beside", f"{ct}", "--viewer", "niivue"]
    assert main(["view", "-i", str(ct), "-o", str(output), *flags]) == 0
    page = output.read_text("utf-8")
    assert embedded(page, "niivue").decode().endswith("globalThis.NiivueOfBuild = Fake;\n")
    for name in ("image-0", "image-1"):
        image = opened(embedded(page, name))
        for index in [(0, 0, 0), (5, 0, 3), (2, 11, 15)]:
            place = np.diag([-1, -1, 1, 1]) @ volume.affine @ [*index, 1]
            voxel = np.linalg.inv(image.affine) @ place
            assert image.dataobj[tuple(np.round(voxel[:3]).astype(int))] == volume.array[index]
    masks = opened(embedded(page, "masks-0"))
    assert int(np.asarray(masks.dataobj).sum()) == 3
    facts = described(page)
    assert facts["linked"] is True
    assert [one["place"] for one in facts["segments"]] == [[2, 3, 5], None]
    assert facts["segments"][0]["colour"] == [1, 2, 3]
    assert facts["images"][0]["units"] == "HU"
    assert page.count("</script>") == page.count("<script") and "BSD - - as it is" in page
    assert "SYNTHETIC^" not in page and "SYNTHETIC-1" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_a_build_that_is_not_known_is_refused(ct: Path, tmp_path: Path, niivue: Path) -> None:
    """The message names the extra whose versions are known."""
    niivue.write_text("export default 1")
    with pytest.raises(UsageError, match=r"2\.4\.9.*dicomarray\[viewer\]"):
        save_page(dicomarray.load(ct), tmp_path / "v.html", PageOptions("niivue"))
    assert not (tmp_path / "v.html").exists()


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (["-o", "a.png", "--viewer", "niivue"], ".html"),
        (["-o", "a.html", "--beside", "b.npy"], "--viewer niivue"),
        (["-o", "a.html", "--viewer", "other"], "slices, niivue"),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    ct: Path, flags: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture has no viewer, the small page no second volume, and other viewers there are none."""
    assert main(["view", "-i", str(ct), *flags]) == 2
    assert hint in capsys.readouterr().err


def test_what_cannot_be_shown_as_it_is_says_so(tmp_path: Path) -> None:
    """Uneven slices are made even, a tilt upright, and masks with them; NaN is counted."""
    array = np.random.default_rng(1).normal(size=(6, 8, 8)).astype(np.float32)
    array[0, 0, 0] = np.nan
    folder = synthetic.tilted_20_degrees(tmp_path / "tilted").folder
    volume = dicomarray.load(folder)
    shown = picture_of(volume)
    assert "tilted by 20 degrees" in shown.notes[0]
    labels = np.ones(volume.array.shape, np.uint8)
    masks = masks_of(Segmentation(labels, [Segment(1, "all")], geometry_of=volume), shown.grid)
    assert opened(gzip.decompress(masks.files[0])).shape == opened(gzip.decompress(shown.file)).shape
    nowhere = picture_of(Volume.from_array(array))
    assert nowhere.facts["placed"] is False
    assert "1 values are NaN or infinite" in nowhere.notes[1]


def test_a_page_has_a_bounded_number_of_voxels() -> None:
    """Every so manieth voxel of what is larger is there, at its own place; a note says which."""
    volume = Volume.from_array(
        np.broadcast_to(np.arange(1024, dtype=np.uint8), (80, 1024, 1024)),
        np.diag([2.0, 1, 1, 1])[[2, 1, 0, 3]],
    )
    grid = picture_of(volume).grid
    assert np.prod(grid.reduced_shape) <= MAX_VOXELS < np.prod(volume.array.shape)
    assert grid.steps in ((1, 2, 1), (1, 1, 2))
    np.testing.assert_allclose(grid.affine @ [3, 0, 0, 1], volume.affine @ [3, 0, 0, 1])
