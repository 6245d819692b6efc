"""What the stored values of a stack mean: their units, their type, and the function that converts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomarray.assembly.frames.frame import Frame, by_file
from dicomarray.assembly.frames.instance_files import ImageFiles
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.values.rescale_checks import (
    half_rescale_notes,
    has_rescale,
    require_rescale,
    stored_notes,
    units_notes,
)
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.pixel_values import (
    Array,
    Normalization,
    Rescale,
    StoredType,
    modality_dtype,
    to_modality,
)
from dicomarray.core.volume_info import NORMALIZED
from dicomarray.dicom.headers.attributes import Common, may_differ, shared_by
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import HeaderError, ValuesError
from dicomarray.storage.references import Reference

if TYPE_CHECKING:
    from dicomarray.assembly.values.scaling import ModalityLut

# Units of its own: precise values must not be taken for the template's display values.
PHILIPS_PRECISE = "Philips precise"
RGB = "RGB"
MAPPING = "RealWorldValueMappingSequence"
# What turns grey values into others, and what of it changes nothing.
_FOR_GREY_VALUES = {"RescaleSlope": 1, "RescaleIntercept": 0, "ModalityLUTSequence": (), MAPPING: ()}
# What `stored_type` asks for.
_STORED = frozenset(("BitsAllocated", "BitsStored", "PixelRepresentation"))
# Stored values of similar frames, the index of the first one in the stack, memory for the result.
Convert = Callable[[Array, int, Array | None], Array]


@dataclass(frozen=True, eq=False)
class Values:
    """How the frames of a stack become values.

    ``convert`` takes stored values, (frames, *frame shape), the index of the first frame in the stack, and
    memory that it may use for its result, perhaps that of the stored values, or None; the frames have one
    rescale and one file.  Its result is of type ``dtype``.  ``rescales`` has one a frame, or one for all.
    """

    convert: Convert
    dtype: np.dtype[Any]
    rescales: tuple[Rescale, ...]
    units: str
    warnings: Warnings = ()
    normalization: Normalization | None = None

    def of_images(self, indices: Sequence[int]) -> Values:
        """The same for these images of the stack alone, counted from 0."""

        def convert(stored: Array, index: int, out: Array | None) -> Array:
            return self.convert(stored, indices[index], out)

        several = len(self.rescales) > 1
        rescales = tuple([self.rescales[i] for i in indices]) if several else self.rescales
        return replace(self, convert=convert, rescales=rescales)

    def normalized(self, lower: float, upper: float) -> Values:
        """The same with `Normalization` applied to each frame."""
        normalization = Normalization(lower, upper, units=self.units)

        def convert(stored: Array, index: int, out: Array | None) -> Array:
            return normalization.apply(self.convert(stored, index, None), out)

        return replace(
            self,
            convert=convert,
            dtype=np.dtype(np.float32),
            units=NORMALIZED,
            normalization=normalization,
        )


def values_of(stack: Stack, options: ReadOptions) -> Values:
    """What the values of a stack are, as the options ask for them.

    Raises
    ------
    HeaderError, ValuesError
        Where a file does not say what is needed: a slope, what SUV needs.
    """
    headers = {id(frame.header): frame.header for frame in stack.frames}
    by_file = _stored_types(headers)
    if options.units == "stored":
        return _as_stored(stack, by_file)
    if options.palette == "rgb" and is_palette(stack.frames):
        return _coloured(stack)
    if is_coloured(stack.frames) or is_palette(stack.frames):
        return _unscaled(stack, by_file, options)
    lut_notes: Warnings = ()
    if any(header.attributes.get("ModalityLUTSequence") for header in headers.values()):
        if not all(map(_says_nothing, headers.values())):
            return _looked_up(stack, options)
        lut_notes = warning(
            "ModalityLUTSequence has an item without a table: it says nothing, and is left out [empty-lut]"
        )
    types = [by_file[id(frame.header)] for frame in stack.frames]
    rescales, units, warnings = _scaled(stack.frames, types, options)
    dtype = modality_dtype(zip(types, rescales, strict=True))
    return Values(
        lambda stored, index, out: to_modality(stored, rescales[index], dtype, out),
        dtype,
        rescales,
        units,
        lut_notes + warnings,
    )


def units_of(stack: Stack) -> str:
    """The units in which a stack is read, where nothing else is asked for.

    Raises
    ------
    HeaderError, ValuesError
        As `values_of`.
    """
    if _is_mapped(stack.frames):
        return values_of(stack, ReadOptions()).units
    return modality_units(stack.frames)


def mapped_rescales(stack: Stack) -> tuple[Rescale, ...] | None:
    """By what each image is read where a Real World Value Mapping alone says it; None for other stacks.

    Raises
    ------
    HeaderError, ValuesError
        As `values_of`.
    """
    if not _is_mapped(stack.frames):
        return None
    rescales = values_of(stack, ReadOptions()).rescales
    return rescales if len(rescales) == len(stack.frames) else rescales[:1] * len(stack.frames)


def _as_stored(stack: Stack, by_file: Mapping[int, StoredType]) -> Values:
    dtype = np.result_type(*(stored.dtype for stored in set(by_file.values())))
    notes = stored_notes(stack.frames)
    rescales = (Rescale(),) if notes else tuple(frame.rescale for frame in stack.frames)
    return Values(_copying(dtype), dtype, rescales, "stored", notes)


def _copying(dtype: np.dtype[Any]) -> Convert:
    as_stored = Rescale()
    return lambda stored, _, out: to_modality(stored, as_stored, dtype, out)


def _unscaled(stack: Stack, by_file: Mapping[int, StoredType], options: ReadOptions) -> Values:
    """Colours, and indices into a palette: no measurements, so that no slope applies (PS3.3 C.11.1)."""
    units = modality_units(stack.frames)
    what = "colours" if units == RGB else "indices into a palette"
    if options.units == "suv":
        raise ValuesError(f"{stack.frames[0].header.reference}: {what} are no activity, so there is no SUV")
    dtype = np.result_type(*(stored.dtype for stored in set(by_file.values())))
    return Values(_copying(dtype), dtype, (Rescale(),), units, _scaling_left_out(stack.frames, what))


def _scaling_left_out(frames: Sequence[Frame], what: str) -> Warnings:
    """A warning where colours or indices have something beside them that is for grey values."""
    stated = [
        f"{keyword} {value}" if isinstance(value, int | float | str) else keyword
        for keyword, nothing in _FOR_GREY_VALUES.items()
        if (value := next((v for f in frames if (v := f.attributes.get(keyword)) is not None), None))
        not in (None, nothing)
    ]
    if not stated:
        return ()
    return warning(f"{', '.join(stated)} (which is for grey values): not applied to {what} [colour-scaling]")


def _scaled(
    frames: Sequence[Frame], types: Sequence[StoredType], options: ReadOptions
) -> tuple[tuple[Rescale, ...], str, Warnings]:
    """Slopes and intercepts, units and warnings, where a value is a line of the stored one."""
    precise = options.philips_scaling == "precise"
    if options.units == "modality" and not precise and _is_mapped(frames):
        return _of_the_real_world(frames, types)
    require_rescale(frames)
    rescales = tuple(frame.rescale for frame in frames)
    half = half_rescale_notes(frames)
    if options.units == "suv":
        from dicomarray.assembly.values.scaling import suv_rescale, suv_scales
        from dicomarray.core.suv import SUV_UNITS

        scales = suv_scales(frames)
        rescales = tuple(suv_rescale(r, s) for r, s in zip(rescales, scales, strict=True))
        return (
            rescales,
            SUV_UNITS,
            half + tuple(dict.fromkeys(w for scale in scales for w in warning(f"{scale.basis} [suv]"))),
        )
    if precise:
        from dicomarray.assembly.values.scaling import philips_rescales

        return tuple(philips_rescales(frames)), PHILIPS_PRECISE, half + units_notes(frames)
    return rescales, modality_units(frames), half + units_notes(frames)


def _is_mapped(frames: Sequence[Frame]) -> bool:
    """Whether all that tells the values of some frames is a Real World Value Mapping."""
    first = frames[0].attributes
    stated = ("RescaleSlope", MAPPING, "RealWorldValueSlope", "RealWorldValueLUTData")
    if first.get("RescaleSlope") is not None and not may_differ([f.attributes for f in frames], stated):
        return False
    from dicomarray.assembly.values.real_world_values import is_only_mapped

    return any(map(is_only_mapped, frames))


def _of_the_real_world(
    frames: Sequence[Frame], types: Sequence[StoredType]
) -> tuple[tuple[Rescale, ...], str, Warnings]:
    """Slopes, units and warnings, where all that tells them is a Real World Value Mapping."""
    from dicomarray.assembly.values.real_world_values import UnmappedError, world_values

    try:
        found = world_values(frames, types, lambda: _stored_extents(frames))
    except UnmappedError as error:
        require_rescale(frames)
        note = warning(
            f"real world values are not worked out, as the Real World Value Mapping {error} [mapping-ignored]"
        )
        return tuple(frame.rescale for frame in frames), "modality", half_rescale_notes(frames) + note
    flat = sum(rescale.slope == 0 for rescale in found.rescales)
    notes = (
        warning(f"RealWorldValueSlope is 0 in {flat} images: all their voxels have one value [zero-slope]")
        if flat
        else ()
    )
    return found.rescales, found.units or modality_units(frames), found.notes + notes


def _stored_extents(frames: Sequence[Frame]) -> list[tuple[float, float]]:
    """The least and the greatest stored value of each frame; reads all pixels, one image at a time."""
    found = [(0.0, 0.0)] * len(frames)
    with ImageFiles(frames) as files:
        for indices in by_file(frames):
            with files.open(frames[indices[0]].header) as reader:
                for index in indices:
                    tile = frames[index].tile
                    image = reader.read(frames[index].index if tile is None else 0)[0]
                    image = image if tile is None else tile.cut(image)
                    found[index] = float(image.min()), float(image.max())
    return found


def is_coloured(frames: Sequence[Frame]) -> bool:
    """Whether images have several samples a pixel: colours, which are read as RGB."""
    return frames[0].attributes.get("SamplesPerPixel") == 3


def is_palette(frames: Sequence[Frame]) -> bool:
    """Whether images hold indices into a palette of colours."""
    return all(frame.attributes.get("PhotometricInterpretation") == "PALETTE COLOR" for frame in frames)


def _coloured(stack: Stack) -> Values:
    """The colours that each file's own palette gives to its indices."""
    from dicomarray.assembly.values.scaling import palette_colours

    palettes = {path: palette_colours(path) for path in {frame.header.reference for frame in stack.frames}}
    of_frame = [palettes[frame.header.reference] for frame in stack.frames]
    dtype = of_frame[0](np.zeros((1, 1), stored_type(stack.frames[0].header).dtype)).dtype
    return Values(
        lambda stored, index, _: np.stack([of_frame[index](image) for image in stored]),
        dtype,
        (Rescale(),),
        RGB,
        _scaling_left_out(stack.frames, "colours"),
    )


