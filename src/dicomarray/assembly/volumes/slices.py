"""Some slices of a stack -> an array: only their frames are read and decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.values.modality import Values, values_of
from dicomarray.assembly.volumes.filling import Job, fill
from dicomarray.assembly.volumes.regrid import changes_grid
from dicomarray.assembly.volumes.targets import ArrayTarget
from dicomarray.core.pixel_values import Array
from dicomarray.errors import GeometryError, UsageError


@dataclass(frozen=True, eq=False)
class SliceReader:
    """Reads slices of a stack, with the values and the type that they have in its whole volume.

    Raises
    ------
    GeometryError
        Where the options make a new grid, of which a slice is not one of the stack's.
    """

    stack: Stack
    options: ReadOptions

    def __post_init__(self) -> None:
        """Refuse what needs the whole volume."""
        if changes_grid(self.stack.geometry, self.options):
            raise GeometryError(
                f"{self.stack.label}: a new grid is made of all slices (missing, uneven, tilt), so that no "
                'part of it can be read alone: read the whole volume, or keep the slices (missing="keep", '
                'uneven="keep", tilt="keep")'
            )

    @cached_property
    def values(self) -> Values:
        """How stored values are converted; it depends on all headers."""
        return values_of(self.stack, self.options)

    def read(self, slices: range, workers: int | None = None) -> Array:
        """The slices of every repetition: (repetition, slice, row, column), as the axes of the volume.

        Parameters
        ----------
        slices
            Neighbours, ascending.
        workers
            Threads that read and decode.

        Raises
        ------
        UsageError
            Where the stack has no such slices.
        DataError
            Where their pixels cannot be read.
        """
        count = self.stack.num_slices
        if not slices or slices.step != 1 or slices.start < 0 or slices.stop > count:
            raise UsageError(f"{slices} are no slices of {count}")
        starts = range(0, len(self.stack.frames), count)
        indices = [start + index for start in starts for index in slices]
        # as one repetition: of a part nobody asks whether images are equal
        part = replace(self.stack, frames=tuple([self.stack.frames[i] for i in indices]), repetitions=1)
        target = ArrayTarget((*self.stack.shape[:-1], len(slices)), with_padding=False)
        fill(Job(part, self.values.of_images(indices), workers=workers), target)
        return target.array
