"""Pictures: the planes lie as a radiologist expects, whatever the stack; the values are those of the data."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image

from dicomarray.core.geometry import StackGeometry
from dicomarray.core.volume_info import UNPLACED, VolumeInfo
from dicomarray.errors import OutputError, ValuesError
from dicomarray.render import canvas, greys, pictures
from dicomarray.render.pictures import draw, draw_comparison, save_png
from dicomarray.render.planes import planes_of
from dicomarray.volume import Volume

AXES = ("slice", "row", "column")
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def _geometry(
    count: int,
    row: Any = AXIAL[0],
    column: Any = AXIAL[1],
    pixel_spacing: tuple[float, float] = (1.0, 1.0),
    spacing: float = 1.0,
    drift: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> StackGeometry:
    row, column = np.array(row, float), np.array(column, float)
    step = np.cross(row, column) * spacing + np.array(drift)
    return StackGeometry(row, column, pixel_spacing, np.arange(count)[:, None] * step)


def _volume(array: NDArray[Any], geometry: StackGeometry | None = None, **fields: Any) -> Volume:
    geometry = geometry or _geometry(array.shape[0])
    fields = {"axes": AXES, "units": "HU", "series": {"Modality": "CT"}} | fields
    return Volume(array, VolumeInfo(array.shape, array.dtype, geometry=geometry, **fields))


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image)


def _box(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """(height, width) of the smallest box around what is true."""
    rows, columns = np.nonzero(mask)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


ORIENTATIONS = [
    (np.eye(3)[r] * sr, np.eye(3)[c] * sc)
    for r, c in itertools.permutations(range(3), 2)
    for sr, sc in itertools.product((1, -1), repeat=2)
]


@pytest.mark.parametrize(("row", "column"), ORIENTATIONS)
def test_planes_lie_as_simpleitk_reorients_them(row: Any, column: Any) -> None:
    """Each of the 24 orientations is shown in the one way that SimpleITK's own reorientation to LPS gives."""
    array = np.random.default_rng(1).integers(0, 1000, (5, 7, 9)).astype(np.int16)
    image = SimpleITK.GetImageFromArray(array)
    image.SetDirection(np.column_stack([row, column, np.cross(row, column)]).ravel().tolist())
    lps = SimpleITK.GetArrayFromImage(SimpleITK.DICOMOrient(image, "LPS"))
    z, y, x = (count // 2 for count in lps.shape)

    axial, coronal, sagittal = planes_of(_volume(array, _geometry(5, row, column)))

    np.testing.assert_array_equal(axial.values, lps[z])
    np.testing.assert_array_equal(coronal.values, lps[::-1, y])
    np.testing.assert_array_equal(sagittal.values, lps[::-1, :, x])
    assert (axial.edges, coronal.edges, sagittal.edges) == (
        ("R", "L", "A", "P"),
        ("R", "L", "S", "I"),
        ("A", "P", "S", "I"),
    )


def test_oblique_stack_takes_the_nearest_axes() -> None:
    """A stack turned by 40 degrees about two axes still shows three different planes."""
    a, b = np.radians(40), np.radians(35)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    planes = planes_of(_volume(np.zeros((5, 7, 9), np.int16), _geometry(5, turn[:, 0], turn[:, 1])))
    assert [plane.title.split(" ·")[0] for plane in planes] == ["Axial", "Coronal", "Sagittal"]
    assert len({plane.title.split()[2] for plane in planes}) == 3


def test_patient_right_is_drawn_at_the_left() -> None:
    """A bright block on the patient's right is left of the middle of the drawn axial plane."""
    array = np.zeros((1, 64, 64), np.int16)
    array[0, 24:40, 4:16] = 1000
    pixels = _pixels(draw(_volume(array)))
    bright = np.nonzero((pixels == 255).all(axis=2).sum(axis=0) > 20)[0]
    assert bright.size and bright.max() < pixels.shape[1] // 2


def test_proportions_are_those_in_mm() -> None:
    """One slice of 10 x 20 voxels of 3 x 1 mm is drawn as 30 to 20."""
    array = np.broadcast_to(np.array([200, 30, 60], np.uint8), (1, 10, 20, 3))
    volume = _volume(array, _geometry(1, pixel_spacing=(3.0, 1.0)), axes=(*AXES, "sample"))
    height, width = _box((_pixels(draw(volume)) == (200, 30, 60)).all(axis=2))
    assert height == canvas.PANEL_PIXELS
    assert width == pytest.approx(height * 20 / 30, abs=1)


def test_tilted_stack_is_as_high_as_along_its_normal() -> None:
    """A tilted gantry changes neither the height of the stack nor hides itself: a note names it."""
    volume = _volume(np.zeros((6, 8, 8), np.int16), _geometry(6, spacing=2.0, drift=(0.0, 0.7, 0.0)))
    planes = planes_of(volume)
    assert planes[1].size == pytest.approx((12.0, 8.0))
    assert any("tilted by 19.29 degrees" in note for note in pictures.notes_of(volume, planes))


def test_big_volume_stays_small() -> None:
    """However many voxels, no panel is longer than its limit."""
    volume = _volume(np.zeros((2, 3000, 1500), np.uint8), _geometry(2, pixel_spacing=(0.1, 0.1)))
    image = draw(volume)
    assert image.height < canvas.PANEL_PIXELS + 250
    assert image.width < 2 * canvas.PANEL_PIXELS + 250


def test_padding_does_not_set_the_window() -> None:
    """With a third of the plane at -3024 the window is still that of the tissue."""
    values = np.linspace(0, 100, 3000).reshape(50, 60)
    values[:20] = -3024
    window = greys.window_of([values])
    assert window is not None
    assert 30 < window.lower < 45 and 95 < window.upper <= 100


def test_few_bright_voxels_do_not_darken_the_rest() -> None:
    """Metal in one voxel of thousand leaves the window to the other voxels."""
    values = np.random.default_rng(2).normal(50, 10, (100, 100))
    values.flat[:10] = 30000
    window = greys.window_of([values])
    assert window is not None and window.upper < 100


def test_mask_shows_both_of_its_values() -> None:
    """A mask of 0 and 1 is drawn black and white, not constant."""
    array = np.zeros((1, 20, 20), bool)
    array[0, 5:15, 5:15] = True
    pixels = _pixels(draw(_volume(array)))
    assert (pixels == 255).all(axis=2).any() and (pixels == 0).all(axis=2).any()


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -5.5])
def test_constant_and_unusable_values_are_drawn(value: float) -> None:
    """A constant image, all NaN or all infinite, makes a picture."""
    image = draw(_volume(np.full((3, 4, 5), value, np.float32)))
    assert image.mode == "RGB"


