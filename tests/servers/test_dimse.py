"""Series go to real peers over DIMSE, are found there, and come back with the same data sets."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.uid import UID, JPEGLSLossless, RLELossless

import dicomarray
import dimse_peers
import pacs
import synthetic
from dicomarray.cli.main import main
from dicomarray.storage.dimse import DimseAddress, Peer
from dicomarray.storage.places import Url
from dimse_peers import Archive, faulty_storage, silent_peer

Make = Callable[..., Path]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """DCMTK's archive with nothing in it."""
    if (what := dimse_peers.missing("dcmqrscp")) is not None:
        pytest.skip(what)
    with dimse_peers.running_dcmqrscp(tmp_path / "archive") as running:
        yield running


@pytest.fixture(scope="session")
def orthanc_for_moves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pacs.Orthanc, int]]:
    """Orthanc that knows us, checks its AE title, and a port of ours to which it sends."""
    if (what := pacs.missing()) is not None:
        pytest.skip(what)
    port = pacs.free_port()
    modalities = {"us": ["DICOMARRAY", "127.0.0.1", port]}
    settings = {"DicomModalities": modalities, "DicomCheckCalledAet": True}
    with pacs.running_orthanc(tmp_path_factory.mktemp("orthanc-dimse"), **settings) as server:
        yield server, port


def same_data_sets(folder: Path, pulled: Path) -> bool:
    """Whether two folders hold the same data sets; file meta information is the receiver's."""
    here, there = (
        {one.SOPInstanceUID: one for one in map(dcmread, sorted(place.rglob("*.dcm")))}
        for place in (folder, pulled)
    )
    return here == there and all(here[uid].PixelData == there[uid].PixelData for uid in here)


def address_of(server: pacs.Orthanc) -> str:
    return f"dimse://{server.aet}@127.0.0.1:{server.dicom_port}"


@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_series_come_back_from_orthanc(
    orthanc_for_moves: tuple[pacs.Orthanc, int], ct: Path, tmp_path: Path, retrieve: str
) -> None:
    """What is pushed to Orthanc comes back by C-GET and by C-MOVE; a second time nothing moves."""
    server, port = orthanc_for_moves
    server.clear()
    address = address_of(server)
    report = dicomarray.push(ct, address)
    assert report.count("stored") == len(list(ct.iterdir()))
    assert dicomarray.push(ct, address).count("present") == len(report.entries)

    source = f"{address}?retrieve={retrieve}" + (f"&move_port={port}" if retrieve == "move" else "")
    (entry,) = dicomarray.pull(source, tmp_path / "pulled").entries
    assert (entry.status, entry.fetched) == ("pulled", len(report.entries))
    assert same_data_sets(ct, tmp_path / "pulled")
    (entry,) = dicomarray.pull(source, tmp_path / "pulled").entries
    assert (entry.status, entry.fetched) == ("unchanged", 0)


@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_series_come_back_from_dcmqrscp(archive: Archive, ct: Path, tmp_path: Path, retrieve: str) -> None:
    """What is pushed to DCMTK's archive comes back by C-GET and by C-MOVE."""
    assert not dicomarray.push(ct, archive.address).failed
    assert len(archive.data_sets()) == len(list(ct.iterdir()))
    move = f"?move_aet=DICOMARRAY&move_port={archive.move_port}" if retrieve == "move" else ""
    report = dicomarray.pull(archive.address + move, tmp_path / "pulled")
    assert [entry.status for entry in report.entries] == ["pulled"], report.entries
    assert same_data_sets(ct, tmp_path / "pulled")


def test_only_what_matches_comes(archive: Archive, make_series: Make, tmp_path: Path) -> None:
    """The archive is asked for what it can answer, and the config decides about the rest."""
    folders = [make_series(name="ct"), make_series(name="mr", modality="MR")]
    assert not dicomarray.push(folders, archive.address).failed
    config = {"Modality": "MR", "num_slices": {"gte": 2}}
    report = dicomarray.pull(archive.address, tmp_path / "pulled", config)
    assert report.looked_at == 1
    (series,) = dicomarray.dicom_filter(tmp_path / "pulled")
    assert series.attributes["Modality"] == "MR"


