"""Masks -> the items of ROI Contour Sequence, as bytes (PS3.3 C.8.8.6).

A structure set of 104 regions has some ten thousand contours, so that they are encoded here, and not by
pydicom.  Points are Decimal Strings of at most 16 characters, with the digits that the voxels need.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from dicomarray.core.geometry import StackGeometry
from dicomarray.core.rasterization.keyholes import with_keyholes
from dicomarray.core.rasterization.loops import Loops, Points
from dicomarray.core.rasterization.tracing import Scratch, edge_loops, smooth_loops
from dicomarray.dicom.decimal_strings import MAX_LENGTH
from dicomarray.dicom.part10 import ITEM, encoded, padded
from dicomarray.errors import GeometryError
from dicomarray.objects.structure_set.contents import CLOSED, XOR
from dicomarray.objects.structure_set.number_tables import Texts, joined, padded_texts
from dicomarray.objects.structure_set.options import StructureSetOptions
from dicomarray.objects.structure_set.request import ContourImage, StructureSetRequest

# Points are rounded to this part of a voxel, and never to more than the second.
DIGITS_OF_VOXEL, COARSEST = 1e-3, 0.05
# Points of loops lie at corners of voxels, or half way between them: so many places a voxel.
HALVES = 2
# Explicit VR has 16 bits for the length of Contour Data (PS3.5 7.1.2): with more, Implicit VR is needed.
MAX_EXPLICIT_LENGTH = 65534
ROI_CONTOURS = 0x30060039


@dataclass(frozen=True, slots=True)
class Contour:
    """One contour: the slice that it lies in, how many points it has, and Contour Data."""

    index: int
    count: int
    data: bytes


@dataclass(slots=True)
class RegionContours:
    """The contours of a region; ``area`` is what they enclose in all slices, ``voxels`` what the mask has."""

    contours: list[Contour] = field(default_factory=list)
    area: float = 0.0
    voxels: float = 0.0
    has_holes: bool = False


def contours_of(request: StructureSetRequest, options: StructureSetOptions) -> dict[int, RegionContours]:
    """The contours of all regions, by the numbers of their segments, slices ascending."""
    segmentation, found = request.segmentation, defaultdict[int, RegionContours](RegionContours)
    geometry = segmentation.geometry
    assert geometry is not None  # the workflow has seen to it
    layers = segmentation.layers
    text = PointText(geometry, segmentation.shape)
    scratch = [Scratch(layer.shape[1:], layer.dtype) for layer in layers]
    for index in range(segmentation.shape[0]):
        for layer, room in zip(layers, scratch, strict=True):
            along_edges = edge_loops(layer[index], room)
            areas = along_edges.areas().tolist()
            for label, area in zip(along_edges.labels.tolist(), areas, strict=True):
                found[label].voxels += area
            loops = _wanted(along_edges, options)
            if loops is not along_edges:
                areas = loops.areas().tolist()
            lengths = np.diff(loops.starts).tolist()
            data = text.of(loops, index)
            for label, area, count, one in zip(loops.labels.tolist(), areas, lengths, data, strict=True):
                region = found[label]
                region.area += area
                region.has_holes |= area < 0
                region.contours.append(Contour(index, count, one))
    return found


def _wanted(loops: Loops, options: StructureSetOptions) -> Loops:
    """Loops along the edges of voxels in the form that is asked for."""
    if options.contours == "smooth":
        loops = smooth_loops(loops)
    return with_keyholes(loops) if options.holes == "keyhole" else loops


class PointText:
    """Points of the slices of a grid as Contour Data."""

    def __init__(self, geometry: StackGeometry, shape: Sequence[int]) -> None:
        self._origins = geometry.slice_positions
        self._steps = np.ascontiguousarray(geometry.pixel_steps.T)
        corners = (
            np.array([[-1, -1], [-1, shape[2]], [shape[1], -1], [shape[1], shape[2]]], float) @ self._steps
        )
        farthest = float(np.abs(self._origins[:, None] + corners).max())
        finest = min(*geometry.pixel_spacing, float(abs(geometry.step @ geometry.normal)))
        self._digits = digits_for(farthest, finest)
        self._size = shape[1], shape[2]
        self._tables: dict[int, tuple[float | None, Texts]] = {}  # by axis, with the origin that they are of

    def of(self, loops: Loops, index: int) -> list[bytes]:
        """Contour Data of each loop in a slice."""
        text, ends = joined([self._texts(loops.points, index, axis) for axis in range(3)])
        places = np.concatenate([[-1], ends])[3 * loops.starts].tolist()
        return [text[start + 1 : end] for start, end in pairwise(places)]

    def _texts(self, points: Points, index: int, axis: int) -> Texts:
        """One coordinate of points in a slice."""
        moving = np.flatnonzero(self._steps[:, axis])
        if len(moving) > 1:
            return padded_texts((points @ self._steps + self._origins[index])[:, axis], self._digits)
        origin = float(self._origins[index, axis])
        if not len(moving):  # across the image: one number for all
            one = padded_texts(np.array([origin]), self._digits)
            return np.broadcast_to(one, (len(points), one.shape[1]))
        # along one side of the image: what stands in its rows or columns is made once
        along = int(moving[0])
        known, table = self._tables.get(axis, (None, np.zeros((0, 0), np.uint8)))
        if known != origin:
            places = np.zeros((HALVES * (self._size[along] + 1), 2))
            places[:, along] = np.arange(len(places)) / HALVES - 0.5
            table = padded_texts((places @ self._steps)[:, axis] + origin, self._digits)
            self._tables[axis] = origin, table
        found: Texts = table.take(np.rint((points[:, along] + 0.5) * HALVES).astype(np.intp), axis=0)
        return found


def digits_for(farthest: float, finest: float) -> int:
    """How many decimals numbers up to ``farthest`` mm need, where the least voxel's side is ``finest`` mm."""
    wanted = max(0, math.ceil(-math.log10(finest * DIGITS_OF_VOXEL) - 1e-9))
    whole = len(str(int(farthest) + 1))
    digits = min(wanted, MAX_LENGTH - whole - 2)  # a sign and a point
    if digits < 0 or 10.0**-digits > COARSEST * finest:
        raise GeometryError(
            f"voxels of {finest:g} mm that lie up to {farthest:g} mm from the origin cannot be written: a "
            f"Decimal String has {MAX_LENGTH} characters"
        )
    return digits


