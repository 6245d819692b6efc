"""Images that are there twice: left out, with a warning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from dicomarray.errors import InputError
from dicomarray.reading.frames.frame import Frame, read_images
from dicomarray.reading.remote import whole
from dicomarray.reading.stacks.numbering import ACQUIRED
from dicomarray.reading.stacks.telling import repetition_values


def drop_copies(frames: Sequence[Frame]) -> tuple[list[Frame], tuple[str, ...]]:
    """Without second copies of the same instance: same SOP Instance UID, same bytes.

    Different files that claim one UID (careless de-identification) are all kept: their places tell
    them apart, or the policy for duplicates applies.
    """
    first: dict[Hashable, Frame] = {}
    kept, dropped, shared = [], [], []
    for frame in frames:
        uid = frame.header.text("SOPInstanceUID")
        known = first.setdefault((uid, frame.index), frame) if uid else frame
        if known is frame:
            kept.append(frame)
        elif _digest(known) == _digest(frame):
            dropped.append(frame.header.path.name)
        else:
            kept.append(frame)
            shared.append(frame.header.path.name)
    warnings = []
    if dropped:
        warnings.append(f"{len(dropped)} identical copies left out: {some(sorted(set(dropped)))}")
    if shared:
        warnings.append(f"SOPInstanceUID is not unique: other files have that of {some(sorted(set(shared)))}")
    return kept, tuple(warnings)


def _digest(frame: Frame) -> bytes:
    import hashlib  # only here: it takes as long to load as many images

    path = frame.header.path
    try:
        with whole([frame.header]), path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; it was there when it was scanned"
        ) from error


def drop_identical(positions: list[list[Frame]]) -> tuple[list[list[Frame]], tuple[str, ...]]:
    """Without images that are the same, voxel by voxel, as another one at their position.

    Where there are as many at every position, they are no copies unless all of them are: an empty slice is
    alike at every time.  So none is dropped where only images of one value have others like them.
    """
    uneven = len(set(map(len, positions))) > 1
    if not uneven and len(_different(positions[0])) == len(positions[0]):
        return positions, ()
    kept = [_different(frames) for frames in positions]
    if not uneven and len(set(map(len, kept))) > 1:
        return positions, ()
    there = {id(frame) for frames in kept for frame in frames}
    dropped = [frame for frames in positions for frame in frames if id(frame) not in there]
    if all(_is_empty(frame) for frame in dropped):
        return positions, ()
    names = [frame.header.path.name for frame in dropped]
    return kept, (f"{len(names)} images that repeat another one exactly left out: {some(names)}",)


def _different(frames: Sequence[Frame]) -> list[Frame]:
    """The first of each set of equal images; pixels are read where nothing else tells images apart."""
    told = [(repetition_values(frame), tuple(map(frame.attributes.get, ACQUIRED))) for frame in frames]
    alike = {values for values, count in Counter(told).items() if count > 1}
    images: dict[Hashable, Frame] = {}
    for values, frame in zip(told, frames, strict=True):
        images.setdefault((values, _image_digest(frame) if values in alike else None), frame)
    return list(images.values())


def _image_digest(frame: Frame) -> Hashable:
    import hashlib

    pixels = np.ascontiguousarray(read_images([frame]))
    return (hashlib.sha256(pixels.tobytes()).digest(), frame.rescale)


def _is_empty(frame: Frame) -> bool:
    """Whether all values of an image are the same."""
    pixels = read_images([frame])
    return bool(np.all(pixels == pixels.flat[0]))


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
