"""Of a series in a PACS only those slices come that are asked for, with the voxels that the files have."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

import dicomarray
import faulty_server
from dicomarray.adapters.sampling import Volumes
from dicomarray.assembly.options import ReadOptions
from dicomarray.cli.main import main
from dicomarray.storage import http
from enhanced_files import write_enhanced
from faulty_server import Proxy, Reply
from pacs import Orthanc
from synthetic import two_time_points

SLICES = range(3, 5)


@pytest.fixture
def proxy(orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before an empty server; waiting takes no time."""
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.001)
    with faulty_server.before(f"http://127.0.0.1:{orthanc.http_port}", lambda *given: given[2]) as running:
        yield running


@pytest.fixture
def enhanced(tmp_path: Path) -> Path:
    """An enhanced MR of ten frames, in a folder."""
    stored = np.random.default_rng(0).integers(0, 200, (10, 33, 31)).astype(np.uint16)
    (tmp_path / "mr").mkdir()
    write_enhanced(tmp_path / "mr" / "1.dcm", stored)
    return tmp_path / "mr"


def part_of(proxy: Proxy, slices: range = SLICES) -> np.ndarray:
    """Slices of the one volume there, and ``asked`` has what was requested for them."""
    volumes = Volumes(f"dicomweb+{proxy.url}", None, ReadOptions(), "raise", 1 << 20)
    array, _ = volumes.slices(0, slices)
    return array[0]


def retrieved(proxy: Proxy) -> list[str]:
    """What was asked for beside listings and metadata, below the series."""
    found = [
        re.search(r"/series/[0-9.]+(?:/instances/[0-9.]+)?(/frames/.*)?$", p) for _, p, _, _ in proxy.asked
    ]
    return [re.sub(r"[0-9.]{9,}", "UID", one[0]).removeprefix("/series/UID") for one in found if one]


@pytest.mark.parametrize("compress", ["none", "rle", "jpeg-ls", "jpeg-2000"])
def test_a_part_of_an_enhanced_object_asks_for_its_frames(
    proxy: Proxy, orthanc: Orthanc, enhanced: Path, tmp_path: Path, compress: str
) -> None:
    """No other frame leaves the server, compressed or not; most of them come with the whole instance."""
    dicomarray.to_dicom(dicomarray.load(enhanced), enhanced, tmp_path / "packed", compress=compress)
    dicomarray.push(tmp_path / "packed", orthanc.url)
    whole = dicomarray.load(tmp_path / "packed").array
    np.testing.assert_array_equal(part_of(proxy), whole[3:5])
    assert retrieved(proxy) == ["/instances/UID/frames/4,5"]
    proxy.asked.clear()
    np.testing.assert_array_equal(part_of(proxy, range(9)), whole[:9])
    assert retrieved(proxy) == ["/instances/UID"]


def test_a_part_of_a_classic_series_asks_for_its_instances(
    proxy: Proxy, orthanc: Orthanc, make_series: Callable[..., Path]
) -> None:
    """An instance is a frame with the header that says what it means; most of them come with the series."""
    folder = make_series(np.arange(10 * 16, dtype=np.uint16).reshape(10, 4, 4))
    dicomarray.push(folder, orthanc.url)
    np.testing.assert_array_equal(part_of(proxy), dicomarray.load(folder).array[3:5])
    assert retrieved(proxy) == ["/instances/UID"] * 2
    proxy.asked.clear()
    part_of(proxy, range(8))
    assert retrieved(proxy) == [""]


def test_repetitions_that_the_server_may_not_tell_apart_come_as_files(
    proxy: Proxy, orthanc: Orthanc, tmp_path: Path
) -> None:
    """Without private elements its description may lack what says how images at one place differ."""
    two_time_points(tmp_path / "mr")
    dicomarray.push(tmp_path / "mr", orthanc.url)
    volumes = Volumes(f"dicomweb+{proxy.url}", None, ReadOptions(), "raise", 1 << 20)
    whole = dicomarray.load(tmp_path / "mr").array
    np.testing.assert_array_equal(volumes.slices(0, range(1, 2))[0], whole[:, 1:2])
    assert retrieved(proxy)[0] == ""


