"""How far a deflated data set inflates, before pydicom inflates it (PS3.5 A.5).

As `by_pydicom`, this is imported only where it is needed.
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

from pydicom.filereader import read_dataset, read_preamble

from dicomarray.dicom.part10 import LONG_VRS, META_GROUP, PREAMBLE, UNDEFINED
from dicomarray.dicom.transfer_syntaxes import DEFLATED
from dicomarray.runtime.pydicom_warnings import pydicom_quiet

# A few kilobytes can inflate to a thousand times as much.  Deflated images are small drawings and overlays.
LARGEST_INFLATED_BYTES = 1 << 30
INFLATED_PIECE = 1 << 20
TOO_FAR = (
    f"the deflated data set holds more than {LARGEST_INFLATED_BYTES} bytes; "
    "inflate it with another tool first"
)
# How many bytes from the start the file meta information is looked for; it has a few hundred (PS3.10 7.1).
FILE_META_BYTES = 4096
# VRs with a 32-bit length among those of the file meta information, and UN and SQ (PS3.5 7.1.2).
LONG_FORM_VRS = LONG_VRS


@pydicom_quiet
def inflates_beyond_limit(stream: BinaryIO) -> bool:
    """Whether a deflated data set inflates to more than `LARGEST_INFLATED_BYTES` (PS3.5 A.5).

    pydicom inflates the whole data set, even for one attribute; here it is measured in pieces that are
    not kept.  A file of another transfer syntax costs one look at its first bytes.  The stream stands at
    its start afterwards.

    Raises
    ------
    zlib.error
        Where the data set is deflated and damaged.
    """
    stream.seek(0)
    start = stream.read(FILE_META_BYTES)
    try:
        return (DEFLATED.encode() in start or not _file_meta_ends_in(start)) and _inflates_far(stream)
    finally:
        stream.seek(0)


def file_meta_has_items(stream: BinaryIO) -> bool:
    """Whether the file meta information (PS3.10 7.1) holds a sequence, which no element of it is.

    pydicom tells its log what it found there, all items in each other, before anything can be checked.  The
    stream stands at its start afterwards.
    """
    stream.seek(PREAMBLE)
    if stream.read(4) != b"DICM":
        stream.seek(0)
    try:
        while (head := stream.read(8))[:2] == META_GROUP:
            vr, length = head[4:6], int.from_bytes(head[6:8], "little")
            if vr in LONG_FORM_VRS:
                length = int.from_bytes(stream.read(4), "little")
            elif not vr.isupper():  # implicit VR, which some writers used here against the rule
                length = int.from_bytes(head[4:8], "little")
            if vr == b"SQ" or length == UNDEFINED:
                return True
            stream.seek(length, os.SEEK_CUR)
        return False
    finally:
        stream.seek(0)


def _file_meta_ends_in(start: bytes) -> bool:
    """Whether a file that begins so has its whole file meta information (PS3.10 7.1) in these bytes."""
    position = PREAMBLE + 4 if start[PREAMBLE : PREAMBLE + 4] == b"DICM" else 0
    while start[position : position + 2] == META_GROUP:
        element = start[position : position + 12].ljust(12, b"\0")
        vr = element[4:6]
        if vr in LONG_FORM_VRS:
            position += 12 + int.from_bytes(element[8:12], "little")
        elif vr.isupper():
            position += 8 + int.from_bytes(element[6:8], "little")
        else:  # implicit VR, which some writers used here against the rule
            position += 8 + int.from_bytes(element[4:8], "little")
    return position < len(start) or len(start) < FILE_META_BYTES


def _inflates_far(stream: BinaryIO) -> bool:
    """The same for a file of which the first bytes do not tell the transfer syntax for certain.

    The file meta information and the command set are read as pydicom reads them, whatever their lengths
    claim: what follows is what it would inflate.
    """
    stream.seek(0)
    read_preamble(stream, force=True)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    read_dataset(stream, True, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 0)
    if meta.get("TransferSyntaxUID") != DEFLATED:
        return False
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated, pending = 0, b""
    while (pending or (pending := stream.read(INFLATED_PIECE))) and not inflater.eof:
        inflated += len(inflater.decompress(pending, INFLATED_PIECE))
        pending = inflater.unconsumed_tail
        if inflated > LARGEST_INFLATED_BYTES:
            return True
    return False
