"""Candidate file -> `Header`: the attributes that are asked for, as plain Python values, no pixels.

A reader of our own walks the usual files (`part10`); pydicom reads the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dicomarray.dicom.attribute_names import Request, request_for
from dicomarray.dicom.decoding import values_of
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.headers.plan import Found
from dicomarray.dicom.headers.templates import Layouts
from dicomarray.dicom.part10 import DoubtError, PixelPlace, Window, read_at, read_part10, window_of
from dicomarray.dicom.recognition import refuse_directory, require_dicom
from dicomarray.dicom.vr import FAILURES, Value
from dicomarray.errors import HeaderError, InputError, quoted
from dicomarray.storage.plain_files import READ_AT_ONCE, open_header, require_plain
from dicomarray.storage.references import Reference, Stamp

# Beyond the first squares overflow, below the second they vanish: no attribute means such a number, and what
# is so small is 0, a rounding error or damage.
GREATEST_NUMBER, MIN_NUMBER = 1e100, 1e-100
_NUMERIC = (int, float)


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The attributes of one instance that were asked for.

    ``attributes`` holds, by DICOM keyword (or ``"(gggg,eeee)"``): None for an attribute that is present
    and empty, a str, int or float, a tuple where there are several values, and a tuple of mappings for
    a sequence.  An absent attribute is no key.

    Where our own reader understood the file, ``pixels`` is where its pixel data lies and ``stamp`` the state
    of the file in which that is true; both are None where pydicom had to read it.
    """

    reference: Reference
    transfer_syntax: str | None
    attributes: Mapping[str, Value] = field(repr=False)  # they name the patient
    pixels: PixelPlace | None = None
    stamp: Stamp | None = None

    def text(self, keyword: str) -> str | None:
        """One value as text; several joined as DICOM joins them; None where there is none."""
        value = self.attributes.get(keyword)
        if value is None or isinstance(value, str):  # which is fast, and most often asked
            return value
        values = value if isinstance(value, tuple) else (value,)
        return "\\".join("" if v is None else str(v) for v in values)

    def number(self, keyword: str) -> float | None:
        """One finite number, or None where the attribute is absent or empty."""
        numbers = self.numbers(keyword, 1)
        return None if numbers is None else numbers[0]

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """So many finite numbers, or None where the attribute is absent or empty."""
        return numbers_of(self.attributes.get(keyword), keyword, count, self.reference)

    def further(self, names: Iterable[str], reader: HeaderReader | None = None) -> Mapping[str, Value]:
        """Attributes that were not asked for when the header was read; raises InputError as `read_header`.

        A ``reader`` of the same names is faster where many files are asked.
        """
        return (
            read_header(self.reference, names) if reader is None else reader.read(self.reference)
        ).attributes

    def check_open(self) -> None:
        """Raise where the file is not to be opened for its pixels; see `ClosedHeader`."""

    @property
    def instance_number(self) -> int | None:
        """Instance Number, which is for sorting only: None where it is absent or no number."""
        value = self.attributes.get("InstanceNumber")
        return value if isinstance(value, int) else None

    @property
    def is_image(self) -> bool:
        """Whether the instance describes pixels: reports, plans and presentation states do not."""
        return bool(self.attributes.get("Rows")) and bool(self.attributes.get("Columns"))


def numbers_of(value: Value, keyword: str, count: int, path: Reference) -> tuple[float, ...] | None:
    """So many finite numbers of an attribute's value, or None where it is empty.

    Raises
    ------
    HeaderError
        Where the value is something else; the message names file, attribute and value.
    """
    if value is None:
        return None
    values = value if isinstance(value, tuple) else (value,)
    numeric = [isinstance(v, _NUMERIC) and abs(v) <= GREATEST_NUMBER for v in values]
    if len(values) != count or not all(numeric):
        expected = "one finite number" if count == 1 else f"{count} finite numbers"
        raise HeaderError(f"{path}: {keyword} is {quoted(value)} where the standard has {expected}")
    return tuple([float(v) if abs(v) >= MIN_NUMBER else 0.0 for v in values])


def read_header(path: Reference, names: Iterable[str] = DEFAULT_KEYWORDS) -> Header:
    """Read the named attributes: keywords, ``"(gggg,eeee)"``, or ``"(gggg,CREATOR,ee)"``.

    Raises
    ------
    InputError
        Where the file is not DICOM or is damaged; the message says why, without the path.
    """
    request = request_for(names)
    return _header(path, request, partial(by_walking, request=request))


class HeaderReader:
    """Reads the headers of many files; what the files of a series have in common is read and held once."""

    def __init__(self, names: Iterable[str] = DEFAULT_KEYWORDS, request: Request | None = None) -> None:
        self._request = request_for(names) if request is None else request
        self._layouts = Layouts(self._request)

    def read(self, path: Reference) -> Header:
        """The same as `read_header`, faster.

        Raises
        ------
        InputError
            Where the file is not DICOM or is damaged; the message says why, without the path.
        """
        return _header(path, self._request, self._find)

    def _find(self, path: Reference) -> tuple[Found, Stamp]:
        if not isinstance(path, Path):
            state = path.state
            with path.open_header(self._request.wants) as stream:
                return self._layouts.read(window_of(stream)), state
        descriptor = os.open(path, READ_AT_ONCE)
        try:
            status = os.fstat(descriptor)
            require_plain(status.st_mode, path)
            size, start = status.st_size, os.read(descriptor, self._layouts.first_read)
            return self._layouts.read(Window(partial(read_at, descriptor), size, start)), Stamp.of(status)
        finally:
            os.close(descriptor)


def _header(path: Reference, request: Request, find: Callable[[Reference], tuple[Found, Stamp]]) -> Header:
    """A header by what ``find`` finds in the file; by pydicom where that is not understood."""
    try:
        try:
            (meta, attributes, pixels), state = find(path)
        except DoubtError:
            return by_pydicom(path, request)
        refuse_directory(meta.media_storage_class)
        return Header(path, meta.transfer_syntax, attributes, pixels, state)
    except FAILURES as error:
        raise _damaged(error) from error


def _damaged(error: BaseException) -> InputError:
    return InputError(f"damaged, or not DICOM: {type(error).__name__} {error}".rstrip())


def by_walking(path: Reference, request: Request) -> tuple[Found, Stamp]:
    """What our own reader finds in a file, and in which state that is; DoubtError where pydicom has to."""
    with open_header(path, request.wants) as stream:
        state = Stamp.of(os.fstat(stream.fileno())) if isinstance(path, Path) else path.state
        if (part10 := read_part10(stream, request.wants)) is None:
            raise DoubtError
    return (part10.meta, values_of(part10.elements, request, part10.meta.explicit), part10.pixels), state


def by_pydicom(path: Reference, request: Request) -> Header:
    """A header by pydicom; raises InputError, or any of `FAILURES`."""
    require_dicom(path)
    from dicomarray.dicom import pydicom_fallback as pydicom_reader

    try:
        return Header(path, *pydicom_reader.attributes_of(path, request))
    except pydicom_reader.PYDICOM_FAILURES as error:
        raise _damaged(error) from error
