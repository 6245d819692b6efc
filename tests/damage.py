"""Files as transfers, disks and bad software leave them."""

from __future__ import annotations

import random

# Damage is done to the header, behind preamble and "DICM"; bytes.
FIRST, LAST = 132, 6000


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """One to three times a byte changed, some cut out or put in, or the end lost."""
    content = bytearray(whole)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(FIRST, min(len(content), LAST))
        match chance.randrange(4):
            case 0:
                content[place] = chance.randrange(256)
            case 1:
                del content[place : place + chance.randint(1, 8)]
            case 2:
                content[place:place] = chance.randbytes(chance.randint(1, 8))
            case _:
                content = content[: max(place, 200)]
    return bytes(content)
