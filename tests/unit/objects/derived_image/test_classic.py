"""A derived series on disk: bit for bit, whole or not at all, with a header that tells the truth."""

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

import synthetic
from dicomarray.errors import OutputError, TemplateError, UsageError, ValuesError
from dicomarray.objects.common.files import IMPLEMENTATION_CLASS_UID
from writers import write_series

TYPES = {
    "unsigned-8": ("u1", False, 8),
    "signed-8": ("i1", True, 8),
    "unsigned-12": ("u2", False, 12),
    "signed-12": ("i2", True, 12),
    "unsigned-16": ("u2", False, 16),
    "signed-16": ("i2", True, 16),
}
ENCODERS = {
    "JPEG-LS": (JPEGLSLossless, imagecodecs.jpegls_encode),
    "JPEG 2000": (
        JPEG2000Lossless,
        lambda a: imagecodecs.jpeg2k_encode(a, level=0, reversible=True, codecformat="j2k"),
    ),
    "JPEG lossless": (JPEGLosslessSV1, lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16)),
}


def template(folder, stored, **options):
    """A series on disk: its files in slice order."""
    return synthetic.write_series(folder / "template", stored, **options)


def read(files):
    """Stored values of files, by pydicom."""
    return np.stack([pydicom.dcmread(file).pixel_array for file in files])


def recompress(files, encoder):
    """Put the pixels of files through a codec, in place."""
    for file in files:
        data_set = pydicom.dcmread(file)
        if encoder == "RLE":
            data_set.compress(RLELossless)
        else:
            syntax, encode = ENCODERS[encoder]
            data_set.PixelData = encapsulate([encode(data_set.pixel_array)])
            data_set["PixelData"].is_undefined_length = True
            data_set["PixelData"].VR = "OB"
            data_set.file_meta.TransferSyntaxUID = syntax
        data_set.save_as(file, enforce_file_format=True)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("syntax", synthetic.NATIVE_SYNTAXES)
def test_an_untouched_array_comes_back_bit_for_bit(tmp_path, kind, syntax):
    """Every stored type does in every native transfer syntax, with an odd number of bytes, too."""
    _, signed, bits = TYPES[kind]
    stored = synthetic.stored_values((3, 5, 7), signed, bits)
    common = {"RescaleSlope": "0.37", "RescaleIntercept": "-1024.5"}
    files = template(tmp_path, stored, bits_stored=bits, syntax=syntax, common=common)
    report = write_series(stored * 0.37 - 1024.5, files, tmp_path / "out")
    np.testing.assert_array_equal(read(report.files), stored)
    assert (report.max_error, report.slope) == (0, None)
    header = pydicom.dcmread(report.files[0])
    assert (header.RescaleSlope.original_string, header.RescaleIntercept.original_string) == (
        "0.37",
        "-1024.5",
    )
    expected = "OB" if bits == 8 and syntax != "implicit" else "OW"
    assert expected == header["PixelData"].VR
    assert len(header.PixelData) % 2 == 0


@pytest.mark.parametrize("encoder", ["RLE", *ENCODERS])
def test_compressed_templates_become_explicit_little_endian(tmp_path, encoder):
    """Nothing of the old encoding is left, and the values are the ones that were compressed."""
    stored = synthetic.stored_values((2, 8, 8), bits_stored=12)
    files = template(tmp_path, stored)
    recompress(files, encoder)
    report = write_series(stored.astype(np.int16) - 1024, files, tmp_path / "out")
    np.testing.assert_array_equal(read(report.files), stored)
    header = pydicom.dcmread(report.files[0])
    assert header.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert not header["PixelData"].is_undefined_length


def test_implicit_templates_stay_implicit(tmp_path):
    """A native little endian transfer syntax is kept."""
    stored = synthetic.stored_values((2, 4, 4))
    files = template(tmp_path, stored, syntax="implicit")
    report = write_series(stored, files, tmp_path / "out", values="stored")
    assert pydicom.dcmread(report.files[0]).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"


