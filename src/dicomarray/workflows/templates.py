"""Which stack is the template: one below a path or in an index, that of a series or of a volume in hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import UNPLACED, Series
from dicomarray.catalog.series_selection import Inputs, ScanRequest, select
from dicomarray.errors import ChoiceError, TemplateError, UsageError
from dicomarray.storage.atomic import refuse_inside
from dicomarray.volume import Volume

Template = Inputs | Series | Volume
_Template = ScanRequest | Series | Volume


def in_hand_or_asked(template: Template | None, volume: int | None, output: Path, **asked: Any) -> _Template:
    """The series or volume in hand, or else the request for one, of which nothing is read yet.

    Raises
    ------
    UsageError
        Where a series or volume is in hand, and is to be chosen as well.
    OutputError
        Where the output would lie where the template does.
    """
    if not isinstance(template, Series | Volume):
        request = ScanRequest(template, volume=volume, **asked)
        request.refuse_as_output(output)
        return request
    if any(asked[name] is not None for name in ("series", "config", "index")):
        raise UsageError("the template is in hand: series, config and index choose one below a path")
    files = template.files if isinstance(template, Volume) else [one.path for one in template.instances]
    for folder in {path.parent for path in files}:
        refuse_inside(output, folder)
    return template


def template_stack(
    template: _Template,
    volume: int | None,
    reading: ReadOptions,
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
        return template.stack(reading, volume)
    if isinstance(template, Volume):
        return _stack_of(template, volume, UNPLACED if template.geometry is None else reading)
    return select(template).stack(reading, made_from)


def _stack_of(volume: Volume, index: int | None, reading: ReadOptions) -> Stack:
    """The stack that a volume was read from."""
    files = list(dict.fromkeys(volume.files))
    if not files:
        raise TemplateError(
            f"{volume!r} was not read from DICOM files here, so it cannot be a template: give the folder of "
            "its series"
        )
    uid = volume.series.get("SeriesInstanceUID")
    stacks = select(ScanRequest(files, series=str(uid) if uid else None)).one().stacks(reading)
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
