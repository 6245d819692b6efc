"""Names that people and programs give to structures, and the coded terms that they stand for."""

from __future__ import annotations

import json

import pytest

from dicomarray import Segment, SegmentationError
from dicomarray.core.coded_terms import BOTH, LEFT, RIGHT, coded, look_up, suggestions
from dicomarray.formats.segment_list import segments_of

# The classes of TotalSegmentator's task "total", versions 1 to 3, without sides and numbers.
SINGLE = """
    spleen gallbladder liver stomach pancreas esophagus trachea thyroid_gland small_bowel duodenum colon
    urinary_bladder prostate sacrum heart aorta pulmonary_vein brachiocephalic_trunk superior_vena_cava
    inferior_vena_cava portal_vein_and_splenic_vein spinal_cord brain skull sternum costal_cartilages face
    heart_myocardium heart_atrium_left heart_ventricle_left heart_atrium_right heart_ventricle_right
    pulmonary_artery lung_middle_lobe_right atrial_appendage_left
"""
SIDED = """
    kidney adrenal_gland lung_upper_lobe lung_lower_lobe kidney_cyst subclavian_artery common_carotid_artery
    brachiocephalic_vein iliac_artery iliac_vena humerus scapula clavicula femur hip gluteus_maximus
    gluteus_medius gluteus_minimus autochthon iliopsoas lung
"""
VERTEBRAE = [f"vertebrae_{c}{n}" for c, last in (("C", 7), ("T", 12), ("L", 6)) for n in range(1, last + 1)]


@pytest.mark.parametrize("name", [*SINGLE.split(), *VERTEBRAE, "vertebrae_S1"])
def test_names_of_totalsegmentator_have_terms(name: str) -> None:
    """Every class without a side has a type, and no side of its own."""
    term = look_up(name)
    assert term is not None
    assert term.type.scheme == "SCT"
    assert term.laterality is None


@pytest.mark.parametrize("name", [*SIDED.split(), *(f"rib_SIDE_{n}" for n in range(1, 13))])
def test_classes_of_two_sides_have_one_type(name: str) -> None:
    """Left and right are one type with two sides, and two colours."""
    if "SIDE" not in name:
        name += "_SIDE"
    left, right = (look_up(name.replace("SIDE", side)) for side in ("left", "right"))
    assert left is not None
    assert right is not None
    assert left.type == right.type
    assert (left.laterality, right.laterality) == (LEFT, RIGHT)
    assert left.colour != right.colour


@pytest.mark.parametrize(
    "name",
    ["kidney_left", "Left Kidney", "KIDNEY, LEFT", "Kidney_L", "LeftKidney", "LKidney", "left kidneys"],
)
def test_spellings_of_a_name_are_one(name: str) -> None:
    """Case, order, underscores, plural and the words for a side make no difference."""
    term = look_up(name)
    assert term is not None
    assert term.type == ("64033007", "SCT", "Kidney")
    assert term.laterality == LEFT


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("Bladder", "Bladder"),
        ("oesophagus", "Esophagus"),
        ("SpinalCord", "Spinal cord"),
        ("Glnd_Submand_L", "Submandibular gland"),
        ("OpticNrv_R", "Optic nerve"),
        ("Bowel_Small", "Small intestine"),
        ("first rib", "First rib"),
        ("left ventricle", "Left ventricle"),
        ("middle lobe of the right lung", "Middle lobe of right lung"),
        ("rectum", "Rectum"),
        ("uterus", "Uterus"),
        ("lungs", "Lung"),
        ("teeth", "Tooth"),
        ("intervertebral_discs", "Intervertebral disc"),
        ("L4/L5 disc", "L4/L5 disc"),
        ("liver_mask", "Liver"),
        ("liver_segment_4", "Couinaud hepatic segment IV"),
        ("white matter", "White Matter"),
        ("ventricle_temporal_horn_left", "Inferior Horn of Lateral Ventricle"),
        ("aorta_false_lumen", "False Lumen"),
        ("brain_aneurysm", "Aneurysm"),
        ("left_ventricular_outflow_tract", "Left ventricle outflow tract"),
    ],
)
def test_common_names_have_terms(name: str, meaning: str) -> None:
    """Common English names, and those of radiation oncology."""
    term = look_up(name)
    assert term is not None
    assert term.type.meaning == meaning


