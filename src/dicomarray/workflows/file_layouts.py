"""Arrays for templates whose files hold more than a grey slice: colour, loops of frames, mosaics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dicomarray.assembly.frames.frame import Frame, by_file, frames_of
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.core.pixel_values import Array
from dicomarray.errors import TemplateError
from dicomarray.objects.derived_image.image_classes import is_classic
from dicomarray.objects.derived_image.request import Source, WriteRequest

SAMPLES = 3


def template_name(stack: Stack) -> str:
    """The template in a message."""
    return f"template series {stack.frames[0].header.text('SeriesInstanceUID')}"


def is_grouped(stack: Stack) -> bool:
    """Whether a file of the template holds several images that one header describes: a mosaic or a loop."""
    first = stack.frames[0]
    if first.tile is not None:
        return True
    several = first.header.attributes.get("NumberOfFrames") not in (None, 1)
    return several and is_classic(first.header.text("SOPClassUID") or "")


def check_colours(array: Array, stack: Stack) -> None:
    """Colour goes into colour, grey into grey.

    Raises TemplateError where they are not of one kind; the message says what would do.
    """
    own_shape = (*stack.shape, stack.frames[0].rows, stack.frames[0].columns)
    in_colour = array.ndim == len(own_shape) + 1 and array.shape[-1] == SAMPLES
    if in_colour == stack.kind.colour:
        return
    shown, name = f"the array has the shape {array.shape}", template_name(stack)
    if not in_colour:
        raise TemplateError(
            f"{shown}, and {name} is in colour, {(*own_shape, SAMPLES)}: give red, green and blue as a last "
            "axis (numpy.repeat(array[..., None], 3, axis=-1) makes grey of it), or take a grey series as "
            "template"
        )
    if stack.frames[0].attributes.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise TemplateError(
            f"{shown}, and {name} holds indices into a palette of colours: write the indices (read with "
            'palette="indices"), or take a series in RGB as template'
        )
    raise TemplateError(
        f"{shown}, three samples a pixel, and {name} is grey, {own_shape}: write one value a pixel, or take "
        "a series in colour as template, such as an ultrasound or Secondary Capture in RGB"
    )


def as_files(request: WriteRequest, stack: Stack) -> WriteRequest:
    """A request of which each image is all that a file holds: tiles placed in their picture, or frames.

    The array becomes (files, rows, columns), or (files, frames, rows, columns); colour samples last.  What no
    tile covers is 0.

    Raises TemplateError where the array has not all images of a file.
    """
    if not is_grouped(stack):
        return request
    images = request.array.reshape(len(stack.frames), *request.array.shape[len(stack.shape) :])
    groups = [sorted(group, key=lambda n: stack.frames[n].index) for group in by_file(stack.frames)]
    for members in groups:
        frames = [stack.frames[index] for index in members]
        path, whole = frames[0].header.reference, len(frames_of(frames[0].header))
        if [frame.index for frame in frames] != list(range(whole)):
            raise TemplateError(
                f"{path} holds {whole} images, and the array has {len(frames)} of them: a file is written "
                "with all of its images; choose a volume that has them"
            )
    tiled = stack.frames[0].tile is not None
    pictures = _pictures(images, groups, stack.frames) if tiled else _loops(images, groups, stack.frames)
    sources = tuple(
        Source(stack.frames[first].header.reference, rescale=request.sources[first].rescale)
        for first, *_ in groups
    )
    return replace(request, array=pictures, sources=sources, tiled=tiled)


def _pictures(images: Array, groups: Sequence[Sequence[int]], frames: Sequence[Frame]) -> Array:
    header = frames[0].header
    size = [int(header.number(keyword) or 0) for keyword in ("Rows", "Columns")]
    pictures = np.zeros((len(groups), *size), images.dtype)
    for picture, members in zip(pictures, groups, strict=True):
        for index in members:
            tile = frames[index].tile
            assert tile is not None  # all frames of a mosaic have one
            tile.place(picture, images[index])
    return pictures


def _loops(images: Array, groups: Sequence[Sequence[int]], frames: Sequence[Frame]) -> Array:
    sizes = {len(members) for members in groups}
    if len(sizes) > 1:
        raise TemplateError(
            f"{frames[0].header.reference} and the other files of the template have loops of {sorted(sizes)} "
            "frames: take a single file as template"
        )
    order = [index for members in groups for index in members]
    ordered = images if order == list(range(len(images))) else images[order]
    frames_a_file = sizes.pop()
    return ordered if frames_a_file == 1 else ordered.reshape(len(groups), frames_a_file, *images.shape[1:])
