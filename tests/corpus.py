"""Small series of every kind, the same bytes in every run: what `benchmarks/digest.py` reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import enhanced_files as enhanced
import mosaic_files as mosaics
import synthetic

FAULTS = (
    synthetic.varying_slope,
    synthetic.shuffled_instance_numbers,
    synthetic.gap,
    synthetic.duplicate_position,
    synthetic.identical_duplicate,
    synthetic.tilted_20_degrees,
    synthetic.two_time_points,
    synthetic.appended_localizer,
    synthetic.anisotropic_pixels,
    synthetic.first_slice_positive_then_negative_hu,
)


@contextmanager
def counted_uids() -> Iterator[None]:
    """UIDs are counted while it lasts, so that what is written is the same in every run."""
    numbers = itertools.count(1)

    def generate_uid(*_: Any, **__: Any) -> str:
        return f"1.2.826.0.1.3680043.10.1.{next(numbers)}"

    modules = (synthetic, enhanced, mosaics)
    before = [module.generate_uid for module in modules]
    for module in modules:
        module.generate_uid = generate_uid  # type: ignore[assignment]
    try:
        yield
    finally:
        for module, real in zip(modules, before, strict=True):
            module.generate_uid = real


def write_all(folder: Path) -> None:
    """A folder for each kind below ``folder``."""
    with counted_uids():
        for fault in FAULTS:
            fault(folder / fault.__name__)
        _plain(folder)
        _repetitions(folder)
        _enhanced(folder)
        _mosaics(folder)


def _plain(folder: Path) -> None:
    for syntax in synthetic.NATIVE_SYNTAXES:
        synthetic.write_series(folder / f"ct_{syntax}", synthetic.stored_values(), syntax=syntax)
    for modality in synthetic.CLASSES:
        values = synthetic.stored_values(bits_stored=8 if modality == "SC" else 12)
        pixels = np.stack([values.astype(np.uint8)] * 3, -1) if modality == "SC" else values
        synthetic.write_series(folder / f"class_{modality}", pixels, modality=modality)
    signed = synthetic.stored_values(signed=True, bits_stored=16)
    synthetic.write_series(folder / "signed", signed, spacing=0.7)


def _repetitions(folder: Path) -> None:
    values = np.stack([synthetic.stored_values()[:4] + t for t in range(3)])
    kinds: dict[str, list[dict[str, Any]]] = {
        "time": [{"TemporalPositionIdentifier": t + 1} for t in range(3)],
        "trigger": [{"TriggerTime": str(40 * t)} for t in range(3)],
        "echo": [{"EchoTime": str(4.6 * (t + 1)), "EchoNumbers": t + 1} for t in range(3)],
        "b_value": [{"DiffusionBValue": 500.0 * t} for t in range(3)],
        "dixon": [{"ImageType": ["ORIGINAL", "PRIMARY", "M", word]} for word in ("W", "F", "IP")],
        "numbers": [{} for _ in range(3)],
    }
    for name, steps in kinds.items():
        for order in ("volume", "slice"):
            synthetic.write_repetitions(folder / f"{name}_{order}", values, steps, order=order)


def _enhanced(folder: Path) -> None:
    values = synthetic.stored_values()[:4]
    places = [enhanced.at(3.0 * k) for k in range(4)]
    enhanced.write_enhanced(folder / "enhanced_mr" / "1.dcm", values, places)
    slopes = [place | enhanced.rescaled(1.0 + k, -10.0) for k, place in enumerate(places)]
    enhanced.write_enhanced(folder / "enhanced_ct" / "1.dcm", values, slopes, kind="CT")
    weighted = [
        enhanced.at(3.0 * k) | enhanced.weighted(b, (1.0, 0.0, 0.0) if b else None)
        for b in (0.0, 700.0)
        for k in range(4)
    ]
    both = np.concatenate([values, values + 1])
    enhanced.write_enhanced(folder / "enhanced_diffusion" / "1.dcm", both, weighted)
    enhanced.write_cine(folder / "cine" / "1.dcm", values)
    enhanced.write_dose(folder / "dose" / "1.dcm", values, [0.0, 3.0, 6.0, 9.0])
    enhanced.write_pet(folder / "pet", values)


def _mosaics(folder: Path) -> None:
    values = synthetic.stored_values()[:4]
    for instance in range(3):
        picture = mosaics.mosaic(values + instance, instance=instance + 1)
        mosaics.add_csa(picture, mosaics.image_csa(len(values), (0.0, 0.0, 1.0)))
        mosaics.write(picture, folder / "mosaic" / f"{instance}.dcm")
        tiles = mosaics.grid(values + instance, instance=instance + 1)
        mosaics.write(tiles, folder / "uih" / f"{instance}.dcm")
