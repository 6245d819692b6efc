"""Arrays that were saved, and volumes that were saved with a sidecar."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from dicomarray import sidecar
from dicomarray.errors import InputError
from dicomarray.reading.finding.files import PathLike
from dicomarray.values import Array
from dicomarray.volume import Volume


def load_array(path: Path) -> Array:
    """The array of a ``.npy`` file; never unpickles.

    Raises
    ------
    InputError
        Where the file is no such array of numbers.
    """
    try:
        # mapped, the file's size is compared with what it claims to hold before memory is taken
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, OverflowError, MemoryError, BadZipFile) as error:
        raise InputError(f"{path} is no .npy file with numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays (.npz); save the one that is meant as .npy")
    if array.dtype.kind not in "biufc":
        raise InputError(f"{path} holds {array.dtype} and no numbers")
    return np.array(array)


def load_saved(npy: PathLike, json: PathLike | None = None) -> Volume:
    """A volume that `Volume.save` wrote; without ``json`` the sidecar beside the array.

    Raises
    ------
    InputError
        Where a file is missing or damaged, or the two do not belong together.
    """
    path = Path(npy)
    notes = sidecar.read(path.with_suffix(".json") if json is None else Path(json))
    array = load_array(path)
    if array.shape != notes.shape:
        raise InputError(f"{path} has shape {array.shape}, its sidecar says {notes.shape}")
    return Volume(
        array=array,
        geometry=notes.geometry,
        axes=notes.axes,
        units=notes.units,
        rescales=notes.rescales,
        normalization=notes.normalization,
        coordinates=notes.coordinates,
        series=notes.series,
        slices=notes.slices,
        warnings=notes.warnings,
    )
