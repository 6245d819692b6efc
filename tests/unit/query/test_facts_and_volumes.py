"""Facts of the filter and what `load` reads, side by side: from a scan and from an index.

A fact may be unknown where `load` refuses the series too, and where only pixels tell whether images are
copies of each other: the filter reads none.  Anything else is one answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synthetic
from dicomarray import dicom_filter, index, open_index, scan
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.series import Series
from dicomarray.errors import DataError
from dicomarray.query.facts import FACTS
from dicomarray.query.instance import Evaluation
from dicomarray.query.rows import rows_of
from dicomarray.query.series_facts import THERE, Facts, largest
from enhanced_files import at, content, measured, write_cine, write_dose, write_enhanced

OF_VOLUMES = [name for name, fact in FACTS.items() if fact.source != "rows"]
ONLY_PIXELS = "only pixels show"
# What a scan reads for all facts.
ASKED = frozenset().union(*(fact.attributes for fact in FACTS.values()))


def facts_of(series: Series) -> dict[str, tuple[Any, str | None]]:
    """Every fact and why it is unknown."""
    facts = Facts(Evaluation(rows_of(series.instances, ASKED)))
    return {name: (facts.value(name), facts.why_unknown(name)) for name in FACTS}


def expected(stacks: list[Stack]) -> dict[str, Any]:
    """The facts that a look at the volumes tells."""
    geometry = largest(stacks).geometry
    found: dict[str, Any] = {
        "num_volumes": len(stacks),
        "num_slices": None if geometry is None else largest(stacks).shape[-1],
        "slice_spacing": None,
        "has_phases": any(stack.axis == "time" for stack in stacks),
    }
    if geometry is not None and len(geometry.slice_positions) > 1:
        found["slice_spacing"] = geometry.spacing[0] * math.cos(math.radians(geometry.tilt_degrees))
    if len(stacks) == 1 and geometry is not None:
        found["is_regular"] = geometry.uniform
    if any(stack.geometry is not None and not stack.geometry.uniform for stack in stacks):
        found["is_regular"] = False
    return found


def compare(series: Series) -> str:
    """Hold one series' facts and volumes side by side; says which of the cases it was."""
    facts = facts_of(series)
    if any(why and ONLY_PIXELS in why for _, why in facts.values()):
        assert all(facts[name][0] is None for name in ("num_volumes", "num_slices", "is_regular"))
        return "only pixels"
    try:
        stacks = series.stacks(THERE)
    except DataError:
        return "refused"
    for name, value in expected(stacks).items():
        assert facts[name][0] == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value), name
    return "same"


def compare_all(folder: Path, index_file: Path) -> dict[str, int]:
    """Every series of images below a folder; how often each case occurred."""
    index(folder, index_file)
    indexed = open_index(index_file)
    counts: dict[str, int] = {}
    scanned = [series for series in scan(folder, ASKED) if series.is_image]
    kept = [series for series in indexed if series.is_image]
    assert [series.uid for series in scanned] == [series.uid for series in kept]
    for series, other in zip(scanned, kept, strict=True):
        case = compare(series)
        counts[case] = counts.get(case, 0) + 1
        assert same(facts_of(series), facts_of(other)), series.title
    return counts


