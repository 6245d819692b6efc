"""Outputs appear whole or not at all, with the usual permissions, and never over somebody's data."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dicomarray.errors import OutputError
from dicomarray.storage.atomic import new_files, new_folder, refuse_existing, refuse_inside
from dicomarray.storage.places import Url


class InMiddleError(Exception):
    """What a user's own code may raise in the middle."""


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """A umask in force during the test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def names(folder: Path) -> list[str]:
    """Everything below a folder, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def is_result(path: Path) -> bool:
    return path.suffix == ".dcm"


# --- files ----------------------------------------------------------------------------------------------


def test_files_appear_together_at_the_end(tmp_path: Path) -> None:
    """Nothing has its final name until the block ends; then both have."""
    wanted = [tmp_path / "a.npy", tmp_path / "deep" / "er" / "a.json"]
    with new_files(wanted) as made:
        for number, path in enumerate(made):
            path.write_text(str(number))
        assert not any(path.exists() for path in wanted)
    assert [path.read_text() for path in wanted] == ["0", "1"]
    assert names(tmp_path) == ["a.npy", "deep", "deep/er", "deep/er/a.json"]


@pytest.mark.parametrize("error", [InMiddleError, KeyboardInterrupt])
def test_interrupted_files_leave_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    """An exception in the middle removes the temporary files, half written as they are."""
    with pytest.raises(error), new_files([tmp_path / "a", tmp_path / "b"]) as made:
        made[0].write_text("half")
        raise error
    assert names(tmp_path) == []


def test_interrupted_overwriting_keeps_the_old_file(tmp_path: Path) -> None:
    """Until all is done the old result stays."""
    old = tmp_path / "a"
    old.write_text("old")
    with pytest.raises(InMiddleError), new_files([old, tmp_path / "b"], overwrite=True) as made:
        made[0].write_text("new")
        raise InMiddleError
    assert old.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_no_file_is_made_where_one_of_them_exists(tmp_path: Path) -> None:
    """One place taken, none is written: the block is not even entered."""
    (tmp_path / "b").write_text("mine")
    with pytest.raises(OutputError, match="overwrite"), new_files([tmp_path / "a", tmp_path / "b"]):
        pytest.fail("entered")
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_text() == "mine"


def test_file_that_came_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """Another process may have written there while this one was busy."""
    with pytest.raises(OutputError), new_files([tmp_path / "a", tmp_path / "b"]) as made:
        for path in made:
            path.write_text("ours")
        (tmp_path / "b").write_text("theirs")
    assert (tmp_path / "b").read_text() == "theirs"
    assert names(tmp_path) == ["b"]


def test_overwrite_replaces_files(tmp_path: Path) -> None:
    """With overwrite the new content is there, and nothing else."""
    (tmp_path / "a").write_text("old")
    with new_files([tmp_path / "a"], overwrite=True) as made:
        made[0].write_text("new")
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_file_over_a_folder_is_refused_even_with_overwrite(tmp_path: Path) -> None:
    """A folder is never taken for a file."""
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="folder"):
        refuse_existing(tmp_path / "a", overwrite=True)


def test_files_have_the_permissions_of_usual_files(tmp_path: Path, umask: int) -> None:
    """As the umask says, not the private ones of a temporary file."""
    with new_files([tmp_path / "a"]) as made:
        made[0].write_text("x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask
    assert os.umask(umask) == umask


def test_parent_that_is_a_file_is_told_as_our_error(tmp_path: Path) -> None:
    """A place that cannot be made is an OutputError that names it, no bare OSError."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"), new_files([tmp_path / "taken" / "a.npy"]):
        pytest.fail("entered")


# --- folders --------------------------------------------------------------------------------------------


def test_folder_appears_at_the_end(tmp_path: Path) -> None:
    """It has its name only when the block has ended; parents are made."""
    target = tmp_path / "deep" / "out"
    with new_folder(target) as made:
        (made / "1.dcm").write_text("1")
        assert not target.exists()
        assert made.parent == target.parent  # the same file system: renaming is atomic
    assert names(tmp_path) == ["deep", "deep/out", "deep/out/1.dcm"]


@pytest.mark.parametrize("error", [InMiddleError, KeyboardInterrupt])
def test_interrupted_folder_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    """The half-filled folder vanishes."""
    with pytest.raises(error), new_folder(tmp_path / "out") as made:
        (made / "1.dcm").write_text("1")
        raise error
    assert names(tmp_path) == []


def test_empty_folder_may_be_taken(tmp_path: Path) -> None:
    """A folder that the user made beforehand is filled."""
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as made:
        (made / "1.dcm").write_text("1")
    assert names(tmp_path) == ["out", "out/1.dcm"]


def test_full_folder_is_refused(tmp_path: Path) -> None:
    """Results are not mixed with what is there."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.dcm").write_text("old")
    with pytest.raises(OutputError, match="not empty"), new_folder(tmp_path / "out", replaceable=is_result):
        pytest.fail("entered")
    assert (tmp_path / "out" / "1.dcm").read_text() == "old"


