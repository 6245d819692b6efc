"""Text of a file, made safe to show: nothing in it moves a cursor, forges a line or turns what is read.

What a terminal or a reader would act upon is shown as its escape (``\\x1b``, ``\\u202e``), never left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Control characters (C0, delete, C1), line and paragraph separators, marks and embeddings of bidirectional
# text, invisible characters (zero width, byte order mark, tags, interlinear marks), and half characters,
# which no stream can encode: file names that are no UTF-8 have them.
_ACTED_UPON = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_IN_LINES = re.compile(f"(?![\n\t]){_ACTED_UPON.pattern}")


def one_line(text: str) -> str:
    """The text on one line."""
    return text if text.isascii() and text.isprintable() else _ACTED_UPON.sub(_escape, text)


def escape_but_newlines(text: str) -> str:
    """The text, with line breaks and tabs as they are: they are our own, or those of a user's traceback."""
    return _IN_LINES.sub(_escape, text)


def in_json(text: str) -> str:
    """JSON whose strings hold nothing of that kind; a reader of it gets the same strings."""
    return _IN_LINES.sub(lambda match: _units(match[0]), text)


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _units(character: str) -> str:
    """JSON's escape: by UTF-16 units."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
