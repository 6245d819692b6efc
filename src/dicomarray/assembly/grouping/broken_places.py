"""Images whose place is broken, where places are to be ignored: which others lose theirs with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.image_kind import Kind

Groups = list[tuple[Kind, list[Frame]]]


def broken_place(frames: Sequence[Frame]) -> str | None:
    """Why the place of one of the frames is unknown; None where nothing is broken."""
    return next((frame.broken for frame in frames if frame.broken is not None), None)


def with_broken_places(groups: Groups) -> Groups:
    """Groups of one kind and orientation, those with a broken place joined to the stack that they are of.

    That is the one stack of their kind: all of it is read without a place.  Where several stacks differ in
    nothing but orientation and pixel spacing nothing says which it is; they stay as they are.
    """
    if all(broken_place(members) is None for _, members in groups):
        return groups
    found = list(groups)
    for kind, members in groups:
        if broken_place(members) is None:
            continue
        stacks = [group for group in found if group[0].placed and _anywhere(group[0]) == _anywhere(kind)]
        if len(stacks) == 1:
            joined = sorted([*members, *stacks[0][1]], key=lambda frame: frame.order)
            first, second = (i for i, (_, there) in enumerate(found) if there in (members, stacks[0][1]))
            found[first] = (kind, joined)
            del found[second]
    return found


def _anywhere(kind: Kind) -> Kind:
    return replace(kind, placed=False, pixel_spacing=(0.0, 0.0))
