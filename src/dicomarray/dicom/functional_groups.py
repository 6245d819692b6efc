"""What an object of several frames says of all of them, and of each (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dicomarray.dicom.attribute_names import tag_of
from dicomarray.dicom.private_blocks import blocks_of, tags_in_block
from dicomarray.dicom.vr import Value
from dicomarray.errors import HeaderError

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
FUNCTIONAL_GROUPS = (SHARED, PER_FRAME)
# Where a frame says what its real world values are measured in (PS3.3 C.7.6.16.2.11): the code, not its item.
UNITS_CODE = "MeasurementUnitsCodeSequence.CodeValue"
# Where a frame says of which attributes the shared groups say something else.
CONTRADICTED = "SharedFunctionalGroupsSequence.contradicted"
_UNITS = "MeasurementUnitsCodeSequence"
# What these say is of other images, such as the segment that a map was derived from.
_OF_OTHER_IMAGES = frozenset((
    "ConversionSourceAttributesSequence", "DerivationImageSequence", "ReferencedImageSequence",
    "ReferencedInstanceSequence", "SourceImageSequence",
))  # fmt: skip
# What a converter found in classic images and no macro has a place for (PS3.3 C.7.6.16.2.25): where a macro
# says the same, the macro holds.
_UNASSIGNED = frozenset((
    "UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence",
))  # fmt: skip

Items = tuple[Mapping[str, Value], ...]


class FunctionalGroups(NamedTuple):
    """The macros that all frames share, empty where there are none, and those of each frame."""

    shared: Mapping[str, Value]
    per_frame: Items

    @classmethod
    def of(cls, attributes: Mapping[str, Value], path: object) -> FunctionalGroups:
        """Those of a data set; ``path`` is named where they are no sequences.

        Raises
        ------
        HeaderError
            Where they are none.
        """
        shared, per_frame = (_checked_items(attributes, keyword, path) for keyword in FUNCTIONAL_GROUPS)
        return cls(shared[0] if shared else {}, per_frame)

    def __bool__(self) -> bool:
        return bool(self.shared or self.per_frame)

    def check_count(self, frames: object, path: object, required: bool = False) -> None:
        """HeaderError where each frame has a group, or has to, and there are more or fewer ``frames``."""
        if (self.per_frame or required) and len(self.per_frame) != frames:
            raise HeaderError(
                f"{path}: NumberOfFrames is {frames!s:.40}, but {PER_FRAME} has {len(self.per_frame)} items; "
                "the file is damaged"
            )

    def of_frame(self, index: int) -> Mapping[str, Value]:
        """The group of one frame, empty where it has none."""
        return self.per_frame[index] if index < len(self.per_frame) else {}

    def macro(self, index: int, keyword: str) -> Items:
        """The items of a macro: the frame's own, else those of all frames."""
        return items_of(self.of_frame(index).get(keyword)) or items_of(self.shared.get(keyword))


def items_of(value: Value) -> Items:
    """The items of a sequence; none of anything else."""
    found = value if isinstance(value, tuple) else ()
    return tuple(item for item in found if isinstance(item, Mapping))


def flatten(group: Mapping[str, Value]) -> dict[str, Value]:
    """All standard attributes inside a functional group's macros by keyword: each macro has one item.

    What is said of other images is left out.  So is what is private: vendors put whole classic data sets into
    private sequences here, with another idea of the position.
    """
    unassigned, macros = layers(group)
    return unassigned | macros


def layers(group: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """What a group says in unassigned attributes, and in its macros."""
    unassigned: dict[str, Value] = {}
    macros: dict[str, Value] = {}
    for keyword, value in group.items():
        if keyword[0] == "(" or keyword in _OF_OTHER_IMAGES:
            continue
        if type(value) is tuple and value and (type(value[0]) is dict or isinstance(value[0], Mapping)):
            layer = unassigned if keyword in _UNASSIGNED else macros
            layer |= flatten(value[0])
            if keyword == _UNITS:
                macros[UNITS_CODE] = value[0].get("CodeValue")
        else:
            macros[keyword] = value
    return unassigned, macros


def contradictions(shared: Mapping[str, Value], group: Mapping[str, Value]) -> dict[str, Value]:
    """The attributes that stand in a macro of both with other values, by `CONTRADICTED`; empty for none.

    A macro is either shared or each frame's own (PS3.3 C.7.6.16.1.1).
    """
    both = [macro for macro in group if macro in shared]
    if not both:
        return {}
    _, ours = layers({macro: shared[macro] for macro in both})
    _, theirs = layers({macro: group[macro] for macro in both})
    names = tuple(name for name, value in theirs.items() if name in ours and ours[name] != value)
    return {CONTRADICTED: names} if names else {}


def private_block(group: Mapping[str, Value], creator: str) -> dict[str, Value]:
    """The elements of a creator's block by their last two digits (PS3.5 7.8.1).

    Where the group itself has none of them, those in its private sequences count.
    """
    private = {tag_of(name): value for name, value in group.items() if name.startswith("(")}

    def creator_at(tag: int) -> str | None:
        value = private[tag]
        return value.strip() if isinstance(value, str) else None

    found: dict[str, Value] = {}
    for value in private.values():
        for item in items_of(value):
            found |= private_block(item, creator)
    for named in blocks_of(creator, private, creator_at):
        found |= {f"{tag & 0xFF:02X}": private[tag] for tag in tags_in_block(named, private)}
    return found


def _checked_items(attributes: Mapping[str, Value], keyword: str, path: object) -> Items:
    items = attributes.get(keyword) or ()
    if not (isinstance(items, tuple) and all(isinstance(item, Mapping) for item in items)):
        raise HeaderError(
            f"{path}: {keyword} is {str(items)[:40]!r} where a sequence is expected; the file is damaged"
        )
    return items
