"""What is known of a volume beside its numbers: all that its sidecar holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.geometry import StackGeometry
from dicomarray.core.pixel_values import Normalization, Rescale
from dicomarray.core.segments import Segment
from dicomarray.errors import UsageError

NORMALIZED = "normalized"
# The axes of an image and its neighbours, with a place in the patient and without.
PLACED, UNPLACED = ("slice", "row", "column"), ("frame", "row", "column")


@dataclass(frozen=True, eq=False, repr=False)
class VolumeInfo:
    """Everything about a volume but its array.

    Attributes
    ----------
    shape, dtype
        Of the array.
    axes
        A name for each: ``("slice", "row", "column")``, with a repetition axis first and ``"sample"`` (of
        colour) last where there are such; ``"frame"`` instead of ``"slice"`` where there is no geometry.
    units
        ``"HU"``, ``"stored"``, ``"normalized"``, another rescale type, or ``"modality"`` where the file
        does not say what its modality values are.
    geometry
        LPS, mm; None where the images have no place in the patient (a CR, an ultrasound loop).
    rescales
        Slope and intercept of each slice (in the order of `slices`), or one for all.
    normalization
        The bounds, and the units before, where values were normalized.
    coordinates
        By DICOM keyword, the value at each step of the repetition axis: ``{"DiffusionBValue": (0, 1000)}``.
    series
        What equals in all images of the volume, by DICOM keyword; nothing that names the patient.
    slices
        One record an image: where it came from.  In the order of the array (first axis slowest); empty where
        the array has no images of a series.
    warnings
        What a user should know before trusting the numbers.
    segments
        What the numbers of a label array stand for; empty for any other volume.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: tuple[str, ...]
    units: str = "modality"
    geometry: StackGeometry | None = None
    rescales: tuple[Rescale, ...] = (Rescale(),)
    normalization: Normalization | None = None
    coordinates: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    series: Mapping[str, Any] = field(default_factory=dict)
    slices: Sequence[Mapping[str, Any]] = ()
    warnings: Warnings = ()
    segments: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        for name in ("coordinates", "series"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        if type(self.axes) is not tuple or not len({*self.axes}) == len(self.axes) == len(self.shape):
            raise UsageError(f"{self.axes!r:.80} do not name the axes of an array of shape {self.shape}")
        images = self.axes[:-1] if self.axes[-1:] == ("sample",) else self.axes
        if images[-3:] != PLACED and (images[-3:] != UNPLACED or self.geometry is not None):
            raise UsageError(f"the axes are {self.axes!r:.80}; those of images with a place are {PLACED}")
        if self.geometry is not None and len(self.geometry.slice_positions) != self.shape[self.slice_axis]:
            raise UsageError(
                f"{len(self.geometry.slice_positions)} slice positions for an array of {self.shape}"
            )

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))} {self.dtype} {self.units}"

    def __repr__(self) -> str:
        return f"<VolumeInfo {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle` and `copy`: read-only views of mappings cannot be pickled, so these are dicts."""
        return type(self), tuple(_as_dicts(getattr(self, one.name)) for one in fields(self))

    @property
    def slice_axis(self) -> int:
        """Which axis is that of the slices (or frames): as many as there are stand before it."""
        return self.axes.index("row") - 1

    @property
    def value_units(self) -> str:
        """The units of the values once a normalization is undone."""
        return self.units if self.normalization is None else self.normalization.units

    def warned(self, warnings: Warnings) -> Self:
        """The same with further warnings."""
        return replace(self, warnings=self.warnings + warnings)

    def on_grid(self, shape: tuple[int, ...], affine: ArrayLike) -> Self:
        """What is known of a volume that is resampled, cropped or turned; see `Volume.on_grid`."""
        if self.geometry is None:
            raise UsageError("the volume has no patient geometry, so it cannot lie on another grid")
        before = slice(self.slice_axis)
        if len(shape) != len(self.shape) or shape[before] != self.shape[before]:
            raise UsageError(f"an array of shape {shape} has not the axes {self.axes} of {self.shape}")
        geometry = StackGeometry.from_affine(
            affine, shape[self.slice_axis], self.geometry.frame_of_reference_uid
        )
        return replace(self, shape=shape, geometry=geometry, slices=(), rescales=(Rescale(),))


def _as_dicts(value: Any) -> Any:
    """The same value with plain dicts for all mappings in it."""
    if isinstance(value, Mapping):
        return {key: _as_dicts(part) for key, part in value.items()}
    return tuple(_as_dicts(part) for part in value) if isinstance(value, tuple) else value
