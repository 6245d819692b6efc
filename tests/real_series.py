"""What the folder of real series holds."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("DICOMARRAY_TEST_DATA", REPOSITORY.parent / "shared" / "data"))

# Folders whose contents are known, and how many series of images are in each.
KNOWN = {
    "ct-oblique-simpleitk": 1,
    "mr-ge-dwi-equal-pixels": 1,
    "rtstruct-sts-002": 3,
    "rtstruct-sts-003": 3,
    "seg-dcmqi": 11,
    "ct-ge-tilted-uneven": 1,
    "ct-philips-5mm": 1,
    "ct-philips-tilted": 1,
    "mr-canon-dti": 1,
    "mr-enhanced-agfa": 1,
    "mr-enhanced-philips-siemens": 2,
    "mr-enhanced-siemens": 1,
    "mr-ge-axial": 1,
    "mr-ge-fmri": 1,
    "mr-ge-localizer": 1,
    "mr-philips-dual-echo": 1,
    "mr-siemens-mosaic": 2,
    "mr-siemens-sagittal": 2,
    "mr-siemens-transfer-syntaxes": 1,
    "mr-siemens-xa30": 6,
}
# Every folder that is there; without any the known ones, whose tests are skipped visibly.
_FOUND = (REAL_DATA / "series").iterdir() if (REAL_DATA / "series").is_dir() else ()
FOLDERS = sorted(path.name for path in _FOUND if path.is_dir()) or list(KNOWN)
