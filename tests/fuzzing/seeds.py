"""Sound series to be damaged: pydicom's small files, and made-up ones of every kind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

import numpy as np
from pydicom.data import get_testdata_files

import dicomarray
import enhanced_files
import synthetic
from comparison import cases

# Larger files take longer to read than to say something new; bytes.
LARGEST_FILE = 64 * 1024
# Of a series so many files are kept: enough for a spacing, and for one that is out of line.
MOST_FILES = 4
SHAPE = (3, 8, 10)
COMPRESSIONS = ("rle", "jpeg-ls", "jpeg-2000", "htj2k")
Make = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Seed:
    """A sound series: the names and bytes of its files."""

    name: str
    files: tuple[tuple[str, bytes], ...]


def all_seeds() -> list[Seed]:
    """All of them, in an order that stays."""
    chance = Random(7)
    with patch("uuid.uuid4", lambda: UUID(int=chance.getrandbits(127) | 1 << 127)):  # the same UIDs each time
        return [*_of_pydicom(), *_made_up()]


def _of_pydicom() -> Iterator[Seed]:
    for name in sorted(get_testdata_files()):
        path = Path(name)
        if path.is_file() and path.suffix != ".zip" and path.stat().st_size <= LARGEST_FILE:
            yield Seed(f"{path.parent.name}/{path.name}", (("0001.dcm", path.read_bytes()),))


def _made_up() -> Iterator[Seed]:
    for name, make in _makers().items():
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "series"
            place.mkdir()
            make(place)
            files = sorted(p for p in place.rglob("*") if p.is_file())[:MOST_FILES]
            yield Seed(name, tuple((path.name, path.read_bytes()) for path in files))


_CASES: tuple[Make, ...] = (
    cases.signed_ct, cases.oblique, cases.no_instance_numbers, cases.varying_intercept, cases.two_echoes,
    cases.magnitude_and_phase, cases.three_orientations, cases.uneven_spacing, cases.enhanced_ct,
    cases.enhanced_ct_with_slopes, cases.monochrome1, cases.colour_slices, cases.float_pixels,
    cases.no_place, cases.b_values, cases.repetitions_without_a_label, cases.siemens_mosaic,
)  # fmt: skip


def _makers() -> dict[str, Make]:
    found: dict[str, Make] = {}
    for modality in ("CT", "MR", "PT", "SC"):
        for syntax in synthetic.NATIVE_SYNTAXES:
            found[f"{modality} {syntax}"] = partial(_plain, modality=modality, syntax=syntax)
    for compression in COMPRESSIONS:
        found[f"CT {compression}"] = partial(_compressed, compression=compression)
    for bits in (1, 8, 32):
        found[f"CT with {bits} bits"] = partial(_of_bits, bits=bits)
    found |= {f"a case, {case.__name__}": case for case in _CASES}
    found |= {
        "enhanced MR, diffusion": partial(_enhanced, groups=_weighted()),
        "enhanced MR, echoes": partial(_enhanced, groups=_echoes()),
        "enhanced, rescaled": partial(_enhanced, groups=_rescaled()),
        "cine": lambda f: enhanced_files.write_cine(f / "cine.dcm", _values()),
        "dose": lambda f: enhanced_files.write_dose(f / "dose.dcm", _values(), [0.0, 2.5, 5.0]),
        "PET": lambda f: enhanced_files.write_pet(f, _values()),
        "gap": synthetic.gap,
        "two times": synthetic.two_time_points,
        "tilted": synthetic.tilted_20_degrees,
    }
    return found


def _values(shape: tuple[int, ...] = SHAPE) -> Any:
    return synthetic.stored_values(shape)


def _plain(folder: Path, modality: str, syntax: str) -> None:
    synthetic.write_series(folder, _values(), modality=modality, syntax=syntax, bits_stored=12)


def _of_bits(folder: Path, bits: int) -> None:
    synthetic.write_series(folder, synthetic.stored_values(SHAPE, bits_stored=max(bits, 8)), bits_stored=bits)


def _compressed(folder: Path, compression: str) -> None:
    source = folder.parent / "native"
    synthetic.write_series(source, _values(), bits_stored=12)
    values = np.zeros(SHAPE, np.int16)
    values[:, 2:5] = 40
    folder.rmdir()
    dicomarray.to_dicom(values, source, folder, compress=compression)


def _enhanced(folder: Path, groups: list[Any]) -> None:
    enhanced_files.write_enhanced(folder / "enhanced.dcm", _values(), groups)


def _weighted() -> list[Any]:
    return [
        enhanced_files.at(0.0) | enhanced_files.weighted(b, (0.0, 0.0, 1.0) if b else None)
        for b in (0.0, 500.0, 1000.0)
    ]


def _echoes() -> list[Any]:
    return [enhanced_files.at(2.0 * n) | enhanced_files.echo(10.0) for n in range(SHAPE[0])]


def _rescaled() -> list[Any]:
    return [enhanced_files.at(2.0 * n) | enhanced_files.rescaled(1.5 + n, -3.0) for n in range(SHAPE[0])]
