"""Which series a file seems to be of, from its first bytes alone."""

from __future__ import annotations

MAX_UID_LENGTH = 64  # PS3.5 9.1
# (0020,000E) Series Instance UID with its VR, and without
_SERIES_EXPLICIT, _SERIES = b"\x20\x00\x0e\x00UI", b"\x20\x00\x0e\x00"


def series_key(start: bytes) -> bytes:
    """What looks like Series Instance UID: it chooses what a file is then held against."""
    place, size = start.find(_SERIES_EXPLICIT), start[:0]
    if place >= 0:
        size = start[place + 6 : place + 8]
    elif (place := start.find(_SERIES)) >= 0:
        size = start[place + 4 : place + 8]
    length = min(int.from_bytes(size, "little"), MAX_UID_LENGTH)
    return start[place + 8 : place + 8 + length] if place >= 0 else b""
