"""The page with NiiVue: a volume, masks over it, another volume beside it, all in one file."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

from dicomarray.render.overlay import check_grid
from dicomarray.render.pages import POLICY, head, title_of
from dicomarray.render.pictures import caption_of
from dicomarray.render.viewer.build import niivue
from dicomarray.render.viewer.images import masks_of, picture_of
from dicomarray.segmentation import Segmentation
from dicomarray.version import __version__
from dicomarray.volume import Volume

# As other pages; images are made by scripts, from what is in the page.
_POLICY = POLICY.replace("img-src data:", "img-src data: blob:")


def viewer_page(volume: Volume, segmentation: Segmentation | None, beside: Volume | None) -> Iterator[str]:
    """The page with NiiVue, in parts; see `pages.save_page`, which chooses it."""
    build = niivue()
    if segmentation is not None:
        check_grid(segmentation, volume)
    volumes = [volume] if beside is None else [volume, beside]
    pictures = [picture_of(one) for one in volumes]
    sides = ("",) if beside is None else ("Left: ", "Right: ")
    notes = dict.fromkeys(f"{s}{note}" for s, one in zip(sides, pictures, strict=True) for note in one.notes)
    described: dict[str, Any] = {
        "images": [
            {**one.facts, "title": title_of(shown), "caption": caption_of(shown)}
            for shown, one in zip(volumes, pictures, strict=True)
        ],
        "linked": _linked(volumes, notes),
        "segments": [],
    }
    contents = [(f"image-{index}", one.file) for index, one in enumerate(pictures)]
    if segmentation is not None:
        masks = masks_of(segmentation, pictures[0].grid)
        notes |= dict.fromkeys(masks.notes)
        described["segments"] = masks.segments
        contents += [(f"masks-{index}", file) for index, file in enumerate(masks.files)]
    yield head(title_of(volume), _asset("viewer.css"), _POLICY)
    yield f"<!-- NiiVue {escape(build.version)}\n{build.licence.replace('--', '- -')}\n-->\n"
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    yield _asset("viewer.html").format(
        title=escape(title_of(volume)),
        notes=f'<ul class="notes">{items}</ul>' if items else "",
        licence=escape(build.licence),
        build=escape(build.version),
        version=escape(__version__),
    )
    for name, content in contents:
        yield _embedded(name, content)
    yield _embedded("niivue", gzip.compress(build.script.encode(), mtime=0))
    yield f'<script type="application/json" id="content">{_json(described)}</script>\n'
    yield f"<script>{_asset('viewer.js')}</script></body></html>\n"


def _linked(volumes: list[Volume], notes: dict[str, None]) -> bool:
    """Whether the two are moved together; a note says why not, or what nobody vouches for."""
    if len(volumes) == 1:
        return False
    one, other = (volume.geometry for volume in volumes)
    if one is None or other is None:
        notes["Only one place in the patient is known: each volume is moved by itself."] = None
        return False
    uids = {one.frame_of_reference_uid, other.frame_of_reference_uid}
    if len(uids) > 1 or None in uids:
        notes[
            "The volumes do not share a Frame of Reference UID: that they are in one place is an assumption."
        ] = None
    return True


def _asset(name: str) -> str:
    return (files("dicomarray.render.viewer") / name).read_text(encoding="utf-8")


def _embedded(name: str, content: bytes) -> str:
    """Bytes that the script of the page finds by their name."""
    return f'<script type="text/plain" id="{name}">{base64.b64encode(content).decode()}</script>\n'


def _json(value: Any) -> str:
    """JSON that cannot end the element in which it stands."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
