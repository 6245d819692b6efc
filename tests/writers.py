"""Writing to a template's own grid, as `to_dicom` asks for it, without a catalog and without reading back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dicomarray.core.pixel_values import Array
from dicomarray.objects.common.files import WriteReport
from dicomarray.objects.common.options import WriteOptions
from dicomarray.objects.derived_image import writing
from dicomarray.objects.derived_image.request import Source, WriteRequest


def write_series(
    array: Array, files: Sequence[Path], output: Path, *, units: str | None = None, **options: Any
) -> WriteReport:
    """One file for each slice of the array, derived from the file at the same index."""
    request = WriteRequest(array, tuple(Source(Path(file)) for file in files), units=units)
    return writing.write_series(request, output, WriteOptions(**options))
