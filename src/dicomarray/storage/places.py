"""Files in a store: whatever fsspec has a URL for, such as ``s3://bucket/archive`` or ``memory://archive``.

A `Url` stands where a `Path` stands for files on this computer.  fsspec is imported when the first one is
used.  How a store is reached, and with whose credentials, is said where fsspec and its packages look for it
(environment, configuration files), never here; whatever a URL itself may hold of them is never shown.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO, cast

from dicomarray.core.optional_packages import package
from dicomarray.errors import InputError, StorageError, UsageError

PathLike = str | os.PathLike[str]

# At least two letters: `C:/archive` is a path of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What is left of a URL that was made a `Path`, which takes one of the slashes away.
_URL_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]")
# User and password before the host; a query, which may be a signature.
_SECRETS = re.compile(r"(?<=://)[^/@\s]*@|\?[^\s'\"]*")
_LOCAL = ("file", "local")
_PATTERN = re.compile(r"[*?[]")
# What of a store's words on a file tells that its content is another: the first of them that it has.
_MARKS = (
    "ETag", "etag", "md5Hash", "content_md5", "generation", "mtime", "LastModified", "last_modified",
    "updated", "modified", "created",
)  # fmt: skip
# Where a file that is there cannot be read: it costs itself.  Anything else is a store that fails.
NOT_READABLE = (FileNotFoundError, PermissionError, IsADirectoryError)


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """A file or folder in a store; as text it is shown without user, password and query."""

    text: str

    def __str__(self) -> str:
        return without_secrets(self.text)

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __truediv__(self, name: str) -> Url:
        return Url(f"{self.text.rstrip('/')}/{name}") if name else self

    @property
    def protocol(self) -> str:
        """``s3``, ``memory``, ``file`` and so on."""
        return self.text.partition("://")[0].lower()

    @property
    def name(self) -> str:
        """The last part."""
        return str(self).partition("://")[2].rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> Url:
        """Without the last part."""
        return Url(self.text.rstrip("/").rpartition("/")[0])

    def relative_to(self, folder: Place) -> PurePosixPath:
        """What comes behind a folder that this lies below; raises ValueError where it does not."""
        return PurePosixPath(str(self)).relative_to(str(folder))

    def exists(self) -> bool:
        """Whether a file or folder is there; raises StorageError where the store does not tell."""
        store, path = filesystem(self)
        with asking(self):
            return bool(store.exists(path))

    def open(self, mode: str = "rb") -> BinaryIO:
        """The file, open; raises StorageError."""
        store, path = filesystem(self)
        with asking(self):
            return cast(BinaryIO, store.open(path, mode))

    def glob(self, pattern: str) -> Iterator[Url]:
        """The files right in this folder whose names match; raises StorageError."""
        return (
            self / file.name for file in list_files(self, deep=False) if PurePath(file.name).match(pattern)
        )


Place = Path | Url


def place_of(path: str | os.PathLike[str] | Url) -> Place:
    """What a user named.

    Raises
    ------
    UsageError
        For a chain of URLs, for a URL that became a `Path`, and for what is no path at all.
    """
    if isinstance(path, Url):
        return path
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"a {type(path).__name__} is no path; name a folder or file, as a text or a Path")
    text = os.fspath(path)
    if not text:
        raise UsageError("the path is empty; name a folder or file (. is the current folder)")
    if _URL_AS_PATH.match(text) and isinstance(path, PurePath) and not Path(path).exists():
        raise UsageError(f"{text} is a URL that was made a Path, which spoils it; give it as a text")
    if not _URL.match(text):
        return _at_home(Path(path))
    if "::" in text:
        raise UsageError(f"{without_secrets(text)}: a chain of URLs (::) is not read; name one")
    return Url(text if text.endswith("://") else text.rstrip("/"))


def _at_home(path: Path) -> Path:
    """A path that begins with ``~`` as a shell has it, which leaves it as it is inside quotes."""
    if not str(path).startswith("~") or path.exists():
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # nobody of that name
        return path


def local_path(path: str | os.PathLike[str] | Url) -> Path:
    """A path on this computer; UsageError for a URL, where only that will do."""
    place = place_of(path)
    if isinstance(place, Url):
        raise UsageError(f"{place}: only a path on this computer will do here")
    return place


def without_secrets(text: str) -> str:
    """The text, with nothing in its URLs that can be a password or a signature."""
    return _SECRETS.sub("", text)


@contextmanager
def asking(url: Url) -> Iterator[None]:
    """Turn what the store or its package raises into an error that names the URL and the reason.

    Raises
    ------
    StorageError
        For whatever it is: packages for stores have hundreds of errors, which share no base class.
    """
    try:
        yield
    except (StorageError, MemoryError):
        raise
    except Exception as error:
        reason = without_secrets(str(error)) or "no reason given"
        raise StorageError(
            f"{url}: {type(error).__name__}: {reason}. Look at the name, the permissions and the connection "
            f"(fsspec's settings for {url.protocol}), and try again"
        ) from error


def filesystem(url: Url) -> tuple[Any, str]:
    """fsspec's filesystem for a URL, and the path in it.

    Raises
    ------
    UsageError
        Where fsspec, or its package for this kind of store, is not installed; for an unknown kind.
    """
    hint = f" (a server of DICOMweb is dicomweb+{url})" if "dicom" in url.text else ""
    core = package("fsspec.core", "storage", f"{url}: URLs need the package fsspec{hint}")
    try:
        with asking(url):
            store, path = core.url_to_fs(url.text)
    except StorageError as error:
        if isinstance(error.__cause__, ImportError | ValueError):
            raise UsageError(f"{url}: {without_secrets(str(error.__cause__))}") from error
        raise
    return store, str(path)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a listing.

    ``name`` is relative to what was listed, empty for that itself; ``path`` is the whole one in the store.
    ``size`` is None where the store does not tell; another ``mark`` means another content.
    """

    name: str
    path: str
    size: int | None
    mark: int
    is_regular: bool = True


