"""What differs in kind makes volumes of its own: echoes, components, maps, orientations, shapes, copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import generate_uid

import enhanced_files
import synthetic
from dicomarray import Volume, scan
from dicomarray.assembly.frames.frame import Frame, frames_of
from dicomarray.assembly.grouping.image_kind import kind_of, unusable_values
from dicomarray.assembly.grouping.image_kinds import GE_IMAGE_COMPONENT, component_of
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import GeometryError
from synthetic import write_repetitions

SHAPE = (2, 3, 5, 6)  # kinds, slices, rows, columns


def volumes(folder: Path | Sequence[Path], **options: Any) -> list[Volume]:
    (series,) = scan(folder)
    return series.volumes(**options)


def uids() -> dict[str, str]:
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    return {keyword: generate_uid(prefix=None) for keyword in keywords}


# --- two of a kind at every position ----------------------------------------------------------------------

SIEMENS = [["ORIGINAL", "PRIMARY", letter, "ND"] for letter in "MPRI"]
PHILIPS = [["ORIGINAL", "PRIMARY", f"{letter}_FFE", letter, "FFE"] for letter in "MPRI"]


@pytest.mark.parametrize("order", ["volume", "slice"])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"EchoTime": 5, "EchoNumbers": 1}, {"EchoTime": 10, "EchoNumbers": 2}),
        ({"EchoTime": 4.92}, {"EchoTime": 7.38}),
        ({"EchoNumbers": 1}, {"EchoNumbers": 2}),
        ({"ImageType": SIEMENS[0]}, {"ImageType": SIEMENS[1]}),
        ({"ImageType": SIEMENS[2]}, {"ImageType": SIEMENS[3]}),
        ({"ImageType": PHILIPS[0]}, {"ImageType": PHILIPS[1]}),
        ({"ImageType": PHILIPS[2]}, {"ImageType": PHILIPS[3]}),
        ({"ImageType": PHILIPS[0]}, {"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "PCA"]}),
        ({"ImageType": PHILIPS[0]}, {"ImageType": ["ORIGINAL", "PRIMARY", "VELOCITY MAP", "P", "PCA"]}),
        ({}, {"ImageType": ["DERIVED", "PRIMARY", "M", "ADC"]}),
        ({"ProtocolName": "t1"}, {"ProtocolName": "t2"}),
        ({"SeriesNumber": 3}, {"SeriesNumber": 4}),
        ({"PixelSpacing": [0.5, 0.75]}, {"PixelSpacing": [0.5, 0.8]}),
    ],
)
def test_each_kind_is_a_volume(
    tmp_path: Path, one: Mapping[str, Any], other: Mapping[str, Any], order: str
) -> None:
    """Never a time axis, never mixed, whichever way the images were acquired."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, [one, other], order=order)
    made = volumes(tmp_path / "s")
    assert [volume.axes for volume in made] == [("slice", "row", "column")] * 2
    for volume, expected in zip(made, array, strict=True):
        assert np.array_equal(volume.array, expected)


def test_echo_times_that_differ_by_rounding_are_one_echo(tmp_path: Path) -> None:
    """2.460 and 2.4601 ms are one echo: two time points of it, no second volume."""
    array = synthetic.stored_values(SHAPE)
    steps = [
        {"EchoTime": time, "TemporalPositionIdentifier": index + 1}
        for index, time in enumerate((2.46, 2.4601))
    ]
    write_repetitions(tmp_path / "s", array, steps)
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, array)


def test_ge_components_by_its_private_code(tmp_path: Path) -> None:
    """GE writes the same Image Type for all; 0043,xx2F is 0 to 3 for magnitude, phase, real, imaginary."""
    array = synthetic.stored_values((4, *SHAPE[1:]))
    files = write_repetitions(
        tmp_path / "s", array, [{}] * 4, order="slice", common={"Manufacturer": "GE MEDICAL SYSTEMS"}
    )
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        data_set.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", index % 4)
        data_set.save_as(file)
    (series,) = scan(tmp_path / "s")
    stacks = series.stacks()
    assert [stack.kind.component for stack in stacks] == ["magnitude", "phase", "real", "imaginary"]
    for volume, expected in zip(series.volumes(), array, strict=True):
        assert np.array_equal(volume.array, expected)