def test_every_tooth_has_a_code_of_its_own_by_its_name_and_its_number() -> None:
    """Of both dentitions, by the numbers of FDI; the side is part of the code."""
    numbers = [f"fdi{q}{n}" for q in range(1, 9) for n in range(1, 9 if q < 5 else 6)]
    teeth = [look_up(number) for number in numbers]
    assert len({term.type.value for term in teeth if term is not None}) == len(numbers) == 52
    for name in ("lower_left_first_molar_fdi36", "mandibular left first molar tooth", "FDI 36"):
        term = look_up(name)
        assert term is not None
        assert (term.type.meaning, term.laterality) == ("Mandibular left first molar tooth", None)
    assert look_up("lower_left_first_molar_pulp_fdi136") is None


def test_right_and_left_together_are_a_side_of_their_own() -> None:
    """A mask of both kidneys says so."""
    term = look_up("kidneys both")
    assert term is not None
    assert term.laterality == BOTH


def test_a_tumor_of_an_organ_has_its_region() -> None:
    """The type is the tumor's, region and side are the organ's."""
    term = look_up("kidney_tumour_left")
    assert term is not None
    assert term.category.meaning == "Morphologically Abnormal Structure"
    assert term.type.meaning == "Neoplasm"
    assert term.region == ("64033007", "SCT", "Kidney")
    assert term.laterality == LEFT


@pytest.mark.parametrize(
    ("name", "roi_type"),
    [("liver", "ORGAN"), ("body", "EXTERNAL"), ("couch", "SUPPORT"), ("GTV", "GTV"), ("tumor", None)],
)
def test_terms_have_the_type_of_a_structure_set(name: str, roi_type: str | None) -> None:
    """RT ROI Interpreted Type, where the name decides it."""
    term = look_up(name)
    assert term is not None
    assert term.roi_type == roi_type


@pytest.mark.parametrize(
    ("name", "roi_type"), [("PTV_6000", "PTV"), ("PTV60", "PTV"), ("GTVp1", "GTV"), ("CTV nodes L", "CTV")]
)
def test_target_volumes_are_known_by_their_first_letters(name: str, roi_type: str) -> None:
    """Whatever number, dose or place follows."""
    term = look_up(name)
    assert term is not None
    assert term.roi_type == roi_type
    assert look_up("ctvish") is None


def test_the_json_that_an_error_shows_is_taken() -> None:
    """On the command line codes stand in a file: what it needs for an unknown name is in the message."""
    with pytest.raises(SegmentationError) as refused:
        coded(Segment(3, "xyzzy"))
    (segment,) = segments_of(json.loads(str(refused.value).rpartition("(--segments FILE) ")[2]))
    assert (segment.number, segment.label, segment.type) == (3, "xyzzy", ("VALUE", "SCHEME", "MEANING"))


def test_an_unknown_name_is_an_error_that_suggests() -> None:
    """The message has similar names, and how to give codes."""
    with pytest.raises(SegmentationError, match=r"livver.*similar: liver.*category=\(VALUE"):
        coded(Segment(1, "livver"))
    assert suggestions("xyzzy") == []


def test_a_side_of_what_has_none_is_an_error() -> None:
    """There is one liver: its left and right are no term of the table."""
    with pytest.raises(SegmentationError, match="no left and right"):
        coded(Segment(1, "liver_left"))


def test_codes_that_are_given_are_kept() -> None:
    """A segment with codes needs no name of the table, and gets nothing from it."""
    mine = Segment(1, "liver", category=("1", "99ME", "Thing"), type=("2", "99ME", "My thing"))
    assert coded(mine) is mine


def test_a_colour_that_is_given_is_kept() -> None:
    """Only what a segment does not say comes from the table."""
    segment = coded(Segment(3, "spleen", colour=(1, 2, 3)))
    assert segment.colour == (1, 2, 3)
    assert segment.type == ("78961009", "SCT", "Spleen")
    assert segment.roi_type == "ORGAN"
