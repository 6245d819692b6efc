"""Files and folders that appear whole or not at all, and never over somebody's data.

A result is made under a hidden temporary name beside its place, and renamed when it is complete.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dicomarray.errors import OutputError


def refuse_inside(output: Path, inputs: Path) -> None:
    """Nothing is ever written into an input folder.

    Raises
    ------
    OutputError
        Where ``output`` is ``inputs`` or lies below it.
    """
    if inputs.is_file() and output.resolve() == inputs.resolve():
        raise OutputError(f"{output} is the input; choose another name")
    if inputs.is_dir() and output.resolve().is_relative_to(inputs.resolve()):
        raise OutputError(f"{output} lies inside the input folder {inputs}; choose a place outside it")


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise OutputError where something is at ``path`` and ``overwrite`` is not set."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file")
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists; choose another name, or overwrite it (--overwrite, overwrite=True)"
        )


@contextmanager
def new_files(paths: Sequence[Path], overwrite: bool = False) -> Iterator[list[Path]]:
    """Temporary names to write to, one for each of ``paths``; all are put in place at the end, or none."""
    for path in paths:
        refuse_existing(path, overwrite)
    temporary: list[Path] = []
    try:
        for path in paths:
            _make_parent(path)
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
            os.close(handle)
            temporary.append(Path(name))
        yield temporary
        for made, path in zip(temporary, paths, strict=True):
            refuse_existing(path, overwrite)
            made.chmod(_mode(0o666))
        for made, path in zip(temporary, paths, strict=True):
            made.replace(path)
    finally:
        for made in temporary:
            made.unlink(missing_ok=True)


@contextmanager
def new_folder(
    path: Path, overwrite: bool = False, replaceable: Callable[[Path], bool] = lambda _: False
) -> Iterator[Path]:
    """A temporary folder to fill, which becomes ``path`` at the end, or vanishes.

    An empty folder at ``path`` may be taken.  With ``overwrite`` a folder is replaced, but only where
    ``replaceable`` says of everything in it that it is a result of ours: an ``--overwrite`` with a wrong
    path must not delete somebody's data.
    """
    _refuse_folder(path, overwrite, replaceable)
    _make_parent(path)
    made = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield made
        _refuse_folder(path, overwrite, replaceable)
        made.chmod(_mode(0o777))
        _put_in_place(made, path)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{path} cannot be made: {error.filename} is no folder") from error


def _put_in_place(made: Path, path: Path) -> None:
    if not path.exists():
        made.replace(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    path.replace(old / path.name)
    try:
        made.replace(path)
    except BaseException:
        (old / path.name).replace(path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _refuse_folder(path: Path, overwrite: bool, replaceable: Callable[[Path], bool]) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir() or path.is_symlink():
        raise OutputError(f"{path} exists and is no folder; choose another name")
    inside = list(path.iterdir())
    if inside and not overwrite:
        raise OutputError(
            f"{path} exists and is not empty; choose another folder, or replace it "
            "(--overwrite, overwrite=True)"
        )
    foreign = [entry for entry in inside if not replaceable(entry)]
    if foreign:
        raise OutputError(
            f"{path} holds {foreign[0].name}, which is no result of this command; it is not overwritten. "
            "Choose another folder, or empty it yourself"
        )


def _mode(full: int) -> int:
    """What a file made by the usual calls would have: mkstemp and mkdtemp make private ones."""
    mask = os.umask(0)
    os.umask(mask)
    return full & ~mask
