"""Enhanced multi-frame templates: frames, functional groups and dimensions of what is derived from them."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

import dicomarray
from dciodvfy import new_issues
from dicomarray.core.geometry import StackGeometry
from dicomarray.errors import TemplateError, UsageError, ValuesError
from dicomarray.objects.derived_image.enhanced.dimensions import (
    FrameIndices,
    compacted,
    keep_named,
    restacked,
)
from dicomarray.objects.derived_image.enhanced.functional_groups import legal_uid
from enhanced_files import (
    at,
    content,
    rescaled,
    typed,
    weighted,
    write_concatenation,
    write_enhanced,
)
from synthetic import SPACING_MM

POINTER = {"StackID": 0x00209056, "InStackPositionNumber": 0x00209057, "TemporalPositionIndex": 0x00209128}
GROUP = 0x00209111
ORGANIZATION = "1.2.3.4.5"


def pixels(count, rows=6, columns=5, dtype=np.uint16, top=4000):
    values = np.random.default_rng(7).integers(0, top, (count, rows, columns))
    return values.astype(dtype)


def dimensions(*names):
    """Attributes of an object whose frames are numbered by these attributes of Frame Content."""
    return {
        "DimensionOrganizationSequence": {"DimensionOrganizationUID": ORGANIZATION},
        "DimensionIndexSequence": [
            {
                "DimensionOrganizationUID": ORGANIZATION,
                "DimensionIndexPointer": POINTER[name],
                "FunctionalGroupPointer": GROUP,
            }
            for name in names
        ],
    }


def groups_of(file):
    """(header, shared group, groups of the frames) of an object."""
    header = pydicom.dcmread(file)
    return header, header.SharedFunctionalGroupsSequence[0], list(header.PerFrameFunctionalGroupsSequence)


def contents(file, keyword):
    return [group.FrameContentSequence[0].get(keyword) for group in groups_of(file)[2]]


def modality(file):
    """Values of each frame by pydicom's pixels, and by what the frame's groups say of slope and intercept."""
    header, shared, groups = groups_of(file)
    values = []
    for stored, group in zip(header.pixel_array.reshape(len(groups), header.Rows, -1), groups, strict=True):
        key = "PixelValueTransformationSequence"
        item = (group.get(key) or shared.get(key) or [pydicom.Dataset()])[0]
        values.append(stored * float(item.get("RescaleSlope", 1)) + float(item.get("RescaleIntercept", 0)))
    return np.stack(values)


KINDS = ["CT", "MR", "PT", "legacy CT", "legacy MR", "legacy PT"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_untouched_array_comes_back_bit_for_bit(tmp_path, kind):
    """Every class that can carry a derived volume; dciodvfy finds no new error."""
    stored = pixels(4)
    file = write_enhanced(tmp_path / "in" / "a.dcm", stored, kind=kind)
    volume = dicomarray.load(file)
    report = dicomarray.to_dicom(volume, file, tmp_path / "out")
    header, _, groups = groups_of(report.files[0])
    np.testing.assert_array_equal(header.pixel_array, stored)
    assert report.max_error == 0 and header.NumberOfFrames == len(groups) == 4
    assert header.ImageType == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    assert header.SOPInstanceUID == header.file_meta.MediaStorageSOPInstanceUID == report.sop_uids[0]
    assert new_issues(file, report.files[0])[0] == set()


@pytest.mark.parametrize("kind", KINDS)
def test_float_values_are_within_half_a_step_for_every_reader(tmp_path, kind):
    """One slope for all frames, in the shared group; pydicom and SimpleITK read what this project reads."""
    frames = [at(i * SPACING_MM) | rescaled(1 + i, -5 * i) for i in range(4)]
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(4), frames, kind=kind)
    asked = dicomarray.load(file).array * 0.37 + 3.3
    report = dicomarray.to_dicom(asked, file, tmp_path / "out")
    _, shared, groups = groups_of(report.files[0])
    assert len(shared.PixelValueTransformationSequence) == 1
    assert not any("PixelValueTransformationSequence" in group for group in groups)
    assert len(str(shared.PixelValueTransformationSequence[0].RescaleSlope)) <= 16
    half = report.slope / 2 * 1.0001
    assert np.abs(modality(report.files[0]) - asked).max() <= half
    by_itk = sitk.GetArrayFromImage(sitk.ReadImage(str(report.files[0])))
    assert np.abs(by_itk - asked).max() <= half + 1e-3
    assert np.abs(dicomarray.load(tmp_path / "out").array - asked).max() <= half + 1e-3
    assert new_issues(file, report.files[0])[0] == set()


def test_slopes_of_the_frames_stay_where_they_hold_every_value(tmp_path):
    """An untouched array whose frames differ in slope keeps each frame's own, to the letter."""
    frames = [at(i * SPACING_MM) | rescaled(0.5 + i, -5.25 * i) for i in range(4)]
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(4), frames)
    report = dicomarray.to_dicom(dicomarray.load(file), file, tmp_path / "out")
    slopes = [
        group.PixelValueTransformationSequence[0].RescaleSlope for group in groups_of(report.files[0])[2]
    ]
    assert [str(slope) for slope in slopes] == ["0.5", "1.5", "2.5", "3.5"] and report.slope is None


