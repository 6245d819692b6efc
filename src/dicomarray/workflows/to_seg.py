"""Labels to DICOM: masks of a series as a DICOM Segmentation that refers to its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import ArrayLike

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.series import KEEP, UNPLACED
from dicomarray.assembly.volumes.assemble import grid_of
from dicomarray.core.options import made_of, takes
from dicomarray.core.pixel_values import Array
from dicomarray.errors import DataError, VerificationError
from dicomarray.formats.segment_list import Segments
from dicomarray.objects.common.files import WriteReport
from dicomarray.objects.segmentation.description import read_description
from dicomarray.objects.segmentation.frames import stored_fraction
from dicomarray.objects.segmentation.options import Kind, SegmentationKeywords, SegmentationOptions
from dicomarray.objects.segmentation.reading import read_label_images, read_masks
from dicomarray.objects.segmentation.request import SegmentationRequest
from dicomarray.objects.segmentation.writing import write_segmentation
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.segmentation import Segmentation
from dicomarray.sources.base import Progress
from dicomarray.storage.places import PathLike, Url
from dicomarray.volume import Volume
from dicomarray.workflows.given_labels import Labels, given_labels, images_of_labels, labels_at
from dicomarray.workflows.labels_on_template import first_repetition, place_labels
from dicomarray.workflows.push import local_or_stored
from dicomarray.workflows.templates import Template, in_hand_or_asked, template_stack

if TYPE_CHECKING:
    from dicomarray.query.config import Config


@takes(SegmentationOptions)
def to_seg(  # noqa: PLR0913 - the template, the labels' place and meaning, by name
    labels: Labels,
    template: Template | None,
    output: PathLike | Url,
    segments: Segments | None = None,
    kind: Kind = "binary",
    *,
    input_json: PathLike | None = None,
    affine: ArrayLike | PathLike | None = None,
    time: int | None = None,
    series: str | None = None,
    volume: int | None = None,
    config: Config = None,
    index: PathLike | None = None,
    progress: Progress | None = None,
    **options: Unpack[SegmentationKeywords],
) -> WriteReport:
    """Write masks as a DICOM Segmentation (SEG) of a series: one file in a new series of its study.

    Parameters
    ----------
    labels
        (slices, rows, columns) of whole numbers, 0 for background; a bool mask; a mapping from names to
        masks, which may overlap (fractions from 0 to 1 for ``kind="fractional"``); a `Segmentation`, a
        `Volume`; or the path of a ``.npy``, with its sidecar where one lies beside it,
        or of a ``.nii`` or ``.nii.gz``.
    template
        The series that was segmented: a folder or file, or several; a `Series`; a `Volume` that was read from
        DICOM files; with ``index`` it may be None.
    output
        A folder for the new series, or the address of a PACS, where it is stored.
    segments
        What the labels are: names by number, ``{1: "liver", 2: "spleen"}``, or `Segment` objects, or the path
        of a JSON of either; names are looked up in the table of coded terms.
    input_json
        The labels' sidecar, where it does not lie beside them.
    affine
        4x4 from the index (slice, row, column) to LPS mm, where an array does not lie on the template's grid.
    time
        Of a template with repetitions: the mask is one of this step, counted from 0; without it of all.
    series, volume, config, index
        Which series (UID or a filter config) and volume (its index) is the template, where there are several.
    progress
        Called with the number of files of the template's folder that were looked at.
    options
        How to write: those of `SegmentationOptions`, below.

    Raises
    ------
    SegmentationError
        Where a label has no name, a name is no known structure, or the kind cannot hold the masks.
    TemplateError, GeometryError
        Where the labels do not lie on the template's slices.
    VerificationError
        Where what was written does not read back as asked; nothing is left behind.
    OutputError
        Where the output exists and ``overwrite`` is not set, or lies inside the template folder.
    """
    checked = made_of(SegmentationOptions, {"kind": kind, **options})

    def made(folder: Path) -> WriteReport:
        wanted = in_hand_or_asked(
            template, volume, folder, series=series, config=config, index=index, progress=progress
        )
        given = labels_at(labels, input_json, affine)
        placed = not isinstance(given, Volume | Segmentation) or given.geometry is not None
        stack = template_stack(wanted, volume, KEEP if placed else UNPLACED, images_of_labels(given))
        return write_seg_like(given, stack, folder, checked, segments, time)

    return local_or_stored(output, made)


@pydicom_quiet
def write_seg_like(
    labels: Labels,
    stack: Stack,
    output: Path,
    options: SegmentationOptions,
    segments: Segments | None = None,
    time: int | None = None,
) -> WriteReport:
    """`to_seg` with a template that is found already."""
    request = place_labels(given_labels(labels, segments, grid_of(first_repetition(stack))), stack, time)

    def check(files: Sequence[Path], _: WriteReport) -> None:
        _verify(files[0], request, options)

    return write_segmentation(request, output, options, check if options.verify else None)


def _verify(path: Path, request: SegmentationRequest, options: SegmentationOptions) -> None:
    """Read a file back and compare every mask on the grid of what was asked for."""
    asked = request.segmentation
    grid = replace(asked.info, segments=(), slices=_records(request))
    try:
        file = read_description(path)
        if sorted(one.number for one in file.segments.values()) != [one.number for one in asked.segments]:
            raise VerificationError("the written segmentation reads back with other segments")
        if options.kind == "labelmap":
            _compare_labels(asked, read_label_images(file, grid))
        else:
            _compare_masks(asked, read_masks(file, grid), options.kind)
    except VerificationError:
        raise
    except DataError as error:
        raise VerificationError(f"what was written cannot be read back: {error}") from error


def _compare_labels(asked: Segmentation, images: Iterable[tuple[int, Array]]) -> None:
    """Compare image by image, so that no second array of them is needed; what is in none has no label."""
    different, unseen = set[int](), set(range(asked.shape[0]))
    for index, image in images:
        unseen.discard(int(index))
        if not np.array_equal(asked.label_image(index), image):
            different.add(int(index))
    different |= {index for index in unseen if asked.label_image(index).any()}
    if different:
        raise VerificationError(f"the labels read back different in the slices {sorted(different)!s:.80}")


def _compare_masks(asked: Segmentation, found: Segmentation, kind: Kind) -> None:
    if kind != "fractional" and not (asked.overlapping or found.overlapping):
        _compare_labels(asked, ((index, found.label_image(index)) for index in range(asked.shape[0])))
        return
    present = asked.presence(), found.presence()
    for segment in asked.segments:
        inside = present[0][segment.number]
        if kind == "binary" and not np.array_equal(inside, present[1][segment.number]):
            raise VerificationError(f'"{segment.label}" reads back in other slices than it was asked for')
        for index in inside:
            one, other = asked.slice_of(segment.number, index), found.slice_of(segment.number, index)
            if kind == "fractional":
                one, other = stored_fraction(one), stored_fraction(other)
            if not np.array_equal(one, other):
                raise VerificationError(f'"{segment.label}" reads back different in slice {index}')


def _records(request: SegmentationRequest) -> tuple[dict[str, object], ...]:
    """The images of each slice, as a volume's records have them; by these masks without a place are found."""
    if request.planes:
        return ()
    first = [sources[0] for sources in request.sources if sources]
    if len(first) < len(request.sources):
        return ()
    return tuple({"SOPInstanceUID": one.instance_uid, "frame": (one.frame or 1) - 1} for one in first)