# What a config asks, and of which series more than a listing is needed to decide it; their folders' names.
CONFIGS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"Modality": "MR"}, "m"),
    ({"Modality": ["mr", "PT"]}, "mp"),
    ({"Modality": {"not": "CT"}}, "mps"),
    ({"any": [{"Modality": "PT"}, {"SeriesNumber": 1}]}, "ap"),
    ({"not": {"any": [{"Modality": "CT"}, {"StudyDate": {"lt": "2023-01-01"}}]}}, "ps"),
    ({"SeriesNumber": {"between": [2, 3]}}, "bm"),
    ({"SeriesNumber": {"gt": 2}, "Modality": "CT"}, ""),
    ({"StudyDate": "2022"}, "m"),
    ({"StudyDate": {"gte": "20240101"}}, "abps"),
    ({"StudyDate": {"not": {"gte": "20240101"}}}, "m"),
    ({"PatientID": "one"}, "ab"),
    ({"PatientID": {"eq": "ONE", "case": True}}, "ab"),
    ({"PatientID": {"eq": "one", "case": True}}, ""),
    ({"AccessionNumber": {"regex": "^A[23]$"}}, "mp"),
    ({"num_instances": {"gt": 4}}, "mp"),
    ({"num_instances": 3, "num_slices": 3}, "ab"),
    ({"SOPClassUID": "MRImageStorage"}, "m"),
    ({"some": {"InstanceNumber": {"gt": 4}}}, "mp"),
    ({"every": {"Rows": 128}, "SeriesDescription": "*two*"}, "abps"),
    ({"Rows": 112}, "m"),
    ({"any": [{"Modality": "MR"}, {"KVP": 120}]}, "abmps"),
    ({"Modality": "CT", "sort": ["-SeriesNumber"], "limit": 1}, "ab"),
    ({"StudyInstanceUID": "2.25.1"}, "a"),
    ({"ImageType": "ORIGINAL"}, "abmps"),
)


@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_configs_mean_what_they_mean_on_files(
    kind: str, request: pytest.FixtureRequest, make_series: Make, tmp_path: Path
) -> None:
    """The same series come as match on files, and none is fetched that the listing rules out."""
    folders = {}
    for number, (name, modality, size, slices, common) in enumerate(
        (
            ("a", "CT", 128, 3, {"PatientID": "ONE"}),
            ("b", "CT", 128, 3, {"PatientID": "ONE", "SeriesDescription": "Number two"}),
            ("m", "MR", 112, 5, {"PatientID": "TWO", "StudyDate": "20220630"}),
            ("p", "PT", 128, 5, {"PatientID": "THREE"}),
            ("s", "SC", 128, 4, {"PatientID": "FOUR"}),
        ),
        start=1,
    ):
        uids = {
            "StudyInstanceUID": f"2.25.{number}",
            "SeriesNumber": number,
            "AccessionNumber": f"A{number - 1}",
        }
        values = synthetic.stored_values((slices, size, size))
        folders[name] = make_series(values, name=name, modality=modality, common=uids | common)
    if kind == "orthanc":
        server, _ = request.getfixturevalue("orthanc_for_moves")
        server.clear()
        address, port = address_of(server), server.dicom_port
    else:
        archive = request.getfixturevalue("archive")
        address, port = archive.address, archive.port
    assert not dicomarray.push([*folders.values()], address).failed

    sizes = {name: sum(path.stat().st_size for path in folder.iterdir()) for name, folder in folders.items()}
    everything, wrong = sum(sizes.values()), []
    with dimse_peers.way_to(port) as way:
        for number, (config, expected) in enumerate(CONFIGS):
            way.returned, place = 0, tmp_path / f"pulled{number}"
            report = dicomarray.pull(address.replace(str(port), str(way.port)), place, config)
            here = {series.uid for series in dicomarray.dicom_filter([*folders.values()], config)}
            assert not report.failed
            pulled = {entry.uid for entry in report.entries}
            least = sum(sizes[name] for name in expected)
            if kind == "dcmqrscp" and not {"Rows", "SOPClassUID"}.isdisjoint(str(config).split("'")):
                least = everything  # it tells neither
            if pulled != here or not least <= way.returned < least + 90_000:
                wrong.append((config, pulled ^ here, way.returned, least))
    assert not wrong


def compressed(folder: Path, syntax: UID) -> dict[str, bytes]:
    """The files of a series, compressed in place; their pixel data by SOP Instance UID."""
    found = {}
    for path in sorted(folder.iterdir()):
        dataset = dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)
        found[str(dataset.SOPInstanceUID)] = dataset.PixelData
    return found


