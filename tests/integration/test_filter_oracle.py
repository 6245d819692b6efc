"""The filter against a naive evaluator that reads whole data sets with pydicom, on every file there is.

The evaluator is written from the grammar alone and shares no code with the package: it knows each config as a
function of one data set, and asks it of every instance.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue

from dicomarray import Catalog, dicom_filter, scan
from dicomarray.assembly.series import Series
from dicomarray.query.selection import evaluate_all, parse

Test = Callable[[Dataset], bool]
SeriesTest = Callable[[list[Dataset]], bool]


def values(dataset: Dataset, keyword: str) -> list[Any]:
    """All values of an attribute that say something."""
    if keyword not in dataset:
        return []
    value = dataset[keyword].value
    several = value if isinstance(value, MultiValue | list | tuple) else [value]
    return [v for v in several if v is not None and str(v).strip() != ""]


def text(value: Any) -> str:
    return unicodedata.normalize("NFC", str(value).strip()).casefold()


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    found = []
    for value in values(dataset, keyword):
        try:
            found.append(float(value))
        except ValueError:
            continue
    return found


def says(keyword: str, *wanted: str) -> Test:
    return lambda d: any(text(v) in map(text, wanted) for v in values(d, keyword))


def fits(keyword: str, pattern: str) -> Test:
    """By a regular expression on the whole text."""
    return lambda d: any(re.fullmatch(pattern, text(v), re.DOTALL) is not None for v in values(d, keyword))


def measures(keyword: str, condition: Callable[[float], bool]) -> Test:
    return lambda d: any(condition(n) for n in numbers(d, keyword))


def exists(keyword: str) -> Test:
    return lambda d: bool(values(d, keyword))


def no(test: Test) -> Test:
    return lambda d: not test(d)


def both(*tests: Test) -> Test:
    return lambda d: all(test(d) for test in tests)


def either(*tests: Test) -> Test:
    return lambda d: any(test(d) for test in tests)


def years(dataset: Dataset) -> list[float]:
    days = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
    found = (re.fullmatch(r"(\d{1,3})([DWMY])", str(v).strip()) for v in values(dataset, "PatientAge"))
    return [int(m[1]) * days[m[2]] for m in found if m]


def day(dataset: Dataset, keyword: str) -> list[str]:
    return [str(v).strip().replace(".", "") for v in values(dataset, keyword)]


def private(group: int, creator: str, element: int) -> Callable[[Dataset], list[Any]]:
    def found(dataset: Dataset) -> list[Any]:
        try:
            value = dataset.private_block(group, creator)[element].value
        except KeyError:
            return []
        return [value] if not isinstance(value, MultiValue) else list(value)

    return found


def instances(members: list[Dataset]) -> int:
    """How many files: the frames of an object have its file's name."""
    return len({str(d.filename) for d in members})


def normal(d: Dataset) -> NDArray[np.float64]:
    plane = np.array(values(d, "ImageOrientationPatient") or [np.nan] * 6, float)
    return np.cross(plane[:3], plane[3:])


def is_scout(members: list[Dataset]) -> bool:
    """Three orientations at right angles to each other, of at most 30 images each, and nothing else."""
    groups: list[list[NDArray[np.float64]]] = []
    for d in members:
        near = [group for group in groups if abs(group[0] @ normal(d)) > 0.9]
        (near[0] if near else groups.append([]) or groups[-1]).append(normal(d))
    firsts = np.array([group[0] for group in groups])
    upright = np.abs(firsts @ firsts.T - np.eye(len(firsts))).max() < 0.3
    return len(groups) == 3 and bool(upright) and all(len(group) <= 30 for group in groups)


CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
SIEMENS_B = private(0x0019, "SIEMENS MR HEADER", 0x0C)
# What every instance must satisfy.
EVERY: list[tuple[dict[str, Any], Test]] = [
    ({}, lambda _: True),
    ({"Modality": "CT"}, says("Modality", "CT")),
    ({"Modality": "mr"}, says("Modality", "MR")),
    ({"Modality": ["CT", "PT", "MR"]}, says("Modality", "CT", "PT", "MR")),
    ({"Modality": {"not": "MR"}}, no(says("Modality", "MR"))),
    ({"not": {"Modality": "MR"}}, no(says("Modality", "MR"))),
    ({"not": [{"Modality": "MR"}, {"Modality": "CT"}]}, no(says("Modality", "MR", "CT"))),
    ({"SeriesDescription": "*ax*"}, fits("SeriesDescription", ".*ax.*")),
    ({"SeriesDescription": {"like": "*t?_*"}}, fits("SeriesDescription", ".*t._.*")),
    ({"SeriesDescription": {"regex": "^[ad]"}}, fits("SeriesDescription", "[ad].*")),
    ({"SeriesDescription": {"exists": False}}, no(exists("SeriesDescription"))),
    ({"SeriesDescription": {"not": "*dwi*", "exists": True}},
     both(exists("SeriesDescription"), no(fits("SeriesDescription", ".*dwi.*")))),
    ({"Manufacturer": "*SIEMENS*"}, fits("Manufacturer", ".*siemens.*")),
    ({"Manufacturer": ["GE*", "Philips*"]}, fits("Manufacturer", "(ge|philips).*")),
    ({"Manufacturer": {"case": True, "like": "SIEMENS*"}},
     lambda d: any(str(v).strip().startswith("SIEMENS") for v in values(d, "Manufacturer"))),
    ({"ImageType": "ORIGINAL"}, says("ImageType", "ORIGINAL")),
    ({"ImageType": {"has_all": ["ORIGINAL", "PRIMARY"]}},
     both(says("ImageType", "ORIGINAL"), says("ImageType", "PRIMARY"))),
    ({"ImageType": {"count": {"gte": 4}}}, lambda d: len(values(d, "ImageType")) >= 4),
    ({"ImageType[2]": "AXIAL"},
     lambda d: [text(v) for v in (d.ImageType if isinstance(d.get("ImageType"), MultiValue) else [])][2:3]
     == ["axial"]),
    ({"not": {"ImageType": ["DERIVED", "LOCALIZER"]}}, no(says("ImageType", "DERIVED", "LOCALIZER"))),
    ({"Rows": {"gte": 256}}, measures("Rows", lambda n: n >= 256)),
    ({"Rows": 512, "Columns": 512}, both(measures("Rows", lambda n: n == 512),
                                         measures("Columns", lambda n: n == 512))),
    ({"Rows": {"between": [64, 128]}}, measures("Rows", lambda n: 64 <= n <= 128)),
    ({"BitsStored": {"lt": 16}}, measures("BitsStored", lambda n: n < 16)),
    ({"(0028,0101)": {"not": {"lt": 16}}}, no(measures("BitsStored", lambda n: n < 16))),
    ({"KVP": {"between": [100, 120]}}, measures("KVP", lambda n: 100 <= n <= 120)),
    ({"MagneticFieldStrength": {"near": [3, 0.2]}},
     measures("MagneticFieldStrength", lambda n: abs(n - 3) <= 0.2)),
    ({"MagneticFieldStrength": {"gt": 2.5}}, measures("MagneticFieldStrength", lambda n: n > 2.5)),
    ({"SeriesNumber": {"gt": 3, "lt": 12}}, measures("SeriesNumber", lambda n: 3 < n < 12)),
    ({"PatientAge": {"gte": 18}}, lambda d: any(age >= 18 for age in years(d))),
    ({"StudyDate": {"lt": "2015"}}, lambda d: any(v < "2015" for v in day(d, "StudyDate") if v.isdigit())),
    ({"StudyDate": "2004-2018"},
     lambda d: any("20040101" <= v <= "20181231" for v in day(d, "StudyDate") if v.isdigit())),
    ({"StudyDate": {"exists": False}}, no(exists("StudyDate"))),
    ({"StudyTime": {"lt": "12:00"}},
     lambda d: any(str(v).strip() < "12" for v in values(d, "StudyTime") if str(v).strip()[:2].isdigit())),
    ({"SOPClassUID": ["CTImageStorage", MR]}, says("SOPClassUID", CT, MR)),
    ({"SOPClassUID": {"regex": r"\.1\.1\.[24]$"}}, fits("SOPClassUID", r".*\.1\.1\.[24]")),
    ({"PatientID": "*0*"}, fits("PatientID", ".*0.*")),
    ({"PatientName": {"exists": True}}, exists("PatientName")),
    ({"BurnedInAnnotation": "YES"}, says("BurnedInAnnotation", "YES")),
    ({"any": [{"Modality": "US"}, {"Rows": {"gte": 500}}]},
     either(says("Modality", "US"), measures("Rows", lambda n: n >= 500))),
    ({"all": [{"Modality": "MR"}, {"any": [{"Rows": 64}, {"Rows": 256}]}]},
     both(says("Modality", "MR"), measures("Rows", lambda n: n in (64, 256)))),
    ({"not": {"Modality": "MR", "Rows": {"gte": 256}}},
     no(both(says("Modality", "MR"), measures("Rows", lambda n: n >= 256)))),
    ({"PhotometricInterpretation": {"not": "MONOCHROME2"}},
     no(says("PhotometricInterpretation", "MONOCHROME2"))),
    ({"ReferencedStudySequence": {"exists": True}}, lambda d: bool(d.get("ReferencedStudySequence"))),
    ({"ProcedureCodeSequence.CodeValue": {"exists": True}},
     lambda d: any(values(item, "CodeValue") for item in d.get("ProcedureCodeSequence") or [])),
    ({"(0019,SIEMENS MR HEADER,0c)": {"gte": 0}},
     lambda d: any(float(v) >= 0 for v in SIEMENS_B(d) if str(v).strip())),
    ({"(0019,SIEMENS MR HEADER,0c)": {"exists": False}}, lambda d: not SIEMENS_B(d)),
]  # fmt: skip
# What some, or every, instance must satisfy.
SERIES: list[tuple[dict[str, Any], SeriesTest]] = [
    ({"some": {"InstanceNumber": 1}},
     lambda ds: any(measures("InstanceNumber", lambda n: n == 1)(d) for d in ds)),
    ({"not": {"every": {"ImageType": "ORIGINAL"}}},
     lambda ds: not all(says("ImageType", "ORIGINAL")(d) for d in ds)),
    ({"some": {"ImageType": "DERIVED"}}, lambda ds: any(says("ImageType", "DERIVED")(d) for d in ds)),
    ({"num_instances": {"gte": 10}}, lambda ds: instances(ds) >= 10),
    ({"num_instances": {"between": [2, 9]}, "Modality": "MR"},
     lambda ds: 2 <= instances(ds) <= 9 and all(says("Modality", "MR")(d) for d in ds)),
    ({"has_localizer": True}, lambda ds: any(says("ImageType", "LOCALIZER")(d) for d in ds) or is_scout(ds)),
]  # fmt: skip


