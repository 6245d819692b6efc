"""Which attributes may identify a patient: their values are shown to nobody who does not ask for them.

PS3.15 Table E.1-1 lists what a file must lose or change before it names nobody.  Logs, errors,
`filter --why`, pages and sidecars show no value of it, but for `DISPLAYED`, by which people know series.
"""

from __future__ import annotations

import re
from functools import lru_cache

# The table (edition 2026c) by keyword; some are younger than the dictionary that is installed.
_TABLE = """
    AccessionNumber AcquisitionComments AcquisitionContextDescription AcquisitionContextSequence
    AcquisitionDate AcquisitionDateTime AcquisitionDeviceProcessingDescription AcquisitionFieldOfViewLabel
    AcquisitionProtocolDescription AcquisitionTime AcquisitionUID ActualHumanPerformersSequence
    AdditionalPatientHistory AddressTrial AdmissionID AdmittingDate AdmittingDiagnosesCodeSequence
    AdmittingDiagnosesDescription AdmittingTime AffectedSOPInstanceUID Allergies AnnotationDateTime
    AnnotationGroupDescription AnnotationGroupLabel AnnotationGroupUID ApprovalStatusDateTime Arbitrary
    AssertionDateTime AssertionExpirationDateTime AttributeModificationDateTime AuthorObserverSequence
    BarcodeValue BeamDescription BeamHoldTransitionDateTime BolusDescription BranchOfService
    CalibrationDate CalibrationDateTime CalibrationTime CameraOwnerName CassetteID CertificateOfSigner
    CertifiedTimestamp ChannelDerivationDescription ChannelLabel ClinicalTrialCoordinatingCenterName
    ClinicalTrialProtocolEthicsCommitteeApprovalNumber ClinicalTrialProtocolEthicsCommitteeName
    ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSeriesDescription ClinicalTrialSeriesID
    ClinicalTrialSiteID ClinicalTrialSiteName ClinicalTrialSponsorName ClinicalTrialSubjectID
    ClinicalTrialSubjectReadingID ClinicalTrialTimePointDescription ClinicalTrialTimePointID
    CommentsOnRadiationDose CommentsOnThePerformedProcedureStep CompensatorDescription ConcatenationUID
    ConceptualVolumeCombinationDescription ConceptualVolumeDescription ConceptualVolumeUID
    ConfidentialityConstraintOnPatientDataDescription ConstituentConceptualVolumeUID
    ConsultingPhysicianIdentificationSequence ConsultingPhysicianName ContainerComponentID
    ContainerDescription ContainerIdentifier ContentCreatorIdentificationCodeSequence ContentCreatorName
    ContentDate ContentSequence ContentTime ContextGroupLocalVersion ContextGroupVersion
    ContrastBolusAgent ContrastBolusStartTime ContrastBolusStopTime ContributionDateTime
    ContributionDescription CountryOfResidence CreationDate CreationTime CurrentObserverTrial
    CurrentPatientLocation CurveDate CurveTime CustodialOrganizationSequence DataSetTrailingPadding Date
    DateOfDocumentOrVerbalTransactionTrial DateOfInstallation DateOfLastCalibration
    DateOfLastDetectorCalibration DateOfManufacture DateOfSecondaryCapture DateTime
    DateTimeOfLastCalibration DecayCorrectionDateTime DecompositionDescription DerivationDescription
    DestinationAE DetectorID DeviceAlternateIdentifier DeviceDescription DeviceLabel DeviceSerialNumber
    DeviceSettingDescription DeviceUID DigitalSignatureDateTime DigitalSignatureUID
    DigitalSignaturesSequence DimensionOrganizationUID DischargeDate DischargeDiagnosisDescription
    DischargeTime DisplacementReferenceLabel DisplayURI DistributionAddress DistributionName
    DoseReferenceDescription DoseReferenceUID DosimetricObjectiveUID EffectiveDateTime
    EffectiveStartDateTime EffectiveStopDateTime EncapsulatedDocument EndAcquisitionDateTime
    EntityDescription EntityLabel EntityLongLabel EntityName EquipmentFrameOfReferenceDescription
    EthicsCommitteeApprovalEffectivenessEndDate EthicsCommitteeApprovalEffectivenessStartDate EthnicGroup
    EthnicGroupCodeSequence EthnicGroups ExclusionStartDateTime ExpectedCompletionDateTime
    FailedSOPInstanceUIDList FiducialUID FillerOrderNumberImagingServiceRequest
    FilterLookupTableDescription FindingsGroupRecordingDateTrial FindingsGroupRecordingTimeTrial
    FirstTreatmentDate FixationDeviceDescription FlowIdentifier FlowIdentifierSequence
    FractionGroupDescription FractionationNotes FrameAcquisitionDateTime FrameComments FrameOfReferenceUID
    FrameOriginTimestamp FrameReferenceDateTime FunctionalSyncPulse GPSAltitude GPSAltitudeRef
    GPSAreaInformation GPSDOP GPSDateStamp GPSDestBearing GPSDestBearingRef GPSDestDistance
    GPSDestDistanceRef GPSDestLatitude GPSDestLatitudeRef GPSDestLongitude GPSDestLongitudeRef
    GPSDifferential GPSImgDirection GPSImgDirectionRef GPSLatitude GPSLatitudeRef GPSLongitude
    GPSLongitudeRef GPSMapDatum GPSMeasureMode GPSProcessingMethod GPSSatellites GPSSpeed GPSSpeedRef
    GPSStatus GPSTimeStamp GPSTrack GPSTrackRef GPSVersionID GantryID GenderIdentityCodeSequence
    GenderIdentityComment GenderIdentitySequence GeneratorID GraphicAnnotationSequence
    HL7DocumentEffectiveTime HangingProtocolCreationDateTime HardcopyCreationDeviceID
    HistologicalDiagnosesCodeSequence HumanPerformerName HumanPerformerOrganization IconImageSequence
    IdentifyingComments ImageComments ImagePresentationComments ImagingServiceRequestComments
    ImpedanceMeasurementDateTime Impressions InformationIssueDateTime InstanceCoercionDateTime
    InstanceCreationDate InstanceCreationTime InstanceCreatorUID InstanceOriginStatus InstitutionAddress
    InstitutionCodeSequence InstitutionName InstitutionalDepartmentName
    InstitutionalDepartmentTypeCodeSequence InstructionPerformedDateTime InsurancePlanIdentification
    IntendedFractionStartTime IntendedPhaseEndDate IntendedPhaseStartDate
    IntendedRecipientsOfResultsIdentificationSequence InterlockDateTime InterlockDescription
    InterlockOriginDescription InterpretationApprovalDate InterpretationApprovalTime
    InterpretationApproverSequence InterpretationAuthor InterpretationDiagnosisDescription
    InterpretationID InterpretationIDIssuer InterpretationRecordedDate InterpretationRecordedTime
    InterpretationRecorder InterpretationText InterpretationTranscriber InterpretationTranscriptionDate
    InterpretationTranscriptionTime InterventionDrugStartTime InterventionDrugStopTime IrradiationEventUID
    IssueDateOfImagingServiceRequest IssueTimeOfImagingServiceRequest IssuerOfAdmissionID
    IssuerOfAdmissionIDSequence IssuerOfClinicalTrialProtocolID IssuerOfClinicalTrialSeriesID
    IssuerOfClinicalTrialSiteID IssuerOfClinicalTrialSubjectID IssuerOfClinicalTrialSubjectReadingID
    IssuerOfClinicalTrialTimePointID IssuerOfPatientID IssuerOfServiceEpisodeID
    IssuerOfServiceEpisodeIDSequence IssuerOfTheContainerIdentifierSequence
    IssuerOfTheSpecimenIdentifierSequence LabelText LargePaletteColorLookupTableUID LastMenstrualDate
    LensMake LensModel LensSerialNumber LensSpecification LongDeviceDescription MAC MakerNote
    ManufacturerDeviceClassUID ManufacturerDeviceIdentifier MediaStorageSOPInstanceUID MedicalAlerts
    MedicalRecordLocator MilitaryRank ModifiedAttributesSequence ModifiedImageDate
    ModifiedImageDescription ModifiedImageTime ModifyingDeviceID ModifyingSystem MontageChannelLabel
    MontageName MostRecentTreatmentDate MultienergyAcquisitionDescription MultiplexGroupLabel
    MultiplexGroupUID NameOfPhysiciansReadingStudy NamesOfIntendedRecipientsOfResults NametoUse
    NametoUseComment NetworkID NonconformingDataElementValue NonconformingModifiedAttributesSequence
    ObservationDateTime ObservationDateTrial ObservationStartDateTime ObservationSubjectUIDTrial
    ObservationTimeTrial ObservationUID Occupation OperatorIdentificationSequence OperatorsName
    OrderCallbackPhoneNumber OrderCallbackTelecomInformation OrderEnteredBy OrderEntererLocation
    OriginalAttributesSequence Originator OtherClinicalTrialProtocolIDsSequence OtherPatientIDs
    OtherPatientIDsSequence OtherPatientNames OverlayDate OverlayTime OverrideDateTime
    PaletteColorLookupTableUID ParticipantSequence ParticipationDateTime PatientAddress PatientAge
    PatientBirthDate PatientBirthName PatientBirthTime PatientComments PatientID
    PatientInstitutionResidence PatientInsurancePlanCodeSequence PatientMotherBirthName PatientName
    PatientPrimaryLanguageCodeSequence PatientPrimaryLanguageModifierCodeSequence
    PatientReligiousPreference PatientSetupPhotoDescription PatientSetupUID PatientSex PatientSexNeutered
    PatientSize PatientState PatientTelecomInformation PatientTelephoneNumbers
    PatientTransportArrangements PatientTreatmentPreparationMethodDescription
    PatientTreatmentPreparationProcedureParameterDescription PatientWeight PerformedLocation
    PerformedProcedureStepDescription PerformedProcedureStepEndDate PerformedProcedureStepEndDateTime
    PerformedProcedureStepEndTime PerformedProcedureStepID PerformedProcedureStepStartDate
    PerformedProcedureStepStartDateTime PerformedProcedureStepStartTime PerformedStationAETitle
    PerformedStationGeographicLocationCodeSequence PerformedStationName PerformedStationNameCodeSequence
    PerformingPhysicianIdentificationSequence PerformingPhysicianName PersonAddress
    PersonIdentificationCodeSequence PersonName PersonNamestoUseSequence PersonTelecomInformation
    PersonTelephoneNumbers PhysicianApprovingInterpretation PhysiciansOfRecord
    PhysiciansOfRecordIdentificationSequence PhysiciansReadingStudyIdentificationSequence
    PlacerOrderNumberImagingServiceRequest PlateID PositionAcquisitionTemplateDescription
    PositionAcquisitionTemplateName PreMedication PregnancyStatus PrescriptionDescription
    PrescriptionNotes PrescriptionNotesSequence PresentationCreationDate PresentationCreationTime
    PresentationDisplayCollectionUID PresentationSequenceCollectionUID PrimaryDiagnosisCodeSequence
    PrincipalDiagnosisCodeSequence PriorTreatmentDoseDescription ProcedureStepCancellationDateTime
    ProductExpirationDateTime PronounCodeSequence PronounComment ProtocolName PyramidDescription
    PyramidLabel PyramidUID ROICreatorSequence ROIDateTime ROIDescription ROIGenerationDescription
    ROIInterpreter ROIInterpreterSequence ROIName ROIObservationDateTime ROIObservationDescription
    ROIObservationLabel RTAccessoryDeviceSlotID RTAccessoryHolderSlotID RTPhysicianIntentNarrative
    RTPlanDate RTPlanDescription RTPlanLabel RTPlanName RTPlanTime RTPrescriptionLabel RTToleranceSetLabel
    RTTreatmentApproachLabel RTTreatmentPhaseUID RadiationDoseIdentificationLabel
    RadiationDoseInVivoMeasurementLabel RadiationGenerationModeDescription RadiationGenerationModeLabel
    RadiopharmaceuticalStartDateTime RadiopharmaceuticalStartTime RadiopharmaceuticalStopDateTime
    RadiopharmaceuticalStopTime ReasonForOmissionDescription ReasonForRequestedProcedureCodeSequence
    ReasonForStudy ReasonForSuperseding ReasonForTheAttributeModification
    ReasonForTheImagingServiceRequest ReasonForTheRequestedProcedure ReasonForVisit
    ReasonForVisitCodeSequence ReceivingAE RecordedRTControlPointDateTime ReferencedConceptualVolumeUID
    ReferencedDateTime ReferencedDigitalSignatureSequence ReferencedDoseReferenceUID
    ReferencedDosimetricObjectiveUID ReferencedFiducialsUID ReferencedFrameOfReferenceUID
    ReferencedImageSequence ReferencedObservationUIDTrial ReferencedPatientAliasSequence
    ReferencedPatientPhotoSequence ReferencedPatientSequence ReferencedPerformedProcedureStepSequence
    ReferencedSOPInstanceMACSequence ReferencedSOPInstanceUID ReferencedSOPInstanceUIDInFile
    ReferencedStudySequence ReferencedTreatmentPositionGroupUID ReferringPhysicianAddress
    ReferringPhysicianIdentificationSequence ReferringPhysicianName ReferringPhysicianTelephoneNumbers
    RegionOfResidence RelatedFrameOfReferenceUID RequestAttributesSequence RequestedContrastAgent
    RequestedProcedureComments RequestedProcedureDescription RequestedProcedureID
    RequestedProcedureLocation RequestedSOPInstanceUID RequestedSeriesDescription RequestingAE
    RequestingPhysician RequestingService RespiratoryMotionCompensationTechniqueDescription
    ResponsibleOrganization ResponsiblePerson ResultsComments ResultsDistributionListSequence ResultsID
    ResultsIDIssuer RetrieveAETitle ReviewDate ReviewTime ReviewerName SOPAuthorizationDateTime
    SOPInstanceUID SafePositionExitDate SafePositionExitTime SafePositionReturnDate SafePositionReturnTime
    ScheduledAdmissionDate ScheduledAdmissionTime ScheduledDischargeDate ScheduledDischargeTime
    ScheduledHumanPerformersSequence ScheduledPatientInstitutionResidence
    ScheduledPerformingPhysicianIdentificationSequence ScheduledPerformingPhysicianName
    ScheduledProcedureStepDescription ScheduledProcedureStepEndDate ScheduledProcedureStepEndTime
    ScheduledProcedureStepExpirationDateTime ScheduledProcedureStepID ScheduledProcedureStepLocation
    ScheduledProcedureStepModificationDateTime ScheduledProcedureStepStartDate
    ScheduledProcedureStepStartDateTime ScheduledProcedureStepStartTime ScheduledStationAETitle
    ScheduledStationGeographicLocationCodeSequence ScheduledStationName ScheduledStationNameCodeSequence
    ScheduledStudyLocation ScheduledStudyLocationAETitle ScheduledStudyStartDate ScheduledStudyStartTime
    ScheduledStudyStopDate ScheduledStudyStopTime SecondaryCaptureDeviceID SecondaryDiagnosesCodeSequence
    SegmentDefinitionDateTime SelectorAEValue SelectorASValue SelectorDAValue SelectorDTValue
    SelectorLOValue SelectorLTValue SelectorOBValue SelectorPNValue SelectorSHValue SelectorSTValue
    SelectorTMValue SelectorUNValue SelectorURValue SelectorUTValue SeriesDate SeriesDescription
    SeriesInstanceUID SeriesTime ServiceEpisodeDescription ServiceEpisodeID SetupTechniqueDescription
    SexParametersforClinicalUseCategoryCodeSequence SexParametersforClinicalUseCategoryComment
    SexParametersforClinicalUseCategoryReference SexParametersforClinicalUseCategorySequence
    ShieldingDeviceDescription SlideIdentifier SmokingStatus SourceConceptualVolumeUID SourceEndDateTime
    SourceFrameOfReferenceUID SourceIdentifier SourceImageSequence SourceManufacturer
    SourceOfPreviousValues SourceSerialNumber SourceStartDateTime SourceStrengthReferenceDate
    SourceStrengthReferenceTime SpecialNeeds SpecimenAccessionNumber SpecimenDetailedDescription
    SpecimenIdentifier SpecimenPreparationSequence SpecimenShortDescription SpecimenUID
    StartAcquisitionDateTime StationAETitle StationName StorageMediaFileSetUID StructureSetDate
    StructureSetDescription StructureSetLabel StructureSetName StructureSetTime StudyArrivalDate
    StudyArrivalTime StudyComments StudyCompletionDate StudyCompletionTime StudyDate StudyDescription
    StudyID StudyIDIssuer StudyInstanceUID StudyReadDate StudyReadTime StudyTime StudyVerifiedDate
    StudyVerifiedTime SubstanceAdministrationDateTime SynchronizationFrameOfReferenceUID
    TableTopPositionAlignmentUID TargetUID TelephoneNumberTrial TemplateExtensionCreatorUID
    TemplateExtensionOrganizationUID TemplateLocalVersion TemplateVersion TextComments TextString
    ThirdPersonPronounsSequence Time TimeOfDocumentCreationOrVerbalTransactionTrial TimeOfLastCalibration
    TimeOfLastDetectorCalibration TimeOfSecondaryCapture TimezoneOffsetFromUTC TopicAuthor TopicKeywords
    TopicSubject TopicTitle TrackingUID TransactionUID TransducerIdentificationSequence
    TreatmentControlPointDate TreatmentControlPointTime TreatmentDate TreatmentMachineName
    TreatmentPositionGroupLabel TreatmentPositionGroupUID TreatmentSessionUID TreatmentSite TreatmentSites
    TreatmentTechniqueNotes TreatmentTime TreatmentToleranceViolationDateTime
    TreatmentToleranceViolationDescription UDISequence UID UnformattedTextValue UniqueDeviceIdentifier
    UserContentLabel UserContentLongLabel VerbalSourceIdentifierCodeSequenceTrial VerbalSourceTrial
    VerificationDateTime VerifyingObserverIdentificationCodeSequence VerifyingObserverName
    VerifyingObserverSequence VerifyingOrganization VisitComments WaveformAnnotationSequence
    WaveformFilterDescription XRayDetectorID XRayDetectorLabel XRaySourceID
"""
# Those, as a dictionary that does not know them names them.
_YOUNG = """
    (0008,1301) (0008,1302) (0008,1303) (0008,1304) (0010,0011) (0010,0012) (0010,0013) (0010,0014)
    (0010,0015) (0010,0016) (0010,0041) (0010,0042) (0010,0043) (0010,0044) (0010,0045) (0010,0046)
    (0010,0047) (0010,2162) (0040,a034) (0040,a035) (0040,b034) (0040,b036) (0040,b03b) (0040,b03f)
    (0040,e012)
"""
# Not in the table, or as patterns of tags there, and of the same kind: who the patient is, and whose.
_FURTHER = """
    BreedRegistrationNumber BreedRegistrationSequence CurveData GroupOfPatientsIdentificationSequence
    IssuerOfAccessionNumberSequence IssuerOfPatientIDQualifiersSequence OrderFillerIdentifierSequence
    OrderPlacerIdentifierSequence OverlayComments OverlayData PatientAlternativeCalendar
    PatientBirthDateInAlternativeCalendar PatientBodyMassIndex PatientBreedDescription
    PatientDeathDateInAlternativeCalendar PatientSizeCodeSequence ResponsiblePersonRole
    SourcePatientGroupIdentificationSequence TypeOfPatientID
"""
# What is shown all the same, by the reason.
DISPLAYED = {
    "UIDs, and references by them: they name objects, and are what a series is chosen by": """
        AcquisitionUID AffectedSOPInstanceUID AnnotationGroupUID ConcatenationUID ConceptualVolumeUID
        ConstituentConceptualVolumeUID DeviceUID DigitalSignatureUID DimensionOrganizationUID
        DoseReferenceUID DosimetricObjectiveUID FailedSOPInstanceUIDList FiducialUID FrameOfReferenceUID
        IrradiationEventUID LargePaletteColorLookupTableUID ManufacturerDeviceClassUID
        MediaStorageSOPInstanceUID MultiplexGroupUID ObservationSubjectUIDTrial ObservationUID
        PaletteColorLookupTableUID PatientSetupUID PresentationDisplayCollectionUID
        PresentationSequenceCollectionUID PyramidUID RTTreatmentPhaseUID ReferencedConceptualVolumeUID
        ReferencedDoseReferenceUID ReferencedDosimetricObjectiveUID ReferencedFiducialsUID
        ReferencedFrameOfReferenceUID ReferencedImageSequence ReferencedObservationUIDTrial
        ReferencedPerformedProcedureStepSequence ReferencedSOPInstanceUID ReferencedSOPInstanceUIDInFile
        ReferencedStudySequence ReferencedTreatmentPositionGroupUID RelatedFrameOfReferenceUID
        RequestedSOPInstanceUID SOPInstanceUID SeriesInstanceUID SourceConceptualVolumeUID
        SourceFrameOfReferenceUID SourceImageSequence SpecimenUID StorageMediaFileSetUID StudyInstanceUID
        SynchronizationFrameOfReferenceUID TableTopPositionAlignmentUID TargetUID
        TemplateExtensionCreatorUID TemplateExtensionOrganizationUID TrackingUID TransactionUID
        TreatmentPositionGroupUID TreatmentSessionUID UID
    """,
    "what people call a series, and choose it by": """
        ProtocolName SeriesDescription StudyDescription
    """,
    "dates and times of images, procedures and devices: they tell which scan is meant": """
        AcquisitionDate AcquisitionDateTime AcquisitionTime BeamHoldTransitionDateTime CalibrationDate
        CalibrationDateTime CalibrationTime ContentDate ContentTime ContrastBolusStartTime
        ContrastBolusStopTime CreationDate CreationTime CurveDate CurveTime DateOfInstallation
        DateOfLastCalibration DateOfLastDetectorCalibration DateOfManufacture DateOfSecondaryCapture
        DateTimeOfLastCalibration DecayCorrectionDateTime EndAcquisitionDateTime ExclusionStartDateTime
        FirstTreatmentDate FrameAcquisitionDateTime FrameReferenceDateTime HangingProtocolCreationDateTime
        ImpedanceMeasurementDateTime InstanceCreationDate InstanceCreationTime
        InstructionPerformedDateTime IntendedFractionStartTime IntendedPhaseEndDate IntendedPhaseStartDate
        InterlockDateTime InterventionDrugStartTime InterventionDrugStopTime ModifiedImageDate
        ModifiedImageTime MostRecentTreatmentDate OverlayDate OverlayTime OverrideDateTime
        PerformedProcedureStepEndDate PerformedProcedureStepEndDateTime PerformedProcedureStepEndTime
        PerformedProcedureStepStartDate PerformedProcedureStepStartDateTime
        PerformedProcedureStepStartTime PresentationCreationDate PresentationCreationTime ROIDateTime
        RTPlanDate RTPlanTime RadiopharmaceuticalStartDateTime RadiopharmaceuticalStartTime
        RadiopharmaceuticalStopDateTime RadiopharmaceuticalStopTime RecordedRTControlPointDateTime
        SafePositionExitDate SafePositionExitTime SafePositionReturnDate SafePositionReturnTime
        ScheduledProcedureStepEndDate ScheduledProcedureStepEndTime
        ScheduledProcedureStepExpirationDateTime ScheduledProcedureStepStartDate
        ScheduledProcedureStepStartDateTime ScheduledProcedureStepStartTime ScheduledStudyStartDate
        ScheduledStudyStartTime ScheduledStudyStopDate ScheduledStudyStopTime SeriesDate SeriesTime
        SourceEndDateTime SourceStartDateTime SourceStrengthReferenceDate SourceStrengthReferenceTime
        StartAcquisitionDateTime StructureSetDate StructureSetTime StudyCompletionDate StudyCompletionTime
        StudyDate StudyTime TimeOfLastCalibration TimeOfLastDetectorCalibration TimeOfSecondaryCapture
        TimezoneOffsetFromUTC TreatmentControlPointDate TreatmentControlPointTime TreatmentDate
        TreatmentTime TreatmentToleranceViolationDateTime
    """,
    "the device: values are read by its maker's rules, and its faults are told by it": """
        CassetteID DetectorID DeviceSerialNumber GantryID GeneratorID LensMake LensModel LensSerialNumber
        LensSpecification PlateID SecondaryCaptureDeviceID SourceManufacturer SourceSerialNumber
        StationName TransducerIdentificationSequence TreatmentMachineName UDISequence
        UniqueDeviceIdentifier XRayDetectorID XRaySourceID
    """,
    "contrast: with and without are different images": """
        ContrastBolusAgent RequestedContrastAgent
    """,
}

_TAG = re.compile(r"\((?P<group>[0-9a-fA-F]{4}),")


@lru_cache(maxsize=1)
def hidden_attributes() -> frozenset[str]:
    """By keyword, or by tag where the dictionary has no keyword: what is shown only where it is asked for."""
    displayed = {keyword for keywords in DISPLAYED.values() for keyword in keywords.split()}
    return frozenset(f"{_TABLE} {_YOUNG} {_FURTHER}".split()) - displayed


def may_identify(key: str) -> bool:
    """Whether the values of an attribute may identify the patient.

    Every private attribute may, and so may curves (group 50xx): the table has all of them.
    """
    tag = _TAG.match(key)
    if tag is None:
        return key in hidden_attributes()
    group = int(tag["group"], 16)
    return group % 2 == 1 or group >> 8 == 0x50 or key.lower() in hidden_attributes()
