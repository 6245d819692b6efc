"""What a function returned, as volumes."""

from typing import Any

import numpy as np
import pytest

from dicomarray.errors import FunctionError
from dicomarray.pipeline.results import call, named_results
from dicomarray.volume import Volume

VOLUME = Volume.from_array(np.zeros((2, 3, 4), np.int16), units="HU")


def test_array_takes_the_place_of_the_volume() -> None:
    """An array of the volume's shape is a volume with its units; a Volume stays as it is."""
    ((name, made),) = named_results(VOLUME.array + 1, VOLUME)
    assert (name, made.units, made.array.max()) == ("", "HU", 1)
    ((_, same),) = named_results(VOLUME, VOLUME)
    assert same is VOLUME


def test_named_results() -> None:
    """A dict gives each of its results its name."""
    made = dict(named_results({"mask": VOLUME.array > 0, "other": VOLUME}, VOLUME))
    assert [*made] == ["mask", "other"]
    assert made["mask"].array.dtype == bool


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "NoneType"),
        ([1, 2], "list"),
        ("text", "str"),
        (np.zeros((1, 3, 4)), "shape"),
        (VOLUME.array.astype(complex), "complex128"),
        (VOLUME.array.astype(object), "object"),
        (np.ma.masked_array(VOLUME.array, True), "MaskedArray"),
        ({}, "empty"),
        ({"a/b": VOLUME.array}, "a/b"),
        ({"..": VOLUME.array}, r"\.\."),
        ({"x" * 33: VOLUME.array}, "32"),
        ({"a": VOLUME.array, "A": VOLUME.array}, "twice"),
        ({1: VOLUME.array}, "called 1"),
        ({"a": {"b": VOLUME.array}}, "dict"),
    ],
)
def test_no_result(result: Any, words: str) -> None:
    """Whatever is no image, or has no usable name, is refused with the reason."""
    with pytest.raises(FunctionError, match=words):
        list(named_results(result, VOLUME))


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(4), MemoryError()])
def test_what_the_function_raises(error: BaseException) -> None:
    """Anything that a function raises, also sys.exit, is the reason; its cause keeps the traceback."""

    def fails(_: Any) -> None:
        raise error

    with pytest.raises(FunctionError, match=type(error).__name__) as caught:
        call(fails, VOLUME)
    assert caught.value.__cause__ is error
