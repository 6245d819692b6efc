"""Files and folders that appear whole or not at all, and never over somebody's data.

A result is made under a hidden temporary name beside its place, and renamed when it is complete.  The name
tells which process makes it: a process that is killed cannot tidy up, so the next one with the same output
removes what dead ones left behind.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from dicomarray.core.options import check_flag
from dicomarray.errors import DiskFullError, InsideInputError, OutputError
from dicomarray.storage.connections import is_server
from dicomarray.storage.file_locks import LockedElsewhereError, lock
from dicomarray.storage.places import Place, Url, is_inside

# File systems allow 255 bytes a name; so much of the result's is in the temporary one, in characters.
_MAX_STEM_LENGTH = 40
# What a rename says where another folder has the name now, or none has it any more.
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)
# What a file system says that gives a file no second name.
_NO_SECOND_NAMES = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
# What there is to say where no more can be written.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# How often a folder is replaced that others replace at the same time.
_TRIES = 100
# How long others may take to give names in a folder, in seconds; it takes milliseconds.
PATIENCE_SECONDS = 30.0
_LEFT_BEHIND = re.compile(r"\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]+)-(?P<start>[0-9]+)\.[^.]*\.(?:part|old)")


def refuse_inside(output: Place, inputs: Place) -> None:
    """Nothing is ever written into an input folder.

    Raises
    ------
    OutputError
        Where ``output`` is ``inputs`` or lies below it.
    """
    if isinstance(output, Url) or isinstance(inputs, Url):
        if not (is_server(output) or is_server(inputs)) and is_inside(output, inputs):
            raise InsideInputError(f"{output} lies inside the input {inputs}; choose a place outside it")
        return
    with making(output):
        real, real_inputs = output.resolve(), inputs.resolve()
    if inputs.is_file() and real == real_inputs:
        raise OutputError(f"{output} is the input; choose another name")
    if inputs.is_dir() and real.is_relative_to(real_inputs):
        raise InsideInputError(f"{output} lies inside the input folder {inputs}; choose a place outside it")


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise OutputError where something is at ``path`` and ``overwrite`` is not set.

    Raises UsageError where that is neither True nor False.
    """
    check_flag("overwrite", overwrite)
    with making(path):
        is_folder, exists = path.is_dir(), path.exists()
    if is_folder:
        raise OutputError(f"{path} is a folder; name a file")
    if exists and not path.is_file():
        raise OutputError(f"{path} is no file, but a FIFO or device, which is never replaced; name a file")
    if exists and not overwrite:
        raise OutputError(
            f"{path} exists; choose another name, or overwrite it (--overwrite, overwrite=True)"
        )


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[object]) -> None:
    """No output is a file that the same call reads, by whatever name or link; what is no path is passed over.

    Raises
    ------
    OutputError
        Where one is.
    """
    named = [Path(given) for given in inputs if isinstance(given, str | os.PathLike)]
    for output in outputs:
        for given in named:
            with making(output):
                same = output.exists() and given.exists() and output.samefile(given)
            if same:
                raise OutputError(f"{output} is an input of the same call ({given}); choose another name")


@contextmanager
def new_files(paths: Sequence[Path], overwrite: bool = False) -> Iterator[list[Path]]:
    """Temporary names to write to, one for each of ``paths``; all are put in place at the end, or none."""
    for path in paths:
        refuse_existing(path, overwrite)
    temporary: list[Path] = []
    folders = _absent_parents(paths)
    try:
        for path in paths:
            with making(path):
                _make_parent(path)
                _remove_leftovers(path)
                handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=".part", dir=path.parent)
                os.close(handle)
            temporary.append(Path(name))
        with _full_disk_as_error(paths):
            yield temporary
        with _in_turn(paths):
            for made, path in zip(temporary, paths, strict=True):
                refuse_existing(path, overwrite)
                made.chmod(usual_mode(0o666))
            _put_files(temporary, paths, overwrite)
    finally:
        for made in temporary:
            made.unlink(missing_ok=True)
        _remove_empty(folders)


