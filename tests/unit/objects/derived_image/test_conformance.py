"""What other people's tools say of a derived series, beside what they say of its template."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import data_store
import dcm2niix
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.data import get_testdata_file

import synthetic
from dciodvfy import issues, new_issues
from dicomarray.core.pixel_values import Rescale, StoredType, modality_dtype, to_modality
from writers import write_series

REPOSITORY = Path(__file__).parents[4]
REAL = Path(os.environ.get("DICOMARRAY_TEST_DATA", REPOSITORY.parent / "shared" / "data")) / "series"
MODES = ["auto", "stored", "full-range", "float"]

# Slope and intercept are not in the MR IOD: a Standard Extended SOP Class, as scanners write them too.
EXPECTED_WARNINGS = (
    "Attribute is not present in standard DICOM IOD - (0x0028,0x105",
    "Dicom dataset contains attributes not present in standard DICOM IOD",
    "Non-identity Modality LUT Module (RescaleSlope and RescaleIntercept) not expected",
)
SINGLE_FILES = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm", "MR_small_padded.dcm", "examples_overlay.dcm", "693_J2KI.dcm",
    "JPEG2000.dcm", "693_J2KR.dcm", "693_UNCI.dcm", "693_UNCR.dcm", "MR2_J2KI.dcm", "MR2_J2KR.dcm",
    "MR2_UNCR.dcm", "RG1_UNCR.dcm", "RG3_UNCR.dcm", "RG3_J2KR.dcm", "explicit_VR-UN.dcm", "mlut_18.dcm",
    "vlut_04.dcm",
]  # fmt: skip


def locate(name):
    """A file of pydicom, or of the package pydicom-data."""
    own = Path(data_store.__path__[0]) / "data" / name
    return own if own.exists() else Path(get_testdata_file(name, download=False))


def stored_and_modality(files):
    """(stored values, modality values) of files, by pydicom's pixels and headers."""
    headers = [pydicom.dcmread(file) for file in files]
    slices = [
        (
            StoredType(header.BitsAllocated, header.BitsStored, bool(header.PixelRepresentation)),
            Rescale(float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))),
        )
        for header in headers
    ]
    stored = [header.pixel_array for header in headers]
    dtype = modality_dtype(slices)
    modality = [to_modality(part, r, dtype) for part, (_, r) in zip(stored, slices, strict=True)]
    return np.stack(stored), np.stack(modality)


def write(files, output, mode):
    """Write the template's own pixels, or values that need a new slope."""
    stored, modality = stored_and_modality(files)
    if mode == "stored":
        return write_series(stored, files, output, values="stored")
    if mode == "float":
        return write_series(modality * 0.371 + 0.123, files, output)
    return write_series(modality, files, output, values=mode)


@pytest.mark.parametrize("name", SINGLE_FILES)
def test_dciodvfy_finds_no_new_error(tmp_path, name):
    """Set difference against the template: no error, and no warning but those about MR rescale."""
    for mode in MODES:
        report = write([locate(name)], tmp_path / mode, mode)
        errors, warnings = new_issues(locate(name), report.files[0])
        assert not errors
        assert not [line for line in warnings if not any(known in line for known in EXPECTED_WARNINGS)]


@pytest.mark.parametrize("modality", synthetic.CLASSES)
def test_dciodvfy_finds_no_new_error_in_any_class(tmp_path, modality):
    """It finds none for templates made in code, PET among them."""
    stored = synthetic.stored_values((1, 6, 5), bits_stored=16)
    files = synthetic.write_series(tmp_path / "template", stored, modality=modality)
    for mode in MODES:
        report = write(files, tmp_path / mode, mode)
        assert new_issues(files[0], report.files[0])[0] == set()


def test_a_deflated_template_is_compared_inflated(tmp_path):
    """dciodvfy reads no deflated files, so the template is inflated for it."""
    path = locate("image_dfl.dcm")
    report = write([path], tmp_path / "out", "auto")
    inflated = pydicom.dcmread(path)
    inflated.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    inflated.save_as(tmp_path / "inflated.dcm")
    assert new_issues(tmp_path / "inflated.dcm", report.files[0])[0] == set()
    np.testing.assert_array_equal(
        pydicom.dcmread(report.files[0]).pixel_array, pydicom.dcmread(path).pixel_array
    )


