"""A run can be verified later: its results and its inputs are what the ledger says, or something is told."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

import dicomarray
from dicomarray.cli.main import main
from dicomarray.demo.functions import smooth
from dicomarray.errors import InputError, UsageError


def findings(run: Path, inputs: Path | None = None) -> list[tuple[str, str]]:
    return [(one.what, one.finding) for one in dicomarray.verify_run(run, inputs)]


@pytest.fixture
def done(ct: Path, tmp_path: Path) -> Path:
    """A run over one series."""
    dicomarray.run(ct, tmp_path / "run", smooth)
    return tmp_path / "run"


def test_an_untouched_run_is_the_same(done: Path, ct: Path) -> None:
    """Results and inputs that nobody touched are the same, also under other names."""
    assert findings(done, ct) == [("result", "same"), ("input", "same")]
    for number, path in enumerate(sorted(ct.iterdir())):
        path.rename(ct / f"renamed{number}")
    assert findings(done, ct) == [("result", "same"), ("input", "same")]


def test_a_changed_result_is_told_with_the_way_to_make_it_again(
    done: Path, ct: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One byte of one file is enough, and the command ends with 3; what is lost is made again."""
    assert main(["verify", str(done)]) == 0
    (result,) = (path for path in done.iterdir() if path.is_dir())
    file = sorted(result.iterdir())[0]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    before = file.stat()
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a disk that goes bad would have it
    assert findings(done) == [("result", "changed")]
    assert main(["verify", str(done)]) == 3
    printed = capsys.readouterr()
    assert f"changed: result {result}" in printed.out
    assert "--resume --check" in printed.err
    with pytest.raises(UsageError, match="give resume"):
        dicomarray.run(ct, done, smooth, overwrite=True, check=True)
    assert dicomarray.run(ct, done, smooth, resume=True).again == {}
    assert dicomarray.run(ct, done, smooth, resume=True, check=True).again == {"results changed": 1}
    assert findings(done) == [("result", "same")]
    file.unlink()
    assert findings(done) == [("result", "missing")]
    assert dicomarray.run(ct, done, smooth, resume=True).again == {"results are missing": 1}
    assert findings(done) == [("result", "same")]


def test_resume_makes_again_what_was_edited_and_not_what_was_copied(done: Path, ct: Path) -> None:
    """A result with another time is read: made again where it is another one, left alone where it is not."""
    (result,) = (path for path in done.iterdir() if path.is_dir())
    file = sorted(result.iterdir())[0]
    os.utime(file, ns=(1, 1))
    assert dicomarray.run(ct, done, smooth, resume=True).again == {}
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert dicomarray.run(ct, done, smooth, resume=True).again == {"results changed": 1}
    assert findings(done) == [("result", "same")]


def test_changed_and_missing_inputs_are_told(done: Path, ct: Path, tmp_path: Path) -> None:
    """Inputs are looked at where they are given."""
    file = sorted(ct.iterdir())[0]
    file.write_bytes(file.read_bytes() + b"\0\0")
    assert ("input", "changed") in findings(done, ct)
    (tmp_path / "empty").mkdir()
    assert ("input", "missing") in findings(done, tmp_path / "empty")


def test_the_ledger_has_digests_that_other_tools_make_too(done: Path) -> None:
    """The digest of a result is that of its files' sorted digests; the source of the function is there."""
    run, entry = (json.loads(line) for line in (done / "ledger.jsonl").read_text().splitlines())
    (output,) = entry["outputs"]
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (done / output["folder"]).iterdir()]
    lines = "".join(f"{digest}\n" for digest in sorted(digests))
    assert output["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert "def smooth" in run["source"]


def test_an_older_ledger_is_unknown_and_no_ledger_an_error(done: Path, ct: Path, tmp_path: Path) -> None:
    """What has no digest is unknown; a folder without a ledger is refused."""
    ledger = done / "ledger.jsonl"
    run, entry = (json.loads(line) for line in ledger.read_text().splitlines())
    del entry["outputs"][0]["sha256"], entry["inputs_sha256"]
    ledger.write_text(f"{json.dumps(run)}\n{json.dumps(entry)}\n")
    assert findings(done, ct) == [("result", "unknown"), ("input", "unknown")]
    with pytest.raises(InputError, match=r"elsewhere does not exist; give the output folder of a run"):
        dicomarray.verify_run(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"holds no ledger\.jsonl, so it is not the output folder of a run"):
        dicomarray.verify_run(ct)
