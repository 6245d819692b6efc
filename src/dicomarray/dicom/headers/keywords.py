"""The attributes that every scan reads: what a series is, how it lies and what its values are."""

from __future__ import annotations

# What every series needs: to be told apart, described, stacked and scaled.
IDENTITY = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "Modality", "Manufacturer", "ManufacturerModelName", "SeriesNumber", "SeriesDescription",
    "StudyDescription", "ProtocolName", "BodyPartExamined", "PatientPosition", "ImageType",
    "InstanceNumber", "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime",
    "SoftwareVersions",
)  # fmt: skip

GEOMETRY = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "SliceLocation", "GantryDetectorTilt", "GridFrameOffsetVector",
    "ConcatenationUID", "InConcatenationNumber", "InConcatenationTotalNumber",
    "ConcatenationFrameOffsetNumber",
)  # fmt: skip

PIXELS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "Units", "DoseGridScaling", "DoseUnits", "ModalityLUTSequence", "RealWorldValueMappingSequence",
    "LossyImageCompression", "BurnedInAnnotation",
)  # fmt: skip

ACQUISITION = (
    "TemporalPositionIdentifier", "NumberOfTemporalPositions", "TriggerTime", "EchoTime", "EchoNumbers",
    "InversionTime", "FlipAngle", "RepetitionTime", "DiffusionBValue", "DiffusionGradientOrientation",
    "DiffusionDirectionality", "KVP", "ConvolutionKernel", "ContrastBolusAgent", "MagneticFieldStrength",
    "SequenceName",
)  # fmt: skip

# Whether all images are of one patient; shown to nobody.
PATIENT = ("PatientID", "PatientName", "PatientBirthDate")

DEFAULT_KEYWORDS = frozenset(IDENTITY + GEOMETRY + PIXELS + ACQUISITION + PATIENT)