def test_a_private_value_is_fetched_where_a_condition_needs_it(
    proxy: Proxy, orthanc: Orthanc, ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What metadata has elsewhere costs a request where it is asked for; not given, it is unknown."""
    for file in ct.iterdir():
        dataset = dcmread(file)
        dataset.private_block(0x29, "ACME", create=True).add_new(1, "OB", b"\1\2" * 300)
        dataset.save_as(file)
    dicomarray.push(ct, orthanc.url)
    config = tmp_path / "config.json"
    config.write_text('{"Modality": "CT", "(0029,ACME,01)": {"exists": true}}')

    def answered(*given: str) -> tuple[str, int]:
        proxy.asked.clear()
        main(["filter", "-i", f"dicomweb+{proxy.url}", *given, "--why"])
        return capsys.readouterr().out, sum("/bulk" in path for _, path, _, _ in proxy.asked)

    assert answered("-w", "Modality=CT")[1] == 0
    said, asked = answered("-c", str(config))
    assert asked == len(list(ct.iterdir()))
    assert "unknown" not in said
    proxy.fault = lambda _, path, reply: Reply(404, "text/plain", b"") if "/bulk" in path else reply
    proxy.url = proxy.url.replace("127.0.0.1", "localhost")  # of another one nothing is known yet
    assert "unknown: the server does not tell it" in answered("-c", str(config))[0]


def rewritten(pattern: bytes, by: bytes, count: int = 0) -> Callable[[Reply], Reply]:
    """The body with something else in place of a pattern."""
    return lambda reply: replace(reply, body=re.sub(pattern, by, reply.body, count=count, flags=re.DOTALL))


def halved(**how: Any) -> Callable[[Reply], Reply]:
    """The body up to its middle."""
    return lambda reply: replace(reply, cut=len(reply.body) // 2, **how)


SYNTAX = rb"1\.2\.840\.10008\.1\.2\.1"
FAULTS: dict[str, Callable[[Reply], Reply]] = {
    "refused": lambda _: Reply(406, "text/plain", b""),
    "broken": lambda _: Reply(500, "text/plain", b""),
    "a page": lambda _: Reply(200, "text/html", b"<html>"),
    "without parts": lambda reply: replace(reply, content_type="application/octet-stream"),
    "a part is missing": rewritten(rb"^\s*(--[^\r]+\r\n).*?\1", rb"\1"),
    "frames are too long": rewritten(rb"\r\n\r\n", b"\r\n\r\n..."),
    "no syntax": rewritten(b"; transfer-syntax=" + SYNTAX, b""),
    "big endian": rewritten(SYNTAX, b"1.2.840.10008.1.2.2"),
    "with loss": rewritten(SYNTAX, b"1.2.840.10008.1.2.4.50"),
    "another order": rewritten(b"/frames/4", b"/frames/5", 1),
    "cut off": halved(),
    "cut off, without length": halved(has_length=False),
    "endless": lambda reply: replace(reply, body=reply.body[:900], endless=b"0123456789abcdef" * 4096),
}


def test_frames_that_do_not_come_as_asked_are_read_from_the_instance(
    orthanc: Orthanc, enhanced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a server answers, the voxels are those of the file, and memory is flat."""
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.001)
    dicomarray.push(enhanced, orthanc.url)
    whole = dicomarray.load(enhanced).array
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, fault in FAULTS.items():

        def faulty(_: str, path: str, reply: Reply, fault: Callable[[Reply], Reply] = fault) -> Reply:
            return fault(reply) if "/frames/" in path else reply

        with faulty_server.before(f"http://127.0.0.1:{orthanc.http_port}", faulty) as proxy:
            np.testing.assert_array_equal(part_of(proxy), whole[3:5], err_msg=name)
        asked = retrieved(proxy)
        assert "/frames/" in asked[0], name
        assert asked[-1] == "/instances/UID", name
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 50_000  # kB
