"""What goes wrong between a PACS and us is tried again or is an error that says so; nothing half appears."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
import faulty_server
from dicomarray.cli.main import main
from dicomarray.errors import StorageError, UsageError
from dicomarray.storage import http
from faulty_server import Proxy, Reply
from pacs import Orthanc

ENDLESS = b"0123456789abcdef" * 4096


def unchanged(method: str, path: str, reply: Reply) -> Reply:
    return reply


def always(reply: Reply) -> faulty_server.Fault:
    """The same answer to everything."""
    return lambda *_: reply


@pytest.fixture
def proxy(orthanc: Orthanc, ct: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before a server that has a series; waiting takes no time."""
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.001)
    dicomarray.push(ct, orthanc.url)
    with faulty_server.before(f"http://127.0.0.1:{orthanc.http_port}", unchanged) as running:
        yield running


def is_retrieval(method: str, path: str) -> bool:
    """Whether instances are asked for: a whole series, or one of it."""
    return method == "GET" and re.search(r"/series/[0-9.]+(/instances/[0-9.]+)?$", path) is not None


def pulled(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.rglob("*.dcm")}


def failure(proxy: Proxy, folder: Path) -> str:
    """Pull, see that nothing appears, and return what the one series failed of."""
    (entry,) = dicomarray.pull(proxy.url, folder).entries
    assert entry.status == "failed"
    assert len(dicomarray.scan(folder)) == 0 if folder.is_dir() else True
    return str(entry.error)


