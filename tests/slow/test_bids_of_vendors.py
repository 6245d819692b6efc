"""The JSON beside a NIfTI file of each vendor's made-up headers: what dcm2niix says of the same files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

import enhanced_files
import mosaic_files
import synthetic
from dicomarray import to_nifti
from nifti_oracle import Nifti, by_dcm2niix, read
from vendor_headers import Private, add_private, ge_protocol, ge_user_data, siemens_protocol

GE = {"Manufacturer": "GE MEDICAL SYSTEMS", "ScanningSequence": ["EP", "GR"], "MRAcquisitionType": "2D"}
EPI = {"RepetitionTime": 2000, "EchoTime": 30, "InPlanePhaseEncodingDirection": "COL"}
NEW, OLD = ["29", "LX", "RX29.1_R01_2111.a"], ["27", "LX", "MR Software release:DV26.0_R01_1725.a"]
SERIES, PARAMETERS, ACQUISITION = "GEMS_SERS_01", "GEMS_PARM_01", "GEMS_ACQU_01"


def both(
    folder: Path, common: Mapping[str, Any], private: Private, slices: int = 6, repetitions: int = 2
) -> tuple[Nifti, Nifti]:
    """What dcm2niix makes of a series of several volumes, and what this package makes of it."""
    stored = np.random.default_rng(2).integers(0, 2000, (repetitions, slices, 16, 16)).astype(np.uint16)
    steps = [
        {"TemporalPositionIdentifier": n + 1, "AcquisitionTime": f"12000{2 * n}"} for n in range(repetitions)
    ]
    add_private(synthetic.write_repetitions(folder / "in", stored, steps, common=common), private)
    report = to_nifti(folder / "in", folder / "mr.nii.gz")
    (truth,) = by_dcm2niix(folder / "in", folder / "truth")
    made = read(report.files[0][0])
    assert truth.differences(made) == []
    assert truth.other_bids(made) == {}
    return truth, made


def ge(sequence: str, internal: str, options: str, **settings: object) -> Private:
    """Elements of an EPI of GE."""
    block = ge_protocol(PSEQ="Gradient Echo", IOPT=options, **settings)
    return {
        (0x0019, ACQUISITION, 0x9C): ("LO", sequence),
        (0x0019, ACQUISITION, 0x9E): ("LO", internal),
        (0x0019, ACQUISITION, 0x5A): ("FL", 50000008.0),
        (0x0025, SERIES, 0x1B): ("OB", block),
        (0x0043, PARAMETERS, 0x2C): ("SS", 388),
        (0x0043, PARAMETERS, 0x83): ("DS", [0.5, 1]),
    }


GE_EPIS: dict[str, tuple[Sequence[str], Private, int]] = {
    "interleaved": (OLD, ge("epiRT", "EPI", "EPI, FMRI", SLICEORDER=1, NOSLC=6), 6),
    "odd count": (OLD, ge("epiRT", "EPI", "EPI, FMRI", SLICEORDER=1, NOSLC=7), 7),
    "one after the other": (OLD, ge("epiRT", "EPI", "EPI, FMRI", SLICEORDER=0, NOSLC=6), 6),
    "phases": (NEW, ge("epi", "EPI", "MPh, EPI", NOSLC=6, DELACQ="Minimum", DELACQNOAV=0), 6),
    "phases with a delay": (NEW, ge("epi", "EPI", "MPh, EPI", NOSLC=6, DELACQ="1.0", DELACQNOAV="1.0"), 6),
    "bands": (NEW, ge("epiRT", "EPI", "EPI, FMRI", SLICEORDER=1, NOSLC=12, MBACCEL=3), 12),
    "bands of the older software": (
        OLD, ge("epiRT", "EPI", "EPI, FMRI", SLICEORDER=1, NOSLC=12, MBACCEL=3), 12,
    ),
    "bands, one after the other": (NEW, ge("epi", "EPI", "EPI, FMRI", SLICEORDER=0, NOSLC=8, MBACCEL=2), 8),
    "diffusion": (NEW, ge("epi2", "EPI2", "EPI, DIFF", NOSLC=6), 6),
}  # fmt: skip


@pytest.mark.parametrize("name", GE_EPIS)
def test_slice_times_of_ge(name: str, tmp_path: Path) -> None:
    """The protocol says the order; slices fill the repetition time, without what passes between volumes."""
    versions, private, slices = GE_EPIS[name]
    common = {**GE, **EPI, "SoftwareVersions": versions, "ManufacturerModelName": "DISCOVERY MR750"}
    truth, made = both(tmp_path, common, private, slices)
    assert len(made.bids["SliceTiming"]) == slices
    assert set(truth.bids) & {
        "SliceTiming", "AcquisitionDuration", "RepetitionTime", "ParallelReductionFactorInPlane",
        "MultibandAccelerationFactor", "ParallelReductionFactorOutOfPlane", "SequenceName",
    } <= set(made.bids)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "private"),
    [
        ("SIGNA Premier", ge("epi2", "EPI2", "EPI, DIFF", NOSLC=6)),
        ("DISCOVERY MR750", ge("epi", "EPI", "EPI, MPhVar", NOSLC=6, DELACQNOAV=1)),
        ("DISCOVERY MR750", {(0x0025, SERIES, 0x1B): ("OB", b"\x10\0\0\0\x1f\x8b\x08\0damaged")}),
    ],
    ids=["alternating", "delays that vary", "damaged"],
)
def test_slice_times_that_nobody_knows(model: str, private: Private, tmp_path: Path) -> None:
    """They are left out: no order is guessed."""
    common = {**GE, **EPI, "SoftwareVersions": NEW, "ManufacturerModelName": model}
    truth, made = both(tmp_path, common, private)
    assert "SliceTiming" not in truth.bids and "SliceTiming" not in made.bids


@pytest.mark.parametrize("version", [24.0, 26.0])
@pytest.mark.parametrize("order", [0, 2])
@pytest.mark.parametrize("polarity", [0, 4])
def test_phase_encoding_of_ge(polarity: int, order: int, version: float, tmp_path: Path) -> None:
    """Polarity and order each turn it; both together leave it."""
    data = ge_user_data(polarity, order, version)
    truth, made = both(tmp_path, {**GE, **EPI}, {(0x0043, PARAMETERS, 0x2A): ("OB", data)})
    assert truth.bids["PhaseEncodingDirection"] == made.bids["PhaseEncodingDirection"]
    assert truth.bids["PhaseEncodingPolarityGE"] == made.bids["PhaseEncodingPolarityGE"]


@pytest.mark.parametrize(
    ("data", "turned", "direction"),
    [
        (ge_user_data(0, 0, epi=False), None, None),
        (ge_user_data(0, 0, version=99), None, None),
        (b"short", None, None),
        (ge_user_data(0, 0), 0, "j-"),
        (ge_user_data(0, 0), 1, "j"),
        (ge_user_data(0, 0), 2, None),
    ],
    ids=["no EPI", "another form", "too short", "not turned", "turned", "turned from volume to volume"],
)
def test_phase_encoding_that_turns(
    data: bytes, turned: int | None, direction: str | None, tmp_path: Path
) -> None:
    """Where it is unknown, or alternates, only the axis is said."""
    private: dict[tuple[int, str, int], tuple[str, Any]] = {(0x0043, PARAMETERS, 0x2A): ("OB", data)}
    if turned is not None:
        private[0x0019, ACQUISITION, 0x9C] = ("LO", "epi_pepolar")
        private[0x0019, ACQUISITION, 0xB3] = ("DS", turned)
    files = synthetic.write_series(
        tmp_path / "in", synthetic.stored_values((4, 16, 16)), modality="MR", common={**GE, **EPI}
    )
    add_private(files, private)
    made = read(to_nifti(tmp_path / "in", tmp_path / "mr.nii.gz").files[0][0])
    assert made.bids.get("PhaseEncodingDirection") == direction
    assert made.bids.get("PhaseEncodingAxis") == (None if direction else "j")


def test_readout_of_philips(tmp_path: Path) -> None:
    """It is estimated by the shift between water and fat; an item has what an enhanced object would say."""
    item = Dataset()
    item.MRAcquisitionFrequencyEncodingSteps = 72
    item.ParallelReductionFactorInPlane = 2.0
    item.ParallelReductionFactorOutOfPlane = 1.0
    item.PulseSequenceName = "FEEPI"
    imaging = "Philips Imaging DD 001"
    private = {
        (0x2001, imaging, 0x22): ("FL", 12.5), (0x2001, imaging, 0x13): ("SL", 43),
        (0x2001, imaging, 0x19): ("CS", "Y"), (0x2001, imaging, 0x1B): ("FL", 850.0),
        (0x2005, "Philips MR Imaging DD 005", 0x0F): ("SQ", [item]),
    }  # fmt: skip
    common = {
        **EPI, "Manufacturer": "Philips Medical Systems", "ScanningSequence": "GR", "ImagingFrequency": 127.7,
        "NumberOfPhaseEncodingSteps": 80, "MRAcquisitionType": "2D", "EchoTrainLength": ...,
    }  # fmt: skip
    truth, made = both(tmp_path, common, private)
    shared = {
        "WaterFatShift", "EstimatedEffectiveEchoSpacing", "EstimatedTotalReadoutTime", "InversionTime",
        "EchoTrainLength", "PartialFourierEnabled", "PhaseEncodingStepsNoPartialFourier", "PhaseEncodingAxis",
        "ParallelReductionFactorInPlane", "SequenceName", "FrequencyEncodingSteps",
    }  # fmt: skip
    assert shared <= set(truth.bids) and shared <= set(made.bids)
    assert not {"EffectiveEchoSpacing", "TotalReadoutTime"} & set(made.bids)


@pytest.mark.parametrize("polarity", [0, 1])
def test_phase_encoding_and_readout_of_uih(polarity: int, tmp_path: Path) -> None:
    """Its Acquisition Duration is the time of the readout, and its frequency is in Hz."""
    image = "Image Private Header"
    private = {
        (0x0065, image, 0x05): ("SH", "A->P"), (0x0065, image, 0x0D): ("SH", "F:2S"),
        (0x0065, image, 0x58): ("IS", polarity),
    }  # fmt: skip
    common = {
        **EPI, "Manufacturer": "UIH", "ImagingFrequency": 128176031, "AcquisitionDuration": 35.0,
        "MRAcquisitionType": "2D", "ScanningSequence": ["EP", "GR"],
    }  # fmt: skip
    truth, made = both(tmp_path, common, private)
    shared = {
        "TotalReadoutTime", "PhaseEncodingDirection", "PhaseEncodingDirectionDisplayed",
        "ParallelReductionFactorInPlane",
    }  # fmt: skip
    assert shared <= set(truth.bids) & set(made.bids)
    assert not {"ImagingFrequency", "AcquisitionDuration"} & (set(truth.bids) | set(made.bids))


def test_slice_times_of_uih(tmp_path: Path) -> None:
    """Each image has its own time, whichever of its names the maker has; dcm2niix knows one of them."""
    stored = synthetic.stored_values((8, 16, 16))
    each = [
        {
            "ImagePositionPatient": [0, 0, (n % 4) * 5.0],
            "AcquisitionTime": f"12000{n // 4}.{(0, 5, 2, 7)[n % 4]}",
            "InstanceNumber": n + 1,
        }
        for n in range(8)
    ]
    for maker in ("UIH", "United Imaging Healthcare"):
        common = {**EPI, "Manufacturer": maker, "MRAcquisitionType": "2D", "RepetitionTime": 1000}
        synthetic.write_series(tmp_path / maker, stored, modality="MR", common=common, each=each)
        made = read(to_nifti(tmp_path / maker, tmp_path / f"{maker}.nii.gz").files[0][0])
        assert made.bids["Manufacturer"] == "UIH"
        assert made.bids["SliceTiming"] == [0, 0.5, 0.2, 0.7]
    (truth,) = by_dcm2niix(tmp_path / "UIH", tmp_path / "truth")
    np.testing.assert_allclose(truth.bids["SliceTiming"], made.bids["SliceTiming"], atol=0.01)


@pytest.mark.parametrize(
    ("code", "part"), [("0x1", 0.5), ("0x2", 0.625), ("4", 0.75), ("8", 0.875), ("0x10", None)]
)
def test_protocol_of_siemens(code: str, part: float | None, tmp_path: Path) -> None:
    """What the protocol text says of parts that were left out, of coils and of pauses."""
    coil = "sCoilSelectMeas.aRxCoilSelectData[0].asList[0].sCoilElementID.tCoilID"
    text = siemens_protocol(
        sKSpace__ucPhasePartialFourier=code, sPat__lAccelFactPE=2, sPat__lAccelFact3D=1,
        lDelayTimeInTR=500000, tProtocolName='""rest""', **{coil: '""Head_32""'}, ucCoilCombineMode=2,
        sPat__ucPATMode="0x2", tSequenceFileName='""%SiemensSeq%\\ep2d_bold""',
    )  # fmt: skip
    csa = mosaic_files.encode_csa({"MrPhoenixProtocol": [text.decode()]})
    private = {
        (0x0029, "SIEMENS CSA HEADER", 0x20): ("OB", csa),
        (0x0051, "SIEMENS MR HEADER", 0x11): ("LO", "p2s2"),
    }
    common = {
        **EPI, "Manufacturer": "SIEMENS", "MRAcquisitionType": "2D", "ScanningSequence": "EP",
        "SeriesDescription": ..., "ProtocolName": ...,
    }  # fmt: skip
    truth, made = both(tmp_path, common, private)
    assert made.bids.get("PartialFourier") == truth.bids.get("PartialFourier") == part
    shared = {
        "ParallelReductionFactorInPlane", "ParallelReductionFactorOutOfPlane", "DelayTime", "ReceiveCoilName",
        "MultibandAccelerationFactor", "ProtocolName", "PulseSequenceDetails", "CoilCombinationMethod",
        "MatrixCoilMode", "PulseSequenceType",
    }  # fmt: skip
    assert shared <= set(truth.bids) & set(made.bids)


@pytest.mark.parametrize(
    ("component", "contrasts", "there"), [("P", 2, True), ("M", 2, False), ("P", 1, False), ("P", 3, False)]
)
def test_echoes_of_a_field_map(component: str, contrasts: int, there: bool, tmp_path: Path) -> None:
    """A phase between two echoes has the times of both, as BIDS wants it; one of more echoes has its own."""
    text = siemens_protocol(lContrasts=contrasts, **{"alTE[0]": 10000, "alTE[1]": 12460})
    csa = mosaic_files.encode_csa({"MrPhoenixProtocol": [text.decode()]})
    common = {
        **EPI, "Manufacturer": "SIEMENS", "MRAcquisitionType": "2D", "ScanningSequence": "GR",
        "ImageType": ["ORIGINAL", "PRIMARY", component, "ND"], "EchoTime": 12.46,
    }  # fmt: skip
    truth, made = both(tmp_path, common, {(0x0029, "SIEMENS CSA HEADER", 0x20): ("OB", csa)})
    times = {"EchoTime1": 0.01, "EchoTime2": 0.01246}
    assert {name: made.bids.get(name) for name in times} == (times if there else dict.fromkeys(times))
    assert not there or times.items() <= truth.bids.items()


@pytest.mark.parametrize("kind", ["2D", "3D"])
@pytest.mark.parametrize("sequence", ["GR", "IR"])
@pytest.mark.parametrize("maker", ["SIEMENS", "Philips Medical Systems", "UIH", "GE MEDICAL SYSTEMS"])
def test_time_from_volume_to_volume(maker: str, sequence: str, kind: str, tmp_path: Path) -> None:
    """Where clocks say another than Repetition Time, that stands beside it as what it is."""
    common = {
        "RepetitionTime": 8,
        "Manufacturer": maker,
        "MRAcquisitionType": kind,
        "ScanningSequence": sequence,
    }
    truth, made = both(tmp_path, common, {}, repetitions=3)
    names = ("RepetitionTime", "RepetitionTimeExcitation", "RepetitionTimeInversion")
    assert [made.bids.get(name) for name in names] == [truth.bids.get(name) for name in names]
    assert made.bids["RepetitionTime"] == (0.008 if maker.startswith("GE") and kind == "2D" else 2)
    assert made.header["pixdim"][4] == pytest.approx(truth.header["pixdim"][4])


@pytest.mark.parametrize("kind", ["2D", "3D"])
def test_time_from_volume_to_volume_of_frames(kind: str, tmp_path: Path) -> None:
    """In 3-D the clocks of frames say it, which dcm2niix passes over; in 2-D Repetition Time is that time."""
    stored = np.random.default_rng(2).integers(0, 2000, (12, 16, 16)).astype(np.uint16)
    frames = [
        {
            **enhanced_files.at(n % 4 * 2.0),
            **enhanced_files.content(
                StackID="1", InStackPositionNumber=n % 4 + 1, TemporalPositionIndex=n // 4 + 1,
                DimensionIndexValues=[1, n % 4 + 1, n // 4 + 1],
                FrameAcquisitionDateTime=f"2020010112000{n // 4 * 2}.00",
            ),
        }
        for n in range(12)
    ]  # fmt: skip
    shared = {"MRTimingAndRelatedParametersSequence": {"RepetitionTime": 8.0, "FlipAngle": 9.0}}
    common = {"Manufacturer": "Philips", "MRAcquisitionType": kind, "AcquisitionDateTime": "20200101120000"}
    file = enhanced_files.write_enhanced(
        tmp_path / "in" / "a.dcm", stored, frames, shared=shared, common=common
    )
    made = read(to_nifti(file, tmp_path / "mr.nii.gz").files[0][0])
    (truth,) = by_dcm2niix(file.parent, tmp_path / "truth")
    assert truth.differences(made) == []
    other = {"RepetitionTime": (0.008, 2)} if kind == "3D" else {}
    assert truth.other_bids(made) == other
    assert made.bids.get("RepetitionTimeExcitation") == (0.008 if kind == "3D" else None)
    assert made.header["pixdim"][4] == pytest.approx(2 if kind == "3D" else 0.008)


def test_reconstruction_of_ge(tmp_path: Path) -> None:
    """Iterations and subsets of a PET stand in private elements, which dcm2niix does not read."""
    common = {"Manufacturer": "GE MEDICAL SYSTEMS", "ReconstructionMethod": "VPFX", "Units": "BQML"}
    files = synthetic.write_series(
        tmp_path / "in", synthetic.stored_values((4, 16, 16)), modality="PT", common=common
    )
    petd = "GEMS_PETD_01"
    add_private(files, {(0x0009, petd, 0xB2): ("SL", 2), (0x0009, petd, 0xB3): ("SL", 16)})
    made = read(to_nifti(tmp_path / "in", tmp_path / "pt.nii.gz").files[0][0])
    (truth,) = by_dcm2niix(tmp_path / "in", tmp_path / "truth")
    assert truth.differences(made) == [] and truth.other_bids(made) == {}
    assert made.bids["ReconMethodName"] == truth.bids["ReconMethodName"]
    assert made.bids["ReconMethodParameterValues"] == [16, 2]


@pytest.mark.parametrize("maker", ["CANON_MEC", "TOSHIBA_MEC", "Hitachi Medical Corporation", "Unheard of"])
def test_other_makers(maker: str, tmp_path: Path) -> None:
    """What the standard's elements say is there."""
    common = {
        **EPI, "Manufacturer": maker, "MRAcquisitionType": "2D", "ScanningSequence": ["SE", "EP"],
        "EchoTrainLength": 9, "ParallelReductionFactorInPlane": 2.0, "AcquisitionDuration": 12.5,
        "FlipAngle": 90, "ProtocolName": ..., "SeriesDescription": "b0",
    }  # fmt: skip
    truth, made = both(tmp_path, common, {})
    shared = {
        "PhaseEncodingAxis", "EchoTrainLength", "ParallelReductionFactorInPlane", "AcquisitionDuration",
        "RepetitionTime", "EchoTime", "FlipAngle", "ProtocolName",
    }  # fmt: skip
    assert shared <= set(truth.bids) & set(made.bids)


@pytest.mark.parametrize(("sequence", "train"), [("EP", 40), ("GR", 8), ("GR", 1), ("SE", 40)])
def test_phase_encoding_of_three_dimensions(sequence: str, train: int, tmp_path: Path) -> None:
    """It bends images where many lines are read after one excitation and nothing refocuses them."""
    common = {
        **EPI, "Manufacturer": "SIEMENS", "MRAcquisitionType": "3D", "ScanningSequence": sequence,
        "EchoTrainLength": train,
    }  # fmt: skip
    truth, made = both(tmp_path, common, {})
    assert (
        ("PhaseEncodingAxis" in made.bids)
        == ("PhaseEncodingAxis" in truth.bids)
        == (train > 1 and sequence != "SE")
    )
