"""When each slice and each volume was acquired, on the clocks of the vendors' scanners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.frames.mosaic_detection import csa_headers
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.dicom import ge_protocol
from dicomarray.dicom.functional_groups import private_block
from dicomarray.formats import bids_values
from dicomarray.formats.bids_values import maker_of, number, seconds_of_day
from dicomarray.workflows.vendor_elements import XA_IMAGE, groups_of

_SIEMENS_SLICE_TIMES = "(0019,SIEMENS MR HEADER,29)"
_DAY_SECONDS = 86400.0
# By so much may times of slices exceed the repetition time: clocks are rounded.
_CLOCK_SECONDS = 0.002
# Two volumes took the same time where the times differ by less.
_SAME_SECONDS = 1e-4
# Where volumes followed each other otherwise than Repetition Time says, by more than this, they are right.
_DISCREPANCY_SECONDS = 0.05


def volume_times(stack: Stack, first: Frame, known: Mapping[str, Any]) -> dict[str, Any]:
    """The time from volume to volume as Repetition Time, where clocks say another; it stands beside that.

    For BIDS it is this one.  Repetition Time is that of an excitation, of which a volume has many in 3-D, or
    in segments.  Frames of one object need not have times of their own, and GE's clocks are no better: then
    only 3-D acquisitions are known to take longer.
    """
    reported = (number(known, "RepetitionTime") or 0.0) / 1000
    maker = maker_of(known)
    pieces = not first.of_multiframe and first.tile is None and maker != "GE"
    if known.get("Modality") == "PT" or stack.repetitions < 2:
        return {}
    slices = stack.num_slices
    at = next(place for place, frame in enumerate(stack.frames) if frame is first) % slices
    measured = _mean_step([_moment(frame) for frame in stack.frames[at::slices]])
    if pieces and abs(measured - reported) > _DISCREPANCY_SECONDS:
        measured /= max(number(known, "NumberOfAverages") or 1.0, 1.0)
    flat = not str(known.get("MRAcquisitionType") or "").startswith("3")
    if not pieces and (flat or not reported or measured < reported):
        return {}
    if measured <= 0 or abs(measured - reported) <= _DISCREPANCY_SECONDS:
        return {}
    inverted = pieces and "IR" in str(known.get("ScanningSequence")) and maker != "Philips"
    return {
        "RepetitionTime": measured * 1000,
        (bids_values.INVERSION_MS if inverted else bids_values.EXCITATION_MS): reported * 1000,
    }


def _mean_step(moments: Sequence[tuple[str, float | None]]) -> float:
    """Seconds from volume to volume, of those of one day; 0 where nothing says them."""
    seconds = [second for _, second in moments if second is not None]
    if len({day for day, _ in moments}) > 1 or len(seconds) < len(moments):
        return 0.0
    return (max(seconds) - min(seconds)) / (len(seconds) - 1)


def _moment(frame: Frame) -> tuple[str, float | None]:
    """The day, as it stands, and the second of it."""
    if of_frame := str(frame.attributes.get("FrameAcquisitionDateTime") or ""):
        return of_frame[:8], seconds_of_day(of_frame)
    when = str(frame.attributes.get("AcquisitionDateTime") or "")
    day = str(frame.attributes.get("AcquisitionDate") or when[:8])
    return day, seconds_of_day(frame.attributes.get("AcquisitionTime") or when)


def slice_times(stack: Stack, known: Mapping[str, Any]) -> list[float] | None:
    """When each slice was acquired, in seconds after the first; None where nothing tells them apart.

    Of a series they are those of the first volume; of the second, where that took another time: scanners
    count otherwise in the first one.
    """
    slices = stack.num_slices
    if slices < 2:
        return None
    longest = (number(known, "RepetitionTime") or 0.0) / 1000 + _CLOCK_SECONDS
    volumes = [stack.frames[start : start + slices] for start in (0, slices)[: stack.repetitions]]
    found = []
    for frames in volumes:
        times = [time for time in _times(frames, stack, known) if time is not None]
        since = [time - min(times) for time in times]
        if len(times) == slices and 0 < max(since) <= longest:
            found.append(since)
    if not found:
        return None
    differ = stack.frames[0].of_multiframe or abs(max(found[0]) - max(found[-1])) > _SAME_SECONDS
    return found[-1] if differ else found[0]


def _times(frames: Sequence[Frame], stack: Stack, known: Mapping[str, Any]) -> list[float | None]:
    """The time of each frame in seconds, on a clock of the vendor's."""
    maker, first = maker_of(known), frames[0]
    if maker == "Siemens":
        if first.of_multiframe:
            return _times_of_xa(frames)
        return _times_of_mosaic(frames) if first.tile is not None else _times_of_day(frames)
    if maker == "UIH" and first.tile is None and stack.repetitions > 1:
        return _times_of_day(frames)
    return _times_of_ge(frames, known) if maker == "GE" and stack.repetitions > 1 else []


def _times_of_day(frames: Sequence[Frame]) -> list[float | None]:
    return _over_midnight([seconds_of_day(one.attributes.get("AcquisitionTime")) for one in frames])


def _times_of_ge(frames: Sequence[Frame], known: Mapping[str, Any]) -> list[float | None]:
    """By the protocol, in which slices are numbered as images are; without one by Trigger Time."""
    if not known.get(bids_values.GE_PROTOCOL):
        triggers = [one.usable_number("TriggerTime") for one in frames]
        return [None if time is None else time / 1000 for time in triggers]
    settings, epi = known[bids_values.GE_PROTOCOL]
    milliseconds = number(known, bids_values.ACQUISITION_MS) or number(known, "RepetitionTime") or 0.0
    bands = max(int(number(known, bids_values.TOGETHER) or 1), 1)
    times = ge_protocol.slice_times(settings, epi, len(frames), milliseconds / 1000, bands)
    numbered = sorted(range(len(frames)), key=lambda at: frames[at].header.instance_number or 0)
    found = dict(zip(numbered, times, strict=False))
    return [found.get(at) for at in range(len(frames))]


def _over_midnight(times: Sequence[float | None]) -> list[float | None]:
    latest = max((time for time in times if time is not None), default=0.0)
    return [
        time + _DAY_SECONDS if time is not None and latest - time > _DAY_SECONDS / 2 else time
        for time in times
    ]


def _times_of_mosaic(frames: Sequence[Frame]) -> list[float | None]:
    header = frames[0].header
    stated = header.further([_SIEMENS_SLICE_TIMES]).get(_SIEMENS_SLICE_TIMES)
    values = (
        stated if isinstance(stated, tuple) else next(csa_headers(header), {}).get("MosaicRefAcqTimes", ())
    )
    times = [number({"ms": value}, "ms") for value in values]
    if len(times) < len(frames):
        return []
    return [None if (time := times[frame.index]) is None else time / 1000 for frame in frames]


def _times_of_xa(frames: Sequence[Frame]) -> list[float | None]:
    headers = {id(frame.header): frame.header for frame in frames}
    groups = {key: groups_of(header) for key, header in headers.items()}
    own = (groups[id(frame.header)].of_frame(frame.index) for frame in frames)
    return [number(private_block(group, XA_IMAGE), "04") for group in own]