def same(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    """Whether facts agree; the reasons name files, of archives by other names."""
    return {name: value for name, (value, _) in one.items()} == {name: v for name, (v, _) in two.items()}


def test_real_series(real_data: Path, tmp_path: Path) -> None:
    """It holds for the series of the real data."""
    counts = compare_all(real_data, tmp_path / "i.sqlite")
    assert counts["same"] > 15


def test_pydicoms_files(pydicom_data: Path, pydicom_more_data: Path, tmp_path: Path) -> None:
    """Everything that pydicom tests itself with, odd as it is."""
    assert compare_all(pydicom_data / "test_files", tmp_path / "a.sqlite")["same"] > 20
    assert compare_all(pydicom_more_data, tmp_path / "b.sqlite")["same"] > 5


@pytest.mark.parametrize("make", synthetic.FAULTS, ids=lambda make: make.__name__)
def test_faulty_series(make: Any, tmp_path: Path) -> None:
    """It holds for each fault, which has a name."""
    make(tmp_path / "in")
    assert sum(compare_all(tmp_path / "in", tmp_path / "i.sqlite").values()) == 1


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Images of one series: slices, repetitions, echoes, orientations, gaps, jitter, copies, a lost place."""
    slices, spacing = draw(st.integers(1, 5)), draw(st.sampled_from([0.001, 0.005, 0.7, 2.5, 10.0]))
    jitter = draw(st.sampled_from([0.0, 0.01, 0.03, 0.2])) * spacing
    turns = draw(st.sampled_from([[synthetic.AXIAL], [synthetic.AXIAL, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)]]))
    told = draw(st.sampled_from([
        [{}], [{"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}],
        [{"EchoTime": 2.4}, {"EchoTime": 4.8}], [{"DiffusionBValue": 0.0}, {"DiffusionBValue": 900.0}],
        [{"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"ImageType": ["DERIVED", "PRIMARY", "M"]}],
        [{"TriggerTime": 0.0}, {"TriggerTime": 30.0}, {"TriggerTime": 60.0}], [{}, {}],
    ]))  # fmt: skip
    images: list[dict[str, Any]] = []
    for turn in turns:
        normal = np.cross(turn[:3], turn[3:])
        for step in told:
            for k in range(slices):
                place = (k * spacing + jitter * (k % 2)) * normal
                images.append(
                    {"ImageOrientationPatient": list(turn), "ImagePositionPatient": place.tolist()} | step
                )
    for number, image in enumerate(images):
        image["InstanceNumber"] = number + 1
        image["PixelSpacing"] = [min(spacing, 1.0)] * 2
        image["SOPInstanceUID"] = f"1.2.3.{number}"
    without = draw(st.sets(st.integers(0, len(images) - 1), max_size=min(2, len(images) - 1)))
    again = draw(st.sampled_from([[], [], [], [images[0]]]))
    lost = draw(st.sampled_from([None, None, None, 0]))
    if lost is not None:
        images[lost] = images[lost] | {"ImagePositionPatient": ...}
    return [image for number, image in enumerate(images) if number not in without] + again


@given(plans(), st.sampled_from(["MR", "CT"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_made_series(
    tmp_path_factory: pytest.TempPathFactory, plan: list[dict[str, Any]], modality: str
) -> None:
    """It holds for series made in code, whole and damaged."""
    folder = tmp_path_factory.mktemp("made")
    array = np.random.default_rng(len(plan)).integers(0, 1000, (len(plan), 3, 4)).astype(np.uint16)
    synthetic.write_series(folder / "in", array, modality=modality, each=plan)
    compare_all(folder / "in", folder / "i.sqlite")


def test_enhanced_objects_grids_and_loops(tmp_path: Path) -> None:
    """It holds for a 4-D object with a gap, a dose grid, and a loop without a place."""
    array = np.arange(6 * 3 * 4, dtype=np.uint16).reshape(6, 3, 4)
    frames = [at(z) | content(TemporalPositionIndex=t, StackID="1") for t in (1, 2) for z in (0.0, 2.5, 7.5)]
    write_enhanced(tmp_path / "in" / "mr" / "a.dcm", array, frames, shared=measured(thickness=2.0))
    (tmp_path / "in" / "us").mkdir()
    write_cine(tmp_path / "in" / "us" / "a.dcm", array)
    (tmp_path / "in" / "dose").mkdir()
    write_dose(tmp_path / "in" / "dose" / "a.dcm", array, [0.0, 3.0, 6.0, 9.0, 12.0, 15.0])
    assert compare_all(tmp_path / "in", tmp_path / "i.sqlite") == {"same": 3}
    assert len(dicom_filter(tmp_path / "in", {"num_slices": 3, "is_regular": False, "has_phases": True})) == 1


def copies(folder: Path, second: Iterable[int]) -> None:
    """A series of three slices, some of which are there twice, by one SOP Instance UID."""
    numbers = [0, 1, 2, *second]
    array = synthetic.stored_values((3, 3, 4))[numbers]
    each = [
        {"SOPInstanceUID": f"1.2.3.{n}", "InstanceNumber": n, "ImagePositionPatient": [0, 0, 2.5 * n]}
        for n in numbers
    ]
    synthetic.write_series(folder, array, each=each)


@pytest.mark.parametrize("second", [(1,), (0, 1, 2)], ids=["one", "all"])
def test_possible_copies_are_unknown(tmp_path: Path, second: tuple[int, ...]) -> None:
    """What only pixels could tell is unknown, in a scan and in an index, and the report says so."""
    copies(tmp_path / "in", second)
    assert compare_all(tmp_path / "in", tmp_path / "i.sqlite") == {"only pixels": 1}
    (series,) = scan(tmp_path / "in")
    facts = facts_of(series)
    assert facts["plane"] == ("axial", None)
    assert facts["num_frames"] == (3 + len(second), None)
    for catalog in (scan(tmp_path / "in"), open_index(tmp_path / "i.sqlite")):
        (missed,) = catalog.explain({"num_volumes": 1}).missed
        (hint,) = missed.reasons[0].hints
        assert ONLY_PIXELS in hint


def test_what_stays_known_without_volumes(tmp_path: Path) -> None:
    """Images that form no volume: what they are is known, how many volumes there are is not."""
    array = np.arange(3 * 3 * 3 * 4, dtype=np.uint16).reshape(3, 3, 3, 4)
    synthetic.write_repetitions(tmp_path, array, [{}, {}, {}], without=[(0, 0)])
    (series,) = scan(tmp_path)
    facts = facts_of(series)
    assert compare(series) == "refused"
    assert facts["num_volumes"][0] is None and facts["num_slices"][0] is None
    assert "2 images lie at one position where 3 is usual" in str(facts["num_volumes"][1])
    assert facts["is_regular"] == (False, None)
    assert facts["plane"] == ("axial", None)


def test_what_images_say_is_known_without_places(tmp_path: Path) -> None:
    """A place that is broken hides neither b-values nor what images show."""
    common = {"ImageType": ["ORIGINAL", "PRIMARY", "M", "DIFFUSION"], "DiffusionBValue": 800.0}
    each = [{}, {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}]
    synthetic.write_series(
        tmp_path, synthetic.stored_values((2, 3, 4)), modality="MR", common=common, each=each
    )
    (series,) = scan(tmp_path)
    facts = facts_of(series)
    assert (facts["b_value"][0], facts["image_kinds"][0]) == ((800.0,), ("magnitude",))
    assert facts["num_slices"][0] is None
    assert facts["is_regular"][0] is None


def test_diffusion_is_found_by_its_b_value(real_data: Path, tmp_path: Path) -> None:
    """The diffusion series at hand are found by one condition, in a scan and in an index."""
    index(real_data, tmp_path / "i.sqlite")
    asked = {"b_value": {"gt": 500}}
    found = [series.uid for series in dicom_filter(real_data, asked)]
    kept = [series.uid for series in dicom_filter(None, asked, index=tmp_path / "i.sqlite")]
    assert found == kept
    assert len(found) > 1


def test_a_broken_place_is_told(tmp_path: Path) -> None:
    """The reason for an unknown fact names the file and the attribute."""
    each = [{}, {"ImagePositionPatient": [0, 0]}, {}]
    synthetic.write_series(tmp_path, synthetic.stored_values((3, 3, 4)), each=each)
    (missed,) = scan(tmp_path).explain({"num_slices": 3, "num_frames": 3}).missed
    (reason,) = missed.reasons
    assert "ImagePositionPatient" in reason.hints[0]
    (series,) = scan(tmp_path)
    assert facts_of(series)["image_kinds"] == (None, None)  # known not to be told
    assert str(tmp_path) in reason.hints[0]
