"""What tests of the filter grammar share: a config asked of instances that are plain mappings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dicomarray.assembly.frames.closed import KeptHeader
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import ConfigError
from dicomarray.query.rows import Rows
from dicomarray.query.selection import parse


class Table(Rows):
    """Instances of which nothing is known but their rows; there is no file to ask."""

    @property
    def headers(self) -> Sequence[Header]:
        return self.instances


def table(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Instances as names of attributes with raw values: None where one is empty, a tuple of several."""
    # without a file there is no room for several frames
    return Table([KeptHeader(Path(f"instance {n}"), None, row, size=0) for n, row in enumerate(rows)])


def accepts(config: Mapping[str, Any], *instances: Mapping[str, Any]) -> bool:
    """Whether a series of these instances matches."""
    return parse(config).decide(table(instances)).accepted


def refusal(config: Any) -> str:
    """The message with which a config is refused."""
    with pytest.raises(ConfigError) as caught:
        parse(config)
    return str(caught.value)
