"""What frames share and what each says of itself, as sequences of a data set."""

from __future__ import annotations

import pytest

from dicomarray.dicom.functional_groups import FunctionalGroups, flatten, private_block
from dicomarray.errors import HeaderError

UNITS = "MeasurementUnitsCodeSequence"


def test_a_macro_of_the_frame_holds_before_that_of_all_frames() -> None:
    """What no frame says is that of all frames; beyond the last group there is that alone."""
    shared, own = ({"CodeValue": "HU"},), ({"CodeValue": "1"},)
    said = {
        "SharedFunctionalGroupsSequence": ({UNITS: shared},),
        "PerFrameFunctionalGroupsSequence": ({UNITS: own}, {}),
    }
    groups = FunctionalGroups.of(said, "a.dcm")
    assert [groups.macro(index, UNITS) for index in range(3)] == [own, shared, shared]
    assert groups
    assert not FunctionalGroups.of({}, "a.dcm")


@pytest.mark.parametrize("value", ["text", 5, ({"a": 1}, "text")])
def test_groups_that_are_no_sequence_are_refused(value: object) -> None:
    """The error names the file and the attribute."""
    with pytest.raises(HeaderError, match=r"a\.dcm: PerFrameFunctionalGroupsSequence is .* sequence"):
        FunctionalGroups.of({"PerFrameFunctionalGroupsSequence": value}, "a.dcm")  # type: ignore[dict-item]


def test_another_number_of_groups_than_of_frames_is_refused() -> None:
    """Groups shared by all frames have no number that could be wrong."""
    FunctionalGroups({"a": 1}, ()).check_count(7, "a.dcm")
    with pytest.raises(HeaderError, match=r"a\.dcm: NumberOfFrames is 3, but .* has 2 items"):
        FunctionalGroups({}, ({}, {})).check_count(3, "a.dcm")


def test_a_private_block_is_found_by_its_creator() -> None:
    """The block is the creator's, not the first one with the element; deeper items come after its own."""
    item = {"(2005,0010)": "A", "(2005,100E)": 1, "(2005,0014)": "B ", "(2005,140E)": 2}
    assert private_block(item, "B") == {"0E": 2}
    assert private_block(item, "C") == {}
    deeper = {"(2005,0010)": "B", "(2005,100E)": 3, "(2005,1001)": 4}
    assert private_block({**item, "(0021,1101)": (deeper,)}, "B") == {"0E": 2, "01": 4}


def test_groups_are_flattened_by_keyword() -> None:
    """Each macro's attributes, nested ones too; private sequences with classic data sets in them are not."""
    group = {
        "PlanePositionSequence": ({"ImagePositionPatient": (1.0, 2.0, 3.0)},),
        "MRDiffusionSequence": (
            {
                "DiffusionBValue": 9.0,
                "DiffusionGradientDirectionSequence": ({"DiffusionGradientOrientation": (1, 0, 0)},),
            },
        ),
        "(2005,140F)": ({"ImagePositionPatient": (7.0, 7.0, 7.0)},),
        "Empty": (),
    }
    assert flatten(group) == {
        "ImagePositionPatient": (1.0, 2.0, 3.0),
        "DiffusionBValue": 9.0,
        "DiffusionGradientOrientation": (1, 0, 0),
        "Empty": (),
    }


def test_what_is_said_of_other_images_is_not_of_the_frame() -> None:
    """The segment that a map was derived from is not the segment that a frame holds."""
    source = {"ReferencedSegmentNumber": 7, "ReferencedSOPInstanceUID": "1.2"}
    group = {
        "DerivationImageSequence": ({"SourceImageSequence": (source,)},),
        "ReferencedImageSequence": (source,),
        "ConversionSourceAttributesSequence": (source,),
    }
    assert flatten(group) == {}
    own = {"SegmentIdentificationSequence": ({"ReferencedSegmentNumber": 3},)}
    assert flatten({**own, **group}) == {"ReferencedSegmentNumber": 3}
