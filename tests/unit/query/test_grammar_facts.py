"""Filter grammar, groups: facts of the series - counts, spacing, plane, regularity, localizers, duration."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthetic
from dicomarray import dicom_filter, index, scan
from dicomarray.assembly.grouping.discriminators import DIFFUSION
from dicomarray.assembly.grouping.image_kinds import ATTRIBUTES
from dicomarray.core.diffusion import B_VALUE_ELEMENTS
from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.query.facts import FACTS
from dicomarray.query.instance import Evaluation
from dicomarray.query.selection import parse
from dicomarray.query.series_facts import Facts
from grammar import Table, accepts, refusal, table

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def image(z: float = 0.0, **further: Any) -> dict[str, Any]:
    """An axial image."""
    return {
        "Modality": "MR",
        "Rows": 4,
        "Columns": 5,
        "ImagePositionPatient": (0.0, 0.0, z),
        "ImageOrientationPatient": AXIAL,
        "PixelSpacing": (1.0, 1.0),
        "ImageType": ("ORIGINAL", "PRIMARY"),
    } | further


def stack(*positions: float, **further: Any) -> list[dict[str, Any]]:
    return [image(z, **further) for z in positions]


def fact(name: str, rows: list[dict[str, Any]]) -> Any:
    return Facts(Evaluation(table(rows))).value(name)


def tilted(degrees: float) -> tuple[float, ...]:
    angle = math.radians(degrees)
    return (1.0, 0.0, 0.0, 0.0, math.cos(angle), math.sin(angle))


def scout(*orientations: tuple[float, ...], slices: int = 5) -> list[dict[str, Any]]:
    """A few slices in each of some planes."""
    found = []
    for orientation in orientations:
        normal = np.cross(orientation[:3], orientation[3:])
        places = [tuple((10.0 * k * normal).tolist()) for k in range(slices)]
        found += [image(ImagePositionPatient=p, ImageOrientationPatient=orientation) for p in places]
    return found


def dixon(*words: str) -> list[dict[str, Any]]:
    """Images of a Dixon scan that differ in the last word of Image Type."""
    return [i | {"ImageType": ("ORIGINAL", "PRIMARY", "M", "ND", "DIXON", w)} for w in words for i in EVEN]


EVEN = stack(0, 2.5, 5, 7.5)
TWICE = [i | {"TemporalPositionIdentifier": t} for t in (1, 2) for i in EVEN]
# A series that a structure set is of, and that does not lie beside it.
OF_STS_002_CT = "1.3.6.1.4.1.14519.5.2.1.5168.1900.213265084688298564549535817201"
SEG = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4",
    "Modality": "SEG",
    "SegmentSequence": ({"SegmentLabel": "liver"}, {"SegmentLabel": "spleen"}),
    "ReferencedSeriesSequence": ({"SeriesInstanceUID": "1.2.3"},),
}
_OF_SERIES = tuple({"SeriesInstanceUID": uid} for uid in ("1.2.4", "1.2.5", "1.2.4"))
STRUCTURES = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3",
    "Modality": "RTSTRUCT",
    "StructureSetROISequence": ({"ROIName": "GTV"}, {"ROIName": "Body"}),
    "ReferencedFrameOfReferenceSequence": (
        {"RTReferencedStudySequence": ({"RTReferencedSeriesSequence": _OF_SERIES},)},
    ),
}
CASES: dict[str, list[tuple[list[dict[str, Any]], Any]]] = {
    "num_instances": [(EVEN, 4), ([{}], 1)],
    "num_frames": [
        (EVEN, 4),
        ([image(NumberOfFrames=30), image()], 31),
        ([image(NumberOfFrames="many")], None),
        ([image(NumberOfFrames=0)], None),
        ([{"Modality": "SR"}], 0),
    ],
    "num_slices": [
        (EVEN, 4),
        (TWICE, 4),
        (EVEN[::-1], 4),
        ([*EVEN, {"Modality": "SR"}], 4),
        ([*EVEN, image(ImageOrientationPatient=CORONAL)], 4),  # of the largest volume
        ([*EVEN, *stack(0, 1, 2, Rows=40, Columns=50)], 3),
        ([*EVEN, image(9, ImagePositionPatient=None)], 4),
        ([*EVEN, image(9, ImagePositionPatient=None, Rows=40, Columns=50)], None),
        (stack(*(0.005 * k for k in range(20)), PixelSpacing=(0.005, 0.005)), 20),
        (stack(*(0.001 * k for k in range(20)), PixelSpacing=(0.001, 0.001)), 20),
        ([*EVEN, image(9, ImagePositionPatient=(0.0, 0.0, "x"))], None),
        ([*EVEN, image(9, ImagePositionPatient=(0.0, 0.0))], None),
        ([*EVEN, image(9, ImagePositionPatient=(0.0, 0.0, math.nan))], None),
        ([*EVEN, image(9, ImagePositionPatient=(0, 0, 10**400))], None),
        ([*EVEN, image(9, ImagePositionPatient=(0.0, 0.0, 1e9))], None),
        ([*EVEN, image(9, ImageOrientationPatient=(0.0,) * 6)], 4),
        ([image(ImageOrientationPatient=(0.0,) * 6)], None),
        ([{"Modality": "SR"}], None),
    ],
    "num_volumes": [
        (EVEN, 1),
        ([*EVEN, *stack(0, 2.5, 5, 7.5, EchoTime=50.0)], 2),
        ([*EVEN, image(ImageOrientationPatient=CORONAL)], 2),
        (TWICE, 1),
        ([image(Rows="x")], None),
        ([{"Modality": "SR"}], None),
    ],
    "slice_spacing": [
        (EVEN, 2.5),
        (stack(0, 1, 2, 10), 1.0),
        ([i | {"SliceThickness": 5.0, "SpacingBetweenSlices": 6.0} for i in EVEN], 2.5),
        (stack(0), None),
        ([*EVEN, image(ImageOrientationPatient=CORONAL)], 2.5),
        (stack(*(0.005 * k for k in range(20)), PixelSpacing=(0.005, 0.005)), 0.005),
        ([image(z, ImagePositionPatient=(0.0, z / 4, z)) for z in range(5)], 1.0),  # a tilted gantry
    ],
    "plane": [
        (EVEN, "axial"),
        (stack(0, 1, ImageOrientationPatient=CORONAL), "coronal"),
        (stack(0, 1, ImageOrientationPatient=SAGITTAL), "sagittal"),
        (stack(0, 1, ImageOrientationPatient=tilted(44)), "axial"),
        (stack(0, 1, ImageOrientationPatient=tilted(46)), "coronal"),
        ([image(), image(ImageOrientationPatient=SAGITTAL)], "mixed"),
        ([image(), image(1, ImageOrientationPatient=tilted(20))], "axial"),
        ([image(), image(1, ImageOrientationPatient=(1.0, 0.0, 0.0, 1.0, 0.0, 0.0))], None),
    ],
    "obliquity": [
        (EVEN, 0.0),
        (stack(0, 1, ImageOrientationPatient=tilted(20)), 20.0),
        (stack(0, 1, ImageOrientationPatient=tilted(80)), 10.0),
        ([image(), image(1, ImageOrientationPatient=tilted(20))], 20.0),
    ],
    "is_regular": [
        (EVEN, True),
        (TWICE, True),
        (TWICE[1:], False),
        (stack(0, 2.5, 7.5), False),
        (stack(0, 2.5, 5.049, 7.5), True),
        (stack(0, 2.5, 5.051, 7.5), False),
        (stack(0, 0.5, 1.009, 1.5), True),
        (stack(0, 0.5, 1.011, 1.5), False),
        (stack(*(0.005 * k for k in range(20)), PixelSpacing=(0.005, 0.005)), True),
        ([*EVEN, *stack(0, 2.5, 5, 7.5, EchoTime=50.0)], True),
        ([*EVEN, *stack(0, 2.5, 5, EchoTime=50.0)], False),
        ([*EVEN, *stack(1, 3.5, 6, 8.5, EchoTime=50.0)], False),
        (stack(3), True),
        ([*EVEN, image(10, Rows=8)], False),
        ([*EVEN, image(10, PixelSpacing=(2.0, 2.0))], False),
        ([*EVEN, image(10, ImageOrientationPatient=tilted(5))], False),
        ([image(z, ImagePositionPatient=(0.0, z / 4, z)) for z in range(5)], True),
        ([image(z, ImagePositionPatient=(0.0, float(z == 2), float(z))) for z in range(5)], False),
        ([image(ImagePositionPatient=None)], None),
    ],
    "has_localizer": [
        (EVEN, False),
        ([*EVEN, image(ImageType=("ORIGINAL", "PRIMARY", "LOCALIZER"))], True),
        ([image(ImageType=None, FrameType=("ORIGINAL", "localizer"))], True),
        ([{"Rows": 1, "Columns": 1}], None),
        ([image(ImageType=None)], None),
        (scout(AXIAL, CORONAL, SAGITTAL), True),
        ([i | {"ImageType": None} for i in scout(AXIAL, CORONAL, SAGITTAL)], True),
        (scout(AXIAL, tilted(80), SAGITTAL), True),
        (scout(AXIAL, CORONAL), False),
        (scout(AXIAL, CORONAL, SAGITTAL, slices=30), True),
        (scout(AXIAL, CORONAL, SAGITTAL, slices=31), False),
        (scout(AXIAL, CORONAL, SAGITTAL, tilted(45)), False),
        (scout(AXIAL, tilted(60), SAGITTAL), False),
        ([*scout(AXIAL, CORONAL, SAGITTAL), image(ImagePositionPatient=None)], False),
        ([i | {"TriggerTime": t} for t in range(40) for i in scout(AXIAL, CORONAL, SAGITTAL)], True),
    ],
    "has_phases": [
        (EVEN, False),
        (TWICE, True),
        ([i | {"TriggerTime": t} for t in (0.0, 40.0) for i in EVEN], True),
        ([i | {"DiffusionBValue": b} for b in (0.0, 1000.0) for i in EVEN], False),
        ([*EVEN, *stack(0, 2.5, 5, 7.5, EchoTime=50.0)], False),
        ([image(ImagePositionPatient=(0.0, 0.0, "x"))], None),
    ],
    "b_value": [
        ([i | {"DiffusionBValue": b} for b in (1000.0, 0.0, 500) for i in EVEN], (0.0, 500.0, 1000.0)),
        ([i | {"Manufacturer": "SIEMENS", "(0019,SIEMENS MR HEADER,0C)": 700} for i in EVEN], (700.0,)),
        (
            [i | {"Manufacturer": "CANON", "ImageComments": "b=1500(0.445,0.000,0.895)"} for i in EVEN],
            (1500.0,),
        ),
        ([i | {"DiffusionBValue": 0.0, "Modality": "CT"} for i in EVEN], None),
        ([i | {"DiffusionBValue": "high"} for i in EVEN], None),
        ([i | {"DiffusionBValue": math.nan} for i in EVEN], None),
        (EVEN, None),
        ([{"Modality": "SR"}], None),
    ],
    "image_kinds": [
        (dixon("W", "F"), ("magnitude", "water", "fat")),
        (dixon("P")[:1], ("magnitude",)),
        ([image(ImageType=("DERIVED", "PRIMARY", "DIFFUSION", "ADC"))], ("adc",)),
        (
            [image(FrameType=("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"), ComplexImageComponent="PHASE")],
            ("phase",),
        ),
        ([image(DiffusionDirectionality="ISOTROPIC", DiffusionBValue=800.0)], ("trace",)),
        (EVEN, None),
        ([image(ImageType=None)], None),
    ],
    "segments": [
        ([SEG], ("liver", "spleen")),
        ([SEG, SEG], ("liver", "spleen")),
        ([STRUCTURES], ("GTV", "Body")),
        ([SEG | {"SegmentSequence": None}], None),
        ([SEG | {"SegmentSequence": ({"SegmentLabel": 3}, "x")}], None),
        ([{"Modality": "SR"}], None),
        (EVEN, None),
    ],
    "refers_to": [
        ([SEG], ("1.2.3",)),
        ([STRUCTURES], ("1.2.4", "1.2.5")),
        ([SEG | {"ReferencedSeriesSequence": None}], None),
        ([image(ReferencedSeriesSequence=({"SeriesInstanceUID": "1.2.3"},))], None),
        (EVEN, None),
    ],
    "duration_s": [
        (stack(0, 1, AcquisitionTime="120000"), 0.0),
        ([image(AcquisitionTime="120000"), image(AcquisitionTime="120130.500000")], 90.5),
        (
            [
                image(AcquisitionDate="20240101", AcquisitionTime="235959"),
                image(AcquisitionDate="20240102", AcquisitionTime="000001"),
            ],
            2.0,
        ),
        (
            [
                image(AcquisitionDateTime="20240101120000+0000"),
                image(AcquisitionDateTime="20240101130010+0100"),
            ],
            10.0,
        ),
        (
            [image(AcquisitionDateTime="20240101120000+0000"), image(AcquisitionDateTime="20240101130010")],
            None,
        ),
        ([image(TriggerTime=0.0), image(TriggerTime=850.0)], 0.85),
        ([image(TemporalPositionTimeOffset=0.0), image(TemporalPositionTimeOffset=30.0)], 30.0),
        ([image(AcquisitionTime="12", TriggerTime=0), image(AcquisitionTime="12", TriggerTime=9000)], 9.0),
        ([image(AcquisitionTime="120000"), image()], None),
        ([image(AcquisitionTime="soon")], None),
        (EVEN, None),
    ],
}
FLAT = [(name, i, rows, value) for name, cases in CASES.items() for i, (rows, value) in enumerate(cases)]


def test_every_fact_has_cases() -> None:
    """No fact goes untested."""
    assert CASES.keys() == FACTS.keys()


@pytest.mark.parametrize(("name", "rows", "value"), [(n, r, v) for n, _, r, v in FLAT],
                         ids=[f"{n} {i}" for n, i, _, _ in FLAT])  # fmt: skip
def test_fact(name: str, rows: list[dict[str, Any]], value: Any) -> None:
    """A fact is what the positions, times and types say; where they are broken it is unknown."""
    found = fact(name, rows)
    assert found == (pytest.approx(value, abs=1e-9) if isinstance(value, float) else value)
    assert type(found) is type(value)


def test_unknown_fact_matches_nothing() -> None:
    """A condition on it does not hold, its negation does, and exists tells."""
    assert not accepts({"num_slices": {"gte": 0}}, {})
    assert accepts({"num_slices": {"not": {"gte": 0}}}, {})
    assert accepts({"not": {"num_slices": {"gte": 0}}}, {})
    assert accepts({"num_slices": {"exists": False}}, {})
    assert accepts({"num_slices": {"exists": True}}, *EVEN)


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ({"num_slices": 4}, True),
        ({"num_slices": "4"}, True),
        ({"num_slices": [3, 4]}, True),
        ({"num_slices": {"between": [2, 3]}}, False),
        ({"num_slices": {"gte": 4, "lt": 5}}, True),
        ({"slice_spacing": {"near": [2.4, 0.2]}}, True),
        ({"slice_spacing": 2.5000001}, True),
        ({"plane": "axial"}, True),
        ({"plane": "AXIAL"}, True),
        ({"plane": ["coronal", "sagittal"]}, False),
        ({"plane": {"not": "mixed"}}, True),
        ({"is_regular": True}, True),
        ({"is_regular": "true"}, True),
        ({"is_regular": False}, False),
        ({"is_regular": {"eq": False}}, False),
        ({"has_localizer": {"not": True}}, True),
        ({"any": [{"plane": "coronal"}, {"num_slices": 4}]}, True),
        ({"b_value": {"gt": 500}}, False),
        ({"some": {"num_slices": 4}, "every": {"plane": "axial"}}, True),
        ({"not": {"plane": "coronal"}}, True),
    ],
    ids=str,
)
def test_condition_on_a_fact(condition: dict[str, Any], truth: bool) -> None:
    """As on numbers, words and truths; anywhere a node stands."""
    assert accepts(condition, *EVEN) is truth


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ({"b_value": {"gt": 500}}, True),
        ({"b_value": 0}, True),
        ({"b_value": [50, 1000]}, True),
        ({"b_value": {"gt": 0, "lt": 1000}}, False),  # of one value
        ({"b_value": {"between": [400, 600]}}, False),
        ({"b_value": {"not": {"gt": 500}}}, False),
        ({"b_value": {"each": {"gte": 0}}}, True),
        ({"b_value": {"each": {"gt": 0}}}, False),
        ({"b_value": {"has_all": [0, 1000]}}, True),
        ({"b_value": {"count": 2}}, True),
        ({"b_value": {"exists": True}}, True),
        ({"image_kinds": "water"}, True),
        ({"image_kinds": "WATER"}, True),
        ({"image_kinds": ["adc", "fat"]}, True),
        ({"image_kinds": "adc"}, False),
        ({"image_kinds": {"not": "adc"}}, True),
        ({"image_kinds": {"has_all": ["water", "fat"]}}, True),
        ({"image_kinds": {"each": ["water", "fat", "magnitude"]}}, True),
        ({"image_kinds": {"count": {"gt": 3}}}, False),
        ({"segments": {"exists": True}}, False),
    ],
    ids=str,
)
def test_condition_on_a_list(condition: dict[str, Any], truth: bool) -> None:
    """One of the values has to fit, as with attributes."""
    rows = [
        i | {"DiffusionBValue": b} for i, b in zip(dixon("W", "F"), [0.0] * 4 + [1000.0] * 4, strict=True)
    ]
    assert accepts(condition, *rows) is truth


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"image_kinds": "watr"}, '"water"'),
        ({"image_kinds": "wat*"}, "one of"),
        ({"image_kinds": {"gt": "water"}}, "does not apply"),
        ({"b_value": "high"}, "number"),
        ({"b_value": {"like": "5*"}}, "does not apply"),
        ({"plane": "axal"}, '"axial"'),
        ({"plane": "ax*"}, "one of"),
        ({"plane": {"gt": "axial"}}, "does not apply"),
        ({"is_regular": 1}, "true or false"),
        ({"is_regular": "yes"}, "true or false"),
        ({"is_regular": {"gt": False}}, "does not apply"),
        ({"num_slices": True}, "not a number"),
        ({"num_slices": {"count": 1}}, "does not apply"),
        ({"num_slices": {"empty": True}}, "does not apply"),
        ({"num_slices": {"vr": "IS", "eq": 1}}, "no meaning"),
        ({"num_slices": {"case": True, "eq": 1}}, "no meaning"),
        ({"num_slices": None}, "null"),
        ({"num_slices[0]": 1}, "no DICOM keyword"),
        ({"ProcedureCodeSequence": {"num_slices": 1}}, "item of a sequence"),
        ({"num_slice": 3}, '"num_slices"'),
    ],
    ids=str,
)
def test_mistake_in_a_fact(config: dict[str, Any], part: str) -> None:
    """What cannot be asked of a fact is refused."""
    assert part in refusal(config)


def test_only_needed_attributes_are_asked_for() -> None:
    """Facts name the attributes that they are made of, and only those."""
    assert parse({"num_instances": 1}).attributes == frozenset()
    assert "ImagePositionPatient" in parse({"any": [{"num_slices": 1}, {"Modality": "CT"}]}).attributes
    assert "AcquisitionTime" in parse({"sort": "-duration_s"}).attributes


def test_facts_are_lazy() -> None:
    """A fact that is not asked costs no column."""
    asked: list[str] = []

    class Watched(Table):
        def column(self, name: str) -> Any:
            asked.append(name)
            return super().column(name)

    assert parse({"Modality": "CT", "num_slices": 3}).decide(Watched(table(EVEN).instances)).accepted is False
    assert parse({"num_slices": 3, "Modality": "CT"}).decide(Watched(table(EVEN).instances)).accepted is False
    assert asked == ["Modality"] * 2


def test_facts_of_files(tmp_path: Path) -> None:
    """The scan reads what facts need: spacing from positions, where the header says otherwise."""
    array = synthetic.stored_values((5, 3, 4))
    synthetic.write_series(tmp_path / "a", array, common={"SliceThickness": 9.0, "SpacingBetweenSlices": 9.0})
    (series,) = scan(tmp_path)
    spacing = series.volume().spacing[0]
    assert spacing < 8
    assert len(dicom_filter(tmp_path, {"slice_spacing": {"near": [spacing, 1e-3]}, "num_slices": 5})) == 1
    assert dicom_filter(tmp_path, {"slice_spacing": 9}) == []
    assert len(dicom_filter(tmp_path, {"num_volumes": 1, "is_regular": True, "num_instances": 5})) == 1


def test_many_series_are_judged_in_a_second() -> None:
    """100,000 instances by constants; 10,000 by a fact, which orders them as `load` does."""
    places = tuple((0.0, 0.0, float(z)) for z in range(100))

    class Columns(Table):
        """As an index has them: constants stand once."""

        def column(self, name: str) -> Any:
            return (
                places if name == "ImagePositionPatient" else [self.instances[0].attributes.get(name, ABSENT)]
            )

    rows = [image(SliceThickness=1.5) | {"ImagePositionPatient": place} for place in places]
    columns = Columns(table(rows).instances)
    constants = {"Modality": ["MR", "C*"], "SliceThickness": {"lte": 3}}
    start = time.process_time()
    for config, times in ((constants, 1000), (constants | {"num_slices": {"gte": 20}}, 100)):
        selection = parse(config)
        assert all(selection.decide(columns).accepted for _ in range(times))
    assert time.process_time() - start < 5  # 0.8 s on an idle machine


BROKEN = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=6), st.just(10**400),
    st.just(({"CodeValue": "x"},)),
    st.lists(st.floats() | st.text(max_size=3) | st.none(), max_size=6).map(tuple),
    st.sampled_from([(0.0, 0.0, 5.0), AXIAL, "20240101", "120000", "20240101120000+0100"]),
)  # fmt: skip
ASKED = sorted(
    frozenset(B_VALUE_ELEMENTS).union(
        DEFAULT_KEYWORDS, ATTRIBUTES, DIFFUSION, *(asked.attributes for asked in FACTS.values())
    )
)


@given(
    st.lists(st.dictionaries(st.sampled_from(ASKED), BROKEN, max_size=8), min_size=1, max_size=4),
    st.booleans(),
)
@settings(max_examples=300)
def test_broken_values_never_raise(broken: list[dict[str, Any]], sound: bool) -> None:
    """Whatever stands in the attributes, each fact is a value of its kind or unknown."""
    rows = [(image(float(number)) if sound else {}) | row for number, row in enumerate(broken)]
    kinds = {"whole": int, "number": float, "word": str, "truth": bool, "text": str, "uid": str}
    for name, asked in FACTS.items():
        found = fact(name, rows)
        for value in found if asked.several and found is not None else (found,):
            assert isinstance(value, kinds[asked.kind] | None)


def test_many_orientations_do_not_take_for_ever() -> None:
    """500 images, each in its own orientation, are read in time."""
    rows = [image(float(i), ImageOrientationPatient=tilted(angle)) for i, angle in
            enumerate(np.linspace(0, 179, 500))]  # fmt: skip
    start = time.process_time()
    assert fact("num_volumes", rows) == 500
    assert fact("plane", rows) == "mixed"
    assert fact("has_localizer", rows) is False
    assert time.process_time() - start < 5  # 0.5 s of a processor


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ({"segments": "Liver"}, True),
        ({"segments": "*lee*"}, True),
        ({"segments": ["kidney", "spleen"]}, True),
        ({"segments": {"has_all": ["liver", "spleen"]}}, True),
        ({"segments": {"count": 2}}, True),
        ({"segments": {"each": "liver"}}, False),
        ({"segments": "kidney"}, False),
        ({"refers_to": "1.2.3"}, True),
        ({"refers_to": "1.2.4"}, False),
    ],
)
def test_a_segmentation_is_found_by_its_segments_and_its_series(
    condition: dict[str, Any], truth: bool
) -> None:
    """Labels are compared as texts, series by their UID; one of several satisfies the condition."""
    assert accepts(condition, SEG) is truth


def test_names_of_regions_are_hidden_as_those_of_patients() -> None:
    """An ROI Name may name the patient (PS3.15 Table E.1-1), so `--why` shows none."""
    config = {"segments": "liver", "refers_to": "1.2.3"}
    assert [leaf.field.name for leaf in parse(config).root.leaves() if leaf.identifying] == ["segments"]


def test_real_objects_are_found_by_their_segments(real_data: Path, tmp_path: Path) -> None:
    """SEG and structure sets as others wrote them, by a scan and by an index."""
    for folder, config, count in (
        ("seg-dcmqi", {"segments": "*liver*"}, 4),
        ("seg-dcmqi", {"refers_to": {"exists": True}}, 5),
        ("rtstruct-sts-002", {"Modality": "RTSTRUCT", "segments": {"exists": True}}, 3),
        ("rtstruct-sts-002", {"refers_to": OF_STS_002_CT}, 1),
    ):
        found = dicom_filter(real_data / folder, config)
        assert len(found) == count, config
        index(real_data / folder, tmp_path / folder)
        assert [s.uid for s in dicom_filter(None, config, index=tmp_path / folder)] == [s.uid for s in found]
