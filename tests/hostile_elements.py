"""Elements in bytes that no writer of DICOM makes: nested endlessly, of a wrong kind or a wrong length."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

LONG_VRS = (b"SQ", b"OB", b"OW", b"UN", b"UT")
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
UNDEFINED = b"\xff" * 4
TIME_LIMIT_S = 30
MEMORY_LIMIT_BYTES = 3 << 30  # of addresses, with all libraries


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """An element in explicit VR, little endian."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr
    if vr in LONG_VRS:
        return head + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + len(value).to_bytes(2, "little") + value


def nested(tag: int, depth: int, defined: bool, inmost: bytes = element(0x00080100, b"SH", b"1 ")) -> bytes:
    """So many sequences inside each other, with or without their lengths."""
    value = inmost
    for _ in range(depth):
        if defined:
            value = element(tag, b"SQ", ITEM + len(value).to_bytes(4, "little") + value)
        else:
            head = element(tag, b"SQ", b"")[:8] + UNDEFINED + ITEM + UNDEFINED
            value = head + value + ITEM_END + b"\0" * 4 + SEQUENCE_END + b"\0" * 4
    return value


def replace_element(path: Path, tag: int, raw: bytes) -> None:
    """Let a file in explicit VR have an element, given in bytes, where its tag belongs."""
    data_set = dcmread(path)
    meta_end = path.read_bytes().index(_encoded([next(iter(data_set))])[:8], 132)
    meta = path.read_bytes()[:meta_end]
    before = [e for e in data_set if e.tag < tag]
    path.write_bytes(meta + _encoded(before) + raw + _encoded([e for e in data_set if e.tag > tag]))


def _encoded(elements: list[object]) -> bytes:
    part, stream = Dataset(), DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    for one in elements:
        part.add(one)  # type: ignore[arg-type]
    write_dataset(stream, part)
    return stream.getvalue()


def outcome_in_child(work: Callable[[], str]) -> str:
    """What the work returns, or the error that comes out, in a process of little time and memory."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(work, there))
    child.start()
    there.close()
    try:
        return str(here.recv()) if here.poll(TIME_LIMIT_S) else "no answer in time"
    except EOFError:
        return "the process crashed"
    finally:
        child.kill()
        child.join()
        here.close()


def _work(work: Callable[[], str], connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    connection.send(outcome(work))


def outcome(work: Callable[[], str]) -> str:
    """What the work returns, or the error that comes out of it."""
    try:
        return work()
    except BaseException as error:  # noqa: BLE001 - whatever comes out is the answer
        return f"{type(error).__name__}: {str(error)[:500]}"
