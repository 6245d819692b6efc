"""A derived image: its stored values, what they mean, and its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.datadict import keyword_dict
from pydicom.dataset import FileDataset
from pydicom.uid import ImplicitVRLittleEndian

from dicomarray.core.pixel_values import Array, Rescale, StoredType
from dicomarray.dicom.part10 import encoded
from dicomarray.dicom.pixels.encoder import compress_pixels
from dicomarray.errors import TemplateError
from dicomarray.objects.common.files import write_header
from dicomarray.objects.common.options import Compression
from dicomarray.objects.derived_image.enhanced.dimensions import FrameIndices
from dicomarray.objects.derived_image.request import Source
from dicomarray.storage.references import Reference

PIXELS = keyword_dict["PixelData"]
# Pixel Data with a length in 32 bits, an even one (PS3.5 7.1).
_MAX_BYTES = 2**32 - 2


@dataclass(frozen=True, eq=False)
class ImageOutput:
    """One derived image or object: stored values, what leads back from the first of them, its identity.

    ``ends`` are the least and the greatest stored value.
    """

    stored: Array
    ends: tuple[int, int]
    stored_type: StoredType
    rescale: Rescale
    sop_uid: str
    instance_number: int | None

    @property
    def words(self) -> Array:
        """The stored values, contiguous and little endian; no copy where they are so already."""
        return np.ascontiguousarray(self.stored, self.stored_type.dtype.newbyteorder("<"))


@dataclass(frozen=True, eq=False)
class SliceOutput(ImageOutput):
    """One derived image and its place; ``index`` counts from 0.

    ``timeless`` says that it lies between slices of the template, so that its source's times are not its own.
    """

    source: Source
    index: int
    timeless: bool


@dataclass(frozen=True, slots=True, eq=False)
class FrameOutput:
    """A derived frame: what it is derived from, and its place among the frames of the series.

    ``rescale`` is its source's.  ``timeless`` says that it lies between slices of the template, so that its
    source's times are not its own.
    """

    source: Source
    indices: FrameIndices
    rescale: Rescale
    timeless: bool


@dataclass(frozen=True, eq=False)
class ObjectOutput(ImageOutput):
    """A derived multi-frame object; ``organization`` makes a new Dimension Organization UID of an old one."""

    frames: tuple[FrameOutput, ...]
    organization: Callable[[str], str]


def write_image(
    path: Path,
    header: FileDataset,
    image: ImageOutput,
    compression: Compression,
    source: Reference,
    done: Callable[[int], None] = lambda _: None,
) -> None:
    """A derived header, and the pixels straight from the array; ``done`` counts compressed frames."""
    if compression != "none":
        kind = image.stored_type
        write_header(
            path, header, compress_pixels(header, image.stored, kind, compression, str(source), done)
        )
        return
    words = image.words
    write_header(path, header)
    explicit = header.file_meta.TransferSyntaxUID != ImplicitVRLittleEndian
    with path.open("ab") as stream:
        stream.write(start_of_pixels(path, image.stored_type, words.nbytes, explicit))
        stream.write(words.data)
        stream.write(b"\0" * (words.nbytes % 2))


def start_of_pixels(path: Path, stored: StoredType, size: int, explicit: bool) -> bytes:
    """The head of Pixel Data, the last element: OW, or OB up to 8 bits allocated (PS3.5 A.2)."""
    if size > _MAX_BYTES:
        raise TemplateError(
            f"{path.name}: {size} bytes of pixels; one object holds at most {_MAX_BYTES} without "
            "compression. Write the volume in parts, or ask for compression"
        )
    return encoded(PIXELS, "OB" if stored.bits_allocated <= 8 else "OW", b"", explicit, size + size % 2)