def test_frames_are_in_the_order_of_the_array(tmp_path):
    """A template that counts downwards: SimpleITK would mirror it; each frame names its source's number."""
    stored = pixels(5)
    frames = [
        at(-i * SPACING_MM)
        | content(StackID="1", InStackPositionNumber=i + 1, DimensionIndexValues=[1, i + 1])
        for i in range(5)
    ]
    common = dimensions("StackID", "InStackPositionNumber")
    file = write_enhanced(tmp_path / "in" / "a.dcm", stored, frames, common=common)
    volume = dicomarray.load(file)
    report = dicomarray.to_dicom(volume, file, tmp_path / "out")
    header, _, groups = groups_of(report.files[0])
    np.testing.assert_array_equal(header.pixel_array, stored[::-1])
    sources = [group.DerivationImageSequence[0].SourceImageSequence[0] for group in groups]
    assert [source.ReferencedFrameNumber for source in sources] == [5, 4, 3, 2, 1]
    assert contents(report.files[0], "InStackPositionNumber") == [5, 4, 3, 2, 1]
    image = sitk.ReadImage(str(report.files[0]))
    assert image.GetOrigin() == pytest.approx(volume.affine[:3, 3])
    assert np.array(image.GetDirection()).reshape(3, 3)[:, 2] == pytest.approx(
        volume.affine[:3, 0] / SPACING_MM
    )


def test_frames_of_other_volumes_vanish(tmp_path):
    """Of two volumes in one object the phase has its frames alone, counted from 1."""
    stored = pixels(6)
    frames = [
        at(i // 2 * SPACING_MM)
        | typed(("MAGNITUDE", "PHASE")[i % 2], "ORIGINAL", "PRIMARY", "VOLUME", ("M", "P")[i % 2])
        | content(StackID="1", InStackPositionNumber=2 * i + 1, DimensionIndexValues=[7, 2 * i + 1])
        for i in range(6)
    ]
    common = dimensions("StackID", "InStackPositionNumber") | {
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "MIXED"],
        "ComplexImageComponent": "MIXED",
    }
    file = write_enhanced(tmp_path / "in" / "a.dcm", stored, frames, common=common)
    series = dicomarray.scan(file)[0]
    labels = [stack.label for stack in series.stacks()]
    index = next(i for i, label in enumerate(labels) if "phase" in label)
    volume = series.volumes()[index]
    report = dicomarray.to_dicom(volume, file, tmp_path / "out", volume=index)
    header, _, groups = groups_of(report.files[0])
    np.testing.assert_array_equal(header.pixel_array, stored[1::2])
    assert header.NumberOfFrames == len(groups) == 3
    assert contents(report.files[0], "DimensionIndexValues") == [[1, 1], [1, 2], [1, 3]]
    assert contents(report.files[0], "InStackPositionNumber") == [1, 2, 3]
    assert (header.ImageType[3], header.ComplexImageComponent) == ("P", "PHASE")
    assert [group.MRImageFrameTypeSequence[0].FrameType[0] for group in groups] == ["DERIVED"] * 3


