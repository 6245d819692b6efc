"""Reports in words that need no knowledge of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthetic
from dicomarray.cli.main import main


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
