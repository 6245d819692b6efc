"""What tests of the filter grammar share: a config asked of instances that are plain mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dicomarray.errors import ConfigError
from dicomarray.query.selection import parse


def accepts(config: Mapping[str, Any], *instances: Mapping[str, Any]) -> bool:
    """Whether a series of these instances matches."""
    return parse(config).decide(instances).accepted


def refusal(config: Any) -> str:
    """The message with which a config is refused."""
    with pytest.raises(ConfigError) as caught:
        parse(config)
    return str(caught.value)