def test_varying_slopes_are_kept_where_exact(tmp_path):
    """Each slice keeps its own slope when every value is a step of it."""
    stored = synthetic.stored_values((3, 4, 5), bits_stored=16)
    slopes = [0.5, 1.25, 3.0]
    each = [{"RescaleSlope": slope} for slope in slopes]
    files = template(tmp_path, stored, modality="PT", each=each)
    array = np.stack([part * np.float32(slope) for part, slope in zip(stored, slopes, strict=True)])
    report = write_series(array, files, tmp_path / "out")
    headers = [pydicom.dcmread(file) for file in report.files]
    assert [float(header.RescaleSlope) for header in headers] == slopes
    np.testing.assert_array_equal(read(report.files), stored)


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "SC"])
def test_floats_come_back_the_same_in_pydicom_and_simpleitk(tmp_path, modality):
    """One slope for the series; both readers give the array to within half a step of it."""
    each = [{"RescaleSlope": slope, "RescaleIntercept": 0} for slope in (0.5, 1.25, 3.0)]
    files = template(
        tmp_path, synthetic.stored_values((3, 6, 5), bits_stored=16), modality=modality, each=each
    )
    array = np.random.default_rng(3).normal(900, 250, (3, 6, 5))
    array -= 0 if modality == "PT" else 1000
    report = write_series(array, files, tmp_path / "out")
    assert report.max_error <= report.slope / 2 * (1 + 1e-9)
    headers = [pydicom.dcmread(file) for file in report.files]
    assert {(h.RescaleSlope, h.RescaleIntercept) for h in headers} == {(report.slope, report.intercept)}
    for part, header, file in zip(array, headers, report.files, strict=True):
        by_pydicom = header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
        by_itk = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))[0]
        np.testing.assert_allclose(by_pydicom, part, rtol=0, atol=report.slope / 2 * (1 + 1e-9))
        np.testing.assert_allclose(by_itk, by_pydicom, rtol=1e-6, atol=1e-4)


def test_pet_slope_without_intercept(tmp_path):
    """PET: intercept 0 and no type, and negative values in an unsigned type are an error."""
    files = template(tmp_path, synthetic.stored_values((2, 3, 4), bits_stored=16), modality="PT")
    array = np.random.default_rng(1).random((2, 3, 4)) * 9000
    report = write_series(array, files, tmp_path / "out")
    header = pydicom.dcmread(report.files[0])
    assert report.intercept == 0
    assert "RescaleType" not in header
    assert list(header.ImageType)[:2] == ["DERIVED", "PRIMARY"]
    with pytest.raises(ValuesError, match="intercept 0"):
        write_series(array - 4000.5, files, tmp_path / "negative")
    assert not (tmp_path / "negative").exists()


def test_overflow_writes_nothing(tmp_path):
    """4096 does not fit 12 bits: an error, and no folder."""
    stored = synthetic.stored_values((2, 4, 4)).astype(np.int32)
    files = template(tmp_path, stored.astype(np.uint16), bits_stored=12)
    stored[1, 2, 3] = 4096
    with pytest.raises(ValuesError, match="0 to 4095"):
        write_series(stored, files, tmp_path / "out", values="stored")
    assert [entry.name for entry in tmp_path.iterdir()] == ["template"]


def test_the_series_has_an_identity_of_its_own(tmp_path):
    """New UIDs, equal in the file meta; the patient, the study and the place are the template's."""
    stored = synthetic.stored_values((3, 4, 4))
    files = template(tmp_path, stored)
    report = write_series(stored, files, tmp_path / "out", values="stored")
    old = [pydicom.dcmread(file) for file in files]
    new = [pydicom.dcmread(file) for file in report.files]
    assert [file.name for file in report.files] == ["0001.dcm", "0002.dcm", "0003.dcm"]
    assert [header.SOPInstanceUID for header in new] == list(report.sop_uids)
    assert {header.SeriesInstanceUID for header in new} == {report.series_uid}
    assert (
        len({*report.sop_uids, report.series_uid, *(h.SOPInstanceUID for h in old), old[0].SeriesInstanceUID})
        == 8
    )
    for before, after in zip(old, new, strict=True):
        assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
        assert after.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
        assert len(after.file_meta.ImplementationVersionName) <= 16
        for keyword in (
            "PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate",
            "AccessionNumber", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient",
            "PixelSpacing", "SliceThickness", "PatientPosition", "InstanceNumber", "SOPClassUID",
            "SpecificCharacterSet",
        ):  # fmt: skip
            assert after.get(keyword) == before.get(keyword), keyword
    assert new[0].SeriesNumber == old[0].SeriesNumber + 1000
    assert new[0].SeriesDescription == "SYNTHETIC SERIES (dicomarray)"
    assert {(h.InstanceCreationDate, h.InstanceCreationTime, h.SeriesTime, h.ContentTime) for h in new} == {
        (new[0].SeriesDate, new[0].SeriesTime, new[0].SeriesTime, new[0].SeriesTime)
    }


