"""Where frames of a multi-frame object lie, if that is elsewhere than in the template (C.7.6.16.2)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from pydicom.dataset import Dataset

from dicomarray.core.geometry import Plane
from dicomarray.dicom import decimal_strings
from dicomarray.objects.common.headers import drop, values
from dicomarray.objects.derived_image.grid import SAME_COSINE, SAME_SPACING_MM, NewGrid, space_slices
from dicomarray.objects.derived_image.image_output import FrameOutput

_POSITION, _ORIENTATION, _MEASURES = (
    "PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence",
)  # fmt: skip
# Frame Content that tells when one slice was acquired; no longer true of one that lies elsewhere.
_SLICE_TIMES = (
    "FrameAcquisitionDateTime", "FrameReferenceDateTime", "FrameAcquisitionDuration",
    "FrameAcquisitionNumber",
)  # fmt: skip
# What is true of the template's image and place only, by macro.
_OF_THE_IMAGE = {
    "CTReconstructionSequence": ("ReconstructionDiameter", "ReconstructionFieldOfView"),
    "CTPositionSequence": ("DataCollectionCenterPatient", "ReconstructionTargetCenterPatient"),
    "PETReconstructionSequence": ("ReconstructionDiameter", "ReconstructionFieldOfView"),
    "PETPositionSequence": ("DataCollectionCenterPatient", "ReconstructionTargetCenterPatient"),
}


def place_frames(groups: Sequence[Dataset], frames: Sequence[FrameOutput], grid: NewGrid) -> None:
    """The places of moved frames; spacing and thickness where they changed; what is true elsewhere only."""
    shared, *each = groups
    for group, frame in zip(each, frames, strict=True):
        _move(group, shared, frame.source.plane)
        if frame.timeless:
            for content in values(group, "FrameContentSequence"):
                drop(content, _SLICE_TIMES)
    moved = next((frame.source.plane for frame in frames if frame.source.plane is not None), None)
    for group in groups:
        for measures in values(group, _MEASURES):
            _measure(measures, grid, moved)
        if moved is not None:
            _turn(group, moved)
            for keyword, attributes in _OF_THE_IMAGE.items():
                for item in values(group, keyword):
                    drop(item, attributes)
    if moved is not None:
        drop(shared, (_POSITION,))


def _move(group: Dataset, shared: Dataset, plane: Plane | None) -> None:
    """Put a frame at its place; one that stays keeps the characters of its own."""
    if plane is not None:
        item = Dataset()
        item.ImagePositionPatient = decimal_strings.each(plane.position)
        group.PlanePositionSequence = [item]
    elif _POSITION not in group and _POSITION in shared:
        group.PlanePositionSequence = deepcopy(shared.PlanePositionSequence)


def _turn(group: Dataset, plane: Plane) -> None:
    for item in values(group, _ORIENTATION):
        found = [float(value) for value in values(item, "ImageOrientationPatient")]
        if not np.allclose(found, plane.orientation, rtol=0, atol=SAME_COSINE):
            item.ImageOrientationPatient = decimal_strings.each(plane.orientation)
            for geometry in values(group, "MRFOVGeometrySequence"):
                drop(geometry, ("InPlanePhaseEncodingDirection",))


def _measure(measures: Dataset, grid: NewGrid, plane: Plane | None) -> None:
    if plane is not None:
        found = [float(value) for value in values(measures, "PixelSpacing")]
        if not np.allclose(found, plane.pixel_spacing, rtol=0, atol=SAME_SPACING_MM):
            measures.PixelSpacing = decimal_strings.each(plane.pixel_spacing)
    space_slices(measures, grid, moved=plane is not None)
