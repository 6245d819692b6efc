"""Series go to a real PACS over DICOMweb, are found there, and come back byte for byte."""

from __future__ import annotations

import gc
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
from dicomarray.cli.main import main
from dicomarray.query.pushdown import queries_of
from dicomarray.query.selection import evaluate_all, parse
from dicomarray.sources.base import server_of
from dicomarray.storage.places import Url
from faulty_server import Reply, before
from pacs import Orthanc, missing, running_orthanc


def pulled_files(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.rglob("*.dcm")}


def test_a_series_comes_back_as_the_server_stores_it(orthanc: Orthanc, ct: Path, tmp_path: Path) -> None:
    """What is pushed is there, and what is pulled equals what the server has, byte for byte."""
    report = dicomarray.push(ct, orthanc.url)
    assert not report.failed
    assert report.count("stored") == len(list(ct.iterdir()))

    pulled = dicomarray.pull(orthanc.url, tmp_path / "pulled")
    assert [entry.status for entry in pulled.entries] == ["pulled"]
    assert pulled_files(tmp_path / "pulled") == orthanc.files()


def test_the_same_call_again_moves_nothing(orthanc: Orthanc, ct: Path, tmp_path: Path) -> None:
    """A second push sends nothing, and a second pull fetches nothing."""
    dicomarray.push(ct, orthanc.url)
    again = dicomarray.push(ct, orthanc.url)
    assert {entry.status for entry in again.entries} == {"present"}

    dicomarray.pull(orthanc.url, tmp_path / "pulled")
    report = dicomarray.pull(orthanc.url, tmp_path / "pulled")
    assert [(entry.status, entry.fetched) for entry in report.entries] == [("unchanged", 0)]


def test_only_what_is_new_is_fetched(orthanc: Orthanc, ct: Path, tmp_path: Path) -> None:
    """Where a series has grown, the new instances join those that are there."""
    first, *rest = sorted(ct.iterdir())
    dicomarray.push(rest, orthanc.url)
    dicomarray.pull(orthanc.url, tmp_path / "pulled")
    dicomarray.push(first, orthanc.url)

    (entry,) = dicomarray.pull(orthanc.url, tmp_path / "pulled").entries
    assert (entry.status, entry.fetched, entry.kept) == ("pulled", 1, len(rest))
    assert pulled_files(tmp_path / "pulled") == orthanc.files()


def test_a_config_chooses_what_is_pulled(
    orthanc: Orthanc, make_series: Callable[..., Path], tmp_path: Path
) -> None:
    """The same series match on the server as on files; those that do not match are not in the output."""
    dicomarray.push([make_series(name="ct"), make_series(name="mr", modality="MR")], orthanc.url)
    report = dicomarray.pull(orthanc.url, tmp_path / "pulled", {"Modality": "MR", "num_slices": {"gte": 2}})
    assert report.looked_at == 1
    (series,) = dicomarray.dicom_filter(tmp_path / "pulled")
    assert series.attributes["Modality"] == "MR"


