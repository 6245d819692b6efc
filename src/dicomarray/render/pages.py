"""HTML pages, readable without a network: a volume to leaf through, and a run with a row a series.

Pictures are part of the pages, which load nothing.  Everything is escaped; nothing that names a patient is
on them, unless the caller puts it into the row of a run.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from dicomarray.core.plain_text import one_line
from dicomarray.errors import UsageError
from dicomarray.render.options import PageOptions
from dicomarray.render.overlay import Overlay, colour_of
from dicomarray.render.pictures import draw, draw_slices
from dicomarray.segmentation import Segmentation
from dicomarray.storage.atomic import new_files
from dicomarray.version import __version__
from dicomarray.volume import Volume

if TYPE_CHECKING:
    from PIL.Image import Image

# Pages refuse to fetch anything, so that they can be read, and passed on, without a network.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_PNG = b"\x89PNG"
_VOLUME_STYLE = """
body { margin: 0; padding: 24px; background: #101216; color: #e1e4e8;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; text-align: center; }
img { max-width: 100%; border-radius: 4px; } #slice { width: min(80vh, 100%); background: #000; }
.line { display: flex; gap: 16px; justify-content: center; align-items: center; margin: 12px 0 32px; }
h1 { font-size: 16px; font-weight: normal; margin: 0 0 16px; }
.legend span { display: inline-block; margin: 0 12px; white-space: nowrap; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-right: 6px; }
input { width: min(60vw, 560px); } output { min-width: 14em; text-align: left; }
"""
_VOLUME_SCRIPT = """
const slices = [...document.querySelectorAll("#slices img")], shown = document.getElementById("slice");
const range = document.querySelector("input"), label = document.querySelector("output");
function show() { const s = slices[range.value]; shown.src = s.src; shown.alt = label.textContent = s.alt; }
range.oninput = show;
shown.onwheel = event => { event.preventDefault(); range.value -= -Math.sign(event.deltaY); show(); };
show();
"""
_RUN_STYLE = """
:root { color-scheme: light dark; --ground: #fbfbfa; --card: #fff; --text: #1c1f24; --quiet: #667080;
  --line: #e2e5ea; --good: #1a7f4b; --bad: #b42318; --kept: #5b6472; --note: #9a5b00; }
@media (prefers-color-scheme: dark) { :root { --ground: #101216; --card: #181b21; --text: #e1e4e8;
  --quiet: #969da8; --line: #2b3038; --good: #4cc38a; --bad: #ff7b6b; --kept: #9aa3b0; --note: #f0b05c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 32px; } h1 { font-size: 24px; margin: 0 0 4px; }
.facts { color: var(--quiet); margin: 0 0 20px; }
.facts span + span::before { content: "·"; margin: 0 8px; }
.bar { display: flex; gap: 8px; flex-wrap: wrap; position: sticky; top: 0; padding: 12px 0;
  background: var(--ground); border-bottom: 1px solid var(--line); align-items: center; }
.bar button { font: inherit; border: 1px solid var(--line); background: var(--card); color: inherit;
  border-radius: 999px; padding: 4px 14px; cursor: pointer; }
.bar button[aria-pressed=true] { border-color: currentColor; font-weight: 600; }
.bar input { font: inherit; flex: 1 1 200px; padding: 5px 12px; border-radius: 999px; color: inherit;
  border: 1px solid var(--line); background: var(--card); }
article { display: grid; grid-template-columns: minmax(320px, 1fr) fit-content(600px);
  gap: 4px 24px; background: var(--card);
  border: 1px solid var(--line); border-left: 4px solid var(--kept); border-radius: 8px;
  padding: 16px 20px; margin: 12px 0; content-visibility: auto; contain-intrinsic-size: auto 150px; }
article.written { border-left-color: var(--good); } article.failed { border-left-color: var(--bad); }
article[hidden] { display: none; }
h2 { font-size: 16px; margin: 0; overflow-wrap: anywhere; }
.status { font-weight: 600; margin-right: 8px; color: var(--kept); }
.written .status { color: var(--good); } .failed .status { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 16px; margin: 6px 0 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
.reason { color: var(--bad); white-space: pre-wrap; } .warnings { color: var(--note); }
.warnings ul { margin: 0; padding-left: 18px; }
article > * { grid-column: 1; }
article > .pictures { grid-column: 2; grid-row: 1 / span 3; display: flex; gap: 8px;
  flex-wrap: wrap; align-content: flex-start; justify-content: flex-end; }
figure { margin: 0; text-align: center; color: var(--quiet); font-size: 12px; }
figure img { display: block; border-radius: 4px; background: #000; max-height: 160px; }
pre { overflow-x: auto; font-size: 12px; background: var(--ground); padding: 12px; border-radius: 6px; }
a { color: inherit; } footer { color: var(--quiet); padding-bottom: 40px; padding-top: 12px; }
@media (max-width: 760px) {
  article { grid-template-columns: 1fr; } article > .pictures { grid-column: 1; grid-row: auto; } }
@media print { .bar { display: none; } article { break-inside: avoid; } }
"""
_RUN_SCRIPT = """
const rows = [...document.querySelectorAll("article")], find = document.querySelector("input");
const buttons = [...document.querySelectorAll("button")];
let status = decodeURIComponent(location.hash.slice(1));  // page.html#failed
function show() {
  const words = find.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = (status && row.className !== status) || !words.every(word => text.includes(word));
  }
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.status === status));
}
for (const button of buttons) button.onclick = () => { status = button.dataset.status; show(); };
find.oninput = show;
show();
"""


def save_page(
    volume: Volume,
    path: str | PathLike[str],
    options: PageOptions,
    overwrite: bool = False,
    segmentation: Segmentation | None = None,
    beside: Volume | None = None,
) -> None:
    """Write the page of a volume, to leaf through or with NiiVue; it appears whole or not at all.

    Parameters
    ----------
    segmentation
        Masks in colour over the volume, on its grid.
    beside
        Shown beside it, and moved together with it where both have a place in the patient. NiiVue has it
        alone.

    Raises UsageError where the small page is asked for a second volume, or a package of the extra ``viewer``
    is missing; OutputError where ``path`` exists and ``overwrite`` is not set; ValuesError or GeometryError
    where a volume cannot be drawn, or the segmentation lies on another grid.
    """
    if options.viewer == "niivue":
        from dicomarray.render.viewer.page import viewer_page

        page: Iterable[str] = viewer_page(volume, segmentation, beside)
    elif beside is not None:
        raise UsageError('the small page shows one volume; two need viewer="niivue" (--viewer niivue)')
    else:
        page = [_small_page(volume, segmentation)]
    with new_files([Path(path)], overwrite) as (file,), file.open("w", encoding="utf-8") as stream:
        stream.writelines(page)


def _small_page(volume: Volume, segmentation: Segmentation | None) -> str:
    overlay = None if segmentation is None else Overlay.of(segmentation, volume)
    slices, title = draw_slices(volume, overlay), title_of(volume)
    middle = len(slices) // 2 if overlay is None else overlay.shown_at[0] * len(slices) // len(overlay.labels)
    images = "".join(_picture(_png(image), title) for title, image in slices)
    return (
        f"{head(title, _VOLUME_STYLE)}"
        f'<body><h1>{escape(title)}</h1><img id="slice" alt="">'
        f'<div class="line"><input type="range" min="0" max="{len(slices) - 1}" value="{middle}" '
        'aria-label="slice"><output></output></div>'
        f"{'' if overlay is None else _legend(overlay)}"
        f'{_picture(_png(draw(volume, segmentation)), "three planes")}<div id="slices" hidden>{images}</div>'
        f"<script>{_VOLUME_SCRIPT}</script></body></html>\n"
    )


def _legend(overlay: Overlay) -> str:
    """The colour and label of every segment."""
    entries = "".join(
        f'<span><i style="background: rgb{colour_of(segment)}"></i>{escape(one_line(segment.label))}</span>'
        for segment in overlay.segments
    )
    return f'<p class="legend">{entries}</p>'


def title_of(volume: Volume) -> str:
    """Which volume it is, in words that name nobody: ``CT 3 CHEST STD, 120 x 512 x 512 HU``."""
    names = ("Modality", "SeriesNumber", "SeriesDescription")
    words = [one_line(str(volume.series[name])) for name in names if volume.series.get(name) is not None]
    size = " x ".join(map(str, volume.array.shape))
    return f"{' '.join(words) or 'dicomarray view'}, {size} {volume.units}"


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


@dataclass(frozen=True, slots=True)
class Row:
    """One series.

    ``status`` is a word (``written``, ``failed``, ``skipped``); ``facts`` are pairs of a name and a text;
    ``links`` pairs of a text and a path relative to the page; ``pictures`` pairs of a caption and an image.
    """

    status: str
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    details: str = ""
    warnings: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    pictures: tuple[tuple[str, bytes], ...] = ()


def write_page(
    path: Path, heading: str, facts: Iterable[str], counts: Mapping[str, int], rows: Iterable[Row], note: str
) -> None:
    """Write the page, replacing an earlier one; it appears whole or not at all.

    A few ``facts`` stand above the rows, with how many series there are of each status; the note stands below
    them.  Rows are written as they come, so that a page of many series takes no memory.
    """
    with new_files([path], overwrite=True) as (file,), file.open("w", encoding="utf-8") as stream:
        stream.write(_head_of_run(heading, facts, counts))
        for row in rows:
            stream.write(_article(row))
        stream.write(
            f"</main><footer>{escape(note)}<br>dicomarray {escape(__version__)}</footer>"
            f"<script>{_RUN_SCRIPT}</script></body></html>\n"
        )


def _head_of_run(heading: str, facts: Iterable[str], counts: Mapping[str, int]) -> str:
    line = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    choices = {"": f"all {sum(counts.values())}"} | {word: f"{word} {n}" for word, n in counts.items()}
    buttons = "".join(
        f'<button type="button" data-status="{escape(status)}" aria-pressed="{str(not status).lower()}">'
        f"{escape(label)}</button>"
        for status, label in choices.items()
    )
    return (
        f"{head(heading, _RUN_STYLE)}"
        f'<body><header><h1>{escape(heading)}</h1><p class="facts">{line}</p></header>'
        f'<main><div class="bar">{buttons}'
        '<input type="search" placeholder="Find in titles, reasons, warnings" aria-label="Find"></div>\n'
    )


def _article(row: Row) -> str:
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in row.facts)
    parts = [
        f'<article class="{escape(row.status)}"><h2><span class="status">{escape(row.status)}</span>'
        f"{escape(row.title)}</h2>",
        _figures(row.pictures),
        f"<div><dl>{facts}{_links(row.links)}</dl>",
        f'<div class="reason">{escape(row.reason)}</div>' if row.reason else "",
        f"<details><summary>traceback</summary><pre>{escape(row.details)}</pre></details>"
        if row.details
        else "",
        _warnings(row.warnings),
        "</div></article>\n",
    ]
    return "".join(parts)


def _figures(pictures: Sequence[tuple[str, bytes]]) -> str:
    figures = "".join(
        f"<figure>{_picture(png, caption)}<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, png in pictures
    )
    return f'<div class="pictures">{figures}</div>' if figures else ""


def _links(links: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f'<dt>{escape(text)}</dt><dd><a href="{escape(quote(target))}">{escape(target)}</a></dd>'
        for text, target in links
    )


def _warnings(warnings: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<div class="warnings"><ul>{items}</ul></div>' if items else ""


def head(title: str, style: str, policy: str = POLICY) -> str:
    """The page up to its body."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head>"
    )


def _picture(image: bytes, text: str) -> str:
    """A PNG or JPEG that is in the page itself; ``text`` stands for it where it cannot be seen."""
    kind = "png" if image.startswith(_PNG) else "jpeg"
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{base64.b64encode(image).decode()}">'
