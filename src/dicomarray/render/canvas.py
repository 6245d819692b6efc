"""Drawing of a `Sheet`: where its panels stand and how they look; the only module that imports Pillow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dicomarray.core.segments import Colour
from dicomarray.render.planes import Bar, DrawnPlane, Legend, Sheet, Strip

# The longest side of the largest panel, in pixels: three panels side by side fit a common screen (1920).
PANEL_PIXELS = 512
# A panel is never narrower than this, in pixels, however thin the stack is: one slice must stay visible.
THINNEST_PANEL = 4
# Room around each panel for its orientation letters, between panels, and around the sheet, in pixels.
GUTTER, GAP, MARGIN = 24, 16, 24
# Type sizes in pixels; 15 is the least that stays legible where a report shows the picture at half size.
HEADING_SIZE, TEXT_SIZE = 19, 15
LINE_HEIGHT = 24
HEADING_HEIGHT = 34
BAR_SIZE = (160, 12)
# The sheet is never narrower than its captions need, in pixels.
MIN_WIDTH = 720

# The square that shows a colour, in pixels.
SWATCH = 12

BACKGROUND = (16, 18, 22)
PANEL_BORDER = (52, 57, 66)
TEXT = (225, 228, 232)
QUIET_TEXT = (150, 157, 168)
LETTER = (240, 200, 110)
NOTE = (240, 176, 92)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Entry = tuple[int, Colour, str]  # left edge in pixels, colour, text


@dataclass(frozen=True, eq=False)
class _Placed:
    """A panel with its scaled picture, and where its block stands from the left and top of the strip."""

    panel: DrawnPlane
    image: Image.Image
    left: int
    top: int

    @property
    def right(self) -> int:
        return self.left + self.image.width + 2 * GUTTER

    @property
    def bottom(self) -> int:
        return self.top + _block_height(self.image)


def render(sheet: Sheet) -> Image.Image:
    """The sheet as an RGB picture; all panels have one scale, so that they can be compared."""
    scale = PANEL_PIXELS / max(max(panel.size) for strip in sheet.strips for panel in strip.panels)
    placed = [_place([(panel, _scaled(panel, scale)) for panel in strip.panels]) for strip in sheet.strips]
    heights = [HEADING_HEIGHT + max(block.bottom for block in blocks) + GAP for blocks in placed]
    width = max(MIN_WIDTH, *(2 * MARGIN + max(block.right for block in blocks) for blocks in placed))
    font = ImageFont.load_default(TEXT_SIZE)
    legend = _legend_rows(sheet.legend, font, width)
    lines = [(line, QUIET_TEXT) for text in sheet.caption for line in _wrapped(text, font, width)]
    lines += [(line, NOTE) for text in sheet.notes for line in _wrapped(text, font, width)]
    height = 2 * MARGIN + sum(heights) + LINE_HEIGHT * (len(lines) + len(legend))
    image = Image.new("RGB", (width, height), BACKGROUND)
    top = MARGIN
    for strip, blocks, strip_height in zip(sheet.strips, placed, heights, strict=True):
        _draw_strip(image, strip, blocks, top)
        top += strip_height
    drawing = ImageDraw.Draw(image)
    for row in legend:
        _draw_legend(drawing, row, top, font)
        top += LINE_HEIGHT
    for number, (line, colour) in enumerate(lines):
        drawing.text((MARGIN, top + number * LINE_HEIGHT), line, colour, font)
    return image


def _place(panels: list[tuple[DrawnPlane, Image.Image]]) -> list[_Placed]:
    """Side by side from the left; below each other where two fit beside the tallest."""
    tallest = max(_block_height(image) for _, image in panels)
    placed: list[_Placed] = []
    column = 0
    for panel, image in panels:
        below = placed[-1].bottom if placed else 0
        if placed and below + _block_height(image) > tallest:
            column = max(block.right for block in placed) + GAP
            below = 0
        placed.append(_Placed(panel, image, column, below))
    return placed


def _block_height(image: Image.Image) -> int:
    """A panel with its title and the letters above and below."""
    return LINE_HEIGHT + image.height + 2 * GUTTER


def _scaled(panel: DrawnPlane, scale: float) -> Image.Image:
    """The panel in its true proportions.

    Bilinear: voxels are seldom square in mm, and repeating the nearest one would show steps of unequal
    width that look like edges of anatomy.  The window was applied before, so padding and NaN cannot bleed.
    """
    height, width = (max(THINNEST_PANEL, round(length * scale)) for length in panel.size)
    image = Image.fromarray(np.ascontiguousarray(panel.values)).convert("RGB")
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _draw_strip(image: Image.Image, strip: Strip, blocks: list[_Placed], top: int) -> None:
    drawing = ImageDraw.Draw(image)
    drawing.text((MARGIN, top), strip.heading, TEXT, ImageFont.load_default(HEADING_SIZE))
    if strip.bar is not None:
        _draw_bar(image, strip.bar, top)
    left = (image.width - max(block.right for block in blocks)) // 2
    for block in blocks:
        _draw_panel(image, block.panel, block.image, (left + block.left, top + HEADING_HEIGHT + block.top))


def _draw_bar(image: Image.Image, bar: Bar, top: int) -> None:
    """The bar at the right end of the heading's line, its values at both sides."""
    drawing, font = ImageDraw.Draw(image), ImageFont.load_default(TEXT_SIZE)
    right = image.width - MARGIN
    middle = top + HEADING_SIZE // 2 + 2
    drawing.text((right, middle), bar.upper, TEXT, font, anchor="rm")
    right -= round(font.getlength(bar.upper)) + 8
    left = right - BAR_SIZE[0]
    colours = Image.fromarray(np.ascontiguousarray(bar.colours[None])).resize(BAR_SIZE)
    image.paste(colours, (left, middle - BAR_SIZE[1] // 2))
    drawing.text((left - 8, middle), bar.lower, TEXT, font, anchor="rm")


def _draw_panel(image: Image.Image, panel: DrawnPlane, scaled: Image.Image, corner: tuple[int, int]) -> None:
    drawing, font = ImageDraw.Draw(image), ImageFont.load_default(TEXT_SIZE)
    left = corner[0] + GUTTER
    top = corner[1] + LINE_HEIGHT + GUTTER
    right, bottom = left + scaled.width, top + scaled.height
    centre, middle = (left + right) // 2, (top + bottom) // 2
    drawing.text((centre, corner[1]), panel.title, QUIET_TEXT, font, anchor="ma")
    drawing.rectangle((left - 1, top - 1, right, bottom), outline=PANEL_BORDER)
    image.paste(scaled, (left, top))
    if panel.edges is None:
        return
    places = (
        (left - GUTTER // 2, middle),
        (right + GUTTER // 2, middle),
        (centre, top - GUTTER // 2),
        (centre, bottom + GUTTER // 2),
    )
    for place, letter in zip(places, panel.edges, strict=True):
        drawing.text(place, letter, LETTER, font, anchor="mm")


def _legend_rows(legend: Legend, font: Font, sheet_width: int) -> list[list[Entry]]:
    """What colours stand for, in rows that fit between the margins; ``left`` is where each entry begins."""
    rows: list[list[Entry]] = []
    left = 0
    for colour, text in legend:
        room = SWATCH + GAP // 2 + round(font.getlength(text)) + 2 * GAP
        if not rows or left + room > sheet_width - 2 * MARGIN:
            rows.append([])
            left = 0
        rows[-1].append((MARGIN + left, colour, text))
        left += room
    return rows


def _draw_legend(drawing: ImageDraw.ImageDraw, row: list[Entry], top: int, font: Font) -> None:
    for left, colour, text in row:
        drawing.rectangle((left, top + 3, left + SWATCH, top + 3 + SWATCH), fill=colour)
        drawing.text((left + SWATCH + GAP // 2, top), text, TEXT, font)


def _wrapped(text: str, font: Font, sheet_width: int) -> list[str]:
    """The text in lines that fit between the margins, broken at spaces."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= sheet_width - 2 * MARGIN:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
