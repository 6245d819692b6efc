"""Images that are there twice: the second is left out, with a warning.

A copy agrees with another image in place, kind, rescale and decoded pixels, and says that it is the same
image: by its SOP Instance UID and frame number, or by its Instance Number, where all that tells when and how
it was acquired agrees too.  Nothing else is left out.  Headers are asked first; pixels are decoded only where
these leave a copy possible.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

import numpy as np

from dicomarray.assembly.frames.closed import ClosedHeader
from dicomarray.assembly.frames.frame import Frame, by_file, read_images
from dicomarray.assembly.grouping import image_kinds
from dicomarray.assembly.grouping.discriminators import (
    ATTRIBUTES,
    FURTHER_READ,
    PHILIPS,
    RANKED,
    value_of,
)
from dicomarray.assembly.grouping.image_kind import kind_of, places_of
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.diffusion import B_VALUE_ELEMENTS
from dicomarray.core.pixel_values import Array
from dicomarray.core.plain_text import some
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS

# When and how an image was acquired, as far as a scan reads it, ...
_ACQUIRED = (
    "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime",
    "FrameAcquisitionDateTime", "FrameReferenceDateTime", "KVP", "ConvolutionKernel", *ATTRIBUTES,
)  # fmt: skip
# ... and what is read only of images that may be copies: the b-value and gradient of every vendor among it.
_ACQUIRED_FURTHER = tuple(
    dict.fromkeys(("ContentDate", "ContentTime", *RANKED, *FURTHER_READ, *B_VALUE_ELEMENTS, *PHILIPS))
)
_RESCALE = ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "DoseGridScaling")
_RESCALE_FURTHER = ("RealWorldValueMappingSequence",)
COPY_NAMES = (*_ACQUIRED_FURTHER, *_RESCALE_FURTHER, *image_kinds.ATTRIBUTES)
# So many images of one instance are decoded at a time.
_DECODED_TOGETHER = 32
# An image whose pixels may be those of another one is known by so many of its rows and columns.
_PROBED = 8
# No more images than these are decoded again: that there are some is a warning either way.
MAX_COMPARED = 256


def drop_copies(
    frames: Sequence[Frame], look_closer: Callable[[Sequence[Frame]], Sequence[Frame]]
) -> tuple[list[Frame], Warnings]:
    """The frames without second copies, in their order, and warnings that name what was left out.

    Which of two copies stays depends on what they say, not on where they were found; only files that say
    exactly the same are chosen by their path.  ``look_closer`` gives frames the attributes `COPY_NAMES`.

    Raises
    ------
    PixelError
        Where an image that may be a copy cannot be decoded.
    """
    suspects = possible_copies(frames)
    similar = _similar(suspects, look_closer(suspects))
    pixels = dict(zip(similar, pixel_digests([*similar]), strict=True))
    kept: set[Hashable] = set()
    dropped: set[Frame] = set()
    for frame in sorted(similar, key=_rank):
        images = {(identity, pixels[frame]) for identity in similar[frame]}
        if kept.isdisjoint(images):
            kept |= images
        else:
            dropped.add(frame)
    left = [frame for frame in frames if frame not in dropped]
    return left, _copy_warnings([frame for frame in frames if frame in dropped], left)


def possible_copies(frames: Sequence[Frame]) -> list[Frame]:
    """Images that may be copies of others, by the attributes at hand.

    Only their pixels, and attributes that a scan does not read, could tell.
    """
    repeated = _occurring_twice(map(_by_uid, frames)) | _occurring_twice(map(_by_number, frames))
    if not repeated:
        return []
    several = [frame for frame in frames if not repeated.isdisjoint((_by_uid(frame), _by_number(frame)))]
    return [*_similar(several, several)]


def pixel_digests(frames: Sequence[Frame]) -> list[bytes]:
    """For each frame what its decoded pixels are, whatever type and transfer syntax they are stored in."""
    found = [b""] * len(frames)
    for indices in by_file(frames):
        most = len(indices) if frames[indices[0]].tile else _DECODED_TOGETHER  # tiles are of one picture
        for start in range(0, len(indices), most):
            together = indices[start : start + most]
            for index, image in zip(together, read_images([frames[i] for i in together]), strict=True):
                found[index] = _digest(image)
    return found


def _digest(image: Array) -> bytes:
    import hashlib  # only here: it takes as long to load as many images

    values = np.ascontiguousarray(image, np.float64 if image.dtype.kind == "f" else np.int64)
    return hashlib.sha256(f"{image.shape}{values.dtype}".encode() + values.tobytes()).digest()


def _by_uid(frame: Frame) -> Hashable:
    """Which image a frame is by its instance's UID; None where it has none."""
    uid = frame.header.text("SOPInstanceUID")
    return (uid, frame.index) if uid and frame.index else uid or None


def _by_number(frame: Frame) -> Hashable:
    """Which image of its series a frame is by Instance Number; None where it has none."""
    return None if frame.header.instance_number is None else frame.order[:2]


def _occurring_twice(names: Iterable[Hashable]) -> set[Hashable]:
    """Those that several images have."""
    return {name for name, count in Counter(names).items() if count > 1 and name is not None}