def test_overwrite_replaces_the_whole_folder(tmp_path: Path) -> None:
    """Old results do not stay among the new ones."""
    (tmp_path / "out").mkdir()
    for name in ("1.dcm", "2.dcm"):
        (tmp_path / "out" / name).write_text("old")
    with new_folder(tmp_path / "out", overwrite=True, replaceable=is_result) as made:
        (made / "1.dcm").write_text("new")
    assert names(tmp_path) == ["out", "out/1.dcm"]
    assert (tmp_path / "out" / "1.dcm").read_text() == "new"


def test_overwrite_spares_what_is_no_result(tmp_path: Path) -> None:
    """--overwrite with a wrong path must not delete somebody's thesis."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "1.dcm").write_text("old")
    (tmp_path / "home" / "thesis.tex").write_text("years")
    with (
        pytest.raises(OutputError, match=r"thesis\.tex"),
        new_folder(tmp_path / "home", overwrite=True, replaceable=is_result),
    ):
        pytest.fail("entered")
    assert names(tmp_path) == ["home", "home/1.dcm", "home/thesis.tex"]


def test_overwrite_takes_nothing_by_default(tmp_path: Path) -> None:
    """Without a rule of what may be replaced, nothing may."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.dcm").write_text("old")
    with pytest.raises(OutputError), new_folder(tmp_path / "out", overwrite=True):
        pytest.fail("entered")


