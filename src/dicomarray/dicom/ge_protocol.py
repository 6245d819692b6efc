"""What GE MR scanners write beside the standard: the protocol, and where an EPI's phase encoding begins.

Neither form was ever published; what is known was found by others (dcm2niix).  Every number in it is a
claim, and is held against the bytes that are there.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A gzip stream, after its length in four bytes.
_GZIP, _LENGTH_BYTES = b"\x1f\x8b\x08", 4
# More than any protocol has, in bytes; what claims to have more is damage.
_MAX_LENGTH = 1 << 22
_SETTING = re.compile(r'^\s*(?:set\s+)?([A-Z][A-Z0-9_]*)\s+"([^"\n]*)"', re.MULTILINE)

# Of the user-defined data: where its header stands, and in that, its version, whether it is of an EPI, and
# the two flags that turn the direction of phase encoding; from 25.002 on both lie elsewhere.
_HEADER_PLACE = 24
_VERSIONS = (5.0, 40.0)
_NEWER, _NEWER_SHIFT, _NEWER_ORDER_SHIFT = 25.002, 0x4C, 0x8C
_EPI, _EPI_BIT = 0x3A, 0x800
_POLARITY, _POLARITY_BIT = 0x30, 4
_ORDER, _BOTTOM_UP = 0x394, 2
_SHORT, _FLOAT = struct.Struct("<H"), struct.Struct("<f")

# Software that shows how slices are shared out to simultaneous excitations: of 27 from its third release on.
_RELEASE = re.compile(r"[A-Z]{2}(\d+)\.(\d+)_(?:R(\d+)|EA)")
_MULTIBAND_FROM, _ANY_COUNT_FROM = (26, 0, 0), (27, 0, 3)


def protocol_settings(raw: bytes) -> dict[str, str]:
    """The settings of a protocol data block, (0025,xx1B), by name; empty where it cannot be read."""
    start = raw.find(_GZIP, 0, _LENGTH_BYTES + len(_GZIP))
    if start < 0:
        return {}
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        text = reader.decompress(raw[start:], _MAX_LENGTH)
    except zlib.error:
        return {}
    return dict(_SETTING.findall(text.decode("latin-1")))


def is_flipped(raw: bytes) -> bool | None:
    """Whether an EPI's lines were acquired from the end of the image, by user-defined data, (0043,xx2A).

    None where it says nothing: it is no EPI, or not in the form that is known.
    """
    try:
        (place,) = _SHORT.unpack_from(raw, _HEADER_PLACE)
        (version,) = _FLOAT.unpack_from(raw, place)
        if not _VERSIONS[0] <= version <= _VERSIONS[1]:
            return None
        newer = version >= _NEWER
        place += _NEWER_SHIFT if newer else 0
        (epi,) = _SHORT.unpack_from(raw, place + _EPI)
        (polarity,) = _SHORT.unpack_from(raw, place + _POLARITY)
        (order,) = _SHORT.unpack_from(raw, place + _ORDER - (_NEWER_ORDER_SHIFT if newer else 0))
    except struct.error:
        return None
    if not epi & _EPI_BIT:
        return None
    flipped: bool = bool(polarity & _POLARITY_BIT) != (order == _BOTTOM_UP)
    return flipped


@dataclass(frozen=True, slots=True)
class Epi:
    """What decides in which order the slices of an EPI are acquired.

    Attributes
    ----------
    sequence, internal
        Names of the pulse sequence: (0019,xx9C), (0019,xx9E).
    software, model
        Of the scanner.
    derating
        User Data 15, (0019,xxB6), by which some models say how diffusion gradients alternate.
    realtime
        Whether it has a delay for each volume, (0043,xx7C), as the sequence for functional MR has.
    """

    sequence: str
    internal: str
    software: str
    model: str
    derating: float
    realtime: bool

    def kind(self, options: str) -> str:
        """``"functional"``, ``"phases"``, ``"diffusion"`` or nothing, by the options of the protocol too."""
        if "pepolar" in self.sequence:
            return ""
        if self.realtime or "epiRT" in self.sequence or "FMRI" in options:
            return "functional"
        diffusion = "epi2" in self.sequence and self.internal != "EPI"
        if self.internal == "EPI" or ("epi" in self.sequence and not diffusion) or "MPh" in options:
            return "phases"
        return "diffusion" if diffusion or self.internal == "EPI2" or "DIFF" in options else ""

    def alternates(self) -> bool:
        """Whether the slices of a diffusion series change places from volume to volume: no order holds."""
        if "Premier" in self.model:
            return not math.isclose(self.derating, 0.72, rel_tol=1e-5)
        return any(word in self.model for word in ("UHP", "7.0T")) and not 0.5 <= self.derating <= 1


def slice_times(
    settings: Mapping[str, str], epi: Epi, slices: int, seconds: float, bands: int
) -> Sequence[float]:
    """When each slice of an EPI was acquired, in the order of their numbers; none where that is unknown.

    The protocol says whether slices were interleaved, not when each was acquired: they are taken to fill
    the ``seconds`` of a volume evenly.  ``bands`` is how many slices are excited together.
    """
    options, release = settings.get("IOPT", ""), _release(epi.software)
    kind = epi.kind(options)
    if not kind or "MPhVar" in options or (kind == "diffusion" and epi.alternates()):
        return []
    if bands > 1 and release < _MULTIBAND_FROM:
        return []
    any_count = kind != "diffusion" and release >= _ANY_COUNT_FROM
    excitations = math.ceil(slices / bands)
    if bands > 1 and not any_count and excitations % 2 == 0:
        excitations += 1
    places = list(range(excitations))
    if kind != "functional" or settings.get("SLICEORDER") != "0":
        places = [*places[::2], *places[1::2]]
        if bands > 1 and any_count and excitations > 2 and excitations % 2 == 0:
            one, other = places.index(excitations - 1), places.index(excitations - 3)
            places[one], places[other] = places[other], places[one]
    turns = {place: turn for turn, place in enumerate(places)}
    return [turns[number % excitations] * seconds / excitations for number in range(slices)]


def group_delay(settings: Mapping[str, str], epi: Epi) -> float:
    """Seconds that pass between the volumes of several phases, on top of the repetition time."""
    options = settings.get("IOPT", "")
    if epi.kind(options) != "phases" or "MPhVar" in options:
        return 0.0  # it differs from volume to volume
    if "MPh" in options and settings.get("DELACQ") == "Minimum":
        return 0.0
    try:
        delay = float(settings.get("DELACQNOAV", "0"))
    except ValueError:
        return 0.0
    return delay if math.isfinite(delay) and delay > 0 else 0.0


def _release(software: str) -> tuple[int, int, int]:
    found = _RELEASE.search(software)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)
