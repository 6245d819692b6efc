"""to_dicom: what was an array comes back as files that read as asked, or nothing is written."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its own documentation uses

import enhanced_files
import synthetic
from dicomarray import Segmentation, load, scan, to_dicom, to_numpy, to_seg
from dicomarray.errors import (
    ChoiceError,
    DicomArrayError,
    GeometryError,
    InputError,
    OutputError,
    TemplateError,
    UsageError,
    ValuesError,
    VerificationError,
)
from watching import opened_files, when_opened

# What makes place, type and patient the template's.
KEPT = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID",
    "StudyInstanceUID", "PatientID", "BitsStored", "PixelRepresentation",
)  # fmt: skip

Contents = Callable[[Path], dict[str, bytes]]


def stored_of(files: list[Path] | tuple[Path, ...]) -> np.ndarray:
    """Stored values as pydicom reads them, in the order of the files given."""
    return np.stack([pydicom.dcmread(file).pixel_array for file in files])


@pytest.mark.parametrize("compress", ["none", "rle"])
@pytest.mark.parametrize("enhanced", [False, True])
def test_progress_counts_what_is_written_and_what_is_read_back(
    tmp_path: Path, enhanced: bool, compress: str
) -> None:
    """All images twice, with the bytes of their stored values; once where nothing is verified."""
    stored = synthetic.stored_values((7, 4, 6), bits_stored=16)
    if enhanced:
        groups = [enhanced_files.at(2.0 * index) for index in range(7)]
        enhanced_files.write_enhanced(tmp_path / "in" / "e.dcm", stored, groups)
    else:
        synthetic.write_series(tmp_path / "in", stored)
    for verify, rounds in ((True, 2), (False, 1)):
        told: list[tuple[int, ...]] = []
        to_dicom(
            load(tmp_path / "in"),
            tmp_path / "in",
            tmp_path / f"out{rounds}",
            verify=verify,
            compress=compress,
            pixel_progress=lambda *counts, told=told: told.append(counts),  # type: ignore[misc]
        )
        assert all(counts == (counts[0], counts[0] * stored[0].nbytes, 7) for counts in told)
        done = [counts[0] for counts in told]
        assert done.count(7) == rounds
        assert done[: done.index(7) + 1] == sorted(set(done[: done.index(7) + 1]))


# --- round trips ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", sorted(synthetic.NATIVE_SYNTAXES))
@pytest.mark.parametrize(
    ("modality", "signed", "bits"), [("CT", False, 12), ("CT", True, 16), ("MR", False, 16), ("PT", True, 16)]
)
def test_untouched_array_comes_back_bit_for_bit(
    tmp_path: Path, modality: str, signed: bool, bits: int, syntax: str
) -> None:
    """Through .npy and sidecar the stored values, slope and place are the same, under new UIDs."""
    stored = synthetic.stored_values(signed=signed, bits_stored=bits)
    template = tmp_path / "in"
    files = synthetic.write_series(template, stored, modality=modality, bits_stored=bits, syntax=syntax)
    to_numpy(template, tmp_path / "a.npy")
    report = to_dicom(tmp_path / "a.npy", template, tmp_path / "out", input_json=tmp_path / "a.json")
    assert report.max_error == 0
    assert report.clipped == 0
    assert len(report.files) == len(files)
    assert np.array_equal(stored_of(report.files), stored)
    for made, source in zip(report.files, files, strict=True):
        new, old = (pydicom.dcmread(path, stop_before_pixels=True) for path in (made, source))
        for keyword in KEPT:
            assert new[keyword].value == old[keyword].value
        assert new.SeriesInstanceUID == report.series_uid != old.SeriesInstanceUID
        assert new.SOPInstanceUID != old.SOPInstanceUID
    assert np.array_equal(load(tmp_path / "out").array, load(template).array)
    assert load(tmp_path / "out").affine == pytest.approx(load(template).affine)


def test_array_volume_and_path_are_written_alike(ct: Path, tmp_path: Path) -> None:
    """There are three ways to hand over the same values."""
    volume = load(ct)
    np.save(tmp_path / "a.npy", volume.array)
    for name, source in (("a", volume.array), ("b", volume), ("c", str(tmp_path / "a.npy"))):
        report = to_dicom(source, ct, tmp_path / name)
        assert np.array_equal(stored_of(report.files), synthetic.stored_values())


@pytest.mark.parametrize(
    "fault", [synthetic.shuffled_instance_numbers, synthetic.tilted_20_degrees, synthetic.anisotropic_pixels]
)
def test_order_and_place_are_the_volumes(tmp_path: Path, fault: Callable[[Path], synthetic.Faulty]) -> None:
    """Slice k of the array lies where slice k of the volume lay, whatever the files' numbers and names."""
    faulty = fault(tmp_path / "in")
    before = load(faulty.folder)
    changed = before.array + np.arange(len(before.array))[:, None, None]
    to_dicom(np.clip(changed, -1024, 3071), faulty.folder, tmp_path / "out")
    after = load(tmp_path / "out")
    assert np.array_equal(after.array, np.clip(changed, -1024, 3071))
    assert after.affine == pytest.approx(before.affine)
    assert [s["ImagePositionPatient"] for s in after.slices] == [
        s["ImagePositionPatient"] for s in before.slices
    ]


