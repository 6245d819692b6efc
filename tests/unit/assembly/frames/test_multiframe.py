"""Multi-frame objects: each frame by its own functional groups; against pydicom and the array written."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its own documentation uses
from numpy.typing import NDArray
from pydicom.uid import generate_uid

import synthetic
from dicomarray import Volume, load, scan
from dicomarray.errors import DataError, GeometryError, HeaderError
from enhanced_files import (
    at,
    content,
    echo,
    measured,
    rescaled,
    turned,
    typed,
    weighted,
    write_cine,
    write_concatenation,
    write_dose,
    write_enhanced,
)
from synthetic import ORIGIN_MM, PIXEL_SPACING_MM, SPACING_MM

SHAPE = (4, 5, 6)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def volumes(path: Path, **options: Any) -> list[Volume]:
    (series,) = scan(path)
    return series.volumes(**options)


def groups(file: Path) -> list[tuple[Any, NDArray[Any]]]:
    """Each frame's own functional groups and pixels, as pydicom reads them."""
    data_set = pydicom.dcmread(file)
    pixels = data_set.pixel_array.reshape(-1, data_set.Rows, data_set.Columns)
    return list(zip(data_set.PerFrameFunctionalGroupsSequence, pixels, strict=True))


# --- one stack --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["CT", "MR", "PT", "legacy CT", "legacy MR", "legacy PT"])
def test_plain_stack_is_read_as_itk_does(tmp_path: Path, kind: str) -> None:
    """Shared orientation and measures, a position a frame: array and affine."""
    array = synthetic.stored_values(SHAPE)
    file = write_enhanced(tmp_path / "e.dcm", array, kind=kind)
    volume = load(file)
    assert volume.axes == ("slice", "row", "column")
    assert np.array_equal(volume.array, array)
    assert volume.spacing == (SPACING_MM, *PIXEL_SPACING_MM)
    image = sitk.ReadImage(str(file))
    assert volume.affine is not None
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.array)
    itk = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    assert volume.affine[:3, :3] == pytest.approx(itk[:, ::-1])
    assert volume.affine[:3, 3] == pytest.approx(image.GetOrigin())
    assert [record["frame"] for record in volume.slices] == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(3))
def test_frames_stored_in_any_order(tmp_path: Path, seed: int) -> None:
    """Frames go where their own position says; the sidecar tells which frame each slice was."""
    array, order = synthetic.stored_values(SHAPE), list(range(4))
    random.Random(seed).shuffle(order)
    frames = [at(place * SPACING_MM) for place in order]
    write_enhanced(tmp_path / "e.dcm", array[order], frames)
    volume = load(tmp_path / "e.dcm")
    assert np.array_equal(volume.array, array)
    assert [record["frame"] for record in volume.slices] == [order.index(place) for place in range(4)]
    assert volume.affine is not None
    assert volume.affine[:3, 3].tolist() == list(ORIGIN_MM)


def test_everything_in_each_frame(tmp_path: Path) -> None:
    """Orientation and measures per frame, none shared: the same volume."""
    array = synthetic.stored_values(SHAPE)
    frames = [{**at(-z * SPACING_MM), **turned(synthetic.AXIAL), **measured()} for z in range(4)]
    none = {"PlaneOrientationSequence": None, "PixelMeasuresSequence": None}
    write_enhanced(tmp_path / "e.dcm", array, frames, shared=none)
    volume = load(tmp_path / "e.dcm")
    assert np.array_equal(volume.array, array[::-1])
    assert volume.spacing == (SPACING_MM, *PIXEL_SPACING_MM)


def test_groups_of_the_frame_go_before_shared_ones(tmp_path: Path) -> None:
    """Where both say it, the frame's own holds."""
    array = synthetic.stored_values(SHAPE)
    frames = [{**at(index * 2.0), **measured((0.3, 0.4))} for index in range(4)]
    write_enhanced(tmp_path / "e.dcm", array, frames, shared=measured((9.0, 9.0)))
    assert load(tmp_path / "e.dcm").spacing == (2.0, 0.3, 0.4)


