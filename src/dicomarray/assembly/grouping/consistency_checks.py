"""Warns of slices that seem to be of several scans, of missing parts, and of scanners' known mistakes."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from dicomarray.assembly.frames.frame import Frame, by_file
from dicomarray.assembly.grouping.discriminators import TIME_INDEX, differing, value_of, vendor_of
from dicomarray.assembly.options import ReadOptions
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import SAME_POSITION_MM, StackGeometry
from dicomarray.core.plain_text import some
from dicomarray.dicom.functional_groups import CONTRADICTED
from dicomarray.dicom.headers.attributes import may_differ, misplaced
from dicomarray.dicom.vr import Value, texts
from dicomarray.errors import GeometryError

# Of a volume there is one of each, ...
_ONE = ("ConvolutionKernel", "KVP", "DiffusionBValue", "FlipAngle", "PatientPosition")
# ... while these may change along it, or count its slices, but do not come and go.  MR scanners number the
# acquisitions of odd and even slices.
_IN_BLOCKS = ("SliceThickness", *TIME_INDEX)
_IN_BLOCKS_OF_CT = ("AcquisitionNumber",)
# Slice Location of repetitions of a slice differs by less, also where they follow the patient's motion.
OTHER_SLICE_MM = 0.5
# GE's name of the pulse sequence, and its user data 12: for epi_pepolar, which volumes are reversed.
_GE_SEQUENCE, _GE_USER_DATA_12 = "(0019,GEMS_ACQU_01,9C)", "(0019,GEMS_ACQU_01,B3)"
_REVERSED = {1: "all volumes", 2: "the first of each two volumes", 3: "the second of each two volumes"}


def mixed_scan_warnings(repetitions: Sequence[Sequence[Frame]]) -> Warnings:
    """Warnings for attributes that differ between the slices of a repetition as they do between scans."""
    is_ct = repetitions[0][0].attributes.get("Modality") == "CT"
    names = (*_ONE, *_IN_BLOCKS, *(_IN_BLOCKS_OF_CT if is_ct else ()))
    notes: dict[str, Warnings] = {}
    for keyword in differing(itertools.chain(*repetitions), names):
        for slices in repetitions:
            values = [value_of(frame, keyword) for frame in slices]
            if len(set(values)) > 1 and (keyword in _ONE or _come_and_go(values)):
                first, other = list(dict.fromkeys(values))[:2]
                name = slices[values.index(other)].header.reference.name
                notes[keyword] = warning(
                    f"{keyword} is {first} in some slices and {other} in others: the volume may be made of "
                    f"two scans; {name} is of the other [mixed-scans]"
                )
    return tuple(itertools.chain(*notes.values()))


def slice_location_warnings(repetitions: Sequence[Sequence[Frame]]) -> Warnings:
    """The warning for images at one place of which each says that it is another slice."""
    frames = list(itertools.chain(*repetitions))
    if len(repetitions) == 1 or not differing(frames, ["SliceLocation"]):
        return ()
    off = 0
    for members in zip(*repetitions, strict=True):
        stated = [
            location for frame in members if (location := frame.usable_number("SliceLocation")) is not None
        ]
        off += bool(stated) and max(stated) - min(stated) > OTHER_SLICE_MM
    if not off:
        return ()
    return warning(
        f"SliceLocation differs between images at {off} of {len(repetitions[0])} places: they may be slices "
        "whose ImagePositionPatient is wrong, and not repetitions of one [slice-location]"
    )


def group_warnings(frames: Sequence[Frame]) -> Warnings:
    """The warnings for objects that say one thing of all frames and another of single ones."""
    return _shared_and_own(frames) + _data_set_and_groups(frames)


def _shared_and_own(frames: Sequence[Frame]) -> Warnings:
    differ = may_differ([frame.attributes for frame in frames], [CONTRADICTED])
    if not differ and frames[0].attributes.get(CONTRADICTED) is None:
        return ()
    known = [(frame.header.reference.name, texts(frame.attributes.get(CONTRADICTED))) for frame in frames]
    names = {name: None for _, several in known for name in several if name}
    files = {file: None for file, several in known if any(several)}
    return warning(
        f"{', '.join(names)}: shared functional groups say other than those of frames ({some(list(files))}), "
        "where the standard has either; the frames' own hold [functional-groups]"
    )


def _data_set_and_groups(frames: Sequence[Frame]) -> Warnings:
    """Of attributes that have in the data set a value that none of its frames has."""
    several = [frame for frame in frames if frame.of_multiframe]
    names, files = dict[str, None](), dict[str, None]()
    for indices in by_file(several):
        members = [several[index] for index in indices]
        header, first = members[0].header, members[0].attributes
        for name, stated in header.attributes.items():
            if (value := first.get(name)) is stated or None in (value, stated):
                continue
            if all(frame.attributes.get(name) != stated for frame in members):
                names[name] = files[header.reference.name] = None
    if not names:
        return ()
    return warning(
        f"{', '.join(names)}: the data set says other than each of its frames ({some(list(files))}); the "
        "frames hold [functional-groups]"
    )


def _come_and_go(values: Sequence[Hashable]) -> bool:
    """Whether few values take turns along the slices."""
    changes = sum(before != after for before, after in itertools.pairwise(values))
    return len(set(values)) <= len(values) // 2 and changes > len(set(values)) - 1


def missing_parts(frames: Sequence[Frame], options: ReadOptions) -> Warnings:
    """What is missing of concatenations: one object in several files (PS3.3 C.7.6.16).

    Raises
    ------
    GeometryError
        Where a part is missing, unless ``missing`` says what to do then: it is a warning then.
    """
    parts: dict[str, dict[Value, Frame]] = {}
    for frame in frames:
        if uid := frame.header.text("ConcatenationUID"):
            parts.setdefault(uid, {}).setdefault(frame.attributes.get("InConcatenationNumber"), frame)
    warnings: Warnings = ()
    for uid, members in parts.items():
        first = next(iter(members.values()))
        numbers = [number for number in members if isinstance(number, int)]
        total = int(first.number("InConcatenationTotalNumber") or max(numbers, default=len(members)))
        if len(members) >= total:
            continue
        there = some([f"{frame.header.reference} (part {number})" for number, frame in members.items()])
        lost = total - len(members)
        stated = f"{lost} of the {total} parts of concatenation {uid} are missing; there is {there}"
        if options.missing == "error":
            raise GeometryError(
                f'{stated}. Find them, or take what is there with missing="keep" (--missing keep)'
            )
        warnings += warning(f"{stated} [missing-parts]")
    return warnings


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


def spacing_warnings(geometry: StackGeometry | None) -> Warnings:
    """What a user must know of where the slices lie."""
    warnings: Warnings = ()
    if geometry is None:
        return ()
    if geometry.tilt_degrees:
        warnings += warning(
            f"tilted gantry: slices are shifted by {geometry.tilt_degrees:.2f} degrees; the affine has the "
            "shear, a viewer that ignores it shows the patient slanted [gantry-tilt]"
        )
    if not geometry.uniform:
        gaps = np.diff(geometry.distances)
        warnings += warning(
            f"slices are not evenly spaced: {gaps.min():.4g} to {gaps.max():.4g} mm; no affine places all of "
            "them, slice_positions_mm does [slice-spacing]"
        )
    return warnings
