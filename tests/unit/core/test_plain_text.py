"""Text of files, made safe to show."""

from __future__ import annotations

import json

import pytest

from dicomarray.core.plain_text import escape_but_newlines, in_json, one_line

ACTED_UPON = [
    "\x1b[31m",
    "\x00",
    "\x07",
    "\x7f",
    "\x9b2J",
    "\x85",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u2028",
    "\udcff",
]


@pytest.mark.parametrize("text", ACTED_UPON)
def test_what_a_terminal_acts_upon_is_escaped(text: str) -> None:
    """It is shown as its escape, and not left out: two UIDs that differ in it look different."""
    for shown in (one_line(f"a{text}b"), escape_but_newlines(f"a{text}b")):
        assert text[0] not in shown
        assert shown.startswith("a\\") and shown.endswith("b")


def test_other_text_stays_what_it_is() -> None:
    """Names of all scripts, accents that are characters of their own, signs."""
    for text in ("T1 axial", "Schädel quer", "頭部", "סרט", "µ²", "👩"):
        assert one_line(text) == escape_but_newlines(text) == in_json(text) == text


def test_line_breaks_stay_only_where_they_are_ours() -> None:
    """A value that holds one forges no line; a report keeps its lines."""
    assert one_line("a\nb\tc\rd") == "a\\nb\\tc\\rd"
    assert escape_but_newlines("a\nb\tc\rd") == "a\nb\tc\\rd"


@pytest.mark.parametrize("text", [*ACTED_UPON, "\U000e0041", 'quo"te\\'])
def test_json_is_the_same_to_a_reader(text: str) -> None:
    """The strings come back as they were, and the text of the JSON holds nothing to act upon."""
    shown = in_json(json.dumps([text], ensure_ascii=False, indent=1))
    assert json.loads(shown) == [text]
    assert one_line(shown.replace("\n", "")) == shown.replace("\n", "")
