"""What the page asks of an index: series that match, why others do not, small pictures, pages of volumes."""

from __future__ import annotations

import io
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import Series
from dicomarray.assembly.volumes.assemble import assemble
from dicomarray.catalog.descriptions import described
from dicomarray.catalog.series_selection import Found, ScanRequest, select
from dicomarray.cli.browse.results import Results, largest
from dicomarray.cli.rendering import record
from dicomarray.cli.where import with_conditions
from dicomarray.cli.why import explanation_lines
from dicomarray.core.plain_text import one_line
from dicomarray.errors import InputError
from dicomarray.query.facts import FACTS
from dicomarray.query.fields import parse_field
from dicomarray.query.grammar import NODE_WORDS, TOP_WORDS
from dicomarray.query.json_schema import filter_schema
from dicomarray.render.greys import window_of
from dicomarray.render.options import PageOptions
from dicomarray.render.pages import save_page
from dicomarray.render.pictures import pixels_of, resized
from dicomarray.segmentation import Segmentation
from dicomarray.storage.places import PathLike

# To be seen: whatever is missing or contradictory, as far as it can be read.
READING = ReadOptions(missing="keep", duplicates="split", geometry="ignore")
# Series that one answer has; the page asks for the next ones when they are wanted.
PAGE = 200
# Pixels of the longer side of a small picture.
THUMBNAIL = 128
# Searches and pictures that are kept: a page shows a few hundred.
SEARCHES, PICTURES = 2, 1000
# Values that are proposed for an attribute, the most frequent first.
VALUES = 30


class Archive:
    """An index as the page sees it; with ``show_patient`` what names the patient is seen too.

    ``run`` is the output folder of a run, whose results are seen beside the series that they were made of.
    """

    def __init__(
        self,
        index: PathLike,
        show_patient: bool = False,
        page: PageOptions | None = None,
        run: PathLike | None = None,
    ) -> None:
        self._index = index
        self._results = None if run is None else Results(run)
        self._page = page or PageOptions()
        self._show_patient = show_patient
        self._found = lru_cache(SEARCHES)(self._search)
        self.thumbnail = lru_cache(PICTURES)(self._thumbnail)

    def search(self, conditions: Sequence[str], start: int = 0) -> dict[str, Any]:
        """Series that match conditions, `PAGE` of them from one on; the config that says the same.

        Raises ConfigError where a condition is none, with all mistakes.
        """
        found = self.found(conditions)
        return {
            "config": with_conditions({}, conditions),
            "total": len(found.series),
            "of": len(found.catalog),
            "start": start,
            "series": [self._row(series) for series in found.series[start : start + PAGE]],
            "warnings": list(found.warnings),
        }

    def why(self, conditions: Sequence[str]) -> str:
        """Why the other series do not match."""
        return "\n".join(explanation_lines(self.found(conditions).explanation(self._show_patient)))

    def values(self, field: str, conditions: Sequence[str]) -> list[str]:
        """The most frequent values of an attribute among series that match; none that name the patient."""
        if parse_field(field).identifying and not self._show_patient:
            return []
        counts: Counter[str] = Counter()
        for series in self.found(conditions).series:
            value = series.attributes.get(field)
            for one in value if isinstance(value, tuple) else (value,):
                if one is not None:
                    counts[one_line(str(one))] += 1
        return [value for value, _ in counts.most_common(VALUES)]

    def words(self) -> dict[str, list[str]]:
        """What the grammar knows: facts, words and attributes."""
        keywords = [name for name in filter_schema()["properties"] if name[0].isupper()]
        return {"facts": [*FACTS], "words": [*NODE_WORDS, *TOP_WORDS], "keywords": keywords}

    def page(self, uid: str, result: int | None = None) -> str:
        """The page of the largest volume of a series, or of one of its results beside it.

        Raises DicomArrayError where it cannot be read.
        """
        series = self.series(uid)
        stacks = series.stacks(READING)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "view.html"
            if result is None or self._results is None:
                save_page(assemble(largest(stacks), READING), path, self._page)
                return path.read_text(encoding="utf-8")
            source = assemble(self._results.stack_of(uid, result, stacks), READING)
            made = self._results.load(uid, result, source, READING)
            if isinstance(made, Segmentation):
                save_page(source, path, self._page, segmentation=made)
            else:
                save_page(source, path, self._page, beside=made)
            return path.read_text(encoding="utf-8")

    def series(self, uid: str) -> Series:
        """One series by its UID; raises InputError where there is none."""
        found = [one for one in select(ScanRequest(None, self._index, series=uid)).series if one.uid == uid]
        if not found:
            raise InputError(f"no series has the UID {uid}")
        return found[0]

    def found(self, conditions: Sequence[str]) -> Found:
        """What a search finds."""
        return self._found(json.dumps(with_conditions({}, conditions)))

    def _search(self, config: str) -> Found:
        return select(ScanRequest(None, self._index, config=json.loads(config)))

    def _row(self, series: Series) -> Mapping[str, Any]:
        row = record(series) | described(series)
        if self._show_patient:
            row |= {name: series.attributes.get(name) for name in ("PatientName", "PatientID")}
        cells = {name: None if value is None else one_line(str(value)) for name, value in row.items()}
        results = [] if self._results is None else self._results.names_of(series.uid)
        return cells | {"image": series.is_image, "results": results}

    def _thumbnail(self, uid: str) -> bytes:
        """The middle image of the largest volume as PNG; raises DicomArrayError where it cannot be read."""
        series = self.series(uid)
        if not series.is_image:
            raise InputError(f"series {uid} has no images")
        return _picture_of(_middle(largest(series.stacks(READING))))


def _middle(stack: Stack) -> Stack:
    """The middle image of the first repetition, as a stack of its own."""
    slices = stack.num_slices
    frame = stack.frames[slices // 2]
    geometry = stack.geometry
    if geometry is not None:
        at = slices // 2
        geometry = replace(geometry, slice_positions=geometry.slice_positions[at : at + 1])
    return replace(stack, frames=(frame,), repetitions=1, axis=None, coordinates={}, geometry=geometry)


def _picture_of(stack: Stack) -> bytes:
    volume = assemble(stack, READING)
    values = volume.array[0]
    pixels = pixels_of(values, volume.units, window_of([values]))
    if volume.series.get("PhotometricInterpretation") == "MONOCHROME1":
        pixels = 255 - pixels
    height, width = values.shape[:2]
    if stack.geometry is not None:
        height, width = (np.array((height, width)) * stack.geometry.pixel_spacing).tolist()
    stream = io.BytesIO()
    resized(pixels, (height, width), THUMBNAIL).save(stream, format="PNG")
    return stream.getvalue()
