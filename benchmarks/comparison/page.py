"""The comparison as a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from comparison.judging import (
    GEOMETRY,
    LOSSY_STEPS,
    PLACE_TOLERANCE_MM,
    REFERENCE_TOLERANCE_MM,
    REFUSED,
    RELATIVE_TOLERANCE,
    RIGHT,
    STEP_TOLERANCE,
    WRONG,
    Verdict,
)
from comparison.readers import READERS


@dataclass(frozen=True)
class Row:
    """A series: how many files it has, where the truth comes from, one verdict for each reader."""

    name: str
    files: int
    source: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Part:
    """A table of the page; ``left_out`` tells of series that could not be judged."""

    title: str
    about: str
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()


TRUTH_BY = ("pydicom", "imagecodecs", "dcm2niix", "nibabel")

INTRODUCTION = """# Comparison with other readers

Made by `make compare`; do not edit. Each reader is given the same files, and what it returns is
compared with what the files hold.

- **right**: every image of the series is there once, in its place, with its values.
- **wrong**: something else was returned as if it were the series.
- **refused**: an error was raised. That is better than a wrong volume: no one computes with an error.
  Some refusals are meant, others are a plain Python error on the way; both count the same.
"""
JUDGED = f"""## How this was judged

- **Truth** does not come from dicomarray. Each frame is decoded with pydicom and gets its modality
  values by its own Rescale Slope and Intercept; its place comes from Image Position, Image Orientation
  and Pixel Spacing (of an enhanced object: from its functional groups). Where pydicom cannot decode,
  imagecodecs does, and the truth is marked `frames*`.
- **Mosaics**, many slices side by side in one image, are outside the standard. There the truth is what
  dcm2niix makes of the same files, marked `dcm2niix`.
- **Place**: all four corners of an image within {PLACE_TOLERANCE_MM} mm of those of a frame (against
  dcm2niix: {REFERENCE_TOLERANCE_MM} mm). An array may be turned or mirrored if its affine says so; a
  reader that gives a place to each slice is taken by these. The step across a single slice is not
  judged.
- **Values**: every voxel within {STEP_TOLERANCE} of one stored step plus {RELATIVE_TOLERANCE:.0e} of
  the value (float32); {LOSSY_STEPS:g} steps more after lossy compression. Stored values are expected
  for colour.
- **Every frame once**: of images with equal place and values one is enough. Several volumes are right if
  together they are the series. Images of several echoes, components or times in one stack are *mixed*;
  which attribute tells them apart is found in the series itself: one whose every value occurs equally
  often at every place, else the order of Instance Numbers. The order of repetitions along an axis of
  time is not judged.
- **Wrong in which way**: *shape* (images of a size that no frame has, such as a mosaic that was not
  cut), *values*, *geometry* (the right values in the wrong place, and how far off a corner of the worst
  image lies), *frames missing*, *twice* or *mixed*. A wrong volume that came with a warning about its
  geometry has its number beside it.
- **The same chance for all**: files come in random order, under names that say nothing. Each reader is
  used in the way that its documentation recommends, without options, but for highdicom: there real
  world values and what is for display only (MONOCHROME1 inverted, ICC profiles) are switched off, for
  the truth is in modality values. (SimpleITK's `useSeriesDetails` changes no verdict here.) Decoders
  are those that the readers bring when they are installed. Each reading runs in a process of its own.
- **Not judged**: speed, memory, what else a library does, and whether the series itself is sound.
  highdicom and dicom-numpy promise one regular volume and refuse most of what is none: by design.
- The authors of dicomarray chose the hand-made cases: they show what can go wrong, not how often it
  does.
"""


def page(parts: Sequence[Part], masks: str = "") -> str:
    """The whole page, with a section about masks; nothing in it depends on the day or the machine."""
    numbers: dict[str, int] = {}
    tables = [_part(part, numbers) for part in parts]
    messages = "\n".join(f"{number}. {_escaped(text)}" for text, number in numbers.items())
    sections = [INTRODUCTION, _readers(), _summary(parts), *tables, *([masks] if masks else [])]
    if messages:
        sections.append(f"## What was said\n\nShortened; the numbers stand in the tables.\n\n{messages}\n")
    return "\n".join([*sections, JUDGED])


def _readers() -> str:
    rows = [f"| {reader.name} | {reader.versions} | {reader.how} |" for reader in READERS]
    tools = ", ".join(f"{package} {version(package)}" for package in TRUTH_BY)
    rows.append(f"| *the truth* | {tools} | see [below](#how-this-was-judged) |")
    return "\n".join(["| reader | versions | used as |", "|---|---|---|", *rows, ""])


def _summary(parts: Sequence[Part]) -> str:
    lines = ["## Summary", "", "Series right / wrong / refused:", ""]
    lines += [f"| reader | {' | '.join(f'{part.title} ({len(part.rows)})' for part in parts)} |"]
    lines += ["|---" * (len(parts) + 1) + "|"]
    for index, reader in enumerate(READERS):
        cells = []
        for part in parts:
            outcomes = [row.verdicts[index].outcome for row in part.rows]
            cells.append(" / ".join(str(outcomes.count(outcome)) for outcome in (RIGHT, WRONG, REFUSED)))
        lines.append(f"| {reader.name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _part(part: Part, numbers: dict[str, int]) -> str:
    names = " | ".join(reader.name for reader in READERS)
    lines = [f"## {part.title[0].upper()}{part.title[1:]}", "", part.about, ""]
    lines += [f"| series | files | truth | {names} |", "|---|---:|---" + "|---" * len(READERS) + "|"]
    for row in part.rows:
        cells = " | ".join(_cell(verdict, numbers) for verdict in row.verdicts)
        lines.append(f"| {_escaped(row.name)} | {row.files} | {row.source} | {cells} |")
    lines.append("")
    if part.left_out:
        lines += ["Not judged:", "", *(f"- {_escaped(text)}" for text in part.left_out), ""]
    return "\n".join(lines)


def _cell(verdict: Verdict, numbers: dict[str, int]) -> str:
    if verdict.outcome == RIGHT:
        return "right"
    note = ""
    if verdict.message:
        number = numbers.setdefault(verdict.message, len(numbers) + 1)
        note = f" ({number})" if verdict.outcome == REFUSED else f", warned ({number})"
    if verdict.outcome == REFUSED:
        return f"refused{note}"
    ways = ", ".join(
        f"{way} {_short(verdict.farthest_mm)} mm" if way == GEOMETRY and verdict.farthest_mm else way
        for way in verdict.ways
    )
    return f"**wrong**: {ways}{note}"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
