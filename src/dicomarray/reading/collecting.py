"""Garbage collection while very many objects are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

# Often enough that what becomes garbage meanwhile takes little memory.  Items.
ITEMS_A_COLLECTION = 1000


def young_collections_only(items: Iterable[Item]) -> Generator[Item, None, None]:
    """The items; until the last one, or until it is closed, old objects are left alone.

    A full collection goes through all objects that there are, again and again while a scan makes more of
    them: a quarter of its time with 100,000 files.  Where collections are turned off, they stay off.
    """
    if not gc.isenabled():
        yield from items
        return
    gc.disable()
    try:
        for number, item in enumerate(items, 1):
            yield item
            if number % ITEMS_A_COLLECTION == 0:
                gc.collect(1)
    finally:
        gc.enable()
