"""Whole series of every kind, from files to arrays and back: PET, padding, precise values, time series."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

import synthetic
from dicomarray import load, scan, to_dicom, to_numpy
from dicomarray.errors import DicomArrayError, HeaderError, TemplateError, UsageError, ValuesError
from enhanced_files import (
    at,
    content,
    pet_factor,
    rescaled,
    weighted,
    write_dose,
    write_enhanced,
    write_pet,
)
from synthetic import SPACING_MM, write_repetitions

MakeSeries = Callable[..., Path]
Array = NDArray[Any]
SLOPES = [1.0, 1.25, 0.37, 2.013, 0.5, 3.1415]


def by_dcm2niix(folder: Path, scratch: Path) -> list[Array]:
    """The volumes that dcm2niix makes of a folder: ([repetition,] slice, row, column), slices ascending."""
    scratch.mkdir()
    command = [Path(sys.executable).parent / "dcm2niix", "-b", "n", "-z", "n", "-m", "2", "-f", "%s_%e"]
    subprocess.run([*command, "-o", scratch, folder], check=True, capture_output=True)
    made = []
    for file in sorted(scratch.glob("*.nii")):
        image = nibabel.load(file)  # type: ignore[attr-defined]
        values = np.asarray(image.dataobj, np.float64).T[..., ::-1, :]  # rows downwards
        # NIfTI is RAS; in LPS rows and columns ascend, so z tells which way the slices go
        made.append(values if image.affine[2, 2] > 0 else values[..., ::-1, :, :])
    return made


# --- against dcm2niix -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["volume", "slice"])
def test_time_series_as_dcm2niix_reads_it(tmp_path: Path, order: str) -> None:
    """Times x slices in either order of acquisition: the same 4-D array."""
    array = synthetic.stored_values((4, 5, 12, 16))
    times = [
        {"TemporalPositionIdentifier": t, "AcquisitionNumber": t, "AcquisitionTime": f"1200{t:02d}"}
        for t in range(1, 5)
    ]
    write_repetitions(tmp_path / "s", array, times, order=order)
    volume = load(tmp_path / "s")
    (expected,) = by_dcm2niix(tmp_path / "s", tmp_path / "nii")
    assert np.array_equal(volume.array, expected)


def test_echoes_as_dcm2niix_splits_them(tmp_path: Path) -> None:
    """Each echo makes a volume."""
    array = synthetic.stored_values((2, 5, 12, 16))
    echoes = [{"EchoTime": 5, "EchoNumbers": 1}, {"EchoTime": 10, "EchoNumbers": 2}]
    write_repetitions(tmp_path / "s", array, echoes, order="slice")
    (series,) = scan(tmp_path / "s")
    expected = by_dcm2niix(tmp_path / "s", tmp_path / "nii")
    for volume, other in zip(series.volumes(), expected, strict=True):
        assert np.array_equal(volume.array, other)


@pytest.mark.parametrize("kind", ["plain", "time", "diffusion", "shuffled"])
def test_enhanced_objects_as_dcm2niix_reads_them(tmp_path: Path, kind: str) -> None:
    """One enhanced MR object: frames at their places, repetitions in order."""
    slices, repetitions = 5, 1 if kind in ("plain", "shuffled") else 3
    array = synthetic.stored_values((repetitions, slices, 12, 16), bits_stored=12)
    pairs = [(r, z) for r in range(repetitions) for z in range(slices)]
    if kind == "shuffled":
        pairs = [pairs[index] for index in (3, 0, 4, 1, 2)]
    frames = []
    for r, z in pairs:
        index: list[int] = [1, z + 1] if repetitions == 1 else [1, r + 1, z + 1]
        groups = {
            **at(z * SPACING_MM),
            **content(
                StackID="1",
                InStackPositionNumber=z + 1,
                TemporalPositionIndex=r + 1,
                DimensionIndexValues=index,
            ),
        }
        if kind == "diffusion":
            groups |= weighted(*((0.0, None), (1000.0, (1.0, 0.0, 0.0)), (1000.0, (0.0, 1.0, 0.0)))[r])
        frames.append(groups)
    pointers = [
        {"DimensionIndexPointer": pointer, "FunctionalGroupPointer": 0x00209111}
        for pointer in (0x00209056, 0x00209128, 0x00209057)
        if repetitions > 1 or pointer != 0x00209128
    ]
    # for other makers dcm2niix goes by their habits, and takes time points for slices here
    common = {"DimensionIndexSequence": pointers, "Manufacturer": "Philips"}
    (tmp_path / "s").mkdir()
    pixels = np.stack([array[r, z] for r, z in pairs])
    write_enhanced(tmp_path / "s" / "e.dcm", pixels, frames, common=common)
    volume = load(tmp_path / "s")
    (expected,) = by_dcm2niix(tmp_path / "s", tmp_path / "nii")
    assert np.array_equal(volume.array, array.reshape(volume.array.shape))
    assert np.array_equal(volume.array, expected)


@pytest.mark.parametrize("folder", ["mr-enhanced-siemens", "mr-enhanced-agfa", "mr-siemens-xa30"])
def test_real_enhanced_series_have_no_volume_made_up(real_data: Path, folder: str) -> None:
    """Each frame of the files is in one volume, once, with the pixels that pydicom reads."""
    frames = 0
    for series in scan(real_data / folder):
        if not series.is_image:
            continue
        paths = {}
        for path in series.files:
            data_set = pydicom.dcmread(path, stop_before_pixels=True)
            paths[data_set.SOPInstanceUID] = path
            frames += int(data_set.get("NumberOfFrames", 1))
        for volume in series.volumes(units="stored", missing="keep", duplicates="split"):
            seen = {(record["SOPInstanceUID"], record["frame"]) for record in volume.slices}
            assert len(seen) == len(volume.slices)
            first = volume.slices[0]
            pixels = pydicom.dcmread(paths[first["SOPInstanceUID"]]).pixel_array
            if volume.array.shape[-1] != 3 and pixels.ndim == 3:
                picture = pixels[first["frame"]]
                assert np.array_equal(volume.array.reshape(-1, *volume.array.shape[-2:])[0], picture)
            frames -= len(volume.slices)
    assert frames == 0


# --- PET --------------------------------------------------------------------------------------------------


def test_suv_of_a_pet_with_a_slope_a_slice(tmp_path: Path) -> None:
    """SUVbw of 70 kg, 350 MBq of F-18 an hour before is what it is by hand, each slice by its own slope."""
    stored = synthetic.stored_values(signed=True, bits_stored=16)
    write_pet(tmp_path / "pet", stored, slopes=SLOPES)
    activity = stored * np.array(SLOPES)[:, None, None]
    volume = load(tmp_path / "pet", units="suv")
    decayed = 350e6 * 2 ** (-3600 / 6586.2)
    assert volume.array == pytest.approx(activity * 70000 / decayed, rel=1e-6)
    assert volume.units == "SUVbw"
    assert pet_factor() == pytest.approx(70000 / decayed)
    assert [rescale.slope for rescale in volume.rescales] == pytest.approx(np.array(SLOPES) * pet_factor())
    assert any("decay corrected to the scan start" in warning for warning in volume.warnings)
    assert load(tmp_path / "pet").units == "BQML"
    assert load(tmp_path / "pet").array == pytest.approx(activity, rel=1e-6)


def test_suv_of_whole_body_beds_is_decayed_to_the_first(tmp_path: Path) -> None:
    """Later beds are corrected to the same start: one factor for all slices."""
    stored = synthetic.stored_values(bits_stored=12)
    files = write_pet(tmp_path / "pet", stored)
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        data_set.AcquisitionTime = f"12{1 + index // 2 * 3:02d}00"
        data_set.save_as(file)
    volume = load(tmp_path / "pet", units="suv")
    assert volume.array == pytest.approx(stored * pet_factor(), rel=1e-6)


@pytest.mark.parametrize(
    ("isotope", "common", "told"),
    [
        ({}, {"PatientWeight": ...}, "PatientWeight"),
        ({}, {"PatientWeight": 0}, "PatientWeight"),
        ({"RadionuclideTotalDose": ...}, {}, "RadionuclideTotalDose"),
        ({"RadionuclideTotalDose": "350"}, {}, "MBq"),
        ({"RadionuclideHalfLife": ...}, {}, "RadionuclideHalfLife"),
        ({"RadiopharmaceuticalStartTime": ...}, {}, "RadiopharmaceuticalStart"),
        ({}, {"Units": "CNTS"}, "CNTS"),
        ({}, {"CorrectedImage": ["ATTN"]}, "DECY"),
        ({}, {"DecayCorrection": "NONE"}, "DecayCorrection"),
        ({}, {"RadiopharmaceuticalInformationSequence": ...}, "RadiopharmaceuticalInformationSequence"),
    ],
)
def test_suv_is_refused_with_the_reason(
    tmp_path: Path, isotope: dict[str, Any], common: dict[str, Any], told: str
) -> None:
    """No guess: the message names the file and what is missing; activity can still be read."""
    stored = synthetic.stored_values()
    files = write_pet(tmp_path / "pet", stored, isotope=isotope, common=common)
    with pytest.raises(ValuesError, match=told) as caught:
        load(tmp_path / "pet", units="suv")
    assert str(files[0]) in str(caught.value)
    assert "SYNTHETIC" not in str(caught.value)
    assert np.array_equal(load(tmp_path / "pet").array, stored)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_suv_is_for_pet_only(make_series: MakeSeries, modality: str) -> None:
    """units="suv" of another class is refused, not passed over."""
    with pytest.raises(ValuesError, match="SOPClassUID"):
        load(make_series(modality=modality), units="suv")


def test_suv_of_enhanced_pet_is_refused(tmp_path: Path) -> None:
    """Its dose is in MBq, and elsewhere: not worked out by the classic rules."""
    frames = [{**at(index * SPACING_MM), **rescaled(2.0, 0)} for index in range(4)]
    write_enhanced(tmp_path / "e.dcm", synthetic.stored_values((4, 5, 6)), frames, kind="PT")
    with pytest.raises(ValuesError, match="SOPClassUID"):
        load(tmp_path / "e.dcm", units="suv")


def test_suv_in_the_sidecar_leads_back_to_stored_values(tmp_path: Path) -> None:
    """slope and intercept of each slice are those from stored values to SUVbw."""
    stored = synthetic.stored_values(signed=True, bits_stored=16)
    write_pet(tmp_path / "pet", stored, slopes=SLOPES)
    to_numpy(tmp_path / "pet", tmp_path / "v.npy", units="suv")
    notes = json.loads((tmp_path / "v.json").read_text("utf-8"))
    assert notes["array"]["units"] == "SUVbw"
    array = np.load(tmp_path / "v.npy")
    for index, entry in enumerate(notes["values"]["modality"]):
        found = np.rint((array[index].astype(np.float64) - entry["intercept"]) / entry["slope"])
        assert np.array_equal(found, stored[index])


@pytest.mark.parametrize("values", ["auto", "full-range", "stored"])
def test_suv_is_not_written_back_as_activity(tmp_path: Path, values: str) -> None:
    """2 g/ml would be shown as 2 Bq/ml: refused, as a volume, normalized, and through .npy and sidecar."""
    write_pet(tmp_path / "pet", synthetic.stored_values(bits_stored=12))
    volume = load(tmp_path / "pet", units="suv")
    for made in (volume, volume.normalize(0, 10)):
        with pytest.raises(DicomArrayError, match="SUVbw"):
            to_dicom(made, tmp_path / "pet", tmp_path / "out", values=values)
    volume.save(tmp_path / "v.npy")
    with pytest.raises(DicomArrayError, match="SUVbw"):
        to_dicom(
            tmp_path / "v.npy",
            tmp_path / "pet",
            tmp_path / "out",
            input_json=tmp_path / "v.json",
            values=values,
        )
    assert not (tmp_path / "out").exists()


def test_suv_that_the_scanner_wrote_is_written_back(tmp_path: Path) -> None:
    """Units GML: SUV is what the file holds, so it comes back bit for bit."""
    stored = synthetic.stored_values(signed=True, bits_stored=16)
    write_pet(tmp_path / "pet", stored, common={"Units": "GML", "SUVType": "BW"})
    volume = load(tmp_path / "pet")
    assert np.array_equal(load(tmp_path / "pet", units="suv").array, volume.array)
    report = to_dicom(volume, tmp_path / "pet", tmp_path / "out")
    assert np.array_equal(np.stack([pydicom.dcmread(file).pixel_array for file in report.files]), stored)


# --- padding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("padding", "limit"), [(-2000, None), (-2000, -1990)])
def test_padding_is_left_out_of_statistics(make_series: MakeSeries, padding: int, limit: int | None) -> None:
    """exclude_padding marks it; values stay; statistics and normalization leave it out."""
    stored = synthetic.stored_values(signed=True, bits_stored=12)
    outside = np.zeros(stored.shape, bool)
    outside[:, :3] = True
    stored[outside] = padding
    if limit is not None:
        stored[:, 2] = limit
    stored[stored < -1500] = np.where(outside, stored, 0)[stored < -1500]
    common = {"PixelPaddingValue": padding, "PixelPaddingRangeLimit": ... if limit is None else limit}
    folder = make_series(stored.astype(np.int16), common=common)
    plain, marked = load(folder), load(folder, exclude_padding=True)
    assert plain.padding is None
    assert np.array_equal(plain.array, marked.array)
    assert marked.padding is not None
    assert np.array_equal(marked.padding, outside)
    inside = marked.array[~outside].astype(np.float64)
    statistics = marked.statistics()
    assert (statistics.count, statistics.minimum, statistics.maximum) == (
        inside.size,
        inside.min(),
        inside.max(),
    )
    assert statistics.mean == pytest.approx(inside.mean())
    normalized = marked.normalize(-4000, 3000)
    assert (normalized.array[outside] == 0).all()
    assert normalized.array[~outside].min() > 0


def test_padding_of_a_time_series(tmp_path: Path) -> None:
    """The mask has the shape of the array."""
    array = synthetic.stored_values((2, 3, 5, 6))
    array[array == 0] = 1
    array[:, :, 0] = 0
    steps = [{"TemporalPositionIdentifier": t} for t in (1, 2)]
    write_repetitions(tmp_path / "s", array, steps, common={"PixelPaddingValue": 0})
    volume = load(tmp_path / "s", exclude_padding=True)
    assert volume.padding is not None
    assert np.array_equal(volume.padding, array == 0)


# --- Philips ----------------------------------------------------------------------------------------------


def write_philips(folder: Path, stored: Array, slopes: list[float], scale_slopes: list[float]) -> None:
    files = synthetic.write_series(
        folder,
        stored,
        modality="MR",
        common={"Manufacturer": "Philips", "RescaleIntercept": 0, "RescaleType": "normalized"},
        each=[{"RescaleSlope": slope} for slope in slopes],
    )
    for file, scale_slope in zip(files, scale_slopes, strict=True):
        data_set = pydicom.dcmread(file)
        block = data_set.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0D, "FL", 0.0)
        block.add_new(0x0E, "FL", scale_slope)
        data_set.save_as(file)


def test_precise_values_by_the_formula(tmp_path: Path) -> None:
    """FP = (PV * RS + RI) / (RS * SS), a slope a slice; the display values are the default."""
    stored = synthetic.stored_values()
    slopes, scales = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0], [0.5, 0.25, 0.125, 1.0, 2.0, 0.0625]
    write_philips(tmp_path / "s", stored, slopes, scales)
    rescale, scale = (np.array(numbers)[:, None, None] for numbers in (slopes, scales))
    assert load(tmp_path / "s").array == pytest.approx(stored * rescale)
    precise = load(tmp_path / "s", philips_scaling="precise")
    assert precise.array == pytest.approx(stored * rescale / (rescale * scale))
    assert precise.units == "Philips precise"
    with pytest.raises(UsageError, match="Philips precise"):
        to_dicom(precise, tmp_path / "s", tmp_path / "out")


def test_precise_values_of_others_are_refused(make_series: MakeSeries) -> None:
    """No private scale slope: the file and the attribute are named."""
    with pytest.raises(HeaderError, match=r"0001\.dcm.*2005"):
        load(make_series(modality="MR"), philips_scaling="precise")


# --- Modality LUT -----------------------------------------------------------------------------------------


def with_lut(file: Path, entries: Array, first: int = 0, kind: str = "OD") -> None:
    data_set = pydicom.dcmread(file)
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in data_set:
            delattr(data_set, keyword)
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, 16])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    item.ModalityLUTType = kind
    data_set.ModalityLUTSequence = [item]
    data_set.save_as(file)


def test_series_with_a_table_a_slice(make_series: MakeSeries) -> None:
    """Each slice by its own table, as pydicom applies it; values outside the table get its ends."""
    stored = synthetic.stored_values(bits_stored=12)
    folder = make_series(stored, bits_stored=12)
    rng = np.random.default_rng(11)
    for file in sorted(folder.iterdir()):
        with_lut(file, rng.integers(0, 65536, 1000), 100)
    volume = load(folder)
    expected = []
    for file in sorted(folder.iterdir()):
        data_set = pydicom.dcmread(file)
        expected.append(pydicom.pixels.apply_modality_lut(data_set.pixel_array, data_set))
    assert np.array_equal(volume.array, expected)
    assert volume.units == "OD"
    assert volume.array.dtype == np.uint16
    assert any("Modality LUT" in warning for warning in volume.warnings)
    assert np.array_equal(load(folder, units="stored").array, stored)


def test_table_in_some_slices_only_is_refused(make_series: MakeSeries) -> None:
    """The slice without a table is named."""
    folder = make_series(bits_stored=12)
    for file in sorted(folder.iterdir())[:3]:
        with_lut(file, np.arange(4096))
    with pytest.raises(HeaderError, match=r"0004\.dcm"):
        load(folder)


def test_values_of_a_table_come_back_through_dicom(make_series: MakeSeries, tmp_path: Path) -> None:
    """Written back, a viewer shows the table's values: or the template is refused."""
    stored = synthetic.stored_values(bits_stored=12)
    folder = make_series(stored, bits_stored=12)
    table = (np.arange(4096) * 7 + 3) % 4000
    for file in folder.iterdir():
        with_lut(file, table, kind="HU")
    volume = load(folder)
    assert np.array_equal(volume.array, table[stored])
    try:
        report = to_dicom(volume, folder, tmp_path / "out")
    except DicomArrayError:
        assert not (tmp_path / "out").exists()
        return
    shown = [pydicom.dcmread(file) for file in report.files]
    values = np.stack([pydicom.pixels.apply_modality_lut(d.pixel_array, d) for d in shown])
    assert values == pytest.approx(volume.array, abs=report.max_error + 1e-6)


