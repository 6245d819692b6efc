"""Warnings: a sentence for people, which ends with a stable code for programs.

``docs/reference/sidecar.md`` says what each code means.  Sentences may change, codes do not.
"""

from __future__ import annotations

import re

# Each stands in docs/reference/sidecar.md, and at the end of the texts that are made with it.
CODES = frozenset((
    "array-flipped", "bits-cut", "broken-places", "burned-in", "clipped-values", "colour-scaling",
    "contours-between-slices", "contours-damaged", "contours-missing", "contours-none",
    "contours-not-closed", "contours-not-planar", "contours-off-slices", "contours-outside",
    "contours-overlap", "contours-smoothed", "copies", "decoder-filled", "decoder-overshoot",
    "decoder-restarts", "decoder-trailing", "directions-lost", "dose-offsets", "empty-lut",
    "equal-images", "fill-values", "filled-slices", "fractions-as-hu", "fractions-halved",
    "frame-of-reference", "functional-groups", "gantry-tilt", "half-rescale", "incomplete-repetition",
    "labels", "labels-off-grid", "labels-off-images", "labels-outside", "lossy", "mapping-ambiguous",
    "mapping-ignored", "mapping-range", "mapping-units", "masks-as-images", "masks-of-steps",
    "masks-own-grid", "missing-parts", "mixed-patients", "mixed-repetitions", "mixed-scans",
    "modality-lut", "monochrome1", "motion", "nifti-shear", "no-order", "no-place", "no-references",
    "no-rescale", "not-a-number", "not-finite", "not-normalized", "objects-not-read", "palette",
    "query-frames", "query-value", "resampled", "rescale-unusable", "rescaled-values", "retired",
    "reversed-rows", "roi-numbers", "secondary-capture", "segments", "segments-alike", "segments-empty",
    "segments-renumbered", "sequence", "shared-uid", "sidecar-unused", "slice-location", "slice-spacing",
    "slice-thickness", "study-uids", "suv", "time-order", "trailing-bytes", "units-differ",
    "units-missing", "unreadable", "vr-of-text", "zero-slope",
))  # fmt: skip
_ENDING = re.compile(r" \[([a-z0-9-]+)\]\Z")


class CodedWarning(str):
    """The text of a warning: a sentence, then its code in brackets.  Both stay together in any file."""

    __slots__ = ()

    @property
    def code(self) -> str:
        """The stable code; empty for a text that has none."""
        found = _ENDING.search(self)
        return found[1] if found else ""

    def with_detail(self, detail: str) -> CodedWarning:
        """The same, with more words behind the sentence."""
        return CodedWarning(_ENDING.sub(rf" {detail}\g<0>", self))


Warnings = tuple[CodedWarning, ...]


def warning(text: str) -> Warnings:
    """One warning, as a tuple, so that it can be added to others; ``text`` ends with a code in brackets."""
    made = CodedWarning(text)
    if made.code not in CODES:
        raise ValueError(f"a warning without a code of the list: {text}")
    return (made,)
