"""What a run made of the series of an archive, to be seen beside them."""

from __future__ import annotations

from collections import defaultdict

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.volumes.assemble import assemble
from dicomarray.catalog.scan import scan
from dicomarray.errors import InputError
from dicomarray.pipeline import ledger
from dicomarray.pipeline.entries import SeriesOutput
from dicomarray.segmentation import Segmentation
from dicomarray.storage.places import PathLike
from dicomarray.volume import Volume
from dicomarray.workflows.load_segmentation import load_segmentation


class Results:
    """The results of a run by the UIDs of the series that they were made of.

    Raises InputError where the folder holds no ledger.
    """

    def __init__(self, run: PathLike) -> None:
        self._outputs = defaultdict[str, list[SeriesOutput]](list)
        for entry in ledger.entries_of_run(run):
            for output in entry.outputs:
                self._outputs[output.source_uid].append(output)

    def names_of(self, uid: str) -> list[str]:
        """What the results of a series are called; one without a name is the result."""
        return [output.name or "result" for output in self._outputs.get(uid, ())]

    def stack_of(self, uid: str, at: int, stacks: list[Stack]) -> Stack:
        """Of the stacks of a series the one that a result was made of."""
        number = self._output(uid, at).volume
        if number is None and len(stacks) > 1:
            raise InputError(
                f"the ledger is of an older version, and does not say of which of the {len(stacks)} volumes "
                f"of series {uid} its results are; make them again (run --overwrite)"
            )
        return stacks[number or 0] if (number or 0) < len(stacks) else largest(stacks)

    def load(self, uid: str, at: int, source: Volume, reading: ReadOptions) -> Volume | Segmentation:
        """A result of a series: an image, or masks on the grid of its source.

        Raises
        ------
        DicomArrayError
            Where there is none, or it cannot be read.
        """
        folder = self._output(uid, at).folder
        catalog = scan(folder)
        if not catalog:
            raise InputError(f"{folder} holds no series any more; run --resume makes it again")
        if catalog[0].is_segments:
            return load_segmentation(folder, source)
        return assemble(largest(catalog[0].stacks(reading)), reading)

    def _output(self, uid: str, at: int) -> SeriesOutput:
        outputs = self._outputs.get(uid, ())
        if not 0 <= at < len(outputs):
            raise InputError(f"the run has no result {at} of series {uid}")
        return outputs[at]


def largest(stacks: list[Stack]) -> Stack:
    """That of most images."""
    return max(stacks, key=lambda stack: len(stack.frames))
