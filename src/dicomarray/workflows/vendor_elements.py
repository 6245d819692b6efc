"""How scanners say in private elements how images were acquired: by the names of `bids_values`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.frames.mosaic_detection import csa_headers_in
from dicomarray.assembly.grouping.image_kinds import GE_IMAGE_COMPONENT
from dicomarray.dicom.functional_groups import FUNCTIONAL_GROUPS, FunctionalGroups, items_of, private_block
from dicomarray.dicom.ge_protocol import Epi, group_delay, is_flipped, protocol_settings
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.private_bytes import PrivateElements
from dicomarray.dicom.private_blocks import PrivateElement
from dicomarray.dicom.siemens_csa import number_of
from dicomarray.dicom.siemens_csa import protocol_settings as siemens_settings
from dicomarray.dicom.vr import Value
from dicomarray.formats import bids_values
from dicomarray.formats.bids_values import maker_of, number

_SIEMENS_BANDWIDTH, _SIEMENS_DWELL_TIME = (f"(0019,SIEMENS MR HEADER,{element})" for element in ("28", "18"))
_SIEMENS_PARALLEL = "(0051,SIEMENS MR HEADER,11)"
# (5200,9229) Shared Functional Groups Sequence
_SHARED_GROUPS = 0x52009229
_SIEMENS_SETTINGS = (
    "sPat.lAccelFactPE", "sPat.lAccelFact3D", "sKSpace.ucPhasePartialFourier", "lDelayTimeInTR",
    "sPat.ucPATMode", "ucCoilCombineMode", "lContrasts", "alTE[0]", "alTE[1]",
)  # fmt: skip
_CSA_SERIES = PrivateElement(0x0029, "SIEMENS CSA HEADER", 0x20)
_GE_ACQUISITION, _GE_PARAMETERS, _GE_SERIES = "GEMS_ACQU_01", "GEMS_PARM_01", "GEMS_SERS_01"
_GE_DURATION, _GE_SEQUENCE, _GE_INTERNAL, _GE_PEPOLAR, _GE_DERATING = (
    f"(0019,{_GE_ACQUISITION},{element})" for element in ("5A", "9C", "9E", "B3", "B6")
)
_GE_ECHO_SPACING, _GE_DELAY, _GE_ASSET, _GE_MULTIBAND = (
    f"(0043,{_GE_PARAMETERS},{element})" for element in ("2C", "7C", "83", "B6")
)
_GE_PROTOCOL = PrivateElement(0x0025, _GE_SERIES, 0x1B)
_GE_USER_DATA = PrivateElement(0x0043, _GE_PARAMETERS, 0x2A)
_UIH_DISPLAYED, _UIH_PARALLEL, _UIH_POLARITY = (
    f"(0065,Image Private Header,{element})" for element in ("05", "0D", "58")
)
_PHILIPS_PREPULSE, _PHILIPS_EPI_FACTOR, _PHILIPS_PARTIAL, _PHILIPS_SHIFT = (
    f"(2001,Philips Imaging DD 001,{element})" for element in ("1B", "13", "19", "22")
)
_GE_PET = {
    bids_values.ITERATIONS: "(0009,GEMS_PETD_01,B2)", bids_values.SUBSETS: "(0009,GEMS_PETD_01,B3)",
}  # fmt: skip
# What an enhanced object would say, in an item of a classic one.
_PHILIPS_ENHANCED = "(2005,Philips MR Imaging DD 005,0F)"
_OF_ENHANCED = (
    "PulseSequenceName", "MRAcquisitionFrequencyEncodingSteps", "MRAcquisitionPhaseEncodingStepsOutOfPlane",
    "ParallelReductionFactorInPlane", "ParallelReductionFactorOutOfPlane", "ParallelAcquisitionTechnique",
    "GradientEchoTrainLength",
)  # fmt: skip
# Private elements that are read with the standard's.
PRIVATE = (
    _SIEMENS_PARALLEL, _SIEMENS_BANDWIDTH, _SIEMENS_DWELL_TIME, _GE_DURATION, _GE_SEQUENCE, _GE_INTERNAL,
    _GE_PEPOLAR, _GE_DERATING, _GE_ECHO_SPACING, _GE_DELAY, _GE_ASSET, _GE_MULTIBAND, GE_IMAGE_COMPONENT,
    _UIH_DISPLAYED, _UIH_PARALLEL, _UIH_POLARITY, _PHILIPS_PREPULSE, _PHILIPS_EPI_FACTOR, _PHILIPS_PARTIAL,
    _PHILIPS_SHIFT, _PHILIPS_ENHANCED, "RectilinearPhaseEncodeReordering", "PartialFourier",
    *_GE_PET.values(),
)  # fmt: skip
# Creators of the private blocks of XA, of what holds for a series and for an image.
XA_SERIES, XA_IMAGE = "SIEMENS MR SDS 01", "SIEMENS MR SDI 02"
_REDUCTIONS = ("ParallelReductionFactorInPlane", "ParallelReductionFactorOutOfPlane")
# As Siemens writes them: p2, or p2s4 with four slices at a time; as UIH does: F:2S.
_IN_PLANE, _TOGETHER, _UIH_FACTOR = re.compile(r"p(\d+)"), re.compile(r"s(\d+)"), re.compile(r":(\d+)")
# Siemens' codes of how lines between are made up, and coils combined, in BIDS' words.
_MADE_UP, _COMBINED = {1.0: "SENSE", 2.0: "GRAPPA"}, {1.0: "Sum of Squares", 2.0: "Adaptive Combine"}
# Siemens' code of what part of the lines was acquired.
_PARTS = {1.0: 0.5, 2.0: 0.625, 4.0: 0.75, 8.0: 0.875}


def vendor_elements(frame: Frame, known: Mapping[str, Value]) -> dict[str, Any]:
    """What private elements of a frame say, of which the standard's attributes are ``known``."""
    maker = maker_of(known)
    found: dict[str, Any] = {}
    if known.get("Modality") != "MR":
        found = {name: known.get(element) for name, element in _GE_PET.items()}
    elif maker == "Siemens":
        found = _of_siemens(frame, known)
    elif maker == "GE":
        found = _of_ge(frame, known)
    elif maker == "Philips":
        found = _of_philips(known)
    elif maker == "UIH":
        found = _of_uih(known)
    return {name: value for name, value in found.items() if value is not None}


