"""Masks of a SEG or structure set to NIfTI: one label map, and the sidecar that names its segments."""

from __future__ import annotations

from pathlib import Path

from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import GeometryError
from dicomarray.formats import sidecar
from dicomarray.formats.nifti_file import layout_of, write_array
from dicomarray.segmentation import Segmentation
from dicomarray.storage.atomic import new_files


def write_label_map(masks: Segmentation, image: Path, json: Path, overwrite: bool) -> VolumeInfo:
    """Write labels and their sidecar, from which `to_seg` and `to_rtstruct` know the segments again.

    Raises
    ------
    GeometryError
        Where slices are not evenly spaced, which NIfTI cannot say.
    SegmentationError
        Where segments overlap; the message names them.
    OutputError
        Where a file exists and ``overwrite`` is not set, or cannot be written.
    """
    if masks.geometry is not None and not masks.geometry.uniform:
        raise GeometryError(
            "the slices of the masks are not evenly spaced, which NIfTI cannot say; to_numpy (to-numpy) can, "
            'or bring them onto an even grid (on=, resample="nearest"; --on, --resample nearest)'
        )
    made = masks.volume()
    with new_files((image, json), overwrite) as (voxels, names):
        layout = layout_of(masks.geometry, masks.shape)
        write_array(voxels, made.array, layout, False, image.name.lower().endswith(".gz"), 0.0)
        sidecar.write(names, made.info)
    return made.info
