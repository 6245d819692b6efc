"""The page of a run, made of its entries, and the thumbnails on it, which workers make."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dicomarray.errors import GeometryError, ValuesError
from dicomarray.pipeline.entries import RunEntry, SeriesOutput
from dicomarray.render.pages import Row, write_page
from dicomarray.segmentation import Segmentation
from dicomarray.sinks.fsspec import send_file
from dicomarray.storage.places import Place, Url
from dicomarray.volume import Volume

if TYPE_CHECKING:
    from dicomarray.render.pictures import PlaneOfVolume

FILE_NAME = "report.html"
# Hidden, a line each: the page has them, and no one else needs them.
THUMBNAILS = ".thumbnails.jsonl"
# About 5 kB each: beyond so many a page takes long to open.
MAX_THUMBNAILS = 2000
# Photographs in a list: no difference to 100 can be seen, at a third of the size.
JPEG_QUALITY = 80
# Between the two pictures.
GAP_PIXELS = 4
TIMES = " x "
NOTE = (
    "Results beside their sources, from this folder: dicomarray browse --index INDEX --run . --viewer niivue"
)


def plane_to_show(volume: Volume) -> PlaneOfVolume | None:
    """What a thumbnail shows of a volume, as it is now; None where nothing can be drawn."""
    from dicomarray.render.pictures import PlaneOfVolume

    with contextlib.suppress(ValuesError):  # samples that are no colours: the series is written all the same
        return PlaneOfVolume.of(volume)
    return None


def thumbnail(before: PlaneOfVolume | None, after: Volume | Segmentation, under: Volume | None = None) -> str:
    """One plane of both, side by side in one window: a JPEG in base 64; empty where nothing can be drawn.

    Masks are drawn over ``under``, in the slice that shows most of them; on another grid they are not.
    """
    if before is None:
        return ""
    from PIL import Image

    from dicomarray.render.pictures import draw_masks, draw_thumbnails

    try:
        if isinstance(after, Segmentation):
            if under is None:
                return ""
            pictures = draw_masks(under, after)
        else:
            pictures = draw_thumbnails(before, after)
    except (ValuesError, GeometryError):
        return ""
    width = sum(picture.width for picture in pictures) + GAP_PIXELS
    both = Image.new("RGB", (width, max(picture.height for picture in pictures)))
    both.paste(pictures[0], (0, 0))
    both.paste(pictures[1], (pictures[0].width + GAP_PIXELS, 0))
    stream = io.BytesIO()
    both.save(stream, "JPEG", quality=JPEG_QUALITY)
    return base64.b64encode(stream.getvalue()).decode()


def put_aside(entry: RunEntry, folder: Path) -> RunEntry:
    """The entry without its thumbnails, which lie in a file now: memory does not grow with a run."""
    lines = [
        json.dumps([_key(entry, result), result.thumbnail]) for result in entry.outputs if result.thumbnail
    ]
    if lines:
        with (folder / THUMBNAILS).open("a", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
    return replace(entry, outputs=tuple(replace(result, thumbnail="") for result in entry.outputs))


def _key(entry: RunEntry, result: SeriesOutput) -> str:
    return "/".join(filter(None, (entry.name, result.name)))


def _thumbnails(folder: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """The last picture of each result; a line that a killed run has torn is passed over."""
    path, found = folder / THUMBNAILS, dict[str, bytes]()
    if not path.exists():
        return found
    with path.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                key, picture = json.loads(line)
                if key in wanted:
                    found[key] = base64.b64decode(picture, validate=True)
    return found


def write_report(folder: Path, output: Place, function: str, entries: Sequence[RunEntry]) -> Place:
    """Write ``report.html`` into a folder, in place of an earlier one, and to an output in a store."""
    counts = Counter("kept" if entry.resumed else entry.status for entry in entries)
    started = min((entry.started for entry in entries), default=0.0)
    facts = (
        function,
        f"{len(entries)} series",
        datetime.fromtimestamp(started).astimezone().isoformat(" ", "minutes"),
        f"{sum(entry.seconds for entry in entries):.0f} s of work",
    )
    shown = {status: counts[status] for status in ("failed", "written", "kept") if counts[status]}
    path = folder / FILE_NAME
    write_page(path, "dicomarray run", facts, shown, _rows(folder, entries), NOTE)
    if isinstance(output, Url):
        send_file(path, output / FILE_NAME)
    return output / FILE_NAME


def _rows(folder: Path, entries: Sequence[RunEntry]) -> Iterator[Row]:
    """Failures first: they are what somebody opens the page for."""
    keys = (_key(entry, result) for entry in entries for result in entry.outputs)
    found = _thumbnails(folder, frozenset(islice(keys, MAX_THUMBNAILS)))
    for failed in (True, False):
        for entry in entries:
            if (entry.status == "failed") is failed:
                named = [(result.name, _key(entry, result)) for result in entry.outputs]
                pictures = [
                    (f"{name} before | after".strip(), found[key]) for name, key in named if key in found
                ]
                yield _row(entry, tuple(pictures))


def _row(entry: RunEntry, pictures: tuple[tuple[str, bytes], ...]) -> Row:
    return Row(
        status="kept" if entry.resumed else entry.status,
        title=entry.title,
        facts=(*_facts(entry), ("time", f"{entry.seconds:.1f} s")),
        reason=entry.error or "",
        details=entry.traceback or "",
        warnings=entry.warnings,
        links=tuple(("output", f"{_key(entry, result)}/") for result in entry.outputs),
        pictures=pictures,
    )


def _facts(entry: RunEntry) -> Iterator[tuple[str, str]]:
    for result in entry.outputs:
        prefix = f"{result.name} " if result.name else ""
        yield f"{prefix}grid", _grid(result)
        slope = "" if result.slope is None else f", slope {result.slope:.6g}"
        yield (
            f"{prefix}values",
            f"{result.units}{slope}, greatest error {result.max_error:.3g}, mean {result.mean_error:.3g}, "
            f"clipped {result.clipped}",
        )


def _grid(result: SeriesOutput) -> str:
    shape = TIMES.join(map(str, result.shape)) + f" ({', '.join(result.axes)})"
    if result.affine is None:
        return f"{shape}, no geometry"
    columns = zip(*(row[:3] for row in result.affine[:3]), strict=True)
    lengths = (sum(part * part for part in column) ** 0.5 for column in columns)
    return f"{shape}, {TIMES.join(f'{length:.4g}' for length in lengths)} mm"
