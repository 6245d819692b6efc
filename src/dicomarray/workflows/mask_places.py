"""Where the voxels of masks lie on a template's images: on them, between them, or beside all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import StackGeometry, even_tolerance
from dicomarray.core.nearest import nearest_slices
from dicomarray.errors import GeometryError
from dicomarray.segmentation import Mask, Segmentation
from dicomarray.workflows.file_layouts import template_name

# Images are turned against each other by more than rounding does.
TURNED_DEGREES = 0.1
# Of a pixel: centres this far apart are of two grids.
OFF_PIXEL = 0.05
# Of a pixel or slice: a centre just on the edge of an image is on it, whichever way it was rounded.
EDGE = 1e-3

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MaskPlaces:
    """How voxels of masks lie on images.

    ``outside`` of every image lie some of the voxels that belong to any segment, ``between`` or beyond images
    some of the slices with such voxels, ``farthest_mm`` from the nearest image at most; slices are turned
    against images by an angle, and voxels lie ``between_pixels`` of their image, so many pixels at most.
    """

    voxels: int
    outside: int
    slices: int
    between: int
    farthest_mm: float
    turned_degrees: float
    between_pixels: float


def mask_places(masks: Segmentation, template: Stack) -> MaskPlaces:
    """How masks with a place lie on the images of one repetition of a template with one.

    Raises GeometryError where no voxel lies on an image.
    """
    geometry, own = masks.geometry, template.geometry
    assert geometry is not None  # the caller has seen to it
    assert own is not None
    size = template.frames[0].rows, template.frames[0].columns
    cosine = min(1.0, abs(float(geometry.normal @ own.normal)))
    voxels = outside = slices = between = 0
    farthest, boxes, off_pixels = 0.0, [], 0.0
    for index in range(masks.shape[0]):
        covered = masks.covered(index)
        count = int(np.count_nonzero(covered))
        if not count:
            continue
        corners = _points(geometry, index, _corners(covered))
        off, pixels = _on_images(corners, own)
        boxes.append(corners)
        voxels, slices = voxels + count, slices + 1
        farthest = max(farthest, float(off.max()))
        off_pixels = max(off_pixels, float(np.abs(pixels - np.rint(pixels)).max()))
        between += bool(off.max() > even_tolerance(_step(own)))
        if not _inside(off, pixels, own, size).all():
            points = _points(geometry, index, np.argwhere(covered))
            outside += int(np.count_nonzero(~_inside(*_on_images(points, own), own, size)))
    if voxels and outside == voxels:
        _refuse(np.concatenate(boxes), own, size, template)
    turned = float(np.degrees(np.arccos(cosine)))
    return MaskPlaces(voxels, outside, slices, between, farthest, turned, off_pixels)


def place_warnings(masks: Segmentation, template: Stack, off_images: str) -> Warnings:
    """What is to be said of masks on another grid than that of one repetition of a template.

    ``off_images`` says what becomes of slices that lie on no image, with the code of the warning.  Raises
    GeometryError where no voxel lies on an image.
    """
    places, name, said = mask_places(masks, template), template_name(template), Warnings()
    is_turned = places.turned_degrees > TURNED_DEGREES
    if places.between_pixels > OFF_PIXEL and not is_turned:
        said += warning(
            f"voxels of the masks lie up to {places.between_pixels:.2g} pixels from those of {name}: they "
            "are on another grid. Where they should be on this one, their affine is wrong (NIfTI counts in "
            "RAS, DICOM in LPS) [labels-off-grid]"
        )
    if places.outside:
        said += warning(
            f"{places.outside} of {places.voxels} voxels of the masks lie outside of all images of {name} "
            "[labels-outside]"
        )
    if is_turned:
        said += warning(
            f"the slices of the masks are turned by {places.turned_degrees:.3g} degrees against the images: "
            f"{off_images}"
        )
    elif places.between:
        said += warning(
            f"{places.between} of the {places.slices} slices with masks lie up to {places.farthest_mm:.3g} "
            f"mm from the nearest image: {off_images}"
        )
    return said


def _corners(covered: Mask) -> NDArray[np.intp]:
    """(row, column) of the corners of the smallest box that holds all of a mask."""
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    return np.array([(row, column) for row in rows[[0, -1]] for column in columns[[0, -1]]])


def _points(geometry: StackGeometry, index: int, pixels: NDArray[np.intp]) -> Points:
    """Where centres of pixels of a slice lie, (points, 3), LPS mm."""
    down = geometry.column_direction * geometry.pixel_spacing[0]
    right = geometry.row_direction * geometry.pixel_spacing[1]
    found: Points = geometry.slice_positions[index] + pixels[:, :1] * down + pixels[:, 1:] * right
    return found


def _on_images(points: Points, own: StackGeometry) -> tuple[Points, Points]:
    """How far each point is from the plane of the image that is nearest to it, in mm; (row, column) there."""
    nearest, off = nearest_slices(own, points @ own.normal)
    steps = np.stack(
        [own.column_direction * own.pixel_spacing[0], own.row_direction * own.pixel_spacing[1]], axis=1
    )
    return off, (points - own.slice_positions[nearest]) @ np.linalg.pinv(steps).T


def _step(own: StackGeometry) -> float:
    """From image to image along the normal, in mm: the usual distance, or the thickness of a lone one."""
    return float(np.median(np.diff(own.distances))) if len(own.distances) > 1 else own.thickness


def _inside(off: Points, pixels: Points, own: StackGeometry, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which points lie on an image, within half a slice and half a pixel; they are given by `_on_images`."""
    inside = off <= max(_step(own), own.thickness) / 2 * (1 + EDGE)
    least, most = -0.5 - EDGE, np.array(size) - 0.5 + EDGE
    found: NDArray[np.bool_] = inside & np.all((pixels >= least) & (pixels <= most), axis=1)
    return found


def _refuse(corners: Points, own: StackGeometry, size: tuple[int, int], template: Stack) -> None:
    """Raise GeometryError with where masks and images lie, in the patient's coordinates."""
    edges = np.array([(row, column) for row in (0, size[0] - 1) for column in (0, size[1] - 1)])
    images = np.concatenate([_points(own, index, edges) for index in range(len(own.slice_positions))])
    raise GeometryError(
        f"no voxel of the masks lies on an image of {template_name(template)}: the masks lie at "
        f"{_extent(corners)}, the images at {_extent(images)}. The affine takes (slice, row, column) to LPS "
        "mm (NIfTI counts in RAS)"
    )


def _extent(points: Points) -> str:
    parts = zip("xyz", points.min(axis=0), points.max(axis=0), strict=True)
    return ", ".join(f"{axis} {least:.2f} to {most:.2f}" for axis, least, most in parts) + " mm"
