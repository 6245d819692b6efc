"""Peers of DIMSE for tests, on free ports of this computer: DCMTK's archive and storage, and faulty ones."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as Move
from pynetdicom.sop_class import Verification

from pacs import free_port

SECONDS_TO_START = 20.0


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate that is its own authority, and of its key."""

    certificate: Path
    key: Path


def certificate(folder: Path, name: str) -> Certificate:
    """A new one for this computer; the test is skipped where openssl is missing."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl is not installed")
    made = Certificate(folder / f"{name}.pem", folder / f"{name}-key.pem")
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run([*command, "-keyout", made.key, "-out", made.certificate], check=True, capture_output=True)
    return made


@dataclass
class Archive:
    """A running peer: where it listens, what it holds, and where it may send to."""

    address: str
    port: int
    folder: Path
    move_port: int

    def data_sets(self) -> dict[str, Dataset]:
        """What it holds, by SOP Instance UID."""
        found = (dcmread(path) for path in self.folder.iterdir() if path.name != "index.dat")
        return {one.SOPInstanceUID: one for one in found}


def missing(program: str) -> str | None:
    """Why a program of DCMTK cannot be used; None where it can."""
    return None if shutil.which(program) else f"{program} is not installed (scripts/install-system-packages)"


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(command: Sequence[str], port: int, folder: Path) -> Iterator[None]:
    with (folder.parent / f"{folder.name}.log").open("ab") as log:
        process = subprocess.Popen([*command], stdout=log, stderr=log)
    try:
        end = time.monotonic() + SECONDS_TO_START
        while not answers(port) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def running_dcmqrscp(folder: Path, *flags: str) -> Iterator[Archive]:
    """DCMTK's archive: it answers C-FIND, C-GET and C-MOVE, and takes C-STORE."""
    folder.mkdir(parents=True)
    port, move_port = free_port(), free_port()
    config = folder.parent / f"{folder.name}.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nus = (DICOMARRAY, localhost, {move_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {folder} RW (500, 1024mb) ANY\nAETable END\n"
    )
    with _running(["dcmqrscp", "-c", str(config), *flags], port, folder):
        yield Archive(f"dimse://ARCHIVE@127.0.0.1:{port}", port, folder, move_port)


@contextmanager
def running_storescp(folder: Path, *flags: str) -> Iterator[Archive]:
    """DCMTK's storage, which answers no queries."""
    folder.mkdir(parents=True)
    port = free_port()
    with _running(["storescp", "-od", str(folder), *flags, str(port)], port, folder):
        yield Archive(f"dimse://STORE@127.0.0.1:{port}", port, folder, 0)


@contextmanager
def faulty_storage(
    stored: Callable[[Any], int], tls: ssl.SSLContext | None = None, **settings: Any
) -> Iterator[str]:
    """A storage whose answers the test decides; its address."""
    entity = AE(ae_title="FAULTY")
    entity.supported_contexts = AllStoragePresentationContexts
    entity.add_supported_context(Verification)
    for name, value in settings.items():
        setattr(entity, name, value)
    port = free_port()
    handlers: list[Any] = [(evt.EVT_C_STORE, stored)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=tls)
    assert server is not None
    try:
        yield f"dimse://FAULTY@127.0.0.1:{port}"
    finally:
        server.shutdown()


@contextmanager
def faulty_archive(
    folder: Path,
    sent: Callable[[Any, list[Dataset]], Iterator[tuple[int, Dataset | None]]],
    *,
    without: Sequence[str] = (),
    unlisted: Sequence[str] = (),
) -> Iterator[str]:
    """An archive that lists the files of a folder, and whose C-GET sends what the test decides; its address.

    ``without`` names operations whose presentation contexts it refuses: find, get, move, store;
    ``unlisted`` attributes of instances that it does not list.
    """
    held = [dcmread(path) for path in sorted(folder.rglob("*.dcm"))]

    def found(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        level = event.identifier.QueryRetrieveLevel
        keys = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
        for one in {str(item[keys[level]].value): item for item in held}.values():
            answer = Dataset()
            answer.QueryRetrieveLevel = level
            for name in (
                "StudyInstanceUID",
                "SeriesInstanceUID",
                "SOPInstanceUID",
                "SOPClassUID",
                "Modality",
            ):
                setattr(answer, name, one[name].value)
            yield 0xFF00, answer
        yield 0, None

    def got(event: Any) -> Iterator[Any]:
        answers = list(sent(event, held))
        yield len(answers)
        yield from answers

    entity = AE(ae_title="FAULTY")
    for name, one in (("find", Find), ("get", Get), ("move", Move)):
        if name not in without:
            entity.add_supported_context(one)
    if "store" not in without:
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES, True, True)
    port = free_port()
    handlers: list[Any] = [(evt.EVT_C_FIND, found), (evt.EVT_C_GET, got)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield f"dimse://FAULTY@127.0.0.1:{port}"
    finally:
        server.shutdown()


@contextmanager
def silent_peer() -> Iterator[str]:
    """Somebody who takes connections and says nothing; the address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"dimse://SILENT@127.0.0.1:{listening.getsockname()[1]}"
        for one in held:
            one.close()


@dataclass
class Way:
    """A port behind which another one of this computer lies; ``returned`` counts the bytes that come back."""

    port: int
    returned: int = 0


@contextmanager
def way_to(port: int, bytes_a_second: float = float("inf")) -> Iterator[Way]:
    """A way to a port of this computer, which counts, and may take its time."""

    def carry(source: socket.socket, target: socket.socket, back: bool) -> None:
        with suppress(OSError):
            while content := source.recv(16_384):
                target.sendall(content)
                way.returned += back * len(content)
                time.sleep(len(content) / bytes_a_second)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, far = listening.accept()[0], socket.create_connection(("127.0.0.1", port))
                for one in (near, far):  # little is on the way
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pair in ((near, far, False), (far, near, True)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        way = Way(int(listening.getsockname()[1]))
        threading.Thread(target=accept, daemon=True).start()
        yield way
        listening.shutdown(socket.SHUT_RDWR)
