"""Lossy compression in the life of an image: once lossy, always said so (PS3.3 C.7.6.1.1.5)."""

from __future__ import annotations

from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from dicomarray.core.pixel_values import StoredType
from dicomarray.dicom import decimal_strings
from dicomarray.objects.common.headers import text
from dicomarray.storage.plain_files import open_plain
from dicomarray.storage.references import Reference

# Transfer syntaxes that are never lossless, and the defined terms of Lossy Image Compression Method.
_METHODS = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
}


def is_always(syntax: str) -> bool:
    """Whether a transfer syntax is never lossless."""
    return syntax in _METHODS


def remember(header: FileDataset, path: Reference, stored: StoredType) -> None:
    """Mark, in place, an image decoded from lossy pixels whose header fails to say so."""
    method = _METHODS.get(header.file_meta.get("TransferSyntaxUID"))
    if method is None or text(header, "LossyImageCompression") == "01":
        return
    with open_plain(path) as stream:
        encoded = sum(len(element.value) for element in dcmread(stream, force=True).group_dataset(0x7FE0))
    samples, frames = int(header.get("SamplesPerPixel") or 1), int(header.get("NumberOfFrames") or 1)
    plain = int(header.Rows) * int(header.Columns) * samples * frames * stored.bits_allocated // 8
    header.LossyImageCompression = "01"
    header.LossyImageCompressionMethod = method
    header.LossyImageCompressionRatio = decimal_strings.nearest(round(plain / max(encoded, 1), 2))