def test_interrupted_folder_overwriting_keeps_the_old_one(tmp_path: Path) -> None:
    """The old results are there until the new ones are complete."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.dcm").write_text("old")
    with (
        pytest.raises(InMiddleError),
        new_folder(tmp_path / "out", overwrite=True, replaceable=is_result) as made,
    ):
        (made / "1.dcm").write_text("new")
        raise InMiddleError
    assert names(tmp_path) == ["out", "out/1.dcm"]
    assert (tmp_path / "out" / "1.dcm").read_text() == "old"


def test_foreign_file_that_came_meanwhile_is_spared(tmp_path: Path) -> None:
    """The folder is looked at again before it is replaced."""
    target = tmp_path / "out"
    with pytest.raises(OutputError), new_folder(target, overwrite=True, replaceable=is_result) as made:
        (made / "1.dcm").write_text("new")
        target.mkdir()
        (target / "notes.txt").write_text("theirs")
    assert names(tmp_path) == ["out", "out/notes.txt"]


@pytest.mark.parametrize("kind", ["file", "link to a folder", "link to nothing"])
def test_folder_over_something_else_is_refused(tmp_path: Path, kind: str) -> None:
    """A file or a link is not replaced by a folder."""
    target = tmp_path / "out"
    if kind == "file":
        target.write_text("mine")
    else:
        if kind == "link to a folder":
            (tmp_path / "elsewhere").mkdir()
        target.symlink_to(tmp_path / "elsewhere")
    before = names(tmp_path)
    with pytest.raises(OutputError, match="no folder"), new_folder(target, overwrite=True):
        pytest.fail("entered")
    assert names(tmp_path) == before


def test_folders_have_the_permissions_of_usual_folders(tmp_path: Path, umask: int) -> None:
    """As the umask says, not the private ones of a temporary folder."""
    with new_folder(tmp_path / "out") as made:
        (made / "1.dcm").write_text("1")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o777 & ~umask
    assert (tmp_path / "out" / "1.dcm").stat().st_mode & 0o777 == 0o666 & ~umask


# --- inputs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["in", "in/out", "in/deep/er/out.npy", "in/../in/out", "link/out"])
def test_output_inside_the_input_is_refused(tmp_path: Path, output: str) -> None:
    """The folder itself, anything below it, and the ways round by ".." and a link."""
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(OutputError, match="inside the input"):
        refuse_inside(tmp_path / output, tmp_path / "in")


def test_output_in_a_linked_input_is_refused(tmp_path: Path) -> None:
    """The input named by a link is the same folder."""
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(OutputError, match="inside the input"):
        refuse_inside(tmp_path / "in" / "out", tmp_path / "link")


@pytest.mark.parametrize("output", ["out", "input", "in.npy", "in2/out"])
def test_output_beside_the_input_is_taken(tmp_path: Path, output: str) -> None:
    """A name that only begins alike is another place."""
    (tmp_path / "in").mkdir()
    refuse_inside(tmp_path / output, tmp_path / "in")


@pytest.mark.parametrize("server", ["dicomweb+https://pacs/dicom-web", "dimse://PACS@pacs:104"])
def test_a_pacs_holds_no_folder(tmp_path: Path, server: str) -> None:
    """A PACS is no store of files: nothing lies inside it, and it lies nowhere."""
    refuse_inside(Url(tmp_path.as_uri()), Url(server))
    refuse_inside(Url(server), Url(tmp_path.as_uri()))


def test_relative_output_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name means the working folder, which may be the input."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    with pytest.raises(OutputError, match="inside the input"):
        refuse_inside(Path("out.npy"), tmp_path / "in")


def test_input_file_is_not_the_output(tmp_path: Path) -> None:
    """Where the input is one file, the output is not that file: overwriting would destroy it."""
    (tmp_path / "in.dcm").write_text("image")
    with pytest.raises(OutputError):
        refuse_inside(tmp_path / "in.dcm", tmp_path / "in.dcm")


# --- places that the system refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("x" * 300, "File name too long"),
        ("a\0b", "null"),
        ("/proc/no-such/out", "No such file or directory"),
        ("/sys/out", "not permitted|denied|Read-only"),
    ],
)
def test_a_place_that_cannot_be_is_named_with_the_reason(tmp_path: Path, place: str, why: str) -> None:
    """A folder and a file: OutputError, and nothing is left."""
    path = tmp_path / place
    for make in (lambda: new_folder(path), lambda: new_files([path])):
        with pytest.raises(OutputError, match=f"cannot be made: .*({why}).*choose another"), make():
            pytest.fail("there is no such place")
    assert names(tmp_path) == []


def test_what_is_raised_while_a_result_is_made_stays_what_it_is(tmp_path: Path) -> None:
    """An error of the system inside the block is not taken for one of the place."""
    for make in (lambda: new_folder(tmp_path / "x"), lambda: new_files([tmp_path / "x"])):
        with pytest.raises(FileNotFoundError), make():
            raise FileNotFoundError(2, "of the user's code")
        with pytest.raises(ValueError, match="of the user's code"), make():
            raise ValueError("of the user's code")


# --- several writers ------------------------------------------------------------------------------------


def at_once(write: Callable[[int], bool], writers: int = 6) -> int:
    """How many of some threads were told that they wrote."""
    ready = threading.Barrier(writers)

    def work(number: int) -> bool:
        ready.wait()
        try:
            return write(number)
        except OutputError:
            return False

    with ThreadPoolExecutor(writers) as pool:
        return sum(pool.map(work, range(writers)))


@pytest.mark.parametrize("exists", [False, True])
def test_one_of_several_writers_of_a_folder_wins(tmp_path: Path, exists: bool) -> None:
    """All begin while the place is free, or an empty folder; one is told that it is its result, and it is.

    Before, several were told so (in tests/integration/test_at_once.py each such moment is gone through).
    """
    for turn in range(30):
        target, told = tmp_path / f"out{turn}", []
        if exists:
            target.mkdir()
        inside = threading.Barrier(6)

        def write(number: int, target: Path = target, told: list[int] = told) -> bool:
            with new_folder(target) as made:
                (made / f"{number}.dcm").touch()
                inside.wait()  # noqa: B023
            told.append(number)
            return True

        assert at_once(write) == 1
        assert names(target) == [f"{told[0]}.dcm"]


def test_one_of_several_writers_of_files_wins(tmp_path: Path) -> None:
    """An array and its sidecar are those of one writer, and the others are told."""
    for turn in range(30):
        paths, told = [tmp_path / f"{turn}.npy", tmp_path / f"{turn}.json"], []
        inside = threading.Barrier(6)

        def write(number: int, paths: list[Path] = paths, told: list[int] = told) -> bool:
            with new_files(paths) as made:
                for path in made:
                    path.write_text(str(number))
                inside.wait()  # noqa: B023
            told.append(number)
            return True

        assert at_once(write) == 1
        assert [path.read_text() for path in paths] == [str(told[0])] * 2


def test_files_that_are_overwritten_by_several_belong_together(tmp_path: Path) -> None:
    """With overwrite all may write; what stays are both files of one of them."""
    paths = [tmp_path / "a.npy", tmp_path / "a.json"]
    for _ in range(50):
        inside = threading.Barrier(6)

        def write(number: int) -> bool:
            with new_files(paths, overwrite=True) as made:
                for path in made:
                    path.write_text(str(number))
                inside.wait()  # noqa: B023
            return True

        assert at_once(write) == 6
        assert paths[0].read_text() == paths[1].read_text()


def test_folders_that_are_overwritten_by_several_are_whole(tmp_path: Path) -> None:
    """With overwrite all may write; what stays is the folder of one, and nothing beside it."""
    for _ in range(20):
        inside = threading.Barrier(6)

        def write(number: int) -> bool:
            with new_folder(tmp_path / "out", overwrite=True, replaceable=is_result) as made:
                for name in "ab":
                    (made / f"{name}{number}.dcm").touch()
                inside.wait()  # noqa: B023
            return True

        assert at_once(write) == 6
        (one, other) = names(tmp_path / "out")
        assert one[1:] == other[1:]
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_system_without_second_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files get their names there too, and never those of others."""

    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    with new_files([tmp_path / "a"]) as made:
        made[0].write_text("ours")
    assert (tmp_path / "a").read_text() == "ours"
    with pytest.raises(OutputError), new_files([tmp_path / "b"]) as made:
        (tmp_path / "b").write_text("theirs")
    assert (tmp_path / "b").read_text() == "theirs"
    assert names(tmp_path) == ["a", "b"]