def _looked_up(stack: Stack, options: ReadOptions) -> Values:
    """Modality values by a Modality LUT in each file (PS3.3 C.11.1)."""
    from dicomarray.assembly.values.scaling import apply_modality_lut

    if options.units == "suv":
        raise ValuesError(f"{stack.frames[0].header.reference}: a Modality LUT gives no activity, so no SUV")
    by_path = {path: _modality_lut(path) for path in dict.fromkeys(f.header.reference for f in stack.frames)}
    tables = [by_path[frame.header.reference] for frame in stack.frames]
    dtype = np.result_type(*(table.entries.dtype for table in tables))
    kinds = {table.type for table in tables}
    units = next(iter(kinds)) if len(kinds) == 1 else None
    note = warning(
        "values come from a Modality LUT: the sidecar's slope and intercept do not lead back [modality-lut]"
    )
    return Values(
        lambda stored, index, _: apply_modality_lut(stored, tables[index]).astype(dtype, copy=False),
        dtype,
        (Rescale(),),
        units or "modality",
        note,
    )


def _says_nothing(header: Header) -> bool:
    """Whether a file has no Modality LUT, or items of it without descriptor and data."""
    items = header.attributes.get("ModalityLUTSequence")
    if not items:
        return True
    return isinstance(items, tuple) and all(
        isinstance(item, Mapping) and item.get("LUTDescriptor") is None and item.get("LUTData") is None
        for item in items
    )