def test_echoes_and_components_and_times_at_once(tmp_path: Path) -> None:
    """2 echoes x magnitude and phase x 2 times make four volumes of two times each."""
    steps = [
        {"EchoTime": echo, "ImageType": SIEMENS[component], "TemporalPositionIdentifier": time}
        for time in (1, 2)
        for echo in (5, 10)
        for component in (0, 1)
    ]
    array = synthetic.stored_values((8, *SHAPE[1:]))
    write_repetitions(tmp_path / "s", array, steps, order="slice")
    made = volumes(tmp_path / "s")
    assert len(made) == 4
    for index, volume in enumerate(made):
        assert volume.axes[0] == "time"
        assert np.array_equal(volume.array, array[[index, index + 4]])


# --- other places, other shapes ---------------------------------------------------------------------------

CORONAL = [1, 0, 0, 0, 0, -1]
SAGITTAL = [0, 1, 0, 0, 0, -1]


def test_three_orientations_are_three_volumes(tmp_path: Path) -> None:
    """A three-plane localizer of three slices each is split, though interleaved by number."""
    array, same = synthetic.stored_values((3, *SHAPE[1:])), uids()
    for index, orientation in enumerate((synthetic.AXIAL, CORONAL, SAGITTAL)):
        synthetic.write_series(
            tmp_path / "s",
            array[index],
            common=same | {"ImageOrientationPatient": list(orientation)},
            each=[{"InstanceNumber": 3 * slice_ + index + 1} for slice_ in range(3)],
        )
    (series,) = scan(tmp_path / "s")
    made = series.volumes()
    assert len(made) == 3
    for volume, expected, name in zip(made, array, ("axial", "coronal", "sagittal"), strict=True):
        assert np.array_equal(volume.array, expected.astype(int) - 1024)
        assert volume.affine is not None
        assert np.linalg.det(volume.affine[:3, [2, 1, 0]]) > 0
        assert any(name in stack.label for stack in series.stacks())


def test_other_shapes_are_other_volumes(tmp_path: Path) -> None:
    """5 x 6 and 6 x 5 voxels at the same places make two volumes."""
    same = uids()
    wide, high = synthetic.stored_values((3, 5, 6)), synthetic.stored_values((3, 6, 5))
    synthetic.write_series(tmp_path / "s", wide, common=same)
    synthetic.write_series(tmp_path / "s", high, common=same, each=[{"InstanceNumber": n} for n in (4, 5, 6)])
    assert [volume.array.shape for volume in volumes(tmp_path / "s")] == [(3, 5, 6), (3, 6, 5)]


def test_orientation_jitter_is_no_other_orientation(tmp_path: Path) -> None:
    """Cosines that differ in the sixth digit, as scanners write them, make one volume."""
    each = [
        {"ImageOrientationPatient": [1, 0, jitter, 0, 1, -jitter]}
        for jitter in (0.0, 1e-6, -2e-6, 0.0, 3e-6, 1e-6)
    ]
    stored = synthetic.stored_values()
    synthetic.write_series(tmp_path / "s", stored, each=each)
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, stored.astype(int) - 1024)


def test_classic_and_enhanced_copies_are_two_volumes(tmp_path: Path) -> None:
    """The same scan in both forms under one Series UID: not a second time point."""
    same, array = uids(), synthetic.stored_values(SHAPE[1:])
    synthetic.write_series(tmp_path / "s", array, modality="MR", common=same)
    enhanced_files.write_enhanced(tmp_path / "s" / "e.dcm", array, common=same | {"InstanceNumber": 9})
    made = volumes(tmp_path / "s")
    assert len(made) == 2
    for volume in made:
        assert volume.axes == ("slice", "row", "column")
        assert np.array_equal(volume.array, array)
    assert made[0].affine == pytest.approx(made[1].affine)