def test_compressed_instances_stay_as_they_are(
    orthanc_for_moves: tuple[pacs.Orthanc, int], ct: Path, tmp_path: Path
) -> None:
    """A server that takes the transfer syntax gets and gives the compressed bytes."""
    server, _ = orthanc_for_moves
    server.clear()
    before = compressed(ct, RLELossless)
    assert not dicomarray.push(ct, address_of(server)).failed
    dicomarray.pull(address_of(server), tmp_path / "pulled")
    pulled = [dcmread(path) for path in (tmp_path / "pulled").rglob("*.dcm")]
    assert {one.file_meta.TransferSyntaxUID for one in pulled} == {RLELossless}
    assert {str(one.SOPInstanceUID): one.PixelData for one in pulled} == before


def test_a_server_that_takes_nothing_compressed_gets_the_same_values(archive: Archive, ct: Path) -> None:
    """Where the transfer syntax is refused, the instance is sent decompressed, value for value."""
    native = {one.SOPInstanceUID: one.pixel_array for one in map(dcmread, sorted(ct.iterdir()))}
    compressed(ct, RLELossless)
    assert not dicomarray.push(ct, archive.address).failed
    stored = archive.data_sets()
    assert stored.keys() == native.keys()
    for uid, dataset in stored.items():
        assert not dataset.file_meta.TransferSyntaxUID.is_compressed
        np.testing.assert_array_equal(dataset.pixel_array, native[uid])


def test_compressed_instances_come_whose_class_is_not_listed(ct: Path, tmp_path: Path) -> None:
    """From an archive that lists no classes, what it stores compressed comes as it is all the same."""
    before = compressed(ct, RLELossless)
    with dimse_peers.faulty_archive(ct, as_it_is, unlisted=["SOPClassUID"]) as address:
        (entry,) = dicomarray.pull(address, tmp_path / "pulled").entries
    assert entry.status == "pulled", entry.error
    pulled = [dcmread(path) for path in (tmp_path / "pulled").rglob("*.dcm")]
    assert {one.file_meta.TransferSyntaxUID for one in pulled} == {RLELossless}
    assert {str(one.SOPInstanceUID): one.PixelData for one in pulled} == before


@pytest.mark.parametrize("syntax", ["implicit", "deflated"])
def test_native_syntaxes_are_sent(archive: Archive, make_series: Make, tmp_path: Path, syntax: str) -> None:
    """Instances of every native syntax arrive with their data sets."""
    folder = make_series(syntax=syntax)
    assert not dicomarray.push(folder, archive.address).failed
    dicomarray.pull(archive.address, tmp_path / "pulled")
    assert same_data_sets(folder, tmp_path / "pulled")


def test_a_storage_without_queries_is_believed_with_a_warning(ct: Path, tmp_path: Path) -> None:
    """Of a peer that answers no C-FIND the report says that it has only its word."""
    if (what := dimse_peers.missing("storescp")) is not None:
        pytest.skip(what)
    with dimse_peers.running_storescp(tmp_path / "store") as storage:
        report = dicomarray.push(ct, storage.address)
        assert report.count("stored") == len(list(ct.iterdir()))
        assert {entry.warning for entry in report.entries} == {
            "the server answers no queries (C-FIND): that it has the instance is its own word"
        }
        assert len(storage.data_sets()) == len(report.entries)


def test_label_maps_are_refused_with_the_way_out(archive: Archive, ct: Path) -> None:
    """A peer that knows no label maps: the error says to write a binary segmentation."""
    for path in ct.iterdir():
        dataset = dcmread(path)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7"
        dataset.save_as(path)
    report = dicomarray.push(ct, archive.address)
    assert len(report.failed) == len(report.entries)
    assert all('kind="binary"' in (entry.error or "") for entry in report.failed)


def test_label_maps_that_do_not_come_have_the_way_out(
    orthanc_for_moves: tuple[pacs.Orthanc, int], ct: Path, tmp_path: Path
) -> None:
    """A server that lists label maps and cannot send them: the error of the series says what to write."""
    server, _ = orthanc_for_moves
    server.clear()
    for path in ct.iterdir():
        dataset = dcmread(path)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7"
        dataset.save_as(path)
    assert not dicomarray.push(ct, server.url).failed
    (entry,) = dicomarray.pull(address_of(server), tmp_path / "pulled").entries
    assert entry.status == "failed"
    assert 'kind="binary"' in (entry.error or "")


