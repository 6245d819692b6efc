"""A volume as one HTML page: its three planes, and its slices to leaf through; no network is needed.

Nothing that names the patient is on it.
"""

from __future__ import annotations

import io
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from dicomarray.core.plain_text import one_line
from dicomarray.render.html import head, picture
from dicomarray.render.pictures import draw, draw_slices
from dicomarray.storage.atomic import new_files
from dicomarray.volume import Volume

if TYPE_CHECKING:
    from PIL.Image import Image

_STYLE = """
body { margin: 0; padding: 24px; background: #101216; color: #e1e4e8;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; text-align: center; }
img { max-width: 100%; border-radius: 4px; } #slice { width: min(80vh, 100%); background: #000; }
.line { display: flex; gap: 16px; justify-content: center; align-items: center; margin: 12px 0 32px; }
h1 { font-size: 16px; font-weight: normal; margin: 0 0 16px; }
input { width: min(60vw, 560px); } output { min-width: 14em; text-align: left; }
"""
_SCRIPT = """
const slices = [...document.querySelectorAll("#slices img")], shown = document.getElementById("slice");
const range = document.querySelector("input"), label = document.querySelector("output");
function show() { const s = slices[range.value]; shown.src = s.src; shown.alt = label.textContent = s.alt; }
range.oninput = show;
shown.onwheel = event => { event.preventDefault(); range.value -= -Math.sign(event.deltaY); show(); };
show();
"""


def save_html(volume: Volume, path: str | PathLike[str], overwrite: bool = False) -> None:
    """Write the page; it appears whole or not at all.

    Raises
    ------
    OutputError
        Where ``path`` exists and ``overwrite`` is not set.
    ValuesError
        As `pictures.draw` does.
    """
    slices, title = draw_slices(volume), _title(volume)
    images = "".join(picture(_png(image), title) for title, image in slices)
    page = (
        f"{head(title, _STYLE)}"
        f'<body><h1>{escape(title)}</h1><img id="slice" alt="">'
        f'<div class="line"><input type="range" min="0" max="{len(slices) - 1}" value="{len(slices) // 2}" '
        'aria-label="slice"><output></output></div>'
        f'{picture(_png(draw(volume)), "three planes")}<div id="slices" hidden>{images}</div>'
        f"<script>{_SCRIPT}</script></body></html>\n"
    )
    with new_files([Path(path)], overwrite) as (file,):
        file.write_text(page, "utf-8")


def _title(volume: Volume) -> str:
    """Which volume it is, in words that name nobody: ``CT 3 CHEST STD, 120 x 512 x 512 HU``."""
    names = ("Modality", "SeriesNumber", "SeriesDescription")
    words = [one_line(str(volume.series[name])) for name in names if volume.series.get(name) is not None]
    size = " x ".join(map(str, volume.array.shape))
    return f"{' '.join(words) or 'dicomarray view'}, {size} {volume.units}"


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()
