"""What an image shows, by the words of the standard and the vendors; and volumes of their own for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import enhanced_files
import synthetic
from dicomarray import Volume, scan
from dicomarray.assembly.grouping.image_kinds import (
    GE_DIFFUSION_IMAGE,
    GE_IMAGE_COMPONENT,
    IMAGE_KINDS,
    PHILIPS_DIRECTION,
    SIEMENS_DIRECTIONALITY,
    image_kinds,
)
from dicomarray.errors import ChoiceError
from synthetic import write_repetitions

SLICES = (3, 5, 6)
DIXON = ("ORIGINAL", "PRIMARY", "M", "ND", "DIXON")
DOCS = Path(__file__).parents[4] / "docs" / "reference" / "reading.md"


def volumes(folder: Path, **options: Any) -> list[Volume]:
    (series,) = scan(folder)
    return series.volumes(**options)


def written(folder: Path, types: Sequence[Sequence[str]], **options: Any) -> np.ndarray[Any, Any]:
    """A repetition for each Image Type."""
    array = synthetic.stored_values((len(types), *SLICES))
    write_repetitions(folder, array, [{"ImageType": list(words)} for words in types], **options)
    return array


# --- the words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        # Siemens
        ("ORIGINAL PRIMARY M ND DIXON WATER", "magnitude water"),
        ("ORIGINAL PRIMARY M IN_PHASE NORM DIS2D", "magnitude in_phase"),
        ("ORIGINAL PRIMARY M OPP_PHASE NORM DIS2D", "magnitude out_phase"),
        ("DERIVED PRIMARY M DIXON FAT_FRACTION", "magnitude fat_fraction"),
        ("DERIVED PRIMARY R2_STAR|MAP ND NORM", "r2_star_map"),
        ("DERIVED PRIMARY T2_STAR|MAP DIS2D", "t2_star_map"),
        ("DERIVED PRIMARY T1|MAP ND MOCO", "t1_map"),
        ("DERIVED PRIMARY DIFFUSION ADC ND DIS2D", "adc"),
        ("DERIVED PRIMARY DIFFUSION FA ND DIS2D", "fa"),
        ("DERIVED PRIMARY DIFFUSION TRACEW ND", "trace"),
        ("ORIGINAL PRIMARY DIFFUSION NONE ND", ""),
        ("DERIVED PRIMARY PERFUSION RELCBF", "cbf"),
        ("ORIGINAL PRIMARY M SWI NORM", "magnitude swi"),
        ("DERIVED PRIMARY MNIP SWI", "swi minip"),
        ("DERIVED PRIMARY QMAP T1 ND", "t1_map"),
        # Philips
        ("ORIGINAL PRIMARY W_FFE W FFE", "water"),
        ("ORIGINAL PRIMARY OP_FFE OP FFE", "out_phase"),
        ("ORIGINAL PRIMARY SW_P_FFE SW_P FFE", "phase swi"),
        ("ORIGINAL PRIMARY SW_M_FFE SW_M FFE", "magnitude swi"),
        ("ORIGINAL PRIMARY ADC_SE ADC SE", "adc"),
        ("ORIGINAL PRIMARY T2|MAP T2 SE", "t2_map"),
        ("ORIGINAL PRIMARY T2_STAR_UNSPECIF T2_STAR UNSPECIFIED", "t2_star_map"),
        ("ORIGINAL PRIMARY B0|MAP B0 UNSPECIFIED", "b0_map"),
        ("ORIGINAL PRIMARY VELOCITY|MAP P PCA", "phase velocity"),
        ("ORIGINAL PRIMARY M_IR M IR", "magnitude"),
        # GE, UIH and the standard
        ("DERIVED PRIMARY DIXON WATER", "water"),
        ("DERIVED PRIMARY DIXON OUT_PHASE", "out_phase"),
        ("DERIVED PRIMARY CBF CBF", "cbf"),
        ("DERIVED PRIMARY DIFFUSION DIFFUSION_ANISO", "fa"),
        ("DERIVED PRIMARY PERFUSION MTT", "mtt"),
        ("DERIVED PRIMARY DIFFUSION RCBV", "cbv"),
        # a weighting is no map, the first two values tell no quantity, and other words are none
        ("ORIGINAL PRIMARY T1 NONE", ""),
        ("ORIGINAL PRIMARY T2_STAR NONE", ""),
        ("ORIGINAL PRIMARY PROTON_DENSITY NONE", ""),
        ("F W OTHER", ""),
        ("ORIGINAL PRIMARY AXIAL WHOLE|BODY FATSAT", ""),
        # however it is written
        ("original primary m in|phase", "magnitude in_phase"),
        ("ORIGINAL PRIMARY |M| |WATER||| | ", "magnitude water"),
        ("ORIGINAL PRIMARY M OPP-PHASE", "magnitude out_phase"),
    ],
)
@pytest.mark.parametrize("keyword", ["ImageType", "FrameType"])
def test_words_say_what_an_image_shows(keyword: str, words: str, kinds: str) -> None:
    """They do from the third value on, in capitals or not, padded or not, with blanks or underlines."""
    values = tuple(word.replace("|", " ") for word in words.split(" "))
    assert " ".join(image_kinds({keyword: values})) == kinds


@pytest.mark.parametrize(
    ("attributes", "kinds"),
    [
        ({}, ()),
        ({"ImageType": None}, ()),
        ({"ImageType": "ORIGINAL"}, ()),
        ({"ImageType": ("ORIGINAL", None, None, "ADC")}, ("adc",)),
        ({"ComplexImageComponent": "REAL"}, ("real",)),
        ({GE_IMAGE_COMPONENT: 1}, ("phase",)),
        ({GE_DIFFUSION_IMAGE: 18}, ("fa",)),
        ({GE_DIFFUSION_IMAGE: 19}, ("trace",)),
        ({GE_DIFFUSION_IMAGE: 15}, ("trace",)),
        ({GE_DIFFUSION_IMAGE: 16}, ()),
        ({"DiffusionDirectionality": "ISOTROPIC", "DiffusionBValue": 1000.0}, ("trace",)),
        ({"DiffusionDirectionality": "ISOTROPIC", "DiffusionBValue": 0.0}, ()),
        ({"DiffusionDirectionality": "DIRECTIONAL", "DiffusionBValue": 1000.0}, ()),
        ({PHILIPS_DIRECTION: "I", "DiffusionBValue": 800}, ("trace",)),
        ({PHILIPS_DIRECTION: "I", "DiffusionBValue": 0}, ()),
        ({PHILIPS_DIRECTION: "P", "DiffusionBValue": 800}, ()),
        ({SIEMENS_DIRECTIONALITY: "ISOTROPIC"}, ("trace",)),
        ({"DiffusionDirectionality": "DIRECTIONAL", PHILIPS_DIRECTION: "I"}, ()),
        ({"DiffusionBValue": 900.0, "DiffusionGradientOrientation": (0.0, 0.0, 0.0)}, ("trace",)),
        ({"DiffusionBValue": 5.0, "DiffusionGradientOrientation": (0.0, 0.0, 0.0)}, ()),
        ({"DiffusionBValue": 900.0, "DiffusionGradientOrientation": (0.0, 0.0, 1.0)}, ()),
        ({"DiffusionBValue": 900.0}, ()),
    ],
)
def test_other_attributes_say_it_where_words_do_not(
    attributes: dict[str, Any], kinds: tuple[str, ...]
) -> None:
    """Complex Image Component, private codes, and the directionality of diffusion above b = 50."""
    assert image_kinds(attributes) == kinds


def test_the_reference_has_every_word() -> None:
    """The table of the documentation is the closed list, and the words that it names mean what it says."""
    text = DOCS.read_text(encoding="utf-8")
    rows = text[text.index("| word | what") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [word.strip("`") for word, _, _ in cells] == list(IMAGE_KINDS)
    for word, _, written_as in cells:
        for name in written_as.split(", "):
            behind = ("OTHER",) * name.endswith(" (behind the third value)")
            words = ("ORIGINAL", "PRIMARY", *behind, name.split(" (")[0])
            assert word.strip("`") in image_kinds({"ImageType": words})


# --- volumes ----------------------------------------------------------------------------------------------

FOUR = ("IN_PHASE", "OPP_PHASE", "WATER", "FAT")


@pytest.mark.parametrize("order", ["volume", "slice"])
def test_four_dixon_contrasts_at_several_echoes(tmp_path: Path, order: str) -> None:
    """2 echoes x 4 contrasts: eight volumes, and each says what it is."""
    steps = [
        {"ImageType": [*DIXON, word], "EchoTime": echo, "EchoNumbers": number + 1}
        for number, echo in enumerate((1.2, 2.4))
        for word in FOUR
    ]
    array = synthetic.stored_values((8, *SLICES))
    write_repetitions(tmp_path / "s", array, steps, order=order)
    made = volumes(tmp_path / "s")
    assert [volume.axes for volume in made] == [("slice", "row", "column")] * 8
    for volume, expected, step in zip(made, array, steps, strict=True):
        assert np.array_equal(volume.array, expected)
        assert volume.metadata["series"]["ImageType"][-1] == step["ImageType"][-1]
        assert volume.metadata["series"]["EchoTime"] == step["EchoTime"]


@pytest.mark.parametrize("words", [("WATER", "FAT"), ("X1", "X2")])
@pytest.mark.parametrize("order", ["volume", "slice"])
def test_two_contrasts_over_time_are_two_4d_volumes(
    tmp_path: Path, words: tuple[str, str], order: str
) -> None:
    """The times do not tell the contrasts apart, known to the list or not: each is over time."""
    steps = [
        {"ImageType": [*DIXON, word], "TemporalPositionIdentifier": time + 1, "TriggerTime": 30 * time}
        for time in range(3)
        for word in words
    ]
    array = synthetic.stored_values((6, *SLICES))
    write_repetitions(tmp_path / "s", array, steps, order=order)
    one, other = volumes(tmp_path / "s")
    assert one.axes[0] == other.axes[0] == "time"
    assert np.array_equal(one.array, array[::2])
    assert np.array_equal(other.array, array[1::2])
    assert one.metadata["series"]["ImageType"][-1] == words[0]


def test_maps_and_b_values_in_one_series(tmp_path: Path) -> None:
    """b = 0 and 1000, the ADC and the FA make one volume along b, and a volume of each map."""
    steps: list[dict[str, Any]] = [
        {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "NONE"], "DiffusionBValue": 0.0},
        {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "NONE"], "DiffusionBValue": 1000.0},
        {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]},
        {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "FA"]},
    ]
    array = synthetic.stored_values((4, *SLICES))
    write_repetitions(tmp_path / "s", array, steps)
    weighted, adc, fa = volumes(tmp_path / "s")
    assert np.array_equal(weighted.array, array[:2])
    assert np.array_equal(adc.array, array[2])
    assert np.array_equal(fa.array, array[3])


def test_the_choices_are_named(tmp_path: Path) -> None:
    """The error that lists volumes says what each shows, also by words that no list knows."""
    written(tmp_path / "s", [(*DIXON, "WATER"), (*DIXON, "FAT"), (*DIXON, "X1"), (*DIXON, "X2")])
    (series,) = scan(tmp_path / "s")
    with pytest.raises(ChoiceError) as error:
        series.volume()
    for index, what in enumerate(("magnitude, water", "magnitude, fat", "magnitude, X1", "magnitude, X2")):
        assert f"{index}: 3 x 5 x 6, axial, {what}" in str(error.value)


def test_other_spellings_of_a_quantity_are_one(tmp_path: Path) -> None:
    """W in one slice and WATER, water or W with a blank in the next make one volume of water."""
    array = synthetic.stored_values((4, 5, 6))
    with pytest.warns(UserWarning, match="Invalid value for VR CS"):
        synthetic.write_series(
            tmp_path / "s",
            array,
            modality="MR",
            each=[{"ImageType": [*DIXON, word]} for word in ("W", "WATER", "water", "W ")],
        )
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, array)


@pytest.mark.parametrize("value", ["W", "F "])
def test_padding_case_and_empty_values_do_not_count(tmp_path: Path, value: str) -> None:
    """Trailing empty values and case in some images: time points stay one volume."""
    types = [[*DIXON, value], [*DIXON, value.lower(), "", ""], [*DIXON, value + " "]]
    with pytest.warns(UserWarning, match="Invalid value for VR CS"):
        array = written(tmp_path / "s", types)
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, array)


def test_frame_type_tells_kinds_frame_by_frame(tmp_path: Path) -> None:
    """Water and fat, magnitude and phase in one enhanced object make four volumes."""
    types = [["ORIGINAL", "PRIMARY", letter, word] for word in ("WATER", "FAT") for letter in "MP"]
    array = synthetic.stored_values((4, *SLICES))
    frames = [
        {**enhanced_files.at(2.5 * z), "MRImageFrameTypeSequence": {"FrameType": words}}
        for words in types
        for z in range(3)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, 5, 6), frames)
    made = volumes(tmp_path / "e.dcm")
    assert [volume.axes for volume in made] == [("slice", "row", "column")] * 4
    for volume, expected, words in zip(made, array, types, strict=True):
        assert np.array_equal(volume.array, expected)
        assert list(volume.metadata["series"]["ImageType"]) == words


def test_frames_of_other_words_are_volumes_where_nothing_else_tells(tmp_path: Path) -> None:
    """MIXED in Image Type; words of Frame Type part the frames at each place, and times do not."""
    array = synthetic.stored_values((4, *SLICES))
    frames = [
        {
            **enhanced_files.at(2.5 * z),
            **enhanced_files.content(TemporalPositionIndex=time + 1),
            "MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "OTHER", word]},
        }
        for word in ("X1", "X2")
        for time in range(2)
        for z in range(3)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, 5, 6), frames)
    one, other = volumes(tmp_path / "e.dcm")
    assert np.array_equal(one.array, array[:2])
    assert np.array_equal(other.array, array[2:])


def test_the_sidecar_tells_what_only_private_codes_say(tmp_path: Path) -> None:
    """GE's components: Image Type is the same for all, so Complex Image Component stands in the sidecar."""
    array = synthetic.stored_values((2, *SLICES))
    files = write_repetitions(
        tmp_path / "s", array, [{"ImageType": ["ORIGINAL", "PRIMARY", "OTHER"]}] * 2,
        common={"Manufacturer": "GE MEDICAL SYSTEMS"},
    )  # fmt: skip
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        data_set.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", index // 3)
        data_set.save_as(file)
    told = [volume.metadata["series"]["ComplexImageComponent"] for volume in volumes(tmp_path / "s")]
    assert told == ["MAGNITUDE", "PHASE"]


def test_the_sidecar_has_the_words_that_slices_share(tmp_path: Path) -> None:
    """NORM in some slices only: water is still told, and what not all slices say is left out."""
    array = synthetic.stored_values((2, *SLICES))
    each = [
        {
            "ImageType": [*DIXON[:4], *(["NORM"] if z == 1 else []), "DIXON", word],
            "ImagePositionPatient": [*synthetic.ORIGIN_MM[:2], 2.5 * z],
        }
        for word in ("WATER", "FAT")
        for z in range(3)
    ]
    synthetic.write_series(tmp_path / "s", array.reshape(-1, 5, 6), modality="MR", each=each)
    water, fat = volumes(tmp_path / "s")
    assert list(water.metadata["series"]["ImageType"]) == [*DIXON, "WATER"]
    assert list(fat.metadata["series"]["ImageType"]) == [*DIXON, "FAT"]
    assert np.array_equal(fat.array, array[1])