def _of_siemens(frame: Frame, known: Mapping[str, Value]) -> dict[str, Any]:
    if frame.of_multiframe:
        groups = PrivateElements.readable(frame.header, lambda tag: tag == _SHARED_GROUPS)
        return _of_xa(frame) | _of_siemens_protocol(siemens_settings(groups.bytes_at(_SHARED_GROUPS)), known)
    private = PrivateElements.readable(frame.header, lambda tag: tag >> 16 == _CSA_SERIES.group)
    csa = next(csa_headers_in(private), {})
    positive = csa.get("PhaseEncodingDirectionPositive", ())[:1]
    bandwidth = csa.get("BandwidthPerPixelPhaseEncode", ())[:1]
    found = {
        bids_values.POSITIVE: int(positive[0]) if positive and positive[0] in ("0", "1") else None,
        bids_values.BANDWIDTH: known.get(_SIEMENS_BANDWIDTH) or bandwidth,
        bids_values.DWELL_TIME: known.get(_SIEMENS_DWELL_TIME),
        _REDUCTIONS[0]: _factor(_IN_PLANE, known.get(_SIEMENS_PARALLEL)),
        bids_values.TOGETHER: _factor(_TOGETHER, known.get(_SIEMENS_PARALLEL)),
    }
    protocol = siemens_settings(private.bytes_of(_CSA_SERIES))
    return found | _of_siemens_protocol(protocol, known)