def test_nan_is_told_and_changes_no_grey() -> None:
    """NaN at one voxel leaves the other greys alone, and the notes count it."""
    array = np.random.default_rng(3).random((1, 30, 30)).astype(np.float32)
    spoiled = array.copy()
    spoiled[0, 0, 0] = np.nan
    volume = _volume(spoiled)
    planes = planes_of(volume)
    assert pictures.notes_of(volume, planes) == ("1 values in these planes are NaN or infinite.",)
    window = greys.window_of([array[0]])
    assert window is not None
    np.testing.assert_array_equal(greys.grey(spoiled[0], window)[1:], greys.grey(array[0], window)[1:])


def test_without_geometry_no_letter_is_drawn() -> None:
    """Without geometry there are index planes, no orientation letters, and a caption that says so."""
    array = np.random.default_rng(4).integers(0, 255, (4, 30, 40)).astype(np.uint8)
    volume = Volume.from_array(array)
    pixels = _pixels(draw(volume))
    assert not (pixels == canvas.LETTER).all(axis=2).any()
    assert "no geometry" in pictures.caption_of(volume)
    assert (_pixels(draw(_volume(array))) == canvas.LETTER).all(axis=2).any()


def test_first_repetition_is_drawn_and_said() -> None:
    """Of a time series the first time point is shown, whatever the others hold."""
    array = np.random.default_rng(5).integers(0, 255, (3, 4, 20, 20)).astype(np.int16)
    other = array.copy()
    other[1:] = 9999
    first, second = (_volume(a, _geometry(4), axes=("time", *AXES)) for a in (array, other))
    np.testing.assert_array_equal(_pixels(draw(first)), _pixels(draw(second)))
    assert "Of 3 along the axis time the first is shown." in pictures.notes_of(first, planes_of(first))


def test_colour_is_drawn_as_it_is() -> None:
    """A colour image keeps its red, green and blue."""
    array = np.broadcast_to(np.array([200, 30, 60], np.uint8), (1, 20, 20, 3))
    volume = Volume.from_array(array, axes=("frame", "row", "column", "sample"))
    assert _box((_pixels(draw(volume)) == (200, 30, 60)).all(axis=2)) == (512, 512)


@pytest.mark.parametrize(
    ("dtype", "full", "units"),
    [("uint16", 65535, "stored"), ("float32", 255, "stored"), ("float32", 1, "normalized")],
)
def test_colour_of_other_types_keeps_its_proportions(dtype: str, full: float, units: str) -> None:
    """A full red stays a full red, whatever type the samples have."""
    values = np.array([[[full, 0, 0]]], dtype)
    np.testing.assert_array_equal(greys.colour(values, units), [[[255, 0, 0]]])


@pytest.mark.parametrize(
    ("shape", "axes", "words"),
    [((0, 4, 4), None, "nothing to draw"), ((1, 4, 4, 4), (*UNPLACED, "sample"), "4 samples")],
)
def test_what_cannot_be_drawn_is_refused(shape: Any, axes: Any, words: str) -> None:
    """An empty array and colour of four samples raise an error that says why."""
    volume = Volume.from_array(np.zeros(shape, np.uint8), axes=axes)
    with pytest.raises(ValuesError, match=words):
        draw(volume)


def test_nothing_of_the_patient_is_drawn() -> None:
    """Attributes beside the modality leave no trace in the picture."""
    array = np.arange(4 * 9 * 9, dtype=np.int16).reshape(4, 9, 9)
    plain = draw(_volume(array))
    named = draw(_volume(array, series={"Modality": "CT", "PatientName": "X^Y", "SeriesDescription": "X"}))
    np.testing.assert_array_equal(_pixels(plain), _pixels(named))


