"""Masks are drawn where they lie, in their colours, and never over another volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import synthetic
from dicomarray import GeometryError, Segment, Segmentation, Volume, to_rtstruct, to_seg
from dicomarray.cli.main import main
from dicomarray.render.options import PageOptions
from dicomarray.render.overlay import Overlay, colour_of
from dicomarray.render.pages import save_page
from dicomarray.render.pictures import draw
from dicomarray.workflows.overlays import overlay_on

SHAPE = (10, 20, 30)
RED, GREEN = (255, 0, 0), (0, 255, 0)
# Slices go up, rows to the back, columns to the left: an axial stack as it usually is.
AXIAL = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])


@pytest.fixture
def volume() -> Volume:
    """A grey volume."""
    return Volume.from_array(np.random.default_rng(1).integers(0, 100, SHAPE).astype(np.int16), AXIAL)


@pytest.fixture
def masks(volume: Volume) -> Segmentation:
    """A large and a small structure, away from the middle."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2:8, 20:28] = 1
    labels[2, 4, 22] = 2
    segments = [Segment(1, "one", colour=RED), Segment(2, "two", colour=GREEN)]
    return Segmentation(labels, segments, geometry_of=volume)


def test_planes_go_through_the_smallest_structure(volume: Volume, masks: Segmentation) -> None:
    """A structure of one voxel is seen as well as a large one."""
    overlay = Overlay.of(masks, volume)
    assert overlay.shown_at == (2, 4, 22)
    assert [set(np.unique(plane.values)) for plane in overlay.planes()] == [{0, 1, 2}] * 3


def test_voxels_are_painted_where_they_are(volume: Volume, masks: Segmentation) -> None:
    """A tint inside, nearly the full colour at the edge, grey elsewhere."""
    overlay = Overlay.of(masks, volume)
    grey = np.full(SHAPE[1:], 100, np.uint8)
    painted = overlay.paint(grey, overlay.labels[1])
    assert painted[0, 0].tolist() == [100, 100, 100]
    assert painted[2, 20].tolist() == [240, 10, 10]
    assert painted[5, 24].tolist() == [154, 65, 65]
    inside = np.ptp(painted.astype(int), axis=2) > 0
    np.testing.assert_array_equal(inside, masks.labels[1] > 0)


def test_sides_of_the_picture_are_those_of_the_volume(volume: Volume, masks: Segmentation) -> None:
    """The planes of the masks are turned as those of the volume: what is bright there is bright here."""
    bright = np.where(masks.labels > 0, 1000, 0).astype(np.int16)
    for affine in (AXIAL, AXIAL @ np.diag([1.0, -1, -1, 1]), AXIAL[:, [2, 0, 1, 3]]):
        turned = Volume.from_array(bright, affine)
        overlay = Overlay.of(Segmentation(masks.labels, masks.segments, geometry_of=turned), turned)
        from dicomarray.render.planes import planes_of

        for plane, numbers in zip(planes_of(turned, overlay.shown_at), overlay.planes(), strict=True):
            np.testing.assert_array_equal(plane.values > 0, numbers.values > 0)


def test_the_picture_says_what_colours_stand_for(volume: Volume, masks: Segmentation) -> None:
    """Both colours are in the picture, which is higher by the legend."""
    plain, drawn = draw(volume), draw(volume, masks)
    assert drawn.size[1] > plain.size[1]
    colours = {colour for _, colour in drawn.getcolors(1 << 24) or ()}
    assert {RED, GREEN} <= colours


def test_the_page_names_every_segment(volume: Volume, masks: Segmentation, tmp_path: Path) -> None:
    """With its colour; what a label says is text, never markup."""
    named = masks.with_segments([masks.segments[0], replace(masks.segments[1], label="<b>two</b>")])
    save_page(volume, tmp_path / "v.html", PageOptions(), segmentation=named)
    page = (tmp_path / "v.html").read_text("utf-8")
    assert '<i style="background: rgb(255, 0, 0)"></i>one' in page
    assert "&lt;b&gt;two&lt;/b&gt;" in page
    assert 'value="2"' in page  # the slice that shows most


def test_overlaps_are_drawn_and_said(volume: Volume) -> None:
    """The last one is seen, with a note."""
    one, two = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    one[2:5, 2:9, 2:9] = True
    two[3:6, 4:12, 4:12] = True
    segments = [Segment(1, "one"), Segment(2, "two")]
    overlay = Overlay.of(Segmentation({"one": one, "two": two}, segments, geometry_of=volume), volume)
    np.testing.assert_array_equal(overlay.labels, np.where(two, 2, np.where(one, 1, 0)))
    assert overlay.notes == ("Segments overlap; where they do, the last one is drawn.",)


