"""The options of writing that change what is stored, or who and what the new series says it is."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

import dciodvfy
import dicomarray
import synthetic
from dicomarray.cli import commands
from dicomarray.cli.main import parser
from dicomarray.dicom.pixels.encoder import SYNTAXES
from dicomarray.errors import UsageError, ValuesError


def test_clipped_on_request_and_counted(ct: Path, tmp_path: Path) -> None:
    """Stored values beyond 12 bits are an error; with clip they end at 4095, and the report counts them."""
    array = dicomarray.load(ct, units="stored").array.astype(np.int32)
    array[0, 0, :3] = 5000
    with pytest.raises(ValuesError, match="clip"):
        dicomarray.to_dicom(array, ct, tmp_path / "out", values="stored")
    report = dicomarray.to_dicom(array, ct, tmp_path / "out", values="stored", clip=True)
    assert report.clipped == 3
    assert report.max_error == 5000 - 4095
    assert dicomarray.load(tmp_path / "out", units="stored").array[0, 0, :3].tolist() == [4095] * 3


def test_uid_key_makes_the_same_series_again(ct: Path, tmp_path: Path) -> None:
    """Two runs with one key are equal byte for byte; another key, or another array, is another series."""
    array = dicomarray.load(ct).array

    def written(name: str, values: np.ndarray, key: str) -> list[bytes]:
        report = dicomarray.to_dicom(values, ct, tmp_path / name, uid_key=key)
        return [file.read_bytes() for file in report.files]

    first = written("a", array, "model 7")
    assert written("b", array, "model 7") == first
    written("c", array, "model 8")
    written("d", array + 1, "model 7")
    first_files = (next((tmp_path / name).iterdir()) for name in ("a", "c", "d"))
    assert len({pydicom.dcmread(file).SeriesInstanceUID for file in first_files}) == 3


def test_description_number_and_equipment(ct: Path, tmp_path: Path) -> None:
    """What is asked for stands in every file."""
    report = dicomarray.to_dicom(
        dicomarray.load(ct),
        ct,
        tmp_path / "out",
        series_description="Denoised",
        series_number=77,
        equipment="keep",
    )
    source = pydicom.dcmread(next(ct.iterdir()))
    for file in report.files:
        written = pydicom.dcmread(file)
        assert (written.SeriesDescription, written.SeriesNumber) == ("Denoised", 77)
        assert written.Manufacturer == source.Manufacturer


@pytest.mark.parametrize(
    "option", [{"values": "most"}, {"equipment": "mine"}, {"fill": float("nan")}, {"vlaues": "auto"}]
)
def test_unknown_options_are_refused_before_anything_is_read(
    option: dict[str, object], tmp_path: Path
) -> None:
    """The message lists what there is; the template folder does not even exist."""
    with pytest.raises(UsageError):
        dicomarray.to_dicom(np.zeros((2, 3, 4)), tmp_path / "none", tmp_path / "out", **option)
    with pytest.raises(UsageError):
        dicomarray.run(tmp_path / "none", tmp_path / "out", str, **option)


# --- a limit for the error --------------------------------------------------------------------------------


def test_nothing_is_written_past_the_greatest_error(ct: Path, tmp_path: Path) -> None:
    """max_error is compared with what would be reported; at the limit itself it is written."""
    array = dicomarray.load(ct).array * 0.371
    error = dicomarray.to_dicom(array, ct, tmp_path / "a").max_error
    assert error > 0
    dicomarray.to_dicom(array, ct, tmp_path / "b", max_error=error)
    with pytest.raises(ValuesError, match="max_error"):
        dicomarray.to_dicom(array, ct, tmp_path / "c", max_error=error * 0.99)
    assert not (tmp_path / "c").exists()
    with pytest.raises(ValuesError, match="max_error"):
        command = ["--max-error", "0"]
        np.save(tmp_path / "a.npy", array)
        raise_of(["to-dicom", "-n", tmp_path / "a.npy", "-d", ct, "-o", tmp_path / "c", *command])


def raise_of(words: list[object]) -> None:
    """What a command raises, before it becomes an exit code."""
    options = parser().parse_args([str(word) for word in words])
    commands.to_dicom(options)


# --- private elements -------------------------------------------------------------------------------------

SIEMENS, ACME = "SIEMENS MR HEADER", "ACME 1.0"


@pytest.fixture
def with_private(ct: Path) -> Path:
    """A CT with two blocks of private elements, and one in a sequence."""
    for path in ct.iterdir():
        data_set = pydicom.dcmread(path)
        item = pydicom.Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = data_set.SOPClassUID, "1.2.3"
        for target in (data_set, item):
            for creator in (SIEMENS, ACME):
                block = target.private_block(0x0019, creator, create=True)
                block.add_new(0x0C, "IS", 700)
                block.add_new(0x0E, "FD", [0.0, 0.6, 0.8])
        data_set.ReferencedImageSequence = [item]
        data_set.save_as(path)
    return ct


@pytest.mark.parametrize(
    ("kept", "elements"),
    [
        ((), set()),
        ([f"(0019,{SIEMENS},0C)"], {0x10, 0x100C}),
        ([f"(0019,{ACME},0e)", "(0029,NOBODY)"], {0x11, 0x110E}),
        ([f"(0019,{SIEMENS})"], {0x10, 0x100C, 0x100E}),
        ([f"(0019,{SIEMENS})", f"(0019,{ACME},0C)"], {0x10, 0x11, 0x100C, 0x100E, 0x110C}),
    ],
)
def test_chosen_private_elements_stay(
    with_private: Path, tmp_path: Path, kept: list[str], elements: set[int]
) -> None:
    """With their creator, at the top level; those within sequences go."""
    report = dicomarray.to_dicom(
        dicomarray.load(with_private), with_private, tmp_path / "out", keep_private=kept
    )
    source = pydicom.dcmread(next(with_private.iterdir()))
    for file in report.files:
        header = pydicom.dcmread(file)
        assert {element.tag.element for element in header if element.tag.is_private} == elements
        assert all(header[0x0019, low].value == source[0x0019, low].value for low in elements)
        assert not [e for e in header.ReferencedImageSequence[0] if e.tag.is_private]


def test_private_elements_by_the_command_line(with_private: Path, tmp_path: Path) -> None:
    """The flag can be repeated."""
    np.save(tmp_path / "a.npy", dicomarray.load(with_private).array)
    kept = ["--keep-private", f"(0019,{SIEMENS},0C)", "--keep-private", f"(0019,{ACME},0E)"]
    raise_of(["to-dicom", "-n", tmp_path / "a.npy", "-d", with_private, "-o", tmp_path / "out", *kept])
    header = pydicom.dcmread(tmp_path / "out" / "0001.dcm")
    assert {e.tag.element for e in header if e.tag.is_private} == {0x10, 0x11, 0x100C, 0x110E}


@pytest.mark.parametrize("text", ["0019,X,0C", "(0018,X,0C)", "(0019,,0C)", "(19,X,0C)", "(0019,X,100C)"])
def test_what_names_no_private_element_is_refused(ct: Path, tmp_path: Path, text: str) -> None:
    """The message shows the form."""
    with pytest.raises(UsageError, match="gggg,CREATOR"):
        dicomarray.to_dicom(np.zeros((6, 12, 16)), ct, tmp_path / "out", keep_private=[text])


# --- lossless compression ---------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian"])
@pytest.mark.parametrize("name", sorted(SYNTAXES))
def test_compressed_without_loss(tmp_path: Path, name: str, syntax: str) -> None:
    """pydicom finds the values and the transfer syntax; verification has read them back already."""
    files = synthetic.write_series(
        tmp_path / "in", synthetic.stored_values(signed=True), bits_stored=12, syntax=syntax
    )
    array = dicomarray.load(tmp_path / "in").array
    report = dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out", compress=name)
    for source, file in zip(files, report.files, strict=True):
        old, new = pydicom.dcmread(source), pydicom.dcmread(file)
        assert new.file_meta.TransferSyntaxUID == SYNTAXES[name]
        assert "LossyImageCompression" not in new
        np.testing.assert_array_equal(dicomarray.load(file, units="stored").array[0], old.pixel_array)
        if name == "rle":
            np.testing.assert_array_equal(new.pixel_array, old.pixel_array)
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, array)


@pytest.mark.parametrize("name", sorted(SYNTAXES))
def test_compressed_files_pass_the_checker(ct: Path, tmp_path: Path, name: str) -> None:
    """No new issue of dciodvfy; an unknown codec is refused with those that exist."""
    report = dicomarray.to_dicom(dicomarray.load(ct), ct, tmp_path / "out", compress=name)
    assert dciodvfy.new_issues(next(ct.iterdir()), report.files[0]) == (set(), set())
    with pytest.raises(UsageError, match=name):
        dicomarray.to_dicom(dicomarray.load(ct), ct, tmp_path / "more", compress="zip")


# --- units ------------------------------------------------------------------------------------------------


def test_suv_are_written_back_into_a_pet(tmp_path: Path) -> None:
    """SUV by body weight are GML in the words of the standard; without a word they are refused."""
    dose = pydicom.Dataset()
    dose.RadionuclideTotalDose, dose.RadionuclideHalfLife = 370e6, 6586.2
    dose.RadiopharmaceuticalStartTime = "110000"
    common = {"RadiopharmaceuticalInformationSequence": [dose], "PatientWeight": 70}
    stored = synthetic.stored_values(signed=True, bits_stored=16) // 2 + 16384
    synthetic.write_series(tmp_path / "in", stored, modality="PT", bits_stored=16, common=common)
    suv = dicomarray.load(tmp_path / "in", units="suv")
    with pytest.raises(UsageError, match='units="GML"'):
        dicomarray.to_dicom(suv, tmp_path / "in", tmp_path / "out")
    report = dicomarray.to_dicom(suv, tmp_path / "in", tmp_path / "out", units="GML")
    after = dicomarray.load(tmp_path / "out")
    assert after.units == "GML"
    assert np.abs(after.array - suv.array).max() <= report.max_error + 1e-6  # both are float32
    again = dicomarray.load(tmp_path / "out", units="suv")
    np.testing.assert_allclose(again.array, after.array)


@pytest.mark.parametrize("values", ["auto", "full-range"])
def test_units_stand_where_readers_look_for_them(tmp_path: Path, values: str) -> None:
    """Rescale Type of an MR, with a slope beside it even where that is 1."""
    files = synthetic.write_series(tmp_path / "in", synthetic.stored_values(), modality="MR")
    array = dicomarray.load(tmp_path / "in").array
    dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out", units="MGML", values=values)
    header = pydicom.dcmread(next((tmp_path / "out").iterdir()))
    assert header.RescaleType == "MGML"
    assert "RescaleSlope" in header
    assert dicomarray.load(tmp_path / "out").units == "MGML"
    assert dciodvfy.new_issues(files[0], next((tmp_path / "out").iterdir()))[0] == set()


@pytest.mark.parametrize(
    ("modality", "options"),
    [("MR", {"units": "furlongs"}), ("PT", {"units": "HU"}), ("CT", {"units": "GML"}),
     ("CT", {"units": "US", "values": "stored"})],
)  # fmt: skip
def test_units_that_cannot_be_told_are_refused(
    tmp_path: Path, modality: str, options: dict[str, str]
) -> None:
    """What the class has no word for, or stored values."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values(), modality=modality)
    array = dicomarray.load(tmp_path / "in", units="stored").array
    with pytest.raises(UsageError):
        dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
