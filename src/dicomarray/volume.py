"""A volume: an array that knows where its voxels lie, what its numbers mean and where they came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.geometry import StackGeometry, Vector
from dicomarray.core.notebook import notebook
from dicomarray.core.pixel_values import Array, Normalization, Rescale, Statistics, finite_statistics
from dicomarray.core.volume_info import NORMALIZED, PLACED, UNPLACED, VolumeInfo
from dicomarray.errors import ArrayUseError, InputError, OutputError, UsageError
from dicomarray.formats import sidecar, zarr_store
from dicomarray.formats.npy import load_array, save
from dicomarray.storage.atomic import new_files
from dicomarray.storage.places import Place, local_path

# Names of other files; a sidecar under one of them would be taken for it.
_NO_SIDECAR = {".npy", ".npz", ".nii", ".gz", ".dcm", ".ima", ".nrrd", ".mha", ".png", ".html", ".zip"}


class OnGrid:
    """What lies on the grid of images: a volume, or the masks of a segmentation."""

    __slots__ = ()
    info: VolumeInfo

    @property
    def geometry(self) -> StackGeometry | None:
        """LPS, mm; None where the images have no place in the patient."""
        return self.info.geometry

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """4x4 from the index (slice, row, column) to LPS mm, or None without geometry."""
        return None if self.geometry is None else self.geometry.affine

    @property
    def warnings(self) -> Warnings:
        """What a user should know before trusting the numbers or masks."""
        return self.info.warnings


@dataclass(frozen=True, eq=False)
class Volume(OnGrid):
    """One regular volume of a series: an array with all that is known of it.

    Attributes
    ----------
    array
        Axes as `axes` says: ``(slice, row, column)``, a repetition axis first where there is one, colour
        samples last.  Of a volume that was loaded from Zarr it is a Zarr array, which reads what an index
        asks for; ``numpy.asarray(volume)`` is all of it.
    info
        What its sidecar holds; its fields are attributes of the volume too.  Its type is that of the array.
    padding
        The array's shape, True where a voxel is padding and no image; None where that was not asked for.
    files
        Of which DICOM files it was read, one an image; empty for any other volume.  In no sidecar.

    Raises
    ------
    UsageError
        Where array and info have different shapes.
    """

    array: Array
    info: VolumeInfo
    padding: NDArray[np.bool_] | None = None
    files: tuple[Place, ...] = ()

    def __post_init__(self) -> None:
        if self.array.shape != self.info.shape:
            raise UsageError(
                f"the array has shape {self.array.shape}, its sidecar or volume {self.info.shape}: they do "
                "not belong together"
            )
        if self.array.dtype != self.info.dtype:
            object.__setattr__(self, "info", dataclasses.replace(self.info, dtype=self.array.dtype))

    @classmethod
    def from_array(
        cls,
        array: Array,
        affine: ArrayLike | None = None,
        *,
        axes: tuple[str, ...] | None = None,
        units: str = "modality",
        frame_of_reference_uid: str | None = None,
    ) -> Self:
        """A volume of an array that is no series of DICOM images.

        Parameters
        ----------
        affine
            4x4, from the index (slice, row, column) of a voxel's centre to LPS mm; None without a place.
        axes
            A name for each axis, where there are more than three: a repetition axis such as ``"time"`` first,
            then ``"slice"`` (``"frame"`` without a place), ``"row"``, ``"column"``, ``"sample"`` of colour.
        units
            Of the values: ``"HU"``, ...
        frame_of_reference_uid
            Volumes with the same one share their coordinates.

        Raises
        ------
        UsageError
            Where the affine is none, or the axes do not name those of the array.
        """
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            raise UsageError(f"the array is a {type(array).__name__}: numpy.asarray makes an array of it")
        if axes is None:
            axes = UNPLACED if affine is None else PLACED
        geometry = None
        if affine is not None:
            slices = dict(zip(axes, array.shape, strict=False)).get("slice", 1)
            geometry = StackGeometry.from_affine(affine, slices, frame_of_reference_uid)
        return cls(array, VolumeInfo(array.shape, array.dtype, axes, units, geometry))

    def __repr__(self) -> str:
        return f"<Volume {self.info}>"

    def _repr_html_(self) -> str:
        """Three planes and a slider, in a notebook."""
        return str(notebook("volume_html", self))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """``numpy.asarray(volume)`` is `array`, in memory."""
        array = np.asarray(self.array)
        if dtype is None or np.dtype(dtype) == array.dtype:
            return array.copy() if copy else array
        if copy is False:
            raise ValueError(f"{self!r} as {np.dtype(dtype)} needs a copy of its array")
        return array.astype(dtype)

    __array_ufunc__ = None  # so that NumPy's operators leave the answer to those at the end of this module

    def __bool__(self) -> bool:
        return True  # a volume is there, whatever its values

    @property
    def axes(self) -> tuple[str, ...]:
        """``("slice", "row", "column")`` with what stands before and after; ``"frame"`` without geometry."""
        return self.info.axes

    @property
    def units(self) -> str:
        """``"HU"``, ``"stored"``, ``"normalized"``, another rescale type, or ``"modality"``."""
        return self.info.units

    @property
    def rescales(self) -> tuple[Rescale, ...]:
        """Slope and intercept of each slice, or one for all."""
        return self.info.rescales

    @property
    def normalization(self) -> Normalization | None:
        """The bounds where values were normalized."""
        return self.info.normalization

    @property
    def coordinates(self) -> Mapping[str, Sequence[Any]]:
        """By DICOM keyword, the value at each step of the repetition axis."""
        return self.info.coordinates

    @property
    def series(self) -> Mapping[str, Any]:
        """What equals in all images, by DICOM keyword; nothing that names the patient."""
        return self.info.series

    @property
    def slices(self) -> tuple[Mapping[str, Any], ...]:
        """One record an image: where it came from."""
        return tuple(self.info.slices)

    @property
    def spacing(self) -> Vector | None:
        """mm between neighbours along (slice, row, column), or None without geometry."""
        return None if self.geometry is None else self.geometry.spacing

    @property
    def metadata(self) -> dict[str, Any]:
        """What the JSON sidecar holds."""
        return sidecar.to_json(self.info)

    def normalize(self, lower: float, upper: float) -> Volume:
        """A new volume with ``(x - lower) / (upper - lower)``, clipped to [0, 1], float32; padding is 0.

        Raises
        ------
        UsageError
            Unless both bounds are finite and lower < upper, or the volume is normalized already.
        """
        if self.normalization is not None:
            raise UsageError("the volume is normalized already; normalize the one it was made from")
        for bound in (lower, upper):
            if isinstance(bound, bool) or not isinstance(bound, int | float | np.number):
                raise UsageError(f"normalize: a bound must be a number, not a {type(bound).__name__}")
        normalization = Normalization(float(lower), float(upper), units=self.units)
        array = normalization.apply(np.asarray(self.array))
        if self.padding is not None:
            array[self.padding] = 0
        info = dataclasses.replace(self.info, units=NORMALIZED, normalization=normalization)
        return dataclasses.replace(self, array=array, info=info)

    def statistics(self) -> Statistics:
        """Count, least, greatest, mean and standard deviation of the finite values that are no padding."""
        return finite_statistics(np.asarray(self.array), self.padding)

    def with_array(self, array: Array) -> Volume:
        """A new volume of the same place and units with other values; the shape must be the same."""
        return dataclasses.replace(self, array=array)

    def on_grid(self, array: Array, affine: ArrayLike) -> Volume:
        """A new volume with other values on another grid: resampled, cropped, turned.

        Parameters
        ----------
        array
            Axes as this volume's; the repetition axis, where there is one, as long.
        affine
            4x4, from the index (slice, row, column) of a voxel's centre to LPS mm.

        Raises
        ------
        UsageError
            Where the axes are others, the affine is none, or this volume has no geometry to leave.
        """
        info = self.info.on_grid(array.shape, affine)
        return dataclasses.replace(self, array=array, info=info, padding=None)

    def save(
        self,
        npy: str | PathLike[str],
        json: str | PathLike[str] | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        """Write the array as ``.npy`` and its metadata as JSON; both appear whole, or neither does.

        Without ``json`` the sidecar lies beside the array: ``ct.npy``, ``ct.json``.  A name that ends with
        ``.zarr`` makes a Zarr array (version 3; extra ``zarr``), one chunk an image, with the sidecar as its
        attributes.

        Raises
        ------
        OutputError
            Where a file exists and ``overwrite`` is not set, or cannot be written.
        """
        if zarr_store.is_zarr(npy):
            path, _ = array_and_sidecar(npy, json)
            with zarr_store.new_store(path, overwrite) as folder:
                zarr_store.save(folder, self.array, self.info)
            return
        with new_files(array_and_sidecar(npy, json), overwrite) as (array_file, json_file):
            save(array_file, self.array)
            sidecar.write(json_file, self.info)

    @classmethod
    def load(cls, npy: str | PathLike[str], json: str | PathLike[str] | None = None) -> Self:
        """The volume that `save` or ``to-numpy`` wrote; without ``json`` the sidecar beside the array.

        All of it comes back but `padding`, which is in no file.  Of a ``.zarr`` the array stays in its file.

        A NIfTI file (``.nii``, ``.nii.gz``; extra ``nifti``) is placed by its affine alone, in LPS.  Its axes
        become (slice, row, column): as a sidecar of ours says, where there is one; else the slices are along
        the axis that the header names, or whose voxel size differs from the two others, or that is nearest to
        head and feet; rows and columns run as images are shown.  Its units are ``"modality"``.

        Raises
        ------
        InputError
            Where a file is missing or damaged, is no array, or the two do not belong together.
        GeometryError
            Where a NIfTI file says no place for its voxels, or its sform and qform differ.
        """
        from dicomarray.formats import nifti

        path = local_path(npy)
        if zarr_store.is_zarr(path):
            return cls(*zarr_store.load(path))
        if nifti.is_nifti(path):
            return cls(*nifti.load(path, None if json is None else local_path(json)))
        array = load_array(path)
        info = sidecar.read(_beside(path) if json is None else local_path(json))
        if array.shape != info.shape:
            raise InputError(f"{path} has shape {array.shape}, its sidecar says {info.shape}")
        return cls(array, info)


def _beside(path: Path) -> Path:
    """The sidecar of an array that is there: without it nothing says what the numbers mean."""
    found = path.with_suffix(".json")
    if not found.exists():
        raise InputError(
            f"{path}: its sidecar {found.name} does not lie beside it; name it (json=, -j). Labels without "
            f"one are drawn over their series: dicomarray view -i DIR --overlay {path.name}"
        )
    return found


def array_and_sidecar(npy: str | PathLike[str], json: str | PathLike[str] | None = None) -> tuple[Path, Path]:
    """The paths of an array and its sidecar, which lies beside it unless it is named.

    Raises
    ------
    OutputError
        Where both have one name, or one has a name that says that it is something else.
    """
    array_path = local_path(npy)
    if zarr_store.is_zarr(array_path):
        inside = zarr_store.metadata_of(array_path)
        if json is not None and Path(json) != inside:
            raise OutputError(f"{json}: a Zarr array has its sidecar in its attributes; leave the name out")
        return array_path, inside
    json_path = array_path.with_suffix(".json") if json is None else local_path(json)
    if array_path == json_path:
        raise OutputError(f"{array_path}: the array and its sidecar need two names: .npy and .json")
    if array_path.suffix.lower() != ".npy":
        raise OutputError(_other_suffix(array_path))
    if json_path.suffix.lower() in _NO_SIDECAR:
        raise OutputError(f'{json_path}: "{json_path.suffix}" is no name of a sidecar; name it .json')
    return array_path, json_path


def _other_suffix(path: Path) -> str:
    """Why an array is not written there: programs go by the name, and people too."""
    suffix = "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:])
    said = f'"{suffix}" is another format' if suffix else "it has no suffix"
    return (
        f"{path}: {said}; the array is written as NumPy has it, so name it "
        f"{path.name.removesuffix(suffix) or 'array'}.npy"
    )


_ARITHMETIC = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul", "and", "or", "xor",
    "lshift", "rshift",
)  # fmt: skip
_OTHERS = (
    "neg", "pos", "abs", "invert", "lt", "le", "gt", "ge", "len", "getitem", "setitem", "iter", "contains",
    "float", "int",
)  # fmt: skip


def _refusing(name: str) -> Callable[..., Any]:
    """A special method that says what to use in its place."""

    def method(*_: object) -> Any:
        raise ArrayUseError(
            f"a Volume is no array ({name}): use volume.array, and volume.with_array(...) for a volume of "
            "the result"
        )

    method.__name__ = method.__qualname__ = name
    return method


for _name in (*_ARITHMETIC, *(f"r{name}" for name in _ARITHMETIC), *_OTHERS):
    setattr(Volume, f"__{_name}__", _refusing(f"__{_name}__"))