def test_wrong_ae_titles_are_named(orthanc_for_moves: tuple[pacs.Orthanc, int], ct: Path) -> None:
    """A server that does not know its name, or ours, is quoted with what to do."""
    server, _ = orthanc_for_moves
    wrong = address_of(server).replace("ORTHANC@", "NOBODY@")
    with pytest.raises(dicomarray.StorageError, match="no AE title NOBODY"):
        Peer(Url(wrong)).echo()
    with (
        faulty_storage(lambda _: 0, require_calling_aet=["FRIEND"]) as address,
        pytest.raises(dicomarray.StorageError, match=r"does not know our AE title STRANGER.*calling="),
    ):
        Peer(Url(f"{address}?calling=STRANGER")).echo()


def test_a_silent_peer_is_given_up(ct: Path, tmp_path: Path) -> None:
    """Who says nothing costs the time limit, and an error that says so; nothing is left behind."""
    with silent_peer() as address:
        with pytest.raises(dicomarray.StorageError, match=r"silent for 0.5 s"):
            dicomarray.pull(f"{address}?timeout=0.5", tmp_path / "pulled")
        report = dicomarray.push(ct, f"{address}?timeout=0.5")
    assert not (tmp_path / "pulled").exists()
    assert all("silent" in (entry.error or "") for entry in report.entries)