def test_template_with_a_gap_is_written_with_its_gap(tmp_path: Path) -> None:
    """The positions are the template's own."""
    faulty = synthetic.gap(tmp_path / "in")
    to_dicom(load(faulty.folder, missing="keep"), faulty.folder, tmp_path / "out")
    after = load(tmp_path / "out", missing="keep")
    assert np.array_equal(after.array, faulty.expected)
    assert after.geometry is not None
    assert after.geometry.distances - after.geometry.distances[0] == pytest.approx(faulty.distances)


def test_float_values_are_rescaled_and_the_error_told(ct: Path, tmp_path: Path) -> None:
    """Values that the template's slope cannot hold: a new slope, and the report says how far they are off."""
    array = np.random.default_rng(5).normal(scale=100, size=synthetic.SHAPE)
    report = to_dicom(array, ct, tmp_path / "out")
    assert 0 < report.max_error < 1
    after = load(tmp_path / "out").array
    assert np.abs(after - array).max() <= report.max_error + 1e-4


def test_simple_itk_sees_the_same_values(ct: Path, tmp_path: Path) -> None:
    """Another reader gets the array's values and the template's place from the files."""
    array = np.random.default_rng(6).normal(scale=300, size=synthetic.SHAPE)
    report = to_dicom(array, ct, tmp_path / "out")
    images = [
        sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
        for folder in (tmp_path / "out", ct)
    ]
    assert np.abs(sitk.GetArrayFromImage(images[0]) - array).max() <= report.max_error + 1e-3
    assert images[0].GetOrigin() == images[1].GetOrigin()
    assert images[0].GetSpacing() == images[1].GetSpacing()
    assert images[0].GetDirection() == images[1].GetDirection()


# --- sidecars -------------------------------------------------------------------------------------------


def test_normalization_is_undone(ct: Path, tmp_path: Path) -> None:
    """[0, 1] with a sidecar becomes HU again, not stored zeros and ones."""
    to_numpy(ct, tmp_path / "a.npy", normalize=(-1024, 3071))
    to_dicom(tmp_path / "a.npy", ct, tmp_path / "out", input_json=tmp_path / "a.json")
    assert np.abs(load(tmp_path / "out").array - load(ct).array.astype(float)).max() < 0.1


def test_normalized_volume_is_undone_as_well(ct: Path, tmp_path: Path) -> None:
    """A Volume carries its bounds itself."""
    to_dicom(load(ct).normalize(-1024, 3071), ct, tmp_path / "out")
    assert np.abs(load(tmp_path / "out").array - load(ct).array.astype(float)).max() < 0.1


