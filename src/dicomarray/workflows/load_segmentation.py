"""Segmentations of any kind -> a `Segmentation` on the grid that is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.series import KEEP, Series
from dicomarray.assembly.volumes.assemble import grid_of
from dicomarray.catalog.scan import scan
from dicomarray.catalog.series_selection import Inputs, ScanRequest, series_line
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.plain_text import one_line
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.segment_objects import STRUCTURE_SET
from dicomarray.errors import ChoiceError, InputError, SegmentationError, UsageError
from dicomarray.objects.segmentation.description import SegmentationFile, read_description
from dicomarray.objects.segmentation.grids import image_size, own_grid, place_frames
from dicomarray.objects.segmentation.reading import read_masks
from dicomarray.objects.segmentation.steps import of_step
from dicomarray.segmentation import Segmentation
from dicomarray.volume import Volume
from dicomarray.workflows.structure_sets import Grid, load_structure_set
from dicomarray.workflows.to_numpy import MaskReading

Resampling = Literal["nearest"]


def load_segmentation(
    path: Inputs,
    on: Grid | None = None,
    *,
    series: str | None = None,
    resample: Resampling | None = None,
    volume: int | None = None,
    time: int | None = None,
    occupancy: bool = False,
) -> Segmentation:
    """The masks of a DICOM Segmentation (SEG) or RT Structure Set.

    Parameters
    ----------
    path
        The file; or a folder, or several, that hold one.
    on
        The images whose grid the masks come on, voxel for voxel: a `Series`, a `Volume`, or a path.  Without
        it those that were segmented, where they lie beside the file (in its folder, or below ``path``), else
        the masks' own grid, without holes.
    series
        The UID of the segmentation's series, where there are several.
    resample
        ``"nearest"``: on any other grid too, by the nearest voxel; without it another grid is an error.
    volume
        Which volume of the series ``on`` is meant, where it holds several: its index.
    time
        Of a SEG whose masks are of several steps (time points) of its images: which, counted from 0.
    occupancy
        Of a structure set the covered part of each voxel, `Segmentation.fraction`, instead of the voxels
        whose centre lies inside.

    Raises
    ------
    InputError
        Where there is no segmentation, or it cannot be read.
    ChoiceError
        Where there are several; the message lists them.
    SegmentationError
        Where the file breaks a rule that its masks depend on, or they do not lie on the grid.
    """
    reading = MaskReading(on, resample, time, volume, occupancy)
    request = ScanRequest(path, series=series)
    catalog = scan(path)
    named = [one for one in catalog if series in (None, one.uid)]
    skipped = f"; {catalog.skipped[0].path}: {catalog.skipped[0].reason}" if catalog.skipped else ""
    chosen = one_segmentation(named, str(request), skipped)
    return load_from(chosen, catalog, reading)


def one_segmentation(among: Iterable[Series], where: str, skipped: str = "") -> Series:
    """The one series of masks.

    Raises InputError where there is none; ``skipped`` are further words about why; ChoiceError where there
    are several; the message lists them.
    """
    found = tuple(among)
    holding = [one for one in found if one.is_segments]
    if not holding:
        images = [one for one in found if one.is_image]
        stated = f"; what it holds are images: {series_line(images[0])}" if images else ""
        raise InputError(f"{where}: there is no DICOM Segmentation or RT Structure Set{stated}{skipped}")
    if len(holding) > 1:
        lines = "\n".join(f"  {series_line(one)}" for one in holding)
        raise ChoiceError(
            f"{where} holds {len(holding)} series of segmentations; choose one by its UID (series=UID, "
            f"--series UID), or name its file\n{lines}"
        )
    return holding[0]


def load_from(segmented: Series, beside: Iterable[Series], asked: MaskReading) -> Segmentation:
    """As `load_segmentation`, of a series found already; ``beside`` are those scanned with it."""
    if asked.resample not in (None, "nearest"):
        raise UsageError(f'resample="{asked.resample}" is unknown; there is: nearest')
    images = tuple(one for one in beside if one.is_image and not one.is_segments)
    header = _one_instance(segmented)
    if header.text("SOPClassUID") == STRUCTURE_SET:
        if asked.time is not None:
            raise UsageError(
                f"time={asked.time} (--time) is for segmentations: contours of a structure set are of "
                "places, whichever images they name; leave it out"
            )
        return load_structure_set(
            header.reference, asked.on, beside=images, volume=asked.volume, occupancy=asked.occupancy
        )
    if asked.occupancy:
        raise UsageError(
            "occupancy=True is for structure sets; a fractional segmentation has seg.fraction(NAME)"
        )
    return _from_seg(read_description(header.reference), images, asked)


def _one_instance(segmented: Series) -> Header:
    among = segmented.segmentations
    if len(among) > 1:
        lines = "\n".join(f"  {one.instances[0].reference}: {_said_of(one)}" for one in among)
        raise ChoiceError(
            f"series {segmented.title} holds {len(among)} segmentations; name the file of one of them, or "
            f"take all with to-nifti or to-numpy into a folder (-o DIR/, -n DIR/):\n{lines}"
        )
    return among[0].instances[0]


def _said_of(one: Series) -> str:
    """What tells a segmentation from others of its series: its UID, and what it has masks of."""
    names = ", ".join(one.segments)
    return one_line(f"SOP Instance {one.instances[0].text('SOPInstanceUID')}, {names!s:.80}")


def _images_beside(file: SegmentationFile, images: Iterable[Series]) -> list[Series]:
    """The series that hold what was segmented: among those that were scanned, else in the file's folder."""
    here = [one for one in images if _holds(one, file.source_instances)]
    if here or not isinstance(file.path, Path):
        return here
    files = [path for path in file.path.parent.iterdir() if path.is_file() and path != file.path]
    return [one for one in scan(files) if _holds(one, file.source_instances)] if files else []