def datasets(folders: list[Path]) -> Iterator[tuple[Path, Dataset]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            try:
                dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
                list(dataset.elements())
                yield path, dataset
            except (InvalidDicomError, EOFError, OSError, ValueError, TypeError, AttributeError):
                continue


@pytest.fixture(scope="module")
def folders(pydicom_data: Path, request: pytest.FixtureRequest) -> list[Path]:
    """pydicom's files, and the real series where they are."""
    found = [pydicom_data / "test_files", pydicom_data / "charset_files"]
    with suppress(pytest.skip.Exception):
        found.append(request.getfixturevalue("real_data"))
    return found


CONFIGS = [(config, lambda ds, test=test: all(map(test, ds))) for config, test in EVERY] + SERIES
NAMES = frozenset().union(*(parse(config).attributes for config, _ in CONFIGS))
Oracle = dict[frozenset[Path], list[Dataset]]


@pytest.fixture(scope="module")
def catalog(folders: list[Path]) -> Catalog:
    """All series, read once with all that any config asks."""
    return scan(folders, NAMES)


@pytest.fixture(scope="module")
def oracle(folders: list[Path], catalog: Catalog) -> Oracle:
    """The data sets of each series that the package finds, by their files; of enhanced objects the frames."""
    warnings.simplefilter("ignore")
    by_path = dict(datasets(folders))
    series: Oracle = {}
    for one in catalog:
        paths = [header.reference for header in one.instances]
        if all(path in by_path for path in paths):
            series[frozenset(paths)] = [part for path in paths for part in frames_of(by_path[path])]
    return series


def frames_of(dataset: Dataset) -> list[Dataset]:
    """The data set itself, or one for each frame of an enhanced object: its groups over the rest."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if not groups:
        return [dataset]
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    frames = []
    for group in groups:
        frame = Dataset()
        frame.update(dataset)
        frame.filename = dataset.filename
        for item in (*shared, group):
            lay_over(frame, item)
        frames.append(frame)
    return frames


def lay_over(frame: Dataset, item: Dataset) -> None:
    """The attributes of the macros in a functional group, those inside their items too."""
    for element in item:
        if element.VR == "SQ" and not element.tag.is_private:
            for inside in element.value or ():
                lay_over(frame, inside)
        elif element.VR != "SQ":
            frame[element.tag] = element


def disagreements(found: Iterable[Series], expected: SeriesTest, oracle: Oracle) -> list[Path]:
    """The first file of each series about which filter and evaluator differ."""
    taken = {frozenset(header.reference for header in series.instances) for series in found}
    return [min(paths) for paths, members in oracle.items() if (paths in taken) is not expected(members)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("config", "expected"), CONFIGS, ids=[str(config) for config, _ in CONFIGS])
def test_filter_agrees_with_the_naive_evaluator(
    config: dict[str, Any], expected: SeriesTest, catalog: Catalog, oracle: Oracle
) -> None:
    """Each series matches exactly where the evaluator says so."""
    assert disagreements(evaluate_all(parse(config), catalog).matching, expected, oracle) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("config", "expected"), CONFIGS[7::20], ids=[str(c) for c, _ in CONFIGS[7::20]])
def test_a_scan_for_one_config_agrees_too(
    config: dict[str, Any], expected: SeriesTest, folders: list[Path], oracle: Oracle
) -> None:
    """As above through dicom_filter, which reads what this config asks for and no more."""
    assert disagreements(dicom_filter(folders, config), expected, oracle) == []


@pytest.mark.filterwarnings("ignore")
def test_the_oracle_has_something_to_say(oracle: Oracle) -> None:
    """Many series, and configs that take some of them and leave others."""
    assert len(oracle) > 40
    assert len(CONFIGS) > 45
    taken = [sum(expected(members) for members in oracle.values()) for _, expected in CONFIGS]
    assert sum(0 < count < len(oracle) for count in taken) > 30
