"""Reports in words that need no knowledge of the code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import synthetic
from dicomarray.cli.main import main
from dicomarray.cli.rendering import run_line
from dicomarray.pipeline.entries import RunEntry, SeriesOutput


def test_slopes_that_are_kept_are_said_to_be_the_templates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where each slice keeps its own, there is no number to print."""
    folder = str(synthetic.varying_slope(tmp_path / "series").folder)
    npy = str(tmp_path / "a.npy")
    assert main(["to-numpy", "-i", folder, "-n", npy]) == 0
    assert main(["to-dicom", "-n", npy, "-d", folder, "-o", str(tmp_path / "out")]) == 0
    assert (
        "slope and intercept are the template's, slice by slice, greatest error 0" in capsys.readouterr().out
    )


def test_a_result_that_went_to_a_pacs_says_so() -> None:
    """The line of a series names the server beside the folder here."""
    output = SeriesOutput(
        "",
        "1.2",
        "2.25.1",
        Path("out"),
        1,
        (2, 8, 8),
        ("slice", "row", "column"),
        "HU",
        None,
        1.0,
        0.0,
        0.0,
        0.0,
        0,
    )
    entry = RunEntry("CT_1", ("1.2",), "CT 1", "written", 1.0, output=Path("out"), outputs=(output,))
    stored = replace(entry, stored="dicomweb+http://pacs: 1 instances stored, 0 there before, 0 failed")
    assert run_line(entry).endswith("(greatest error 0)")
    assert run_line(stored) == f"{run_line(entry)}; {stored.stored}"
