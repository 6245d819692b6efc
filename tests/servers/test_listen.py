"""A listener takes what others send, and every whole series has one verified result, whatever is killed."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

import dicomarray
import dimse_peers
from dicomarray.cli.main import main
from dicomarray.sources.listener import Limits, Listener, Spool
from dicomarray.storage.dimse import VERIFICATION, Peer, Proposal
from dicomarray.storage.places import Url
from listening import FUNCTION, SECONDS, listening, send, trial, wait_for
from pacs import free_port


def test_a_series_that_was_sent_has_a_result(ct: Path, tmp_path: Path) -> None:
    """What is pushed to a listener is worked on when it is quiet; a SIGTERM ends it, and leaves the page."""
    with listening(tmp_path) as running:
        Peer(Url(running.address)).echo()
        assert not dicomarray.push(ct, running.address).failed
        wait_for(lambda: len(running.entries()) == 1)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(SECONDS) == 0
        (entry,) = running.entries()
        assert entry["status"] == "written", entry
        (result,) = dicomarray.scan(running.output)
        before = dicomarray.load(ct)
        np.testing.assert_array_equal(result.volume().array, before.array // 2)
        assert (running.output / "report.html").is_file()
        assert len(list((running.spool / "done").rglob("*.dcm"))) == len(before.array)


def test_storescu_can_send(ct: Path, tmp_path: Path) -> None:
    """DCMTK's client sends a series, which has a result."""
    if (what := dimse_peers.missing("storescu")) is not None:
        pytest.skip(what)
    with listening(tmp_path) as running:
        command = ["storescu", "-aec", "HERE", "127.0.0.1", str(running.port), "+sd", str(ct)]
        subprocess.run(command, check=True, capture_output=True)
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["status"] == "written"


def test_results_are_sent_on_to_a_pacs(ct: Path, tmp_path: Path) -> None:
    """With an address as output, a result is pushed there; where that fails, the series is failed."""
    if (what := dimse_peers.missing("dcmqrscp")) is not None:
        pytest.skip(what)
    module = tmp_path / "halves.py"
    module.write_text(FUNCTION)
    with dimse_peers.running_dcmqrscp(tmp_path / "archive") as archive, listening(tmp_path) as running:
        running.kill()
        running.command[running.command.index("-o") + 1] = archive.address
        running.command += ["--spool", str(tmp_path / "spool")]
        running.output = tmp_path / "spool" / "results"
        running.log = tmp_path / "listen-to-archive.log"
        running.start()
        assert send(running.port, sorted(ct.iterdir()))
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["status"] == "written", running.entries()
        assert len(archive.data_sets()) == len(list(ct.iterdir()))


def test_a_series_that_was_cut_short_waits_for_the_rest(ct: Path, tmp_path: Path) -> None:
    """Half a series gives no result; sent again, it gives one of all slices."""
    files = sorted(ct.iterdir())
    with listening(tmp_path) as running:
        send(running.port, files[:3], abort=True)
        time.sleep(1.5)
        assert not running.entries()
        assert send(running.port, files)
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["outputs"][0]["count"] == len(files)


def test_who_sends_again_need_not_wait_for_a_dead_connection(ct: Path, tmp_path: Path) -> None:
    """A sender whose connection hangs sends all of it over another one: the series is whole then."""
    files = sorted(ct.iterdir())
    with listening(tmp_path, "--silence", "2") as running:
        address = Url(running.address)
        proposals = [Proposal(str(dcmread(files[0]).SOPClassUID), ("1.2.840.10008.1.2.1",))]
        with Peer(address).associated(proposals) as hanging:
            assert hanging.send_c_store(dcmread(files[0])).Status == 0
            assert send(running.port, files)
            wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["outputs"][0]["count"] == len(files)


def test_what_comes_late_joins_what_came_before(ct: Path, tmp_path: Path) -> None:
    """A slice that comes when the series is done leads to a new result of all slices."""
    files = sorted(ct.iterdir())
    with listening(tmp_path) as running:
        assert send(running.port, files[:-1])
        wait_for(lambda: len(running.entries()) == 1)
        assert send(running.port, files[-1:])
        wait_for(lambda: len(running.entries()) == 2)
        assert [entry["outputs"][0]["count"] for entry in running.entries()] == [len(files) - 1, len(files)]
        (result,) = dicomarray.scan(running.output)
        assert len(result.files) == len(files)


