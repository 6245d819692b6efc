"""Wildcards without backtracking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


def has_wildcard(text: str) -> bool:
    """Whether a text holds ``*`` or ``?``."""
    return "*" in text or "?" in text


@dataclass(frozen=True)
class Wildcard:
    """``*`` stands for any characters, ``?`` for exactly one; everything else, brackets too, for itself.

    The pieces between the stars are looked for from left to right, each at the first place where it fits:
    no earlier choice ever has to be taken back, so the time is bounded by text times pattern.
    """

    pattern: str

    @cached_property
    def _pieces(self) -> list[str]:
        return self.pattern.split("*")

    def matches(self, text: str) -> bool:
        """Whether the whole text fits."""
        first, *middle = self._pieces
        if not middle:
            return len(text) == len(first) and _fits(first, text, 0)
        last = middle.pop()
        end = len(text) - len(last)
        if len(first) > end or not _fits(first, text, 0) or not _fits(last, text, end):
            return False
        position = len(first)
        for piece in middle:
            position = _find(piece, text, position, end)
            if position < 0:
                return False
            position += len(piece)
        return True


def _fits(piece: str, text: str, start: int) -> bool:
    if "?" not in piece:
        return text.startswith(piece, start)
    return all(wanted in ("?", text[start + i]) for i, wanted in enumerate(piece))


def _find(piece: str, text: str, start: int, end: int) -> int:
    """The first place between start and end where the piece fits, or -1."""
    if "?" not in piece:
        return text.find(piece, start, end)
    places = range(start, end - len(piece) + 1)
    return next((place for place in places if _fits(piece, text, place)), -1)
