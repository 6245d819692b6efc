"""Pictures of a volume: three orthogonal planes through its middle, with their orientation and values.

Nothing that names the patient is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.geometry import StackGeometry, letters, stacks_apart
from dicomarray.core.pixel_values import Array
from dicomarray.render.greys import Window, colour, difference_colours, grey, window_of
from dicomarray.render.overlay import SAME_PLACE_MM, Overlay
from dicomarray.render.planes import Bar, DrawnPlane, Sheet, Strip, first_repetition, planes_of
from dicomarray.segmentation import Segmentation
from dicomarray.storage import atomic
from dicomarray.volume import Volume

if TYPE_CHECKING:
    from PIL.Image import Image

# Differences beyond this percentile of their amount are drawn in the full colour.
DIFFERENCE_PERCENTILE = 99.9
# Between numbers of voxels or mm.
TIMES = " x "
# The longest side of a thumbnail, in pixels.
THUMBNAIL_PIXELS = 160
# Of slices to leaf through: the longest side in pixels, and how many at most; more make a page too heavy.
SLICE_PIXELS, MAX_SLICES = 384, 200


def draw(volume: Volume, segmentation: Segmentation | None = None) -> Image:
    """Three orthogonal planes through the middle of a volume.

    Parameters
    ----------
    volume
        Any: of several repetitions the first is shown, without geometry the index planes.  The window
        runs from the 1st to the 99.5th percentile of what is shown, padding apart; colour is shown as is.
    segmentation
        Drawn over it in colour; the planes then go where most of its segments is seen.

    Returns
    -------
    PIL.Image.Image
        RGB, with orientation letters and a caption (modality, shape, spacing, units, window).

    Raises ValuesError for an empty array, or colour of other than three samples; GeometryError where the
    segmentation lies on another grid.
    """
    overlay = None if segmentation is None else Overlay.of(segmentation, volume)
    planes = planes_of(volume, None if overlay is None else overlay.shown_at)
    window = window_of([plane.values for plane in planes])
    strip = _strip(_modality(volume), planes, volume, window)
    notes, captions = notes_of(volume, planes), (caption_of(volume),)
    if overlay is None:
        if window is not None and window.is_one_value:
            notes += (f"Every value in these planes is {number_text(window.lower)} {volume.units}.",)
        return _render(Sheet((strip,), captions, notes))
    numbers = [plane.values for plane in overlay.planes()]
    panels = [
        replace(panel, values=overlay.paint(panel.values, plane))
        for panel, plane in zip(strip.panels, numbers, strict=True)
    ]
    legend = overlay.legend(numbers)
    counted = f"{len(legend)} of {len(overlay.segments)} segments are in these planes."
    sheet = Sheet(
        (replace(strip, panels=tuple(panels)),), (*captions, counted), notes + overlay.notes, legend
    )
    return _render(sheet)


def draw_comparison(before: Volume, after: Volume, titles: tuple[str, str] = ("before", "after")) -> Image:
    """Two volumes above each other in one window, and below them their difference (after - before).

    The difference has a window symmetric about 0, and is left out, with a note that says why, where the
    two differ in shape, place or units, or are in colour.  Where units differ each has its own window.

    Returns
    -------
    PIL.Image.Image
        RGB; the caption is that of ``before``, and of ``after`` where it reads differently.

    Raises ValuesError as `draw` does.
    """
    planes, planes_after = planes_of(before), planes_of(after)
    window, window_after = shared_windows(before.units, after.units, planes, planes_after)
    strips = [
        _strip(titles[0], planes, before, window),
        _strip(titles[1], planes_after, after, window_after),
    ]
    obstacle = why_no_difference(before, after)
    if obstacle is None:
        strips.append(_difference_strip(planes, planes_after, before.units))
    captions = dict.fromkeys((caption_of(before), caption_of(after)))
    notes = dict.fromkeys((*notes_of(before, planes), *notes_of(after, planes_after)))
    if obstacle is not None:
        notes[f"No difference is shown: {obstacle}."] = None
    return _render(Sheet(tuple(strips), tuple(captions), tuple(notes)))


@dataclass(frozen=True, slots=True)
class PlaneOfVolume:
    """The plane of a volume that a thumbnail shows, and the units of its values."""

    plane: DrawnPlane
    units: str

    @classmethod
    def of(cls, volume: Volume) -> PlaneOfVolume:
        """With values of its own: they stay what they are when those of the volume are changed.

        Raises ValuesError as `draw` does.
        """
        plane = planes_of(volume)[0]
        return cls(replace(plane, values=plane.values.copy()), volume.units)


def draw_thumbnails(before: PlaneOfVolume, after: Volume) -> tuple[Image, Image]:
    """One plane of each, small, in one window where their numbers mean the same; for lists of results.

    Raises ValuesError as `draw` does.
    """
    plane, plane_after = before.plane, planes_of(after)[0]
    window, window_after = shared_windows(before.units, after.units, [plane], [plane_after])
    return (
        resized(pixels_of(plane.values, before.units, window), plane.size),
        resized(pixels_of(plane_after.values, after.units, window_after), plane_after.size),
    )


def draw_masks(volume: Volume, segmentation: Segmentation) -> tuple[Image, Image]:
    """One plane of a volume, small, without and with masks, where most of these is seen.

    Raises as `draw` does.
    """
    overlay = Overlay.of(segmentation, volume)
    plane = planes_of(volume, overlay.shown_at)[0]
    pixels = pixels_of(plane.values, volume.units, window_of([plane.values]))
    painted = overlay.paint(pixels, overlay.planes()[0].values)
    return resized(pixels, plane.size), resized(painted, plane.size)


def draw_slices(volume: Volume, overlay: Overlay | None = None) -> list[tuple[str, Image]]:
    """The slices of a volume as they lie in the array, in one window, each with its title.

    Of several repetitions the first is shown; of more than `MAX_SLICES` so many, evenly chosen.

    Raises ValuesError as `draw` does.
    """
    array = first_repetition(volume)
    rows, columns = array.shape[1:3]
    spacing = (1.0, 1.0) if volume.spacing is None else volume.spacing[1:]
    chosen = np.unique(np.linspace(0, len(array) - 1, min(len(array), MAX_SLICES)).round().astype(int))
    title = f"{volume.axes[volume.info.slice_axis]} {{}} of {len(array)}"
    if volume.geometry is not None:
        right, left = letters(volume.geometry.row_direction)
        bottom, top = letters(volume.geometry.column_direction)
        title += f" · left {left}, right {right}, top {top}, bottom {bottom}"
    window = window_of([plane.values for plane in planes_of(volume)])
    size = (rows * spacing[0], columns * spacing[1])
    drawn = []
    for index in chosen:
        pixels = pixels_of(np.asarray(array[index]), volume.units, window)
        if overlay is not None:
            pixels = overlay.paint(pixels, overlay.labels[index])
        drawn.append((title.format(index + 1), resized(pixels, size, SLICE_PIXELS)))
    return drawn


def pixels_of(values: Array, units: str, window: Window | None) -> NDArray[np.uint8]:
    """Values as greys in a window, or as the colours that they are."""
    return colour(values, units) if window is None else grey(values, window)


def resized(pixels: NDArray[np.uint8], size: tuple[float, float], max_side: int = THUMBNAIL_PIXELS) -> Image:
    """A picture of ``size`` (height, width), in any unit, the longer side of so many pixels."""
    from PIL import Image

    scale = max_side / max(size)
    height, width = (max(1, round(length * scale)) for length in size)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def save_png(image: Image, path: str | PathLike[str], overwrite: bool = False) -> None:
    """Write a picture as PNG; the file appears whole or not at all.

    Raises OutputError where ``path`` exists and ``overwrite`` is not set.
    """
    with atomic.new_files([Path(path)], overwrite) as (file,):
        image.save(file, format="PNG")


def _render(sheet: Sheet) -> Image:
    from dicomarray.render import canvas

    return canvas.render(sheet)


# --- which greys ------------------------------------------------------------------------------------------


def shared_windows(
    units: str, units_after: str, planes: list[DrawnPlane], planes_after: list[DrawnPlane]
) -> tuple[Window | None, Window | None]:
    """The windows of both: one, that of the first unless it is empty, where their numbers mean the same."""
    own = window_of([plane.values for plane in planes])
    own_after = window_of([plane.values for plane in planes_after])
    if own is None or own_after is None or units != units_after:
        return own, own_after
    shared = own_after if own.is_one_value else own
    return shared, shared


# --- strips -----------------------------------------------------------------------------------------------


def _strip(heading: str, planes: list[DrawnPlane], volume: Volume, window: Window | None) -> Strip:
    panels = tuple(replace(one, values=pixels_of(one.values, volume.units, window)) for one in planes)
    if window is None or window.is_one_value:
        return Strip(heading, panels)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return Strip(heading, panels, _bar(greys, window, volume.units))


def _difference_strip(planes: list[DrawnPlane], planes_after: list[DrawnPlane], units: str) -> Strip:
    pairs = zip(planes, planes_after, strict=True)
    differences = [b.values.astype(np.float64) - a.values.astype(np.float64) for a, b in pairs]
    amounts = np.concatenate([np.abs(difference).ravel() for difference in differences])
    amounts = amounts[np.isfinite(amounts)]
    greatest = float(amounts.max()) if amounts.size else 0.0
    # Few voxels may differ: then the percentile is 0 and the greatest difference sets the end.
    end = float(np.percentile(amounts, DIFFERENCE_PERCENTILE)) or greatest if greatest else 1.0
    panels = tuple(
        replace(plane, values=difference_colours(np.clip(difference / end, -1, 1)))
        for plane, difference in zip(planes, differences, strict=True)
    )
    heading = f"difference · at most {number_text(greatest)} in these planes" if greatest else "no difference"
    colours = difference_colours(np.linspace(-1, 1, 256))
    return Strip(heading, panels, _bar(colours, Window(-end, end), units))


def _bar(colours: NDArray[np.uint8], window: Window, units: str) -> Bar:
    return Bar(colours, number_text(window.lower), f"{number_text(window.upper)} {units}")


# --- words ------------------------------------------------------------------------------------------------


def _modality(volume: Volume) -> str:
    return str(volume.series.get("Modality") or "Modality unknown")


def caption_of(volume: Volume) -> str:
    """Modality, shape, spacing, units: all that is said about a volume, nothing about the patient."""
    shape = TIMES.join(str(count) for count in volume.array.shape)
    names = ", ".join(volume.axes)
    if volume.spacing is None:
        spacing = "no geometry"
    else:
        spacing = TIMES.join(number_text(length) for length in volume.spacing) + " mm"
    return f"{_modality(volume)} · {shape} ({names}) · {spacing} · {volume.array.dtype} · {volume.units}"


def notes_of(volume: Volume, planes: list[DrawnPlane]) -> tuple[str, ...]:
    """What the picture does not show as it is."""
    notes = [
        f"Of {count} along the axis {axis} the first is shown."
        for axis, count in zip(volume.axes[: volume.info.slice_axis], volume.array.shape, strict=False)
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
            f"The stack is tilted by {number_text(geometry.tilt_degrees)} degrees; its slices are drawn "
            "straight above each other."
        )
    if not geometry.uniform:
        notes.append("The slices are not evenly spaced; they are drawn as if they were.")
    return notes


def why_no_difference(before: Volume, after: Volume) -> str | None:
    if before.units != after.units:
        return f"the units differ ({before.units}, {after.units})"
    if before.array.shape != after.array.shape or before.axes != after.axes:
        return "the shapes differ"
    if before.array.ndim > before.info.slice_axis + 3:
        return "the images are in colour"
    one, other = before.geometry, after.geometry
    if one is None or other is None:
        apart = 0.0 if one is other else np.inf
    else:
        apart = stacks_apart(one, other, before.array.shape)
    if apart > SAME_PLACE_MM:
        return "they lie at different places in the patient"
    return None


def number_text(value: float) -> str:
    """Four significant digits; whole numbers in full where they are short."""
    whole = float(value).is_integer() or abs(value) >= 1000
    return f"{value:.0f}" if whole and abs(value) < 1e6 else f"{value:.4g}"
