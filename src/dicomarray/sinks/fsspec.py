"""Results in a store: sent whole, marked while they are not, removed where they were not finished."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dicomarray.dicom.recognition import FIRST_BYTES, looks_like_dicom
from dicomarray.errors import OutputError, StorageError
from dicomarray.storage.places import StoredFile, Url, asking, filesystem, list_files, read_ranges

# Stores in which a folder has to be made before there are files in it.  Elsewhere that could make a bucket.
_WITH_FOLDERS = ("file", "local", "sftp", "ssh", "smb", "ftp", "hdfs", "webhdfs", "arrow_hdfs", "dbfs")
_MARKER_END = ".uploading"


def read_text(place: Url) -> str | None:
    """What an object holds; None where there is none."""
    store, path = filesystem(place)
    with asking(place):
        try:
            store.invalidate_cache()
            return str(store.cat_file(path).decode(errors="replace"))
        except FileNotFoundError:
            return None


def write_text(place: Url, text: str) -> None:
    store, path = filesystem(place)
    with asking(place):
        _make_folders(place.protocol, store, [path])
        store.pipe_file(path, text.encode())


def delete(place: Url) -> None:
    store, path = filesystem(place)
    with asking(place), contextlib.suppress(FileNotFoundError):
        store.rm_file(path)


def _make_folders(protocol: str, store: Any, paths: Iterable[str]) -> None:
    if protocol in _WITH_FOLDERS:
        for folder in {path.rpartition("/")[0] for path in paths}:
            store.makedirs(folder, exist_ok=True)


def send_file(path: Path, target: Url) -> None:
    """Put one file into a store, in place of an earlier one."""
    store, name = filesystem(target)
    with asking(target):
        _make_folders(target.protocol, store, [name])
        store.put([str(path)], [name])


def refuse_taken(target: Url, overwrite: bool) -> list[StoredFile]:
    """The files of an earlier result at the URL, which may be replaced; what was half sent is removed.

    Raises OutputError where there is something, and it must not be replaced.
    """
    remove_if_unfinished(target)
    files = list_files(target)
    if files and not overwrite:
        raise OutputError(
            f"{target} exists and is not empty; choose another folder, or replace it "
            "(--overwrite, overwrite=True)"
        )
    starts = read_ranges(target, [(file.path, 0, min(file.size or 0, FIRST_BYTES)) for file in files])
    for file, start in zip(files, starts, strict=True):
        if not file.name.endswith(".dcm") or isinstance(start, OSError) or not looks_like_dicom(start):
            raise OutputError(
                f"{target} holds {file.name}, which is no result of this command; it is not overwritten. "
                "Choose another folder, or empty it yourself"
            )
    return files


def send(folder: Path, target: Url, overwrite: bool) -> None:
    """Send a folder; it is removed here, and what was sent is removed there if not all of it could be.

    Raises OutputError as in `refuse_taken`; StorageError where it cannot be sent, or does not arrive whole.
    """
    try:
        old = refuse_taken(target, overwrite)
        write_text(_marker(target), f"{os.getpid()} {socket.gethostname()}")
        try:
            _send(folder, target, old)
        except BaseException:
            with contextlib.suppress(StorageError):  # its marker stays: the next one removes it
                _remove_upload(target)
            raise
        delete(_marker(target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _send(folder: Path, target: Url, old: Sequence[StoredFile]) -> None:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    store, root = filesystem(target)
    goals = {f"{root}/{name}": path for name, path in files.items()}
    with asking(target):
        if old:
            store.rm([file.path for file in old])
        _make_folders(target.protocol, store, goals)
        store.put([str(path) for path in goals.values()], list(goals))
    arrived = {file.name: file.size for file in list_files(target)}
    if arrived != {name: path.stat().st_size for name, path in files.items()}:
        raise StorageError(f"{target}: what arrived there is not what was sent; try again")


def _marker(target: Url) -> Url:
    """Stands beside a result while it is sent."""
    return target.parent / f".{target.name}{_MARKER_END}"


def remove_unfinished(output: Url) -> None:
    """Remove what runs that were killed left half sent."""
    for file in list_files(output, deep=False):
        if file.name.startswith(".") and file.name.endswith(_MARKER_END):
            _remove_upload(output / file.name[1:].removesuffix(_MARKER_END))


def remove_if_unfinished(target: Url) -> None:
    if _marker(target).exists():
        _remove_upload(target)


def _remove_upload(target: Url) -> None:
    store, root = filesystem(target)
    files = list_files(target)
    with asking(target):
        if files:
            store.rm([file.path for file in files])
        if target.protocol in _WITH_FOLDERS and store.exists(root):
            store.rm(root, recursive=True)
    delete(_marker(target))
