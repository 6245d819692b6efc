"""Filter grammar, group: enhanced objects - frames count, their functional groups answer keywords."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicomarray import dicom_filter, index, scan
from dicomarray.dicom.headers.attributes import Attributes
from dicomarray.dicom.headers.header import read_header
from dicomarray.query.rows import rows_of
from dicomarray.query.selection import evaluate_all, parse
from enhanced_files import (
    at,
    content,
    echo,
    measured,
    typed,
    weighted,
    write_cine,
    write_dose,
    write_enhanced,
)


@pytest.fixture
def diffusion(tmp_path: Path) -> Path:
    """Two slices, each at b = 0 and 1000, in one object."""
    frames = [
        at(z) | weighted(b, None if b == 0 else (0.0, 0.0, 1.0)) | echo(80.0) | content(StackID="1")
        for b in (0.0, 1000.0)
        for z in (0.0, 2.5)
    ]
    array = np.arange(4 * 3 * 4, dtype=np.uint16).reshape(4, 3, 4)
    shared = measured(thickness=2.0) | typed("MAGNITUDE", "ORIGINAL", "PRIMARY", "DIFFUSION", "NONE")
    return write_enhanced(tmp_path / "in" / "a.dcm", array, frames, shared=shared)


@pytest.mark.parametrize(
    ("config", "truth"),
    [
        ({"DiffusionBValue": {"gte": 0}}, True),
        ({"DiffusionBValue": {"gt": 500}}, False),
        ({"some": {"DiffusionBValue": {"gt": 500}}}, True),
        ({"every": {"DiffusionBValue": 1000}}, False),
        ({"not": {"every": {"DiffusionBValue": 1000}}}, True),
        ({"some": {"DiffusionBValue": 0, "DiffusionGradientOrientation": {"exists": True}}}, False),
        ({"some": {"DiffusionBValue": 1000, "DiffusionGradientOrientation[2]": 1}}, True),
        ({"SliceThickness": 2}, True),
        ({"PixelMeasuresSequence.SliceThickness": 2}, True),
        ({"SharedFunctionalGroupsSequence.PixelMeasuresSequence.SliceThickness": 2}, True),
        ({"SharedFunctionalGroupsSequence": {"exists": True}}, True),
        ({"EffectiveEchoTime": 80, "StackID": "1"}, True),
        ({"FrameType": "DIFFUSION", "ComplexImageComponent": "magnitude"}, True),
        ({"num_instances": 1, "num_frames": 4, "num_slices": 2}, True),
        ({"num_volumes": 1, "slice_spacing": 2.5, "plane": "axial", "is_regular": True}, True),
        ({"Modality": "MR"}, True),
    ],
    ids=str,
)
def test_frames_answer(diffusion: Path, config: dict[str, Any], truth: bool) -> None:
    """Shared groups and those of each frame, as if every frame were an instance."""
    assert bool(dicom_filter(diffusion.parent, config)) is truth


def test_frames_are_counted(diffusion: Path) -> None:
    """A failure counts frames."""
    selection = parse({"DiffusionBValue": 1000})
    (decision,) = evaluate_all(selection, scan(diffusion, selection.attributes)).decisions
    (failure,) = decision.failures
    assert (failure.passed, failure.total) == (2, 4)


def test_groups_are_read_only_where_they_can_answer(diffusion: Path, opened: list[Path]) -> None:
    """A config of attributes of patient, study, series and equipment opens no file twice."""
    header = read_header(diffusion)
    opened.clear()
    assert rows_of([header], {"Modality", "SeriesDescription"}).size == 1
    assert not opened
    assert rows_of([header], {"Modality", "EffectiveEchoTime"}).size == 4
    assert opened


def test_damaged_groups_warn_and_are_left(diffusion: Path) -> None:
    """More groups than frames: the object is judged by its data set, and a warning names the file."""
    import pydicom

    dataset = pydicom.dcmread(diffusion)
    del dataset.PerFrameFunctionalGroupsSequence[-1]
    dataset.save_as(diffusion)
    selection = parse({"DiffusionBValue": {"gte": 0}})
    (decision,) = evaluate_all(selection, scan(diffusion, selection.attributes)).decisions
    assert not decision.accepted
    (warning,) = decision.warnings
    assert str(diffusion) in warning
    assert "3 items" in warning


def test_cine_loop_and_dose_grid(tmp_path: Path) -> None:
    """Frames that say nothing of their own are counted; a dose grid has slices, a loop has no place."""
    array = np.zeros((5, 3, 4), np.uint16)
    (tmp_path / "us").mkdir()
    (tmp_path / "dose").mkdir()
    write_cine(tmp_path / "us" / "a.dcm", array)
    write_dose(tmp_path / "dose" / "a.dcm", array, [0.0, 3.0, 6.0, 9.0, 12.0])
    assert dicom_filter(tmp_path / "us", {"num_frames": 5, "num_slices": {"exists": False}})
    assert dicom_filter(tmp_path / "us", {"num_frames": 5, "num_instances": 1})
    assert dicom_filter(tmp_path / "dose", {"num_slices": 5, "slice_spacing": 3, "num_frames": 5})


def test_single_frames_of_an_index_are_not_copied(
    make_series: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of images that say they have one frame, an index is asked for no more than the config asks."""
    array = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    make_series(array, "in", common={"NumberOfFrames": 1}, each=[{"EchoTime": 5}, {"EchoTime": 6}])
    index(tmp_path / "in", tmp_path / "index")

    def looked(_: Attributes) -> Any:
        raise AssertionError("all attributes of an instance were gone through")

    monkeypatch.setattr(Attributes, "__iter__", looked)
    assert len(dicom_filter(None, {"some": {"EchoTime": 5}}, index=tmp_path / "index")) == 1
    assert not dicom_filter(None, {"EchoTime": 5}, index=tmp_path / "index")