@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_what_takes_its_time_is_waited_for(
    archive: Archive, make_series: Make, tmp_path: Path, retrieve: str
) -> None:
    """An instance that is longer on its way than a peer may be silent goes and comes, as long as it moves."""
    folder = make_series(name="large")
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    (path,) = folder.iterdir()
    dataset = dcmread(path)
    dataset.Rows = dataset.Columns = 2400
    dataset.PixelData = bytes(range(256)) * (2 * 2400 * 2400 // 256)
    dataset.save_as(path)
    with dimse_peers.way_to(archive.port, 5_000_000) as way:
        address = archive.address.replace(str(archive.port), str(way.port))
        start = time.monotonic()
        report = dicomarray.push(folder, f"{address}?timeout=1.5")
        assert not report.failed, report.failed
        assert time.monotonic() - start > 2
        move = f"&move_port={archive.move_port}" if retrieve == "move" else ""
        (entry,) = dicomarray.pull(f"{address}?timeout=1.5{move}", tmp_path / "pulled").entries
        assert entry.status == "pulled", entry.error
    assert same_data_sets(folder, tmp_path / "pulled")


Sent = Iterator[tuple[int, Dataset | None]]


def changed(**attributes: Any) -> Callable[[Any, list[Dataset]], Sent]:
    """Every instance is sent with other attributes."""

    def sent(_: Any, held: list[Dataset]) -> Sent:
        with disable_value_validation():
            for one in map(deepcopy, held):
                one.update(attributes)
                one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
                yield 0xFF00, one

    return sent


def in_two_versions(_: Any, held: list[Dataset]) -> Sent:
    """After each instance another one of the same UID is sent."""
    for one in held:
        yield 0xFF00, one
        other = deepcopy(one)
        other.PixelData = bytes(len(one.PixelData))
        yield 0xFF00, other


def as_it_is(_: Any, held: list[Dataset]) -> Sent:
    """What is asked for is sent."""
    return ((0xFF00, one) for one in held)


def nothing(_event: Any, _held: list[Dataset]) -> Sent:
    """Nothing is sent, and called a success."""
    return iter(())


def failing(_: Any, held: list[Dataset]) -> Sent:
    """One instance is sent, then the server has had enough."""
    yield 0xFF00, held[0]
    yield 0xA702, None


def breaking_off(event: Any, held: list[Dataset]) -> Sent:
    """One instance is sent, then the server breaks off, each time."""
    yield 0xFF00, held[0]
    event.assoc.abort()


def falling_silent(_: Any, held: list[Dataset]) -> Sent:
    """One instance is sent, and nothing for long."""
    yield 0xFF00, held[0]
    time.sleep(3)


@pytest.mark.parametrize(
    ("sent", "refused", "options", "reason"),
    [
        (as_it_is, "", "", None),
        (in_two_versions, "", "", None),
        (changed(SOPInstanceUID="../../../evil"), "", "", "came that are of another series, or are none"),
        (changed(SeriesInstanceUID="../../evil"), "", "", "came that are of another series, or are none"),
        (changed(SeriesInstanceUID="1.2.3"), "", "", "came that are of another series, or are none"),
        (nothing, "", "", "6 of 6 instances did not come"),
        (failing, "", "", r"cannot send them \(A702\)"),
        (breaking_off, "", "", "broke off"),
        (falling_silent, "", "&timeout=1", "silent for 1 s"),
        (as_it_is, "get", "", "does not answer C-GET; take C-MOVE"),
        (as_it_is, "store", "", "sends none of the classes by C-GET; take C-MOVE"),
        (as_it_is, "move", "&move_port={port}", r"takes nothing of what was proposed to it \(C-MOVE\)"),
        (as_it_is, "", "&move_port={port}", "6 of 6 instances did not come"),
    ],
)
def test_what_goes_wrong_with_an_archive_is_told(
    sent: Callable[[Any, list[Dataset]], Sent],
    refused: str,
    options: str,
    reason: str | None,
    ct: Path,
    tmp_path: Path,
) -> None:
    """Whatever an archive sends or refuses: the series is there as it was listed, or not at all, and why."""
    pulled = tmp_path / "here" / "pulled"
    with dimse_peers.faulty_archive(ct, sent, without=[refused]) as address:
        options = options.format(port=pacs.free_port())
        (entry,) = dicomarray.pull(f"{address}?calling=US{options}", pulled).entries
    assert (entry.status == "pulled") == (reason is None)
    assert not list(tmp_path.rglob("*evil*"))
    if reason is None:
        assert same_data_sets(ct, pulled)
    else:
        assert re.search(reason, entry.error or ""), entry.error
        assert not dicomarray.scan(pulled) if pulled.exists() else True


def test_an_archive_without_queries_is_named(ct: Path, tmp_path: Path) -> None:
    """Who answers no C-FIND cannot be pulled from, and the error says that it is this."""
    with (
        dimse_peers.faulty_archive(ct, as_it_is, without=["find"]) as address,
        pytest.raises(dicomarray.StorageError, match=r"takes nothing of what was proposed to it \(C-FIND\)"),
    ):
        dicomarray.pull(address, tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


def test_tls_is_spoken_and_the_certificate_checked(ct: Path, tmp_path: Path) -> None:
    """With the authority of its certificate a peer is stored to over TLS; without it, it is refused."""
    made = dimse_peers.certificate(tmp_path, "server")
    certificate, key = made.certificate, made.key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with faulty_storage(lambda _: 0, context) as address:
        assert not dicomarray.push(ct, f"{address}?tls={certificate}").failed
        for tls in ("yes", "no"):
            with pytest.raises(dicomarray.StorageError):
                Peer(Url(f"{address}?timeout=3&tls={tls}")).echo()
        with pytest.raises(dicomarray.UsageError, match="cannot be read"):
            Peer(Url(f"{address}?tls={tmp_path}/nothing.pem")).echo()


def test_nobody_there_is_told(tmp_path: Path) -> None:
    """A port on which nobody listens is named as what it is."""
    with pytest.raises(dicomarray.StorageError, match="cannot be reached"):
        Peer(Url(f"dimse://X@127.0.0.1:{pacs.free_port()}?timeout=5")).echo()


def test_associations_that_break_off_are_made_again(ct: Path) -> None:
    """After an abort the rest is sent over another association, and nothing twice that was taken."""
    taken: list[str] = []

    def stored(event: Any) -> int:
        if len(taken) == 2 and not broken:
            broken.append(True)
            event.assoc.abort()
            return 0xC000
        taken.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    broken: list[bool] = []
    with faulty_storage(stored) as address:
        report = dicomarray.push(ct, address)
    assert broken
    assert not report.failed
    assert len(set(taken)) == len(taken) == len(report.entries)


def test_series_go_side_by_side(
    orthanc_for_moves: tuple[pacs.Orthanc, int], make_series: Make, tmp_path: Path
) -> None:
    """Several associations at once store and fetch the same; by C-MOVE series come one after the other."""
    server, port = orthanc_for_moves
    server.clear()
    folders = [make_series(name=name) for name in "abcd"]
    assert not dicomarray.push(folders, address_of(server), concurrency=3).failed
    for number, move in enumerate(("", f"?move_port={port}")):
        pulled = tmp_path / f"pulled{number}"
        report = dicomarray.pull(address_of(server) + move, pulled, concurrency=3)
        assert [entry.status for entry in report.entries] == ["pulled"] * 4, report.entries
        for path in (one for folder in folders for one in folder.iterdir()):
            uid = dcmread(path).SOPInstanceUID
            (found,) = pulled.rglob(f"{uid}.dcm")
            assert dcmread(found) == dcmread(path)


def test_a_peer_that_is_busy_is_asked_again(make_series: Make) -> None:
    """A server that has too many associations for now gets everything in the end."""
    folders, taken = [make_series(name=name) for name in "abc"], []

    def stored(event: Any) -> int:
        taken.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    with faulty_storage(stored, maximum_associations=2) as address:
        report = dicomarray.push(folders, address, concurrency=3)
    assert not report.failed, report.failed
    assert len({*taken}) == len(taken) == len(report.entries)


def test_refusals_are_told_one_by_one(ct: Path) -> None:
    """An instance that the peer refuses costs itself, with what the status means."""
    first = str(dcmread(sorted(ct.iterdir())[0]).SOPInstanceUID)
    with faulty_storage(lambda event: 0xA700 * (event.request.AffectedSOPInstanceUID == first)) as address:
        report = dicomarray.push(ct, address)
    assert [entry.uid for entry in report.failed] == [first]
    assert "out of resources (A700)" in (report.failed[0].error or "")


def test_the_commands_take_addresses_of_dimse(
    archive: Archive, ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`push` and `pull` work with an address of DIMSE, and exit with 0."""
    assert main(["push", "-i", str(ct), "--to", archive.address]) == 0
    assert main(["pull", "--from", archive.address, "-o", str(tmp_path / "pulled")]) == 0
    assert "[1/1] pulled" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("dimse://127.0.0.1:104", "AE title of the server is missing"),
        ("dimse://A@127.0.0.1", "no port"),
        ("dimse://A@:104", "no host"),
        ("dimse://A@h:104/path", "something behind the port"),
        ("dimse://A@h:104?aet=B", "aet= is unknown"),
        ("dimse://A@h:104?calling=B&calling=C", "said twice"),
        ("dimse://SEVENTEEN-LETTERS@h:104", "no AE title"),
        ("dimse://A@h:104?retrieve=fetch", "get or move"),
        ("dimse://A@h:104?retrieve=move", "needs move_port"),
        ("dimse://A@h:104?move_port=0", "from 1 to 65535"),
        ("dimse://A@h:104?timeout=never", "so many seconds"),
        ("dimse://A:secret@h:104", "has no password"),
    ],
)
def test_wrong_addresses_are_refused(text: str, reason: str) -> None:
    """Each mistake in an address has an error that names it, and no error shows a secret."""
    with pytest.raises(dicomarray.UsageError, match=reason) as caught:
        DimseAddress.of(Url(text))
    assert "secret" not in str(caught.value)


def test_an_address_says_it_all() -> None:
    """Every part of an address is read; what is left out has its default."""
    full = "dimse://PACS@h:104?calling=ME&move_aet=STORE&move_port=11113&tls=yes&timeout=7"
    assert DimseAddress.of(Url(full)) == DimseAddress(
        "PACS", "h", 104, "ME", "move", "STORE", 11113, "yes", 7.0
    )
    assert DimseAddress.of(Url("dimse://PACS@h:104")) == DimseAddress("PACS", "h", 104)


def test_lossless_jpeg_ls_is_decompressed(archive: Archive, ct: Path) -> None:
    """Not only what is easily decoded is sent decompressed."""
    values = synthetic.stored_values()
    dicomarray.to_dicom(dicomarray.load(ct), ct, ct.parent / "jls", compress="jpeg-ls", overwrite=True)
    syntaxes = {dcmread(path).file_meta.TransferSyntaxUID for path in (ct.parent / "jls").iterdir()}
    assert syntaxes == {JPEGLSLossless}
    assert not dicomarray.push(ct.parent / "jls", archive.address).failed
    assert len(archive.data_sets()) == len(values)