def test_repetitions_in_one_object_keep_their_groups(tmp_path):
    """4-D: b-values stay with their frames; repetitions slowest, slices ascending, times from 1."""
    frames = [
        at(i // 3 * SPACING_MM)
        | weighted((0.0, 500.0, 1000.0)[i % 3])
        | content(
            StackID="1", InStackPositionNumber=i // 3 + 1, DimensionIndexValues=[1, i // 3 + 1, i % 3 + 2]
        )
        for i in range(12)
    ]
    common = dimensions("StackID", "InStackPositionNumber", "TemporalPositionIndex")
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(12), frames, common=common)
    volume = dicomarray.load(file)
    assert volume.array.shape == (3, 4, 6, 5)
    report = dicomarray.to_dicom(volume.array * 0.37, file, tmp_path / "out")
    values = [g.MRDiffusionSequence[0].DiffusionBValue for g in groups_of(report.files[0])[2]]
    assert values == [0.0] * 4 + [500.0] * 4 + [1000.0] * 4
    again = dicomarray.load(tmp_path / "out")
    assert again.axes == volume.axes
    np.testing.assert_allclose(again.array, volume.array * 0.37, atol=report.slope)
    numbers = contents(report.files[0], "DimensionIndexValues")
    assert numbers[0] == [1, 1, 1] and numbers[-1] == [1, 4, 3]


def test_repetitions_in_several_objects_follow_each_other(tmp_path):
    """One file a time point: one file each is written, and time points are still counted across files."""
    same = {
        "SeriesInstanceUID": "1.2.3.10",
        "StudyInstanceUID": "1.2.3.11",
        "FrameOfReferenceUID": "1.2.3.12",
    } | dimensions("InStackPositionNumber", "TemporalPositionIndex")
    stored = pixels(9).reshape(3, 3, 6, 5)
    for time in range(3):
        frames = [
            at(i * SPACING_MM)
            | content(
                InStackPositionNumber=i + 1,
                TemporalPositionIndex=2 * time + 2,
                DimensionIndexValues=[i + 1, 2 * time + 2],
            )
            for i in range(3)
        ]
        common = same | {"InstanceNumber": 3 - time}
        write_enhanced(tmp_path / "in" / f"{time}.dcm", stored[time], frames, common=common)
    volume = dicomarray.load(tmp_path / "in")
    report = dicomarray.to_dicom(volume, tmp_path / "in", tmp_path / "out")
    assert [contents(file, "TemporalPositionIndex")[0] for file in report.files] == [1, 2, 3]
    assert [contents(file, "DimensionIndexValues")[2] for file in report.files] == [[3, 1], [3, 2], [3, 3]]
    organizations = {groups_of(f)[0].DimensionIndexSequence[0].DimensionOrganizationUID for f in report.files}
    assert len(organizations) == 1 and ORGANIZATION not in organizations
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, volume.array)
    assert len(set(report.sop_uids)) == 3


def test_a_concatenation_becomes_whole_objects(tmp_path):
    """Each part is an object of its own; nothing says that it is a part."""
    stored = pixels(7)
    write_concatenation(tmp_path / "in", stored, [4, 3], names=["b.dcm", "a.dcm"])
    volume = dicomarray.load(tmp_path / "in")
    report = dicomarray.to_dicom(volume.array * 0.5, tmp_path / "in", tmp_path / "out")
    headers = [pydicom.dcmread(file) for file in report.files]
    assert [header.NumberOfFrames for header in headers] == [4, 3]
    assert not any("oncatenation" in element.keyword for header in headers for element in header)
    np.testing.assert_allclose(dicomarray.load(tmp_path / "out").array, stored * 0.5, atol=report.slope)