def _holds(series: Series, instances: frozenset[str]) -> bool:
    return any(header.text("SOPInstanceUID") in instances for header in series.instances)


def _from_seg(file: SegmentationFile, images: Iterable[Series], asked: MaskReading) -> Segmentation:
    if asked.on is None:
        grid = _default_grid(file, images)
        return read_masks(of_step(file, grid, asked.time), grid)
    grid = grid_for(asked.on, file.source_instances, asked.volume)
    _check_coordinates(file, grid)
    chosen = of_step(file, grid, asked.time)
    if asked.resample is None or grid.geometry is None or not file.placed or _fits(file, grid):
        return read_masks(chosen, grid)
    return read_masks(chosen, own_grid(file)).resampled(grid)


def _check_coordinates(file: SegmentationFile, grid: VolumeInfo) -> None:
    """Places can be compared only in one Frame of Reference, or on the very images that were segmented."""
    own, other = file.frame_of_reference_uid, grid.geometry and grid.geometry.frame_of_reference_uid
    if not own or not other or own == other:
        return
    if any(record.get("SOPInstanceUID") in file.source_instances for record in grid.slices):
        return
    raise SegmentationError(
        f"{file.path} counts in other coordinates than the grid asked for: FrameOfReferenceUID is {own}, and "
        f"{other} there. Give the images that were segmented, or register both first"
    )


def _default_grid(file: SegmentationFile, images: Iterable[Series]) -> VolumeInfo:
    """That of the images that were segmented, where they lie beside the file and the masks lie on it."""
    beside = _images_beside(file, images)
    for series in beside:
        stacks = [stack for stack in series.stacks(KEEP) if _count(stack, file.source_instances)]
        for stack in sorted(stacks, key=lambda stack: -_count(stack, file.source_instances)):
            if _fits(file, grid := grid_of(stack)):
                return grid
    own = own_grid(file)
    return replace(own, warnings=own.warnings + _own_grid_warning(file, own, bool(beside)))


def _own_grid_warning(file: SegmentationFile, own: VolumeInfo, beside: bool) -> Warnings:
    """That slices may be missing: which images there were besides those with a mask, few files say."""
    slices, named = own.shape[0], len(file.source_instances)
    why = "the images that were segmented do not lie beside the file"
    if beside:
        why = "the masks do not lie on the images beside the file that it names"
    count = f" for {named} images" if named > slices else ""
    return warning(
        f"{why}: the masks come on a grid of their own, {slices} slices{count}. Images without a mask at "
        "either end have no slice; give the images for the whole grid (on=, --on) [masks-own-grid]"
    )


def _fits(file: SegmentationFile, grid: VolumeInfo) -> bool:
    """Whether all frames lie on the grid, with all of their pixels."""
    places = place_frames(file, grid)
    rows, columns = image_size(grid)
    return not isinstance(places, str) and all(
        place.within((file.rows, file.columns), rows, columns) for place in places
    )


def grid_for(on: Grid, instances: frozenset[str], volume: int | None) -> VolumeInfo:
    """The grid of images that are in hand, or lie below a path; ``instances`` are those that it was made of.

    Raises ChoiceError where there are several, and the instances do not say which.
    """
    if isinstance(on, Volume | Segmentation):
        return on.info
    if not isinstance(on, Series):
        on = _series_of(on, instances)
    stacks = on.stacks(KEEP)
    if volume is None and len(stacks) > 1:
        holding = [stack for stack in stacks if _count(stack, instances)]
        stacks = holding if len(holding) == 1 else stacks
    if volume is None and len(stacks) == 1:
        return grid_of(stacks[0])
    return grid_of(on.stack(KEEP, volume))


def _series_of(path: Inputs, instances: frozenset[str]) -> Series:
    catalog = scan(path)
    images = [one for one in catalog if one.is_image and not one.is_segments]
    if not images:
        raise InputError(f"{path}: no DICOM images in it whose grid masks could come on")
    holding = [one for one in images if _holds(one, instances)] or images
    if len(holding) > 1:
        lines = "\n".join(f"  {series_line(one)}" for one in holding)
        raise ChoiceError(
            f"{path} holds {len(holding)} series; give one of them as on=, or its folder\n{lines}"
        )
    return holding[0]


def _count(stack: Stack, instances: frozenset[str]) -> int:
    return sum(frame.header.text("SOPInstanceUID") in instances for frame in stack.frames)