def test_images_with_and_without_a_place_are_kept_apart(tmp_path: Path) -> None:
    """A screenshot of the same shape in an MR series is no slice."""
    same, array = uids(), synthetic.stored_values(SHAPE[1:])
    synthetic.write_series(tmp_path / "s", array, modality="MR", common=same)
    screenshot = {"ImagePositionPatient": ..., "ImageOrientationPatient": ..., "InstanceNumber": 99}
    synthetic.write_series(tmp_path / "s", array[:1], modality="MR", common=same, each=[screenshot])
    placed, other = volumes(tmp_path / "s")
    assert np.array_equal(placed.array, array)
    assert other.axes == ("frame", "row", "column")
    assert other.affine is None


# --- side by side -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["volume", "slice"])
def test_parallel_stacks_beside_each_other_are_two_volumes(tmp_path: Path, order: str) -> None:
    """Left and right at the same heights: no time points, each where its header says."""
    array = synthetic.stored_values(SHAPE)
    files = write_repetitions(tmp_path / "s", array, [{}, {}], order=order)
    placed: dict[float, list[NDArray[Any]]] = {-20.0: [], 60.0: []}
    for index, file in enumerate(files):
        second = index >= 3 if order == "volume" else index % 2
        data_set = pydicom.dcmread(file)
        data_set.ImagePositionPatient[0] = 60.0 if second else -20.0
        data_set.save_as(file)
        placed[60.0 if second else -20.0].append(data_set.pixel_array)
    made = volumes(tmp_path / "s")
    assert len(made) == 2
    for volume in made:
        assert volume.affine is not None
        assert np.array_equal(volume.array, np.stack(placed[float(volume.affine[0, 3])]))


