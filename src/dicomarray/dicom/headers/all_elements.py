"""A file -> all its elements before the pixel data: as raw bytes where our own reader walks it.

Decoding is put off until it is known which values differ from those of the series' other instances.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from dicomarray.dicom.attribute_names import (
    PRIVATE_NAME,
    explains,
    is_creator,
    tag_of,
)
from dicomarray.dicom.decoding import Context, context_of
from dicomarray.dicom.headers.header import MEDIA_STORAGE_DIRECTORY
from dicomarray.dicom.headers.similar_files import SimilarFiles
from dicomarray.dicom.part10 import PIXEL_DATA, DoubtError, Element, Part10
from dicomarray.dicom.pydicom_fallback import (
    PYDICOM_FAILURES,
    dataset_of_file,
    element_value,
    encodings_in,
    transfer_syntax_of,
)
from dicomarray.dicom.recognition import NoImageError, require_dicom
from dicomarray.dicom.vr import (
    Value,
    decode,
    texts,
    value_representation,
)
from dicomarray.errors import InputError
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.storage.plain_files import open_header
from dicomarray.storage.references import Reference

SERIES_INSTANCE_UID = 0x0020000E
# What is longer is kept as present, with its length; bytes.  Texts that people write and tables of numbers
# are shorter; of bulk data nothing but the length is ever asked.
MAX_VALUE_LENGTH = 64 * 1024
# A sequence is kept whole up to here, bytes: functional groups of the largest enhanced objects have a few MB.
MAX_SEQUENCE_LENGTH = 64 * 1024 * 1024


class Walked(Part10):
    """A file that our own reader understands."""

    __slots__ = ()

    @property
    def series_uid(self) -> str:
        element = self.elements.get(SERIES_INSTANCE_UID)
        if element is None or element.value is None:
            return ""
        if element.vr in ("UI", None):  # which is fast, and nearly always so
            return _series_uid(decode("UI", element.value, True, ()))
        return _series_uid(Decoder.of(self).value(SERIES_INSTANCE_UID, element))

    def values(self) -> dict[str, Value]:
        """All values, decoded, by name."""
        return dict(Decoder.of(self).all_values(self.elements))


@dataclass(frozen=True, slots=True)
class Decoded:
    """The values of a file that pydicom had to read, by name."""

    transfer_syntax: str | None
    known: Mapping[str, Value]
    pixels: None = None

    @property
    def series_uid(self) -> str:
        return _series_uid(self.known.get("SeriesInstanceUID"))

    def values(self) -> dict[str, Value]:
        """All values by name."""
        return dict(self.known)


def similar_files() -> SimilarFiles:
    """What `read_elements` compares files with, one after the other."""
    return SimilarFiles(_is_kept)


def read_elements(path: Reference, similar: SimilarFiles) -> Walked | Decoded:
    """Everything before the pixel data; the same whatever was read with ``similar`` before.

    Raises
    ------
    InputError
        Where the file is not DICOM or is damaged; the message is the one of `headers.read_header`.
    """
    try:
        return _by_walking(path, similar) or _by_pydicom(path)
    except PYDICOM_FAILURES as error:
        raise InputError(f"damaged, or not DICOM: {type(error).__name__} {error}".rstrip()) from error


def _by_walking(path: Reference, similar: SimilarFiles) -> Walked | None:
    with open_header(path) as stream:
        found = similar.read(stream)
    if found is None or found.media_storage_class == MEDIA_STORAGE_DIRECTORY:
        return None
    return Walked(*found)


def _is_kept(tag: int, vr: str | None, length: int) -> bool:
    if length <= MAX_VALUE_LENGTH:
        return True
    return length <= MAX_SEQUENCE_LENGTH and value_representation(vr, tag, False) == "SQ"


def _by_pydicom(path: Reference) -> Decoded:
    with pydicom_quiet:
        require_dicom(path)
        dataset = dataset_of_file(path, None)
        meta = getattr(dataset, "file_meta", None)
        if meta is not None and meta.get("MediaStorageSOPClassUID") == MEDIA_STORAGE_DIRECTORY:
            raise NoImageError("a DICOMDIR, which lists files and holds no image")
        encodings = encodings_in(dataset)
        creators = {
            int(tag): "\\".join(texts(element_value(dataset, tag, encodings)))
            for tag in dataset.keys()  # noqa: SIM118 - iterating over the data set decodes every element
            if is_creator(int(tag))
        }
        names = Names.of(creators)
        values = {
            name: element_value(dataset, tag, encodings)
            for tag in list(dataset.keys())
            if int(tag) not in PIXEL_DATA and (name := names.of_tag(int(tag))) is not None
        }
        syntax = transfer_syntax_of(dataset)
    return Decoded(syntax, values)


@dataclass(slots=True)
class Names:
    """What the elements of a file are called: by keyword, tag, or private creator."""

    owners: Mapping[int, str]
    _known: dict[int, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, creators: Mapping[int, str]) -> Names:
        """From the private creators by tag; of one with several blocks only the first is named by it."""
        owners: dict[int, str] = {}
        taken: set[tuple[int, str]] = set()
        for tag in sorted(creators):
            key = (tag >> 16, creators[tag].strip())
            if key[1] and key not in taken:
                taken.add(key)
                owners[tag] = key[1]
        return cls(owners)

    def of_tag(self, tag: int) -> str | None:
        """The name of an element; None for a group length, which is not kept (PS3.5 7.2)."""
        if tag not in self._known:
            self._known[tag] = self._make(tag)
        return self._known[tag]

    def _make(self, tag: int) -> str | None:
        group, element = tag >> 16, tag & 0xFFFF
        if element == 0:
            return None
        owner = self.owners.get(group << 16 | element >> 8) if group & 1 and element > 0xFF else None
        return standard_name(tag) if owner is None else f"({group:04x},{owner},{element & 0xFF:02x})"


@lru_cache(maxsize=8192)
def standard_name(tag: int) -> str:
    """The keyword where it names this tag alone, else ``"(gggg,eeee)"``."""
    keyword = keyword_for_tag(tag)
    if keyword and tag_for_keyword(keyword) == tag:
        return keyword
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


@lru_cache(maxsize=4096)
def canonical_name(name: str) -> str:
    """The name under which the index keeps what ``name`` asks for.

    Raises
    ------
    HeaderError
        Where it is no name of an attribute.
    """
    private = PRIVATE_NAME.fullmatch(name)
    if private is not None:
        return f"({private[1].lower()},{private[2].strip()},{private[3].lower()})"
    return standard_name(int(tag_of(name)))


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the elements of one walked file are named and decoded; the same for most files of a series."""

    context: Context
    names: Names

    @classmethod
    def of(cls, walked: Part10) -> Decoder:
        """From the elements that say how the others are to be read."""
        context = context_of(walked.elements, explains, walked.explicit)
        creators = {tag: context.creator(tag) or "" for tag in context.elements if is_creator(tag)}
        return cls(context, Names.of(creators))

    def all_values(self, elements: Mapping[int, Element]) -> Iterator[tuple[str, Value]]:
        """Every element by its name."""
        for tag, element in elements.items():
            name = self.names.of_tag(tag)
            if name is not None:
                yield name, self.value(tag, element)

    def value(self, tag: int, element: Element) -> Value:
        """The value as `headers.read_header` gives it; of one that is too long, that it is there."""
        if element.value is None:
            return f"<{element.length} bytes>"
        try:
            return self.context.value(tag, element)
        except DoubtError:
            return "<unreadable>"  # as `headers.read_header` says it


def _series_uid(value: Value) -> str:
    return "" if value is None else "\\".join(texts(value))
