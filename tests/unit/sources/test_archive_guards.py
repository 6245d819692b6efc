"""Zip archives that say different things in different places: nothing is lost without a word."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray.catalog.scan import scan
from dicomarray.errors import InputError

COUNT = 6
DIRECTORY, END, HEADER = b"PK\x01\x02", b"PK\x05\x06", b"PK\x03\x04"


@pytest.fixture
def members(tmp_path: Path) -> list[tuple[str, bytes]]:
    files = synthetic.write_series(tmp_path / "in", synthetic.stored_values((COUNT, 8, 9)), bits_stored=12)
    return [(path.name, path.read_bytes()) for path in files]


def zipped(members: list[tuple[str, bytes]], stream: io.RawIOBase | io.BytesIO | None = None) -> bytes:
    out = stream or io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()  # type: ignore[union-attr]


def entries(raw: bytes) -> list[int]:
    """Where the entries of the directory begin."""
    found, at = [], raw.find(DIRECTORY)
    while at >= 0:
        found.append(at)
        at = raw.find(DIRECTORY, at + 1)
    return found


def swallowing(raw: bytes, kept: int, told: int) -> bytes:
    """The comment of an entry takes in all that follow; the end tells another number of members."""
    changed = bytearray(raw)
    at, end = entries(raw)[kept - 1], raw.rfind(END)
    size = 46 + int.from_bytes(raw[at + 28 : at + 30], "little")
    changed[at + 32 : at + 34] = (end - at - size).to_bytes(2, "little")
    changed[end + 8 : end + 12] = told.to_bytes(2, "little") * 2
    return bytes(changed)


def without_entry(raw: bytes, left_out: int) -> bytes:
    """The directory lists a member less, and all that is told of the directory agrees."""
    places, end = [*entries(raw), raw.rfind(END)], raw.rfind(END)
    start, stop = places[left_out], places[left_out + 1]
    changed = bytearray(raw[:start] + raw[stop:])
    at, size = end - (stop - start), end - places[0] - (stop - start)
    changed[at + 8 : at + 16] = struct.pack("<2HL", COUNT - 1, COUNT - 1, size)
    return bytes(changed)


def cut_member(raw: bytes, index: int, content: bytes) -> bytes:
    """The directory calls a member shorter, with the CRC of so much of it; its own header is right."""
    changed, at = bytearray(raw), entries(raw)[index]
    short = content[: len(content) // 2]
    changed[at + 16 : at + 20] = zlib.crc32(short).to_bytes(4, "little")
    changed[at + 24 : at + 28] = len(short).to_bytes(4, "little")
    return bytes(changed)


Damage = Callable[[bytes, list[tuple[str, bytes]]], bytes]
DAMAGES: dict[str, Damage] = {
    "a comment swallows two": lambda raw, _: swallowing(raw, 4, COUNT),
    "and the end agrees": lambda raw, _: swallowing(raw, 4, 4),
    "the first is not listed": lambda raw, _: without_entry(raw, 0),
    "one between is not listed": lambda raw, _: without_entry(raw, 2),
    "the last is not listed": lambda raw, _: without_entry(raw, COUNT - 1),
    "a member is called shorter": lambda raw, members: cut_member(raw, 2, members[2][1]),
    "two archives in a row": lambda raw, members: raw + zipped(members[:3]),
    "the end tells none": lambda raw, _: swallowing(raw, COUNT, 0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_is_lost_without_a_word(
    tmp_path: Path, members: list[tuple[str, bytes]], damage: str
) -> None:
    """Six slices, or a word: the archive refused, or what is missing named, and told in the volume."""
    path = tmp_path / "x.zip"
    path.write_bytes(DAMAGES[damage](zipped(members), members))
    catalog = scan(path)
    volumes = [v for s in catalog for v in s.volumes(missing="keep")]
    if sum(v.array.shape[0] for v in volumes) != COUNT:
        assert [str(skipped.path) for skipped in catalog.skipped]
        assert all(any("images may be missing" in w for w in v.warnings) for v in volumes)


class Stream(io.BytesIO):
    """One that cannot be sought: sizes come behind the members, in descriptors."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def with_comments(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO(zipped(members[:3]))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as archive:
        archive.comment = b"PK\x03\x04 of three" * 100
        for name, content in members[3:]:
            info = zipfile.ZipInfo(name)
            info.comment, info.extra = b"a slice", struct.pack("<2H4s", 0x7075, 4, b"abcd")
            archive.writestr(info, content)
    return out.getvalue()


def of_64_bits(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            with archive.open(name, "w", force_zip64=True) as stream:
                stream.write(content)
    return out.getvalue()


SOUND: dict[str, Callable[[list[tuple[str, bytes]]], bytes]] = {
    "plain": zipped,
    "streamed": lambda members: zipped(members, Stream()),
    "with comments, and appended to": with_comments,
    "of 64 bits": of_64_bits,
}


@pytest.mark.parametrize("kind", SOUND)
def test_sound_archives_stay_whole(tmp_path: Path, members: list[tuple[str, bytes]], kind: str) -> None:
    """Descriptors, comments, extra fields, members that were appended: all is read, nothing said."""
    path = tmp_path / "x.zip"
    path.write_bytes(SOUND[kind](members))
    catalog = scan(path)
    assert not catalog.skipped
    assert catalog[0].volume().warnings == dicomarray.load(tmp_path / "in").warnings
    np.testing.assert_array_equal(catalog[0].volume().array, dicomarray.load(tmp_path / "in").array)


def test_many_members_are_counted_modulo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers without Zip64 count 65,536 members as none."""
    from dicomarray.sources import archive_guards

    end = END + struct.pack("<4H2LH", 0, 0, 1, 1, 0, 0, 0)
    archive_guards.check_count(io.BytesIO(end), 65537)
    with pytest.raises(zipfile.BadZipFile, match="1 members, its directory lists 65538"):
        archive_guards.check_count(io.BytesIO(end), 65538)


@pytest.mark.parametrize("raw", [HEADER + b"rubbish", HEADER + bytes(500)])
def test_a_corrupt_zip_given_by_name_is_told(tmp_path: Path, raw: bytes) -> None:
    """`load` says that the archive is damaged, not that there is nothing."""
    path = tmp_path / "x.zip"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"x\.zip") as caught:
        dicomarray.load(path)
    assert "the zip archive cannot be unpacked" in str(caught.value)