def test_stacks_side_by_side_that_drift_are_refused(tmp_path: Path) -> None:
    """Tilted, and two images in each plane: which belong together is not guessed."""
    drift = [{"ImagePositionPatient": [x + 3 * z, -30, 100 + 2.5 * z]} for x in (-20, 60) for z in range(3)]
    array = synthetic.stored_values(SHAPE)
    synthetic.write_series(tmp_path / "s", array.reshape(-1, 5, 6), modality="MR", each=drift)
    with pytest.raises(GeometryError, match="side by side"):
        volumes(tmp_path / "s")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_time_points_that_follow_motion_are_volumes_of_their_own(tmp_path: Path, axis: int) -> None:
    """Shifted by 0.2 mm, in the plane or along z: each at its own place, never interleaved, and told."""
    array = synthetic.stored_values(SHAPE)
    files = write_repetitions(
        tmp_path / "s", array, [{"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}]
    )
    for file in files[3:]:
        data_set = pydicom.dcmread(file)
        data_set.ImagePositionPatient[axis] += 0.2
        data_set.save_as(file)
    found = volumes(tmp_path / "s")
    assert len(found) == 2
    for index, volume in enumerate(found):
        place = list(synthetic.ORIGIN_MM)
        place[axis] += 0.2 * index
        assert np.array_equal(volume.array, array[index])
        assert volume.affine is not None
        assert volume.affine[:3, 3] == pytest.approx(place)
        assert any("moved the slices" in warning for warning in volume.warnings)


def test_slices_numbered_like_time_points_stay_one_volume(tmp_path: Path) -> None:
    """A time index of odd and even slices, half a step apart, is no motion: nothing is laid on another."""
    stored = synthetic.stored_values((6, 5, 6))
    each = [{"TemporalPositionIdentifier": index % 2 + 1} for index in range(6)]
    synthetic.write_series(tmp_path / "s", stored, modality="MR", each=each)
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, stored)


# --- the words --------------------------------------------------------------------------------------------


def frame(**attributes: Any) -> Frame:
    private = {GE_IMAGE_COMPONENT: attributes.pop("ge")} if "ge" in attributes else {}
    needed = {"Rows": 2, "Columns": 2, "ImagePositionPatient": (0.0, 0.0, 0.0)}
    return frames_of(Header(Path("x.dcm"), None, needed | private | attributes))[0]


@pytest.mark.parametrize(
    ("attributes", "component"),
    [
        ({}, ""),
        ({"ImageType": ("ORIGINAL", "PRIMARY")}, ""),
        ({"ImageType": ("ORIGINAL", "PRIMARY", "M", "NORM")}, "magnitude"),
        ({"ImageType": ("ORIGINAL", "PRIMARY", "M_SE", "M", "SE")}, "magnitude"),
        ({"ImageType": ("ORIGINAL", "PRIMARY", "phase", "nd")}, "phase"),
        ({"ImageType": ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")}, ""),
        ({"ImageType": ("M", "PRIMARY", "P")}, "phase"),
        ({"ImageType": ("ORIGINAL", "PRIMARY", None, "R")}, "real"),
        ({"FrameType": ("ORIGINAL", "PRIMARY", "I"), "ImageType": ("ORIGINAL", "PRIMARY", "M")}, "imaginary"),
        ({"ComplexImageComponent": "PHASE", "ImageType": ("ORIGINAL", "PRIMARY", "M")}, "phase"),
        ({"ComplexImageComponent": "MIXED", "ImageType": ("ORIGINAL", "PRIMARY", "M")}, "magnitude"),
        ({"ge": 2, "ImageType": ("ORIGINAL", "PRIMARY", "OTHER")}, "real"),
        ({"ge": 77}, ""),
    ],
)
def test_component_by_the_vendors_words(attributes: dict[str, Any], component: str) -> None:
    """Complex Image Component goes first, then GE's code, then Image Type from its third value on."""
    assert component_of(frame(**attributes).attributes) == component


def test_labels_tell_the_choices_apart(tmp_path: Path) -> None:
    """Echo, component, derived and the axis are in the list of choices."""
    steps = [
        {"EchoNumbers": 1, "EchoTime": 5, "ImageType": SIEMENS[0]},
        {"EchoNumbers": 2, "EchoTime": 9, "ImageType": SIEMENS[1]},
        {"ImageType": ["DERIVED", "PRIMARY", "M", "ADC"]},
    ]
    write_repetitions(tmp_path / "s", synthetic.stored_values((3, *SHAPE[1:])), steps)
    (series,) = scan(tmp_path / "s")
    labels = [stack.label for stack in series.stacks()]
    assert labels == [
        "3 x 5 x 6, axial, echo 1, magnitude",
        "3 x 5 x 6, axial, echo 2, phase",
        "3 x 5 x 6, axial, magnitude, adc, derived",
    ]


def test_segments_are_volumes_of_their_own() -> None:
    """Two segments at the same places are no time points (PS3.3 C.8.20.3.1)."""
    one, other = (kind_of(frame(ReferencedSegmentNumber=number)) for number in (1, 2))
    assert one != other
    assert replace(one, others=()) == replace(other, others=())


# --- rounding, and what is missing or odd -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("PixelSpacing", ["0.78125", "0.78125"], ["0.781251", "0.781251"]),
        ("PixelSpacing", ["0.7813", "0.7813"], ["0.7814", "0.7814"]),
        ("EchoTime", "2.4625", "2.46250009536743"),
        ("EchoTime", "2.460", "2.465"),
        ("NumberOfFrames", 1, ...),
        ("RescaleType", "US", ...),
        ("RescaleType", "US", None),
        ("RescaleType", "normalized", "US"),
    ],
)
def test_a_regular_stack_is_not_torn(tmp_path: Path, keyword: str, one: Any, other: Any) -> None:
    """Every second slice says the same in another way: one volume of single spacing."""
    stored = synthetic.stored_values((6, 5, 6))
    each = [{keyword: other if index % 2 else one} for index in range(6)]
    synthetic.write_series(tmp_path / "s", stored, modality="MR", each=each)
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, stored)
    assert volume.spacing is not None
    assert volume.spacing[0] == synthetic.SPACING_MM