def test_stored_array_is_written_as_stored(ct: Path, tmp_path: Path) -> None:
    """The sidecar says that the values are stored ones: no intercept is taken off."""
    to_numpy(ct, tmp_path / "a.npy", units="stored")
    report = to_dicom(tmp_path / "a.npy", ct, tmp_path / "out", input_json=tmp_path / "a.json")
    assert np.array_equal(stored_of(report.files), synthetic.stored_values())
    assert np.array_equal(load(tmp_path / "out").array, load(ct).array)
    with pytest.raises(UsageError, match="full-range"):
        to_dicom(load(ct, units="stored"), ct, tmp_path / "more", values="full-range")


def test_normalized_stored_values_are_not_taken_for_modality_values(ct: Path, tmp_path: Path) -> None:
    """Normalized stored values come back as stored ones: else they are 1024 HU off without a word."""
    to_numpy(ct, tmp_path / "a.npy", units="stored", normalize=(0, 4095))
    try:
        to_dicom(tmp_path / "a.npy", ct, tmp_path / "out", input_json=tmp_path / "a.json")
    except DicomArrayError:
        return
    assert np.abs(load(tmp_path / "out").array - load(ct).array.astype(float)).max() < 1


def test_sidecar_chooses_the_template_series(tmp_path: Path) -> None:
    """Among several series, the one that the array was made from."""
    for number in (1, 2):
        common = {"SeriesInstanceUID": f"1.2.{number}", "SeriesNumber": number}
        synthetic.write_series(tmp_path / "in" / str(number), synthetic.stored_values(), common=common)
    volume = load(tmp_path / "in", series="1.2.2")
    report = to_dicom(volume, tmp_path / "in", tmp_path / "out")
    sources = pydicom.dcmread(report.files[0]).SourceImageSequence
    of_second = {pydicom.dcmread(file).SOPInstanceUID for file in (tmp_path / "in" / "2").iterdir()}
    assert {item.ReferencedSOPInstanceUID for item in sources} <= of_second
    with pytest.raises(ChoiceError):
        to_dicom(volume.array, tmp_path / "in", tmp_path / "more")
    to_dicom(volume.array, tmp_path / "in", tmp_path / "more", series="1.2.1")