def test_position_at_the_top_level_is_not_of_the_frames(tmp_path: Path) -> None:
    """A stray classic position in the data set places no frame."""
    array = synthetic.stored_values(SHAPE)
    stray = {"ImagePositionPatient": [1, 2, 3], "PixelSpacing": [7, 7], "RescaleSlope": 3}
    write_enhanced(tmp_path / "e.dcm", array, common=stray, shared=rescaled(2, 1))
    volume = load(tmp_path / "e.dcm")
    assert volume.affine is not None
    assert volume.affine[:3, 3].tolist() == list(ORIGIN_MM)
    assert volume.spacing == (SPACING_MM, *PIXEL_SPACING_MM)
    assert np.array_equal(volume.array, array.astype(int) * 2 + 1)


@pytest.mark.parametrize(("kind", "slopes"), [
    ("CT", [1.0, 1.0, 1.0, 1.0]), ("PT", [1.0, 2.5, 0.25, 3.1]), ("MR", [0.5, 0.5, 2.0, 4.0])
])  # fmt: skip
def test_slope_and_intercept_of_each_frame(tmp_path: Path, kind: str, slopes: list[float]) -> None:
    """Each frame has its Pixel Value Transformation (PS3.3 C.7.6.16.2), never the first frame's."""
    array = synthetic.stored_values(SHAPE)
    intercepts = [-1024.0, -1000.0, 0.0, 12.0] if kind == "CT" else [0.0, 0.0, 5.0, 0.0]
    frames = [
        {**at(i * SPACING_MM), **rescaled(slopes[i], intercepts[i], "HU" if kind == "CT" else "US")}
        for i in (2, 0, 3, 1)
    ]
    file = write_enhanced(tmp_path / "e.dcm", array, frames, kind=kind)
    expected = {}
    for group, pixels in groups(file):
        transformation = group.PixelValueTransformationSequence[0]
        place = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
        expected[place] = pixels * float(transformation.RescaleSlope) + float(transformation.RescaleIntercept)
    volume = load(file)
    assert volume.array == pytest.approx(np.stack([expected[place] for place in sorted(expected)]))
    assert [rescale.slope for rescale in volume.rescales] == slopes
    assert [r.intercept for r in volume.rescales] == intercepts
    assert volume.units == ("HU" if kind == "CT" else "modality")


def test_shared_slope_is_for_all(tmp_path: Path) -> None:
    """One transformation in the shared groups holds for every frame."""
    array = synthetic.stored_values(SHAPE)
    write_enhanced(tmp_path / "e.dcm", array, shared=rescaled(1, -1024, "HU"), kind="CT")
    volume = load(tmp_path / "e.dcm")
    assert np.array_equal(volume.array, array.astype(int) - 1024)
    assert volume.units == "HU"


def test_single_frame_with_groups(tmp_path: Path) -> None:
    """An enhanced object of one frame is a slice with its thickness."""
    array = synthetic.stored_values((1, 5, 6))
    write_enhanced(tmp_path / "e.dcm", array, shared=rescaled(2, 0))
    volume = load(tmp_path / "e.dcm")
    assert volume.axes == ("slice", "row", "column")
    assert volume.spacing == (SPACING_MM, *PIXEL_SPACING_MM)
    assert np.array_equal(volume.array, array.astype(int) * 2)


@pytest.mark.parametrize(
    "placed", [{}, {"ImageOrientationPatient": list(synthetic.AXIAL), "PixelSpacing": [9, 9]}]
)
def test_single_frame_objects_with_a_position_in_the_data_set(tmp_path: Path, placed: dict[str, Any]) -> None:
    """A converter copied the place out of the groups: slope and spacing are still theirs, as ITK has it."""
    array = synthetic.stored_values(SHAPE)
    same = {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.2.4"}
    for index in range(4):
        position = [*ORIGIN_MM[:2], ORIGIN_MM[2] + index * SPACING_MM]
        common = same | {"InstanceNumber": index + 1, "ImagePositionPatient": position} | placed
        frames = [{**at(index * SPACING_MM), **rescaled(2.0, 5.0)}]
        write_enhanced(tmp_path / f"{index}.dcm", array[index : index + 1], frames, common=common)
    volume = load(tmp_path)
    assert volume.spacing == (SPACING_MM, *PIXEL_SPACING_MM)
    assert np.array_equal(volume.array, array.astype(int) * 2 + 5)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "0.dcm"))), volume.array[:1])


