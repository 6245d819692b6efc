"""Headers that look right and are not, as far as it is known of scanners: the volume says so."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

import synthetic
from dicomarray import load


def write_ge(folder: Path, sequence: str, mode: float | None) -> None:
    array = synthetic.stored_values((3, 4, 5))
    files = synthetic.write_series(
        folder, array, modality="MR", common={"Manufacturer": "GE MEDICAL SYSTEMS"}
    )
    for file in files:
        data_set = pydicom.dcmread(file)
        block = data_set.private_block(0x0019, "GEMS_ACQU_01", create=True)
        block.add_new(0x9C, "LO", sequence)
        if mode is not None:
            block.add_new(0xB3, "DS", mode)
        data_set.save_as(file)


@pytest.mark.parametrize(
    ("mode", "which"), [(1, "all volumes"), (2, "the first of"), (3, "the second of"), (None, "some volumes")]
)
def test_reversed_rows_of_ge_are_told(tmp_path: Path, mode: float | None, which: str) -> None:
    """The mode in user data 12 tells epi_pepolar."""
    write_ge(tmp_path / "s", "research/epi_pepolar", mode)
    (warning,) = load(tmp_path / "s").warnings
    assert f"upside down: GE's sequence epi_pepolar stores {which}" in warning


@pytest.mark.parametrize(("sequence", "mode"), [("research/epi_pepolar", 0), ("epi", 1)])
def test_other_images_of_ge_are_not(tmp_path: Path, sequence: str, mode: float) -> None:
    """Mode 0 reverses nothing; in other sequences the user data mean something else."""
    write_ge(tmp_path / "s", sequence, mode)
    assert not load(tmp_path / "s").warnings