@pytest.mark.parametrize(
    "change",
    [
        {"PixelSpacing": [0.75, 0.5]},
        {"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0]},
        {"ImagePositionPatient": [0, 0, 0]},
        {"PixelSpacing": [0.5, 0.7505]},
    ],
)
def test_array_of_another_grid_is_refused(ct: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    """The sidecar places the array elsewhere than the template: swapped spacing, turned, moved."""
    to_numpy(ct, tmp_path / "a.npy")
    other = tmp_path / "other"
    uid = scan(ct)[0].uid
    synthetic.write_series(
        other, synthetic.stored_values(), bits_stored=12, common={"SeriesInstanceUID": uid} | change
    )
    with pytest.raises(GeometryError, match="Frame of Reference"):
        to_dicom(tmp_path / "a.npy", other, tmp_path / "out", input_json=tmp_path / "a.json")
    assert not (tmp_path / "out").exists()


def test_sidecar_of_another_array_is_refused(ct: Path, tmp_path: Path) -> None:
    """Shapes that differ do not belong together."""
    to_numpy(ct, tmp_path / "a.npy")
    with pytest.raises(UsageError, match="belong together"):
        to_dicom(np.zeros((6, 16, 12), np.int16), ct, tmp_path / "out", input_json=tmp_path / "a.json")


def test_sidecar_with_and_template_without_a_place_differ(ct: Path, tmp_path: Path) -> None:
    """An array with geometry is not written over a template without."""
    to_numpy(ct, tmp_path / "a.npy")
    content = json.loads((tmp_path / "a.json").read_text("utf-8"))
    content["geometry"] = None
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(GeometryError, match="only one"):
        to_dicom(tmp_path / "a.npy", ct, tmp_path / "out", input_json=tmp_path / "a.json")


# --- refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 16, 12), (12, 16, 6), (5, 12, 16), (12, 16), (1, 6, 12, 16)])
def test_array_of_another_shape_is_refused(ct: Path, tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Transposed, cut, 2-D, 4-D: the message has both shapes, nothing is written."""
    with pytest.raises(TemplateError, match=r"\(6, 12, 16\)"):
        to_dicom(np.zeros(shape, np.int16), ct, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_values_that_no_integer_can_say_are_refused(ct: Path, tmp_path: Path, odd: float) -> None:
    """They are refused unless a fill value is given."""
    array = load(ct).array.astype(np.float64)
    array[1, 2, 3] = odd
    with pytest.raises(ValuesError, match="NaN or infinite"):
        to_dicom(array, ct, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    to_dicom(array, ct, tmp_path / "out", fill=-1000)
    assert load(tmp_path / "out").array[1, 2, 3] == -1000


@pytest.mark.parametrize("value", [4096, -1, 0.5])
def test_stored_values_that_do_not_fit_are_refused(ct: Path, tmp_path: Path, value: float) -> None:
    """values="stored": 12 bits unsigned hold 0 to 4095, whole numbers; nothing wraps or is cut."""
    array = synthetic.stored_values().astype(np.float64)
    array[3, 4, 5] = value
    with pytest.raises(ValuesError):
        to_dicom(array, ct, tmp_path / "out", values="stored")
    assert not (tmp_path / "out").exists()


def test_unknown_mode_is_refused(ct: Path, tmp_path: Path) -> None:
    """The message names the modes that exist."""
    with pytest.raises(UsageError, match="full-range"):
        to_dicom(load(ct), ct, tmp_path / "out", values="automatic")


def test_enhanced_template_is_written_as_such(tmp_path: Path, pydicom_more_data: Path) -> None:
    """It is one object of as many frames, not one file a slice."""
    template = pydicom_more_data / "eCT_Supplemental.dcm"
    report = to_dicom(load(template).array // 2, template, tmp_path / "out")
    assert [file.name for file in report.files] == ["0001.dcm"]
    assert len(load(tmp_path / "out").array) == 2


def test_missing_template_or_array_is_told(ct: Path, tmp_path: Path) -> None:
    """The error gives its name."""
    with pytest.raises(InputError, match="nowhere"):
        to_dicom(load(ct), tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(InputError, match=r"gone\.npy"):
        to_dicom(tmp_path / "gone.npy", ct, tmp_path / "out")


# --- the output folder ----------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [".", "out", "deep/out"])
def test_nothing_is_written_into_the_template_folder(ct: Path, contents: Contents, output: str) -> None:
    """With overwrite too: the template stays byte for byte as it was."""
    before = contents(ct)
    with pytest.raises(OutputError, match="inside"):
        to_dicom(load(ct), ct, ct / output, overwrite=True)
    assert contents(ct) == before


def test_template_given_as_files_protects_their_folder(ct: Path, contents: Contents) -> None:
    """The same where the files are named one by one."""
    before = contents(ct)
    with pytest.raises(OutputError):
        to_dicom(load(ct), sorted(ct.glob("*.dcm")), ct / "out", overwrite=True)
    assert contents(ct) == before


def test_template_from_a_generator(ct: Path, tmp_path: Path) -> None:
    """The check of the output does not use up the paths."""
    report = to_dicom(load(ct), (file for file in sorted(ct.glob("*.dcm"))), tmp_path / "out")
    assert len(report.files) == 6


def test_existing_output_is_not_overwritten_unasked(ct: Path, tmp_path: Path, contents: Contents) -> None:
    """With overwrite old results go, and only results."""
    out = tmp_path / "out"
    to_dicom(load(ct), ct, out)
    before = contents(out)
    with pytest.raises(OutputError):
        to_dicom(load(ct), ct, out)
    assert contents(out) == before
    report = to_dicom(load(ct), ct, out, overwrite=True)
    assert sorted(out.iterdir()) == sorted(report.files)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        to_dicom(load(ct), ct, out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"


def test_failed_verification_leaves_nothing(ct: Path, tmp_path: Path) -> None:
    """A file that the disk did not keep is found before the result has its name, and nothing is left."""
    results = tmp_path / "results"
    opened: list[Path] = []
    volume = load(ct)

    def damage(path: Path) -> None:
        """It loses its last bytes when it is opened for the second time, to be read back."""
        opened.append(path)
        if path.name == "0003.dcm" and opened.count(path) == 2:
            assert not (results / "out").exists()
            os.truncate(path, path.stat().st_size - 2)

    results.mkdir()
    with when_opened(results, damage), pytest.raises(VerificationError):
        to_dicom(volume, ct, results / "out")
    assert list(results.iterdir()) == []


def test_verification_can_be_left_out(ct: Path, tmp_path: Path) -> None:
    """verify=False does not open every file again that was written."""
    volume = load(ct)
    for verify in (True, False):
        with opened_files(tmp_path) as opened:
            report = to_dicom(volume, ct, tmp_path / f"{verify}", verify=verify)
        times = Counter(path.name for path in opened if path.suffix == ".dcm" and ct not in path.parents)
        assert len(report.files) == len(times) == 6
        assert (min(times.values()) > 1) is verify


def test_template_is_left_as_it_was(ct: Path, tmp_path: Path, contents: Contents) -> None:
    """Nor is the array changed in place."""
    before, array = contents(ct), load(ct).array.astype(np.float64) + 0.5
    copy = array.copy()
    to_dicom(array, ct, tmp_path / "out", values="full-range")
    assert contents(ct) == before
    assert np.array_equal(array, copy)


@pytest.mark.parametrize("name", ["ct-philips-5mm", "mr-siemens-sagittal"])
def test_real_series_come_back_bit_for_bit(real_data: Path, tmp_path: Path, name: str) -> None:
    """A scanner's own series through an array and back: values and place are the same."""
    uid = scan(real_data / name)[0].uid
    volume = load(real_data / name, series=uid)
    report = to_dicom(volume, real_data / name, tmp_path / "out")
    after = load(tmp_path / "out")
    assert report.max_error == 0
    assert np.array_equal(after.array, volume.array)
    assert after.affine == pytest.approx(volume.affine, abs=1e-9)


def test_a_volume_knows_which_of_its_series_it_is(tmp_path: Path) -> None:
    """Folder, series and sidecar: images say which volume is the template; a bare array says nothing."""
    source = synthetic.appended_localizer(tmp_path / "dicom").folder
    (series,) = scan(source)
    for number, volume in enumerate(series.volumes()):
        uids = {record["SOPInstanceUID"] for record in volume.slices}
        volume.save(tmp_path / f"{number}.npy", tmp_path / f"{number}.json")
        for way, (given, options) in enumerate(
            (
                (volume, {}),
                (tmp_path / f"{number}.npy", {"input_json": tmp_path / f"{number}.json"}),
            )
        ):
            for kind, template in enumerate((source, series)):
                output = tmp_path / f"{number}-{way}-{kind}"
                report = to_dicom(given, template, output, **options)
                made = [pydicom.dcmread(file) for file in report.files]
                sources = {str(one.SourceImageSequence[0].ReferencedSOPInstanceUID) for one in made}
                assert sources == uids
        labels = Segmentation(np.ones(volume.array.shape, np.uint8), {1: "liver"}, geometry_of=volume)
        assert to_seg(labels, source, tmp_path / f"seg{number}").files
        with pytest.raises(ChoiceError, match="holds 2 volumes"):
            to_dicom(volume.array, source, tmp_path / "bare")
