"""What some scanners write wrongly in headers that look right: a warning, never a correction."""

from __future__ import annotations

from collections.abc import Iterable

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.discriminators import vendor_of
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import SAME_POSITION_MM
from dicomarray.dicom.headers.attributes import misplaced

# GE's name of the pulse sequence, and its user data 12: for epi_pepolar, which volumes are reversed.
_GE_SEQUENCE, _GE_USER_DATA_12 = "(0019,GEMS_ACQU_01,9C)", "(0019,GEMS_ACQU_01,B3)"
_REVERSED = {1: "all volumes", 2: "the first of each two volumes", 3: "the second of each two volumes"}


def misplaced_sequences(frames: Iterable[Frame]) -> Warnings:
    """The warning for a volume of images in which sequences stand where words or numbers belong."""
    names = misplaced(frame.attributes for frame in frames)
    if not names:
        return ()
    are = "is a sequence" if len(names) == 1 else "are sequences"
    return warning(
        f"{', '.join(names)} {are} in some images, where the standard has words or numbers: unused [sequence]"
    )


def dose_offsets(first: Frame) -> Warnings:
    """The warning for dose planes whose offsets begin with neither 0 nor the place of the first plane.

    PS3.3 C.8.8.3.2 has no others.
    """
    offsets = first.header.attributes.get("GridFrameOffsetVector")
    if first.plane is None or not isinstance(offsets, tuple) or not offsets:
        return ()
    start, z = offsets[0], first.header.attributes.get("ImagePositionPatient")
    z = z[2] if isinstance(z, tuple) and len(z) == 3 else None
    known = isinstance(start, int | float) and isinstance(z, int | float)
    if not known or min(abs(start), abs(start - z)) <= SAME_POSITION_MM:
        return ()
    return warning(
        f"GridFrameOffsetVector begins with {start:g}, neither 0 nor the z of ImagePositionPatient, "
        f"{z:g}: offsets are taken from the first plane on, and the dose may lie elsewhere "
        "[dose-offsets]"
    )


def scanner_faults(first: Frame) -> Warnings:
    """Warnings for a volume from its first image.

    GE's sequence epi_pepolar stores images of reversed phase encoding with their rows in reverse order, while
    Image Orientation stays as it is (described with the data of neurolabusc/dcm_qa_polar).
    """
    is_mr = first.attributes.get("Modality") == "MR"
    if first.of_multiframe or not is_mr or not vendor_of(first).startswith("GE"):
        return ()
    private = first.header.further([_GE_SEQUENCE, _GE_USER_DATA_12])
    if "epi_pepolar" not in str(private.get(_GE_SEQUENCE)).lower():
        return ()
    mode = private.get(_GE_USER_DATA_12)
    which = _REVERSED.get(int(mode)) if isinstance(mode, int | float) else "some volumes"
    if which is None:
        return ()
    return warning(
        f"images may be upside down: GE's sequence epi_pepolar stores {which} with their rows reversed, "
        "and ImageOrientationPatient does not say so; compare with normal phase encoding [reversed-rows]"
    )
