"""Stack + pixels + values -> `Volume`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np

from dicomarray.errors import HeaderError, PixelError, UsageError
from dicomarray.reading.frames import Frame, read_images
from dicomarray.reading.headers import ACQUISITION, IDENTITY, Header, Value
from dicomarray.reading.stacking import Stack
from dicomarray.values import Array, StoredType, modality_dtype, to_modality
from dicomarray.volume import Volume

Units = Literal["modality", "stored"]

# What the sidecar tells of a series where it equals in all images.  Nothing here names the patient.
SERIES_KEYWORDS = (
    *(keyword for keyword in IDENTITY if keyword not in ("SOPInstanceUID", "InstanceNumber")),
    *ACQUISITION,
    "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "ImageOrientationPatient", "Rows", "Columns",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation", "PixelPaddingValue",
    "RescaleType", "Units", "LossyImageCompression",
)  # fmt: skip
SLICE_KEYWORDS = (
    "InstanceNumber", "ImagePositionPatient", "SliceLocation", "AcquisitionNumber", "AcquisitionTime",
    "TemporalPositionIdentifier", "EchoTime", "TriggerTime", "InversionTime", "DiffusionBValue",
    "DiffusionGradientOrientation",
)  # fmt: skip


def check_units(units: str) -> Units:
    """Refuse units that do not exist, before anything is read."""
    for known in get_args(Units):
        if units == known:
            return known  # type: ignore[no-any-return]
    if units == "suv":
        raise UsageError('units="suv" is not available yet; take units="modality" and scale it yourself')
    raise UsageError(f'units="{units}" is unknown; there are: {", ".join(get_args(Units))}')


def assemble(stack: Stack, units: Units = "modality") -> Volume:
    """Read the pixels of a stack into one array.

    Returns a volume with axes ``(slice, row, column)``, or ``(frame, row, column)`` without geometry; a
    repetition axis comes first, colour samples last.

    Raises
    ------
    PixelError
        Where pixel data is missing, truncated or damaged; names the file and frame.
    """
    types = [stored_type(frame.header) for frame in stack.frames]
    rescales = tuple(frame.rescale for frame in stack.frames)
    if units == "stored":
        dtype = np.result_type(*(stored.dtype for stored in set(types)))
        array = _read(stack, lambda image, _: image.astype(dtype, copy=False), dtype)
    else:
        dtype = modality_dtype(zip(types, rescales, strict=True))
        array = _read(stack, lambda image, index: to_modality(image, rescales[index], dtype), dtype)
    repetitions = () if stack.axis is None else (stack.axis,)
    axes = (*repetitions, "frame" if stack.geometry is None else "slice", "row", "column")
    array = array.reshape(*stack.shape, *array.shape[1:])
    return Volume(
        array=array,
        geometry=stack.geometry,
        axes=axes + ("sample",) * (array.ndim - len(axes)),
        units="stored" if units == "stored" else modality_units(stack.frames),
        rescales=rescales,
        coordinates=MappingProxyType({name: tuple(values) for name, values in stack.coordinates.items()}),
        series=MappingProxyType(common_attributes([frame.attributes for frame in stack.frames])),
        slices=tuple(_slice_record(frame) for frame in stack.frames),
        warnings=stack.warnings + _value_warnings(stack.frames),
    )


def _read(stack: Stack, convert: Callable[[Array, int], Array], dtype: np.dtype[Any]) -> Array:
    """All frames converted into one array, a file at a time.

    The array is made when the first file has shown that it really holds what its header claims.
    """
    volume: Array | None = None
    for members in _by_file(stack.frames):
        header = stack.frames[members[0]].header
        images = read_images([stack.frames[i] for i in members])
        if volume is None:
            volume = np.empty((len(stack.frames), *images.shape[1:]), dtype)
        if images.shape[1:] != volume.shape[1:]:
            raise PixelError(
                f"{header.path}: an image of {images.shape[1:]} among images of {volume.shape[1:]}"
            )
        for image, index in zip(images, members, strict=True):
            volume[index] = convert(image, index)
    assert volume is not None  # a stack has a frame
    return volume


def _by_file(frames: Sequence[Frame]) -> list[list[int]]:
    """Indices of the frames of each file, files in the order of the array."""
    members: dict[int, list[int]] = {}
    for index, frame in enumerate(frames):
        members.setdefault(id(frame.header), []).append(index)
    return list(members.values())


def stored_type(header: Header) -> StoredType:
    """The pixel description of a header (PS3.3 C.7.6.3).

    Float Pixel Data has no Bits Stored (PS3.3 C.7.6.24).

    Raises
    ------
    HeaderError
        Where it is missing or makes no sense.
    """
    allocated, stored = header.number("BitsAllocated"), header.number("BitsStored")
    if allocated is None:
        raise HeaderError(f"{header.path}: BitsAllocated is missing; pixel data cannot be read without it")
    if stored is None and allocated in (32, 64):
        return StoredType(int(allocated), int(allocated), signed=True, floating=True)
    bits = int(allocated if stored is None else stored)
    if allocated not in (1, 8, 16, 32, 64) or not 1 <= bits <= allocated:
        raise HeaderError(f"{header.path}: BitsAllocated {allocated:g} and BitsStored {bits} do not fit")
    return StoredType(int(allocated), bits, signed=header.number("PixelRepresentation") == 1)


def modality_units(frames: Sequence[Frame]) -> str:
    """HU for CT unless the file says otherwise, the Rescale Type or Units of the file, or "modality"."""
    first = frames[0].attributes
    rescale_type = first.get("RescaleType")
    if rescale_type not in (None, "US"):  # US: unspecified, PS3.3 C.11.1.1.2
        return str(rescale_type)
    if (
        first.get("Modality") == "CT"
        and rescale_type is None
        and "LOCALIZER" not in str(first.get("ImageType"))
    ):
        return "HU"
    return str(first.get("Units") or "modality")


def common_attributes(
    records: Iterable[Mapping[str, Value]], keywords: Iterable[str] = SERIES_KEYWORDS
) -> dict[str, Value]:
    """The keywords that are present with one value in all records."""
    several = list(records)
    common = {}
    for keyword in keywords:
        value = several[0].get(keyword)
        if value is not None and all(record.get(keyword) == value for record in several):
            common[keyword] = value
    return common


def _slice_record(frame: Frame) -> dict[str, Value]:
    record = {"SOPInstanceUID": frame.attributes.get("SOPInstanceUID"), "frame": frame.index}
    for keyword in SLICE_KEYWORDS:
        if (value := frame.attributes.get(keyword)) is not None:
            record[keyword] = value
    return record


def _value_warnings(frames: Sequence[Frame]) -> tuple[str, ...]:
    if any(frame.attributes.get("LossyImageCompression") == "01" for frame in frames):
        return ("the images were compressed with loss at some time: values differ from those acquired",)
    return ()
