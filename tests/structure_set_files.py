"""Structure sets made with pydicom alone: contours as other programs draw them, well or badly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

# (type, points in LPS mm) of each contour of a region.
Contours = Sequence[tuple[str, NDArray[Any]]]
CLOSED, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


def square(
    z: float, top: float, left: float, bottom: float, right: float, spacing: tuple[float, float] = (0.5, 0.75)
) -> NDArray[np.float64]:
    """Around voxels of an axial series of `synthetic`, in LPS mm: rows and columns are indices."""
    corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float) - 0.5
    rows, columns = corners.T
    return np.column_stack([-20 + columns * spacing[1], -30 + rows * spacing[0], np.full(4, z)])


def structure_set(image: Dataset, regions: Mapping[str, Contours], images: Sequence[Dataset] = ()) -> Dataset:
    """A structure set of the series that the image is of; all its ``images`` are referred to."""
    made = Dataset()
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        made[keyword] = image[keyword]
    made.SOPClassUID, made.SOPInstanceUID = RTStructureSetStorage, generate_uid()
    made.SeriesInstanceUID, made.Modality = generate_uid(), "RTSTRUCT"
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID, series.ContourImageSequence = image.SeriesInstanceUID, []
    for one in images:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
        series.ContourImageSequence.append(item)
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = image.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = image.FrameOfReferenceUID, [study]
    made.ReferencedFrameOfReferenceSequence = [frame]
    made.StructureSetROISequence, made.ROIContourSequence, made.RTROIObservationsSequence = [], [], []
    for number, (name, contours) in enumerate(regions.items(), 1):
        _add_region(made, number, name, contours)
    return made


def _add_region(made: Dataset, number: int, name: str, contours: Contours) -> None:
    region, drawn = Dataset(), Dataset()
    region.ROINumber, region.ROIName, region.ROIGenerationAlgorithm = number, name, "MANUAL"
    region.ReferencedFrameOfReferenceUID = made.FrameOfReferenceUID
    drawn.ReferencedROINumber, drawn.ROIDisplayColor, drawn.ContourSequence = number, [255, 0, number], []
    for kind, points in contours:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
        contour.ContourData = [f"{value:.6g}" for value in np.ravel(points)]
        drawn.ContourSequence.append(contour)
    made.StructureSetROISequence.append(region)
    made.ROIContourSequence.append(drawn)


def write(made: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """The file, which lies in its folder."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    made.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    path.write_bytes(buffer.getvalue())
    return path