def _of_siemens_protocol(protocol: Mapping[str, str], known: Mapping[str, Value]) -> dict[str, Any]:
    """What the protocol text says, and more surely than elements do."""
    if not protocol:
        return {}
    numbers = {name: _numeral(protocol.get(name)) for name in _SIEMENS_SETTINGS}
    coil = next((value for name, value in protocol.items() if name.endswith("sCoilElementID.tCoilID")), None)
    delay, mode = numbers["lDelayTimeInTR"], _MADE_UP.get(numbers["sPat.ucPATMode"], "None")
    found: dict[str, Any] = {
        _REDUCTIONS[0]: numbers["sPat.lAccelFactPE"] or None,
        _REDUCTIONS[1]: numbers["sPat.lAccelFact3D"] or None,
        bids_values.PART: _PARTS.get(numbers["sKSpace.ucPhasePartialFourier"], 1.0),
        bids_values.DELAY: delay * 1e-6 if delay > 0 else None,
        bids_values.PROGRAM: protocol.get("tSequenceFileName") or None,
        bids_values.COILS: protocol.get("sCoilSelectMeas.sCoilStringForConversion") or None,
        bids_values.COMBINED: _COMBINED.get(numbers["ucCoilCombineMode"]),
        bids_values.MADE_UP: mode if numbers["sPat.lAccelFactPE"] else "None",
        bids_values.TWO_ECHOES: _two_echoes(numbers),
        "ReceiveCoilName": coil or None,
        "ProtocolName": known.get("ProtocolName") or protocol.get("tProtocolName") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _two_echoes(numbers: Mapping[str, float]) -> tuple[float, float] | None:
    """When two echoes were read, where the protocol has neither more nor fewer."""
    first, second = numbers["alTE[0]"], numbers["alTE[1]"]
    return (first, second) if 0 < first < second and numbers["lContrasts"] in (0, 2) else None


def _numeral(text: str | None) -> float:
    """A number of a protocol; 0 for what is none."""
    found = number_of(text or "")
    return 0.0 if math.isnan(found) else found


def _of_xa(frame: Frame) -> dict[str, Any]:
    """What Siemens XA writes into private sequences of its functional groups."""
    groups = groups_of(frame.header)
    series = private_block(groups.shared, XA_SERIES)
    own = private_block(groups.of_frame(frame.index), XA_IMAGE)
    return {
        "ScanningSequence": series.get("5A"),
        "SequenceVariant": series.get("5B"),
        "ScanOptions": series.get("5C"),
        bids_values.IMAGE_TYPE_TEXT: own.get("75"),
        _REDUCTIONS[0]: _factor(_IN_PLANE, series.get("09")),
        bids_values.TOGETHER: _factor(_TOGETHER, series.get("09")),
        bids_values.POSITIVE: own.get("1C"),
        bids_values.BANDWIDTH: own.get("53"),
        bids_values.DWELL_TIME: own.get("42"),
    }


def groups_of(header: Header) -> FunctionalGroups:
    """The functional groups of an object's file."""
    return FunctionalGroups.of(header.further(FUNCTIONAL_GROUPS), header.reference)


def _of_ge(frame: Frame, known: Mapping[str, Value]) -> dict[str, Any]:
    groups = (_GE_PROTOCOL.group, _GE_USER_DATA.group)
    elements = PrivateElements.readable(frame.header, lambda tag: tag >> 16 in groups)
    settings = protocol_settings(elements.bytes_of(_GE_PROTOCOL))
    epi = _ge_epi(known)
    bands = number(known, _GE_MULTIBAND), number(settings, "MBACCEL")
    found: dict[str, Any] = {
        bids_values.POSITIVE: _ge_positive(known, elements.bytes_of(_GE_USER_DATA)),
        bids_values.GE_ECHO_SPACING: known.get(_GE_ECHO_SPACING),
        bids_values.TOGETHER: max((band for band in bands if band), default=None),
        bids_values.GE_PROTOCOL: (settings, epi) if settings else None,
        "SequenceName": known.get(_GE_SEQUENCE) or None,
    }
    if microseconds := number(known, _GE_DURATION):
        found["AcquisitionDuration"] = microseconds / 1e6
    # of what passes between volumes nothing is in the standard's element
    delay = (number(known, _GE_DELAY) or 0.0) + group_delay(settings, epi)
    if (repetition := number(known, "RepetitionTime")) and delay > 0:
        found |= {"RepetitionTime": repetition + delay * 1000, bids_values.ACQUISITION_MS: repetition}
    factors = known.get(_GE_ASSET)
    for name, part in zip(_REDUCTIONS, factors if isinstance(factors, tuple) else (factors,), strict=False):
        reduction = number({"part": part}, "part")
        found[name] = 1 / reduction if reduction and reduction > 0 else None
    return found


def _ge_epi(known: Mapping[str, Value]) -> Epi:
    versions = known.get("SoftwareVersions")
    return Epi(
        str(known.get(_GE_SEQUENCE) or ""),
        str(known.get(_GE_INTERNAL) or "").strip(),
        "\\".join(map(str, versions)) if isinstance(versions, tuple) else str(versions or ""),
        str(known.get("ManufacturerModelName") or ""),
        number(known, _GE_DERATING) or 0.0,
        known.get(_GE_DELAY) is not None,
    )


def _ge_positive(known: Mapping[str, Value], user_data: bytes) -> int | None:
    """Newer software says it in the standard's element; a sequence that turns it says so in its user data."""
    reordering = str(known.get("RectilinearPhaseEncodeReordering") or "")[:1].upper()
    flipped = {"L": True, "R": False}.get(reordering)
    if flipped is None:
        flipped = is_flipped(user_data)
    if flipped is None:
        return None
    if "pepolar" in str(known.get(_GE_SEQUENCE) or ""):
        turned = number(known, _GE_PEPOLAR) or 0.0
        if turned not in (0, 1):  # from volume to volume
            return None
        flipped = flipped != (turned == 1)
    return int(not flipped)


def _of_philips(known: Mapping[str, Value]) -> dict[str, Any]:
    item = next(iter(items_of(known.get(_PHILIPS_ENHANCED))), {})
    found: dict[str, Any] = {name: item.get(name) for name in _OF_ENHANCED if known.get(name) is None}
    train = max(number(known, "EchoTrainLength") or 0, number(item, "GradientEchoTrainLength") or 0)
    inversion = number(known, _PHILIPS_PREPULSE)
    partial = (known.get(_PHILIPS_PARTIAL), known.get("PartialFourier"))
    return found | {
        "EchoTrainLength": train or number(known, _PHILIPS_EPI_FACTOR),
        "InversionTime": inversion if inversion and inversion > 0 else None,
        bids_values.WATER_FAT_SHIFT: number(known, _PHILIPS_SHIFT),
        bids_values.PARTIAL: any(str(word or "").upper().startswith("Y") for word in partial),
    }


def _of_uih(known: Mapping[str, Value]) -> dict[str, Any]:
    polarity = number(known, _UIH_POLARITY)
    return {
        bids_values.POSITIVE: None if polarity is None else int(polarity == 0),
        bids_values.DISPLAYED: known.get(_UIH_DISPLAYED),
        _REDUCTIONS[0]: _factor(_UIH_FACTOR, known.get(_UIH_PARALLEL)),
    }


def _factor(pattern: re.Pattern[str], text: Value) -> float | None:
    found = pattern.search(text) if isinstance(text, str) else None
    return float(found[1]) if found else None
