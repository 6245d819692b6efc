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
    volume: int | None = None,
    occupancy: bool = False,
) -> Segmentation:
    """The masks of an RT Structure Set, which ``reference`` opens; see `load_segmentation`.

    Without ``on`` they come on the series that the structure set refers to, among those ``beside`` it, else
    in its folder and those next to that; raises SegmentationError, which names it, where it is not at hand.
    """
    structures = read_structure_set(reference)
    return segmentation_on(structures, _grid(structures, reference, on, beside, volume), occupancy=occupancy)


def _grid(
    structures: StructureSet,
    reference: Reference,
    on: Grid | None,
    beside: Sequence[Series],
    volume: int | None,
) -> VolumeInfo:
    if isinstance(on, Volume | Segmentation):
        return on.info
    if isinstance(on, Series):
        return grid_of(_stack(on, structures, volume))
    if on is not None:
        return grid_of(_stack(_chosen(on, structures), structures, volume))
    found = _referred(structures, beside) or _looked_for(structures, reference)
    if found is None:
        raise SegmentationError(f"{reference}: {_wanted(structures)}{_candidate(structures, beside)}")
    return grid_of(_stack(found, structures, volume))


def _chosen(on: Inputs, structures: StructureSet) -> Series:
    """The series under a path: that which the structure set refers to, or else the only one."""
    found = select(ScanRequest(on))
    return _referred(structures, found.series) or found.one()


def _referred(structures: StructureSet, series: Sequence[Series]) -> Series | None:
    """The first of some series that the structure set refers to."""
    uids = {one.series_uid for one in structures.series}
    images = {uid for one in structures.series for uid in one.instances}
    for one in series:
        if not one.is_image or one.is_segments:
            continue
        if one.uid in uids or any(header.text("SOPInstanceUID") in images for header in one.instances):
            return one
    return None


def _looked_for(structures: StructureSet, reference: Reference) -> Series | None:
    """The series in the folder of the structure set, or in a folder beside that one; not below these."""
    place: Place = file_of(reference)
    if not isinstance(place, Path):
        return None
    folder = place.resolve().parent
    for folders in ((folder,), _folders_in(folder.parent)):
        files = [file for one in folders for file in _files_in(one)]
        if (found := _referred(structures, _series_of(files))) is not None:
            return found
    return None


def _series_of(files: Sequence[Path]) -> Sequence[Series]:
    """The series of files that were just listed; those of others may be gone by now."""
    while files:
        try:
            return select(ScanRequest(files)).series
        except InputError:
            left = [file for file in files if file.exists()]
            if len(left) == len(files):
                raise
            files = left
    return ()


def _files_in(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except OSError:  # a folder of somebody else, which nobody asked for
        return []


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [folder, *(path for path in folder.iterdir() if path.is_dir())]
    except OSError:
        return []


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


def _candidate(structures: StructureSet, beside: Sequence[Series]) -> str:
    """Which series beside it counts in the same coordinates, and may be meant."""
    frames = {series.frame_of_reference_uid for series in structures.series}
    frames = (frames | {roi.frame_of_reference_uid or "" for roi in structures.rois}) - {""}
    for one in beside:
        if not one.is_segments and one.attributes.get("FrameOfReferenceUID") in frames:
            return f"; series {one.title}, which lies beside it, has this Frame of Reference"
    return ""


def _stack(series: Series, structures: StructureSet, volume: int | None) -> Stack:
    """The volume of a series that the contours lie on."""
    if volume is not None:
        return series.stack(KEEP, volume)
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
        "drawn on; say which (volume=N), or give it (on=series.volume(index=N))"
    )
