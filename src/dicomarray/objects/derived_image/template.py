"""The template series: what an array must fit, read from the headers of its files, and checked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom import dcmread
from pydicom.datadict import keyword_dict
from pydicom.dataset import Dataset, FileDataset

from dicomarray.core.pixel_values import Rescale, StoredType
from dicomarray.dicom.functional_groups import FUNCTIONAL_GROUPS
from dicomarray.dicom.pixels.description import PixelDescription
from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES
from dicomarray.dicom.raw_header import RawHeader, read_raw_header
from dicomarray.errors import TemplateError, quoted
from dicomarray.objects.common.header_faults import fault_of
from dicomarray.objects.common.headers import reason, refuse_fault, text, values
from dicomarray.objects.common.quick_elements import header_of
from dicomarray.objects.derived_image.enhanced.dimensions import FrameIndices
from dicomarray.objects.derived_image.image_classes import ImageClass, RescalePlace, image_class
from dicomarray.objects.derived_image.mappings import MAPPED_BITS
from dicomarray.objects.derived_image.pixel_layout import Layout, description_of, layout_of
from dicomarray.objects.derived_image.request import Source
from dicomarray.storage.plain_files import open_header
from dicomarray.storage.references import Reference

# What must be the same in all files, since the array has one shape and one kind of value.
_SAME = (
    "SOPClassUID", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns",
    "PhotometricInterpretation",
)  # fmt: skip
_READ = (
    *_SAME, "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SOPInstanceUID",
    "SamplesPerPixel", "PlanarConfiguration", "NumberOfFrames", *FUNCTIONAL_GROUPS, "ImageType",
    "InstanceNumber", "RescaleSlope", "RescaleIntercept", "SeriesNumber", "SeriesDescription",
    "SpecificCharacterSet", "TimezoneOffsetFromUTC",
)  # fmt: skip
# What differs in files of one kind, and its plain form, padding apart; the rest is compared byte for byte.
_OWN_TAGS = (keyword_dict["SOPInstanceUID"], keyword_dict["InstanceNumber"])
_READ_TAGS = sorted(keyword_dict[keyword] for keyword in _READ)
_SHARED_TAGS = tuple(tag for tag in _READ_TAGS if tag not in _OWN_TAGS)
_OWN_VALUE = re.compile(rb"([0-9][0-9.]*)[ \0]?")
# Longer heads are read again when they are needed: kept, they would fill the memory.
_MAX_CACHED_LENGTH = 1 << 14  # bytes
_BITS_ALLOCATED = (8, 16, 32)


@dataclass(frozen=True, eq=False)
class Template:
    """A series as what an array must fit: one image a file, or the frames of enhanced objects.

    Attributes
    ----------
    files
        In slice order.
    headers
        The few attributes that decide, once for all files that equal each other in them; the first is the
        first file's.  The whole header is read again when written.
    sop_uids, instance_numbers
        One a file, empty where it is absent.
    layout
        Of the pixels in each file.
    stored
        What a stored value can be, one a slice.
    rescales
        Rescale Slope and Intercept, one a slice; 1 and 0 where there are none.
    raw_headers
        Of each file, where it is known already.
    images, indices
        Of enhanced files: which images of the array are derived from the frames of each, by their index; then
        ``stored``, ``rescales`` and ``indices`` are one a frame.
    """

    files: tuple[Reference, ...]
    headers: tuple[Dataset, ...]
    sop_uids: tuple[str, ...]
    instance_numbers: tuple[str, ...]
    kind: ImageClass
    stored: tuple[StoredType, ...]
    layout: Layout
    rescales: tuple[Rescale, ...]
    raw_headers: tuple[RawHeader | None, ...] = ()
    images: tuple[tuple[int, ...], ...] = ()
    indices: tuple[FrameIndices, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(files, rows, columns), with the frames of a loop before the rows and colour samples last."""
        return len(self.stored), *self.layout.shape


