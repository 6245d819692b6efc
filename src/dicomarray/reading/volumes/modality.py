"""What the stored values of a stack mean: their units, their type, and the function that converts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomarray.errors import HeaderError, ValuesError
from dicomarray.reading.frames.frame import Frame
from dicomarray.reading.headers.attributes import Common, shared_by
from dicomarray.reading.headers.header import Header
from dicomarray.reading.options import ReadOptions
from dicomarray.reading.stacks.stacking import Stack
from dicomarray.reading.volumes.told_values import has_rescale, require_rescale, units_notes
from dicomarray.values import Array, Normalization, Rescale, StoredType, modality_dtype, to_modality
from dicomarray.volume import NORMALIZED

if TYPE_CHECKING:
    from dicomarray.reading.volumes.scaling import ModalityLut

# Units of its own: precise values must not be taken for the template's display values.
PHILIPS_PRECISE = "Philips precise"
RGB = "RGB"
# What `stored_type` asks for.
_STORED = frozenset(("BitsAllocated", "BitsStored", "PixelRepresentation"))
# Stored values of frames that are alike, the index of the first one in the stack, memory for the result.
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
    warnings: tuple[str, ...] = ()
    normalization: Normalization | None = None

    @property
    def value_units(self) -> str:
        """The units before a normalization."""
        return self.units if self.normalization is None else self.normalization.units

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
    rescales = tuple(frame.rescale for frame in stack.frames)
    if options.units == "stored":
        dtype = np.result_type(*(stored.dtype for stored in set(by_file.values())))
        as_stored = Rescale()
        return Values(
            lambda stored, _, out: to_modality(stored, as_stored, dtype, out), dtype, rescales, "stored"
        )
    if options.palette == "rgb" and _is_palette(stack.frames):
        return _coloured(stack)
    if any(header.attributes.get("ModalityLUTSequence") for header in headers.values()):
        return _looked_up(stack, options)
    require_rescale(stack.frames)
    units, warnings = modality_units(stack.frames), units_notes(stack.frames)
    if options.units == "suv":
        from dicomarray.reading.volumes.scaling import suv_rescale, suv_scales
        from dicomarray.suv import SUV_UNITS

        scales = suv_scales(stack.frames)
        rescales = tuple(suv_rescale(r, s) for r, s in zip(rescales, scales, strict=True))
        units, warnings = SUV_UNITS, tuple(dict.fromkeys(scale.basis for scale in scales))
    elif options.philips_scaling == "precise":
        from dicomarray.reading.volumes.scaling import philips_rescales

        rescales, units = tuple(philips_rescales(stack.frames)), PHILIPS_PRECISE
    types = [by_file[id(frame.header)] for frame in stack.frames]
    if options.units == "modality" and options.philips_scaling != "precise":
        rescales, units, warnings = _of_the_real_world(stack.frames, types) or (rescales, units, warnings)
    dtype = modality_dtype(zip(types, rescales, strict=True))
    return Values(
        lambda stored, index, out: to_modality(stored, rescales[index], dtype, out),
        dtype,
        rescales,
        units,
        warnings,
    )


def _of_the_real_world(
    frames: Sequence[Frame], types: Sequence[StoredType]
) -> tuple[tuple[Rescale, ...], str, tuple[str, ...]] | None:
    """Slopes, units and warnings, where all that tells them is a Real World Value Mapping."""
    if not any(frame.of_multiframe for frame in frames):
        return None
    from dicomarray.reading.volumes.world_values import is_only_mapped, world_values

    if not any(map(is_only_mapped, frames)):
        return None
    try:
        rescales, units = world_values(frames, types)
    except ValuesError as error:
        note = f"real world values are not worked out, as the Real World Value Mapping {error}"
        return tuple(frame.rescale for frame in frames), "modality", (note,)
    return rescales, units or modality_units(frames), ()


def _is_palette(frames: Sequence[Frame]) -> bool:
    return all(frame.attributes.get("PhotometricInterpretation") == "PALETTE COLOR" for frame in frames)


def _coloured(stack: Stack) -> Values:
    """The colours that each file's own palette gives to its indices."""
    from dicomarray.reading.volumes.scaling import palette_colours

    palettes = {path: palette_colours(path) for path in {frame.header.path for frame in stack.frames}}
    of_frame = [palettes[frame.header.path] for frame in stack.frames]
    dtype = of_frame[0](np.zeros((1, 1), stored_type(stack.frames[0].header).dtype)).dtype
    return Values(
        lambda stored, index, _: np.stack([of_frame[index](image) for image in stored]),
        dtype,
        (Rescale(),),
        RGB,
    )


def _looked_up(stack: Stack, options: ReadOptions) -> Values:
    """Modality values by a Modality LUT in each file (PS3.3 C.11.1)."""
    from dicomarray.reading.volumes.scaling import apply_modality_lut

    if options.units == "suv":
        raise ValuesError(f"{stack.frames[0].header.path}: a Modality LUT gives no activity, so no SUV")
    by_path = {path: _modality_lut(path) for path in dict.fromkeys(f.header.path for f in stack.frames)}
    tables = [by_path[frame.header.path] for frame in stack.frames]
    dtype = np.result_type(*(table.entries.dtype for table in tables))
    kinds = {table.type for table in tables}
    units = next(iter(kinds)) if len(kinds) == 1 else None
    note = "values come from a Modality LUT: the sidecar's slope and intercept do not lead back"
    return Values(
        lambda stored, index, _: apply_modality_lut(stored, tables[index]).astype(dtype, copy=False),
        dtype,
        (Rescale(),),
        units or "modality",
        (note,),
    )


def _modality_lut(path: Path) -> ModalityLut:
    from dicomarray.reading.volumes.scaling import read_modality_lut

    lut = read_modality_lut(path)
    if lut is None:
        raise HeaderError(f"{path}: no ModalityLUTSequence, where other slices of the volume have one")
    return lut


def _stored_types(headers: Mapping[int, Header]) -> dict[int, StoredType]:
    """`stored_type` of each; that of headers which share what says it is made once."""
    known: dict[Common, StoredType] = {}
    found = {}
    for key, header in headers.items():
        common = shared_by(header.attributes, _STORED)
        if common is None:
            found[key] = stored_type(header)
        else:
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
    types = dict.fromkeys(frame.attributes.get("RescaleType") for frame in frames)
    # US: unspecified, PS3.3 C.11.1.1.2; "normalized" is Philips' word for it, and here means something else
    told = [rescale_type for rescale_type in types if rescale_type not in (None, "US", NORMALIZED)]
    if told:
        return str(told[0])
    if (
        first.get("Modality") == "CT"
        and None in types
        and "LOCALIZER" not in str(first.get("ImageType"))
        and has_rescale(frames)
    ):
        return "HU"
    own = (frame.attributes.get(keyword) for frame in frames for keyword in ("Units", "DoseUnits"))
    return str(next(filter(None, own), "modality"))
