"""UIDs: whether one is legal, and new ones (PS3.5 9 and B.2)."""

from __future__ import annotations

import re
import uuid

# What may become the name of a file, and part of a URL: some in use have components that are not legal.
_SAFE_UID = re.compile(r"[0-9][0-9.]{0,63}", re.ASCII)


def is_safe_uid(uid: object) -> bool:
    """Whether what a server says is a UID can be part of a path: digits and dots, at most 64 of them."""
    return isinstance(uid, str) and _SAFE_UID.fullmatch(uid) is not None


def legal_uid(uid: str) -> bool:
    """Whether a UID may stand in a new reference: some de-identified files have roots that do not exist."""
    parts = uid.split(".")
    digits = all(part.isdecimal() and (part == "0" or part[0] != "0") for part in parts)
    return digits and len(uid) <= 64 and len(parts) > 1 and parts[0] in ("0", "1", "2")


# Made once (PS3.5 B.2): the namespace of the UIDs that are made from a key.
UID_NAMESPACE = uuid.UUID("077b29b4-eafb-4540-a5fd-a9ae6108af3a")

# Most UUIDs have 39 decimal digits, and no more; the others are not taken.
_MIN_UUID = 10**38


def random_uid() -> str:
    """Of a UUID (PS3.5 B.2); all are of one length, as headers that are made after another one must be."""
    number = 0
    while number < _MIN_UUID:
        number = uuid.uuid4().int
    return f"2.25.{number}"
