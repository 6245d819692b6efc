"""Headers of files that stay closed: images are put in order by what is known, and no pixel is read.

The facts of the filter come from the code that builds volumes, which looks at pixels where nothing else tells
whether images are copies of each other.  Given closed headers it stops there, and the fact is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.dicom.vr import Value
from dicomarray.errors import HeaderError

if TYPE_CHECKING:
    from dicomarray.assembly.frames.mosaics import Tile


class PixelsClosedError(Exception):
    """Only pixels could tell.  No `DicomArrayError`: nobody takes it for an error of the data."""


@dataclass(frozen=True, slots=True, eq=False)
class ClosedHeader(Header):
    """A header of which attributes are read, and no pixels."""

    source: Header | None = None

    @classmethod
    def of(cls, header: Header) -> ClosedHeader:
        """The same header, closed."""
        return cls(
            header.reference, header.transfer_syntax, header.attributes, header.pixels, header.stamp, header
        )

    def further(self, names: Iterable[str], reader: HeaderReader | None = None) -> Mapping[str, Value]:
        """As the header itself has them."""
        return {} if self.source is None else self.source.further(names, reader)

    def check_open(self) -> NoReturn:
        """Always raise."""
        raise PixelsClosedError(
            f"only pixels show whether images are copies of each other; {self.reference} is one of them"
        )


@dataclass(frozen=True, slots=True, eq=False)
class KeptHeader(ClosedHeader):
    """A header of which everything is known, as in an index: its file is not opened at all.

    ``tiles`` are those of a mosaic, or the reason why its file does not have them; ``csa`` are attributes
    that only a Siemens CSA header tells; ``size`` is that of the file in bytes, where it is known.
    """

    tiles: Sequence[Tile] | str | None = None
    csa: Mapping[str, Value] = field(default_factory=dict)
    size: int | None = None

    def known_tiles(self) -> Sequence[Tile] | None:
        """The tiles of a mosaic; None where it is none.

        Raises
        ------
        HeaderError
            Where the file did not tell them.
        """
        if isinstance(self.tiles, str):
            raise HeaderError(self.tiles)
        return self.tiles