def test_an_empty_segmentation_is_drawn(volume: Volume) -> None:
    """Through the middle, with nothing over it."""
    empty = Segmentation(np.zeros(SHAPE, np.uint8), [Segment(1, "one")], geometry_of=volume)
    assert Overlay.of(empty, volume).shown_at == (5, 10, 15)


def test_masks_of_another_volume_are_refused(volume: Volume, masks: Segmentation) -> None:
    """Another shape, another place, or no place where the volume has one."""
    smaller = Volume.from_array(volume.array[1:], AXIAL)
    with pytest.raises(GeometryError, match=r"the overlay has the shape \(10, 20, 30\)"):
        Overlay.of(masks, smaller)
    moved = Volume.from_array(volume.array, AXIAL + np.array([[0, 0, 0, 0.2], *[[0] * 4] * 3]))
    with pytest.raises(GeometryError, match=r"lies elsewhere than the volume, by up to 0\.2 mm"):
        Overlay.of(masks, moved)
    turned = Volume.from_array(volume.array, AXIAL @ np.diag([1.0, -1, 1, 1]))
    with pytest.raises(GeometryError, match="lies elsewhere"):
        Overlay.of(masks, turned)
    with pytest.raises(GeometryError, match="the volume has no patient geometry"):
        Overlay.of(masks, Volume.from_array(volume.array))


def test_colours_are_those_of_the_table_or_differ() -> None:
    """A known name has the table's colour; numbers that follow each other look different."""
    assert colour_of(Segment(1, "spleen")) == (157, 108, 162)
    assert colour_of(Segment(1, "thing")) != colour_of(Segment(2, "thing"))


def test_view_draws_labels_in_a_file(ct: Path, tmp_path: Path) -> None:
    """A bare array of the volume's shape, in a picture and a page; another shape is refused."""
    labels = np.zeros((6, 12, 16), np.uint8)
    labels[2:4, 3:9, 4:12] = 1
    np.save(tmp_path / "labels.npy", labels)
    for name in ("v.png", "v.html"):
        command = [
            "view",
            "-i",
            str(ct),
            "-o",
            str(tmp_path / name),
            "--overlay",
            str(tmp_path / "labels.npy"),
        ]
        assert main(command) == 0
    picture = np.asarray(Image.open(tmp_path / "v.png")).astype(int)
    assert (np.ptp(picture, axis=2) > 100).sum() > 500
    assert "label 1" in (tmp_path / "v.html").read_text("utf-8")
    np.save(tmp_path / "labels.npy", labels[1:])
    assert main([*command[:-1], str(tmp_path / "labels.npy"), "--overwrite"]) == 1


@pytest.mark.parametrize("write", [to_seg, to_rtstruct])
def test_view_draws_masks_of_dicom_objects(ct: Path, tmp_path: Path, write: Any) -> None:
    """A SEG and a structure set of the series, by their file or folder; none that lies elsewhere."""
    labels = np.zeros((6, 12, 16), np.uint8)
    labels[2:4, 3:9, 4:12] = 1
    write(labels, ct, tmp_path / "masks", {1: "liver"})
    (file,) = (tmp_path / "masks").iterdir()
    for number, overlay in enumerate((file, tmp_path / "masks")):
        output = tmp_path / f"{number}.html"
        assert main(["view", "-i", str(ct), "-o", str(output), "--overlay", str(overlay)]) == 0
        assert "</i>liver" in output.read_text("utf-8")
    elsewhere = {"ImagePositionPatient": [0, 0, 900]}
    synthetic.write_series(tmp_path / "other", synthetic.stored_values(), common=elsewhere)
    other = ["view", "-i", str(tmp_path / "other"), "-o", str(tmp_path / "other.png")]
    assert main([*other, "--overlay", str(file)]) == 1


def test_a_saved_segmentation_keeps_its_names(volume: Volume, masks: Segmentation, tmp_path: Path) -> None:
    """The sidecar names the segments, and says where they lie."""
    masks.save(tmp_path / "labels.npy", tmp_path / "labels.json")
    assert overlay_on(tmp_path / "labels.npy", volume).segments == masks.segments
