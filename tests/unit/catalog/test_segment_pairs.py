"""SEG and structure sets are found by the series that they are of, and the other way round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import synthetic
from dicomarray import index, load, open_index, scan
from dicomarray.catalog.segment_pairs import MAX_NAMED, pairing_notes
from dicomarray.catalog.series_selection import ScanRequest, select
from dicomarray.cli.main import main

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"


def write_ct(folder: Path) -> Dataset:
    """A small CT; its first image."""
    stored = np.zeros((3, 4, 5), np.int16)
    return dcmread(synthetic.write_series(folder, stored)[0])


def write_structure_set(path: Path, image: Dataset, series: str, names: tuple[str, ...] = ("GTV",)) -> str:
    """A structure set of a series, of the study of an image; its UID."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = STRUCTURE_SET, generate_uid()
    made = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = STRUCTURE_SET, meta.MediaStorageSOPInstanceUID
    made.Modality, made.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    made.StudyInstanceUID, made.PatientID = image.StudyInstanceUID, image.get("PatientID", "")
    rois = []
    for number, name in enumerate(names, 1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        rois.append(roi)
    made.StructureSetROISequence = rois
    of_series, of_study, frame = Dataset(), Dataset(), Dataset()
    of_series.SeriesInstanceUID = series
    of_study.RTReferencedSeriesSequence = [of_series] if series else []
    frame.RTReferencedStudySequence = [of_study]
    made.ReferencedFrameOfReferenceSequence = [frame]
    made.save_as(path)
    return str(made.SeriesInstanceUID)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A CT with a structure set, and a structure set of a series that is not there."""
    image = write_ct(tmp_path / "ct")
    write_structure_set(tmp_path / "mine.dcm", image, image.SeriesInstanceUID, ("GTV", "Body"))
    write_structure_set(tmp_path / "other.dcm", image, "1.2.3")
    return tmp_path


def test_a_structure_set_and_its_series_know_each_other(study: Path) -> None:
    """Both ways, with the names of its ROIs; an image is of nothing."""
    catalog = scan(study)
    (ct,) = catalog.images
    (mine,) = catalog.segments_of(ct)
    assert mine.refers_to == (ct.uid,)
    assert mine.segments == ("GTV", "Body")
    assert catalog.sources_of(mine) == [ct]
    assert (ct.refers_to, ct.segments) == ((), ())
    (other,) = (one for one in catalog if one.is_segments and one is not mine)
    assert (other.refers_to, catalog.sources_of(other)) == (("1.2.3",), [])


def test_an_index_pairs_too(study: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without a look at the files."""
    path = tmp_path_factory.mktemp("index") / "archive"
    index(study, path)
    catalog = open_index(path)
    (ct,) = catalog.images
    assert [one.segments for one in catalog.segments_of(ct)] == [("GTV", "Body")]


def test_a_structure_set_beside_its_series_is_named(study: Path) -> None:
    """Whoever loads the series hears of its masks, and of none that are of another one."""
    warnings = [str(one) for one in load(study).warnings if one.code in ("segments", "objects-not-read")]
    assert len(warnings) == 2
    assert "has masks of this series: dicomarray.load_segmentation reads them" in warnings[1]
    notes = [str(note) for note in select(ScanRequest(study)).notes() if note.code == "segments"]
    assert len(notes) == 2
    assert any("has masks of CT" in note for note in notes)
    assert any("has masks of a series that is not among what was read: 1.2.3" in note for note in notes)


def test_not_more_are_named_than_can_be_read(study: Path) -> None:
    """Each costs a file: of many the rest is counted."""
    (ct,) = scan(study).images
    image = dcmread(next((study / "ct").iterdir()))
    for number in range(MAX_NAMED + 2):
        write_structure_set(study / f"{number}.dcm", image, ct.uid)
    notes = pairing_notes(list(scan(study)))
    assert len(notes) == MAX_NAMED + 1
    assert str(notes[-1]).startswith("4 more objects")


def test_a_filter_names_series_that_do_not_match(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for structure sets alone hears whose they are."""
    assert main(["filter", "-i", str(study), "-w", "Modality=RTSTRUCT"]) == 0
    shown = capsys.readouterr().err
    assert shown.count("has masks of CT") == 1
    assert shown.count("has masks of a series that is not among what was read: 1.2.3") == 1