def test_stale_values_are_dropped_or_made_anew(tmp_path):
    """Mapping, window, padding, smallest and largest value, private elements: nothing tells of old pixels."""
    old = {
        "RealWorldValueMappingSequence": {
            "RealWorldValueFirstValueMapped": 0,
            "RealWorldValueLastValueMapped": 9,
            "RealWorldValueSlope": 1.0,
            "RealWorldValueIntercept": 0.0,
            "LUTLabel": "OLD",
            "MeasurementUnitsCodeSequence": {
                "CodeValue": "ms", "CodingSchemeDesignator": "UCUM", "CodeMeaning": "milliseconds",
            },
        },
        "FrameVOILUTSequence": {"WindowCenter": "50000", "WindowWidth": "10"},
    }  # fmt: skip
    frames = [at(i * SPACING_MM) | rescaled(1, 0) | old for i in range(3)]
    common = {"SmallestImagePixelValue": 3, "PixelPaddingValue": 0, "ContentQualification": "PRODUCT"}
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(3), frames, common=common)
    template = pydicom.dcmread(file)
    block = template.PerFrameFunctionalGroupsSequence[0].private_block(0x2005, "OLD SCALING", create=True)
    block.add_new(0x0E, "FL", 7.0)
    template.save_as(file)
    asked = dicomarray.load(file).array * 0.37 + 3.3
    report = dicomarray.to_dicom(asked, file, tmp_path / "out")
    header, shared, groups = groups_of(report.files[0])
    mapping = groups[2].RealWorldValueMappingSequence[0]
    assert (mapping.RealWorldValueSlope, mapping.LUTLabel) == (report.slope, "ARRAY")
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "ms"
    assert float(shared.FrameVOILUTSequence[0].WindowCenter) == pytest.approx(asked.mean(), rel=0.2)
    assert not any("FrameVOILUTSequence" in group for group in groups)
    assert "PixelPaddingValue" not in header and header.ContentQualification == "RESEARCH"
    assert header.SmallestImagePixelValue == header.pixel_array.min()
    assert not any(element.tag.is_private for group in groups for element in group)


def types_and_codes(file):
    """Every Rescale Type, and every code of units in a Real World Value Mapping, of an object."""
    _, shared, groups = groups_of(file)
    items = [
        [item for group in (shared, *groups) for item in group.get(keyword) or []]
        for keyword in ("PixelValueTransformationSequence", "RealWorldValueMappingSequence")
    ]
    return (
        {item.RescaleType for item in items[0]},
        {item.MeasurementUnitsCodeSequence[0].CodeValue for item in items[1]},
    )


def test_labels_on_a_ct_are_no_hounsfield_units(tmp_path):
    """Whether the template's slope holds them or not, and dciodvfy agrees."""
    kind = {"CTImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]}}
    for name, slope in (("kept", 1.0), ("new", 2.0)):
        frames = [at(i * SPACING_MM) | rescaled(slope, -1024, "HU") | kind for i in range(3)]
        file = write_enhanced(tmp_path / name / "a.dcm", pixels(3), frames, kind="CT")
        report = dicomarray.to_dicom(pixels(3) % 2 == 1, file, tmp_path / f"{name}-out")
        assert types_and_codes(report.files[0])[0] == {"US"}
        np.testing.assert_array_equal(modality(report.files[0]), pixels(3) % 2)


@pytest.mark.parametrize("kind", ["PT", "legacy PT"])
def test_units_of_a_pet_are_a_code(tmp_path, kind):
    """SUV: Real World Value Mapping says g/ml; a word without a code is refused."""
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(3), kind=kind)
    asked = dicomarray.load(file).array * 0.37
    report = dicomarray.to_dicom(asked, file, tmp_path / "out", units="GML")
    assert types_and_codes(report.files[0]) == ({"US"}, {"g/ml"})
    with pytest.raises(UsageError, match="STDDEV"):
        dicomarray.to_dicom(asked, file, tmp_path / "other", units="STDDEV")


