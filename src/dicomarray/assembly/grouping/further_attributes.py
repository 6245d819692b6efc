"""Frames that know more: attributes that a scan does not read, read only where stacking needs them."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Hashable, Mapping, Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.diffusion import (
    DIFFUSION_NAMES,
    csa_diffusion_of,
    names_to_read,
    with_diffusion,
)
from dicomarray.assembly.grouping.discriminators import FURTHER_READ, PHILIPS, RANKED_READ, vendor_of
from dicomarray.assembly.grouping.duplicates import COPY_NAMES
from dicomarray.assembly.grouping.image_kinds import (
    GE_DIFFUSION_IMAGE,
    GE_IMAGE_COMPONENT,
    PHILIPS_DIRECTION,
    SIEMENS_DIRECTIONALITY,
)
from dicomarray.dicom.headers.attributes import shared_by
from dicomarray.dicom.headers.header import HeaderReader
from dicomarray.dicom.vr import Value

# What decides which attributes have to be read: those themselves, and who made the scanner.
_DECIDING = frozenset((
    *DIFFUSION_NAMES, *RANKED_READ, *PHILIPS, *COPY_NAMES, SIEMENS_DIRECTIONALITY, GE_IMAGE_COMPONENT,
    GE_DIFFUSION_IMAGE, PHILIPS_DIRECTION,
))  # fmt: skip


class FurtherAttributes:
    """Gives frames further attributes; a file is read once, and those alike are read fast."""

    def __init__(self, names_of: Callable[[Frame], tuple[str, ...]]) -> None:
        self._names_of = names_of
        self._names: dict[Hashable, tuple[str, ...]] = {}
        self._readers: dict[tuple[str, ...], HeaderReader] = {}
        self._read: dict[int, Mapping[str, Value]] = {}  # by the header's id

    def __call__(self, frame: Frame) -> Frame:
        names, header = self._names_for(frame), frame.header
        if not names:
            return frame
        if id(header) not in self._read:
            reader = self._readers.get(names) or self._readers.setdefault(names, HeaderReader(names))
            further = header.further(names, reader)
            # nothing is written to what is chained, nor decoded that is not asked for
            known = ChainMap(dict(further), frame.attributes)  # type: ignore[arg-type]
            self._read[id(header)] = {**csa_diffusion_of(header, known), **further}
        return frame.with_attributes(self._read[id(header)])

    def _names_for(self, frame: Frame) -> tuple[str, ...]:
        """What has to be read; frames that share all that decides it share the answer."""
        common = shared_by(frame.attributes, _DECIDING)
        if common is None:
            return self._names_of(frame)
        key = common, frame.of_multiframe, frame.tile is None
        names = self._names.get(key)
        return self._names.setdefault(key, self._names_of(frame)) if names is None else names


def copy_names(frame: Frame) -> tuple[str, ...]:
    """What is read only where an image may be a copy of another."""
    return tuple(name for name in COPY_NAMES if name not in frame.attributes)


def _private_names(frame: Frame) -> tuple[str, ...]:
    """Where only a private attribute may have the b-value, the repetition or the image component."""
    known = frame.attributes
    if frame.of_multiframe:
        return ()
    if known.get("Modality") != "MR":
        return tuple(name for name in RANKED_READ if name not in known)
    diffusion = names_to_read(frame)
    names = (*RANKED_READ, *diffusion, *((SIEMENS_DIRECTIONALITY,) if diffusion else ()))
    vendor = vendor_of(frame)
    if vendor.startswith("GE"):
        names = (*names, GE_IMAGE_COMPONENT, GE_DIFFUSION_IMAGE)
    elif not vendor or vendor.startswith("PHILIPS"):
        names = (*names, PHILIPS_DIRECTION, *PHILIPS)
    return tuple(name for name in names if name not in known)


def further_names(frame: Frame) -> tuple[str, ...]:
    """What is read only where nothing else tells repetitions apart."""
    return () if frame.of_multiframe else FURTHER_READ


def with_private(frames: Sequence[Frame]) -> list[Frame]:
    """Frames that know what private attributes tell of their component, b-value and gradient; it is read."""
    read_further = FurtherAttributes(_private_names)
    return with_diffusion([read_further(frame) for frame in frames])
