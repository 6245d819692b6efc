"""An item of a sequence that is like others: what they share, and the values that are its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import getitem, is_
from typing import Any

from dicomarray.dicom.sequence_items import ItemLayout, Leaf
from dicomarray.dicom.vr import Value

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