def test_the_commands_say_what_became_of_each_series(
    orthanc: Orthanc, ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`push` and `pull` work from the command line, bring an index up to date, and exit with 0."""
    assert main(["push", "-i", str(ct), "--to", orthanc.plain_url]) == 0
    assert f"{len(list(ct.iterdir()))} stored" in capsys.readouterr().out
    index = tmp_path / "archive.index"
    arguments = ["pull", "--from", orthanc.plain_url, "-o", str(tmp_path / "pulled"), "-w", "Modality=CT"]
    assert main([*arguments, "--index", str(index)]) == 0
    assert capsys.readouterr().out.startswith("[1/1] pulled")
    assert len(dicomarray.open_index(index)) == 1


def test_a_pull_that_was_killed_goes_on(orthanc: Orthanc, ct: Path, tmp_path: Path) -> None:
    """Nothing of a series shows before all of it is there, and what had come is not fetched again."""
    dicomarray.push(ct, orthanc.url)
    dying = (
        "import os, sys, dicomarray\n"
        "def progress(files, *_):\n"
        "    if files == 2: os.kill(os.getpid(), 9)\n"
        "dicomarray.pull(sys.argv[1], sys.argv[2], progress=progress)\n"
    )
    output = tmp_path / "pulled"
    killed = subprocess.run([sys.executable, "-c", dying, orthanc.url, str(output)], check=False)
    assert killed.returncode == -9
    assert len(dicomarray.scan(output)) == 0
    assert [one.reason for one in dicomarray.scan(output).skipped] == [
        "series that a pull did not finish; pull again"
    ]

    sizes: list[int] = []
    dicomarray.pull(orthanc.url, output, progress=lambda files, *_: sizes.append(files))
    assert pulled_files(output) == orthanc.files()
    assert sizes[:2] == [1, 2]
    assert sorted(path.name for path in output.iterdir()) == sorted(
        {header.text("StudyInstanceUID") for header in dicomarray.scan(ct)[0].instances}
    )


CONFIGS: tuple[dict[str, Any], ...] = (
    {},
    {"Modality": "CT"},
    {"Modality": "ct"},
    {"Modality": ["CT", "PT"]},
    {"not": {"Modality": "MR"}},
    {"Modality": "MR", "Manufacturer": "*siemens*"},
    {"Manufacturer": ["*GE*", "*philips*"]},
    {"SOPClassUID": "CTImageStorage"},
    {"SOPClassUID": "EnhancedMRImageStorage"},
    {"SOPClassUID": "RTStructureSetStorage"},
    {"Modality": "SEG"},
    {"num_slices": {"gte": 30}},
    {"num_slices": {"lt": 5}},
    {"num_frames": {"gt": 10}},
    {"num_instances": 1},
    {"num_volumes": {"gt": 1}},
    {"plane": "axial"},
    {"plane": "sagittal"},
    {"is_regular": True},
    {"is_regular": False},
    {"has_localizer": True},
    {"slice_spacing": {"between": [2, 6]}},
    {"obliquity": {"gt": 5}},
    {"b_value": {"gt": 500}},
    {"b_value": 0},
    {"has_phases": True},
    {"image_kinds": "phase"},
    {"image_kinds": "trace"},
    {"SliceThickness": {"lte": 3}},
    {"PixelSpacing": {"near": [0.976562, 1e-4]}},
    {"EchoTime": {"exists": True}},
    {"EchoTime": {"lt": 30}, "Modality": "MR"},
    {"some": {"ImageType": "LOCALIZER"}},
    {"every": {"ImageType": "ORIGINAL"}},
    {"ImageType[0]": "DERIVED"},
    {"ImageType": {"has_all": ["ORIGINAL", "PRIMARY"]}},
    {"SeriesDescription": "*ax*"},
    {"SeriesDescription": {"regex": "(?i)dwi|dti|diff"}},
    {"SeriesNumber": {"between": [1, 5]}},
    {"StudyDate": {"gte": "2015-01-01"}},
    {"StudyDate": "20080913-20200101"},
    {"StudyDate": {"lt": "2010-01-01"}},
    {"PatientID": {"exists": False}},
    {"PatientID": "*1*"},
    {"AccessionNumber": {"empty": True}},
    {"MagneticFieldStrength": 3},
    {"RescaleSlope": {"gt": 1}},
    {"any": [{"Modality": "CT", "num_slices": {"gte": 20}}, {"Modality": "PT"}]},
    {"all": [{"Modality": "MR"}, {"not": {"some": {"ImageType": "DERIVED"}}}]},
    {"(0019,SIEMENS MR HEADER,0c)": {"exists": True}},
    {"(0029,SIEMENS CSA HEADER,10)": {"exists": True}},
    {"RequestAttributesSequence": {"exists": True}},
    {"Modality": "MR", "sort": ["-num_slices"], "limit": 3},
    {"sort": ["SeriesNumber"], "limit": 1, "per": "study"},
)
# One folder of each kind: classic and enhanced, compressed, mosaics, segmentations, structure sets.
KINDS = (
    "ct-philips-5mm", "ct-ge-tilted-uneven", "ct-oblique-simpleitk", "mr-enhanced-philips-siemens",
    "mr-ge-dwi-equal-pixels",
    "mr-ge-localizer", "mr-philips-dual-echo", "mr-siemens-mosaic", "mr-siemens-transfer-syntaxes",
    "mr-siemens-xa30", "rtstruct-sts-002", "seg-dcmqi",
)  # fmt: skip


# Larger series only take longer, in instances.
MANY = 12


@pytest.fixture(scope="module")
def archive(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[Path], Orthanc]]:
    """Real series of all kinds, and a PACS that has them."""
    if (what := missing()) is not None:
        pytest.skip(what)
    small = [s for s in dicomarray.scan([real_data / name for name in KINDS]) if len(s.instances) <= MANY]
    # two of the files have one SOP Instance UID, which a server takes once
    files = [file for series in small for file in series.files if file.name != "sparse-labelmap-ppv5.dcm"]
    with running_orthanc(tmp_path_factory.mktemp("archive")) as server:
        dicomarray.push(files, server.url)
        yield files, server


def test_a_config_means_the_same_series_on_the_server_as_on_files(
    archive: tuple[list[Path], Orthanc],
) -> None:
    """Whatever a config asks, fields, facts and ranking, the answer is the one that the files give.

    What the server is asked for lists everything that matches.
    """
    files, server = archive
    selections = [parse(config) for config in CONFIGS]
    names = frozenset[str]().union(*(selection.attributes for selection in selections))
    here, there = dicomarray.scan(files, names), dicomarray.scan(server.url, names)
    assert len(here) == len(there) > 20
    differing = []
    with server_of(Url(server.url)) as asked:
        find = cache(lambda keys: {series.uid for series in asked.find(dict(keys))})
        for config, selection in zip(CONFIGS, selections, strict=True):
            expected = [series.uid for series in evaluate_all(selection, here).matching]
            found = [series.uid for series in evaluate_all(selection, there).matching]
            listed = set[str]().union(*(find(tuple(keys.items())) for keys in queries_of(selection)))
            if found != expected or not listed.issuperset(expected):
                differing.append((config, set(found) ^ set(expected), set(expected) - listed))
    assert not differing


def test_volumes_of_the_server_are_those_of_the_files(archive: tuple[list[Path], Orthanc]) -> None:
    """Every kind of series, loaded from the server, has the voxels and places that its files have."""
    files, server = archive
    there = {series.uid: series for series in dicomarray.scan(server.url)}
    for series in dicomarray.scan(files):
        if not series.is_image:
            continue
        pairs = zip(series.volumes(missing="keep"), there[series.uid].volumes(missing="keep"), strict=True)
        for ours, theirs in pairs:
            np.testing.assert_array_equal(ours.array, theirs.array)
            assert ours.info.slices == theirs.info.slices
            assert repr(ours.affine) == repr(theirs.affine)
            assert ours.axes == theirs.axes


def test_what_is_pulled_of_every_kind_is_what_the_server_stores(
    archive: tuple[list[Path], Orthanc], tmp_path: Path
) -> None:
    """Compressed, enhanced, segmentations, structure sets: not a byte differs."""
    _, server = archive
    report = dicomarray.pull(server.url, tmp_path / "pulled")
    assert not report.failed
    assert pulled_files(tmp_path / "pulled") == server.files()


def test_commands_take_a_server_for_a_folder(
    orthanc: Orthanc, ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`filter`, `to-numpy`, `load` and `to_dicom` take the address of a PACS, or of a series there."""
    dicomarray.push(ct, orthanc.url)
    assert main(["filter", "-i", orthanc.url, "-w", "Modality=CT", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    place = row["folder"].removesuffix("/instances")
    assert place.startswith(f"{orthanc.url}/studies/")
    expected = dicomarray.load(ct).array
    np.testing.assert_array_equal(dicomarray.load(place).array, expected)

    assert main(["to-numpy", "-i", orthanc.url, "-n", str(tmp_path / "ct.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "ct.npy"), expected)
    dicomarray.to_dicom(tmp_path / "ct.npy", place, tmp_path / "again")
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "again").array, expected)
    dicomarray.to_dicom(expected, dicomarray.load(place), tmp_path / "from a volume")
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "from a volume").array, expected)


def test_a_private_element_that_no_server_tells_is_unknown(
    orthanc: Orthanc, ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--why` says that only the files can tell; of files that lack it nothing is doubted."""
    dicomarray.push(ct, orthanc.url)
    config = tmp_path / "config.json"
    config.write_text('{"(0019,SIEMENS MR HEADER,0c)": 1000}')
    for place in (orthanc.url, str(ct)):
        main(["filter", "-i", place, "-c", str(config), "--why"])
        doubted = "unknown: the server does not tell it" in capsys.readouterr().out
        assert doubted == (place == orthanc.url)


def test_an_array_goes_into_the_server_as_a_series(orthanc: Orthanc, ct: Path) -> None:
    """`to_dicom` stores its result, and says where; nothing of it is left here."""
    dicomarray.push(ct, orthanc.url)
    array = dicomarray.load(ct).array + 7
    report = dicomarray.to_dicom(array, ct, orthanc.url)
    assert len(report.stored) == len(array)
    assert report.files == ()
    place = report.stored[0].rpartition("/instances/")[0]
    np.testing.assert_array_equal(dicomarray.load(place).array, array)


def test_masks_go_into_the_server_as_objects_of_the_study(
    orthanc: Orthanc, ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`to-seg` and `to-rtstruct` store their result beside the template, say where, and it reads back."""
    dicomarray.push(ct, orthanc.url)
    (template,) = dicomarray.dicom_filter(orthanc.url, {"Modality": "CT"})
    labels = np.zeros(dicomarray.load(ct).array.shape, np.uint8)
    labels[1:4, 1:3, 1:3] = 1
    np.save(tmp_path / "labels.npy", labels)
    (tmp_path / "names.json").write_text('{"1": "liver"}')
    for command, modality in (("to-seg", "SEG"), ("to-rtstruct", "RTSTRUCT")):
        what = ["-n", str(tmp_path / "labels.npy"), "--segments", str(tmp_path / "names.json")]
        asked = ["-d", orthanc.url, "-w", "Modality=CT", "-o", orthanc.url]
        assert main([command, *what, *asked]) == 0
        (found,) = dicomarray.dicom_filter(orthanc.url, {"Modality": modality})
        said = capsys.readouterr().out
        assert said.startswith(f"1 instance in {orthanc.url}/studies/")
        place = said.splitlines()[0].removeprefix("1 instance in ")
        assert place.endswith(found.uid)
        masks = dicomarray.load_segmentation(place, template)
        np.testing.assert_array_equal(masks.labels, labels)


def brighten(volume: dicomarray.Volume) -> Any:
    """The function of a run: a bone mask is a segmentation of the series."""
    return dicomarray.Segmentation(volume.array > 100, {1: "bone"}, geometry_of=volume)


def test_one_command_pulls_runs_and_stores(
    orthanc: Orthanc, make_series: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a clean server to segmentations in it, of which it refuses the second at first.

    The ledger says what it answered; the same run again does what is missing, and stores nothing twice.
    """
    monkeypatch.chdir(tmp_path)
    dicomarray.push([make_series(name=name) for name in ("one", "two")], orthanc.url)
    dicomarray.push(make_series(name="short", array=np.ones((2, 4, 4), np.uint16)), orthanc.url)
    Path("chest.yaml").write_text("Modality: CT\nnum_slices: {gte: 5}\n")

    def second(body: bytes) -> bytes | Reply:
        return Reply(507, "text/plain", b"") if len(orthanc.ask("/series")) > 3 else body

    def segmentations() -> set[str]:
        return {
            header.reference.name
            for one in dicomarray.dicom_filter(orthanc.url, {"Modality": "SEG"})
            for header in one.instances
        }

    with before(f"http://127.0.0.1:{orthanc.http_port}", lambda *given: given[2]) as proxy:
        proxy.receive = second
        address = f"dicomweb+{proxy.url}"
        command = ["run", "-i", address, "-c", "chest.yaml", "-f", f"{__file__}:brighten", "-o", address]
        assert main(command) == 3
        (ledger,) = tmp_path.glob("dicomarray-run-*/ledger.jsonl")
        done, failed = map(json.loads, ledger.read_text().splitlines()[1:])
        assert done["stored"].endswith("1 instances stored, 0 there before, 0 failed")
        assert "507 Insufficient Storage" in failed["error"]
        (first,) = segmentations()

        proxy.receive = lambda body: body
        proxy.asked.clear()
        assert main([*command, "--resume"]) == 0
        assert [method for method, *_ in proxy.asked].count("POST") == 1
        assert len(segmentations()) == 2
        assert first in segmentations()
        assert main([*command, "--overwrite"]) == 0
        assert len(segmentations()) == 2


def test_files_that_were_fetched_go_with_their_volume(
    orthanc: Orthanc, ct: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pixels are fetched into a temporary folder, of which nothing is left afterwards."""
    dicomarray.push(ct, orthanc.url)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    volume = dicomarray.load(orthanc.url)
    gc.collect()
    assert list(temporary.iterdir()) == []
    assert pickle.loads(pickle.dumps(volume)).array.shape == volume.array.shape


def test_two_patients_in_a_series_are_told_from_a_pacs_too(
    orthanc: Orthanc, make_series: Callable[..., Path], tmp_path: Path
) -> None:
    """On a server, which keeps them apart, and in what is pulled over either protocol."""
    each: list[dict[str, Any]] = [{}] * 4 + [{"PatientID": "OTHER"}] * 2
    folder = make_series(each=each)
    dimse = f"dimse://{orthanc.aet}@127.0.0.1:{orthanc.dicom_port}?retrieve=get"
    assert not dicomarray.push(folder, orthanc.url).failed
    dicomarray.pull(orthanc.url, tmp_path / "web")
    dicomarray.pull(dimse, tmp_path / "dimse")
    for place in (orthanc.url, tmp_path / "web", tmp_path / "dimse"):
        (told,) = dicomarray.load(place).warnings
        assert told.startswith("6 files name 2 patients by PatientID; 2 are of another")
        with pytest.raises(dicomarray.TemplateError, match="2 patients"):
            dicomarray.to_dicom(dicomarray.load(folder).array, place, tmp_path / "out")