@pytest.mark.parametrize("numbers", [["1", "1", "2"], ["1", "", "2"]])
def test_instance_numbers_are_made_unique(tmp_path, numbers):
    """Numbers that repeat or lack become 1..N."""
    stored = synthetic.stored_values((3, 4, 4))
    files = template(tmp_path, stored, each=[{"InstanceNumber": number or None} for number in numbers])
    report = write_series(stored, files, tmp_path / "out", values="stored")
    assert [pydicom.dcmread(file).InstanceNumber for file in report.files] == [1, 2, 3]


def test_a_key_makes_a_rerun_identical(tmp_path):
    """The same key, template and values give the same bytes, and other values other UIDs."""
    stored = synthetic.stored_values((2, 4, 4))
    files = template(tmp_path, stored)
    first, again, other = (
        write_series(array, files, tmp_path / name, values="stored", uid_key="model-7")
        for array, name in ((stored, "a"), (stored, "b"), (stored // 2, "c"))
    )
    assert [file.read_bytes() for file in first.files] == [file.read_bytes() for file in again.files]
    assert not {first.series_uid, *first.sop_uids} & {other.series_uid, *other.sop_uids}
    assert all(pydicom.uid.UID(uid).is_valid for uid in (first.series_uid, *first.sop_uids))


def test_overwrite_replaces_dicom_and_nothing_else(tmp_path):
    """A folder of ours is replaced on request; one with other files never is."""
    stored = synthetic.stored_values((2, 4, 4))
    files = template(tmp_path, stored)
    out = tmp_path / "out"
    first = write_series(stored, files, out, values="stored")
    with pytest.raises(OutputError, match="overwrite"):
        write_series(stored, files, out, values="stored")
    second = write_series(stored, files, out, values="stored", overwrite=True)
    assert first.series_uid != second.series_uid
    (out / "notes.dcm").write_text("my notes")
    with pytest.raises(OutputError, match=r"notes\.dcm"):
        write_series(stored, files, out, values="stored", overwrite=True)
    assert (out / "notes.dcm").read_text() == "my notes"


def test_nothing_is_written_into_the_template_folder(tmp_path):
    """An output below the input is refused."""
    stored = synthetic.stored_values((2, 4, 4))
    files = template(tmp_path, stored)
    with pytest.raises(OutputError, match="inside the input"):
        write_series(stored, files, files[0].parent / "derived", values="stored")


@pytest.mark.parametrize("shape", [(2, 4, 5), (3, 4, 4), (4, 4), (2, 2, 4, 4)])
def test_another_shape_is_refused_with_both_shapes(tmp_path, shape):
    """The message tells what the array has and what the template has."""
    files = template(tmp_path, synthetic.stored_values((2, 4, 4)))
    with pytest.raises(TemplateError) as caught:
        write_series(np.zeros(shape), files, tmp_path / "out")
    assert str(shape) in str(caught.value)
    assert "(2, 4, 4)" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"series_description": "x" * 65}, "64"),
        ({"series_description": "a\\b"}, "backslash"),
        ({"series_description": "画像"}, "SpecificCharacterSet"),
        ({"series_number": 2**31}, "series_number"),
    ],
)
def test_names_that_cannot_be_written_are_wrong_use(tmp_path, options, hint):
    """Series Description is a LO in the template's character set, Series Number an IS."""
    files = template(tmp_path, synthetic.stored_values((1, 4, 4)))
    with pytest.raises(UsageError, match=hint):
        write_series(np.zeros((1, 4, 4)), files, tmp_path / "out", **options)


def test_names_are_taken_over(tmp_path):
    """A description in the template's own character set, a number."""
    files = template(tmp_path, synthetic.stored_values((1, 4, 4)))
    report = write_series(
        np.zeros((1, 4, 4)), files, tmp_path / "out", series_description="Größe", series_number=77
    )
    header = pydicom.dcmread(report.files[0])
    assert (header.SeriesDescription, header.SeriesNumber) == ("Größe", 77)


def test_a_long_description_is_shortened_to_64(tmp_path):
    """The suffix stays, the template's text is cut."""
    files = template(tmp_path, synthetic.stored_values((1, 4, 4)), common={"SeriesDescription": "y" * 64})
    header = pydicom.dcmread(write_series(np.zeros((1, 4, 4)), files, tmp_path / "out").files[0])
    assert len(header.SeriesDescription) == 64
    assert header.SeriesDescription.endswith("y (dicomarray)")


