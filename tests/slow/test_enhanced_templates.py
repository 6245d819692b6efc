"""Real enhanced series as templates: what every reader finds in the derived series, beside the template."""

import subprocess

import dcm2niix
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

import dicomarray
from dciodvfy import issues
from dicomarray.errors import TemplateError, ValuesError

FOLDERS = ["mr-enhanced-agfa", "mr-enhanced-philips-siemens", "mr-enhanced-siemens", "mr-siemens-xa30"]
# Series that are like others here, left out for time.
ALIKE = ("asl_2d_tra", "DWI_dir80_PA_TRACEW")
# A derived image may be one that was not measured, and keeps how the template was (write-rules: allowed).
ALLOWED_ERRORS = ("MRPulseSequence", "BulkMotionSynchronization")
# ImageType said MIXED of volumes of which one is written: it says what the frames always said now.
ALLOWED_WARNING = "of attribute <Image Type>"


def volumes(folder):
    """(series, index, volume) of every volume of every enhanced series."""
    for series in dicomarray.scan(folder):
        header = pydicom.dcmread(series.files[0], stop_before_pixels=True)
        if "PerFrameFunctionalGroupsSequence" in header and header.SeriesDescription not in ALIKE:
            yield from ((series, index, volume) for index, volume in enumerate(series.volumes()))


def niftis(files, folder):
    """What dcm2niix makes of files: an image for each volume."""
    source, target = folder / "source", folder / "nifti"
    source.mkdir(parents=True)
    target.mkdir()
    for index, file in enumerate(files):
        (source / f"{index:04d}.dcm").symlink_to(file.resolve())
    command = [dcm2niix.bin, "-b", "n", "-f", "%j_%e_%t", "-o", target, source]
    subprocess.run(command, capture_output=True, check=True)
    return [nibabel.load(file) for file in sorted(target.glob("*.nii"))]


def new_errors(template_files, files):
    """Lines of dciodvfy about the output that are about no file of its template."""
    found = set().union(*map(issues, files)) - set().union(*map(issues, template_files))
    allowed = {
        line
        for line in found
        if ("may not be present otherwise" in line and any(module in line for module in ALLOWED_ERRORS))
        or ("Warning" in line and ALLOWED_WARNING in line)
    }
    return found - allowed


def modality_values(files):
    """Every frame as pydicom decodes it, with slope and intercept from its functional groups."""
    values = []
    for file in files:
        header = pydicom.dcmread(file)
        shared = header.SharedFunctionalGroupsSequence[0]
        groups = header.PerFrameFunctionalGroupsSequence
        for stored, group in zip(header.pixel_array, groups, strict=True):
            key = "PixelValueTransformationSequence"
            item = (group.get(key) or shared.get(key) or [pydicom.Dataset()])[0]
            values.append(
                stored * float(item.get("RescaleSlope", 1)) + float(item.get("RescaleIntercept", 0))
            )
    return np.stack(values)


def itk_affine(file):
    image = sitk.ReadImage(str(file))
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return affine


def check(series, index, volume, tmp_path):
    """Untouched and computed values: nothing less conformant, the same values and places to every reader."""
    colour = volume.array.shape[-1] == 3
    same = dicomarray.to_dicom(volume.array, series.files, tmp_path / "same", volume=index)
    assert same.max_error == 0
    compare(series, same, volume.array, volume.affine, colour)
    if colour:
        return
    asked = volume.array * 0.37 + 3.3
    report = dicomarray.to_dicom(asked, series.files, tmp_path / "computed", volume=index)
    compare(series, report, asked, volume.affine, colour)
    before, after = niftis(series.files, tmp_path / "before"), niftis(report.files, tmp_path / "after")
    assert len(after) == 1
    values = after[0].get_fdata()
    allowed = report.max_error + np.abs(asked).max() * 1e-6 + 1e-3
    assert np.abs(np.sort(values, None) - np.sort(asked, None)).max() <= allowed
    alike = [image for image in before if image.shape == after[0].shape]
    assert any(np.allclose(image.affine, after[0].affine, atol=1e-3) for image in alike)
    differences = [np.abs(image.get_fdata() * 0.37 + 3.3 - values).max() for image in alike]
    # of Philips it reads a private scale, which no derived image has
    private = "Philips" in str(series.attributes["Manufacturer"])
    assert private or min(differences) <= allowed


def compare(series, report, asked, affine, colour):
    """dciodvfy, pydicom and SimpleITK on a derived series."""
    assert new_errors(series.files[:1], report.files[:1]) == set()
    frames = np.asarray(asked, float).reshape(-1, *asked.shape[-(3 if colour else 2) :])
    allowed = report.max_error + np.abs(frames).max() * 1e-6
    assert np.abs(modality_values(report.files) - frames).max() <= allowed
    by_itk = [sitk.GetArrayFromImage(sitk.ReadImage(str(file))) for file in report.files]
    assert np.abs(np.concatenate(by_itk) - frames).max() <= allowed
    np.testing.assert_allclose(itk_affine(report.files[0]), affine, atol=1e-4)


@pytest.mark.parametrize("folder", FOLDERS)
def test_real_enhanced_series_are_templates(tmp_path, real_data, folder):
    """Siemens' and Philips' are: 3-D, 4-D in several files, two volumes in one series or object, colour."""
    found = list(volumes(real_data / folder))
    assert found
    for number, (series, index, volume) in enumerate(found):
        check(series, index, volume, tmp_path / str(number))


def test_an_enhanced_ct_whose_frames_descend(tmp_path, pydicom_more_data):
    """Frames are written ascending, so that SimpleITK finds the geometry that this project finds."""
    file = pydicom_more_data / "eCT_Supplemental.dcm"
    series = dicomarray.scan(file)[0]
    check(series, 0, series.volume(), tmp_path)


def test_a_palette_of_stored_values_goes_with_their_meaning(tmp_path, pydicom_more_data):
    """Computed values have no colours: the supplemental palette is dropped, and COLOR with it."""
    file = pydicom_more_data / "eCT_Supplemental.dcm"
    report = dicomarray.to_dicom(dicomarray.load(file).array * 0.37, file, tmp_path / "out")
    header = pydicom.dcmread(report.files[0])
    assert "RedPaletteColorLookupTableDescriptor" not in header
    types = header.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence[0]
    assert header.PixelPresentation == types.PixelPresentation == "MONOCHROME"


def test_an_object_without_functional_groups_is_refused(tmp_path, pydicom_more_data):
    """Nothing says where its frames lie, nor is there a place for a slope."""
    file = pydicom_more_data / "emri_small.dcm"
    with pytest.raises(TemplateError, match="PerFrameFunctionalGroupsSequence is missing"):
        dicomarray.to_dicom(dicomarray.load(file).array, file, tmp_path / "out")


def test_colours_are_not_computed(tmp_path, real_data):
    """Enhanced MR Color holds colours from 0 to 255, and no slope."""
    series = next(
        s
        for s in dicomarray.scan(real_data / "mr-siemens-xa30")
        if "ColFA" in str(s.attributes["SeriesDescription"])
    )
    with pytest.raises(ValuesError, match="not whole"):
        dicomarray.to_dicom(series.volume().array * 0.37, series.files, tmp_path / "out")
