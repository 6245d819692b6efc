"""Structure sets as masks: on the series that they refer to, or on another grid of the same coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.series import KEEP, Series
from dicomarray.assembly.volumes.assemble import grid_of
from dicomarray.catalog.series_selection import Inputs, ScanRequest, select
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import ChoiceError, InputError, SegmentationError
from dicomarray.objects.structure_set.contents import StructureSet
from dicomarray.objects.structure_set.on_grid import segmentation_on
from dicomarray.objects.structure_set.reading import read_structure_set
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.segmentation import Segmentation
from dicomarray.storage.places import Place
from dicomarray.storage.references import Reference, file_of
from dicomarray.volume import Volume

Grid = Series | Volume | Segmentation | Inputs


@pydicom_quiet
def load_structure_set(
    reference: Reference,
    on: Grid | None = None,
    *,
    beside: Sequence[Series] = (),
    occupancy: bool = False,
) -> Segmentation:
    """The masks of an RT Structure Set.

    Parameters
    ----------
    reference
        What opens the structure set.
    on
        The grid that masks come on: a series, a volume, or a path of one; None: the series that the structure
        set refers to, among those ``beside`` it, else in its folder and the one around that.
    occupancy
        The covered part of each voxel, float32 in [0, 1], instead of the voxels whose centre lies inside.

    Raises
    ------
    SegmentationError
        Where the series that it refers to is not at hand; the message names it.
    InputError
        Where a file cannot be read.
    """
    structures = read_structure_set(reference)
    return segmentation_on(structures, _grid(structures, reference, on, beside), occupancy=occupancy)


def _grid(
    structures: StructureSet, reference: Reference, on: Grid | None, beside: Sequence[Series]
) -> VolumeInfo:
    if isinstance(on, Volume | Segmentation):
        return on.info
    if isinstance(on, Series):
        return grid_of(_stack(on, structures))
    if on is not None:
        return grid_of(_stack(_chosen(on, structures), structures))
    found = _referred(structures, beside) or _looked_for(structures, reference)
    if found is None:
        raise SegmentationError(f"{reference}: {_wanted(structures)}")
    return grid_of(_stack(found, structures))


def _chosen(on: Inputs, structures: StructureSet) -> Series:
    """The series under a path: that which the structure set refers to, or else the only one."""
    found = select(ScanRequest(on))
    return _referred(structures, found.series) or found.one()


def _referred(structures: StructureSet, series: Sequence[Series]) -> Series | None:
    """The first of some series that the structure set refers to."""
    uids = {one.series_uid for one in structures.series}
    images = {uid for one in structures.series for uid in one.instances}
    for one in series:
        if one.is_image and (one.uid in uids or any(_uid(h) in images for h in one.instances)):
            return one
    return None


def _uid(header: object) -> str | None:
    text = getattr(header, "text")  # noqa: B009
    return text("SOPInstanceUID")  # type: ignore[no-any-return]


def _looked_for(structures: StructureSet, reference: Reference) -> Series | None:
    """The series in the folder of the structure set, or in those beside that folder."""
    place: Place = file_of(reference)
    if not isinstance(place, Path):
        return None
    folder = place.resolve().parent
    for where in (folder, folder.parent):
        try:
            found = _referred(structures, select(ScanRequest(where)).series)
        except InputError:
            continue
        if found is not None:
            return found
    return None


def _wanted(structures: StructureSet) -> str:
    """What a user has to bring."""
    named = [one for one in structures.series if one.series_uid]
    if not named:
        return (
            "it does not name the series that it was drawn on (RT Referenced Series Sequence); give the "
            "images that its masks are to lie on (on=, --on)"
        )
    series = ", ".join(f"{one.series_uid} ({len(one.instances)} images)" for one in named[:3])
    return (
        f"it refers to series {series} of study {named[0].study_uid or structures.study_uid}, which does not "
        "lie beside it; give its folder, or other images of the same Frame of Reference (on=, --on)"
    )


def _stack(series: Series, structures: StructureSet) -> Stack:
    """The volume of a series that the contours lie on."""
    stacks = [stack for stack in series.stacks(KEEP) if stack.geometry is not None]
    if len(stacks) == 1:
        return stacks[0]
    images = {uid for one in structures.series for uid in one.instances}
    counts = [
        sum(frame.attributes.get("SOPInstanceUID") in images for frame in stack.frames) for stack in stacks
    ]
    if stacks and counts.count(max(counts)) == 1:
        return stacks[counts.index(max(counts))]
    if not stacks:
        raise SegmentationError(f"series {series.title} has no place in the patient: no contour lies on it")
    raise ChoiceError(
        f"series {series.title} holds {len(stacks)} volumes, and the structure set does not say which it was "
        "drawn on; give the volume (on=series.volume(index=N))"
    )