def test_private_elements_that_a_dimension_names_survive_alone(tmp_path):
    """Philips numbers frames by private attributes: these stay with their creators, their neighbours go."""
    frames = [at(i * SPACING_MM) | content(DimensionIndexValues=[i + 1, (3, 8)[i % 2]]) for i in range(4)]
    file = write_enhanced(
        tmp_path / "in" / "a.dcm", pixels(4), frames, common=dimensions("InStackPositionNumber", "StackID")
    )
    template = pydicom.dcmread(file)
    item = template.DimensionIndexSequence[1]
    item.DimensionIndexPointer, item.DimensionIndexPrivateCreator = 0x20051011, "PHILIPS 1"
    item.FunctionalGroupPointer, item.FunctionalGroupPrivateCreator = 0x2005140F, "PHILIPS 5"
    for group in template.PerFrameFunctionalGroupsSequence:
        private = pydicom.Dataset()
        private.add_new(0x20050010, "LO", "PHILIPS 1")
        private.add_new(0x20051011, "CS", "M")
        private.add_new(0x2005100E, "FL", 0.01)
        group.add_new(0x20050014, "LO", "PHILIPS 5")
        group.add_new(0x2005140F, "SQ", [private])
        group.add_new(0x20051410, "CS", "OTHER")
    template.save_as(file)
    report = dicomarray.to_dicom(dicomarray.load(file), file, tmp_path / "out")
    header, _, groups = groups_of(report.files[0])
    for group in groups:
        assert [element.tag for element in group if element.tag.is_private] == [0x20050014, 0x2005140F]
        kept = group[0x2005140F].value[0]
        assert [element.tag for element in kept] == [0x20050010, 0x20051011]
    assert contents(report.files[0], "DimensionIndexValues") == [[1, 1], [2, 2], [3, 1], [4, 2]]
    assert len(header.DimensionIndexSequence) == 2


def test_only_items_that_stay_are_said_to_keep_private_elements():
    """Another item, read later, could get the place in memory of one that goes, and keep elements for it."""
    index, named, group = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    index.DimensionIndexPointer, index.DimensionIndexPrivateCreator = 0x20051011, "PHILIPS 1"
    index.FunctionalGroupPointer, index.FunctionalGroupPrivateCreator = 0x2005140F, "PHILIPS 5"
    named.add_new(0x20050010, "LO", "PHILIPS 1")
    named.add_new(0x20051011, "CS", "M")
    group.add_new(0x20050014, "LO", "PHILIPS 5")
    group.add_new(0x2005140F, "SQ", [named])
    header = pydicom.Dataset()
    header.DimensionIndexSequence, header.PerFrameFunctionalGroupsSequence = [index], [group]
    assert keep_named(header) == {id(group): {0x20050014, 0x2005140F}}
    assert sorted(group[0x2005140F].value[0].keys()) == [0x20050010, 0x20051011]


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_any_native_transfer_syntax_can_be_a_template(tmp_path, syntax):
    """Implicit stays implicit, the others become Explicit VR Little Endian; the values are the same."""
    stored = pixels(3, dtype=np.int16, top=900) - 400
    file = write_enhanced(tmp_path / "in" / "a.dcm", stored.astype(np.int16), kind="CT")
    template = pydicom.dcmread(file)
    template.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        template.PixelData = stored.astype(">i2").tobytes()
    template["PixelData"].VR = "OW"
    pydicom.dcmwrite(file, template, little_endian=syntax != ExplicitVRBigEndian,
                     implicit_vr=syntax == ImplicitVRLittleEndian)  # fmt: skip
    report = dicomarray.to_dicom(dicomarray.load(file), file, tmp_path / "out")
    written = pydicom.dcmread(report.files[0])
    np.testing.assert_array_equal(written.pixel_array, stored)
    expected = syntax if syntax == ImplicitVRLittleEndian else "1.2.840.10008.1.2.1"
    assert written.file_meta.TransferSyntaxUID == expected


@pytest.mark.parametrize("name", ["rle", "jpeg-ls", "jpeg-2000"])
def test_frames_can_be_compressed(tmp_path, name):
    """One stream a frame, read by pydicom frame by frame."""
    stored = pixels(3)
    file = write_enhanced(tmp_path / "in" / "a.dcm", stored)
    report = dicomarray.to_dicom(dicomarray.load(file), file, tmp_path / "out", compress=name)
    written = pydicom.dcmread(report.files[0])
    assert written.file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(written.pixel_array, stored)


