"""The selections of the filter's reference page, each asked of an archive that has something for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

import synthetic
from dicomarray import Catalog, scan
from dicomarray.query.selection import evaluate_all, parse

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "filter.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("## Selections people make")[2].partition("\n## ")[0]
BLOCK = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONFIGS = [json.loads(code) for code in BLOCK.findall(SECTION)]

DOSE = Dataset()
DOSE.RadionuclideTotalDose, DOSE.RadionuclideHalfLife = 370e6, 6586.2
PET = {"CorrectedImage": ["DECY", "ATTN", "SCAT"], "RadiopharmaceuticalInformationSequence": [DOSE]}
LOCALIZER = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
T1 = {"SeriesDescription": "AX T1 post", "ImageType": ["ORIGINAL", "PRIMARY", "M"]}
# name: modality, slices, millimetres from slice to slice, study, attributes, attributes of single slices
SERIES: dict[str, tuple[str, int, float, str, dict[str, Any], list[dict[str, Any]] | None]] = {
    "thin": ("CT", 12, 1.0, "A", {"ConvolutionKernel": "B60f", "SeriesDescription": "LUNG"}, None),
    "soft": ("CT", 12, 3.0, "A", {"ConvolutionKernel": "B30f", "SeriesDescription": "SOFT"}, None),
    "agent": ("CT", 12, 1.0, "B", {"ConvolutionKernel": "X", "ContrastBolusAgent": "IODINE"}, None),
    "scout": ("CT", 3, 5.0, "C", {}, [{"ImageType": LOCALIZER}, {}, {}]),
    "small": ("PT", 4, 3.0, "A", PET | {"StudyDate": "20230301"}, None),
    "large": ("PT", 9, 3.0, "A", PET | {"StudyDate": "20220301"}, None),
    "raw": ("PT", 20, 3.0, "A", {"CorrectedImage": "DECY", "StudyDate": "20240301"}, None),
    "t1": ("MR", 5, 3.0, "D", T1 | {"PatientAge": "044Y", "StudyDate": "20230405"}, None),
    "child": ("MR", 5, 3.0, "D", {"PatientAge": "011Y", "StudyDate": "20230405"}, None),
    "dwi": ("MR", 4, 3.0, "D", {}, [{"DiffusionBValue": b} for b in (0.0, 0.0, 1000.0, 1000.0)]),
    "dixon": ("MR", 4, 3.0, "F", {"ImageType": ["ORIGINAL", "PRIMARY", "M", "DIXON", "WATER"]}, None),
    "bold": ("MR", 100, 3.0, "E", {"MagneticFieldStrength": 3.0, "SeriesDescription": "bold"},
             [{"AcquisitionTime": f"12{n // 20:02d}{n % 20 * 3:02d}"} for n in range(100)]),
}  # fmt: skip
VOLUMES = ["agent", "bold", "raw", "soft", "thin"]
EXPECTED: list[list[str]] = [
    ["thin"],
    ["large"],
    ["t1"],
    VOLUMES,
    ["dwi"],
    ["dixon"],
    ["agent", "scout", "soft"],
    ["t1"],
    ["bold"],
    ["small"],
    ["scout"],
]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("archive")
    for number, (name, (modality, slices, step, study, further, each)) in enumerate(SERIES.items(), 1):
        common: dict[str, Any] = {"SeriesNumber": number, "SeriesInstanceUID": f"1.2.{number}"}
        common |= {"KVP": 120, "StationName": name}
        common |= {"StudyInstanceUID": f"1.3.{ord(study)}", "PatientID": "P1", "SeriesDescription": "series"}
        common |= {"StudyDate": "20200101", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]} | further
        places = [{"ImagePositionPatient": [0, 0, step * place]} for place in range(slices)]
        own = [place | (each[i] if each else {}) for i, place in enumerate(places)]
        array = synthetic.stored_values((slices, 3, 4))
        synthetic.write_series(folder / name, array, modality=modality, common=common, each=own)
    names = frozenset({"StationName"}).union(*(parse(config).attributes for config in CONFIGS))
    return scan(folder, names)


def test_each_has_an_answer(catalog: Catalog) -> None:
    """As many as the page shows, each with an answer here."""
    assert len(CONFIGS) == len(EXPECTED)
    assert len(catalog) == len(SERIES)


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_selection(number: int, catalog: Catalog) -> None:
    """The series that the sentence above the example means."""
    selection = parse(CONFIGS[number])
    found = [str(series.attributes["StationName"]) for series in evaluate_all(selection, catalog).matching]
    assert sorted(found) == EXPECTED[number]
    assert selection.warnings == ()
