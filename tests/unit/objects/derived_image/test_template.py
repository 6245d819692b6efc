"""Which templates are taken, and which are refused with the reason."""

from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

import synthetic
from dicomarray.core.pixel_values import Rescale, StoredType
from dicomarray.errors import TemplateError
from dicomarray.objects.common.headers import read_header, reason
from dicomarray.objects.derived_image.request import Source
from dicomarray.objects.derived_image.template import read_template

REFUSED = {
    "emri_small.dcm": "cannot carry a derived image",
    "liver_1frame.dcm": r"Segmentation Storage.*cannot carry a derived image",
    "rtdose_1frame.dcm": r"RT Dose Storage.*cannot carry",
    "test-SR.dcm": r"SR.*cannot carry",
    "rtplan.dcm": r"cannot carry",
    "README.txt": r"README\.txt",
}


def read(files):
    return read_template([Source(file) for file in files])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_files_say_why(name):
    """The file, what it is, and that it cannot carry the array."""
    with pytest.raises(TemplateError, match=REFUSED[name]) as caught:
        read([Path(pydicom.data.get_testdata_file(name, download=False))])
    assert name in str(caught.value)


def change(files, index=0, **attributes):
    """Change or drop (None) attributes of one file, in place."""
    data_set = pydicom.dcmread(files[index])
    for keyword, value in attributes.items():
        if value is None:
            delattr(data_set, keyword)
        else:
            setattr(data_set, keyword, value)
    data_set.save_as(files[index])
    return files


@pytest.mark.parametrize(
    ("attributes", "hint"),
    [
        ({"PhotometricInterpretation": "CMYK"}, r"PhotometricInterpretation is .CMYK., but what is read is"),
        ({"SamplesPerPixel": 3}, r"SamplesPerPixel is 3, but MONOCHROME2 has 1"),
        ({"NumberOfFrames": "0"}, r"NumberOfFrames is .*0.*, but it must be at least 1"),
        ({"SharedFunctionalGroupsSequence": []}, r"is no loop"),
        ({"SOPClassUID": None}, r"SOPClassUID is missing"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6"}, r"VL Whole Slide.*cannot carry"),
        ({"SOPInstanceUID": None}, r"SOPInstanceUID is missing"),
        ({"Rows": None}, r"Rows"),
        ({"BitsAllocated": 12, "BitsStored": 12}, r"BitsAllocated is 12"),
        ({"BitsStored": 17, "HighBit": 16}, r"BitsStored is 17"),
        ({"PixelRepresentation": None}, r"PixelRepresentation is missing"),
    ],
)
def test_faults_are_named(tmp_path, attributes, hint):
    """One attribute that is wrong in the only file is named."""
    files = synthetic.write_series(tmp_path, synthetic.stored_values((1, 4, 4)))
    with pytest.raises(TemplateError, match=hint):
        read(change(files, **attributes))


def test_a_file_without_transfer_syntax_is_a_template(tmp_path):
    """What can be read can be written to: the encoding of the file says what its meta group does not."""
    files = synthetic.write_series(tmp_path, synthetic.stored_values((1, 4, 4)))
    data_set = pydicom.dcmread(files[0])
    del data_set.file_meta.TransferSyntaxUID
    data_set.save_as(files[0], enforce_file_format=False)
    assert read(files).shape == (1, 4, 4)


@pytest.mark.parametrize(
    "attributes",
    [
        {"Rows": 3},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"StudyInstanceUID": "1.2.3"},
        {"NumberOfFrames": 2},
    ],
)
def test_slices_of_two_kinds_are_refused(tmp_path, attributes):
    """The file that differs and the attribute are named."""
    files = synthetic.write_series(tmp_path, synthetic.stored_values((3, 4, 4)))
    with pytest.raises(TemplateError, match=rf"0002\.dcm: {next(iter(attributes))}"):
        read(change(files, 1, **attributes))


