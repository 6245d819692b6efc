"""Which stack is the template: one below a path or in an index, that of a series or of a volume in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import UNPLACED, Series
from dicomarray.catalog.series_selection import Inputs, ScanRequest, select
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import TemplateError, UsageError
from dicomarray.storage.atomic import refuse_inside
from dicomarray.volume import Volume

Template = Inputs | Series | Volume
_Template = ScanRequest | Series | Volume


def in_hand_or_asked(template: Template | None, volume: int | None, output: Path, **asked: Any) -> _Template:
    """The series or volume in hand, or else the request for one, of which nothing is read yet.

    Raises UsageError where a series or volume is in hand, and is to be chosen as well; OutputError where the
    output would lie where the template does.
    """
    if not isinstance(template, Series | Volume):
        request = ScanRequest(template, volume=volume, **asked)
        request.refuse_as_output(output)
        return request
    if any(asked[name] is not None for name in ("series", "config", "index")):
        raise UsageError("the template is in hand: series, config and index choose one below a path")
    files = template.files if isinstance(template, Volume) else [one.reference for one in template.instances]
    for folder in {path.parent for path in files}:
        refuse_inside(output, folder)
    return template


def template_stack(
    template: _Template,
    volume: int | None,
    reading: ReadOptions,
    made_from: VolumeInfo | None = None,
) -> Stack:
    """The one stack; where there are several the one of whose images the array says that it was made.

    ``made_from`` is what is known of the array.

    Raises ChoiceError where there are several series or volumes; TemplateError where a volume in hand does
    not say of which files it was made.
    """
    if isinstance(template, Volume):
        own = UNPLACED if template.geometry is None else reading
        return _chosen(_series_of(template), volume, own, template.info)
    if isinstance(template, Series):
        return _chosen(template, volume, reading, made_from)
    uid = None if made_from is None else made_from.series.get("SeriesInstanceUID")
    series = select(template).one(str(uid) if uid else None)
    return _chosen(series, template.volume, reading, made_from)


def _series_of(volume: Volume) -> Series:
    """The series that a volume was read from: its files alone."""
    files = list(dict.fromkeys(volume.files))
    if not files:
        raise TemplateError(
            f"{volume!r} was not read from DICOM files here, so it cannot be a template: give the folder of "
            "its series"
        )
    uid = volume.series.get("SeriesInstanceUID")
    return select(ScanRequest(files, series=str(uid) if uid else None)).one()


def _chosen(series: Series, index: int | None, reading: ReadOptions, made_from: VolumeInfo | None) -> Stack:
    stacks = series.stacks(reading)
    if index is None and made_from is not None and len(stacks) > 1:
        images = {(record.get("SOPInstanceUID"), record.get("frame")) for record in made_from.slices}
        holding = [
            stack
            for stack in stacks
            if any((one.header.text("SOPInstanceUID") or "", one.index) in images for one in stack.frames)
        ]
        if len(holding) == 1:
            return holding[0]
    return series.one_of(stacks, index)