def test_another_instance_of_the_same_uid_is_refused(ct: Path, tmp_path: Path) -> None:
    """What is here already is answered with success if it is the same, and refused if it is not."""
    files = sorted(ct.iterdir())
    with listening(tmp_path) as running:
        assert send(running.port, files)
        assert send(running.port, files)
        changed = dcmread(files[0])
        changed.PatientComments = "changed"
        changed.save_as(files[0])
        assert not send(running.port, files[:1])
        wait_for(lambda: len(running.entries()) == 1)


def test_strangers_and_large_instances_are_kept_out(ct: Path, tmp_path: Path) -> None:
    """Who is not allowed to send does not get in, and is told why; nor does an instance beyond the limit."""
    files = sorted(ct.iterdir())
    large = dcmread(files[0])
    large.Rows = large.Columns = 1500
    large.PixelData = bytes(2 * 1500 * 1500)
    large.save_as(tmp_path / "large.dcm")
    with listening(tmp_path, "--allow", "FRIEND,OTHER@10.9.8.7", "--max-instance", "1") as running:
        for who in ("STRANGER", "OTHER"):  # by the title, and by the address
            with pytest.raises(dicomarray.StorageError, match=rf"does not know our AE title {who}.*calling="):
                dicomarray.pull(f"{running.address}&calling={who}", tmp_path / "pulled")
            (error,) = {one.error for one in dicomarray.push(ct, f"{running.address}&calling={who}").failed}
            assert f"does not know our AE title {who}" in str(error)
        with pytest.raises(dicomarray.StorageError, match="has no AE title WRONG"):
            Peer(Url(f"{running.address.replace('HERE', 'WRONG')}&calling=FRIEND")).echo()
        assert not send(running.port, [tmp_path / "large.dcm"], calling="FRIEND")
        assert not list(running.spool.rglob("*.dcm"))
        wait_for(lambda: "refused: who sends is not allowed to (--allow)" in running.log.read_text())
        assert send(running.port, files, calling="FRIEND")


def test_no_more_is_taken_than_may_be(ct: Path, tmp_path: Path) -> None:
    """Too many associations are rejected for now; where too much waits, instances are refused for now."""
    spool, port = Spool(tmp_path / "spool"), free_port()
    limits = Limits(waiting_bytes=1, associations=1)
    with Listener(spool, "HERE", ("127.0.0.1", port), limits) as listener:
        peer = Peer(Url(f"dimse://HERE@127.0.0.1:{port}"))
        with peer.associated([Proposal(VERIFICATION, ("1.2.840.10008.1.2",))]):
            assert not send(port, sorted(ct.iterdir()))
        wait_for(lambda: not listener.busy())
        report = dicomarray.push(ct, f"dimse://HERE@127.0.0.1:{port}")
        assert len(list(spool.folder.rglob("*.dcm"))) == report.count("stored") == 1
        assert all("out of resources (A700)" in str(one.error) for one in report.failed)
        assert {reason.partition(" (")[0] for reason in listener.refused} == {
            "more associations at once than may be",
            "more waits than may",
        }


def test_every_whole_series_has_one_result_whatever_is_killed(tmp_path: Path) -> None:
    """Three senders at once, some of which break off, and a listener that is killed again and again."""
    found = trial(tmp_path, series=12, slices=4, senders=3, kills=2)
    assert (found.results, found.waiting) == (11, 1)


def test_what_fails_is_tried_again_and_comes_to_an_end(ct: Path, tmp_path: Path) -> None:
    """A series fails twice and is done then; where it always fails it is put aside, also after a kill."""
    trials, allowed = tmp_path / "trials", tmp_path / "allowed"
    function = (
        "from pathlib import Path\n\ndef half(volume):\n"
        f"    with open({str(trials)!r}, 'a') as file: file.write('x')\n"
        f"    if Path({str(allowed)!r}).read_text() > Path({str(trials)!r}).read_text():\n"
        "        raise ValueError('not now')\n    return volume.array // 2\n"
    )
    allowed.write_text("xxxx")
    files = sorted(ct.iterdir())
    with listening(tmp_path, "--retries", "2", function=function) as running:
        assert send(running.port, files[:-1])
        wait_for(lambda: trials.exists() and len(running.entries()) == 2)
        running.kill()  # it waits for its third try, which is the last one
        running.start()
        wait_for(lambda: len(running.entries()) == 3 and any((running.spool / "failed").glob("*/*")))
        assert [entry["status"] for entry in running.entries()] == ["failed"] * 3
        assert "is tried again in 0.3 s (1 of 2): " in running.log.read_text()
        assert send(running.port, files[-1:])  # with what comes late it has new tries
        wait_for(lambda: len(running.entries()) == 4)
        assert running.entries()[-1]["outputs"][0]["count"] == len(files)
        assert trials.read_text() == "xxxx"
        wait_for(lambda: not any((running.spool / "failed").glob("*/*")))


