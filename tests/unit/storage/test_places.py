"""URLs: told from paths, shown without secrets, and errors that name them and the reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dicomarray.errors import InputError, StorageError, UsageError
from dicomarray.storage.places import Url, asking, is_inside, list_files, local_path, place_of


@pytest.mark.parametrize("text", ["archive", "/data/a b", "C://archive", "a:b", "x/s3:/y"])
def test_paths_stay_paths(text: str) -> None:
    """A drive of Windows, a colon in a name: no URLs."""
    assert place_of(text) == Path(text)
    assert local_path(text) == Path(text)


def test_url() -> None:
    """Its parts; a slash at the end says nothing."""
    url = place_of("s3://bucket/archive/")
    assert isinstance(url, Url)
    assert (str(url), url.protocol, url.name) == ("s3://bucket/archive", "s3", "archive")
    assert str(url / "a" / "b.dcm") == "s3://bucket/archive/a/b.dcm"
    assert (url / "a").parent == url
    assert (url / "a" / "b").relative_to(url).parts == ("a", "b")
    assert str(place_of("memory://")) == "memory://"


def test_secrets_are_not_shown() -> None:
    """User, password and signature are in the URL that the store gets, and in no text."""
    url = Url("sftp://me:secret@host/archive?signature=secret")
    assert "secret" in url.text
    assert str(url) == f"{url}" == "sftp://host/archive"
    assert "secret" not in repr(url)
    with pytest.raises(StorageError) as caught, asking(url):
        raise OSError(f"no answer from {url.text} in time")
    assert "secret" not in str(caught.value)
    assert "sftp://host/archive" in str(caught.value)
    assert "in time" in str(caught.value)


def test_what_only_looks_like_a_url() -> None:
    """A URL that became a Path would be a local folder called "s3:"; a chain is not read."""
    with pytest.raises(UsageError, match="as a text"):
        place_of(Path("s3://bucket/archive"))
    with pytest.raises(UsageError, match="chain"):
        place_of("zip://x::s3://bucket/a.zip")
    with pytest.raises(UsageError, match="only a path"):
        local_path("s3://bucket/result.npy")


def test_without_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UsageError, match=r"pip install 'dicomarray\[storage\]'"):
        list_files(Url("memory://archive"))


def test_unknown_kind_of_store() -> None:
    """No store at all is wrong use, not a failure."""
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match="nix"):
        list_files(Url("nix://archive"))


def test_inside(tmp_path: Path) -> None:
    """Whether a place lies below another one, also where one of them is a file:// URL."""
    pytest.importorskip("fsspec")
    assert is_inside(Url("memory://a/b"), Url("memory://a"))
    assert is_inside(Url("memory://a"), Url("memory://a"))
    assert not is_inside(Url("memory://ab"), Url("memory://a"))
    assert not is_inside(Url("memory://a/b"), tmp_path)
    assert is_inside(Url(f"file://{tmp_path}/x"), tmp_path)
    assert is_inside(tmp_path / "x", Url(f"file://{tmp_path}"))
    assert not is_inside(Url(f"file://{tmp_path}"), tmp_path / "x")


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsspec leaves such a folder out of a listing; then slices would be lost, and nobody told."""
    local = pytest.importorskip("fsspec.implementations.local").LocalFileSystem
    for name in ("a/1", "b/2", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    url = Url(f"file://{tmp_path}")
    assert [(file.name, file.size) for file in list_files(url)] == [("a/1", 3), ("b/2", 3), ("c", 1)]
    assert [file.name for file in list_files(url, deep=False)] == ["c"]
    assert [(file.name, file.size) for file in list_files(url / "c")] == [("", 1)]
    usual = local.ls

    def failing(self: object, path: str, *arguments: object, **keywords: object) -> object:
        if path.endswith("/b"):
            raise OSError("the connection was reset")
        return usual(self, path, *arguments, **keywords)

    monkeypatch.setattr(local, "ls", failing)
    with pytest.raises(StorageError, match="reset"):
        list_files(url)


def test_a_file_that_its_store_lists_as_an_empty_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one on the web is: it is there all the same."""
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    memory().pipe_file("/single/1.dcm", b"12")
    monkeypatch.setattr(memory, "find", lambda *_, **__: {})
    assert [(file.name, file.size) for file in list_files(Url("memory://single/1.dcm"))] == [("", 2)]
    assert list_files(Url("memory://single")) == []


def test_nothing_there() -> None:
    """An empty listing; reading from it is an error with the name."""
    pytest.importorskip("fsspec")
    assert list_files(Url("memory://nothing-here")) == []
    import dicomarray

    with pytest.raises(InputError, match="memory://nothing-here does not exist"):
        dicomarray.scan("memory://nothing-here")