@contextmanager
def new_folder(
    path: Path,
    overwrite: bool = False,
    replaceable: Callable[[Path], bool] = lambda _: False,
    tidied: bool = False,
) -> Iterator[Path]:
    """A temporary folder to fill, which becomes ``path`` at the end, or vanishes.

    An empty folder at ``path`` may be taken.  With ``overwrite`` a folder is replaced, but only where
    ``replaceable`` says of everything in it that it is a result of ours: an ``--overwrite`` with a wrong
    path must not delete somebody's data.  ``tidied``: what dead processes left beside it is gone already, and
    need not be looked for among the many results of a run.
    """
    folders = _absent_parents([path])
    with making(path):
        if not tidied and not _LEFT_BEHIND.search(path.name):  # beside a temporary name there is nothing
            _remove_leftovers(path)
        _refuse_folder(path, overwrite, replaceable)
        _make_parent(path)
        made = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=".part", dir=path.parent))
    try:
        with _full_disk_as_error([path]):
            yield made
        with making(path), _in_turn([path]):
            made.chmod(usual_mode(0o777))
            _put_folder(made, path, overwrite, replaceable)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        _remove_empty(folders)


@contextmanager
def removed_if_empty(folder: Path) -> Iterator[None]:
    """A folder that is made inside goes again at the end, with those above it, where nothing came into it."""
    folders = _absent_parents([folder / "result"])
    try:
        yield
    finally:
        _remove_empty(folders)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Folders that were made for a result; those that hold one stay."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _absent_parents(paths: Sequence[Path]) -> list[Path]:
    """The folders that have to be made for these files, the innermost first."""
    parents = {parent for path in paths for parent in path.parents if not parent.exists()}
    return sorted(parents, key=lambda parent: len(parent.parts), reverse=True)


@contextmanager
def making(path: Path) -> Iterator[None]:
    """Turn what the system says to a result's name or place into an OutputError."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFullError(f"{path} cannot be made: {error.strerror}; make room") from error
        raise OutputError(
            f"{path} cannot be made: {error.strerror}; choose another place, where you may write"
        ) from error
    except ValueError as error:  # of a path: a NUL in it
        raise OutputError(f"{str(path)!r} cannot be made: {error}; choose another name") from error


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{path} cannot be made: {error.filename} is no folder") from error


def _put_files(made: Sequence[Path], paths: Sequence[Path], overwrite: bool) -> None:
    """Give files their names: all of them, or none."""
    placed: list[Path] = []
    try:
        for file, path in zip(made, paths, strict=True):
            with making(path):
                if overwrite:
                    file.replace(path)
                else:
                    _put_new_file(file, path)
            placed.append(path)
    except BaseException:
        for path in placed if not overwrite else ():  # what was replaced cannot come back
            path.unlink(missing_ok=True)
        raise


def _put_new_file(made: Path, path: Path) -> None:
    """Give a file its name by an operation that fails where somebody was faster.

    That is a second name on Linux and macOS (a rename would replace a file), and a rename on Windows; where
    the file system has no second names, an empty file that is made for this alone, and replaced.

    Raises
    ------
    OutputError
        Where the name is taken.
    """
    try:
        if os.name == "nt":
            made.rename(path)
            return
        try:
            path.hardlink_to(made)
        except OSError as error:
            if error.errno not in _NO_SECOND_NAMES:
                raise
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            made.replace(path)
    except FileExistsError:
        refuse_existing(path, overwrite=False)
        raise


def _put_folder(made: Path, path: Path, overwrite: bool, replaceable: Callable[[Path], bool]) -> None:
    """Give a folder its name, by a rename that fails where somebody was faster."""
    for _ in range(_TRIES):
        _refuse_folder(path, overwrite, replaceable)
        try:
            if overwrite and path.is_dir() and any(path.iterdir()):
                _replace_folder(made, path, replaceable)
            else:
                _rename_folder(made, path)
        except OSError as error:  # others may give it away, or take it, at the same time
            if error.errno not in _TAKEN:
                raise
        else:
            return
    raise OutputError(f"{path} cannot be made: other processes write there again and again; wait for them")


def _rename_folder(made: Path, path: Path) -> None:
    """To a name that is free, or that of an empty folder: a rename fails for any other (rename(2))."""
    if os.name == "nt" and path.is_dir():  # there it fails for empty ones too
        path.rmdir()
    made.rename(path)


def _replace_folder(made: Path, path: Path, replaceable: Callable[[Path], bool]) -> None:
    """The old folder is set aside, looked at once more, and goes when the new one is in its place."""
    old = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=".old", dir=path.parent))
    aside = old / path.name
    try:
        path.rename(aside)
        try:
            _refuse_folder(aside, True, replaceable)
            _rename_folder(made, path)
        except BaseException:
            with suppress(OSError):  # where another process has put its own there
                _rename_folder(aside, path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _full_disk_as_error(paths: Sequence[Path]) -> Iterator[None]:
    """While results are written: what a full disk leads to becomes an OutputError that names them."""
    try:
        yield
    except (OSError, OutputError) as error:
        cause: BaseException | None = error.__cause__ if isinstance(error, OutputError) else error
        if not isinstance(cause, OSError) or cause.errno not in _NO_ROOM:
            raise
        names = " and ".join(map(str, paths))
        raise DiskFullError(
            f"{names} cannot be written: {cause.strerror}; nothing of it stays. Make room, and do it again"
        ) from error


@contextmanager
def _in_turn(paths: Sequence[Path]) -> Iterator[None]:
    """One process, and one thread, at a time gives names in these folders: files that belong together do.

    The folders themselves are locked, while they are renamed into; where there are no such locks (Windows,
    some file systems) two that write the same at the same time may each win one of two files.

    Raises
    ------
    OutputError
        Where somebody else holds the lock of a folder for long.
    """
    with ExitStack() as held:
        for folder in sorted({path.parent.resolve() for path in paths}):
            held.enter_context(_locked(folder))
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        _wait_for_lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _wait_for_lock(handle: int, folder: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            lock(handle)
            return
        except LockedElsewhereError:
            if time.monotonic() > end:
                raise OutputError(f"{folder} is locked by another process; wait for it") from None
            time.sleep(0.001)
        except OSError:  # no locks here
            return


def _prefix(path: Path) -> str:
    """Of the hidden name: the result's, then the process that makes it."""
    return f".{path.name[:_MAX_STEM_LENGTH]}.{_host()}-{os.getpid()}-{_start_of(os.getpid()) or 0}."