def list_files(url: Url, deep: bool = True) -> list[StoredFile]:
    """Every file at or below a URL (right in it, if not ``deep``), ordered by name; none for a place without.

    Raises
    ------
    StorageError
        Where the store does not tell.
    """
    store, root = filesystem(url)
    with asking(url):
        store.invalidate_cache()  # a listing of a minute ago may be in it
        at_once = deep and _lists_at_once(store)
        found = store.find(root, detail=True) if at_once else _files_below(store, root, deep)
        if not found and deep and store.isfile(root):
            found = {root: store.info(root)}  # where the URL of a file is listed, some stores see nothing
    files = [_stored(path, info, root) for path, info in found.items() if info.get("type") != "directory"]
    return sorted((file for file in files if not file.path.endswith("/")), key=lambda file: file.name)


def _lists_at_once(store: Any) -> bool:
    """Whether the store has a listing of its own of all that lies below a place, as object stores have."""
    usual, usual_async = (
        importlib.import_module("fsspec.spec").AbstractFileSystem,
        importlib.import_module("fsspec.asyn").AsyncFileSystem,
    )
    kind = type(store)
    return kind.find is not usual.find or getattr(kind, "_find", usual_async._find) is not usual_async._find


def _files_below(store: Any, root: str, deep: bool) -> dict[str, Mapping[str, Any]]:
    """The files of a store with folders, by path.

    fsspec's own way of doing this leaves out a folder that cannot be listed, and says nothing: slices would
    be lost.
    """
    found: dict[str, Mapping[str, Any]] = {}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            listing = store.ls(folder, detail=True)
        except FileNotFoundError:
            if folder == root:
                return {}
            raise
        for info in listing:
            name = str(info["name"])
            if info["type"] != "directory":
                found[name] = info
            elif deep and name.rstrip("/") != folder.rstrip("/"):
                waiting.append(name)
    return found


def _stored(path: str, info: Mapping[str, Any], root: str) -> StoredFile:
    name = path[len(root) :].lstrip("/") if path.startswith(root) else path
    size = info.get("size")
    key = next((key for key in _MARKS if info.get(key) is not None), None)
    import hashlib

    mark = 0 if key is None else int.from_bytes(hashlib.sha256(f"{info[key]}".encode()).digest()[:7])
    return StoredFile(name, path, None if size is None else int(size), mark, info.get("type") == "file")


def read_ranges(url: Url, ranges: Sequence[tuple[str, int, int]]) -> list[bytes | OSError]:
    """Bytes from and to a place of files in the URL's store, by path; all at once, where it can do that.

    A piece that is longer or shorter than asked for comes from a store that has no ranges, or of a file
    that changed.  What cannot be read is an error of `NOT_READABLE` in the list.

    Raises
    ------
    StorageError
        Where the store fails.
    """
    if not ranges:
        return []
    store, _ = filesystem(url)
    paths, starts, ends = (list(column) for column in zip(*ranges, strict=True))
    with asking(url):
        pieces = list(store.cat_ranges(paths, starts, ends, on_error="return"))
        for piece in pieces:
            if isinstance(piece, BaseException) and not isinstance(piece, NOT_READABLE):
                raise piece
    return pieces


def download(url: Url, files: Mapping[str, Path]) -> None:
    """Files of the URL's store, by their paths in it, as files here; each has as many bytes as there.

    Raises
    ------
    StorageError
        Where the store fails, or a file comes incomplete.
    """
    if not files:
        return
    store, _ = filesystem(url)
    for folder in {path.parent for path in files.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    with asking(url):
        store.get(list(files), [str(path) for path in files.values()])
        sizes = store.sizes(list(files))
    for (source, path), size in zip(files.items(), sizes, strict=True):
        if not path.is_file() or size not in (None, path.stat().st_size):
            raise StorageError(f"{url}: {source} was not fetched whole; it may change just now: try again")


def is_inside(place: Place, folder: Place) -> bool:
    """Whether a place is another one, or lies below it, as far as their stores tell."""
    here, there = on_this_computer(place), on_this_computer(folder)
    if here is not None and there is not None:
        return here.resolve().is_relative_to(there.resolve())
    if not isinstance(place, Url) or not isinstance(folder, Url):
        return False
    (store, path), (other, root) = filesystem(place), filesystem(folder)
    return bool(store == other) and f"{path}/".startswith(root.rstrip("/") + "/")


def on_this_computer(place: Place) -> Path | None:
    """The path of a place that is one, or of a ``file://`` URL; None for any other."""
    if isinstance(place, Path):
        return place
    return Path(filesystem(place)[1]) if place.protocol in _LOCAL else None


def places(paths: str | os.PathLike[str] | Url | Iterable[str | os.PathLike[str] | Url]) -> list[Place]:
    """What a user named, one or several; a pattern (``ct/*.dcm``) that no shell expanded, as what it matches.

    Raises
    ------
    UsageError
        For what is no path.
    InputError
        For a pattern that matches nothing.
    """
    if isinstance(paths, str | os.PathLike | Url) or not isinstance(paths, Iterable):
        paths = [paths]
    return [found for path in paths for found in _matches(place_of(path))]


def _matches(place: Place) -> list[Place]:
    if isinstance(place, Url) or not _PATTERN.search(str(place)) or os.path.lexists(place):
        return [place]
    import glob

    found = sorted(glob.glob(str(place), recursive=True))  # noqa: PTH207 - of a path with a root or not
    if not found:
        raise InputError(f"{place} matches no file or folder")
    return [Path(path) for path in found]
