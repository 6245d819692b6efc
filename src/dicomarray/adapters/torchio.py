"""Series as TorchIO reads images: ``torchio.ScalarImage(path, reader=read)``.

TorchIO's tensors are (channel, column, row, slice), and its affine goes to RAS mm.
"""

from __future__ import annotations

from os import PathLike
from typing import Any, Unpack

import numpy as np

from dicomarray.adapters.conversion import even_geometry, library, ras_affine, transposed, with_torch_type
from dicomarray.assembly.options import ReadKeywords
from dicomarray.core.geometry import Matrix
from dicomarray.errors import UsageError
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
    torch = library("torch", "torchio")
    made = load(path, **options)
    affine = ras_affine(even_geometry(made, "TorchIO"))
    array = transposed(made)
    if array.ndim > 4:
        raise UsageError("colour that is repeated in time has no form in TorchIO: use dicomarray.load")
    channels = np.moveaxis(array, -1, 0) if array.ndim == 4 else array[np.newaxis]
    return torch.from_numpy(with_torch_type(channels)), affine
