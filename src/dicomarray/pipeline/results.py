"""What the user's function returned, as volumes or segmentations; what is neither is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dicomarray.errors import FunctionError
from dicomarray.segmentation import Segmentation
from dicomarray.volume import Volume

# A name becomes part of a folder's name and of a Series Description, which has 64 characters.
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,30}[A-Za-z0-9])?")
# Booleans, integers, floats.
_KINDS = "biuf"


def call(function: Callable[[Any], Any], argument: Any) -> Any:
    """The function's result.

    Raises FunctionError where it raised; its cause is what it raised.
    """
    try:
        return function(argument)
    except (Exception, SystemExit) as error:  # the user's code may raise anything; the entry says what
        raise FunctionError(f"the function raised {type(error).__name__}: {error}") from error


def named_results(result: Any, volume: Volume) -> Iterator[tuple[str, Volume | Segmentation]]:
    """The results with their names, "" for the only one; arrays take the geometry of ``volume``.

    Raises FunctionError where there is none, a name cannot be one, or a result is no image.
    """
    if not isinstance(result, Mapping):
        yield "", _checked(result, volume, "")
        return
    if not result:
        raise FunctionError("the function returned no result: an empty dict")
    seen: set[str] = set()
    for name in result:
        if not isinstance(name, str) or not NAME.fullmatch(name) or name.lower() in seen:
            raise FunctionError(
                f"the function returned a result called {name!r}; a name has 1 to 32 letters, digits, and "
                "_ . - inside, and is not used twice"
            )
        seen.add(name.lower())
    for name, value in result.items():
        yield name, _checked(value, volume, name)


def _checked(result: Any, volume: Volume, name: str) -> Volume | Segmentation:
    if isinstance(result, Segmentation):
        return result
    what = f'the function\'s result "{name}"' if name else "the function's result"
    array = result.array if isinstance(result, Volume) else result
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise FunctionError(
            f"{what} is a {type(array).__name__}; a plain NumPy array, a Volume, a Segmentation, or a dict "
            "of them is expected"
        )
    if array.dtype.kind not in _KINDS:
        raise FunctionError(
            f"{what} has values of type {array.dtype}; numbers (integers, floats, booleans) are expected"
        )
    if isinstance(result, Volume):
        return result
    if array.shape != volume.array.shape:
        raise FunctionError(
            f"{what} has the shape {array.shape}, the volume has {volume.array.shape}; for another grid "
            "return a Volume with its geometry"
        )
    return volume.with_array(array)
