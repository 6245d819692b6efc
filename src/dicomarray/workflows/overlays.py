"""What is shown with a volume: masks over it, numbered where nothing names them, and a volume beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dicomarray.core.segments import Segment
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.segmentation import Segmentation
from dicomarray.storage.places import PathLike
from dicomarray.volume import Volume
from dicomarray.workflows.given_arrays import labels_file
from dicomarray.workflows.given_labels import SUFFIXES, whole_numbers
from dicomarray.workflows.load_segmentation import Resampling, load_segmentation


def overlay_on(path: PathLike, volume: Volume, resample: Resampling | None = None) -> Segmentation:
    """The masks in a file or folder, to be drawn over a volume: labels, a DICOM SEG, a structure set.

    ``resample="nearest"`` brings a SEG of another grid to that of the volume.  Raises SegmentationError where
    masks do not lie on it, and nothing says where they lie.
    """
    if not Path(path).name.lower().endswith(SUFFIXES):
        return load_segmentation(path, on=volume, resample=resample)
    given = labels_file(path, volume.geometry)
    array = whole_numbers(given.array if isinstance(given, Volume) else given)
    grid: VolumeInfo = given.info if isinstance(given, Volume) else volume.info
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    segments = grid.segments or _numbered(array)
    return Segmentation(array, segments, geometry_of=grid)


def _numbered(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> list[Segment]:
    numbers = [int(number) for number in np.unique(array) if number > 0]
    return [Segment(number, f"label {number}") for number in numbers] or [Segment(1, "label 1")]
