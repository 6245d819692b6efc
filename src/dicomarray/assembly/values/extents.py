"""The least and the greatest stored value of images."""

from __future__ import annotations

from collections.abc import Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.frames.instance_files import ImageFiles


def stored_extents(frames: Sequence[Frame]) -> list[tuple[float, float]]:
    """Of each frame; reads all pixels, one image at a time.

    Raises
    ------
    InputError, HeaderError, PixelError
        As `ImageFiles.open` and `FrameReader.read`.
    """
    found: dict[int, tuple[float, float]] = {}
    members: dict[int, list[int]] = {}
    for index, frame in enumerate(frames):
        members.setdefault(id(frame.header), []).append(index)
    with ImageFiles([frame.header for frame in frames]) as files:
        for indices in members.values():
            with files.open(frames[indices[0]].header) as reader:
                for index in indices:
                    tile = frames[index].tile
                    image = (
                        reader.read(frames[index].index)[0] if tile is None else tile.cut(reader.read(0)[0])
                    )
                    found[index] = float(image.min()), float(image.max())
    return [found[index] for index in range(len(frames))]
