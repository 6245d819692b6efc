"""What vendors' MR scanners write in private elements, made in code from what is known of their forms."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pydicom

Private = Mapping[tuple[int, str, int], tuple[str, Any]]


def add_private(files: Iterable[Path], elements: Private) -> None:
    """Private elements, by group, creator and place in the block, in every file; (VR, value)."""
    for file in files:
        dataset = pydicom.dcmread(file)
        for (group, creator, element), (vr, value) in elements.items():
            dataset.private_block(group, creator, create=True).add_new(element, vr, value)
        dataset.save_as(file)


def ge_protocol(**settings: object) -> bytes:
    """The value of (0025,xx1B): the length, and the settings as text, packed."""
    text = "".join(f'{name} "{value}"\n' for name, value in {"POSITION": "Supine", **settings}.items())
    while len(packed := gzip.compress(text.encode(), mtime=0)) % 2:
        text += "\n"
    return struct.pack("<I", len(packed)) + packed


def ge_user_data(polarity: int, order: int, version: float = 26.0, epi: bool = True) -> bytes:
    """The value of (0043,xx2A) that says which way an EPI encodes the phase."""
    start, raw = 0x2C, bytearray(0x2C + 0x400)
    struct.pack_into("<H", raw, 24, start)
    struct.pack_into("<f", raw, start, version)
    newer = version >= 25.002
    at = start + (0x4C if newer else 0)
    struct.pack_into("<H", raw, at + 0x3A, 0x800 if epi else 0)
    struct.pack_into("<H", raw, at + 0x30, polarity)
    struct.pack_into("<H", raw, at + 0x394 - (0x8C if newer else 0), order)
    return bytes(raw)


def siemens_protocol(**settings: object) -> bytes:
    """A protocol text as the CSA series header has it; dots of names are written as two underscores."""
    lines = [f"{name.replace('__', '.')}\t = \t{value}" for name, value in settings.items()]
    return "\n".join(("### ASCCONV BEGIN ###", *lines, "### ASCCONV END ###", "")).encode()
