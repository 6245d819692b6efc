"""What a notebook shows of volumes, masks, series and reports: small pieces of HTML that need no network.

Whatever comes from a file is escaped; nobody is named.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomarray.catalog.descriptions import described
from dicomarray.core.plain_text import one_line
from dicomarray.core.segments import Segment
from dicomarray.errors import DicomArrayError
from dicomarray.render.overlay import colour_of
from dicomarray.render.pictures import draw, draw_slices
from dicomarray.segmentation import Segmentation
from dicomarray.volume import Volume

if TYPE_CHECKING:
    from PIL.Image import Image

    from dicomarray.assembly.series import Series
    from dicomarray.objects.common.files import WriteReport

# Slices that a slider leafs through, and rows of a table: an output is kept in the notebook's file.
SLICES, ROWS = 24, 100
# Pixels of the width of three planes.
WIDTH = 900
_LEAF = (
    "this.nextElementSibling.querySelectorAll('img').forEach((image, at) => image.hidden = at != this.value)"
)
_SWATCH = "display: inline-block; width: .9em; height: .9em; border-radius: 2px; margin-right: .4em"


def volume_html(volume: Volume) -> str:
    """Three planes, a slider through the slices, and what to be careful about."""
    head = f"<b>{escape(one_line(repr(volume)))}</b>"
    try:
        planes, slices = draw(volume), draw_slices(volume)
    except DicomArrayError as error:
        return f"<div>{head}<p>{escape(str(error))}</p></div>"
    planes.thumbnail((WIDTH, WIDTH))
    return f"<div>{head}{_picture(planes, 'three planes')}{_slider(slices)}{_warnings(volume.warnings)}</div>"


def segmentation_html(masks: Segmentation) -> str:
    """The segments with their colours and sizes, and the masks in three planes."""
    voxel = None
    if masks.geometry is not None and masks.geometry.uniform:
        voxel = float(abs(np.linalg.det(masks.geometry.affine[:3, :3]))) / 1000
    rows = [_segment_row(masks, segment, voxel) for segment in masks.segments[:ROWS]]
    table = _table(("", "number", "label", "voxels", "ml"), rows, len(masks.segments))
    ground = Volume(np.zeros(masks.shape, np.uint8), replace(masks.info, segments=(), units="stored"))
    try:
        picture = draw(ground, masks)
    except DicomArrayError as error:
        return f"<div><b>{escape(repr(masks))}</b>{table}<p>{escape(str(error))}</p></div>"
    picture.thumbnail((WIDTH, WIDTH))
    shown = _picture(picture, "masks in three planes")
    return f"<div><b>{escape(one_line(repr(masks)))}</b>{table}{shown}{_warnings(masks.warnings)}</div>"


def series_html(series: Iterable[Series], title: str, count: int) -> str:
    """A table of series: study, description, size and plane."""
    rows = [_series_row(one) for one in series]
    names = ("modality", "number", "description", "study", "size", "plane", "manufacturer", "UID")
    return f"<div><b>{escape(one_line(title))}</b>{_table(names, rows, count)}</div>"


def report_html(report: WriteReport) -> str:
    """What was written, and how exactly."""
    facts: dict[str, Any] = {
        "written": report.place,
        "Series Instance UID": report.series_uid,
        "greatest error": f"{report.max_error:.6g}",
        "mean error": f"{report.mean_error:.6g}",
        "clipped": report.clipped,
    }
    if report.slope is not None:  # else each image has the template's, or it is no image
        facts["slope, intercept"] = f"{report.slope:.6g}, {report.intercept:.6g}"
    rows = [(escape(name), escape(one_line(str(value)))) for name, value in facts.items()]
    return f"<div><b>WriteReport</b>{_table(('', ''), rows, len(rows))}{_warnings(report.warnings)}</div>"


def _segment_row(masks: Segmentation, segment: Segment, voxel: float | None) -> tuple[str, ...]:
    voxels = int(np.count_nonzero(masks.mask(segment.number)))
    red, green, blue = colour_of(segment)
    swatch = f'<span style="{_SWATCH}; background: rgb({red}, {green}, {blue})"></span>'
    size = "" if voxel is None else f"{voxels * voxel:.4g}"
    return swatch, str(segment.number), escape(one_line(segment.label)), str(voxels), size


def _series_row(series: Series) -> tuple[str, ...]:
    get, facts = series.attributes.get, described(series)
    values = (
        get("Modality"), get("SeriesNumber"), get("SeriesDescription"), facts["study"], facts["size"],
        facts["plane"], get("Manufacturer"), series.uid,
    )  # fmt: skip
    return tuple("" if value is None else escape(one_line(str(value))) for value in values)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], count: int) -> str:
    """A table of cells that are HTML already; ``count`` rows there are in all."""
    head = "".join(f"<th style='text-align: left'>{escape(name)}</th>" for name in names)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    more = f"<p>and {count - len(rows)} more</p>" if count > len(rows) else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>{more}"


def _cell(content: str) -> str:
    return f'<td style="text-align: left">{content}</td>'


def _slider(slices: Sequence[tuple[str, Image]]) -> str:
    """Pictures of which one is seen; a handler at the slider needs no script, which notebooks take out."""
    chosen = [slices[n] for n in np.unique(np.linspace(0, len(slices) - 1, SLICES).round().astype(int))]
    middle = len(chosen) // 2
    images = "".join(_picture(image, title, hidden=at != middle) for at, (title, image) in enumerate(chosen))
    slider = (
        f'<input type="range" min="0" max="{len(chosen) - 1}" value="{middle}" aria-label="slice" '
        f'style="width: 20em" oninput="{escape(_LEAF)}">'
    )
    return f"<div>{slider}<div>{images}</div></div>"


def _picture(image: Image, text: str, hidden: bool = False) -> str:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, format="JPEG", quality=85)
    data = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<img alt="{escape(text)}" title="{escape(text)}" src="data:image/jpeg;base64,{data}"'
        f"{' hidden' if hidden else ''} style='max-width: 100%'>"
    )


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f"<details open><summary>{len(warnings)} warnings</summary><ul>{items}</ul></details>"
