"""Stack + pixels + values -> `Volume`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomarray.errors import HeaderError, PixelError, ValuesError
from dicomarray.reading.element_values import Value
from dicomarray.reading.frames import Frame, read_images
from dicomarray.reading.headers import ACQUISITION, IDENTITY, Header
from dicomarray.reading.options import ReadOptions
from dicomarray.reading.regrid import regrid
from dicomarray.reading.scaling import (
    ModalityLut,
    apply_modality_lut,
    padding_mask,
    palette_colours,
    philips_rescales,
    read_modality_lut,
    suv_rescale,
    suv_scales,
)
from dicomarray.reading.stacking import DEFAULTS, Stack
from dicomarray.suv import SUV_UNITS
from dicomarray.values import Array, Rescale, StoredType, modality_dtype, to_modality
from dicomarray.volume import NORMALIZED, Volume

# Units of its own: precise values must not be taken for the template's display values.
PHILIPS_PRECISE = "Philips precise"
RGB = "RGB"
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


@dataclass(frozen=True, eq=False)
class _Values:
    """How the frames of a stack become values: one function a frame, and the type that holds them all."""

    convert: Callable[[Array, int], Array]
    dtype: np.dtype[Any]
    rescales: tuple[Rescale, ...]
    units: str
    warnings: tuple[str, ...] = ()


def assemble(stack: Stack, options: ReadOptions = DEFAULTS) -> Volume:
    """Read the pixels of a stack into one array.

    Returns a volume with axes ``(slice, row, column)``, or ``(frame, row, column)`` without geometry; a
    repetition axis comes first, colour samples last.

    Raises
    ------
    PixelError
        Where pixel data is missing, truncated or damaged; names the file and frame.
    HeaderError, ValuesError
        Where the file does not say what is needed for its values: a slope, what SUV needs.
    """
    values = _values(stack, options)
    array, padding = _read(stack, values, options.exclude_padding)
    repetitions = () if stack.axis is None else (stack.axis,)
    axes = (*repetitions, "frame" if stack.geometry is None else "slice", "row", "column")
    shape = (*stack.shape, *array.shape[1:])
    volume = Volume(
        array=array.reshape(shape),
        geometry=stack.geometry,
        axes=axes + ("sample",) * (len(shape) - len(axes)),
        units=values.units,
        rescales=values.rescales,
        padding=None if padding is None else padding.reshape(shape),
        coordinates=MappingProxyType({name: tuple(steps) for name, steps in stack.coordinates.items()}),
        series=MappingProxyType(common_attributes([frame.attributes for frame in stack.frames])),
        slices=tuple(_slice_record(frame) for frame in stack.frames),
        warnings=stack.warnings + values.warnings + _value_warnings(stack.frames, values.units),
    )
    return regrid(volume, options)


def _values(stack: Stack, options: ReadOptions) -> _Values:
    types = [stored_type(frame.header) for frame in stack.frames]
    rescales = tuple(frame.rescale for frame in stack.frames)
    if options.units == "stored":
        dtype = np.result_type(*(stored.dtype for stored in set(types)))
        return _Values(lambda image, _: image.astype(dtype, copy=False), dtype, rescales, "stored")
    if options.palette == "rgb" and _is_palette(stack.frames):
        return _coloured(stack)
    if any(frame.header.attributes.get("ModalityLUTSequence") for frame in stack.frames):
        return _looked_up(stack, options)
    units, warnings = modality_units(stack.frames), tuple[str, ...]()
    if options.units == "suv":
        scales = suv_scales(stack.frames)
        rescales = tuple(suv_rescale(r, s) for r, s in zip(rescales, scales, strict=True))
        units, warnings = SUV_UNITS, tuple(dict.fromkeys(scale.basis for scale in scales))
    elif options.philips_scaling == "precise":
        rescales, units = tuple(philips_rescales(stack.frames)), PHILIPS_PRECISE
    dtype = modality_dtype(zip(types, rescales, strict=True))
    return _Values(
        lambda image, index: to_modality(image, rescales[index], dtype), dtype, rescales, units, warnings
    )


def _is_palette(frames: Sequence[Frame]) -> bool:
    return all(frame.attributes.get("PhotometricInterpretation") == "PALETTE COLOR" for frame in frames)


def _coloured(stack: Stack) -> _Values:
    """The colours that each file's own palette gives to its indices."""
    palettes = {path: palette_colours(path) for path in {frame.header.path for frame in stack.frames}}
    of_frame = [palettes[frame.header.path] for frame in stack.frames]
    dtype = of_frame[0](np.zeros((1, 1), stored_type(stack.frames[0].header).dtype)).dtype
    return _Values(lambda image, index: of_frame[index](image), dtype, (Rescale(),), RGB)