def test_no_files_are_no_template():
    """An empty list is told as such."""
    with pytest.raises(TemplateError, match="no files"):
        read([])


def test_messages_hold_no_patient(tmp_path):
    """A broken header is refused without what it says of the patient."""
    files = synthetic.write_series(tmp_path, synthetic.stored_values((1, 4, 4)))
    with pytest.raises(TemplateError) as caught:
        read(change(files, PhotometricInterpretation="CMYK"))
    for secret in ("SYNTHETIC^SERIES", "SYNTHETIC-1", "19700101"):
        assert secret not in str(caught.value)


def test_what_is_read(tmp_path):
    """It is shape, stored type and the rescale of each slice."""
    stored = synthetic.stored_values((2, 4, 5), bits_stored=12)
    files = synthetic.write_series(
        tmp_path,
        stored,
        bits_stored=12,
        each=[{"RescaleSlope": "2"}, {"RescaleSlope": ..., "RescaleIntercept": "7"}],
    )
    template = read(files)
    assert template.shape == (2, 4, 5)
    assert template.stored == (StoredType(16, 12, False),) * 2
    assert template.rescales == (Rescale(2.0, -1024.0), Rescale(1.0, 7.0))
    assert template.files == tuple(files)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("SC_rgb_rle.dcm", (1, 100, 100, 3)),
        ("SC_ybr_full_422_uncompressed.dcm", (1, 100, 100, 3)),
        ("examples_palette.dcm", (1, 350, 800)),
        ("examples_ybr_color.dcm", (1, 30, 240, 320, 3)),
    ],
)
def test_colour_and_loops_have_more_axes(name, shape):
    """(files, frames, rows, columns, samples), without those that a template does not have."""
    template = read([Path(get_testdata_file(name, download=False))])
    assert template.shape == shape
    assert not template.layout.measured


def test_a_file_without_preamble_is_a_template_too():
    """Data sets without Part 10 header are common in old archives."""
    path = get_testdata_file("ExplVR_LitEndNoMeta.dcm", download=False)
    with pytest.raises(TemplateError, match=r"PhotometricInterpretation|cannot carry"):
        read([Path(path)])


def test_the_reason_is_that_of_the_system():
    """pydicom raises an error of its own for that of a full disk: the words are the system's."""
    try:
        try:
            raise OSError(28, "No space left on device")
        except OSError as full:
            raise OSError("With tag (7FE0,0010) got exception: secret") from full
    except OSError as error:
        assert reason(error) == "No space left on device"
    assert reason(ValueError("1970-01-01")) == "ValueError"
    assert reason(OSError("secret")) == "OSError"


def test_a_private_creator_of_numbers_is_named(tmp_path):
    """Nobody could tell which private elements it reserves: the template is refused, without the value."""
    files = synthetic.write_series(tmp_path, synthetic.stored_values())
    data_set = pydicom.dcmread(files[0])
    data_set.add_new(0x00290010, "OB", b"SIEMENS CSA HEADER")
    data_set.save_as(files[0])
    content = files[0].read_bytes()
    head = b"\x29\x00\x10\x00OB\x00\x00"
    assert content.count(head) == 1
    files[0].write_bytes(content.replace(head, head.replace(b"OB", b"SV")))
    with pytest.raises(TemplateError, match=r"0029,0010.*VR SV where the standard has LO") as caught:
        read_header(files[0])
    assert "SIEMENS" not in str(caught.value)


def test_a_template_that_inflates_without_end_is_refused(monkeypatch):
    """A small deflated file can fill the memory: how far it inflates is measured before pydicom reads it."""
    monkeypatch.setattr("dicomarray.dicom.pydicom_fallback.LARGEST_INFLATED_BYTES", 1000)
    with pytest.raises(TemplateError, match=r"image_dfl\.dcm: the deflated data set"):
        read_header(Path(get_testdata_file("image_dfl.dcm", download=False)))