def needs_implicit(regions: dict[int, RegionContours]) -> bool:
    """Whether some contour is too long for Explicit VR."""
    return any(len(one.data) > MAX_EXPLICIT_LENGTH for part in regions.values() for one in part.contours)


class ItemEncoder:
    """Items of ROI Contour Sequence in one transfer syntax."""

    def __init__(self, request: StructureSetRequest, options: StructureSetOptions, explicit: bool) -> None:
        self._explicit, self._exclusive = explicit, options.holes == "xor"
        self._images = [self._image_sequence(images) for images in request.images]

    def sequence(self, items: Iterable[Sequence[bytes]], tag: int = ROI_CONTOURS) -> list[bytes]:
        """A sequence of defined length: what follows each other in the file, not joined, as it is long."""
        parts: list[bytes] = []
        for item in items:
            parts.append(encoded(ITEM, "", b"", False, sum(map(len, item))))
            parts += item
        return [encoded(tag, "SQ", b"", self._explicit, sum(map(len, parts))), *parts]

    def region(self, number: int, colour: tuple[int, int, int], region: RegionContours) -> list[bytes]:
        """The item of one region."""
        kind = XOR if self._exclusive and region.has_holes else CLOSED
        contours: list[bytes] = []
        if region.contours:
            contours = self.sequence(([self._contour(one, kind)] for one in region.contours), 0x30060040)
        return [
            self._text(0x3006002A, "IS", "\\".join(map(str, colour))),
            *contours,
            self._text(0x30060084, "IS", str(number)),
        ]

    def _contour(self, contour: Contour, kind: str) -> bytes:
        return (
            self._images[contour.index]
            + self._text(0x30060042, "CS", kind)
            + self._text(0x30060046, "IS", str(contour.count))
            + encoded(0x30060050, "DS", padded(contour.data, "DS"), self._explicit)
        )

    def _image_sequence(self, images: Sequence[ContourImage]) -> bytes:
        """Contour Image Sequence: the images of a slice; absent where there are none."""
        items = []
        for image in images:
            frame = b"" if image.frame is None else self._text(0x00081160, "IS", str(image.frame))
            items.append(
                [
                    self._text(0x00081150, "UI", image.class_uid),
                    self._text(0x00081155, "UI", image.instance_uid),
                    frame,
                ]
            )
        return b"".join(self.sequence(items, 0x30060016)) if items else b""

    def _text(self, tag: int, vr: str, text: str) -> bytes:
        return encoded(tag, vr, padded(text.encode("ascii"), vr), self._explicit)
