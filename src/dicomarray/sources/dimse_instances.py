"""What comes over DIMSE, of C-GET, C-MOVE or somebody who sends: into files, byte for byte."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dicomarray.dicom.part10 import file_start
from dicomarray.dicom.pixels.codecs import COMPRESSIONS
from dicomarray.dicom.transfer_syntaxes import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from dicomarray.errors import InputError
from dicomarray.sources.arrivals import named, uid_in
from dicomarray.sources.base import Arrived, RemoteSeries

# Every transfer syntax that we take; what is compressed comes as it is stored.
SYNTAXES = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, *COMPRESSIONS, DEFLATED, BIG_ENDIAN)
# A C-STORE is answered so (PS3.4 B.2.3).
TAKEN, NO_ROOM, NO_MATCH = 0x0000, 0xA700, 0xA900


class Incoming:
    """Instances of a series on their way into a folder: each gets its name when it is whole."""

    def __init__(self, series: RemoteSeries, wanted: Collection[str], folder: Path) -> None:
        self.missing = set(wanted)
        self._series, self._folder = series, folder
        self._here: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._failure: OSError | None = None
        self._refusals = 0

    def take(self, event: Any) -> int:
        """One that the peer sends; the status that it is answered with."""
        part: Path | None = None
        try:
            with tempfile.NamedTemporaryFile(
                dir=self._folder, prefix=".", suffix=".part", delete=False
            ) as stream:
                part = Path(stream.name)
                write_instance(stream, event)
            uid = uid_in(part, self._series)
            if uid is None:
                return self._not_matching()
            with self._lock:
                if uid in self.missing:
                    file = named(part, uid)
                    self.missing.discard(uid)
                    self._here.put(file)
        except InputError:
            return self._not_matching()
        except OSError as error:
            self._failure = error
            return NO_ROOM
        finally:
            if part is not None:
                part.unlink(missing_ok=True)
        return TAKEN

    def _not_matching(self) -> int:
        with self._lock:
            self._refusals += 1
        return NO_MATCH

    def refused(self) -> str:
        """What is to be said of what came and was refused."""
        return f"; {self._refusals} came that are of another series, or are none" if self._refusals else ""

    def tell(self, arrived: Arrived) -> None:
        """Tell of what has come, in the thread that calls; raises OSError where one could not be written."""
        while not self._here.empty():
            arrived(self._here.get())
        if self._failure is not None:
            raise self._failure


def write_instance(stream: Any, event: Any) -> None:
    """A file of DICOM: the data set as the peer sent it, behind file meta information of ours."""
    request = event.request
    syntax = event.context.transfer_syntax
    stream.write(_file_start(str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID), syntax))
    if request.DataSet is not None:
        stream.write(request.DataSet.getbuffer())


def _file_start(sop_class: str, uid: str, syntax: str) -> bytes:
    """Preamble and file meta information of an instance that comes over the network."""
    from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION

    texts = (
        (0x00020002, "UI", sop_class),
        (0x00020003, "UI", uid),
        (0x00020010, "UI", syntax),
        (0x00020012, "UI", PYNETDICOM_IMPLEMENTATION_UID),
        (0x00020013, "SH", PYNETDICOM_IMPLEMENTATION_VERSION),
    )
    elements = [(tag, vr, text.encode("ascii", "replace")) for tag, vr, text in texts]
    return file_start([(0x00020001, "OB", b"\0\1"), *elements])


def storage_classes(package: Any) -> list[str]:
    """The storage classes of the standard, as the package knows them."""
    return [str(context.abstract_syntax) for context in package.AllStoragePresentationContexts]