# --- templates that are refused ---------------------------------------------------------------------------


def test_time_series_and_enhanced_are_templates(tmp_path: Path) -> None:
    """Both come back as they were, the enhanced object as one file."""
    array = synthetic.stored_values((2, 3, 5, 6))
    steps = [{"TemporalPositionIdentifier": t} for t in (1, 2)]
    write_repetitions(tmp_path / "time", array, steps)
    write_enhanced(tmp_path / "enhanced" / "e.dcm", array[0])
    for name, files in (("time", 6), ("enhanced", 1)):
        volume = load(tmp_path / name)
        report = to_dicom(volume, tmp_path / name, tmp_path / "out" / name)
        assert (len(report.files), report.max_error) == (files, 0)
        assert np.array_equal(load(tmp_path / "out" / name).array, volume.array)


def test_dose_is_no_template(tmp_path: Path) -> None:
    """A dose distribution carries no derived image: said so, with nothing written."""
    write_dose(tmp_path / "dose" / "d.dcm", synthetic.stored_values((3, 5, 6)), (0.0, 2.5, 5.0))
    with pytest.raises(TemplateError, match="cannot carry a derived"):
        to_dicom(load(tmp_path / "dose"), tmp_path / "dose", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- everything at once -----------------------------------------------------------------------------------


def test_folder_of_every_kind_becomes_arrays(tmp_path: Path) -> None:
    """A batch: time series, echoes, PET, enhanced, dose; a series that cannot be read does not stop it."""
    source = tmp_path / "in"
    array = synthetic.stored_values((2, 3, 5, 6))
    steps = [{"TemporalPositionIdentifier": t} for t in (1, 2)]
    write_repetitions(source / "time", array, steps)
    write_repetitions(source / "echoes", array, [{"EchoTime": 3}, {"EchoTime": 6}])
    write_pet(source / "pet", array[0])
    write_enhanced(source / "enhanced" / "e.dcm", array[0])
    write_dose(source / "dose" / "d.dcm", array[0], (0.0, 2.5, 5.0))
    write_enhanced(source / "bad" / "e.dcm", array[0], common={"NumberOfFrames": 2})
    synthetic.gap(source / "gap")
    report = to_numpy(source, f"{tmp_path}/out/")
    assert len(report.files) == 6
    assert len(report.failures) == 2
    told = " ".join(failure.reason for failure in report.failures)
    assert "NumberOfFrames" in told
    assert "missing" in told
    shapes = sorted(np.load(npy).shape for npy, _ in report.files)
    assert shapes == [(2, 3, 5, 6), *[(3, 5, 6)] * 5]


def test_options_reach_every_reader(tmp_path: Path) -> None:
    """incomplete and duplicates through load, volumes and to_numpy alike."""
    array = synthetic.stored_values((2, 3, 5, 6))
    common = {"SeriesInstanceUID": generate_uid(prefix=None)}
    steps = [{"TemporalPositionIdentifier": t} for t in (1, 2)]
    write_repetitions(tmp_path / "s", array, steps, without=[(1, 2)], common=common)
    (series,) = scan(tmp_path / "s")
    assert len(series.volumes()) == 2
    assert len(series.volumes(incomplete="drop")) == 1
    assert np.array_equal(series.volume(incomplete="drop").array, array[0])
    to_numpy(tmp_path / "s", tmp_path / "v.npy", incomplete="drop")
    assert np.array_equal(np.load(tmp_path / "v.npy"), array[0])
    with pytest.raises(UsageError):
        series.volumes(incomplete="split")
