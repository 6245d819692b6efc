"""Patient and study of a template, for objects that are no images of it (PS3.3 C.7.1, C.7.2)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomarray.objects.common.headers import part_of
from dicomarray.objects.common.modules import EQUIPMENT

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


def of_same_study(header: Dataset) -> Dataset:
    """A data set of the same patient and study, and of the same equipment; nothing else of the header.

    `identity.SeriesIdentity.put` makes of it one of a series of its own.
    """
    made = part_of(header, (*_COPIED, *EQUIPMENT))
    for keyword in _REQUIRED:
        if keyword not in made:
            setattr(made, keyword, "")
    return made
