"""What Segmentations and structure sets share: patient and study, words about segments, the one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.segments import MAX_LABEL, Segment
from dicomarray.errors import OutputError, SegmentationError
from dicomarray.objects.common.files import Check, WriteReport, new_series
from dicomarray.objects.common.headers import part_of, reason, text, values
from dicomarray.objects.common.identity import SeriesIdentity
from dicomarray.objects.common.modules import EQUIPMENT
from dicomarray.objects.common.options import SeriesOptions

FILE_NAME = "0001.dcm"
NO_DATE = "19700101"
# Items are joined to pieces of so many bytes before they are written.
_PIECE = 1 << 20
_UNICODE = "ISO_IR 192"  # UTF-8 (PS3.3 C.12.1.1.2)
# Patient, Clinical Trial Subject, General Study, Patient Study, Clinical Trial Study, and how their
# texts are encoded.
_COPIED = (
    "SpecificCharacterSet", "TimezoneOffsetFromUTC", "PatientName", "PatientID", "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID", "PatientBirthDate", "PatientBirthTime",
    "PatientSex", "OtherPatientNames", "OtherPatientIDsSequence", "EthnicGroup", "PatientComments",
    "QualityControlSubject", "ReferencedPatientSequence", "ReferencedPatientPhotoSequence",
    "PatientSpeciesDescription", "PatientSpeciesCodeSequence", "PatientBreedDescription",
    "PatientBreedCodeSequence", "BreedRegistrationSequence", "ResponsiblePerson", "ResponsiblePersonRole",
    "ResponsibleOrganization", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "SourcePatientGroupIdentificationSequence",
    "GroupOfPatientsIdentificationSequence", "ClinicalTrialSponsorName", "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID", "ClinicalTrialProtocolEthicsCommitteeName",
    "ClinicalTrialProtocolEthicsCommitteeApprovalNumber", "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription", "LongitudinalTemporalOffsetFromEvent",
    "LongitudinalTemporalEventType", "ConsentForClinicalTrialUseSequence", "StudyInstanceUID", "StudyDate",
    "StudyTime", "ReferringPhysicianName", "ReferringPhysicianIdentificationSequence", "StudyID",
    "AccessionNumber", "IssuerOfAccessionNumberSequence", "StudyDescription", "PhysiciansOfRecord",
    "PhysiciansOfRecordIdentificationSequence", "NameOfPhysiciansReadingStudy",
    "PhysiciansReadingStudyIdentificationSequence", "RequestingServiceCodeSequence",
    "ReferencedStudySequence", "ProcedureCodeSequence", "ReasonForPerformedProcedureCodeSequence",
    "AdmittingDiagnosesDescription", "AdmittingDiagnosesCodeSequence", "PatientAge", "PatientSize",
    "PatientWeight", "PatientBodyMassIndex", "PatientSizeCodeSequence", "MedicalAlerts", "Allergies",
    "PregnancyStatus", "LastMenstrualDate", "PatientSexNeutered", "Occupation", "AdditionalPatientHistory",
    "SmokingStatus", "PatientState", "AdmissionID", "IssuerOfAdmissionIDSequence", "ServiceEpisodeID",
    "ServiceEpisodeDescription", "ReasonForVisit", "ReasonForVisitCodeSequence",
)  # fmt: skip
# Type 2: they must be there, and may be empty.
_REQUIRED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip


def new_object(
    source: Dataset,
    texts: Iterable[str],
    identity: SeriesIdentity,
    sop_uid: str,
    frame_uid: str | None,
) -> Dataset:
    """A new instance, of a new series, of the patient and study of ``source``, that can hold the texts."""
    made = part_of(source, (*_COPIED, *EQUIPMENT))
    for keyword in _REQUIRED:
        if keyword not in made:
            setattr(made, keyword, "")
    _encode_texts(made, texts)
    identity.put(made, sop_uid, 1)
    if frame_uid is not None:
        made.FrameOfReferenceUID = frame_uid
        made.PositionReferenceIndicator = text(source, "PositionReferenceIndicator")
    return made


def _encode_texts(header: Dataset, texts: Iterable[str]) -> None:
    """Keep the template's character set where it can hold some texts, else take Unicode for all there are."""
    wanted = "".join(texts)
    if wanted.isascii():
        return
    terms = values(header, "SpecificCharacterSet")
    try:
        if len(terms) == 1:
            wanted.encode(convert_encodings(terms)[0])
            return
    except (UnicodeEncodeError, LookupError):
        pass
    header.decode()
    header.SpecificCharacterSet = _UNICODE


def check_labels(segments: Sequence[Segment]) -> Warnings:
    """What is to be said of labels before they are written as Segment Label or ROI Name (VR LO, PS3.5 6.2).

    SegmentationError where one is too long, of several lines, or holds a backslash, which separates values.
    """
    for segment in segments:
        for name, words in (("label", segment.label), ("algorithm", segment.algorithm)):
            if words is None:
                continue
            if len(words) > MAX_LABEL:
                raise SegmentationError(
                    f"the {name} of segment {segment.number} has {len(words)} characters, and DICOM takes "
                    f"{MAX_LABEL} (VR LO, PS3.5 6.2): shorten it (segments=, --segments): {words[:80]!r}"
                )
            if "\\" in words or not words.isprintable():
                raise SegmentationError(
                    f"the {name} of segment {segment.number} holds a backslash, a line break or another "
                    f"control character, which DICOM does not take (VR LO, PS3.5 6.2): {words!r}"
                )
    similar = [label for label, count in Counter(one.label.strip() for one in segments).items() if count > 1]
    if not similar:
        return ()
    return warning(
        f'several segments are called "{similar[0]}": only their numbers tell them apart [segments-alike]'
    )


def empty_segments(segments: Sequence[Segment], covered: Container[int]) -> list[str]:
    """The labels, in quotes, of segments whose number is not among those that have voxels."""
    return [f'"{one.label}"' for one in segments if one.number not in covered]


def write_object(
    output: Path,
    uids: tuple[str, str],
    write: Callable[[BinaryIO], None],
    options: SeriesOptions,
    check: Check | None,
    warnings: Warnings,
    errors: tuple[float, float] = (0.0, 0.0),
) -> WriteReport:
    """A series of one file; ``uids`` are its and its instance's, ``errors`` the greatest and the mean."""
    file = output / FILE_NAME
    report = WriteReport((file,), uids[0], uids[1:], *errors, 0, None, None, warnings)
    with new_series(report, output, options, check) as paths:
        try:
            with paths[0].open("wb", buffering=_PIECE) as stream:
                write(stream)
        except OSError as error:
            raise OutputError(f"{file}: cannot be written: {reason(error)}") from error
    return report