def _strips(image: Image.Image) -> int:
    """How many bars, and so strips, a comparison has: each ends in its units at the right margin."""
    pixels = _pixels(image)
    text = (pixels[:, -canvas.MARGIN - 20 :] == canvas.TEXT).all(axis=2).any(axis=1)
    starts = np.diff(np.concatenate([[0], text.astype(int)])) == 1
    return int(starts.sum())


def test_one_value_has_no_bar_of_greys() -> None:
    """Greys from 5 to 5 would say nothing: what an image without contrast is compared with has its greys."""
    flat, steps = _volume(np.full((4, 4, 4), 5)), _volume(np.arange(64).reshape(4, 4, 4))
    assert [_strips(draw(flat)), _strips(draw(steps))] == [0, 1]
    compared = draw_comparison(flat, steps)
    assert _strips(compared) == 3 and (_pixels(compared) == 255).any()


def test_comparison_of_equal_volumes_shows_no_difference() -> None:
    """Three strips; both volumes are drawn alike, and the third holds no blue or orange but its bar."""
    array = np.random.default_rng(6).integers(-1000, 1000, (5, 20, 20)).astype(np.int16)
    image = draw_comparison(_volume(array), _volume(array), ("same", "same"))
    pixels = _pixels(image)
    assert _strips(image) == 3
    strip = (pixels.shape[0] - 2 * canvas.MARGIN - canvas.LINE_HEIGHT) // 3
    first, second, third = (
        pixels[canvas.MARGIN + i * strip : canvas.MARGIN + (i + 1) * strip] for i in range(3)
    )
    np.testing.assert_array_equal(first, second)
    blue = third[canvas.HEADING_HEIGHT :, :, 2].astype(int) - third[canvas.HEADING_HEIGHT :, :, 0]
    assert np.abs(blue[blue < 100]).max() < 140 and not (third[40:] == (70, 160, 255)).all(axis=2).any()


def test_comparison_uses_one_window() -> None:
    """A brighter second volume is drawn brighter, not normalized by itself."""
    array = np.random.default_rng(7).normal(0, 100, (1, 40, 40)).astype(np.float32)
    before, after = _volume(array), _volume(array + 500)
    planes, planes_after = planes_of(before), planes_of(after)
    window, window_after = pictures.shared_windows(before.units, after.units, planes, planes_after)
    assert window == window_after is not None
    assert (greys.grey(planes_after[0].values, window_after) == 255).mean() > 0.9


def test_difference_is_symmetric_and_signed() -> None:
    """Too much is orange, too little blue, by the same scale, and unsigned integers do not wrap."""
    array = np.full((1, 20, 20), 100, np.uint8)
    changed = array.copy()
    changed[0, 2:8], changed[0, 12:18] = 90, 110
    pixels = _pixels(draw_comparison(_volume(array), _volume(changed)))
    low, high = ((pixels == colour).all(axis=2) for colour in greys.DIFFERENCE_COLOURS[::2])
    assert low.sum() > 50_000 and high.sum() > 50_000
    assert np.nonzero(low)[0].mean() < np.nonzero(high)[0].mean()


def _steps(count: int) -> NDArray[Any]:
    return np.arange(count * 81, dtype=np.int16).reshape(count, 9, 9)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (_volume(_steps(4), _geometry(4)), "shapes differ"),
        (_volume(_steps(5), _geometry(5), units="stored"), "units differ"),
        (_volume(_steps(5), _geometry(5, spacing=2.0)), "different places"),
    ],
)
def test_no_difference_where_there_can_be_none(other: Volume, words: str) -> None:
    """Other shapes, units or places: two strips, and a note that says why."""
    volume = _volume(_steps(5), _geometry(5))
    assert words in str(pictures.why_no_difference(volume, other))
    assert _strips(draw_comparison(volume, other)) == 2


def test_png_is_written_whole_and_never_over_another(tmp_path: Path) -> None:
    """The file reads back as drawn, has no text in it, and is replaced only on request."""
    image, path = draw(_volume(np.zeros((3, 4, 5), np.int16))), tmp_path / "new" / "ct.png"
    save_png(image, path)
    with Image.open(path) as read:
        assert read.format == "PNG" and not read.info
        np.testing.assert_array_equal(_pixels(read), _pixels(image))
    with pytest.raises(OutputError, match="exists"):
        save_png(image, path)
    save_png(image, path, overwrite=True)
    assert [entry.name for entry in path.parent.iterdir()] == ["ct.png"]


def test_labels_are_all_within_the_window() -> None:
    """Of few values none is background or too bright; of many the rare ones do not count."""
    labels = np.zeros((20, 20), np.uint8)
    labels[2:9, 2:9], labels[12, 12] = 1, 5
    assert greys.window_of([labels]) == greys.Window(0, 5)
    values = np.arange(10_000, dtype=np.int16).reshape(100, 100)
    values[:20] = -2000
    window = greys.window_of([values])
    assert window is not None and 2000 < window.lower < window.upper < 9999
