"""Mosaics made in code: an encoder of CSA headers, protocol texts, Siemens mosaics and UIH grids.

Written from the published descriptions of the formats; nothing of the package is used here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PIXEL_SPACING = (2.0, 1.5)  # between rows, between columns
GAP = 3.5
ORIGIN = (-30.0, -40.0, 12.0)


def element(name: str, values: Sequence[str], form: str, items: int = 6) -> bytes:
    """One element of a CSA header; ``form``: SV10, old (length three times) or spm (once, too large)."""
    items = max(items, len(values)) if values else 0
    vr = "UN" if name.endswith("Protocol") else "FD" if any("." in value for value in values) else "IS"
    encoded = [name.encode().ljust(64, b"\0"), struct.pack("<i4s3i", len(values), vr.encode(), 6, items, 77)]
    for index in range(items):
        value = values[index].encode() + b"\0" if index < len(values) else b""
        length, valid = len(value), 77 if value else 205
        words = (length + 6, 0, valid, 0) if form == "spm" else (length, length, valid, length)
        encoded.append(struct.pack("<4i", *words) + value.ljust(-(-length // 4) * 4, b"\0"))
    return b"".join(encoded)


def encode_csa(elements: Mapping[str, Sequence[str]], form: str = "SV10") -> bytes:
    """A CSA header with these elements, and the first one that scanners write."""
    everything = {"EchoLinePosition": ["64"], **elements}
    start = b"SV10\x04\x03\x02\x01" if form == "SV10" else b""
    body = b"".join(element(name, values, form) for name, values in everything.items())
    return start + struct.pack("<2I", len(everything), 77) + body + b"\0" * 4


def image_csa(count: int | None, normal: Iterable[float] | None, **more: Sequence[str]) -> bytes:
    """The CSA image header of a mosaic."""
    elements: dict[str, Sequence[str]] = {"ProtocolSliceNumber": ["0"]}
    if count is not None:
        elements["NumberOfImagesInMosaic"] = [str(count)]
    if normal is not None:
        elements["SliceNormalVector"] = [f"{v:.8f}" for v in normal]
    return encode_csa({**elements, **more})


def protocol_text(centres: NDArray[np.float64], more: str = "") -> bytes:
    """The protocol's slices as the scanner writes them: no line for what is 0."""
    lines = ["### ASCCONV BEGIN object=MrProtDataImpl@MrProtocolData version=51130001 ###"]
    lines += [f"sSliceArray.lSize\t = \t{len(centres)}", "sSliceArray.ucMode\t = \t0x4"]
    for index, centre in enumerate(centres):
        for axis, value in zip(("Sag", "Cor", "Tra"), centre, strict=True):
            if value:
                lines.append(f"sSliceArray.asSlice[{index}].sPosition.d{axis}\t = \t{value:.10g}")
    return "\n".join([*lines, more, "### ASCCONV END ###\n"]).encode()


def series_csa(text: bytes) -> bytes:
    """A CSA series header that holds a protocol text."""
    return encode_csa({"MrPhoenixProtocol": ['<XProtocol> { <ParamString."x"> { } }\n' + text.decode()]})


def tile(volume: NDArray[Any], grid: tuple[int, int]) -> NDArray[Any]:
    """(slices, rows, columns) as one image, slices row by row; what is left of the grid is 0."""
    slices, rows, columns = volume.shape[:3]
    picture = np.zeros((grid[0] * rows, grid[1] * columns, *volume.shape[3:]), volume.dtype)
    for index in range(slices):
        row, column = index // grid[1] * rows, index % grid[1] * columns
        picture[row : row + rows, column : column + columns] = volume[index]
    return picture


