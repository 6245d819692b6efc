"""Stack + pixels + values -> `Volume`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import overload

import numpy as np

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.frames.multiframe import DOSE_KINDS
from dicomarray.assembly.grouping.consistency_checks import spacing_warnings
from dicomarray.assembly.grouping.image_kinds import ISOTROPIC, common_type, image_kinds, is_trace
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import DEFAULTS, ReadOptions
from dicomarray.assembly.values.modality import RGB, values_of
from dicomarray.assembly.values.rescale_checks import mislabelled_notes
from dicomarray.assembly.volumes.filling import Job, fill
from dicomarray.assembly.volumes.regrid import regrid
from dicomarray.assembly.volumes.targets import ArrayTarget, FileTarget, OpenFile, Target
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.pixel_values import Normalization
from dicomarray.core.volume_info import PLACED, UNPLACED, VolumeInfo
from dicomarray.dicom.headers.attributes import may_differ
from dicomarray.dicom.headers.keywords import ACQUISITION, IDENTITY
from dicomarray.dicom.segment_objects import is_segment_object
from dicomarray.dicom.transfer_syntaxes import ALWAYS_LOSSY
from dicomarray.dicom.vr import Value
from dicomarray.runtime.threads import PixelProgress
from dicomarray.storage.references import file_of
from dicomarray.volume import Volume

# What the sidecar tells of a series where it equals in all images.  Nothing here names the patient.
SERIES_KEYWORDS = (
    *(keyword for keyword in IDENTITY if keyword not in ("SOPInstanceUID", "InstanceNumber")),
    *ACQUISITION,
    "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "ImageOrientationPatient", "Rows", "Columns",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation", "PixelPaddingValue",
    "RescaleType", "Units", *DOSE_KINDS, "LossyImageCompression",
)  # fmt: skip
SLICE_KEYWORDS = (
    "InstanceNumber", "ImagePositionPatient", "SliceLocation", "AcquisitionNumber", "AcquisitionTime",
    "TemporalPositionIdentifier", "EchoTime", "TriggerTime", "InversionTime", "DiffusionBValue",
    "DiffusionGradientOrientation",
)  # fmt: skip
# Secondary Capture Image Storage and its multi-frame forms (PS3.4 B.5).
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SECONDARY_CAPTURES = (_SECONDARY_CAPTURE, *(f"{_SECONDARY_CAPTURE}.{number}" for number in (1, 2, 3, 4)))


def assemble(
    stack: Stack,
    options: ReadOptions = DEFAULTS,
    workers: int | None = None,
    progress: PixelProgress | None = None,
) -> Volume:
    """Read the pixels of a stack into one array.

    Returns a volume with axes ``(slice, row, column)``, or ``(frame, row, column)`` without geometry; a
    repetition axis comes first, colour samples last.

    Parameters
    ----------
    workers
        Threads that read and decode; as many as there are processors to use by default.
    progress
        Called with the number of frames that are read, the bytes of their stored values, and the number of
        all.

    Raises
    ------
    InputError
        Where a file cannot be read, or was changed after its header was read.
    PixelError
        Where pixel data is missing, truncated or damaged; names the file and frame.
    HeaderError, ValuesError
        Where the file does not say what is needed for its values: a slope, what SUV needs.
    """
    values, target = values_of(stack, options), ArrayTarget(stack.shape, options.exclude_padding)
    info = _read(Job(stack, values, options.exclude_padding, workers, progress), target)
    array, info = regrid(target.array, replace(info, slices=tuple(info.slices)), options)
    files = tuple(file_of(frame.header.reference) for frame in stack.frames)
    return Volume(array, info.warned(spacing_warnings(info.geometry)), target.padding, files)


def assemble_through(
    open_file: OpenFile,
    stack: Stack,
    options: ReadOptions = DEFAULTS,
    bounds: Normalization | None = None,
    workers: int | None = None,
    progress: PixelProgress | None = None,
) -> VolumeInfo:
    """Read the pixels of a stack into a file, a few frames at a time; returns what is known of the array.

    The array is that of `assemble`, with `Volume.normalize` applied where ``bounds`` are given.  The options
    must not change its grid (`changes_grid`).  Its ``slices`` are made of the frames when they are asked for.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    DataError
        As in `assemble`.
    """
    values = values_of(stack, options)
    if bounds is not None:
        values = values.normalized(bounds.lower, bounds.upper)
    job = Job(stack, values, options.exclude_padding, workers, progress)
    with closing(FileTarget(open_file, stack.shape)) as target:
        return _read(job, target).warned(spacing_warnings(stack.geometry))


def _read(job: Job, target: Target) -> VolumeInfo:
    """Bring all images of a stack where they go; what is known of them then."""
    notes = fill(job, target)
    stack, values, info = job.stack, job.values, _grid_of(job.stack)
    info = replace(
        info,
        shape=target.shape,
        dtype=values.dtype,
        axes=info.axes + ("sample",) * (len(target.shape) - len(info.axes)),
        units=values.units,
        rescales=values.rescales,
        normalization=values.normalization,
        coordinates={name: tuple(steps) for name, steps in stack.coordinates.items()},
        warnings=info.warnings + mislabelled_notes(stack.frames) + values.warnings,
    )
    return info.warned(
        _value_warnings(stack.frames, info.value_units)
        + _identity_warnings(stack.frames)
        + _mask_warnings(stack.frames)
        + notes
    )


def grid_of(stack: Stack) -> VolumeInfo:
    """Where the images of a stack lie and which they are, without a look at their pixels."""
    info = _grid_of(stack)
    return replace(info, slices=tuple(info.slices))


def _grid_of(stack: Stack) -> VolumeInfo:
    first = stack.frames[0]
    repetitions = () if stack.axis is None else (stack.axis,)
    return VolumeInfo(
        shape=(*stack.shape, first.rows, first.columns),
        dtype=np.dtype(np.uint8),
        axes=(*repetitions, *(UNPLACED if stack.geometry is None else PLACED)),
        geometry=stack.geometry,
        series=_series_attributes(stack),
        slices=_SliceRecords(stack.frames),
        warnings=stack.warnings,
    )


def _series_attributes(stack: Stack) -> dict[str, Value]:
    """What equals in all images of a volume, and by the standard's keywords what they show.

    Image Type is that of the frames, as far as they agree; private codes of the component and of isotropic
    diffusion are written in the attributes that the standard has for them.
    """
    records = [frame.attributes for frame in stack.frames]
    found = common_attributes(records)
    if words := common_type(records):
        found["ImageType"] = words
    component = stack.kind.component
    if component and component not in image_kinds({"ImageType": words}):
        found["ComplexImageComponent"] = component.upper()
    if all(map(is_trace, records)):
        found["DiffusionDirectionality"] = ISOTROPIC
    return found


def common_attributes(records: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """The keywords of a series that are present with one value in all records."""
    differing = set(may_differ(records, SERIES_KEYWORDS))
    common = {}
    for keyword in SERIES_KEYWORDS:
        value = records[0].get(keyword)
        others = records if keyword in differing else ()
        if value is not None and all(record.get(keyword) == value for record in others):
            common[keyword] = value
    return common


class _SliceRecords(Sequence[Mapping[str, Value]]):
    """What the sidecar tells of each image, which is made when it is asked for: there may be very many."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        differing = may_differ([frame.attributes for frame in frames], SLICE_KEYWORDS)
        get = frames[0].attributes.get
        self._frames = frames
        self._keywords = [name for name in SLICE_KEYWORDS if name in differing or get(name) is not None]

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Value]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Value]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Value] | Sequence[Mapping[str, Value]]:
        if isinstance(index, slice):
            return [self._record(frame) for frame in self._frames[index]]
        return self._record(self._frames[index])

    def _record(self, frame: Frame) -> Mapping[str, Value]:
        get = frame.attributes.get
        record = {"SOPInstanceUID": get("SOPInstanceUID"), "frame": frame.index}
        for keyword in self._keywords:
            if (value := get(keyword)) is not None:
                record[keyword] = value
        return record


