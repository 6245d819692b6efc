"""Charts for the site, made from the tables of its pages: bars below each table of times or of verdicts."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import groupby

TABLE = re.compile(r"(?:^\|.*\|[ ]*\n)+", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
ROW, WIDTH, LABEL = 22, 760, 330
OURS, OTHERS = "#4051b5", "#8a93a6"
COLOURS = {"right": "#2e8b57", "wrong": "#c0392b", "refused": "#b8860b"}


def with_charts(text: str) -> str:
    """A page with a chart below each table that it knows: times of contenders, or right / wrong / refused."""

    def charted(match: re.Match[str]) -> str:
        table = [cells(line) for line in match[0].splitlines()]
        return match[0] + (chart_of(table[0], table[2:]) or "")

    return TABLE.sub(charted, text)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def chart_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    if header[:2] == ["work", "with"] and header[-1] == "to dicomarray":
        return times(rows)
    if header[0] == "reader" and all(" / " in row[-1] for row in rows):
        return verdicts(header, rows)
    return None


def times(rows: Sequence[Sequence[str]]) -> str:
    """Bars of time for each work, as a multiple of dicomarray's."""
    lines = []
    for work, group in groupby(rows, key=lambda row: row[0]):
        bars = [(row[1], float(found[0])) for row in group if (found := NUMBER.fullmatch(row[-1]))]
        if len(bars) > 1:
            lines.append((work, bars))
    return "".join(figure(f"{work}: time, as a multiple of dicomarray's", bars) for work, bars in lines)


def figure(title: str, bars: Sequence[tuple[str, float]]) -> str:
    longest = max(value for _, value in bars)
    parts = []
    for row, (name, value) in enumerate(bars):
        width = (WIDTH - LABEL - 60) * value / longest if longest else 0
        parts.append(
            bar(row, name, [(width, "#4051b5" if name == "dicomarray" else "#8a93a6")], f"{value:g}")
        )
    return picture(title, parts)


def verdicts(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Stacked bars of how many series each reader got right, wrong and refused, a chart for each column."""
    charts = []
    for column in range(1, len(header)):
        parts = []
        for row, values in enumerate(rows):
            counts = [int(number) for number in values[column].split(" / ")]
            unit = (WIDTH - LABEL - 100) / (sum(counts) or 1)
            pieces = [(count * unit, colour) for count, colour in zip(counts, COLOURS.values(), strict=True)]
            parts.append(bar(row, values[0], pieces, values[column]))
        charts.append(picture(f"{header[column]}: right / wrong / refused", parts))
    return "".join(charts)


def bar(row: int, name: str, pieces: Sequence[tuple[float, str]], value: str) -> str:
    y, x = row * ROW, float(LABEL)
    parts = [f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{html.escape(name)}</text>']
    for width, colour in pieces:
        parts.append(f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="16" fill="{colour}"/>')
        x += width
    parts.append(f'<text x="{x + 6:.1f}" y="{y + 15}">{html.escape(value)}</text>')
    return "".join(parts)


def picture(title: str, parts: Sequence[str]) -> str:
    height = ROW * len(parts) + 4
    return (
        f'\n<figure style="width: 100%"><figcaption>{html.escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img" aria-label="{html.escape(title)}" '
        f'font-size="13" fill="currentColor">{"".join(parts)}</svg></figure>\n'
    )
