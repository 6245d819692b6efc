"""Where the voxels of a derived image lie, if that is elsewhere than in the template (PS3.3 C.7.6.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from dicomarray.core.geometry import Plane, StackGeometry
from dicomarray.dicom import decimal_strings
from dicomarray.errors import GeometryError
from dicomarray.objects.common.headers import drop, values
from dicomarray.objects.derived_image.image_output import SliceOutput
from dicomarray.objects.derived_image.request import WriteRequest

# What is as near to the template's own number as this keeps the template's characters: cosines, and mm.
SAME_COSINE = 1e-7
SAME_SPACING_MM = 1e-9
# Slices this near to the template's distance, in mm, keep its thickness: positions are often rounded to 0.01.
SAME_SLICE_SPACING_MM = 1e-3
SAME_TILT_DEGREES = 0.01
# What is true of the template's image and place only.
_OF_THE_IMAGE = (
    "ReconstructionDiameter", "SequenceOfUltrasoundRegions", "ShutterShape", "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge", "ShutterUpperHorizontalEdge", "ShutterLowerHorizontalEdge",
    "CenterOfCircularShutter", "RadiusOfCircularShutter", "VerticesOfThePolygonalShutter",
    "ShutterPresentationValue", "ShutterPresentationColorCIELabValue", "DataCollectionCenterPatient",
    "ReconstructionTargetCenterPatient",
)  # fmt: skip
# What is said in terms of the image's rows and columns, or of the way from slice to slice.
_OF_THE_DIRECTION = ("PatientOrientation", "InPlanePhaseEncodingDirection", "GantryDetectorTilt")
# When one slice was acquired: a slice between two has no such time.
_OF_THE_SLICE = (
    "AcquisitionTime", "AcquisitionDateTime", "AcquisitionDuration", "TriggerTime", "TriggerWindow",
    "ImageTriggerDelay", "FrameReferenceTime", "ActualFrameDuration",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewGrid:
    """What all images of a changed grid share.

    Attributes
    ----------
    rows, columns, slices
        Of the new grid; ``slices`` of one repetition.
    spacing
        mm between slices along the normal, None where it varies.
    spacing_changed
        Whether that is another distance than between the template's slices.
    moved
        Whether any slice lies elsewhere than its source.
    sheared
        Whether the way from slice to slice has another direction than the template's.
    """

    rows: int
    columns: int
    slices: int
    spacing: float | None
    spacing_changed: bool
    moved: bool
    sheared: bool


def new_grid(request: WriteRequest) -> NewGrid | None:
    """The grid asked for, beside the template's; None where they are the same."""
    asked, before = request.grid, request.template_grid
    if asked is None or before is None:
        return None
    return NewGrid(
        rows=int(request.array.shape[-2]),
        columns=int(request.array.shape[-1]),
        slices=len(asked.slice_positions),
        spacing=_spacing(asked) if asked.uniform else None,
        spacing_changed=asked.uniform != before.uniform
        or abs(_spacing(asked) - _spacing(before)) > SAME_SLICE_SPACING_MM,
        moved=any(source.plane is not None for source in request.sources),
        sheared=abs(asked.tilt_degrees - before.tilt_degrees) > SAME_TILT_DEGREES,
    )


def _spacing(geometry: StackGeometry) -> float:
    return float(abs(geometry.step @ geometry.normal))


def place(header: Dataset, grid: NewGrid, image: SliceOutput) -> None:
    """Size, place, thickness and numbers of one image, in place; without a plane it stays, to the letter.

    Raises GeometryError where the header has a geometry that cannot be compared with the new one.
    """
    plane = image.source.plane
    changed = plane is not None or (header.Rows, header.Columns) != (grid.rows, grid.columns)
    header.Rows, header.Columns = grid.rows, grid.columns
    space_slices(header, grid, moved=plane is not None)
    if changed:
        drop(header, _OF_THE_IMAGE)
        for item in values(header, "SourceImageSequence"):
            item.SpatialLocationsPreserved = "NO"
    if grid.sheared:
        drop(header, ("GantryDetectorTilt",))
    if plane is not None:
        _move(header, plane)
    if grid.moved and "SliceLocation" in header:
        own = _own_plane(header)
        header.SliceLocation = decimal_strings.nearest(float(np.dot(own.position, own.normal)))
    drop(header, ("ImagesInAcquisition",))
    if "NumberOfSlices" in header:
        header.NumberOfSlices = grid.slices
    if "ImageIndex" in header:
        header.ImageIndex = image.index + 1
    if image.timeless:
        drop(header, _OF_THE_SLICE)


def space_slices(header: Dataset, grid: NewGrid, moved: bool) -> None:
    """Of an image, or of a macro: a slice that stays is as thick as before, new ones as their distance."""
    if not grid.spacing_changed:
        return
    if "SpacingBetweenSlices" in header:
        del header.SpacingBetweenSlices
        if grid.spacing is not None:
            header.SpacingBetweenSlices = decimal_strings.nearest(grid.spacing)
    if moved and grid.spacing is not None:
        header.SliceThickness = decimal_strings.nearest(grid.spacing)


def _move(header: Dataset, plane: Plane) -> None:
    own = _own_plane(header)
    header.ImagePositionPatient = decimal_strings.each(plane.position)
    turned = max(abs(a - b) for a, b in zip(own.orientation, plane.orientation, strict=True))
    if turned > SAME_COSINE:
        header.ImageOrientationPatient = decimal_strings.each(plane.orientation)
        drop(header, _OF_THE_DIRECTION)
    stretched = max(abs(a - b) for a, b in zip(own.pixel_spacing, plane.pixel_spacing, strict=True))
    if stretched > SAME_SPACING_MM:
        header.PixelSpacing = decimal_strings.each(plane.pixel_spacing)
        drop(header, ("PixelAspectRatio", "NominalScannedPixelSpacing", "ImagerPixelSpacing"))


def _own_plane(header: Dataset) -> Plane:
    position, orientation, spacing = (
        [float(value) for value in values(header, keyword)]
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    )
    if (len(position), len(orientation), len(spacing)) != (3, 6, 2):
        raise GeometryError(
            f"the template's image {values(header, 'InstanceNumber')} has no ImagePositionPatient, "
            "ImageOrientationPatient and PixelSpacing: nothing can be written at a place of its own"
        )
    return Plane.from_attributes(position, orientation, spacing)