def _host() -> str:
    """This machine: on a shared disk, another one's processes cannot be asked after."""
    import platform
    import zlib

    return f"{zlib.crc32(platform.node().encode()):08x}"


def _start_of(pid: int) -> int | None:
    """When a process began, in hundredths of a second since some moment; None where it is no more.

    A number alone is given to a new process some day.  On Linux /proc/pid/stat (proc(5), field 22) says it
    in less time than it takes to import psutil.
    """
    if sys.platform == "linux":
        try:
            return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
        except (OSError, IndexError, ValueError):
            return None
    else:
        import psutil

        try:
            return round(psutil.Process(pid).create_time() * 100)
        except psutil.Error:
            return None


def _is_dead(host: str, pid: int, start: int) -> bool:
    """Whether the process that made a temporary name is surely gone."""
    if host != _host() or _start_of(os.getpid()) is None:
        return False
    return _start_of(pid) != start


def _remove_leftovers(path: Path) -> None:
    """What dead processes left beside a result's place; a result that one had set aside comes back first."""
    stem = f".{path.name[:_MAX_STEM_LENGTH]}"
    # a folder with the results of a long run has many names, which are looked at for each result
    for name in os.listdir(path.parent) if path.parent.is_dir() else ():  # noqa: PTH208
        if not name.startswith(stem):
            continue
        entry, found = path.parent / name, _LEFT_BEHIND.fullmatch(name.removeprefix(stem))
        if found is None or not _is_dead(found["host"], int(found["pid"]), int(found["start"])):
            continue
        if entry.suffix == ".old" and (entry / path.name).exists() and not path.exists():
            (entry / path.name).replace(path)
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _refuse_folder(path: Path, overwrite: bool, replaceable: Callable[[Path], bool]) -> None:
    check_flag("overwrite", overwrite)
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


def usual_mode(full: int) -> int:
    """What a file made by the usual calls would have: mkstemp and mkdtemp make private ones."""
    mask = os.umask(0)
    os.umask(mask)
    return full & ~mask