def test_one_position_in_the_data_set_places_no_frames(tmp_path: Path) -> None:
    """Groups without a place: all frames at one place would be time points that nobody acquired."""
    place = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": list(synthetic.AXIAL)}
    array = synthetic.stored_values(SHAPE)
    write_enhanced(tmp_path / "e.dcm", array, [rescaled(1, 0)] * 4, common=place | {"PixelSpacing": [1, 1]})
    volume = load(tmp_path / "e.dcm")
    assert volume.axes == ("frame", "row", "column")
    assert volume.affine is None
    assert np.array_equal(volume.array, array)


def test_single_frame_objects_form_one_volume(tmp_path: Path) -> None:
    """Many enhanced objects of one frame each (Siemens XA) are slices of one volume."""
    array = synthetic.stored_values(SHAPE)
    same = {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.2.4"}
    for index in (3, 0, 2, 1):
        common = same | {"InstanceNumber": 9 - index}
        frames = [at(index * SPACING_MM)]
        write_enhanced(tmp_path / f"{index}.dcm", array[index : index + 1], frames, common=common)
    volume = load(tmp_path)
    assert np.array_equal(volume.array, array)


def test_no_place_in_the_groups_is_no_geometry(tmp_path: Path) -> None:
    """Only pixel measures: axis frame, affine None, frames as stored."""
    array = synthetic.stored_values(SHAPE)
    write_enhanced(tmp_path / "e.dcm", array, [], shared={"PlaneOrientationSequence": None})
    volume = load(tmp_path / "e.dcm")
    assert volume.axes == ("frame", "row", "column")
    assert volume.affine is None
    assert np.array_equal(volume.array, array)


def test_missing_frame_is_a_gap(tmp_path: Path) -> None:
    """Frames at 0, 1, 3, 4 spacings are treated by the same policy as files."""
    frames = [at(place * SPACING_MM) for place in (0, 1, 3, 4)]
    write_enhanced(tmp_path / "e.dcm", synthetic.stored_values(SHAPE), frames)
    with pytest.raises(GeometryError, match="1 slice is missing"):
        load(tmp_path / "e.dcm")
    assert load(tmp_path / "e.dcm", missing="keep").array.shape == SHAPE


# --- several stacks, echoes, times, weightings in one object -----------------------------------------------


def test_two_stacks_of_two_orientations(tmp_path: Path) -> None:
    """Axial and coronal frames that are interleaved make two volumes."""
    array = synthetic.stored_values((8, 5, 6))
    frames = []
    for index in range(4):
        frames.append({**at(index * SPACING_MM), **turned(synthetic.AXIAL), **content(StackID="1")})
        frames.append({**at(0, y=index * 3.0), **turned(CORONAL), **content(StackID="2")})
    write_enhanced(tmp_path / "e.dcm", array, frames, shared={"PlaneOrientationSequence": None})
    axial, coronal = volumes(tmp_path / "e.dcm")
    assert np.array_equal(axial.array, array[::2])
    assert np.array_equal(coronal.array, array[1::2])
    assert axial.spacing is not None
    assert coronal.spacing is not None
    assert (axial.spacing[0], coronal.spacing[0]) == (SPACING_MM, 3.0)


def test_two_parallel_stacks_at_different_places(tmp_path: Path) -> None:
    """Two slabs of one orientation are split by Stack ID, and make no uneven volume."""
    array = synthetic.stored_values((6, 5, 6))
    frames = [
        {**at(height + 2.5 * index), **content(StackID=stack, InStackPositionNumber=index + 1)}
        for stack, height in (("1", 0.0), ("2", 41.0))
        for index in range(3)
    ]
    write_enhanced(tmp_path / "e.dcm", array, frames)
    lower, upper = volumes(tmp_path / "e.dcm")
    assert np.array_equal(lower.array, array[:3])
    assert np.array_equal(upper.array, array[3:])
    assert lower.metadata["geometry"]["uniform"]
    assert upper.metadata["geometry"]["uniform"]
    assert upper.affine is not None
    assert upper.affine[2, 3] == 141


def test_interleaved_slabs_are_told_apart_by_stack(tmp_path: Path) -> None:
    """Slabs that overlap along the normal keep their own slices."""
    array = synthetic.stored_values((6, 5, 6))
    frames = [
        {**at(height + 2.5 * index), **content(StackID=stack)}
        for stack, height in (("1", 0.0), ("2", 3.0))
        for index in range(3)
    ]
    write_enhanced(tmp_path / "e.dcm", array, frames)
    assert [volume.array.tolist() for volume in volumes(tmp_path / "e.dcm")] == [
        array[:3].tolist(),
        array[3:].tolist(),
    ]


def test_a_stack_id_for_each_slice_is_no_stack(tmp_path: Path) -> None:
    """Frames that each have an ID of their own are one volume."""
    array = synthetic.stored_values(SHAPE)
    frames = [{**at(index * SPACING_MM), **content(StackID=str(index))} for index in range(4)]
    write_enhanced(tmp_path / "e.dcm", array, frames)
    assert np.array_equal(load(tmp_path / "e.dcm").array, array)


def test_stack_id_of_repetitions_splits_nothing(tmp_path: Path) -> None:
    """The same places under two IDs are two repetitions."""
    array = synthetic.stored_values((2, *SHAPE))
    frames = [{**at(z * SPACING_MM), **content(StackID=str(t))} for t in (1, 2) for z in range(4)]
    write_enhanced(tmp_path / "e.dcm", array.reshape(-1, 5, 6), frames)
    volume = load(tmp_path / "e.dcm")
    assert volume.axes[0] == "time"
    assert np.array_equal(volume.array, array)


@pytest.mark.parametrize("times", [(3.1, 9.2), (3.1, 9.2, 15.3)])
def test_echoes_of_one_object(tmp_path: Path, times: tuple[float, ...]) -> None:
    """EffectiveEchoTime of interleaved frames makes a volume of each echo."""
    array = synthetic.stored_values((len(times), *SHAPE))
    pairs = list(itertools.product(range(4), range(len(times))))
    frames = [{**at(z * SPACING_MM), **echo(times[e])} for z, e in pairs]
    write_enhanced(tmp_path / "e.dcm", np.stack([array[e, z] for z, e in pairs]), frames)
    made = volumes(tmp_path / "e.dcm")
    assert len(made) == len(times)
    for volume, expected in zip(made, array, strict=True):
        assert np.array_equal(volume.array, expected)


def test_components_of_one_object(tmp_path: Path) -> None:
    """Complex Image Component splits magnitude and phase, each with its own slope."""
    array = synthetic.stored_values((2, *SHAPE))
    names, slopes = ("MAGNITUDE", "PHASE"), (1.0, 0.5)
    frames = [
        {**at(z * SPACING_MM), **typed(names[c]), **rescaled(slopes[c], 0)}
        for c in range(2)
        for z in range(4)
    ]
    write_enhanced(tmp_path / "e.dcm", array.reshape(-1, 5, 6), frames)
    magnitude, phase = volumes(tmp_path / "e.dcm")
    assert np.array_equal(magnitude.array, array[0])
    assert np.array_equal(phase.array, array[1] * 0.5)


@pytest.mark.parametrize("shuffled", [False, True])
def test_temporal_positions(tmp_path: Path, shuffled: bool) -> None:
    """TemporalPositionIndex per frame, in any order of frames: time first."""
    array = synthetic.stored_values((3, *SHAPE))
    pairs = list(itertools.product(range(3), range(4)))
    if shuffled:
        random.Random(4).shuffle(pairs)
    frames = [{**at(z * SPACING_MM), **content(TemporalPositionIndex=t + 1)} for t, z in pairs]
    write_enhanced(tmp_path / "e.dcm", np.stack([array[t, z] for t, z in pairs]), frames)
    volume = load(tmp_path / "e.dcm")
    assert volume.axes[0] == "time"
    assert np.array_equal(volume.array, array)
    assert volume.coordinates["TemporalPositionIndex"] == (1, 2, 3)


def test_cardiac_phases(tmp_path: Path) -> None:
    """NominalCardiacTriggerDelayTime tells the phases of a cine with a place."""
    array = synthetic.stored_values((3, *SHAPE))
    pairs = list(itertools.product(range(4), range(3)))
    delay = "CardiacSynchronizationSequence"
    frames = [{**at(z * SPACING_MM), delay: {"NominalCardiacTriggerDelayTime": 40.0 * t}} for z, t in pairs]
    write_enhanced(tmp_path / "e.dcm", np.stack([array[t, z] for z, t in pairs]), frames)
    volume = load(tmp_path / "e.dcm")
    assert volume.axes[0] == "time"
    assert np.array_equal(volume.array, array)
    assert volume.coordinates["NominalCardiacTriggerDelayTime"] == (0, 40, 80)


def test_unfinished_last_time_point_of_an_object(tmp_path: Path) -> None:
    """Stopped after two frames of the third time point."""
    array = synthetic.stored_values((3, *SHAPE))
    pairs = list(itertools.product(range(3), range(4)))[:-2]
    frames = [{**at(z * SPACING_MM), **content(TemporalPositionIndex=t + 1)} for t, z in pairs]
    write_enhanced(tmp_path / "e.dcm", np.stack([array[t, z] for t, z in pairs]), frames)
    whole, rest = volumes(tmp_path / "e.dcm")
    assert np.array_equal(whole.array, array[:2])
    assert np.array_equal(rest.array, array[2, :2])


def test_diffusion(tmp_path: Path) -> None:
    """Each frame has its b-value and direction; the two unweighted ones are repetitions."""
    weightings = [(0.0, None), (1000.0, (1.0, 0.0, 0.0)), (1000.0, (0.0, 1.0, 0.0)), (0.0, None)]
    array = synthetic.stored_values((4, *SHAPE))
    pairs = list(itertools.product(range(4), range(4)))
    frames = [{**at(z * SPACING_MM), **weighted(*weightings[w])} for w, z in pairs]
    write_enhanced(tmp_path / "e.dcm", np.stack([array[w, z] for w, z in pairs]), frames)
    volume = load(tmp_path / "e.dcm")
    assert volume.axes[0] == "diffusion"
    assert np.array_equal(volume.array, array)
    assert volume.coordinates["DiffusionBValue"] == (0, 1000, 1000, 0)
    directions = [direction for _, direction in weightings]
    assert list(volume.coordinates["DiffusionGradientOrientation"]) == directions


# --- damaged objects --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 5])
def test_number_of_frames_that_disagrees_with_the_groups(tmp_path: Path, count: int) -> None:
    """4 functional groups: another NumberOfFrames is refused, with both numbers."""
    file = write_enhanced(
        tmp_path / "e.dcm", synthetic.stored_values(SHAPE), common={"NumberOfFrames": count}
    )
    with pytest.raises(HeaderError) as caught:
        load(file)
    for text in (str(file), f"NumberOfFrames is {count}", "4"):
        assert text in str(caught.value)


def test_groups_without_number_of_frames(tmp_path: Path) -> None:
    """Where NumberOfFrames is absent no volume is made of the first frame alone."""
    file = write_enhanced(tmp_path / "e.dcm", synthetic.stored_values(SHAPE), common={"NumberOfFrames": ...})
    with pytest.raises(DataError, match=r"e\.dcm"):
        load(file)


@pytest.mark.parametrize("keyword", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_groups_that_are_no_sequence(tmp_path: Path, keyword: str) -> None:
    """Text in the place of the groups is refused, with file and attribute."""
    file = write_enhanced(tmp_path / "e.dcm", synthetic.stored_values(SHAPE))
    data_set = pydicom.dcmread(file)
    tag = pydicom.tag.Tag(keyword)
    data_set[tag] = pydicom.dataelem.RawDataElement(tag, "LO", 8, b"nothing ", 0, False, True)
    data_set.save_as(file)
    with pytest.raises(HeaderError, match=rf"e\.dcm: {keyword}"):
        load(file)


def test_fewer_pixels_than_frames(tmp_path: Path) -> None:
    """Pixel data of three frames under NumberOfFrames 4 is refused."""
    frames = [at(index * SPACING_MM) for index in range(4)]
    file = write_enhanced(
        tmp_path / "e.dcm", synthetic.stored_values((3, 5, 6)), frames, common={"NumberOfFrames": 4}
    )
    with pytest.raises(DataError, match=r"e\.dcm"):
        load(file)


# --- concatenations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", list(itertools.permutations(["a.dcm", "b.dcm", "c.dcm"])))
def test_concatenation_in_any_order_of_files(tmp_path: Path, names: tuple[str, ...]) -> None:
    """One object in three files makes one volume, with the frames of each file in their places."""
    array = synthetic.stored_values((9, 5, 6))
    write_concatenation(tmp_path / "c", array, [4, 3, 2], names=names)
    volume = load(tmp_path / "c")
    assert np.array_equal(volume.array, array)
    assert volume.warnings == ()


@pytest.mark.parametrize(("lost", "total"), [(0, True), (1, True), (2, True), (0, False), (1, False)])
def test_concatenation_with_a_part_missing(tmp_path: Path, lost: int, total: bool) -> None:
    """Never a silently shorter volume: an error that says so, or with missing="keep" a warning."""
    array = synthetic.stored_values((9, 5, 6))
    files = write_concatenation(tmp_path / "c", array, [4, 3, 2], names=["a.dcm", "b.dcm", "c.dcm"])
    if not total:  # InConcatenationTotalNumber is optional (type 3): then a lost last part leaves no trace
        for file in files:
            data_set = pydicom.dcmread(file)
            del data_set.InConcatenationTotalNumber
            data_set.save_as(file)
    files[lost].unlink()
    with pytest.raises(GeometryError, match="1 of the 3 parts of concatenation") as caught:
        load(tmp_path / "c")
    assert all(str(file) in str(caught.value) for file in files if file.exists())
    kept = load(tmp_path / "c", missing="keep")
    there = np.delete(np.arange(9), [[0, 1, 2, 3], [4, 5, 6], [7, 8]][lost])
    assert np.array_equal(kept.array, array[there])
    assert any("concatenation" in warning for warning in kept.warnings)


# --- no functional groups ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["US", "XA"])
@pytest.mark.parametrize("colour", [False, True])
def test_cine_has_no_geometry(tmp_path: Path, kind: str, colour: bool) -> None:
    """A loop has the axis frame, the affine None, frames as stored, and null in the sidecar."""
    shape = (7, 5, 6, 3) if colour else (7, 5, 6)
    array = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    file = write_cine(tmp_path / "cine.dcm", array, kind)
    volume = load(file)
    assert volume.axes == ("frame", "row", "column", *(["sample"] if colour else []))
    assert volume.affine is None
    assert volume.metadata["geometry"] is None
    assert np.array_equal(volume.array, array)
    assert np.array_equal(volume.array, pydicom.dcmread(file).pixel_array)


def test_cine_with_one_position_is_no_stack(tmp_path: Path) -> None:
    """One position for all frames places none: there is no stack of zero spacing, and no time axis."""
    array = np.random.default_rng(5).integers(0, 256, (7, 5, 6)).astype(np.uint8)
    place = {
        "ImagePositionPatient": list(ORIGIN_MM),
        "ImageOrientationPatient": list(synthetic.AXIAL),
        "PixelSpacing": [1, 1],
    }
    volume = load(write_cine(tmp_path / "cine.dcm", array, "XA", place))
    assert volume.axes == ("frame", "row", "column")
    assert volume.affine is None
    assert np.array_equal(volume.array, array)


def test_two_cines_in_one_series(tmp_path: Path) -> None:
    """Loops of one shape are never run together into one without a word."""
    array = np.random.default_rng(5).integers(0, 256, (2, 3, 5, 6)).astype(np.uint8)
    same = {"SeriesInstanceUID": generate_uid(prefix=None), "StudyInstanceUID": "1.2"}
    for index in range(2):
        common = same | {"InstanceNumber": index + 1}
        write_cine(tmp_path / f"{index}.dcm", array[index], "US", common)
    made = volumes(tmp_path)
    assert [volume.array.tolist() for volume in made] == [array[0].tolist(), array[1].tolist()]


# --- RT dose ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offsets",
    [
        (0.0, 2.5, 5.0, 7.5),
        (0.0, -2.5, -5.0, -7.5),
        (100.0, 102.5, 105.0, 107.5),
    ],
)
def test_dose_by_its_offsets(tmp_path: Path, offsets: tuple[float, ...]) -> None:
    """Relative offsets, or coordinates that begin with the position (PS3.3 C.8.8.3.2); Gy by its scaling."""
    array = synthetic.stored_values(SHAPE, bits_stored=16)
    file = write_dose(tmp_path / "dose.dcm", array, offsets)
    volume = load(file)
    data_set = pydicom.dcmread(file)
    relative = np.array(offsets) - offsets[0]
    order = np.argsort(relative)
    assert volume.array == pytest.approx(data_set.pixel_array[order] * float(data_set.DoseGridScaling))
    assert volume.units == "GY"
    assert volume.geometry is not None
    assert volume.geometry.slice_positions[:, 2] == pytest.approx(100 + relative[order])
    assert volume.spacing == (SPACING_MM, *PIXEL_SPACING_MM)
    assert volume.rescales[0].slope == 0.00025


@pytest.mark.parametrize(
    ("first", "z"),
    [(100.0, [92.5, 95.0, 97.5, 100.0]), (0.0, [100.0, 102.5, 105.0, 107.5])],
)
def test_dose_against_the_z_axis(tmp_path: Path, first: float, z: list[float]) -> None:
    """Offsets that begin with the position's z are z coordinates; from 0 they run along the normal."""
    offsets = [first - 2.5 * step for step in range(4)]
    common = {"ImageOrientationPatient": [1, 0, 0, 0, -1, 0]}
    array = synthetic.stored_values(SHAPE, bits_stored=16)
    write_dose(tmp_path / "dose.dcm", array, offsets, common | {"DoseGridScaling": "1"})
    volume = load(tmp_path / "dose.dcm")
    places = [position[2] for position in volume.metadata["geometry"]["slice_positions_mm"]]
    assert places == pytest.approx(z[::-1])  # slices ascend along the normal
    first_plane = places.index(pytest.approx(100.0))
    assert np.array_equal(volume.array[first_plane], array[0])


@pytest.mark.parametrize(
    ("first", "orientation"),
    [(100.0, [0, 1, 0, 0, 0, -1]), (70.0, [1, 0, 0, 0, -1, 0]), (70.0, [0, 1, 0, 0, 0, -1])],
)
def test_dose_by_offsets_of_no_known_meaning(tmp_path: Path, first: float, orientation: list[float]) -> None:
    """Offsets that are neither relative nor coordinates give no place rather than a wrong one."""
    common = {"ImageOrientationPatient": orientation}
    offsets = [first + 2.5 * step for step in range(4)]
    write_dose(tmp_path / "dose.dcm", synthetic.stored_values(SHAPE), offsets, common)
    volume = load(tmp_path / "dose.dcm")
    assert volume.affine is None and volume.warnings


@pytest.mark.parametrize(("first", "doubted"), [(0.0, False), (100.0, False), (70.0, True)])
def test_dose_by_offsets_that_begin_elsewhere(tmp_path: Path, first: float, doubted: bool) -> None:
    """Transverse planes lie from the first one on, and the assumption is told where offsets say otherwise."""
    offsets = [first + 2.5 * step for step in range(4)]
    write_dose(tmp_path / "dose.dcm", synthetic.stored_values(SHAPE), offsets)
    volume = load(tmp_path / "dose.dcm")
    assert volume.geometry is not None
    assert volume.geometry.slice_positions[0][2] == pytest.approx(100)
    assert any("[dose-offsets]" in warning for warning in volume.warnings) is doubted


def test_dose_with_uneven_planes(tmp_path: Path) -> None:
    """Offsets need not be even: real positions, not uniform."""
    write_dose(tmp_path / "dose.dcm", synthetic.stored_values(SHAPE), (0.0, 2.0, 5.0, 9.0))
    volume = load(tmp_path / "dose.dcm")
    geometry = volume.metadata["geometry"]
    assert geometry["uniform"] is False
    assert [position[2] for position in geometry["slice_positions_mm"]] == [100, 102, 105, 109]


@pytest.mark.parametrize("offsets", [(0.0, 2.5, 5.0), (0.0, 2.5, 5.0, 7.5, 10.0)])
def test_dose_with_the_wrong_number_of_offsets(tmp_path: Path, offsets: tuple[float, ...]) -> None:
    """An offset too many or too few is refused."""
    write_dose(tmp_path / "dose.dcm", synthetic.stored_values(SHAPE), offsets)
    with pytest.raises(HeaderError, match="GridFrameOffsetVector"):
        load(tmp_path / "dose.dcm")


def test_dose_without_offsets_has_no_place(tmp_path: Path) -> None:
    """Nothing says where its planes lie: axis frame, affine None."""
    common = {"GridFrameOffsetVector": None}
    write_dose(tmp_path / "dose.dcm", synthetic.stored_values(SHAPE), (0.0,), common)
    volume = load(tmp_path / "dose.dcm")
    assert volume.axes == ("frame", "row", "column")
    assert volume.affine is None


# --- the groups -------------------------------------------------------------------------------------------


def test_a_map_derived_from_segments_is_one_volume(tmp_path: Path) -> None:
    """Frames of which each comes from another segment are slices all the same."""
    array = synthetic.stored_values(SHAPE)
    frames = []
    for index in range(4):
        source = {"ReferencedSOPInstanceUID": "1.2.3", "ReferencedSegmentNumber": index + 1}
        frames.append({**at(index * SPACING_MM), "DerivationImageSequence": {"SourceImageSequence": source}})
    write_enhanced(tmp_path / "e.dcm", array, frames)
    assert np.array_equal(load(tmp_path / "e.dcm").array, array)


@pytest.mark.parametrize("first", [False, True])
def test_unassigned_attributes_override_no_macro(tmp_path: Path, first: bool) -> None:
    """What a converter did not place is asked last, wherever it stands, shared or of a frame."""
    array = synthetic.stored_values(SHAPE)
    stray = {"PixelSpacing": [9, 9], "RescaleSlope": "3", "RescaleIntercept": "0", "EchoTime": "7"}
    shared = {"UnassignedSharedConvertedAttributesSequence": stray, **rescaled(2, 0)}
    frames = []
    for index in range(4):
        unassigned = {"UnassignedPerFrameConvertedAttributesSequence": stray}
        place = at(index * SPACING_MM)
        frames.append({**unassigned, **place} if first else {**place, **unassigned})
    write_enhanced(tmp_path / "e.dcm", array, frames, shared=shared)
    volume = load(tmp_path / "e.dcm")
    assert volume.spacing == (SPACING_MM, *PIXEL_SPACING_MM)
    assert np.array_equal(volume.array, array.astype(int) * 2)
    assert volume.slices[0]["EchoTime"] == 7
