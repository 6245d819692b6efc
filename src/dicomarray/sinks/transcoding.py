"""An instance in a native transfer syntax, for a peer that takes no other: the same values, checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import UID

from dicomarray.dicom.pixels.codecs import COMPRESSIONS
from dicomarray.dicom.pixels.pydicom_source import read_whole
from dicomarray.dicom.pixels.reader import opened, read_frames
from dicomarray.dicom.transfer_syntaxes import DEFLATED, EXPLICIT_LITTLE_ENDIAN, LITTLE_ENDIAN
from dicomarray.errors import DicomArrayError, PixelError
from dicomarray.storage.references import Reference

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# What has the same numbers when it is decoded: decoders give RGB for these, exactly what the stream holds.
_SAMPLES_KEPT = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_RCT")
_CONVERTIBLE = (*LITTLE_ENDIAN, DEFLATED)


def can_transcode(syntax: str) -> bool:
    """Whether an instance in this transfer syntax may be had in a native one."""
    return syntax in _CONVERTIBLE or syntax in COMPRESSIONS


def transcode(path: Reference, file: Path, syntax: str) -> None:
    """Write an instance to a new file in a native syntax of little endian.

    Raises DataError where it cannot be decoded, or not without a change of its values.
    """
    with opened(path) as stream:
        dataset = read_whole(stream, str(path))
    before = str(dataset.file_meta.TransferSyntaxUID)
    pixels = _decompress(dataset, path) if before in COMPRESSIONS else None
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    try:
        dataset.save_as(
            file, implicit_vr=syntax != EXPLICIT_LITTLE_ENDIAN, little_endian=True, enforce_file_format=True
        )
    except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
        raise PixelError(
            f"{path}: it cannot be encoded in another transfer syntax ({type(error).__name__})"
        ) from error
    if pixels is not None and not np.array_equal(read_frames(file), pixels):
        raise PixelError(f"{path}: decompressed, it does not read back as it was")


def _decompress(dataset: Dataset, path: Reference) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """Put the decoded frames into a data set, in place, and return them."""
    colour = str(dataset.get("PhotometricInterpretation", ""))
    if colour not in _SAMPLES_KEPT:
        raise PixelError(
            f"{path}: its colours are {colour}; decompressed they would be others. Use a server that "
            "takes its transfer syntax"
        )
    try:
        pixels = read_frames(path)
    except DicomArrayError as error:
        raise PixelError(f"{path}: the server takes it decompressed only, and: {error}") from error
    content = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    dataset["PixelData"].is_undefined_length = False
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    if dataset.get("SamplesPerPixel", 1) > 1:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    for offsets in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if offsets in dataset:
            del dataset[offsets]
    return pixels
