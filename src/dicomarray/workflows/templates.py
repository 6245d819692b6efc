"""Which stack is the template: one below a path or in an index, that of a series or of a volume in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import KEEP, UNPLACED, Series
from dicomarray.catalog.series_selection import Inputs, choose_series, searched
from dicomarray.errors import ChoiceError, TemplateError, UsageError
from dicomarray.sources.instances import Progress
from dicomarray.storage.places import PathLike, Place
from dicomarray.volume import Volume

if TYPE_CHECKING:
    from dicomarray.query.config import Config

Template = Inputs | Series | Volume


@dataclass(frozen=True, slots=True)
class Choice:
    """Which series (UID, filter config) and which volume of it is meant; ``index`` is an index file."""

    series: str | None = None
    volume: int | None = None
    config: Config = None
    index: PathLike | None = None


Found = Sequence[Place] | Series | Volume


def found(template: Template | None, choice: Choice) -> Found:
    """What is in hand, or the paths: several may come from an iterator, which can be read once only."""
    return template if isinstance(template, Series | Volume) else searched(template, choice.index)


def template_places(template: Found, choice: Choice) -> list[Place]:
    """Where the template lies: nothing may be written there.

    Raises
    ------
    UsageError
        Where a series or volume is in hand, and is to be chosen as well.
    """
    if isinstance(template, Sequence):
        return list(template)
    if (choice.series, choice.config, choice.index) != (None, None, None):
        raise UsageError("the template is in hand: series, config and index choose one below a path")
    if isinstance(template, Series):
        return list({header.path.parent for header in template.instances})
    return list({path.parent for path in template.files})


def template_stack(
    template: Found,
    choice: Choice,
    reading: ReadOptions = KEEP,
    *,
    progress: Progress | None = None,
    made_from: str | None = None,
) -> Stack:
    """The one stack; ``made_from`` is the series that the array says it was made from.

    Raises
    ------
    ChoiceError
        Where there are several series or volumes.
    TemplateError
        Where a volume in hand does not say of which files it was made.
    """
    if isinstance(template, Series):
        return template.stack(reading, choice.volume)
    if isinstance(template, Volume):
        return _stack_of(template, choice.volume, UNPLACED if template.geometry is None else reading)
    series = choose_series(
        template,
        choice.series,
        choice.config,
        progress,
        made_from=made_from if choice.config is None else None,
        index=choice.index,
    )
    return series.stack(reading, choice.volume)


def _stack_of(volume: Volume, index: int | None, reading: ReadOptions) -> Stack:
    """The stack that a volume was read from."""
    files = list(dict.fromkeys(volume.files))
    if not files:
        raise TemplateError(
            f"{volume!r} was not read from DICOM files here, so it cannot be a template: give the folder of "
            "its series"
        )
    uid = volume.series.get("SeriesInstanceUID")
    stacks = choose_series(files, str(uid) if uid else None).stacks(reading)
    if index is None and len(stacks) > 1:
        return _with_images_of(stacks, volume)
    if index is not None and not 0 <= index < len(stacks):
        raise UsageError(f"the volume's files hold the volumes 0 to {len(stacks) - 1}, not {index}")
    return stacks[index or 0]


def _with_images_of(stacks: Sequence[Stack], volume: Volume) -> Stack:
    images = {(record.get("SOPInstanceUID"), record.get("frame")) for record in volume.slices}
    holding = [
        stack
        for stack in stacks
        if any((frame.attributes.get("SOPInstanceUID"), frame.index) in images for frame in stack.frames)
    ]
    if len(holding) != 1:
        raise ChoiceError(
            f"the files of {volume!r} hold {len(stacks)} volumes; say which is the template (volume=N)"
        )
    return holding[0]