def test_a_connection_that_breaks_is_taken_up_again(
    proxy: Proxy, orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before the break is kept, and only the rest is asked for."""
    monkeypatch.setattr(http, "CHUNK_BYTES", 256)

    def cut(method: str, path: str, reply: Reply) -> Reply:
        if is_retrieval(method, path) and not path.rpartition("/series/")[2].count("/instances/"):
            return replace(reply, cut=len(reply.body) * 2 // 3)
        return reply

    proxy.fault = cut
    report = dicomarray.pull(proxy.url, tmp_path / "pulled")
    assert not report.failed
    assert pulled(tmp_path / "pulled") == orthanc.files()
    single = [path for _, path, _, _ in proxy.asked if re.search(r"/instances/[0-9.]+$", path)]
    assert 0 < len(single) < len(orthanc.files())


@pytest.mark.parametrize(
    "fault",
    [
        lambda reply: replace(reply, cut=len(reply.body) // 2),
        lambda _: Reply(0, "", b""),
        lambda _: Reply(429, "text/plain", b"later", {"Retry-After": "0"}),
        lambda _: Reply(503, "text/plain", b"", has_length=False),
    ],
    ids=["cut off", "without an answer", "too many", "busy"],
)
def test_what_goes_wrong_once_is_asked_for_again(
    proxy: Proxy, orthanc: Orthanc, ct: Path, tmp_path: Path, fault: Callable[[Reply], Reply]
) -> None:
    """Listings, metadata, instances and what is stored: the second answer to each request will do."""
    known = set[str]()

    def once(method: str, path: str, reply: Reply) -> Reply:
        new = method + path not in known
        known.add(method + path)
        return fault(reply) if new else reply

    orthanc.clear()
    proxy.fault = once
    assert not dicomarray.push(ct, proxy.url).failed
    assert not dicomarray.pull(proxy.url, tmp_path / "pulled", {"Modality": "CT"}).failed
    assert pulled(tmp_path / "pulled") == orthanc.files()
    asked = [path for _, path, _, _ in proxy.asked if re.search("metadata|[?]", path)]
    assert all(asked.count(path) > 1 for path in asked)


def listing(item: bytes, endless: bytes = b"") -> Reply:
    """What lists or describes one thing, and others without an end."""
    return Reply(200, "application/dicom+json", b"[" + item + (b"" if endless else b"]"), endless=endless)


UID = rb'{"0020000D": {"vr": "UI", "Value": [%s]}, "0020000E": {"vr": "UI", "Value": [%s]}}'
SERIES = UID % (b'"1.2"', b'"1.3"')
NO_LISTINGS: dict[str, Callable[[Reply], Reply]] = {
    "cut off": lambda reply: replace(reply, cut=len(reply.body) // 2),
    "cut off, without length": lambda reply: replace(reply, cut=len(reply.body) // 2, has_length=False),
    "empty, without length": lambda reply: replace(reply, body=b"", has_length=False),
    "empty": lambda reply: replace(reply, body=b""),
    "no answer": lambda _: Reply(0, "", b""),
    "too large": lambda _: Reply(413, "text/html", b""),
    "too many": lambda _: Reply(429, "text/plain", b""),
    "busy for an hour": lambda _: Reply(503, "text/plain", b"", {"Retry-After": "3600"}),
    "broken": lambda _: Reply(500, "text/html", b"<html>"),
    "a page": lambda reply: replace(reply, content_type="text/html"),
    "a type that is none": lambda reply: replace(reply, content_type="\x1b[31m; boundary*=x'%00"),
    "no list": lambda reply: replace(reply, body=b"{}"),
    "a list of numbers": lambda reply: replace(reply, body=b"[1, 2]"),
    "nested": lambda _: listing(b'{"00081110": {"vr": "SQ", "Value": [' + b"[" * 100_000),
    "an odd VR": lambda _: listing(b'{"00281054": {"vr": "\xc3\xa9", "Value": [1]}}'),
    "no tag": lambda _: listing(b'{"00280009": {"vr": "AT", "Value": [7]}}'),
    "a long number": lambda _: listing(b'{"00280010": {"vr": "US", "Value": [' + b"9" * 5000 + b"]}}"),
    "of no UID": lambda _: listing(UID % (b"{}", b"[[]]")),
    "a path": lambda _: listing(UID % (b'"../../evil"', b'"/etc"')),
    "endless": lambda _: listing(b"", endless=ENDLESS),
    "an endless text": lambda _: listing(b'{"00081110": "', endless=ENDLESS),
    "endless items": lambda _: listing(SERIES, endless=(b"," + SERIES) * 1000),
    "much in little": lambda _: Reply(
        200, "application/dicom+json", gzip.compress(b"[" * (1 << 22)), {"Content-Encoding": "gzip"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_LISTINGS)
def test_a_listing_that_is_none_is_an_error(
    proxy: Proxy, ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of series, of instances, or what describes them: nothing is taken for an empty one, nothing appears."""
    monkeypatch.setattr("dicomarray.sources.dicomweb.MAX_LISTING_BYTES", 1 << 20)
    config, fault = {"Modality": "CT", "num_slices": {"gte": 1}}, NO_LISTINGS[name]
    for place in ("/dicom-web/series", "/instances?", "/metadata"):
        proxy.fault = lambda _, path, reply, place=place: fault(reply) if place in path else reply
        try:
            (entry,) = dicomarray.pull(proxy.url, tmp_path / "pulled", config).entries
            said = str(entry.error)
            assert entry.status == "failed"
        except StorageError as error:
            assert place == "/dicom-web/series"
            said = str(error)
        assert re.search(f"{proxy.url}/|the server counts", said)
        assert "\x1b" not in said
        assert not pulled(tmp_path / "pulled")
        with pytest.raises(StorageError) if place != "/instances?" else nullcontext():
            dicomarray.scan(f"dicomweb+{proxy.url}")
    assert len(dicomarray.push(ct, proxy.url).failed) in (0, len(list(ct.iterdir())))


FLAT = """
import resource, sys, dicomarray
from dicomarray.errors import DicomArrayError
from dicomarray.sources import dicomweb, dicomweb_instances
from dicomarray.storage import http
http.FIRST_WAIT_SECONDS = 0.001
dicomweb_instances.MAX_INSTANCE_BYTES = 16 << 20
dicomweb.MAX_LISTING_BYTES = 32 << 20
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
url, *urls, ct, new, output = sys.argv[1:]
config = {"Modality": "CT", "num_slices": {"gte": 1}}
dicomarray.pull(url, output, config)
dicomarray.push(ct, url)
used = most()
for number, one in enumerate(urls):
    try:
        report = dicomarray.pull(one, f"{output}{number}", config)
        if not report.failed:
            report = dicomarray.push(new, one)
        print(one, report.failed[0].error)
    except DicomArrayError as error:
        print(one, error)
print((most() - used) // 1024)
"""


def test_bodies_without_end_are_left(
    orthanc: Orthanc, ct: Path, make_series: Callable[..., Path], tmp_path: Path
) -> None:
    """Whatever goes on for ever, the memory of a process that meets it grows by a few MB at most."""
    dicomarray.push(ct, orthanc.url)
    part, parts = b"--b\r\nContent-Type: application/dicom\r\n\r\n", "multipart/related; boundary=b"
    item = UID % (b'"1.2.%d"', b'"1.2.3"')
    many = b"," + b",".join(item % number for number in range(500))
    answers = {
        "/dicom-web/series": [listing(b"", ENDLESS), listing(b'{"', ENDLESS), listing(item % 1, many)],
        "/metadata": [listing(b"", ENDLESS), listing(b'{"00081110": "', ENDLESS)],
        "retrieval": [
            Reply(200, parts, start, endless=ENDLESS) for start in (b"", b"--b\r\nContent-Type: ", part)
        ] + [Reply(200, "application/dicom", b"", endless=ENDLESS)],
        "POST": [listing(b"", ENDLESS), listing(b'{"00081199": {"Value": [', ENDLESS)],
    }  # fmt: skip
    with ExitStack() as several:
        target = f"http://127.0.0.1:{orthanc.http_port}"
        urls = [several.enter_context(faulty_server.before(target, unchanged)).url]
        for place, reply in [(place, reply) for place, replies in answers.items() for reply in replies]:

            def endless(
                method: str, path: str, usual: Reply, place: str = place, reply: Reply = reply
            ) -> Reply:
                kind = "retrieval" if is_retrieval(method, path) else path
                return reply if place in kind else usual

            proxy = several.enter_context(faulty_server.before(target, endless))
            proxy.receive = lambda _, reply=reply: reply
            urls.append(proxy.url)
        series = str(make_series(name="new"))
        command = [sys.executable, "-c", FLAT, *urls, str(ct), series, str(tmp_path / "pulled")]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    *said, grown = done.stdout.splitlines()
    assert len(said) == len(urls) - 1
    assert all(re.search("no list|longer than|more bytes|no multipart|no DICOM", line) for line in said)
    assert int(grown) < 60, grown


@pytest.mark.parametrize(
    ("content_type", "said"),
    [
        ("text/html", "text/html where DICOM objects belong"),
        ("multipart/related", "where DICOM objects belong"),
        ('multipart/related; type="application/dicom"; boundary=other', "no multipart body|not complete"),
    ],
)
def test_an_answer_of_another_kind_is_an_error(
    proxy: Proxy, tmp_path: Path, content_type: str, said: str
) -> None:
    """A page of a login, or a body without its boundary, is not taken for a series."""
    proxy.fault = lambda method, path, reply: (
        replace(reply, content_type=content_type) if is_retrieval(method, path) else reply
    )
    assert re.search(said, failure(proxy, tmp_path / "pulled"))


def without_one_part(reply: Reply) -> Reply:
    """A multipart body that lacks its second part, and is whole otherwise."""
    found = re.search(r'boundary="?([^";]+)', reply.content_type)
    assert found is not None
    delimiter = b"--" + found[1].encode()
    pieces = reply.body.split(delimiter)
    return replace(reply, body=delimiter.join(pieces[:2] + pieces[3:]))


def test_a_part_that_is_missing_is_asked_for(proxy: Proxy, orthanc: Orthanc, tmp_path: Path) -> None:
    """A 200 that lacks an instance is not the series; the instance is asked for by itself."""

    def lossy(method: str, path: str, reply: Reply) -> Reply:
        whole = is_retrieval(method, path) and "/instances/" not in path
        return without_one_part(reply) if whole else reply

    proxy.fault = lossy
    assert not dicomarray.pull(proxy.url, tmp_path / "pulled").failed
    assert pulled(tmp_path / "pulled") == orthanc.files()


@pytest.mark.parametrize(
    ("length", "cut", "said"),
    [
        (True, 0, ""),
        (False, 0, ""),
        (True, 200, "broke off"),
        (False, 200, "not complete"),
        (False, 600, "no"),
    ],
)
def test_an_instance_without_parts_around_it_is_taken_if_it_is_whole(
    proxy: Proxy, orthanc: Orthanc, tmp_path: Path, length: bool, cut: int, said: str
) -> None:
    """Some servers send application/dicom; without a length the pixel data says if bytes are missing."""

    def bare(method: str, path: str, reply: Reply) -> Reply:
        if not is_retrieval(method, path):
            return reply
        if "/instances/" not in path:
            return Reply(404, "text/plain", b"")
        body = reply.body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
        body = body.rpartition(b"\r\n--")[0] or body
        return Reply(200, "application/dicom", body, has_length=length, cut=len(body) - cut)

    proxy.fault = bare
    if cut:
        assert said in failure(proxy, tmp_path / "pulled")
        return
    assert not dicomarray.pull(proxy.url, tmp_path / "pulled").failed
    assert pulled(tmp_path / "pulled") == orthanc.files()


def test_an_address_beside_dicomweb_is_told_as_such(orthanc: Orthanc, tmp_path: Path) -> None:
    """The server's own root answers too, with an error that says nothing of the address."""
    with pytest.raises(dicomarray.DicomArrayError, match="it ends with the path of DICOMweb"):
        dicomarray.pull(orthanc.url.removesuffix("/dicom-web"), tmp_path / "pulled")


def test_a_series_that_is_not_described_fails_alone(
    proxy: Proxy, orthanc: Orthanc, make_series: Callable[..., Path], tmp_path: Path
) -> None:
    """Where the metadata of one series is broken, the others are pulled, and it is told."""
    dicomarray.push(make_series(name="other"), orthanc.url)
    broken = sorted(series.uid for series in dicomarray.scan(orthanc.url))[0]
    proxy.fault = lambda method, path, reply: (
        Reply(500, "text/plain", b"") if method == "GET" and f"{broken}/metadata" in path else reply
    )
    report = dicomarray.pull(proxy.url, tmp_path / "pulled", {"Modality": "CT"})
    assert {entry.uid: entry.status for entry in report.entries}.pop(broken) == "failed"
    assert [entry.status for entry in report.entries if entry.uid != broken] == ["pulled"]


def test_a_server_that_lists_no_series_is_asked_study_by_study(
    proxy: Proxy, orthanc: Orthanc, tmp_path: Path
) -> None:
    """Not every server searches the series of all studies."""
    proxy.fault = lambda method, path, reply: (
        Reply(501, "text/plain", b"") if method == "GET" and "/dicom-web/series" in path else reply
    )
    report = dicomarray.pull(proxy.url, tmp_path / "pulled", {"Modality": "CT", "StudyInstanceUID": "2.25.1"})
    assert report.looked_at == 0
    assert not dicomarray.pull(proxy.url, tmp_path / "pulled", {"Modality": "CT"}).failed
    assert pulled(tmp_path / "pulled") == orthanc.files()


def test_names_that_a_server_makes_up_are_no_paths(proxy: Proxy, tmp_path: Path) -> None:
    """A UID with a slash in it is refused before anything is made of it."""

    def evil(method: str, path: str, reply: Reply) -> Reply:
        return replace(reply, body=re.sub(rb'"2\.25\.[0-9]+"', b'"../../../evil"', reply.body))

    proxy.fault = evil
    with pytest.raises(StorageError, match="no UID"):
        dicomarray.pull(proxy.url, tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


def test_a_redirect_is_not_followed(proxy: Proxy, tmp_path: Path) -> None:
    """Credentials do not go to another server."""
    proxy.fault = always(Reply(302, "text/plain", b"", {"Location": "http://127.0.0.1:9/"}))
    with pytest.raises(StorageError, match="not followed"):
        dicomarray.pull(proxy.url, tmp_path / "pulled")


def test_a_request_that_is_too_large_is_divided(proxy: Proxy, orthanc: Orthanc, ct: Path) -> None:
    """Behind a proxy with a limit (413) less is sent at once; what fits in no request is told by name."""
    limit = 3 * max(path.stat().st_size for path in ct.iterdir())
    orthanc.clear()
    proxy.limit = limit
    report = dicomarray.push(ct, proxy.url)
    assert report.count("stored") == len(list(ct.iterdir()))
    assert all(size <= limit for _, _, _, size in proxy.asked[-3:])

    proxy.limit = 100
    orthanc.clear()
    report = dicomarray.push(ct, proxy.url)
    assert "cannot be divided" in str(report.failed[0].error)


def test_what_the_server_took_and_lost_is_found_out(proxy: Proxy, orthanc: Orthanc, ct: Path) -> None:
    """A 200 is not believed: the server is asked for every instance afterwards."""

    def losing(method: str, path: str, reply: Reply) -> Reply:
        if method == "POST":
            orthanc.ask("/instances")
            orthanc.raw(f"/instances/{orthanc.ask('/instances')[0]}", "DELETE")
        return reply

    orthanc.clear()
    proxy.fault = losing
    report = dicomarray.push(ct, proxy.url)
    assert [entry.error for entry in report.failed] == ["the server took it, and does not list it"]
    proxy.fault = unchanged
    again = dicomarray.push(ct, proxy.url)
    assert (again.count("stored"), len(again.failed)) == (1, 0)


def test_credentials_are_sent_and_never_shown(
    proxy: Proxy, ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come from the environment or a file, and stand in no error or report."""
    monkeypatch.setenv("DICOMARRAY_TOKEN", "very-secret")
    dicomarray.pull(proxy.url, tmp_path / "pulled")
    assert proxy.asked[-1][2]["Authorization"] == "Bearer very-secret"
    monkeypatch.delenv("DICOMARRAY_TOKEN")
    known = tmp_path / "known.json"
    known.write_text('{"127.0.0.1": {"user": "me", "password": "hush"}}')
    monkeypatch.setenv("DICOMARRAY_CREDENTIALS", str(known))
    proxy.fault = always(Reply(401, "text/plain", b""))
    with pytest.raises(StorageError, match="DICOMARRAY_USER") as refused:
        dicomarray.pull(proxy.url, tmp_path / "pulled")
    with pytest.raises(StorageError, match="DICOMARRAY_USER"):
        dicomarray.push(ct, proxy.url)
    assert proxy.asked[-1][2]["Authorization"].startswith("Basic ")
    assert "hush" not in str(refused.value)
    with pytest.raises(UsageError, match="do not belong in an address") as wrong:
        dicomarray.pull("https://me:hush@pacs.example/dicom-web", tmp_path / "pulled")
    assert "hush" not in str(wrong.value)


def test_the_certificate_of_a_server_is_checked(
    orthanc: Orthanc, ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown one is refused at once; with its authority, or if told not to look, it will do."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl is not installed")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    target = f"http://127.0.0.1:{orthanc.http_port}"
    with faulty_server.before(target, unchanged, tls) as proxy:
        with pytest.raises(StorageError, match=r"certificate is refused.*REQUESTS_CA_BUNDLE"):
            dicomarray.pull(proxy.url, tmp_path / "pulled")
        with pytest.raises(StorageError, match=r"certificate is refused.*REQUESTS_CA_BUNDLE"):
            dicomarray.push(ct, proxy.url)
        assert not proxy.asked
        with pytest.warns(Warning, match="Unverified HTTPS"):
            assert not dicomarray.push(ct, f"{proxy.url}?verify=no").failed
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert not dicomarray.pull(proxy.url, tmp_path / "pulled").failed
    assert pulled(tmp_path / "pulled") == orthanc.files()


@pytest.mark.parametrize("wants_syntax", [True, False])
def test_a_server_that_wants_the_other_form_gets_it(
    proxy: Proxy, orthanc: Orthanc, ct: Path, wants_syntax: bool
) -> None:
    """Old servers refuse a transfer syntax beside the type of a part, others want it there."""

    def strict(body: bytes) -> bytes | Reply:
        plain = re.sub(rb"; transfer-syntax=[0-9.]+(?=\r\n\r\n)", b"", body)  # Orthanc takes no other
        return plain if (plain != body) == wants_syntax else Reply(415, "text/plain", b"")

    orthanc.clear()
    proxy.receive = strict
    report = dicomarray.push(ct, proxy.url)
    assert [one.error for one in report.failed] == []
    assert report.count("stored") == len(list(ct.iterdir()))


def test_a_server_without_label_maps_says_so(proxy: Proxy, ct: Path, tmp_path: Path) -> None:
    """A class that a server does not know is refused by name, with what it takes; nothing else suffers."""
    labels = np.ones(dicomarray.load(ct).array.shape, np.uint8)
    dicomarray.to_seg(labels, ct, tmp_path / "seg", {1: "liver"}, "labelmap")
    (uid,) = [series.instances[0].text("SOPInstanceUID") for series in dicomarray.scan(tmp_path / "seg")]
    refusal = {"00081150": {"vr": "UI"}, "00081155": {"Value": [uid]}, "00081197": {"Value": [0x0122]}}
    answer = json.dumps({"00081198": {"vr": "SQ", "Value": [refusal]}}).encode()
    proxy.receive = lambda _: Reply(200, "application/dicom+json", answer)
    report = dicomarray.push(tmp_path / "seg", proxy.url)
    assert re.search("class is not taken.*--kind binary", str(report.failed[0].error))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Reply(200, "application/dicom+json", b"{", endless=ENDLESS), "longer than"),
        (Reply(200, "application/dicom+json", b"{}", cut=1), "broke off"),
        (Reply(0, "", b""), "cannot be reached"),
        (Reply(429, "text/plain", b""), "429 Too Many Requests"),
        (Reply(503, "text/plain", b"", has_length=False), "503"),
        (Reply(500, "text/html", b"<html>"), "500"),
        (Reply(200, "text/html", b"<html>log in</html>"), "does not list it|says nothing"),
        (Reply(200, "application/dicom+json", b"[" * 5000), "does not list it|says nothing"),
    ],
)
def test_what_answers_a_push_is_not_believed(
    proxy: Proxy, orthanc: Orthanc, ct: Path, answer: Reply, said: str
) -> None:
    """Pages, errors and bodies without end: no instance counts as stored that is not there."""
    orthanc.clear()
    proxy.receive = lambda _: answer
    report = dicomarray.push(ct, proxy.url)
    assert len(report.failed) == len(list(ct.iterdir()))
    assert re.search(said, str(report.failed[0].error))


def test_no_page_ledger_or_message_has_the_password(
    proxy: Proxy,
    ct: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """From netrc or the environment, whatever a run writes, shows and fails of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hush-hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "model.py").write_text("def inverted(volume):\n    return volume.with_array(-volume.array)\n")
    address = f"dicomweb+{proxy.url}"
    run = ["run", "-i", address, "-f", f"{tmp_path}/model.py:inverted", "-w", "Modality=CT"]
    basic = base64.b64encode(b"me:hush-hush").decode()
    for secret in ("netrc", "environment"):
        if secret == "environment":
            monkeypatch.setenv("DICOMARRAY_USER", "me")
            monkeypatch.setenv("DICOMARRAY_PASSWORD", "hush-hush")
        assert main([*run, "-o", address, "--overwrite"]) == 0
        assert {headers.get("Authorization") for _, _, headers, _ in proxy.asked} == {f"Basic {basic}"}
    proxy.receive = lambda _: Reply(403, "text/plain", b"hush")
    assert main([*run, "-o", address, "--overwrite", "--uid-key", "another"]) == 3
    assert main(["pull", "--from", "http://me:hush-hush@127.0.0.1/dicom-web", "-o", "pulled"]) != 0
    said = capfd.readouterr()
    written = [path for path in tmp_path.glob("dicomarray-run-*/**/*") if path.is_file()]
    assert {"ledger.jsonl", "report.html"} <= {path.name for path in written}
    for text in (said.out, said.err, *(path.read_bytes().decode("latin-1") for path in written)):
        assert "hush-hush" not in text
        assert basic not in text


def test_limits_say_how_much_is_asked_at_once(
    proxy: Proxy, orthanc: Orthanc, make_series: Callable[..., Path], tmp_path: Path
) -> None:
    """So many series come and go side by side, each whole and in order; bytes no faster than they may."""
    others = [make_series(name=name) for name in ("one", "two", "three")]
    together = threading.Barrier(2)

    def meeting(method: str, path: str, reply: Reply) -> Reply:
        if is_retrieval(method, path) or method == "POST":
            together.wait(10)  # for another one that is on its way
        return reply

    proxy.fault = meeting
    pushed: list[str] = []
    report = dicomarray.push(others[:2], proxy.url, concurrency=2, finished=lambda uid, _: pushed.append(uid))
    assert pushed == [series.uid for series in dicomarray.scan(others[:2])]
    assert not report.failed
    dicomarray.push(others[2], orthanc.url)
    report = dicomarray.pull(proxy.url, tmp_path / "pulled", concurrency=2)
    assert [(entry.status, entry.fetched) for entry in report.entries] == [("pulled", 6)] * 4
    assert sum(entry.size for entry in report.entries) == sum(map(len, orthanc.files().values()))
    assert pulled(tmp_path / "pulled") == orthanc.files()

    started = time.monotonic()
    size = sum(path.stat().st_size for path in others[0].iterdir())
    dicomarray.pull(orthanc.url, tmp_path / "slowly", {"SeriesInstanceUID": pushed[0]}, rate=4 * size)
    assert time.monotonic() - started > 0.2
    started = time.monotonic()
    dicomarray.dicom_filter(f"{orthanc.url}?rate={4 * size}", {"SeriesInstanceUID": pushed[0]})[0].volume()
    assert time.monotonic() - started > 0.2


@pytest.mark.parametrize(
    ("address", "limits", "said"),
    [
        ("http://127.0.0.1:9/dicom-web", {"concurrency": 0}, "concurrency=0"),
        ("http://127.0.0.1:9/dicom-web", {"rate": "much"}, "no size"),
        ("http://127.0.0.1:9/dicom-web", {"rate": 0}, "above 0"),
        ("http://127.0.0.1:9/dicom-web?rate=0", {}, "above 0"),
        ("dimse://PACS@127.0.0.1:9", {"rate": "1M"}, "limits of DICOMweb"),
    ],
)
def test_limits_that_are_none_are_refused(
    tmp_path: Path, address: str, limits: dict[str, Any], said: str
) -> None:
    """Before any server is asked."""
    with pytest.raises(UsageError, match=said):
        dicomarray.pull(address, tmp_path / "pulled", **limits)


def test_a_server_that_is_not_there_is_an_error(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its address is named once, it is told that it is asked again, and nothing is left behind."""
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.001)
    said = r"127.0.0.1:9/dicom-web.*cannot be reached"
    with pytest.raises(StorageError, match=said):
        dicomarray.pull("http://127.0.0.1:9/dicom-web", tmp_path / "pulled")
    assert "127.0.0.1:9/dicom-web: no answer yet" in caplog.text
    with pytest.raises(StorageError, match=said):
        dicomarray.push(ct, "http://127.0.0.1:9/dicom-web")
    assert not (tmp_path / "pulled").exists()
