"""Items of a sequence are similar: what equals an earlier item is compared, not walked.

An enhanced object describes each of its frames in an item, and these differ in a few values.  Where an item
has the bytes of an earlier one everywhere but in values, and in what follows from their lengths, it has the
same elements: what a walk goes by, tags, VRs, lengths, delimiters, lies between the values (PS3.5 7.1, 7.5).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import getitem, is_
from struct import Struct
from typing import Any, NamedTuple

from dicomarray.dicom.vr import Value

# What the items of a sequence have in common is learnt behind so many: that takes as long as to walk some.
FEW_ITEMS = 3
# Items of more kinds than this are walked: to compare one takes some microseconds.
MAX_LAYOUTS = 8
# So many more items than are similar may be walked until no more are compared.
MAX_UNLIKE = 32
# Longer items are walked: they hold tables, such as contours, which are not similar.  Bytes.
MAX_UNIFORM_LENGTH = 1 << 14


class Enclosing(NamedTuple):
    """A sequence or item of defined length inside an item: where its four bytes of length stand."""

    place: int
    length: int


class Leaf(NamedTuple):
    """The value of an element in an item: its place and length, what encloses it, its VR.

    ``width`` is how many bytes its length has; they stand before its ``start``.
    """

    start: int
    length: int
    width: int
    within: tuple[Enclosing, ...] = ()
    vr: str = ""

    def of(self, sample: bytes) -> bytes:
        """Its bytes in an item."""
        return sample[self.start : self.start + self.length]


class Sample(NamedTuple):
    """An item as a walk found it: its bytes, the delimiter at its end included, and all values in it.

    ``context`` is what else the walk has to tell.
    """

    content: bytes
    leaves: Sequence[Leaf]
    context: Any = None


class _Block(NamedTuple):
    """An item up to a value of any length, or its end: in turns what items share, and where they differ.

    Last, before a value of any length, comes that length.
    """

    fields: Struct
    shared: tuple[bytes, ...]
    before_value: bool


class ItemLayout:
    """What items have in common: all but the ``varying`` values, of which the ``free`` have any length."""

    __slots__ = ("_blocks", "_free", "_lengths", "_values", "sample", "varying")

    def __init__(self, sample: Sample, varying: Collection[Leaf], free: Collection[Leaf]) -> None:
        self.sample, self._free = sample, frozenset(free)
        self.varying = tuple(leaf for leaf in sample.leaves if leaf in varying)
        holes = _holes(self.varying, self._free)
        self._blocks = _blocks(holes, sample.content)
        # where, among what differs, the values are, and the lengths that follow from theirs
        places = {part: index for index, part in enumerate(part for hole in holes for part in hole.parts)}
        self._values = [places[leaf] for leaf in self.varying]
        self._lengths = []
        for around, inside in _inside(self.varying, self._free).items():
            others = around.length - sum(leaf.length for leaf in inside)
            self._lengths.append((places[around], others, [places[leaf] for leaf in inside]))

    def read(self, data: bytes, place: int, end: int) -> tuple[list[bytes], int] | None:
        """The varying values of the item at a place, and where it ends; None where it is of another kind."""
        found: list[Any] = []
        for block in self._blocks:
            if place + block.fields.size > end:
                return None
            fields = block.fields.unpack_from(data, place)
            if fields[::2] != block.shared:
                return None
            found += fields[1::2]
            place += block.fields.size
            if block.before_value:
                length = found[-1]
                found.append(data[place : place + length])
                place += length
        for index, others, inside in self._lengths:
            if found[index] != others + sum([len(found[i]) for i in inside]):
                return None
        return [found[index] for index in self._values], place

    def widened(self, data: bytes, place: int, end: int) -> ItemLayout | None:
        """A layout for items such as the one at a place too; None where it has other elements."""
        leaves = self.sample.leaves
        found = ItemLayout(self.sample, leaves, leaves).read(data, place, end)
        if found is None or found[1] != end:
            return None
        values = list(zip(leaves, found[0], strict=True))
        varying = {leaf for leaf, value in values if value != leaf.of(self.sample.content)}
        free = {leaf for leaf, value in values if len(value) != leaf.length}
        return ItemLayout(self.sample, varying.union(self.varying), free | self._free)


class ItemLayouts:
    """The layouts of the items of one sequence."""

    def __init__(self) -> None:
        self._layouts: dict[bool, list[ItemLayout]] = {False: [], True: []}
        self._unlike = 0

    def read(
        self, data: bytes, place: int, end: int, undefined: bool
    ) -> tuple[ItemLayout, list[bytes], int] | None:
        """The layout of the item at a place, its varying values, where it ends; None where it must be walked.

        It ends at ``end``; or before, behind a delimiter, where its length is ``undefined``.
        """
        layouts = self._layouts[undefined]
        for index, layout in enumerate(layouts):
            found = layout.read(data, place, end)
            if found is not None and (undefined or found[1] == end):
                if index:
                    layouts.insert(0, layouts.pop(index))
                self._unlike -= 1
                return layout, *found
        return None

    def learn(self, data: bytes, place: int, end: int, undefined: bool, walk: Callable[[], Sample]) -> None:
        """Know the items that are like the one between two places, which was walked; ``walk`` tells of it."""
        self._unlike += 1
        layouts = self._layouts[undefined]
        if self._unlike > MAX_UNLIKE:
            layouts.clear()
        elif end - place <= MAX_UNIFORM_LENGTH:
            for index, layout in enumerate(layouts):
                if (wide := layout.widened(data, place, end)) is not None:
                    layouts[index] = wide
                    return
            if len(layouts) < MAX_LAYOUTS:
                layouts.insert(0, ItemLayout(walk(), (), ()))


class _Hole(NamedTuple):
    """Where items differ: a value, a length, or the length of a value of any length, with that behind it."""

    start: int
    size: int
    parts: tuple[Leaf | Enclosing | None, ...]
    end: int

    @property
    def format(self) -> str:
        """For `Struct`."""
        return f"{self.size}s" if isinstance(self.parts[0], Leaf) else {2: "H", 4: "L"}[self.size]


def _holes(varying: Iterable[Leaf], free: Collection[Leaf]) -> list[_Hole]:
    """Where items differ, in the order of their bytes."""
    holes = [_Hole(around.place, 4, (around,), around.place + 4) for around in _inside(varying, free)]
    for leaf in varying:
        end = leaf.start + leaf.length
        if leaf in free:
            holes.append(_Hole(leaf.start - leaf.width, leaf.width, (None, leaf), end))
        else:
            holes.append(_Hole(leaf.start, leaf.length, (leaf,), end))
    return sorted(holes, key=lambda hole: hole.start)


def _inside(varying: Iterable[Leaf], free: Collection[Leaf]) -> dict[Enclosing, list[Leaf]]:
    """What encloses values of any length, with these."""
    inside: dict[Enclosing, list[Leaf]] = {}
    for leaf in varying:
        for around in leaf.within if leaf in free else ():
            inside.setdefault(around, []).append(leaf)
    return inside


def _blocks(holes: Iterable[_Hole], content: bytes) -> tuple[_Block, ...]:
    blocks: list[_Block] = []
    formats, shared, place = ["<"], [], 0
    for hole in holes:
        shared.append(content[place : hole.start])
        formats += [f"{hole.start - place}s", hole.format]
        place = hole.end
        if len(hole.parts) > 1:
            blocks.append(_Block(Struct("".join(formats)), tuple(shared), True))
            formats, shared = ["<"], []
    shared.append(content[place:])
    formats.append(f"{len(content) - place}s")
    return (*blocks, _Block(Struct("".join(formats)), tuple(shared), False))


# By VR and bytes, the value; it is decoded when it is asked for the first time, or DoubtError.
Known = Mapping[str, Mapping[bytes, Value]]


class ItemTemplate:
    """Items with one layout: ``elements`` by keyword, with a `Leaf` for each of the ``varying`` values."""

    __slots__ = ("_decoders", "elements", "varying")

    def __init__(self, layout: ItemLayout, known: Known) -> None:
        self.varying = layout.varying
        self._decoders = [known[leaf.vr] for leaf in self.varying]
        sample, varying = layout.sample, set(self.varying)
        shared = {
            leaf: known[leaf.vr][leaf.of(sample.content)] for leaf in sample.leaves if leaf not in varying
        }
        self.elements: dict[str, Any] = _filled(sample.context, shared)

    def item(self, contents: Sequence[bytes]) -> Item:
        """The item with these bytes of its varying values."""
        return Item(self, tuple(map(getitem, self._decoders, contents)))


class Item(Mapping[str, Value]):
    """An item of a sequence by keyword, read-only: a template, and its own values of what varies there."""

    __slots__ = ("_whole", "own", "template")

    def __init__(self, template: ItemTemplate, own: tuple[Value, ...]) -> None:
        self.template, self.own = template, own
        self._whole: dict[str, Value] | None = None

    def _dict(self) -> dict[str, Value]:
        if self._whole is None:
            values = dict(zip(self.template.varying, self.own, strict=True))
            self._whole = _filled(self.template.elements, values)
        return self._whole

    def __getitem__(self, name: str) -> Value:
        return self._dict()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict())

    def __len__(self) -> int:
        return len(self._dict())

    def __repr__(self) -> str:
        return repr(self._dict())

    def __reduce__(self) -> tuple[type[dict[str, Value]], tuple[dict[str, Value]]]:
        return dict, (self._dict(),)


def _filled(value: Any, values: Mapping[Leaf, Value]) -> Any:
    """The same with values in the place of leaves; what holds none of those is shared, not copied."""
    if type(value) is Leaf:
        return values.get(value, value)
    if type(value) is dict:
        entries = {name: _filled(entry, values) for name, entry in value.items()}
        return value if all(map(is_, entries.values(), value.values())) else entries
    if type(value) is tuple and value and type(value[0]) is dict:
        items = tuple(_filled(item, values) for item in value)
        return value if all(map(is_, items, value)) else items
    return value
