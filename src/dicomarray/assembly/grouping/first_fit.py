"""Things that are alike within a tolerance, together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def first_fit(items: Iterable[Item], similar: Callable[[Item, Item], bool]) -> list[list[Item]]:
    """Each item in the first group whose first member it is like; groups in the order of their first."""
    groups: list[list[Item]] = []
    for item in items:
        for members in groups:
            if similar(item, members[0]):
                members.append(item)
                break
        else:
            groups.append([item])
    return groups