def test_a_key_makes_the_same_bytes_again(tmp_path):
    """Other values or other frames give other bytes, with other UIDs."""
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(3), common=dimensions("StackID"))
    volume = dicomarray.load(file)
    one, two = (dicomarray.to_dicom(volume, file, tmp_path / name, uid_key="k") for name in ("1", "2"))
    assert one.files[0].read_bytes() == two.files[0].read_bytes()
    other = dicomarray.to_dicom(volume.array + 1, file, tmp_path / "3", uid_key="k")
    assert not {one.series_uid, *one.sop_uids} & {other.series_uid, *other.sop_uids}


def test_a_subset_of_slices_keeps_their_groups(tmp_path):
    """Every second slice: the frames that are left, as they are, with their distance as spacing."""
    shared = {"PixelMeasuresSequence": {"PixelSpacing": ["0.8", "0.7"], "SliceThickness": "2.0",
                                        "SpacingBetweenSlices": str(SPACING_MM)}}  # fmt: skip
    stored = pixels(6)
    frames = [at(i * SPACING_MM) | content(StackID="1", InStackPositionNumber=i + 1) for i in range(6)]
    file = write_enhanced(tmp_path / "in" / "a.dcm", stored, frames, shared=shared)
    volume = dicomarray.load(file)
    affine = volume.affine.copy()
    affine[:, 0] *= 2
    report = dicomarray.to_dicom(volume.array[::2], file, tmp_path / "out", affine=affine)
    header, shared, groups = groups_of(report.files[0])
    np.testing.assert_array_equal(header.pixel_array, stored[::2])
    assert header.NumberOfFrames == len(groups) == 3
    assert float(shared.PixelMeasuresSequence[0].SpacingBetweenSlices) == 2 * SPACING_MM
    assert float(shared.PixelMeasuresSequence[0].SliceThickness) == 2.0
    assert contents(report.files[0], "InStackPositionNumber") == [1, 2, 3]


def test_a_finer_grid_has_frames_of_its_own(tmp_path):
    """Twice the slices, half the columns: even positions, one item a frame, dimensions without gaps."""
    frames = [
        at(i * SPACING_MM)
        | content(
            StackID="4",
            InStackPositionNumber=i + 1,
            DimensionIndexValues=[4, i + 1],
            FrameAcquisitionDateTime="20200101120000",
        )
        for i in range(4)
    ]
    common = dimensions("StackID", "InStackPositionNumber")
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(4), frames, common=common, kind="CT")
    volume = dicomarray.load(file)
    affine = volume.affine.copy()
    affine[:, 0] /= 2
    affine[:, 2] *= 2
    array = np.random.default_rng(3).normal(size=(7, 6, 3)).astype(np.float32)
    report = dicomarray.to_dicom(array, file, tmp_path / "out", affine=affine)
    header, _, groups = groups_of(report.files[0])
    assert (header.NumberOfFrames, header.Rows, header.Columns, len(groups)) == (7, 6, 3, 7)
    heights = [float(g.PlanePositionSequence[0].ImagePositionPatient[2]) for g in groups]
    np.testing.assert_allclose(np.diff(heights), SPACING_MM / 2, atol=1e-9)
    assert contents(report.files[0], "DimensionIndexValues") == [[1, i + 1] for i in range(7)]
    assert contents(report.files[0], "InStackPositionNumber") == list(range(1, 8))
    again = dicomarray.load(tmp_path / "out")
    np.testing.assert_allclose(again.affine, affine, atol=1e-9)
    assert np.abs(again.array - array).max() <= report.slope
    assert contents(report.files[0], "FrameAcquisitionDateTime")[1] is None
    assert new_issues(file, report.files[0])[0] == set()