def test_what_comes_into_a_folder_that_is_replaced_is_spared(tmp_path: Path) -> None:
    """Somebody's file that came while the new results were made is no result of ours."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.dcm").touch()
    with (
        pytest.raises(OutputError, match="thesis"),
        new_folder(tmp_path / "out", overwrite=True, replaceable=is_result) as made,
    ):
        (made / "2.dcm").touch()
        (tmp_path / "out" / "thesis.tex").touch()
    assert names(tmp_path) == ["out", "out/1.dcm", "out/thesis.tex"]


# --- a full disk ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_leaves_nothing_and_names_the_result(tmp_path: Path, number: int) -> None:
    """The error says which result it is; files, folders and the folders made for them are gone."""
    with pytest.raises(OutputError, match=r"deep/a\.npy"), new_files([tmp_path / "deep" / "a.npy"]) as made:
        made[0].write_text("half")
        raise OSError(number, os.strerror(number))
    with pytest.raises(OutputError, match=r"deep/out"), new_folder(tmp_path / "deep" / "out") as folder:
        (folder / "1.dcm").write_text("half")
        raise OSError(number, os.strerror(number))
    assert names(tmp_path) == []


def test_another_error_while_writing_stays_what_it_is(tmp_path: Path) -> None:
    """What is no matter of the disk is not called so."""
    with pytest.raises(FileNotFoundError), new_files([tmp_path / "a.npy"]):
        (tmp_path / "missing").read_text()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_named_pipe_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    """It is refused, with overwrite too, and is still a pipe afterwards."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="FIFO"):
        refuse_existing(tmp_path / "pipe", overwrite)
    with pytest.raises(OutputError, match="FIFO"), new_files([tmp_path / "pipe"], overwrite):
        pass
    assert (tmp_path / "pipe").is_fifo()
