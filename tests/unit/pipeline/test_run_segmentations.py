"""A function of a run may return a segmentation: it becomes a SEG, or a structure set, of its series."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

import dicomarray
from dicomarray import RunReport, Segment, Segmentation, Volume
from dicomarray.cli.main import main

FUNCTIONS = """
import numpy as np
from dicomarray import Segment, Segmentation

def organs(volume):
    labels = np.zeros(volume.array.shape, np.uint8)
    labels[1:4, 2:6, 3:9], labels[2:5, 7:10, 4:12] = 1, 2
    return Segmentation(labels, {1: "liver", 2: "spleen"}, geometry_of=volume)
"""


def organs(volume: Volume) -> Segmentation:
    """Two boxes."""
    labels = np.zeros(volume.array.shape, np.uint8)
    labels[1:4, 2:6, 3:9], labels[2:5, 7:10, 4:12] = 1, 2
    return Segmentation(labels, {1: "liver", 2: "spleen"}, geometry_of=volume)


def file_of(report: RunReport) -> Path:
    """The only file of the only result."""
    (entry,) = report.written
    (output,) = entry.outputs
    (file,) = Path(str(output.folder)).iterdir()
    return file


@pytest.mark.parametrize(("kind", "modality"), [("seg", "SEG"), ("rtstruct", "RTSTRUCT")])
def test_masks_come_back_from_what_is_written(ct: Path, tmp_path: Path, kind: Any, modality: str) -> None:
    """Voxel for voxel, on the series that they are of."""
    report = dicomarray.run(ct, tmp_path / "out", organs, segmentation=kind)
    file, volume = file_of(report), dicomarray.load(ct)
    assert dcmread(file).Modality == modality
    found = dicomarray.load_segmentation(file, on=volume)
    np.testing.assert_array_equal(found.labels, organs(volume).labels)
    assert [segment.label for segment in found.segments] == ["liver", "spleen"]
    output = report.written[0].outputs[0]
    assert (output.shape, output.units, output.count) == (volume.array.shape, "labels", 1)
    assert output.source_uid == volume.series["SeriesInstanceUID"]


def test_the_segments_say_who_made_them(ct: Path, tmp_path: Path) -> None:
    """Name and version are given once; without them it is the function; what a segment says stays."""

    def mixed(volume: Volume) -> Segmentation:
        made = organs(volume)
        mine = Segment(2, "spleen", algorithm="mine", algorithm_version="7")
        return made.with_segments([made.segments[0], mine])

    report = dicomarray.run(ct, tmp_path / "a", mixed, algorithm="net", algorithm_version="1.2")
    found = dicomarray.load_segmentation(file_of(report)).segments
    assert [(s.algorithm, s.algorithm_version) for s in found] == [("net", "1.2"), ("mine", "7")]
    report = dicomarray.run(ct, tmp_path / "b", organs)
    found = dicomarray.load_segmentation(file_of(report)).segments
    assert "organs" in str(found[0].algorithm)


def test_masks_and_images_are_results_side_by_side(ct: Path, tmp_path: Path) -> None:
    """A dict may hold both; each is a series of its own, with its name."""
    report = dicomarray.run(ct, tmp_path / "out", lambda v: {"soft": v.array // 2, "organs": organs(v)})
    outputs = {output.name: output for output in report.written[0].outputs}
    assert outputs["organs"].count == 1
    assert outputs["soft"].count == 6
    header = dcmread(next(Path(str(outputs["organs"].folder)).iterdir()))
    assert header.Modality == "SEG"
    assert header.SeriesDescription.endswith("organs")


def test_an_unknown_name_costs_the_series(ct: Path, tmp_path: Path) -> None:
    """The reason suggests; a structure set needs no codes."""

    def odd(volume: Volume) -> Segmentation:
        return organs(volume).with_segments([Segment(1, "livver"), Segment(2, "spleen")])

    report = dicomarray.run(ct, tmp_path / "seg", odd)
    assert "similar: liver" in str(report.failed[0].error)
    assert dicomarray.run(ct, tmp_path / "rt", odd, segmentation="rtstruct").written


def test_the_page_shows_masks_over_the_picture(ct: Path, tmp_path: Path) -> None:
    """The thumbnail is in colour."""
    import base64
    import io
    import re

    from PIL import Image

    report = dicomarray.run(ct, tmp_path / "out", organs)
    page = Path(str(report.page)).read_text("utf-8")
    (picture,) = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', page)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))).astype(int)
    half = pixels.shape[1] // 2
    coloured = np.ptp(pixels, axis=2) > 60
    assert coloured[:, half + 4 :].sum() > 100
    assert coloured[:, : half - 4].sum() == 0


def test_another_kind_of_masks_is_another_run(ct: Path, tmp_path: Path) -> None:
    """What is resumed is what was asked for; the rest is done again."""
    (tmp_path / "steps.py").write_text(FUNCTIONS)
    function = f"{tmp_path / 'steps.py'}:organs"
    for kind, resumed in (("seg", False), ("seg", True), ("rtstruct", False)):
        report = dicomarray.run(ct, tmp_path / "out", function, segmentation=kind, resume=True)
        assert report.entries[0].resumed is resumed, report.again
    assert dcmread(file_of(report)).Modality == "RTSTRUCT"
    assert report.again == {"changed: masks segmentation": 1}


def test_the_command_writes_structure_sets(ct: Path, tmp_path: Path) -> None:
    """`--segmentation`, `--algorithm` and its version, by flags."""
    (tmp_path / "steps.py").write_text(FUNCTIONS)
    flags = ["--segmentation", "rtstruct", "--algorithm", "net", "--algorithm-version", "2"]
    command = ["run", "-i", str(ct), "-o", str(tmp_path / "out"), "-f", f"{tmp_path / 'steps.py'}:organs"]
    assert main([*command, *flags]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()]
    assert lines[0]["masks"] == {"segmentation": "rtstruct", "algorithm": "net", "algorithm_version": "2"}
    (file,) = (tmp_path / "out").glob("*/*.dcm")
    assert dcmread(file).Modality == "RTSTRUCT"


@pytest.mark.parametrize(
    "bad", [{"segmentation": "nrrd"}, {"algorithm": "x" * 65}, {"algorithm_version": ""}]
)
def test_wrong_options_are_refused(ct: Path, tmp_path: Path, bad: Any) -> None:
    """Before anything is read."""
    with pytest.raises(dicomarray.UsageError, match=next(iter(bad))):
        dicomarray.run(ct, tmp_path / "out", organs, **bad)
