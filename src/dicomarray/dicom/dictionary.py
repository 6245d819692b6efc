"""The data dictionary (PS3.6): what most series need is a table here, everything else pydicom is asked for.

To import pydicom takes longer than to read the headers of a thousand files.
"""

from __future__ import annotations

# The tag of each keyword, and its VR.
USUAL = {
    "SpecificCharacterSet": (0x00080005, "CS"),
    "ImageType": (0x00080008, "CS"),
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "AcquisitionDate": (0x00080022, "DA"),
    "AcquisitionDateTime": (0x0008002A, "DT"),
    "AcquisitionTime": (0x00080032, "TM"),
    "Modality": (0x00080060, "CS"),
    "Manufacturer": (0x00080070, "LO"),
    "StudyDescription": (0x00081030, "LO"),
    "SeriesDescription": (0x0008103E, "LO"),
    "ManufacturerModelName": (0x00081090, "LO"),
    "ContrastBolusAgent": (0x00180010, "LO"),
    "BodyPartExamined": (0x00180015, "CS"),
    "SequenceName": (0x00180024, "SH"),
    "SliceThickness": (0x00180050, "DS"),
    "KVP": (0x00180060, "DS"),
    "RepetitionTime": (0x00180080, "DS"),
    "EchoTime": (0x00180081, "DS"),
    "InversionTime": (0x00180082, "DS"),
    "EchoNumbers": (0x00180086, "IS"),
    "MagneticFieldStrength": (0x00180087, "DS"),
    "SpacingBetweenSlices": (0x00180088, "DS"),
    "SoftwareVersions": (0x00181020, "LO"),
    "ProtocolName": (0x00181030, "LO"),
    "TriggerTime": (0x00181060, "DS"),
    "GantryDetectorTilt": (0x00181120, "DS"),
    "ConvolutionKernel": (0x00181210, "SH"),
    "FlipAngle": (0x00181314, "DS"),
    "PatientPosition": (0x00185100, "CS"),
    "DiffusionDirectionality": (0x00189075, "CS"),
    "DiffusionBValue": (0x00189087, "FD"),
    "DiffusionGradientOrientation": (0x00189089, "FD"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "SeriesNumber": (0x00200011, "IS"),
    "AcquisitionNumber": (0x00200012, "IS"),
    "InstanceNumber": (0x00200013, "IS"),
    "ImagePositionPatient": (0x00200032, "DS"),
    "ImageOrientationPatient": (0x00200037, "DS"),
    "FrameOfReferenceUID": (0x00200052, "UI"),
    "TemporalPositionIdentifier": (0x00200100, "IS"),
    "NumberOfTemporalPositions": (0x00200105, "IS"),
    "SliceLocation": (0x00201041, "DS"),
    "ConcatenationUID": (0x00209161, "UI"),
    "InConcatenationNumber": (0x00209162, "US"),
    "InConcatenationTotalNumber": (0x00209163, "US"),
    "ConcatenationFrameOffsetNumber": (0x00209228, "UL"),
    "SamplesPerPixel": (0x00280002, "US"),
    "PhotometricInterpretation": (0x00280004, "CS"),
    "PlanarConfiguration": (0x00280006, "US"),
    "NumberOfFrames": (0x00280008, "IS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
    "PixelSpacing": (0x00280030, "DS"),
    "BitsAllocated": (0x00280100, "US"),
    "BitsStored": (0x00280101, "US"),
    "HighBit": (0x00280102, "US"),
    "PixelRepresentation": (0x00280103, "US"),
    "PixelPaddingValue": (0x00280120, "US or SS"),
    "PixelPaddingRangeLimit": (0x00280121, "US or SS"),
    "BurnedInAnnotation": (0x00280301, "CS"),
    "RescaleIntercept": (0x00281052, "DS"),
    "RescaleSlope": (0x00281053, "DS"),
    "RescaleType": (0x00281054, "LO"),
    "LossyImageCompression": (0x00282110, "CS"),
    "ModalityLUTSequence": (0x00283000, "SQ"),
    "RealWorldValueMappingSequence": (0x00409096, "SQ"),
    "Units": (0x00541001, "CS"),
    "DoseUnits": (0x30040002, "CS"),
    "GridFrameOffsetVector": (0x3004000C, "DS"),
    "DoseGridScaling": (0x3004000E, "DS"),
    "FloatPixelData": (0x7FE00008, "OF"),
    "DoubleFloatPixelData": (0x7FE00009, "OD"),
    "PixelData": (0x7FE00010, "OB or OW"),
}
_BY_TAG = {tag: (keyword, vr) for keyword, (tag, vr) in USUAL.items()}


def tag_for_keyword(keyword: str) -> int | None:
    """The tag of a keyword; None for an unknown one."""
    if keyword in USUAL:
        return USUAL[keyword][0]
    from pydicom import datadict

    return datadict.tag_for_keyword(keyword)


def keyword_for_tag(tag: int) -> str:
    """The keyword of a tag; empty for an unknown one."""
    if tag in _BY_TAG:
        return _BY_TAG[tag][0]
    if _is_private(tag):
        return ""
    from pydicom import datadict

    return datadict.keyword_for_tag(tag)


def vr_for_tag(tag: int) -> str:
    """The VR of a tag, or the choice that there is, such as "US or SS"; KeyError for an unknown tag."""
    if tag in _BY_TAG:
        return _BY_TAG[tag][1]
    if _is_private(tag):
        raise KeyError(tag)
    from pydicom import datadict

    return datadict.dictionary_VR(tag)


def _is_private(tag: int) -> bool:
    """Whether the tag is of an odd group, of which the standard says nothing (PS3.5 7.8)."""
    return bool(tag >> 16 & 1)
