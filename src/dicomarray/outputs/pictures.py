"""Pictures of a volume: three orthogonal planes through its middle, with orientation and values told.

The planes are named and turned by anatomy, whatever the orientation of the stack: axial with the front of
the patient up and the right side at the picture's left (as radiologists look at it), coronal with the
head up, sagittal with the head up and the front at the left.  An oblique stack is not resampled: its own
planes are shown under the name of the nearest anatomical one.

Nothing that names the patient is drawn.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dicomarray import atomic
from dicomarray.errors import ValuesError
from dicomarray.geometry import Matrix, StackGeometry, letters
from dicomarray.outputs.greys import Window, colour, difference_colours, grey, window_of
from dicomarray.outputs.sheet import Bar, Panel, Sheet, Strip
from dicomarray.values import Array
from dicomarray.volume import Volume

if TYPE_CHECKING:
    from PIL.Image import Image

# Differences beyond this percentile of their amount are drawn in the full colour.
DIFFERENCE_PERCENTILE = 99.9
# Affines further apart than this, in mm anywhere in the volume, are two places: no difference is drawn.
SAME_PLACE_MM = 0.1
# Between numbers of voxels or mm.
TIMES = " x "
# The longest side of a thumbnail, in pixels.
THUMBNAIL_PIXELS = 160


@dataclass(frozen=True, slots=True)
class _View:
    """A plane by anatomy: LPS axes, and whether the coordinate grows to the right and downwards."""

    name: str
    through: int
    across: int
    down: int
    grows_right: bool
    grows_down: bool


# L, P, S are the axes 0, 1, 2 and grow towards the patient's left, back and head.
VIEWS = (
    _View("Axial", through=2, across=0, down=1, grows_right=True, grows_down=True),
    _View("Coronal", through=1, across=0, down=2, grows_right=True, grows_down=False),
    _View("Sagittal", through=0, across=1, down=2, grows_right=True, grows_down=False),
)


@dataclass(frozen=True, eq=False)
class _Plane:
    """One plane of the array, turned as it is shown: values (rows, columns[, samples])."""

    title: str
    values: Array
    size: tuple[float, float]
    edges: tuple[str, str, str, str] | None


def draw(volume: Volume) -> Image:
    """Three orthogonal planes through the middle of a volume.

    Parameters
    ----------
    volume
        Any: of several repetitions the first is shown, without geometry the index planes.  The window
        runs from the 1st to the 99.5th percentile of what is shown, padding apart; colour is shown as is.

    Returns
    -------
    PIL.Image.Image
        RGB, with orientation letters and a caption (modality, shape, spacing, units, window).

    Raises
    ------
    ValuesError
        For an empty array, or colour of other than three samples.
    """
    planes = _planes(volume)
    strip = _strip(_modality(volume), planes, volume, window_of([plane.values for plane in planes]))
    return _render(Sheet((strip,), (_caption(volume),), _notes(volume, planes)))


def draw_comparison(before: Volume, after: Volume, titles: tuple[str, str] = ("before", "after")) -> Image:
    """Two volumes above each other in one window, and below them their difference (after - before).

    The difference has a window symmetric about 0, and is left out, with a note that says why, where the
    two differ in shape, place or units, or are in colour.  Where units differ each has its own window.

    Returns
    -------
    PIL.Image.Image
        RGB; the caption is that of ``before``, and of ``after`` where it reads differently.

    Raises
    ------
    ValuesError
        For an empty array, or colour of other than three samples.
    """
    planes, planes_after = _planes(before), _planes(after)
    window, window_after = _shared_windows(before, after, planes, planes_after)
    strips = [
        _strip(titles[0], planes, before, window),
        _strip(titles[1], planes_after, after, window_after),
    ]
    obstacle = _why_no_difference(before, after)
    if obstacle is None:
        strips.append(_difference_strip(planes, planes_after, before.units))
    captions = dict.fromkeys((_caption(before), _caption(after)))
    notes = dict.fromkeys((*_notes(before, planes), *_notes(after, planes_after)))
    if obstacle is not None:
        notes[f"No difference is shown: {obstacle}."] = None
    return _render(Sheet(tuple(strips), tuple(captions), tuple(notes)))


def draw_thumbnails(before: Volume, after: Volume) -> tuple[Image, Image]:
    """One plane of each, small, in one window where their numbers mean the same; for lists of results.

    Raises
    ------
    ValuesError
        For an empty array, or colour of other than three samples.
    """
    planes, planes_after = _planes(before)[:1], _planes(after)[:1]
    window, window_after = _shared_windows(before, after, planes, planes_after)
    return _thumbnail(planes[0], before, window), _thumbnail(planes_after[0], after, window_after)


def _thumbnail(plane: _Plane, volume: Volume, window: Window | None) -> Image:
    from PIL import Image

    pixels = colour(plane.values, volume.units) if window is None else grey(plane.values, window)
    scale = THUMBNAIL_PIXELS / max(plane.size)
    height, width = (max(1, round(length * scale)) for length in plane.size)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def save_png(image: Image, path: str | PathLike[str], overwrite: bool = False) -> None:
    """Write a picture as PNG; the file appears whole or not at all.

    Raises
    ------
    OutputError
        Where ``path`` exists and ``overwrite`` is not set.
    """
    with atomic.new_files([Path(path)], overwrite) as (file,):
        image.save(file, format="PNG")


def _render(sheet: Sheet) -> Image:
    from dicomarray.outputs import canvas  # Pillow is for those who draw

    return canvas.render(sheet)


# --- which planes -----------------------------------------------------------------------------------------


def _planes(volume: Volume) -> list[_Plane]:
    """The planes worth showing: those one voxel wide say nothing, unless there is no other."""
    array = _first_repetition(volume)
    if volume.geometry is None:
        planes = _index_planes(array, volume.axes[_repetitions(volume) :])
    else:
        planes = _anatomical_planes(array, volume.geometry)
    return [plane for plane in planes if min(plane.values.shape[:2]) > 1] or planes[:1]


def _repetitions(volume: Volume) -> int:
    """How many axes stand before (slice, row, column)."""
    return volume.axes.index("row") - 1


def _first_repetition(volume: Volume) -> Array:
    """(slice, row, column[, samples]), a view."""
    if volume.array.size == 0:
        raise ValuesError(f"an array of shape {volume.array.shape} holds nothing to draw")
    array = volume.array[(0,) * _repetitions(volume)]
    if array.ndim == 4 and array.shape[-1] != 3:
        raise ValuesError(f"colour of {array.shape[-1]} samples cannot be drawn; convert it to RGB first")
    return np.asarray(array)


def _anatomical_planes(array: Array, geometry: StackGeometry) -> list[_Plane]:
    axes = np.array([geometry.normal, geometry.column_direction, geometry.row_direction])
    nearest = _nearest_axes(axes)
    # Along the normal, not along the step: a tilted stack is drawn with its slices straight above each other.
    spacing = (float(geometry.step @ geometry.normal), *geometry.pixel_spacing)
    return [_anatomical_plane(array, view, axes, nearest, spacing) for view in VIEWS]


def _nearest_axes(axes: Matrix) -> tuple[int, int, int]:
    """For L, P and S the array axis nearest to it, each array axis once.

    ``axes``, shape (3, 3): a row for each array axis, its direction in LPS.  The greatest product of
    cosines decides, as none of its factors can be 0 for axes that span a space.
    """
    cosines = np.abs(axes)
    best = max(
        itertools.permutations(range(3)), key=lambda order: float(np.prod(cosines[list(order), range(3)]))
    )
    return (best[0], best[1], best[2])


def _anatomical_plane(
    array: Array,
    view: _View,
    axes: Matrix,
    nearest: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> _Plane:
    through, down, across = nearest[view.through], nearest[view.down], nearest[view.across]
    values = _cut(array, through, down, across)
    flip_down = bool(axes[down][view.down] > 0) != view.grows_down
    flip_across = bool(axes[across][view.across] > 0) != view.grows_right
    values = values[:: -1 if flip_down else 1, :: -1 if flip_across else 1]
    right, left = letters(np.eye(3)[view.across] * (1 if view.grows_right else -1))
    bottom, top = letters(np.eye(3)[view.down] * (1 if view.grows_down else -1))
    rows, columns = values.shape[:2]
    return _Plane(
        _title(view.name, ("slice", "row", "column")[through], array.shape[through]),
        values,
        (rows * spacing[down], columns * spacing[across]),
        (left, right, top, bottom),
    )


def _index_planes(array: Array, axes: tuple[str, ...]) -> list[_Plane]:
    """The planes of the array as they lie in memory, a voxel drawn as a square."""
    planes = []
    for through, down, across in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        values = _cut(array, through, down, across)
        name = f"{axes[down].capitalize()}s by {axes[across]}s"
        title = _title(name, axes[through], array.shape[through])
        planes.append(_Plane(title, values, (float(values.shape[0]), float(values.shape[1])), None))
    return planes


def _cut(array: Array, through: int, down: int, across: int) -> Array:
    """The middle plane, (down, across[, samples]), a view."""
    samples = tuple(range(3, array.ndim))
    turned = array.transpose((through, down, across, *samples))
    return np.asarray(turned[array.shape[through] // 2])


def _title(name: str, axis: str, count: int) -> str:
    return f"{name} · {axis} {count // 2 + 1} of {count}"


# --- which greys ------------------------------------------------------------------------------------------


def _shared_windows(
    before: Volume, after: Volume, planes: list[_Plane], planes_after: list[_Plane]
) -> tuple[Window | None, Window | None]:
    """The windows of both: one, that of ``before``, where their numbers mean the same."""
    own = window_of([plane.values for plane in planes])
    own_after = window_of([plane.values for plane in planes_after])
    if own is None or own_after is None or before.units != after.units:
        return own, own_after
    return own, own


# --- strips -----------------------------------------------------------------------------------------------


def _strip(heading: str, planes: list[_Plane], volume: Volume, window: Window | None) -> Strip:
    if window is None:
        return Strip(heading, tuple(_panel(p, colour(p.values, volume.units)) for p in planes))
    panels = tuple(_panel(plane, grey(plane.values, window)) for plane in planes)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return Strip(heading, panels, _bar(greys, window, volume.units))


def _difference_strip(planes: list[_Plane], planes_after: list[_Plane], units: str) -> Strip:
    pairs = zip(planes, planes_after, strict=True)
    differences = [b.values.astype(np.float64) - a.values.astype(np.float64) for a, b in pairs]
    amounts = np.concatenate([np.abs(difference).ravel() for difference in differences])
    amounts = amounts[np.isfinite(amounts)]
    greatest = float(amounts.max()) if amounts.size else 0.0
    # Few voxels may differ: then the percentile is 0 and the greatest difference sets the end.
    end = float(np.percentile(amounts, DIFFERENCE_PERCENTILE)) or greatest if greatest else 1.0
    panels = tuple(
        _panel(plane, difference_colours(np.clip(difference / end, -1, 1)))
        for plane, difference in zip(planes, differences, strict=True)
    )
    heading = f"difference · at most {_number(greatest)} in these planes" if greatest else "no difference"
    colours = difference_colours(np.linspace(-1, 1, 256))
    return Strip(heading, panels, _bar(colours, Window(-end, end), units))


def _panel(plane: _Plane, pixels: NDArray[np.uint8]) -> Panel:
    return Panel(plane.title, pixels, plane.size, plane.edges)


def _bar(colours: NDArray[np.uint8], window: Window, units: str) -> Bar:
    return Bar(colours, _number(window.lower), f"{_number(window.upper)} {units}")


# --- words ------------------------------------------------------------------------------------------------


def _modality(volume: Volume) -> str:
    return str(volume.series.get("Modality") or "Modality unknown")


def _caption(volume: Volume) -> str:
    """Modality, shape, spacing, units: all that is told about a volume, nothing about the patient."""
    shape = TIMES.join(str(count) for count in volume.array.shape)
    names = ", ".join(volume.axes)
    if volume.spacing is None:
        spacing = "no geometry"
    else:
        spacing = TIMES.join(_number(length) for length in volume.spacing) + " mm"
    return f"{_modality(volume)} · {shape} ({names}) · {spacing} · {volume.array.dtype} · {volume.units}"


def _notes(volume: Volume, planes: list[_Plane]) -> tuple[str, ...]:
    """What the picture does not show as it is."""
    notes = [
        f"Of {count} along the axis {axis} the first is shown."
        for axis, count in zip(volume.axes[: _repetitions(volume)], volume.array.shape, strict=False)
        if count > 1
    ]
    if volume.geometry is None:
        notes.append("No geometry: a voxel is drawn as a square, and no side of the patient is known.")
    else:
        notes += _geometry_notes(volume.geometry)
    unusable = sum(int(plane.values.size - np.isfinite(plane.values).sum()) for plane in planes)
    if unusable:
        notes.append(f"{unusable} values in these planes are NaN or infinite.")
    return tuple(notes)


def _geometry_notes(geometry: StackGeometry) -> list[str]:
    notes = []
    if geometry.tilt_degrees:
        notes.append(
            f"The stack is tilted by {_number(geometry.tilt_degrees)} degrees; its slices are drawn straight "
            "above each other."
        )
    if not geometry.uniform:
        notes.append("The slices are not evenly spaced; they are drawn as if they were.")
    return notes


def _why_no_difference(before: Volume, after: Volume) -> str | None:
    if before.units != after.units:
        return f"the units differ ({before.units}, {after.units})"
    if before.array.shape != after.array.shape or before.axes != after.axes:
        return "the shapes differ"
    if before.array.ndim > _repetitions(before) + 3:
        return "the images are in colour"
    if not _same_place(before, after):
        return "they lie at different places in the patient"
    return None


def _same_place(before: Volume, after: Volume) -> bool:
    if before.affine is None or after.affine is None:
        return before.affine is after.affine
    grid = before.array.shape[_repetitions(before) :][:3]
    corners = np.array([[*corner, 1] for corner in itertools.product(*((0, n - 1) for n in grid))]).T
    return bool(np.abs((before.affine - after.affine) @ corners).max() <= SAME_PLACE_MM)


def _number(value: float) -> str:
    """Four significant digits; whole numbers in full where they are short."""
    whole = float(value).is_integer() or abs(value) >= 1000
    return f"{value:.0f}" if whole and abs(value) < 1e6 else f"{value:.4g}"
