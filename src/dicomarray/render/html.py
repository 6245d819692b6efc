"""What the HTML pages share: they load nothing, and pictures are part of them."""

from __future__ import annotations

import base64
from html import escape

# Pages refuse to fetch anything, so that they can be read, and passed on, without a network.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_PNG = b"\x89PNG"


def head(title: str, style: str) -> str:
    """The page up to its body."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head>"
    )


def picture(image: bytes, text: str) -> str:
    """A PNG or JPEG that is in the page itself; ``text`` stands for it where it cannot be seen."""
    kind = "png" if image.startswith(_PNG) else "jpeg"
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{base64.b64encode(image).decode()}">'