@pytest.mark.parametrize("times", [(2.460, 2.466), (2.4, 2.5)])
def test_echo_times_beyond_the_tolerance_are_two_echoes(tmp_path: Path, times: tuple[float, float]) -> None:
    """They are two where they are more than 0.005 ms apart."""
    write_repetitions(tmp_path / "s", synthetic.stored_values(SHAPE), [{"EchoTime": time} for time in times])
    assert len(volumes(tmp_path / "s")) == 2


def test_echo_times_of_an_enhanced_object_are_not_torn(tmp_path: Path) -> None:
    """EffectiveEchoTime is a double, whose last digits differ from frame to frame."""
    array = synthetic.stored_values((6, 5, 6))
    frames = [
        {**enhanced_files.at(z * 2.5), **enhanced_files.echo(2.4675 if z % 2 else 2.467500001)}
        for z in range(6)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array, frames)
    (volume,) = volumes(tmp_path / "e.dcm")
    assert np.array_equal(volume.array, array)


def test_number_of_frames_leaves_private_b_values_in_use(tmp_path: Path) -> None:
    """Classic files with NumberOfFrames 1, numbered at random: GE's b-values tell the repetitions."""
    array = synthetic.stored_values((3, *SHAPE[1:]))
    numbers = [5, 1, 9, 3, 7, 2, 8, 6, 4]
    files = write_repetitions(
        tmp_path / "s",
        array,
        [{"NumberOfFrames": 1}] * 3,
        numbers=numbers,
        common={"Manufacturer": "GE MEDICAL SYSTEMS"},
    )
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        block = data_set.private_block(0x0043, "GEMS_PARM_01", create=True)
        block.add_new(0x39, "IS", [500 * (index // 3), 8, 0, 0])
        data_set.save_as(file)
    (volume,) = volumes(tmp_path / "s")
    assert volume.axes[0] == "diffusion"
    b_values = volume.coordinates["DiffusionBValue"]
    assert sorted(b_values) == [0, 500, 1000]
    assert np.array_equal(volume.array, array[[int(b_value) // 500 for b_value in b_values]])


@pytest.mark.parametrize(
    ("modality", "one", "other"),
    [
        ("PT", {"Units": "BQML"}, {"Units": "CNTS"}),
        ("CT", {"RescaleType": "HU"}, {"RescaleType": "OD"}),
        ("CT", {"RescaleType": ...}, {"RescaleType": "Z_EFF"}),
        ("MR", {"RescaleType": "normalized"}, {"RescaleType": "mrad"}),
        ("MR", {}, {"StudyInstanceUID": "1.2.3"}),
    ],
)
def test_other_quantities_and_studies_are_volumes_of_their_own(
    tmp_path: Path, modality: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """They are never one volume under the units of the first slice."""
    stored = synthetic.stored_values((6, 5, 6))
    synthetic.write_series(tmp_path / "s", stored, modality=modality, each=[one] * 3 + [other] * 3)
    lower, upper = volumes(tmp_path / "s", units="stored")
    assert np.array_equal(lower.array, stored[:3])
    assert np.array_equal(upper.array, stored[3:])


@pytest.mark.parametrize(
    ("keyword", "kinds", "volumes_made"),
    [
        ("DoseType", ("PHYSICAL", "EFFECTIVE"), 2),
        ("DoseSummationType", ("PLAN", "BEAM"), 2),
        ("DoseSummationType", ("BEAM", "BEAM"), 1),
    ],
)
def test_dose_types_are_volumes_of_their_own(
    tmp_path: Path, keyword: str, kinds: tuple[str, str], volumes_made: int
) -> None:
    """Effective dose is no second time point of the physical one, nor a beam of the plan; beams are alike."""
    array, same = synthetic.stored_values((2, 3, 5, 6)), uids()
    for number, kind in enumerate(kinds):
        enhanced_files.write_dose(
            tmp_path / "s" / f"{number}.dcm",
            array[number],
            (0.0, 2.5, 5.0),
            same | {keyword: kind, "InstanceNumber": number + 1},
        )
    made = volumes(tmp_path / "s")
    assert len(made) == volumes_made
    assert all(volume.metadata["series"][keyword] in kinds for volume in made)


def test_frames_of_two_quantities_are_two_volumes(tmp_path: Path) -> None:
    """HU and effective atomic number at the same places of one object each have their units."""
    array = synthetic.stored_values((2, 3, 5, 6))
    frames = [
        {**enhanced_files.at(z * 2.5), **enhanced_files.rescaled(1, 0, kind)}
        for kind in ("HU", "Z_EFF")
        for z in range(3)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, 5, 6), frames, kind="CT")
    made = volumes(tmp_path / "e.dcm")
    assert [volume.units for volume in made] == ["HU", "Z_EFF"]
    for volume, expected in zip(made, array, strict=True):
        assert np.array_equal(volume.array, expected)


def mapped(code: str) -> dict[str, Any]:
    """Real World Value Mapping in these units."""
    unit = {"CodeValue": code, "CodingSchemeDesignator": "UCUM", "CodeMeaning": code}
    return {
        "RealWorldValueMappingSequence": {
            "RealWorldValueSlope": 1.0,
            "RealWorldValueIntercept": 0.0,
            "RealWorldValueFirstValueMapped": 0,
            "RealWorldValueLastValueMapped": 4095,
            "LUTLabel": "map",
            "MeasurementUnitsCodeSequence": unit,
        }
    }


def test_frames_mapped_to_other_units_are_volumes_of_their_own(tmp_path: Path) -> None:
    """Diffusion coefficient and fractional anisotropy: no time points."""
    array = synthetic.stored_values((2, 3, 5, 6))
    frames = [{**enhanced_files.at(z * 2.5), **mapped(code)} for code in ("um2/s", "1") for z in range(3)]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, 5, 6), frames)
    made = volumes(tmp_path / "e.dcm", units="stored")
    assert [volume.array.tolist() for volume in made] == array.tolist()


def test_an_echo_time_that_is_no_number_refuses_nothing(tmp_path: Path) -> None:
    """Two values where the standard has one: the positions are plain, and the series is told apart by it."""
    stored = synthetic.stored_values((6, 5, 6))
    each = [{"EchoTime": [10, 20] if index < 3 else [30, 40]} for index in range(6)]
    synthetic.write_series(tmp_path / "s", stored, modality="MR", each=each)
    assert [volume.array.tolist() for volume in volumes(tmp_path / "s")] == [
        stored[:3].tolist(),
        stored[3:].tolist(),
    ]


def test_unusable_values_are_told() -> None:
    """Each attribute once, with the file and the value; a number is nothing to tell."""
    frames = [frame(EchoTime=(10.0, 20.0), SliceThickness="3,0"), frame(EchoTime=4.0, SpacingBetweenSlices=2)]
    notes = unusable_values(frames)
    assert len(notes) == 2
    assert "x.dcm: EchoTime is (10.0, 20.0)" in notes[0]
    assert "SliceThickness is '3,0'" in notes[1]
    assert unusable_values(frames[1:]) == ()


def test_stack_ids_with_jitter_at_one_place_are_repetitions(tmp_path: Path) -> None:
    """Positions that differ by a micrometre, on both sides of a hundredth: two times of one stack."""
    array = synthetic.stored_values(SHAPE)
    frames = [
        {
            **enhanced_files.at(z * 2.5 + 0.0045 + 0.001 * step),
            **enhanced_files.content(StackID=str(step + 1), TemporalPositionIndex=step + 1),
        }
        for step in range(2)
        for z in range(3)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, 5, 6), frames)
    (volume,) = volumes(tmp_path / "e.dcm")
    assert np.array_equal(volume.array, array)