def _modality_lut(path: Reference) -> ModalityLut:
    from dicomarray.assembly.values.scaling import read_modality_lut

    lut = read_modality_lut(path)
    if lut is None:
        raise HeaderError(f"{path}: no ModalityLUTSequence, where other slices of the volume have one")
    return lut


def _stored_types(headers: Mapping[int, Header]) -> dict[int, StoredType]:
    """`stored_type` of each; that of headers which share what says it is made once."""
    known: dict[Common | Header, StoredType] = {}
    found = {}
    for key, header in headers.items():
        common = shared_by(header.attributes, _STORED) or header
        found[key] = known.get(common) or known.setdefault(common, stored_type(header))
    return found


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
        raise HeaderError(
            f"{header.reference}: BitsAllocated is missing; pixel data cannot be read without it"
        )
    if stored is None and allocated in (32, 64):
        return StoredType(int(allocated), int(allocated), signed=True, floating=True)
    bits = int(allocated if stored is None else stored)
    if allocated not in (1, 8, 16, 32, 64) or not 1 <= bits <= allocated:
        raise HeaderError(f"{header.reference}: BitsAllocated {allocated:g} and BitsStored {bits} do not fit")
    return StoredType(int(allocated), bits, signed=header.number("PixelRepresentation") == 1)


def modality_units(frames: Sequence[Frame]) -> str:
    """HU for CT unless the file says otherwise, the Rescale Type or Units of the file, or "modality".

    Colours are RGB.
    """
    first = frames[0].attributes
    if is_coloured(frames):
        return RGB
    types = dict.fromkeys(frame.attributes.get("RescaleType") for frame in frames)
    # US: unspecified, PS3.3 C.11.1.1.2; "normalized" is Philips' word for it, and here means something else
    stated = [rescale_type for rescale_type in types if rescale_type not in (None, "US", NORMALIZED)]
    if stated:
        return str(stated[0])
    if (
        first.get("Modality") == "CT"
        and None in types
        and "LOCALIZER" not in str(first.get("ImageType"))
        and has_rescale(frames)
    ):
        return "HU"
    own = (frame.attributes.get(keyword) for frame in frames for keyword in ("Units", "DoseUnits"))
    return str(next(filter(None, own), "modality"))
