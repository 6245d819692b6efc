"""The options of a run."""

from typing import Any

import pytest

from dicomarray.core.options import made_of
from dicomarray.errors import UsageError
from dicomarray.pipeline.options import RunOptions


@pytest.mark.parametrize(
    ("text", "size"), [("1G", 1 << 30), ("512M", 512 << 20), ("1.5GiB", 3 << 29), (1 << 29, 1 << 29)]
)
def test_memory_limit(text: Any, size: int) -> None:
    """Sizes are bytes or texts with a binary unit."""
    assert RunOptions(memory_limit=text).memory_bytes == size


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0}, {"timeout": 0}, {"timeout": float("nan")}, {"memory_limit": "much"},
        {"memory_limit": "1M"}, {"per": "patient"}, {"wrokers": 2},
    ],
)  # fmt: skip
def test_wrong_options(wrong: dict[str, Any]) -> None:
    """What cannot work, or does not exist, is refused."""
    with pytest.raises(UsageError):
        made_of(RunOptions, wrong)


def test_limits_need_a_process() -> None:
    """One worker is this process, unless it may have to be ended."""
    assert not RunOptions().isolated
    assert all(
        RunOptions(**option).isolated for option in ({"workers": 2}, {"timeout": 1}, {"memory_limit": "1G"})
    )
