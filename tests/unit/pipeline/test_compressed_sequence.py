"""Objects held as bytes: the same sequence as a tuple of them, in a fraction of the memory."""

import gc
import tracemalloc
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dicomarray.pipeline.compressed_sequence import CompressedSequence
from dicomarray.pipeline.entries import RunEntry, RunReport, SeriesOutput, Status

ITEMS = st.lists(st.one_of(st.text(), st.binary(max_size=100), st.tuples(st.integers(), st.text())))


def entry(number: int) -> RunEntry:
    affine = tuple(tuple(float(number + 4 * row + column) for column in range(4)) for row in range(4))
    folder = Path(f"/results/CT_{number:04d}_{number:08x}")
    output = SeriesOutput(
        "", f"1.2.3.{number}", f"2.25.{number}", folder, 2, (2, 8, 8), ("slice", "row", "column"), "HU",
        affine, 1.0, -1024.0, 0.0, 0.0, 0,
    )  # fmt: skip
    status: Status = "failed" if number % 5 else "written"
    return RunEntry(
        folder.name, (f"1.2.3.{number}",), f"CT {number} 1.2.3.{number}", status, 0.5, 1e9 + number,
        f"{number:064x}", folder, (output,),
    )  # fmt: skip


@given(ITEMS, ITEMS)
def test_the_sequence_is_a_tuple_of_them(items: list[object], more: list[object]) -> None:
    """What went in comes out: one by one, as a slice, from the end, and what was added."""
    packed = CompressedSequence(items)
    for item in more:
        packed.append(item)
    everything = items + more
    assert list(packed) == everything
    assert packed == everything
    assert [packed[-number] for number in range(1, len(everything) + 1)] == everything[::-1]
    assert list(packed[1::2]) == everything[1::2]
    assert list(packed.picked(range(len(everything) - 1, -1, -1))) == everything[::-1]
    assert repr(packed) == repr(tuple(everything))
    assert (packed == [*everything, 1]) is False


def test_entries_take_a_tenth_of_their_memory() -> None:
    """Of 1,000 entries, 0.25 kB each at most; as objects they take 1.5 kB and more."""
    sizes = []
    for container in (list, CompressedSequence):
        tracemalloc.start()
        kept = container(entry(number) for number in range(1000))
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert list(kept) == [entry(number) for number in range(1000)]
    assert sizes[1] < 250_000
    assert sizes[0] > 1_500_000


def test_a_report_counts_them() -> None:
    """A report of packed entries has those that failed and those that were written, in order."""
    report = RunReport(CompressedSequence(entry(number) for number in range(10)))
    assert report.written == (entry(0), entry(5))
    assert [one.started for one in report.failed] == [1e9 + n for n in (1, 2, 3, 4, 6, 7, 8, 9)]
    assert len(RunReport()) == 0