def _looked_up(stack: Stack, options: ReadOptions) -> _Values:
    """Modality values by a Modality LUT in each file (PS3.3 C.11.1)."""
    if options.units == "suv":
        raise ValuesError(f"{stack.frames[0].header.path}: a Modality LUT gives no activity, so no SUV")
    by_path = {path: _modality_lut(path) for path in dict.fromkeys(f.header.path for f in stack.frames)}
    tables = [by_path[frame.header.path] for frame in stack.frames]
    dtype = np.result_type(*(table.entries.dtype for table in tables))
    kinds = {table.type for table in tables}
    units = next(iter(kinds)) if len(kinds) == 1 else None
    note = "values come from a Modality LUT: the sidecar's slope and intercept do not lead back"
    return _Values(
        lambda image, index: apply_modality_lut(image, tables[index]).astype(dtype, copy=False),
        dtype,
        (Rescale(),),
        units or "modality",
        (note,),
    )


def _modality_lut(path: Path) -> ModalityLut:
    lut = read_modality_lut(path)
    if lut is None:
        raise HeaderError(f"{path}: no ModalityLUTSequence, where other slices of the volume have one")
    return lut


def _read(stack: Stack, values: _Values, with_padding: bool) -> tuple[Array, NDArray[np.bool_] | None]:
    """All frames converted into one array, a file at a time; where asked for, a mask of their padding.

    The array is made when the first file has shown that it really holds what its header claims.
    """
    volume: Array | None = None
    padding: NDArray[np.bool_] | None = None
    for members in _by_file(stack.frames):
        header = stack.frames[members[0]].header
        images = read_images([stack.frames[i] for i in members])
        for image, index in zip(images, members, strict=True):
            converted = values.convert(image, index)
            if volume is None:
                volume = np.empty((len(stack.frames), *converted.shape), values.dtype)
                padding = np.zeros((len(stack.frames), *image.shape), np.bool_) if with_padding else None
            if converted.shape != volume.shape[1:] or converted.dtype != values.dtype:
                raise PixelError(
                    f"{header.path}: an image of {converted.shape}, {converted.dtype}, among images of "
                    f"{volume.shape[1:]}, {values.dtype}"
                )
            volume[index] = converted
            if padding is not None:
                padding[index] = _padding(image, stack.frames[index])
    assert volume is not None  # a stack has a frame
    return volume, padding


def _padding(image: Array, frame: Frame) -> NDArray[np.bool_]:
    value, limit = frame.number("PixelPaddingValue"), frame.number("PixelPaddingRangeLimit")
    return padding_mask(image, value, limit, stored_type(frame.header).signed)


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
    # US: unspecified, PS3.3 C.11.1.1.2; "normalized" is Philips' word for it, and here means something else
    if rescale_type not in (None, "US", NORMALIZED):
        return str(rescale_type)
    if (
        first.get("Modality") == "CT"
        and rescale_type is None
        and "LOCALIZER" not in str(first.get("ImageType"))
    ):
        return "HU"
    return str(first.get("Units") or first.get("DoseUnits") or "modality")


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


def _value_warnings(frames: Sequence[Frame], units: str) -> tuple[str, ...]:
    warnings: tuple[str, ...] = ()
    flat = sum(frame.rescale.slope == 0 for frame in frames)
    if flat:
        warnings = (f"RescaleSlope is 0 in {flat} images: all their voxels have the value of the intercept",)
    if any(frame.attributes.get("LossyImageCompression") == "01" for frame in frames):
        warnings += ("the images were compressed with loss at some time: values differ from those acquired",)
    photometric = frames[0].attributes.get("PhotometricInterpretation")
    if photometric == "PALETTE COLOR" and units != RGB:
        warnings += ('values are indices into a palette of colours; palette="rgb" applies it',)
    if photometric == "MONOCHROME1":
        warnings += ("MONOCHROME1: a viewer shows the least value white; values are as stored, not inverted",)
    return warnings
