"""Files that are alike: one native frame each, at the same place of files of one size.

What can be wrong with such a file was checked with the first of them; of the others only the frame is read.
Threads take turns with Python: the less of it a file needs, the more a second one gains.  So whatever is
unusual is left to `ImageFiles`, which says what it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from dicomarray.core.pixel_values import Array
from dicomarray.dicom.headers.attributes import Attributes, shared_by
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.pixels.behind import TRAILING
from dicomarray.dicom.pixels.description import KEYWORDS
from dicomarray.dicom.pixels.native import is_plain, stored_bits_of
from dicomarray.dicom.pixels.reader import FrameReader
from dicomarray.storage.plain_files import READ_AT_ONCE
from dicomarray.storage.references import Reference, Stamp

_KEYWORDS = frozenset(KEYWORDS)


class UniformFrame(NamedTuple):
    """Where the frame lies in each of the files, and what its words are."""

    start: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored: Callable[[Array], tuple[Array, bool]]

    def read(self, header: Header, file: Reference, words: Array) -> tuple[Array, bool] | None:
        """The stored values of a file, (1, *frame shape), and whether bits were cut off.

        They are perhaps in the memory of ``words``, which is used.  None where the file is not what it was
        when its header was read, or cannot be read.
        """
        try:
            read = _read_into(words, file, self.start, header.stamp)
        except OSError:
            return None
        return self.stored(words) if read else None


def _read_into(words: Array, file: Reference, start: int, stamp: Stamp | None) -> bool:
    """Fill the words from a place in a file; False where it has another state, or is too short."""
    if not isinstance(file, Path):
        with cast(Any, file.open()) as stream:
            stream.seek(start)
            return file.is_unchanged() and stream.readinto(words.data) == words.nbytes
    if not hasattr(os, "preadv"):
        return False
    descriptor = os.open(file, READ_AT_ONCE)
    try:
        # a file in the same state is a regular one
        as_it_was = Stamp.of(os.fstat(descriptor)) == stamp
        return as_it_was and os.preadv(descriptor, (words.data,), start) == words.nbytes
    finally:
        os.close(descriptor)


def frame_of_open(header: Header, reader: FrameReader) -> UniformFrame | None:
    """How the frame of an open file is read, and of others that are like it; None where none can be."""
    pixels, description = header.pixels, reader.description
    if pixels is None or similarity(header) is None or shared_by(header.attributes, _KEYWORDS) is None:
        return None
    if any(note.code == TRAILING for _, note in reader.notes):
        return None  # each is to be told of
    if description.frames != 1 or not is_plain(description) or reader.source.start != pixels.start:
        return None
    shape = (1, *description.frame_shape)
    return UniformFrame(pixels.start, shape, description.array_dtype, stored_bits_of(description))


def similarity(header: Header) -> Hashable:
    """Equal for files that are alike; None where nothing says."""
    attributes, pixels, stamp = header.attributes, header.pixels, header.stamp
    if pixels is None or stamp is None or not isinstance(attributes, Attributes):
        return None
    return attributes.common, pixels, stamp.size, header.transfer_syntax