def test_many_frames_take_time_in_proportion(tmp_path):
    """A thousand frames: each appears once, in order, with its own item."""
    stored = pixels(1000, 2, 2)
    file = write_enhanced(tmp_path / "in" / "a.dcm", stored)
    report = dicomarray.to_dicom(dicomarray.load(file), file, tmp_path / "out", verify=False)
    header, _, groups = groups_of(report.files[0])
    np.testing.assert_array_equal(header.pixel_array, stored)
    assert len(groups) == 1000


def test_odd_bytes_are_padded(tmp_path):
    """8-bit frames of an odd number of pixels become OB of even length."""
    stored = pixels(3, 3, 3, np.uint8, 200)
    file = write_enhanced(tmp_path / "in" / "a.dcm", stored)
    report = dicomarray.to_dicom(dicomarray.load(file), file, tmp_path / "out")
    written = pydicom.dcmread(report.files[0])
    np.testing.assert_array_equal(written.pixel_array, stored)
    assert len(written.PixelData) == 28 and written["PixelData"].VR == "OB"


@pytest.mark.parametrize("uid", ["12.1.1", "6.2", "77.1.5.4"])
def test_classes_that_cannot_carry_a_derived_volume_say_why(tmp_path, uid):
    """Projections, probe coordinates, no slope: refused with the reason; nothing is left behind."""
    common = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1." + uid}
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(3), common=common)
    with pytest.raises(TemplateError, match="cannot carry a derived volume"):
        dicomarray.to_dicom(dicomarray.load(file), file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tomosynthesis_takes_whole_numbers_only(tmp_path):
    """Breast Tomosynthesis has slope 1 and intercept 0 (PS3.3 C.7.6.16.2.9b)."""
    common = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3"}
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(3), common=common)
    volume = dicomarray.load(file)
    dicomarray.to_dicom(volume.array // 2, file, tmp_path / "whole")
    with pytest.raises(ValuesError, match="slope"):
        dicomarray.to_dicom(volume.array * 0.37, file, tmp_path / "out")


def test_an_array_of_another_shape_is_refused(tmp_path):
    """Without a place of its own it must have the template's frames, rows and columns."""
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(3))
    with pytest.raises((TemplateError, UsageError), match="shape"):
        dicomarray.to_dicom(pixels(4), file, tmp_path / "out")


def test_indices_are_counted_anew_in_their_old_order():
    """From 1 without gaps, whatever the numbers were; positions by stack."""
    frames = [FrameIndices((), (), stack, position) for stack, position in (("a", 9), ("a", 4), ("b", 7))]
    assert [frame.position for frame in compacted(frames)] == [2, 1, 1]


def test_frames_on_a_grid_are_one_stack():
    """Whatever stack their sources were in: slices count up, and again in each repetition."""
    frames = [FrameIndices((), (), "x", 5, time) for time in (3, 3, 8, 8)]
    placed = restacked(frames, 2)
    assert [(frame.stack, frame.position, frame.time) for frame in placed] == [
        ("1", 1, 1), ("1", 2, 1), ("1", 1, 2), ("1", 2, 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("uid", "legal"),
    [("1.2.840.1", True), ("2.25.7", True), ("9999.1.2", False), ("1.02", False), ("", False), ("1", False)],
)
def test_uids_with_roots_that_do_not_exist_are_not_named(uid, legal):
    """Root 0, 1 or 2, no leading zeros (PS3.5 9.1)."""
    assert legal_uid(uid) is legal


def test_a_stack_geometry_of_one_slice_is_written(tmp_path):
    """A single frame out of several is written by its own affine."""
    file = write_enhanced(tmp_path / "in" / "a.dcm", pixels(4))
    volume = dicomarray.load(file)
    affine = volume.affine.copy()
    affine[:3, 3] += 2 * affine[:3, 0]
    assert isinstance(volume.geometry, StackGeometry)
    report = dicomarray.to_dicom(volume.array[2:3], file, tmp_path / "out", affine=affine)
    header, _, groups = groups_of(report.files[0])
    assert header.NumberOfFrames == len(groups) == 1
    np.testing.assert_array_equal(header.pixel_array.squeeze(), volume.array[2])
