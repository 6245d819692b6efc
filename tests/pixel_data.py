"""Pixel data of a file, or of a data set in memory, read as the package reads that of files."""

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from dicomarray.core.pixel_values import Array
from dicomarray.dicom.pixels import reader
from dicomarray.dicom.pixels.description import PixelDescription
from dicomarray.dicom.pixels.pydicom_source import source_in_memory


def read_frames(image: Dataset | Path, frames: Sequence[int] | None = None) -> Array:
    """The stored values of ``frames`` (all without)."""
    if isinstance(image, Path):
        return reader.read_frames(image, frames)
    source = source_in_memory(image, "data set")
    description = PixelDescription.from_dataset(image, "data set", source.keyword)
    return reader.frame_reader(source, description).read_all(frames)
