"""What dcm2niix makes of DICOM files, and how it compares with what this package makes of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Nifti:
    """A file as stored, with what lies beside it: rows of `.bval` and `.bvec`, None where there are none."""

    path: Path
    voxels: NDArray[Any]
    affine: NDArray[np.float64]
    header: Any
    bids: dict[str, Any]
    bval: NDArray[np.float64] | None
    bvec: NDArray[np.float64] | None

    def differences(self, other: Nifti) -> list[str]:
        """In what another file differs: voxels, places (1e-3 mm), b-values, gradients (1e-3)."""
        found = []
        if self.voxels.shape != other.voxels.shape:
            return [f"shape {self.voxels.shape} {other.voxels.shape}"]
        if not same_values(self.voxels, other.voxels):
            found.append("voxels")
        far = np.array([*(np.array(self.voxels.shape[:3]) - 1), 1])
        if np.abs((self.affine - other.affine) @ np.diag(far)).sum(axis=1).max() > 1e-3:
            found.append(f"places: {self.affine.tolist()} {other.affine.tolist()}")
        for name, most in (("bval", 0.0), ("bvec", 1e-3)):
            one, two = getattr(self, name), getattr(other, name)
            if (one is None) != (two is None) or (one is not None and np.abs(one - two).max() > most):
                found.append(name)
        return found

    def other_bids(self, other: Nifti, passed_over: Sequence[str] = ()) -> dict[str, tuple[Any, Any]]:
        """What both say in their JSON, and not the same; numbers may differ in the fifth digit."""
        shared = set(self.bids) & set(other.bids) - {
            "ConversionSoftware",
            "ConversionSoftwareVersion",
            *passed_over,
        }
        pairs = {name: (self.bids[name], other.bids[name]) for name in sorted(shared)}
        return {name: pair for name, pair in pairs.items() if not _equal(*pair)}


def _equal(one: Any, other: Any) -> bool:
    if one == other:
        return True
    try:
        numbers = np.array(one, float), np.array(other, float)
    except ValueError:
        return False
    return numbers[0].shape == numbers[1].shape and bool(np.allclose(*numbers, rtol=2e-5, atol=1e-6))


def same_values(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Equal, but for the rounding of float32."""
    if one.dtype.names or other.dtype.names:
        return one.dtype == other.dtype and bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=1e-5, atol=1e-5 * max(1e-9, float(np.abs(one).max()))))


def read(path: Path) -> Nifti:
    """A file and what lies beside it."""
    image = nibabel.load(path)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    beside = {suffix: path.with_name(f"{stem}.{suffix}") for suffix in ("json", "bval", "bvec")}
    tables = [np.loadtxt(beside[s], ndmin=2) if beside[s].exists() else None for s in ("bval", "bvec")]
    told = json.loads(beside["json"].read_text()) if beside["json"].exists() else {}
    return Nifti(path, np.asarray(image.dataobj), image.affine, image.header, told, *tables)


def by_dcm2niix(sources: Path | Sequence[Path], folder: Path) -> list[Nifti]:
    """Every volume below a folder, without those that dcm2niix resamples."""
    folder.mkdir()
    command = [
        dcm2niix.bin,
        "-p",
        "n",
        "-b",
        "y",
        "-ba",
        "y",
        "-z",
        "n",
        "-f",
        "%s_%j",
        "-o",
        folder,
        sources,
    ]
    subprocess.run(command, capture_output=True, check=False)
    return [
        read(path)
        for path in sorted(folder.glob("*.nii"))
        if "_Tilt" not in path.name and "_Eq" not in path.name
    ]
