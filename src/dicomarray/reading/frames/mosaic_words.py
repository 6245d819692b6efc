"""Which images are mosaics: pictures that hold all slices of a volume, tiled; see `mosaics`."""

from __future__ import annotations

from dicomarray.reading.headers.header import Header

# Words of Image Type.
SIEMENS_MOSAIC, UIH_GRID = "MOSAIC", "VFRAME"
# Enhanced MR objects have a frame for each slice, also where the scanner left the word MOSAIC in them.
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4."


def is_mosaic(header: Header) -> bool:
    """Whether the file's one image is made of several slices: by Image Type, which is all there is."""
    if header.attributes.get("Modality") != "MR":
        return False
    words = (header.text("ImageType") or "").upper().split("\\")
    return (
        (SIEMENS_MOSAIC in words or UIH_GRID in words)
        and not (header.text("SOPClassUID") or "").startswith(ENHANCED_MR)
        and header.attributes.get("NumberOfFrames") in (None, 1)
    )
