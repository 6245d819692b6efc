"""Which files are found below a path, in which order, and what the first bytes tell."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from dicomarray.dicom.recognition import looks_like_dicom
from dicomarray.errors import InputError
from dicomarray.sources.base import Skipped
from dicomarray.sources.filesystem import PathMaker, find_files


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def found(*roots: Path) -> list[str]:
    """Names below the first root of what is found; what is skipped in brackets."""
    return [
        f"[{item.path.name}]" if isinstance(item, Skipped) else str(item.relative_to(roots[0]))
        for item in find_files(list(roots))
    ]


def test_every_file_is_found_whatever_its_name(tmp_path: Path) -> None:
    """Without a suffix, with spaces, hidden, nested: names mean nothing in DICOM."""
    fill(tmp_path, "IM0001", "a/b/c.dcm", "a/ä ö.txt", ".hidden", "DICOMDIR")
    assert found(tmp_path) == [".hidden", "DICOMDIR", "IM0001", "a/b/c.dcm", "a/ä ö.txt"]


def test_order_does_not_depend_on_the_disk(tmp_path: Path) -> None:
    """Sorted by name inside each folder, in whatever order the files were made."""
    names = [f"{folder}/{n:02d}" for folder in "cab" for n in range(10)]
    fill(tmp_path, *random.Random(3).sample(names, len(names)))
    assert found(tmp_path) == sorted(names)


def test_single_path_may_be_text_or_path_or_file(tmp_path: Path) -> None:
    """It takes a text, a Path, a file, or several of them."""
    fill(tmp_path, "a", "b")
    assert list(find_files(str(tmp_path))) == [tmp_path / "a", tmp_path / "b"]
    assert list(find_files(tmp_path / "b")) == [tmp_path / "b"]
    several = [tmp_path / "b", tmp_path / "a"]
    assert list(find_files(path for path in several)) == [
        tmp_path / "b",
        tmp_path / "a",
    ]


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    """Nothing found is not the same as no such folder; the message names it."""
    with pytest.raises(InputError, match="nowhere"):
        list(find_files(tmp_path / "nowhere"))


def test_empty_folder_has_no_files(tmp_path: Path) -> None:
    """An empty folder gives no files, and is no error here."""
    assert found(tmp_path) == []


def test_links_are_followed(tmp_path: Path) -> None:
    """Archives are often made of links: to files and to folders."""
    fill(tmp_path, "store/a", "store/b")
    view = tmp_path / "view"
    view.mkdir()
    (view / "folder").symlink_to(tmp_path / "store")
    (view / "file").symlink_to(tmp_path / "store" / "a")
    assert found(view) == ["file", "folder/a", "folder/b"]


def test_loop_of_links_ends(tmp_path: Path) -> None:
    """A folder that holds a link to itself, or two that hold each other, are walked once."""
    fill(tmp_path, "a/1", "b/2")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "a").symlink_to(tmp_path / "a")
    assert sorted(name.rsplit("/", 1)[-1] for name in found(tmp_path)) == ["1", "2"]


def test_link_to_itself_is_skipped_with_a_reason(tmp_path: Path) -> None:
    """One broken link (ELOOP) does not end the scan of an archive."""
    fill(tmp_path, "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert found(tmp_path) == ["a", "[self]"]


def test_link_to_nothing_is_skipped_with_a_reason(tmp_path: Path) -> None:
    """It is told, not passed over."""
    fill(tmp_path, "a")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    skipped = [item for item in find_files(tmp_path) if isinstance(item, Skipped)]
    assert [item.path for item in skipped] == [tmp_path / "gone"]
    assert "link" in skipped[0].reason


def test_folder_given_twice_is_walked_once(tmp_path: Path) -> None:
    """A folder and one below it do not make every file appear twice."""
    fill(tmp_path, "a", "sub/b")
    assert found(tmp_path, tmp_path / "sub", tmp_path) == ["a", "sub/b"]


def test_file_given_twice_is_found_once(tmp_path: Path) -> None:
    """Nor does a file that lies in a folder given as well."""
    fill(tmp_path, "a", "b")
    assert found(tmp_path, tmp_path / "a", tmp_path / "b") == ["a", "b"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipe_is_not_opened(tmp_path: Path) -> None:
    """Reading a named pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    fill(tmp_path, "a")
    assert "a" in found(tmp_path)
    assert "pipe" not in found(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list every folder")
def test_folder_that_cannot_be_listed_is_skipped_with_a_reason(tmp_path: Path) -> None:
    """The rest is still found."""
    fill(tmp_path, "closed/a", "open/b")
    (tmp_path / "closed").chmod(0)
    try:
        assert found(tmp_path) == ["[closed]", "open/b"]
    finally:
        (tmp_path / "closed").chmod(0o755)


def test_folder_that_fails_is_skipped_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for whoever runs the tests as root: the operating system's refusal becomes a reason."""
    fill(tmp_path, "closed/a", "open/b")
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    items = list(find_files(tmp_path))
    assert [item.reason for item in items if isinstance(item, Skipped)] == [
        "the folder cannot be listed: Permission denied"
    ]
    assert tmp_path / "open" / "b" in items


@pytest.mark.parametrize(
    ("start", "dicom"),
    [
        (bytes(128) + b"DICM", True),
        (b"II*\0" + bytes(124) + b"DICM", True),  # the preamble may hold a TIFF header (PS3.10 7.1)
        (bytes(128) + b"DICK", False),
        (bytes(127) + b"DICM\0", False),
        (b"DICM" + bytes(128), False),
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", True),
        (b"\x08\x00\x16\x00\x1a\x00\x00\x00", True),
        (b"\x00\x08\x00\x16UI\x00\x1a", True),  # big endian
        (b"\x02\x00\x10\x00UI\x14\x00", True),  # file meta without preamble
        (b"", False),
        (b"\x08", False),
        (b"\x89PNG\r\n\x1a\n", False),
        (b"PK\x03\x04", False),
        (b"Patient: somebody\n", False),
        (bytes(132), False),
    ],
)
def test_first_bytes_tell_dicom_from_the_rest(start: bytes, dicom: bool) -> None:
    """PS3.10 7.1: 128 bytes and "DICM"; or a bare data set that begins with a usual first element."""
    assert looks_like_dicom(start) is dicom


def test_paths_are_those_of_their_names(tmp_path: Path) -> None:
    """However they are made: names with dots and spaces, folders in turn, relative ones."""
    names = ["/a", "/b", "/f/a b", "/f/.hidden", "/f/c.", "/g/a", "/f/a", "x", "y", "./z", "f/x", "f/y"]
    make_path = PathMaker()
    for name in [*names, *names]:
        assert make_path(name) == Path(name)
        assert hash(make_path(name)) == hash(Path(name))
