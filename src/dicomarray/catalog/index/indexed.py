"""The instances of an indexed series: headers and columns that come from the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, overload

from dicomarray.assembly.frames.closed import KeptHeader
from dicomarray.catalog.index.columns import SeriesColumns
from dicomarray.catalog.index.files import STAMP_COLUMNS, as_path, as_stamp, path_of_file
from dicomarray.catalog.index.gathering import CSA, PIXEL_NAMES, TILES, TRANSFER_SYNTAX
from dicomarray.catalog.index.json_values import LARGEST_INTEGER
from dicomarray.catalog.index.schema import damage_as_error
from dicomarray.dicom.attribute_names import tag_of
from dicomarray.dicom.headers.all_elements import canonical_name, standard_name
from dicomarray.dicom.headers.attributes import ABSENT, Attributes
from dicomarray.dicom.headers.columns import HasColumns, Order, without_repeats
from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.part10 import PixelPlace
from dicomarray.dicom.pixels.location import PIXEL_TAGS
from dicomarray.dicom.private_blocks import creator_of, is_in_block
from dicomarray.dicom.vr import Value
from dicomarray.sources.archives import Member
from dicomarray.sources.filesystem import PathMaker
from dicomarray.storage.places import Place
from dicomarray.storage.references import Reference, Stamp, state_of

T = TypeVar("T")
# The files of a series' instances.
_FILES = "FROM instances JOIN files ON files.id = file JOIN folders ON folders.id = folder WHERE series = ?"


class IndexedHeader(Header):
    """A header that takes what it is asked for from the index."""

    __slots__ = ("_instances", "_place")
    _instances: IndexedInstances
    _place: int

    def __init__(self, instances: IndexedInstances, place: int) -> None:
        object.__setattr__(self, "_instances", instances)
        object.__setattr__(self, "_place", place)

    @property
    def reference(self) -> Reference:
        """The file, or the member of an archive, which is unpacked when it is opened."""
        return self._instances.files[self._place][0]

    @property
    def transfer_syntax(self) -> str | None:
        """Transfer Syntax UID."""
        syntaxes = self._instances.transfer_syntaxes
        return syntaxes[self._place if len(syntaxes) > 1 else 0]

    @property
    def attributes(self) -> Mapping[str, Value]:
        """What a scan would have read."""
        return self._instances.attributes[self._place]

    @property
    def is_image(self) -> bool:
        """As of any header, by two columns alone."""
        columns = self._instances.columns
        return bool(columns.cell("Rows", self._place)) and bool(columns.cell("Columns", self._place))

    @property
    def pixels(self) -> PixelPlace | None:
        """Where the pixel data was when the file was indexed."""
        tag, start, length, vr = (self._instances.columns.cell(name, self._place) for name in PIXEL_NAMES)
        if tag is None or tag is ABSENT:
            return None
        with damage_as_error(self._instances.columns.source.path):
            known = _is_place(start) and (length is None or _is_place(length)) and isinstance(vr, str | None)
            if tag not in PIXEL_TAGS or not known:
                raise ValueError(f"pixel data {tag!r} ({vr!r}) at {start!r}, {length!r} bytes")
        return PixelPlace(tag, start, length, vr)

    @property
    def stamp(self) -> Stamp | None:
        """The state of the file when it was indexed; an archive's is compared when it is unpacked."""
        reference, stamp = self._instances.files[self._place]
        return stamp if isinstance(reference, Path) else state_of(reference)

    def further(self, names: Iterable[str], reader: HeaderReader | None = None) -> Mapping[str, Value]:
        """Any attributes, from the index."""
        del reader  # no file is read
        found = {name: self._further(name) for name in names}
        return {name: value for name, value in found.items() if value is not ABSENT}

    def _further(self, name: str) -> Value:
        columns = self._instances.columns
        known = canonical_name(name)
        tag = int(tag_of(name)) if known.endswith(")") and known.count(",") == 1 else 0
        if is_in_block(tag):  # private, asked for by its tag in this file
            creator = columns.cell(standard_name(creator_of(tag)), self._place)
            if isinstance(creator, str):
                value = columns.cell(f"({tag >> 16:04x},{creator.strip()},{tag & 0xFF:02x})", self._place)
                return columns.cell(known, self._place) if value is ABSENT else value
        return columns.cell(known, self._place)

    def __reduce__(self) -> tuple[type[Header], tuple[Any, ...]]:
        return Header, (self.reference, self.transfer_syntax, dict(self.attributes), self.pixels, self.stamp)