def test_the_report_warns_of_what_was_changed(tmp_path):
    """Filled and clipped values are told."""
    files = template(tmp_path, synthetic.stored_values((1, 2, 2)), bits_stored=12)
    array = np.array([[[np.nan, 5000.0], [1.0, 2.0]]])
    report = write_series(array, files, tmp_path / "out", values="stored", fill=0, clip=True)
    assert report.clipped == 1
    assert "1 values were NaN" in report.warnings[0]
    assert "1 values were clipped" in report.warnings[1]


def test_a_damaged_template_leaves_no_output(tmp_path):
    """A file cut off in the middle of its header is named, and nothing stays behind."""
    files = template(tmp_path, synthetic.stored_values((2, 4, 4)))
    files[1].write_bytes(files[1].read_bytes()[:400])
    with pytest.raises(TemplateError, match=r"0002\.dcm"):
        write_series(np.zeros((2, 4, 4)), files, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["template"]


@pytest.mark.parametrize("uid", ["1.2.03", "9.2.3", "12.3"])
def test_illegal_source_uids_are_not_referenced(tmp_path, uid):
    """A reference to a UID with a leading zero, or of a root that does not exist, would be illegal itself."""
    stored = synthetic.stored_values((1, 4, 4))
    files = template(tmp_path, stored, each=[{"SOPInstanceUID": uid}])
    header = pydicom.dcmread(write_series(stored, files, tmp_path / "out", values="stored").files[0])
    assert "SourceImageSequence" not in header
    assert pydicom.uid.UID(header.SOPInstanceUID).is_valid


def test_lossy_once_is_lossy_always(tmp_path):
    """A template in a lossy transfer syntax is marked, though its own header forgot."""
    path = tmp_path / "template" / "lossy.dcm"
    path.parent.mkdir()
    source = pydicom.dcmread(pydicom.data.get_testdata_file("JPEG-lossy.dcm", download=False))
    del source.LossyImageCompression
    source.save_as(path)
    array = np.zeros((1, source.Rows, source.Columns))
    header = pydicom.dcmread(write_series(array, [path], tmp_path / "out").files[0])
    assert header.LossyImageCompression == "01"
    assert header.LossyImageCompressionMethod
    assert float(header.LossyImageCompressionRatio) > 1


def test_templates_of_two_series_are_refused(tmp_path):
    """The UID that differs is named."""
    stored = synthetic.stored_values((1, 4, 4))
    files = template(tmp_path, stored) + template(
        tmp_path / "b", stored, common={"SeriesInstanceUID": generate_uid()}
    )
    with pytest.raises(TemplateError, match="InstanceUID differs"):
        write_series(np.zeros((2, 4, 4)), files, tmp_path / "out")


def test_slices_of_two_stored_types_keep_theirs(tmp_path):
    """A series that is signed in one slice and unsigned in the next comes back bit for bit."""
    common = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid(), "RescaleIntercept": 0}
    signed, unsigned = (
        synthetic.stored_values((1, 4, 4), True, 16),
        synthetic.stored_values((1, 4, 4), False, 12),
    )
    files = synthetic.write_series(tmp_path / "template", signed, common=common)
    files += synthetic.write_series(tmp_path / "template", unsigned, common=common, bits_stored=12)
    array = np.concatenate([signed, unsigned]).astype(np.int32)
    report = write_series(array, files, tmp_path / "out")
    assert [pydicom.dcmread(file).PixelRepresentation for file in report.files] == [1, 0]
    assert [pydicom.dcmread(file).pixel_array.tolist() for file in report.files] == array.tolist()
    report = write_series(array * 0.7, files, tmp_path / "scaled")
    for part, file in zip(array, report.files, strict=True):
        header = pydicom.dcmread(file)
        found = header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
        np.testing.assert_allclose(found, part * 0.7, rtol=0, atol=report.slope / 2 * (1 + 1e-9))


def test_the_preamble_is_not_taken_over(tmp_path):
    """A template may carry a program in its first 128 bytes."""
    stored = synthetic.stored_values((1, 4, 4))
    files = template(tmp_path, stored)
    files[0].write_bytes(b"MZ" + files[0].read_bytes()[2:])
    report = write_series(stored, files, tmp_path / "out", values="stored")
    assert report.files[0].read_bytes()[:132] == b"\0" * 128 + b"DICM"