def test_tls_is_spoken_to_those_who_can_prove_who_they_are(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS a listener takes what comes from a known sender, and from nobody else; none holds it up."""
    server, client = dimse_peers.certificate(tmp_path, "server"), dimse_peers.certificate(tmp_path, "client")
    flags = ["--tls-cert", server.certificate, "--tls-key", server.key, "--tls-ca", client.certificate]
    with listening(tmp_path, *map(str, flags)) as running, socket.socket() as silent:
        silent.connect(("127.0.0.1", running.port))
        address = f"{running.address}&tls={server.certificate}"
        for stranger in (running.address, f"{running.address}&tls=yes", address):
            with pytest.raises(dicomarray.StorageError, match=r"TLS|reached|broke off"):
                Peer(Url(stranger.replace("timeout=10", "timeout=2"))).echo()
        monkeypatch.setenv("DICOMARRAY_TLS_CERT", str(client.certificate))
        monkeypatch.setenv("DICOMARRAY_TLS_KEY", str(client.key))
        assert not dicomarray.push(ct, address).failed
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["status"] == "written"


@pytest.mark.parametrize(
    ("flags", "reason"),
    [(["--tls-ca", "ca.pem"], "TLS needs a certificate"), (["--tls-cert", "none.pem"], "cannot be read")],
)
def test_half_of_tls_is_refused(
    flags: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A listener that could not speak TLS as it was told does not start."""
    module = tmp_path / "halves.py"
    module.write_text(FUNCTION)
    command = ["listen", "--aet", "HERE", "--port", "11112", "-f", f"{module}:half"]
    assert main([*command, "-o", str(tmp_path / "results"), *flags]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="a limit of the system stands for a full disk")
def test_where_there_is_no_room_the_sender_is_told(ct: Path, tmp_path: Path) -> None:
    """An instance that cannot be written is refused with a status, and taken when there is room again."""
    files = sorted(ct.iterdir())
    with listening(tmp_path) as running:
        before = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
        report = dicomarray.push(ct, running.address)
        assert len(report.failed) == len(files)
        assert "out of resources (A700)" in (report.failed[0].error or "")
        wait_for(lambda: "refused: it cannot be written: File too large" in running.log.read_text())
        assert not [path for path in (running.spool / "incoming").rglob("*") if path.is_file()]
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, before)
        assert not dicomarray.push(ct, running.address).failed
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["status"] == "written"


def test_half_a_data_set_is_nothing(ct: Path, tmp_path: Path) -> None:
    """A sender that is gone in the middle of a data set has sent nothing of it."""
    files = sorted(ct.iterdir())
    with listening(tmp_path) as running:
        send(running.port, files[:2], cut_off=True)
        wait_for(lambda: len(list((running.spool / "incoming").rglob("*.dcm"))) == 1)
        time.sleep(0.5)
        assert len([path for path in (running.spool / "incoming").rglob("*") if path.is_file()]) == 1
        assert send(running.port, files)
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["outputs"][0]["count"] == len(files)


def test_who_says_nothing_is_cut_off(ct: Path, tmp_path: Path) -> None:
    """Senders that stop in the middle of a message, or claim an endless one, hold no place of others."""
    with listening(tmp_path, "--silence", "1", "--max-associations", "2") as running, ExitStack() as stack:
        held = []
        for start in (b"", b"\1\0\0\0\1\0", b"\1\0\0\0\1\0\0\1", b"\4\0\xff\xff\xff\xff"):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            one.settimeout(10)
            one.sendall(start)
            held.append(one)
        for one in held:
            with suppress(ConnectionResetError):
                while one.recv(1000):
                    pass
        assert send(running.port, sorted(ct.iterdir()))