def _similar(frames: Sequence[Frame], known: Sequence[Frame]) -> dict[Frame, list[Hashable]]:
    """Images that are one with others, but for pixels, and under what each of them may be.

    ``known`` are the same frames with as many attributes as there are.  An image without a known place is
    known by its UID only.
    """
    identities: dict[Frame, list[Hashable]] = {}
    for frame, read_further, place in zip(frames, known, places_of(frames), strict=True):
        by_uid, by_number = _by_uid(frame), _by_number(frame)
        similar = (place, *_appearance(read_further))
        identities[frame] = [] if by_uid is None else [("uid", by_uid, similar)]
        if by_number is not None and place is not None:
            identities[frame].append(("number", by_number, similar, _acquisition(read_further)))
    shared = Counter(itertools.chain.from_iterable(identities.values()))
    return {frame: own for frame, own in identities.items() if any(shared[one] > 1 for one in own)}


def _appearance(frame: Frame) -> tuple[Hashable, ...]:
    """Kind, and what makes values and colours of stored pixels."""
    colours = frame.attributes.get("SamplesPerPixel") not in (1, None)  # that a codec may keep in other terms
    return (
        kind_of(frame),
        image_kinds.type_words(frame.attributes),
        None if colours else value_of(frame, "PhotometricInterpretation"),
        *(value_of(frame, keyword) for keyword in (*_RESCALE, *_RESCALE_FURTHER)),
    )


def _acquisition(frame: Frame) -> tuple[Hashable, ...]:
    """When and how; what is absent in one image and not in the other differs."""
    return tuple(_moment(frame, keyword) for keyword in (*_ACQUIRED, *_ACQUIRED_FURTHER))


def _moment(frame: Frame, keyword: str) -> Hashable:
    value = value_of(frame, keyword)
    if isinstance(value, str) and keyword.endswith("Time") and "." in value:
        return value.rstrip("0").rstrip(".")  # 100000.5 and 100000.500000 are one moment
    return value


def _rank(frame: Frame) -> tuple[Hashable, ...]:
    """Which of several copies stays: the first by what they say, as far as every scan and index knows it."""
    uid = frame.header.text("SOPInstanceUID") or ""
    said = repr([frame.attributes.get(keyword) for keyword in sorted(DEFAULT_KEYWORDS)])
    return *frame.order[:2], uid, frame.header.transfer_syntax or "", said, str(frame.header.reference)


def _copy_warnings(dropped: Sequence[Frame], kept: Sequence[Frame]) -> Warnings:
    warnings: Warnings = ()
    if dropped:
        names = some(sorted({frame.header.reference.name for frame in dropped}))
        warnings += warning(f"{len(dropped)} identical copies left out: {names} [copies]")
    shared = _occurring_twice([_by_uid(frame) for frame in kept])
    if shared:
        names = some(sorted({frame.header.reference.name for frame in kept if _by_uid(frame) in shared}))
        warnings += warning(
            f"SOPInstanceUID is not unique: that of {names} is of several images [shared-uid]"
        )
    return warnings


def equal_pixels_at(positions: Sequence[Sequence[Frame]]) -> Warnings:
    """A warning for images with the pixels of another one at their place, that all are kept.

    None where files stay closed: then nobody reads warnings.
    """
    if any(isinstance(frame.header, ClosedHeader) for frames in positions for frame in frames):
        return ()
    several = [frames for frames in positions if len(frames) > 1]
    return _equal_pixels_note([frame for frames in several for frame in _with_equal_pixels(frames)])


def _with_equal_pixels(frames: Sequence[Frame]) -> list[Frame]:
    """Those that have the pixels of another one."""
    digests = pixel_digests(frames)
    return [frame for frame, own in zip(frames, digests, strict=True) if digests.count(own) > 1]


def _equal_pixels_note(frames: Sequence[Frame], complete: bool = True) -> Warnings:
    """The warning for these; ``complete`` is not set where there may be more of them."""
    if not frames:
        return ()
    names = some(sorted({frame.header.reference.name for frame in frames}))
    return warning(
        f"{'' if complete else 'at least '}{len(frames)} images have the same pixels as another one at their "
        f"place, and all are kept, since nothing says that they are copies: {names} [equal-images]"
    )


class Probes:
    """Some pixels of each image of a stack with repetitions, by its index; for any thread.

    All pixels of a volume are read anyway.  Only images that agree in the hash of those, which is all that is
    kept, are decoded once more and compared whole.
    """

    def __init__(self, frames: Sequence[Frame], slices: int) -> None:
        self._frames, self._slices = frames, slices
        self._probes = array("q", bytes(8 * len(frames)))

    def take(self, index: int, stored: Array) -> None:
        """Keep those of images, shape (images, rows, columns[, samples]), from an index on."""
        rows, columns = (max(1, size // _PROBED) for size in stored.shape[1:3])
        few = stored[:, rows // 2 :: rows, columns // 2 :: columns]
        for place, image in enumerate(few, index):
            self._probes[place] = hash(image.tobytes())

    def notes(self) -> Warnings:
        """The warning for images of the stack that have the pixels of another one at their place.

        Raises
        ------
        DataError
            Where an image cannot be decoded once more.
        """
        equal: list[Frame] = []
        compared = 0
        for candidates in self._equal_probes():
            if compared and compared + len(candidates) > MAX_COMPARED:
                return _equal_pixels_note(equal, complete=False)
            compared += len(candidates)
            equal += _with_equal_pixels(candidates)
        return _equal_pixels_note(equal)

    def _equal_probes(self) -> Iterator[Sequence[Frame]]:
        """Images at one place that agree in what was kept of them."""
        for place in range(self._slices):
            groups: dict[int, list[Frame]] = {}
            for index in range(place, len(self._frames), self._slices):
                groups.setdefault(self._probes[index], []).append(self._frames[index])
            yield from (group for group in groups.values() if len(group) > 1)
