"""What the JSON of BIDS says of how a PET was reconstructed, by Reconstruction Method and Convolution Kernel.

Both are free text (PS3.3 C.8.9.1, C.8.9.4), of which each vendor has its own: words that are known have the
names that dcm2niix has for them, and any other text stays what it is.
"""

from __future__ import annotations

import re
from typing import Any

from dicomarray.formats.bids_values import ITERATIONS, SUBSETS, Attributes, number, rounded, text_of

# Texts that have a name as a whole; the first that is found counts.
_WHOLE = (
    ("PSF+TOF3i21s", "Point-Spread Function + Time Of Flight"),
    ("PSF TOF 3D OSEM", "Point-Spread Function 3D Time Of Flight"),
    ("OP-OSEM", "Ordinary Poisson - Ordered Subset Expectation Maximization"),
    ("OSEM3D-OP-PSF", "Ordinary Poisson 3D Ordered Subset Expectation Maximization + Point-Spread Function"),
    ("LOR-RAMLA", "Line Of Response - Row Action Maximum Likelihood"),
    ("3D-RAMLA", "3D Row Action Maximum Likelihood"),
    ("3DRP", "3DRP"),
    ("3D Kinahan-Rogers", "3D Kinahan-Rogers"),
)
# Else a name is made of parts, in this order; of the words of a line the first that is found counts.
_SHARPENED = "with Point-Spread Function modelling"
_PARTS = (
    (("OSEM", "Ordered Subset Expectation Maximization"), ("OS", "Ordered Subset")),
    (("LOR", "Line Of Response"),),
    (("RAMLA", "Row Action Maximum Likelihood"),),
    (("OP", "Ordinary Poisson"),),
    (("PSF", "Point-Spread Function modelling"),),
    (("TOF", "Time Of Flight"), ("TF", "Time Of Flight")),
    # GE: an S at the end is SharpIR, which models the point spread
    (
        ("VPHD-S", f"3D Ordered Subset Expectation Maximization {_SHARPENED}"),
        ("VPHDS", f"3D Ordered Subset Expectation Maximization {_SHARPENED}"),
        ("VPHD", "VUE Point HD"),
    ),
    (
        ("VPFX-S", f"VUE Point HD using Time Of Flight {_SHARPENED}"),
        ("VPFXS", f"VUE Point HD using Time Of Flight {_SHARPENED}"),
        ("VPFX", "VUE Point HD using Time Of Flight"),
    ),
    (("Q.Clear", "VUE Point HD with regularization (smoothing)"),),
    (("BLOB", "3D spherically symmetric basis function"),),
    (("FilteredBack", "Filtered Back Projection"), ("Filtered Back", "Filtered Back Projection")),
)
# Iterations and subsets within the text: 3i21s, or i10s16.
_REPEATED = re.compile(r"(\d{1,4})i\s?(\d{1,4})s|i(\d{1,4})s(\d{1,4})")
# A filter and its width in mm: XYZ Gauss2.00, Gaussian 4 mm.
_FILTER = re.compile(r"(\D*[^\d\s.])\s*(\d{1,4}(?:\.\d{1,6})?)(?:\s?mm)?")


def describe_reconstruction(known: Attributes) -> dict[str, Any]:
    """The method and its parameters, the filter and its width."""
    method = str(text_of(known.get("ReconstructionMethod")) or "").strip()
    kernel = str(text_of(known.get("ConvolutionKernel")) or "").strip()
    found: dict[str, Any] = {"ReconMethodName": _method_name(method) or None}
    iterations, subsets = _repeated(known, method)
    if iterations and subsets:
        found["ReconMethodParameterLabels"] = ["subsets", "iterations"]
        found["ReconMethodParameterUnits"] = ["none", "none"]
        found["ReconMethodParameterValues"] = [subsets, iterations]
    if filtered := _FILTER.fullmatch(kernel):
        found["ReconFilterType"] = filtered[1]
        found["ReconFilterSize"] = rounded(float(filtered[2]))
    elif kernel:
        found["ReconFilterType"] = kernel
    return found


def _method_name(method: str) -> str:
    whole = next((name for text, name in _WHOLE if text in method), None)
    if whole is not None:
        return whole
    found = (next((name for word, name in words if word in method), None) for words in _PARTS)
    return " ".join(name for name in found if name) or method


def _repeated(known: Attributes, method: str) -> tuple[int, int]:
    """How many iterations of how many subsets; zeros where nothing says it."""
    if found := _REPEATED.search(method):
        return int(found[1] or found[3]), int(found[2] or found[4])
    counts = (number(known, name) or 0.0 for name in (ITERATIONS, SUBSETS))
    iterations, subsets = (int(count) if 0 < count < 1e4 else 0 for count in counts)
    return iterations, subsets
