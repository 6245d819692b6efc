"""What the HTML pages share: they load nothing, and pictures are part of them."""

from __future__ import annotations

import base64
from html import escape

# Pages refuse to fetch anything, so that they can be read, and passed on, without a network.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def head(title: str, style: str) -> str:
    """The page up to its body."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head>"
    )


def picture(png: bytes, text: str) -> str:
    """An image that is in the page itself; ``text`` stands for it where it cannot be seen."""
    return f'<img alt="{escape(text)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
