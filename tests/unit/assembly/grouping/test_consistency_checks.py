"""Two scans whose slices lie between each other's make one even stack: the volume says that it may be two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import synthetic
from dicomarray import load

SLICES = 8


def notes(folder: Path, modality: str, each: list[dict[str, Any]]) -> list[str]:
    array = synthetic.stored_values((len(each), 4, 5))
    synthetic.write_series(folder, array, modality=modality, each=each)
    return [warning for warning in load(folder).warnings if "two scans" in warning]


@pytest.mark.parametrize(
    ("modality", "keyword", "values"),
    [
        ("CT", "ConvolutionKernel", ("B30f", "B60f")),
        ("CT", "KVP", (80.0, 140.0)),
        ("CT", "AcquisitionNumber", (1, 2)),
        ("CT", "SliceThickness", (1.0, 5.0)),
        ("MR", "DiffusionBValue", (0.0, 1000.0)),
        ("MR", "FlipAngle", (5.0, 20.0)),
        ("MR", "TemporalPositionIdentifier", (1, 2)),
    ],
)
def test_scans_between_each_other_are_told(
    tmp_path: Path, modality: str, keyword: str, values: tuple[Any, Any]
) -> None:
    """It is told where odd slices are of the one, and even slices of the other."""
    (note,) = notes(tmp_path / "s", modality, [{keyword: values[index % 2]} for index in range(SLICES)])
    assert note.startswith(f"{keyword} is {values[0]} in some slices and {values[1]} in others")
    assert note.endswith("0002.dcm is of the other [mixed-scans]")


@pytest.mark.parametrize(
    ("modality", "each"),
    [
        ("MR", [{"AcquisitionNumber": 1 + index % 2} for index in range(SLICES)]),
        ("MR", [{"TemporalPositionIdentifier": index + 1} for index in range(SLICES)]),
        ("CT", [{"AcquisitionNumber": 1 + index // 4} for index in range(SLICES)]),
        ("CT", [{"SliceThickness": 2.5 if index < 4 else 5} for index in range(SLICES)]),
        ("CT", [{"ConvolutionKernel": "B30f"}] * SLICES),
    ],
)
def test_what_changes_along_a_scan_is_not(tmp_path: Path, modality: str, each: list[dict[str, Any]]) -> None:
    """Packages of MR, counted slices, rotations of a CT and thicker slices later on are no mixture."""
    assert not notes(tmp_path / "s", modality, each)