def _identity_warnings(frames: Sequence[Frame]) -> Warnings:
    """What is to be said of pixels that may name the patient: no change of headers takes that away."""
    burned = sum(frame.attributes.get("BurnedInAnnotation") == "YES" for frame in frames)
    captured = sum(frame.attributes.get("SOPClassUID") in SECONDARY_CAPTURES for frame in frames)
    warnings: Warnings = ()
    if burned:
        warnings += warning(
            f"BurnedInAnnotation is YES in {burned} images: text in the pixels may name the patient "
            "[burned-in]"
        )
    if captured:
        warnings += warning(
            f"{captured} images are secondary captures, of a screen, paper or film: text in the pixels may "
            "name the patient, and values may be no measurements [secondary-capture]"
        )
    return warnings


def _mask_warnings(frames: Sequence[Frame]) -> Warnings:
    """That frames of a segmentation say nothing of their segments."""
    if not is_segment_object(frames[0].attributes):
        return ()
    return warning(
        "these are the frames of a DICOM Segmentation, read as images: nothing says which structure each "
        "of them shows. load_segmentation, to-numpy and to-nifti read its masks by name [masks-as-images]"
    )


def _value_warnings(frames: Sequence[Frame], units: str) -> Warnings:
    warnings: Warnings = ()
    flat = sum(frame.rescale.slope == 0 for frame in frames)
    if flat:
        warnings = warning(
            f"RescaleSlope is 0 in {flat} images: all voxels have the value of the intercept [zero-slope]"
        )
    said_lossy = any(frame.attributes.get("LossyImageCompression") == "01" for frame in frames)
    if said_lossy or any(frame.header.transfer_syntax in ALWAYS_LOSSY for frame in frames):
        warnings += warning("the images were compressed with loss: values differ from those acquired [lossy]")
    photometric = frames[0].attributes.get("PhotometricInterpretation")
    if photometric == "PALETTE COLOR" and units != RGB:
        warnings += warning(
            'values are indices into a palette of colours; palette="rgb" applies it [palette]'
        )
    if inverted := sum(f.attributes.get("PhotometricInterpretation") == "MONOCHROME1" for f in frames):
        which = "" if inverted == len(frames) else f" in {inverted} of {len(frames)} images"
        warnings += warning(
            f"MONOCHROME1{which}: a viewer shows the least value white; values are not inverted [monochrome1]"
        )
    return warnings