class IndexedInstances(Sequence[Header], HasColumns):
    """The headers of a series, made when they are asked for; ``places`` are those that are meant."""

    def __init__(self, columns: SeriesColumns, places: Sequence[int]) -> None:
        self.columns = columns
        self.places = places

    @overload
    def __getitem__(self, index: int) -> Header: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Header]: ...
    def __getitem__(self, index: int | slice) -> Header | Sequence[Header]:
        return self._headers[index]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Header]:
        return iter(self._headers)

    def __reduce__(self) -> tuple[type[tuple[Header, ...]], tuple[list[Header]]]:
        return tuple, (list(self),)

    def let_go(self) -> None:
        """See `HasColumns`."""
        for name in ("_headers", "files", "attributes"):
            self.__dict__.pop(name, None)
        self.columns.let_go()

    @cached_property
    def _headers(self) -> tuple[Header, ...]:
        return tuple(IndexedHeader(self, place) for place in self.places)

    @cached_property
    def files(self) -> list[tuple[Reference, Stamp]]:
        """By place, what opens each, and the state of its file when it was indexed."""
        make_path = PathMaker()
        query = f"SELECT folders.path, name, member, number, {STAMP_COLUMNS} {_FILES} ORDER BY place"
        columns = self.columns
        with damage_as_error(columns.source.path):
            found = [
                _opened(make_path(path_of_file(as_path(folder), as_path(name))), member, number, stored)
                for folder, name, member, number, *stored in columns.source.query(query, (columns.series,))
            ]
            if len(found) != columns.count:
                raise ValueError(f"{len(found)} files for {columns.count} instances")
        return found

    @property
    def folders(self) -> Sequence[Place]:
        """As `Series.folders`."""
        query = f"SELECT folders.path, count(member) {_FILES} GROUP BY folder ORDER BY min(place)"
        columns = self.columns
        found = columns.source.query(query, (columns.series,))
        if found and len(self.places) == columns.count and not any(members for _, members in found):
            with damage_as_error(columns.source.path):
                return [Path(as_path(folder)) for folder, _ in found]
        return [*dict.fromkeys(self.files[place][0].parent for place in self.places)]

    def in_order(self, find: Callable[[], Order]) -> Sequence[int]:
        """The order that was kept when it was last asked for; a found one is kept if all are meant."""
        if len(self.places) < self.columns.count:
            return find().numbers
        kept = self.columns.order()
        if kept is None:
            kept, of_volumes = find()
            if of_volumes:
                self.columns.keep_order(kept)
        return kept

    @cached_property
    def attributes(self) -> list[Attributes]:
        """By place, what headers show."""
        return self.columns.attributes(self.columns.source.shown)

    def column(self, name: str) -> Sequence[Value]:
        """As `column_of` has it; any attribute."""
        cells = self.columns.cells(canonical_name(name))
        if len(cells) == 1 or len(self.places) == self.columns.count:
            return cells
        return without_repeats([cells[place] for place in self.places])

    def kept_headers(self) -> list[KeptHeader]:
        """See `HasColumns`."""
        from dicomarray.catalog.index.file_facts import kept_csa, kept_tiles

        shown = self.columns.source.shown
        attributes = self.columns.attributes({n: k for n, k in shown.items() if n in DEFAULT_KEYWORDS})
        tiles, csa = self._of_file(TILES, kept_tiles), self._of_file(CSA, kept_csa)
        syntaxes, files = self.transfer_syntaxes, self.files
        return [
            KeptHeader(
                files[place][0],
                syntaxes[place if len(syntaxes) > 1 else 0],
                attributes[place],
                source=header,
                tiles=tiles[place if len(tiles) > 1 else 0],
                csa=csa[place if len(csa) > 1 else 0],
                size=files[place][1].size if isinstance(files[place][0], Path) else None,
            )
            for place, header in zip(self.places, self._headers, strict=True)
        ]

    @property
    def transfer_syntaxes(self) -> list[str | None]:
        """Of each instance, or of all, the Transfer Syntax UID."""
        return self._of_file(TRANSFER_SYNTAX, _uid)

    def _of_file(self, name: str, made: Callable[[Value], T]) -> list[T]:
        """Of each instance, or of all, what is kept of its file under this name."""
        with damage_as_error(self.columns.source.path):
            return [made(None if cell is ABSENT else cell) for cell in self.columns.cells(name)]


def _opened(path: Path, member: Any, number: Any, stored: Sequence[Any]) -> tuple[Reference, Stamp]:
    """What opens a file or a member of an archive, from its row, and the state of the file."""
    stamp = as_stamp(*stored)
    return (path if member is None else Member(path, as_path(member), int(number or 0), stamp)), stamp


def _uid(cell: Value) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    raise TypeError(f"a Transfer Syntax UID that is {type(cell).__name__}")


def _is_place(number: Value) -> bool:
    """Whether it can be a place in a file, or a number of bytes."""
    return isinstance(number, int) and 0 <= number < LARGEST_INTEGER
