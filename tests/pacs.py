"""A real PACS for tests: Orthanc with its DICOMweb plugin, on free ports of this computer."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS_TO_START = 30.0
USER, PASSWORD = "tester", "a secret word"
PLUGINS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc", "/usr/local/share/orthanc/plugins")


def orthanc_program() -> str | None:
    """Where Orthanc is; Debian has it where users do not look."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")


def dicomweb_plugin() -> Path | None:
    """Its plugin, if it is there."""
    found = (path for folder in PLUGINS for path in Path(folder).glob("libOrthancDicomWeb.so*"))
    return next(found, None)


def missing() -> str | None:
    """What is not installed; None where all is there."""
    if orthanc_program() is None or dicomweb_plugin() is None:
        return "Orthanc with its DICOMweb plugin is not installed (scripts/install-system-packages)"
    return None


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@dataclass
class Orthanc:
    """A running server; ``url`` is that of DICOMweb, as an address of ours."""

    folder: Path
    http_port: int
    dicom_port: int
    aet: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"dicomweb+{self.plain_url}"

    @property
    def plain_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def ask(self, path: str, method: str = "GET") -> Any:
        """Its own interface, beside DICOMweb."""
        return json.loads(self.raw(path, method) or b"null")

    def raw(self, path: str, method: str = "GET") -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def files(self) -> dict[str, bytes]:
        """The bytes of every instance that it stores, by SOP Instance UID."""
        found = {}
        for one in self.ask("/instances?expand"):
            found[one["MainDicomTags"]["SOPInstanceUID"]] = self.raw(f"/instances/{one['ID']}/file")
        return found

    def clear(self) -> None:
        """Remove all that it holds."""
        for patient in self.ask("/patients"):
            self.raw(f"/patients/{patient}", "DELETE")

    def kill(self) -> None:
        """End it at once, without a chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again with what it had stored."""
        self.process = _started(self.folder, self.http_port)


def _started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    program = orthanc_program()
    assert program is not None
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [program, str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder
        )
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/system", timeout=5):
                return process
        except urllib.error.HTTPError:
            return process  # it wants a password: it is there
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"Orthanc did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")


@contextmanager
def running_orthanc(folder: Path, **settings: Any) -> Iterator[Orthanc]:
    """A server with an empty storage in the folder; ``settings`` are those of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    http_port, dicom_port, aet = free_port(), free_port(), "ORTHANC"
    config = {
        "Name": "tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAet": aet,
        "DicomServerEnabled": True,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomCheckCalledAet": False,
        "UnknownSopClassAccepted": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(dicomweb_plugin())],
        "OverwriteInstances": False,
        "StableAge": 1,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    server = Orthanc(folder, http_port, dicom_port, aet, _started(folder, http_port))
    try:
        yield server
    finally:
        server.kill()  # its own end takes seconds, and nobody asks for its storage any more
