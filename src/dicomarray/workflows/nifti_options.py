"""What is written beside the voxels of a NIfTI file, and under which name."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

from dicomarray.assembly.options import ReadKeywords
from dicomarray.core.options import check_choices
from dicomarray.errors import DataError, UsageError

DEFAULT_NAME = "{SeriesNumber}_{SeriesDescription}"


@dataclass(frozen=True, slots=True)
class NiftiOptions:
    """What is written beside the voxels, and under which name.

    Attributes
    ----------
    bids
        Write the JSON with BIDS' names, and ``.bval`` and ``.bvec`` of diffusion images, beside the image.
    name
        Of each file in a folder: a pattern with DICOM keywords in braces; ``/`` makes folders.
    """

    bids: bool = True
    name: str = DEFAULT_NAME

    def __post_init__(self) -> None:
        """Refuse a pattern that names no file or no attribute."""
        from dicomarray.dicom.attribute_names import check_name

        check_choices(self)
        for keyword in keywords_in(self.name):
            try:
                check_name(keyword)
            except DataError as error:
                raise UsageError(f'name="{self.name}": {error}') from error
        parts = Path(self.name).parts
        if not self.name or self.name.endswith("/") or ".." in parts or Path(self.name).is_absolute():
            raise UsageError(f'name="{self.name}" names no file below the output folder')


class NiftiKeywords(ReadKeywords, total=False):
    """The keyword arguments of `to_nifti`; see `NiftiOptions` and `ReadOptions`."""

    bids: bool
    name: str


def keywords_in(pattern: str) -> list[str]:
    """The DICOM keywords that a pattern of names has in braces; raises UsageError where it is no pattern."""
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise UsageError(f'name="{pattern}" is no pattern: {error}') from error
    found = [field for _, field, form, conversion in parts if field is not None]
    if any(form or conversion for _, _, form, conversion in parts) or not all(found):
        raise UsageError(f'name="{pattern}" is no pattern: write a DICOM keyword in braces, {{SeriesNumber}}')
    return found
