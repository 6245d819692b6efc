"""Series as TorchIO reads images: ``torchio.ScalarImage(path, reader=read)``.

TorchIO's tensors are (channel, column, row, slice), and its affine goes to RAS mm.
"""

from __future__ import annotations

from os import PathLike
from typing import Any, Unpack

import numpy as np

from dicomarray.adapters.conversion import FOR_TORCH, widened, with_one_channel_axis
from dicomarray.assembly.options import ReadKeywords
from dicomarray.core.geometry import Matrix
from dicomarray.core.optional_packages import package
from dicomarray.workflows.to_numpy import load


def read(path: str | PathLike[str], **options: Unpack[ReadKeywords]) -> tuple[Any, Matrix]:
    """The one volume under a path, as a tensor (channel, column, row, slice) and its affine to RAS mm.

    Repetitions, or colour samples, are the channels.  For options use
    ``functools.partial(read, missing="keep")``.

    Raises
    ------
    GeometryError
        Where the slices are not evenly spaced, or the volume has no place.
    DataError
        As in `dicomarray.load`.
    UsageError
        For colour that is repeated in time; where PyTorch is not installed.
    """
    torch = package("torch", "torchio")
    array, affine = with_one_channel_axis(load(path, **options), "TorchIO")
    channels = np.moveaxis(array, -1, 0) if array.ndim == 4 else array[np.newaxis]
    return torch.from_numpy(np.ascontiguousarray(widened(channels, FOR_TORCH))), affine
