"""Series as MONAI reads images: a reader for `LoadImage` and `LoadImaged`.

MONAI's arrays are (column, row, slice), as its ITKReader has them, and its affine goes to RAS mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Unpack

import numpy as np

from dicomarray.adapters.conversion import with_one_channel_axis
from dicomarray.assembly.options import ReadKeywords, ReadOptions
from dicomarray.core.optional_packages import package
from dicomarray.core.options import made_of
from dicomarray.core.pixel_values import Array
from dicomarray.workflows.to_numpy import load

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]
_ImageReader: Any = package("monai.data.image_reader", "monai").ImageReader


class DicomArrayReader(_ImageReader):  # type: ignore[misc]
    """Reads the one volume under a path: ``LoadImaged("image", reader=DicomArrayReader())``.

    Parameters
    ----------
    series, volume, config
        Which one, where a folder holds several; as in `dicomarray.load`.
    options
        How to read: those of `ReadOptions`.
    """

    def __init__(
        self,
        *,
        series: str | None = None,
        volume: int | None = None,
        config: Any = None,
        **options: Unpack[ReadKeywords],
    ) -> None:
        super().__init__()
        made_of(ReadOptions, options)  # an error now, and not in a worker
        self._options: dict[str, Any] = {"series": series, "volume": volume, "config": config, **options}

    def verify_suffix(self, filename: Paths) -> bool:
        """Any name may be DICOM's; not those of other formats that MONAI reads."""
        names = [filename] if isinstance(filename, str | PathLike) else filename
        others = (".nii", ".nii.gz", ".nrrd", ".mha", ".npy", ".npz", ".png", ".jpg", ".bmp")
        return not any(str(name).lower().endswith(others) for name in names)

    def read(self, data: Paths, **_: Any) -> Paths:
        """What is to be read by `get_data`.

        `LoadImage` tries its other readers where this raises, and some of them read a series with missing
        slices without a word: so errors come later, from `get_data`, where they reach the user.
        """
        return data

    def get_data(self, img: Paths) -> tuple[Array, dict[str, Any]]:
        """The array (column, row, slice), repetitions or colour samples last; and MONAI's metadata.

        Raises
        ------
        UsageError
            For colour that is repeated in time.
        GeometryError
            Where the slices are not evenly spaced, or the volume has no place.
        DataError
            As in `dicomarray.load`.
        """
        made = load(img, **self._options)
        array, affine = with_one_channel_axis(made, "MONAI")
        return np.ascontiguousarray(array), {
            "affine": affine,
            "original_affine": affine.copy(),
            "spatial_shape": np.array(array.shape[:3]),
            "space": "RAS",
            "original_channel_dim": -1 if array.ndim > 3 else float("nan"),
            # what a user may ask of a volume, in words that batches can hold
            "units": made.units,
            "series_uid": str(made.series.get("SeriesInstanceUID", "")),
        }
