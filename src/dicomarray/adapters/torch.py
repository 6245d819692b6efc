"""Series as PyTorch's map-style data sets: whole volumes, or patches that decode only the slices they touch.

An image is a tensor (channel, slice, row, column), the order of `Volume.array`, so that nothing is copied
but to change a type; ``affine`` takes the index (slice, row, column) to LPS mm, as `Volume.affine`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import numpy as np

from dicomarray.adapters.conversion import FOR_TORCH, widened
from dicomarray.adapters.sampling import Errors, FailedSeries, Item, Volumes
from dicomarray.assembly.options import ReadKeywords, ReadOptions
from dicomarray.catalog.series_selection import Inputs
from dicomarray.core.geometry import StackGeometry
from dicomarray.core.optional_packages import package
from dicomarray.core.options import made_of, takes
from dicomarray.core.pixel_values import Array
from dicomarray.errors import GeometryError, UsageError

_torch: Any = package("torch", "torch")
_Dataset: Any = package("torch.utils.data", "torch").Dataset
Sample = dict[str, Any]
Transform = Callable[[Sample], Any]
# Of what a process keeps by default, in bytes: some hundred slices.
CACHE_BYTES = 1 << 28


class _SeriesDataset(_Dataset):  # type: ignore[misc]
    """What both data sets share: their volumes, and what becomes of errors."""

    def __init__(self, volumes: Volumes, transform: Transform | None) -> None:
        self._volumes, self._transform = volumes, transform

    def __len__(self) -> int:
        return len(self._volumes.items)

    @property
    def failures(self) -> tuple[FailedSeries, ...]:
        """What could not be read, in this process: UID and reason."""
        return tuple(self._volumes.failures)

    def _sample(self, number: int) -> Sample:
        raise NotImplementedError

    def __getitem__(self, index: int) -> Any:
        number = range(len(self))[index]  # IndexError ends an iteration
        sample, skipped = self._volumes.first_readable(number, self._sample, len(self))
        if self._volumes.errors == "count":
            sample["skipped"] = skipped
        return sample if self._transform is None else self._transform(sample)


class VolumeDataset(_SeriesDataset):
    """Every volume of every matching series, whole.

    A sample is a dict that PyTorch's default collate takes: ``image`` (channel, slice, row, column),
    repetitions and colour samples as channels; ``affine`` (4, 4) float64, NaN without a place; ``uniform``,
    whether the affine places all slices; ``series_uid``; ``volume``, its index in the series.

    Parameters
    ----------
    source
        A folder, several, an index file (see `dicomarray.index`), or the address of a PACS.
    config
        A filter config; None takes all series of images.  Segmentations are none: see `load_segmentation`.
    transform
        Called with each sample; its result is the item.
    errors
        Of a series that cannot be read: ``"raise"``; ``"skip"`` it with a warning of Python; or ``"count"``.
        A sample that cannot be read later is replaced by the next that can; with ``"count"`` each sample has
        ``skipped``, how many were passed over for it.
    options
        How to read: those of `ReadOptions`.
    """

    @takes(ReadOptions)
    def __init__(
        self,
        source: Inputs,
        config: Any = None,
        transform: Transform | None = None,
        *,
        errors: Errors = "raise",
        **options: Unpack[ReadKeywords],
    ) -> None:
        """Find the series."""
        super().__init__(Volumes(source, config, made_of(ReadOptions, options), errors, 0), transform)

    def _sample(self, number: int) -> Sample:
        return _sample_of(self._volumes.items[number], *self._volumes.whole(number))


class PatchDataset(_SeriesDataset):
    """Patches at random places of every volume of every matching series; the same ones for the same seed.

    A sample is as that of `VolumeDataset`, with the affine of the patch, and ``start``, its first
    (slice, row, column) in the volume.

    Parameters
    ----------
    source, config, transform, errors, options
        As in `VolumeDataset`.
    size
        Of a patch, (slices, rows, columns), or one number for all three.  A volume that is smaller cannot be
        read: see ``errors``.
    patches_per_volume
        How many items a volume makes, one after the other.
    seed
        Decides, with `set_epoch` and the index of an item, where a patch lies: not in which process.
    cache_bytes
        How much each process keeps of slices, and of headers, that it has read.
    """

    @takes(ReadOptions)
    def __init__(  # noqa: PLR0913 - each by its name
        self,
        source: Inputs,
        size: int | Sequence[int],
        config: Any = None,
        transform: Transform | None = None,
        *,
        patches_per_volume: int = 1,
        seed: int = 0,
        cache_bytes: int = CACHE_BYTES,
        errors: Errors = "raise",
        **options: Unpack[ReadKeywords],
    ) -> None:
        """Find the series."""
        self._size = _three(size)
        if isinstance(patches_per_volume, bool) or patches_per_volume < 1:
            raise UsageError(f"patches_per_volume must be at least 1, not {patches_per_volume!r}")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise UsageError(f"seed must be a whole number of at least 0, not {seed!r}")
        self._patches, self._seed, self._epoch = patches_per_volume, seed, 0
        checked = made_of(ReadOptions, options)
        volumes = Volumes(source, config, checked, errors, cache_bytes, self._check_size)
        super().__init__(volumes, transform)

    def __len__(self) -> int:
        return super().__len__() * self._patches

    def set_epoch(self, epoch: int) -> None:
        """Other places for the next epoch; before the DataLoader makes its workers."""
        self._epoch = epoch

    def _check_size(self, item: Item) -> None:
        if any(size > extent for size, extent in zip(self._size, item.shape[1:], strict=True)):
            raise GeometryError(
                f"volume {item.volume} of series {item.series.uid} has {item.shape[1:]} (slices, rows, "
                f"columns), less than a patch of {self._size}: choose larger ones by a config, or a smaller "
                'patch; errors="skip" leaves it out'
            )

    def _sample(self, number: int) -> Sample:
        at = number // self._patches
        item = self._volumes.items[at]
        random = np.random.default_rng((self._seed, self._epoch, number))
        start = [
            int(random.integers(extent - size + 1))
            for size, extent in zip(self._size, item.shape[1:], strict=True)
        ]
        ranges = [range(first, first + size) for first, size in zip(start, self._size, strict=True)]
        rows, columns = (slice(span.start, span.stop) for span in ranges[1:])
        patch, geometry = self._volumes.slices(at, ranges[0], rows, columns)
        return _sample_of(item, patch, geometry, start[1], start[2]) | {"start": _torch.tensor(start)}


def _sample_of(
    item: Item, array: Array, geometry: StackGeometry | None, row: int = 0, column: int = 0
) -> Sample:
    """What begins at a row and a column of the slices; its affine is NaN without a place."""
    affine = np.full((4, 4), np.nan)
    if geometry is not None:
        affine = geometry.affine.copy()
        affine[:3, 3] += affine[:3, 1:3] @ (row, column)
    return {
        "image": _torch.from_numpy(np.ascontiguousarray(widened(array, FOR_TORCH))),
        "affine": _torch.from_numpy(affine),
        "uniform": geometry is not None and geometry.uniform,
        "series_uid": item.series.uid,
        "volume": item.volume,
    }


def _three(size: int | Sequence[int]) -> tuple[int, int, int]:
    sizes = (size,) * 3 if isinstance(size, int) else tuple(size)
    if len(sizes) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
        raise UsageError(f"size must be (slices, rows, columns), each at least 1, or one number: {size!r}")
    return sizes[0], sizes[1], sizes[2]
