"""Read the same series with dicomarray and with what people use otherwise, and write down who is right.

    python benchmarks/compare.py [--data FOLDER] [--output docs/comparison.md]

Hand-made series need nothing; real ones are those below ``series`` in the folder of DICOMARRAY_TEST_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "benchmarks"), str(REPOSITORY / "tests")]

from comparison import cases, masks, running, truth  # noqa: E402 - found by the line above
from comparison.page import Part, Row, page  # noqa: E402
from comparison.readers import READERS  # noqa: E402

DATA = Path(os.environ.get("DICOMARRAY_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
HAND_MADE = (
    "Six slices of 12 x 16 voxels, made in code, one trap each "
    "(`tests/synthetic.py`, `benchmarks/comparison/cases.py`)."
)
REAL = "Named by their folder below the data folder; what is no image is passed over."


def compare(title: str, about: str, series: Sequence[cases.Case]) -> Part:
    """Every reader on every series."""
    rows, left_out = [], []
    for case in series:
        try:
            known = truth.know(case.files)
        except truth.NoTruthError as error:
            left_out.append(f"{case.name}: {error}")
            continue
        verdicts = tuple(running.answer(reader, case.files, known.truth) for reader in READERS)
        source = known.source + ("*" if known.by_imagecodecs else "")
        rows.append(Row(case.name, len(case.files), source, verdicts))
        print(f"{case.name}: " + ", ".join(verdict.outcome for verdict in verdicts), file=sys.stderr)
    return Part(title, about, tuple(rows), tuple(left_out))


def main() -> None:
    """The command."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--data", type=Path, default=DATA, help="the folder that holds series/")
    arguments.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "comparison.md")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made = cases.hand_made(Path(scratch))
        parts = [compare("hand-made series", HAND_MADE, made)]
        of_masks = masks.section(made)
    real = options.data / "series"
    if real.is_dir():
        parts.append(compare("real series", REAL, cases.real(real)))
    else:
        print(f"no real series: {real} is no folder (DICOMARRAY_TEST_DATA)", file=sys.stderr)
    options.output.write_text(page(parts, of_masks), encoding="utf-8")
    print(options.output)


if __name__ == "__main__":
    main()