def test_the_helper_sees_a_fault(tmp_path):
    """An image without its class-required attribute gives a new error: the difference is not blind."""
    broken = pydicom.dcmread(locate("CT_small.dcm"))
    del broken.RescaleSlope
    broken.save_as(tmp_path / "broken.dcm")
    errors, _ = new_issues(locate("CT_small.dcm"), tmp_path / "broken.dcm")
    assert any("RescaleSlope" in line for line in errors)


def slices(folder):
    """The files of the largest series of a folder, ascending along the normal, then by number."""
    series = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        header = pydicom.dcmread(file, stop_before_pixels=True)
        if "Rows" in header and "ImageOrientationPatient" in header:
            normal = np.cross(*np.reshape(header.ImageOrientationPatient, (2, 3)).astype(float))
            place = round(float(normal @ np.array(header.ImagePositionPatient, float)), 3)
            series.setdefault(header.SeriesInstanceUID, []).append((place, int(header.InstanceNumber), file))
    return [file for _, _, file in sorted(max(series.values(), key=len))]


def nifti(files, folder):
    """What dcm2niix makes of files: (array, affine) of each volume."""
    source, target = folder / "source", folder / "nifti"
    source.mkdir(parents=True)
    target.mkdir()
    for index, file in enumerate(files):
        (source / f"{index:04d}.dcm").symlink_to(file)
    subprocess.run([dcm2niix.bin, "-b", "n", "-o", target, source], capture_output=True, check=True)
    images = [nibabel.load(file) for file in sorted(target.glob("*.nii"))]
    return [(image.get_fdata(), image.affine) for image in images]


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real series in {REAL} (DICOMARRAY_TEST_DATA)")
@pytest.mark.parametrize("name", ["ct-philips-5mm", "mr-siemens-sagittal"])
def test_real_series_are_the_same_to_every_reader(tmp_path, name):
    """dciodvfy finds nothing new; SimpleITK and dcm2niix find the same values and places."""
    files = slices(REAL / name)
    stored, modality = stored_and_modality(files)
    report = write_series(modality, files, tmp_path / "out")
    with ThreadPoolExecutor() as pool:
        assert set().union(*pool.map(issues, report.files)) <= set().union(*pool.map(issues, files))
    for index, (before, after) in enumerate(zip(files, report.files, strict=True)):
        old, new = sitk.ReadImage(str(before)), sitk.ReadImage(str(after))
        np.testing.assert_array_equal(pydicom.dcmread(after).pixel_array, stored[index])
        np.testing.assert_array_equal(sitk.GetArrayFromImage(old), sitk.GetArrayFromImage(new))
        assert (old.GetOrigin(), old.GetSpacing(), old.GetDirection()) == (
            new.GetOrigin(), new.GetSpacing(), new.GetDirection()
        )  # fmt: skip
    old, new = nifti(files, tmp_path / "old"), nifti(report.files, tmp_path / "new")
    assert len(old) == len(new) > 0
    for (old_array, old_affine), (new_array, new_affine) in zip(old, new, strict=True):
        np.testing.assert_array_equal(new_array, old_array)
        np.testing.assert_allclose(new_affine, old_affine, atol=1e-5)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real series in {REAL} (DICOMARRAY_TEST_DATA)")
def test_philips_private_scaling_does_not_survive(tmp_path):
    """GDCM (SimpleITK), dcm2niix and pydicom agree on the modality values, whatever the private scale was."""
    files = slices(REAL / "mr-philips-dual-echo")[:4]
    _, modality = stored_and_modality(files)
    report = write_series(modality + 0.1, files, tmp_path / "out")
    by_itk = np.stack([sitk.GetArrayFromImage(sitk.ReadImage(str(file)))[0] for file in report.files])
    np.testing.assert_allclose(by_itk, modality + 0.1, rtol=1e-5, atol=report.slope)
    found = np.sort(np.concatenate([array.ravel() for array, _ in nifti(report.files, tmp_path / "new")]))
    np.testing.assert_allclose(found, np.sort(by_itk.ravel()), rtol=1e-5, atol=report.slope / 2)