def directions(
    orientation: Sequence[float],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Row direction, column direction and their cross product."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    return row, column, np.cross(row, column)


def centres(shape: tuple[int, int, int], orientation: Sequence[float], sign: float) -> NDArray[np.float64]:
    """The centres of the slices in the order of the tiles; the first slice's corner lies at `ORIGIN`."""
    row, column, normal = directions(orientation)
    first = ORIGIN + row * PIXEL_SPACING[1] * shape[2] / 2 + column * PIXEL_SPACING[0] * shape[1] / 2
    return np.array([first + sign * GAP * index * normal for index in range(shape[0])])


def affine(shape: tuple[int, int, int], orientation: Sequence[float], sign: float) -> NDArray[np.float64]:
    """From (slice, row, column), slices ascending along the normal, to LPS mm."""
    row, column, normal = directions(orientation)
    result = np.eye(4)
    result[:3, 0], result[:3, 1], result[:3, 2] = (
        GAP * normal,
        PIXEL_SPACING[0] * column,
        PIXEL_SPACING[1] * row,
    )
    result[:3, 3] = ORIGIN if sign > 0 else ORIGIN - GAP * (shape[0] - 1) * normal
    return result


def mosaic(
    volume: NDArray[Any], orientation: Sequence[float] = IDENTITY, instance: int = 1, **attributes: Any
) -> Dataset:
    """A Siemens mosaic of slices (in the order of the tiles) without any private attribute."""
    slices, rows, columns = volume.shape[:3]
    side = math.ceil(math.sqrt(slices))
    row, column, _ = directions(orientation)
    # the scanner takes the centre of the first slice for that of the whole picture
    corner = (
        ORIGIN
        - row * PIXEL_SPACING[1] * (side * columns - columns) / 2
        - column * PIXEL_SPACING[0] * (side * rows - rows) / 2
    )
    dataset = _image(tile(volume, (side, side)), instance)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    dataset.Manufacturer = "SIEMENS"
    dataset.ImagePositionPatient = [f"{v:.10g}"[:16] for v in corner]
    dataset.ImageOrientationPatient = [f"{v:.10g}"[:16] for v in orientation]
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def grid(
    volume: NDArray[Any], orientation: Sequence[float] = IDENTITY, instance: int = 1, sign: float = 1
) -> Dataset:
    """A UIH grid: an item in a private sequence says where each slice lies."""
    slices = len(volume)
    across = math.ceil(math.sqrt(slices))
    dataset = _image(tile(volume, (math.ceil(slices / across), across)), instance)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE", "VFRAME"]
    dataset.Manufacturer = "UIH"
    dataset.ImagePositionPatient = list(ORIGIN)
    dataset.ImageOrientationPatient = [f"{v:.10g}"[:16] for v in orientation]
    _, _, normal = directions(orientation)
    items = []
    for index in range(slices):
        item = Dataset()
        item.ImagePositionPatient = [f"{v:.10g}"[:16] for v in ORIGIN + sign * GAP * index * normal]
        items.append(item)
    block = dataset.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x50, "DS", str(slices))
    block.add_new(0x51, "SQ", items)
    return dataset


def _image(picture: NDArray[Any], instance: int) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["mosaic"])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    dataset.Modality = "MR"
    dataset.SeriesNumber = 5
    dataset.InstanceNumber = dataset.AcquisitionNumber = instance
    dataset.PatientName = dataset.PatientID = "test"
    dataset.SliceThickness, dataset.SpacingBetweenSlices = 3, GAP
    dataset.EchoTime, dataset.RepetitionTime = 30, 2000
    dataset.PixelSpacing = list(PIXEL_SPACING)
    dataset.Rows, dataset.Columns = picture.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = picture.astype("<u2").tobytes()
    return dataset


def add_csa(dataset: Dataset, image: bytes = b"", series: bytes = b"") -> Dataset:
    """Puts CSA headers where scanners put them."""
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    for number, raw in ((0x10, image), (0x20, series)):
        if raw:
            block.add_new(number, "OB", raw)
    return dataset


def write(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Writes a file; its transfer syntax must be a native one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dcmwrite(path, dataset, enforce_file_format=True)
    return path