def read_template(sources: Sequence[Source]) -> Template:
    """Read and check the headers of a template series."""
    files = [source.path for source in sources]
    if not files:
        raise TemplateError("the template has no files; name a folder with a series of DICOM images")
    seen = _seen(files)
    first = seen[0].header
    kind = image_class(text(first, "SOPClassUID"), str(files[0]))
    described: dict[int, PixelDescription] = {}
    for index in dict.fromkeys(one.like for one in seen):
        header, path = seen[index].header, files[index]
        check_same(header, first, path, files[0])
        if any(keyword in header for keyword in FUNCTIONAL_GROUPS):
            raise TemplateError(
                f"{path}: an object with functional groups, whose frames have places of their own, is no loop"
            )
        described[index] = description_of(header, path)
        if layout_of(described[index]) != layout_of(described[0]):
            raise TemplateError(
                f"{path}: NumberOfFrames or SamplesPerPixel is another than in {files[0]}; a template is one "
                "series of images of one size and kind"
            )
    stored = {index: stored_type(description, kind) for index, description in described.items()}
    rescales = {index: rescale_of(seen[index].header, files[index]) for index in described}
    return Template(
        files=tuple(files),
        headers=tuple(seen[index].header for index in described),
        sop_uids=tuple(one.sop_uid for one in seen),
        instance_numbers=tuple(one.instance_number for one in seen),
        kind=kind,
        stored=tuple(stored[one.like] for one in seen),
        layout=layout_of(described[0]),
        rescales=tuple(
            source.rescale or rescales[one.like] for source, one in zip(sources, seen, strict=True)
        ),
        raw_headers=tuple(one.raw for one in seen),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A file: ``like`` is the index of the first that equals it in all that decides, whose header is its."""

    like: int
    header: Dataset
    sop_uid: str
    instance_number: str
    raw: RawHeader | None


def _seen(files: Sequence[Reference]) -> list[_Seen]:
    """Of each file what it says; headers are parsed once for all that are equal."""
    seen: list[_Seen] = []
    known: dict[Any, int] = {}
    last: RawHeader | None = None
    for index, path in enumerate(files):
        try:
            raw = read_raw_header(path, last)
        except OSError:
            raw = None  # pydicom says what is wrong with it
        last = raw or last
        stated = None if raw is None else _from_raw_header(raw)
        like = index if stated is None else known.setdefault(stated[0], index)
        kept = raw if raw is not None and raw.size <= _MAX_CACHED_LENGTH else None
        if stated is None or like == index:
            header = _summary(raw, path)
            own = text(header, "SOPInstanceUID"), text(header, "InstanceNumber")
        else:
            header, own = seen[like].header, stated[1:]
        seen.append(_Seen(like, header, *own, kept))
    return seen


def _from_raw_header(raw: RawHeader) -> tuple[Any, str, str] | None:
    """What two files of one kind share; SOP Instance UID and Instance Number.  None where these are odd."""
    uid, number = (_OWN_VALUE.fullmatch(raw.value(tag)) for tag in _OWN_TAGS)
    if uid is None or number is None:
        return None
    shared = (raw.meta.transfer_syntax, *(raw.elements.get(tag) for tag in _SHARED_TAGS))
    return shared, uid[1].decode("ascii"), number[1].decode("ascii")


def _summary(raw: RawHeader | None, path: Reference) -> Dataset:
    try:
        header = _read_few(path) if raw is None else header_of(raw, _READ_TAGS)
        refuse_fault(fault_of(header, inside=False), path)
        for keyword in _READ:
            header.get(keyword)  # what pydicom cannot decode is found here
    except PYDICOM_FAILURES as error:
        raise TemplateError(f"{path}: cannot be read as DICOM: {reason(error)}") from error
    return header


def _read_few(path: Reference) -> FileDataset:
    with open_header(path) as stream:
        return dcmread(stream, stop_before_pixels=True, force=True, specific_tags=list(_READ_TAGS))


def check_same(header: Dataset, first: Dataset, path: Reference, first_path: Reference) -> None:
    """Raise TemplateError where a file is not of one kind with the first."""
    for keyword in _SAME:
        if text(header, keyword) != text(first, keyword):
            unsaid = keyword.endswith("ID")  # a UID tells nobody anything, a Patient ID too much
            display = "differs from" if unsaid else f"is {quoted(header.get(keyword))}, but"
            other = "that" if unsaid else quoted(first.get(keyword))
            raise TemplateError(
                f"{path}: {keyword} {display} {other} in {first_path}; a template is one series of images "
                "of one size and kind"
            )
    if not text(header, "SOPInstanceUID"):
        raise TemplateError(f"{path}: SOPInstanceUID is missing; a derived image must name its source")


def stored_type(description: PixelDescription, kind: ImageClass) -> StoredType:
    """What a stored value can be; TemplateError where that cannot be written."""
    stored = description.stored
    if stored.bits_allocated not in _BITS_ALLOCATED:
        raise TemplateError(
            f"{description.path}: BitsAllocated is {stored.bits_allocated}; values can be written with "
            f"{', '.join(map(str, _BITS_ALLOCATED))}"
        )
    if kind.place is not RescalePlace.RESCALE and stored.bits_stored > MAPPED_BITS:
        raise TemplateError(
            f"{description.path}: BitsStored is {stored.bits_stored}; images of {kind.name} hold at most "
            f"{MAPPED_BITS}"
        )
    return stored


def rescale_of(header: Dataset, path: Reference) -> Rescale:
    """Rescale Slope and Intercept, 1 and 0 where there are none; TemplateError where they are no numbers."""
    numbers = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        found = values(header, keyword)
        try:
            numbers.append(float(found[0]) if found else default)
        except (TypeError, ValueError) as error:
            raise TemplateError(f"{path}: {keyword} {quoted(found[0])} is no number") from error
        if not math.isfinite(numbers[-1]):
            raise TemplateError(f"{path}: {keyword} {quoted(found[0])} is no finite number")
    return Rescale(*numbers)
