"""Files of a series are read with what is known of its other files: the same as each of them read alone."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterable
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

import synthetic
from damage import damaged
from dicomarray.dicom.headers import plan
from dicomarray.dicom.headers.header import Header, HeaderReader, read_header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.errors import InputError

NAMES = DEFAULT_KEYWORDS | {
    "PatientName", "StudyTime", "WindowCenter", "(0028,0009)", "ReferencedImageSequence",
    "SharedFunctionalGroupsSequence", "(0009,GEMS_IDEN_01,02)", "(0029,SIEMENS CSA HEADER,08)", "(0043,102a)",
}  # fmt: skip


def answer(read: object, path: Path) -> object:
    """All of a header, or why there is none."""
    try:
        header: Header = read(path)  # type: ignore[operator]
    except InputError as error:
        return str(error)
    attributes = dict(header.attributes)
    assert repr(attributes) == repr(dict(header.attributes))  # also when it is asked for again
    return repr((header.transfer_syntax, attributes, header.pixels, header.stamp))


def assert_same(paths: Iterable[Path], reader: HeaderReader | None = None) -> int:
    """Each path's answer is what it is alone; how many there were."""
    reader = reader or HeaderReader(NAMES)
    count = 0
    for path in paths:
        assert answer(reader.read, path) == answer(lambda p: read_header(p, NAMES), path), path
        count += 1
    return count


def shuffled(*folders: Path) -> list[Path]:
    """All files, those of a folder near each other and some of them twice."""
    chance = random.Random(1)
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return paths + chance.sample(paths, len(paths))


def test_pydicoms_files_are_read_as_alone(pydicom_data: Path, pydicom_more_data: Path) -> None:
    """They are read so whatever was read before."""
    assert assert_same(shuffled(pydicom_data, pydicom_more_data)) > 300


def test_real_series_are_read_as_alone(real_data: Path) -> None:
    """In the order of a scan, and mixed."""
    assert assert_same(shuffled(real_data)[::2]) > 100


SOURCES = ("CT_small.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm", "rtplan.dcm", "emri_small.dcm")


@pytest.mark.parametrize("name", SOURCES)
def test_damaged_files_of_a_series_are_read_as_alone(tmp_path: Path, name: str) -> None:
    """Sound and damaged copies take turns: none is taken for what others have."""
    source = Path(str(get_testdata_file(name, download=False)))
    whole = source.read_bytes()
    chance, reader = random.Random(name), HeaderReader(NAMES)
    path = tmp_path / "damaged"
    for _ in range(150):
        path.write_bytes(damaged(whole, chance))
        assert_same([path, source], reader)


def write(folder: Path, changes: Iterable[dict[str, object]], syntax: str) -> list[Path]:
    """A series in which each file differs in some elements; None removes one."""
    changes = list(changes)
    files = synthetic.write_series(folder, synthetic.stored_values((len(changes), 3, 4)), syntax=syntax)
    for path, change in zip(files, changes, strict=True):
        dataset = pydicom.dcmread(path)
        for keyword, value in change.items():
            if value is None:
                dataset.pop(keyword, None)
            elif keyword == "PixelPaddingValue":
                dataset.add_new(keyword, "SS", value)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)
    return list(files)


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_elements_that_come_go_and_change(tmp_path: Path, syntax: str) -> None:
    """Longer, shorter, empty, absent, new; also those that say how others are read, and sequences."""
    item, other = Dataset(), Dataset()
    item.ReferencedSOPInstanceUID, other.ReferencedSOPInstanceUID = "1.2.3", "1.2.3.4.5"
    files = write(
        tmp_path,
        [
            {},
            {"SeriesDescription": "another"},
            {"EchoTime": 2.5, "SeriesDescription": ""},
            {"KVP": None, "PatientName": "Schädel", "SpecificCharacterSet": "ISO_IR 100"},
            {"PatientName": "Schädel", "SpecificCharacterSet": "ISO_IR 192"},
            {"ReferencedImageSequence": [item]},
            {"ReferencedImageSequence": [other, item]},
            {"PixelRepresentation": 1, "PixelPaddingValue": -5},
            {"SpecificCharacterSet": None},
            {"ImageComments": "x" * 6000},
            {"ImageComments": "x" * 6001},
        ],
        syntax,
    )
    for order in (files, files[::-1], files * 3):
        assert_same(order)


def test_what_instances_share_is_held_once(ct: Path) -> None:
    """The second and the third instance of a series have the same objects; their own values are their own."""
    reader = HeaderReader()
    headers = [reader.read(path) for path in sorted(ct.iterdir()) * 2][6:]
    descriptions = {id(header.attributes["SeriesDescription"]) for header in headers}
    assert len(descriptions) == 1
    assert len({header.attributes["SOPInstanceUID"] for header in headers}) == 6


def test_attributes_are_a_mapping(ct: Path) -> None:
    """Equal to a dict, in both directions, before and after pickling, in the order of names."""
    reader, path = HeaderReader(), min(ct.iterdir())
    alone = dict(read_header(path).attributes)
    for _ in range(3):
        shared = reader.read(path).attributes
        assert shared == alone == pickle.loads(pickle.dumps(shared))
        assert list(shared) == sorted(alone)
        assert len(shared) == len(alone)
        assert shared.get("EchoTime", 7) == 7
        assert "EchoTime" not in shared
        assert "Modality" in shared
        with pytest.raises(KeyError):
            shared["EchoTime"]


def test_more_series_than_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layout that was forgotten is made again."""
    monkeypatch.setattr(plan, "MAX_SERIES", 2)
    folders = [tmp_path / str(number) for number in range(4)]
    for number, folder in enumerate(folders):
        synthetic.write_series(
            folder, synthetic.stored_values((3, 3, 4)), common={"SeriesInstanceUID": f"1.2.{number}"}
        )
    paths = sorted((path for folder in folders for path in folder.iterdir()), key=lambda p: p.name)
    assert assert_same(paths * 2) == 24


def test_pixel_place_is_where_the_pixels_are(ct: Path) -> None:
    """Also where an earlier element is longer than in the files before."""
    paths = sorted(ct.iterdir())
    dataset = pydicom.dcmread(paths[3])
    dataset.SeriesDescription = "a longer description than those of the others"
    dataset.save_as(paths[3])
    reader = HeaderReader()
    for path in paths:
        place = reader.read(path).pixels
        assert place is not None
        assert path.read_bytes()[place.start :][: place.length] == pydicom.dcmread(path).PixelData
