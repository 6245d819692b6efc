"""Headers against pydicom's own reading of the same files, and single values with every oddity."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.valuerep import PersonName

import synthetic
from dicomarray.dicom.attribute_names import tag_of
from dicomarray.dicom.headers.header import Header, numbers_of, read_header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.vr import Value, decode
from dicomarray.errors import HeaderError, InputError

LATIN = ["iso8859"]
# Text in many character sets, beside what every scan reads.
NAMES = sorted(
    DEFAULT_KEYWORDS | {"PatientName", "PatientID", "InstitutionName", "PatientComments", "StudyDate"}
)


# --- the oracle -----------------------------------------------------------------------------------------


def pydicoms_value(value: Any) -> Value:  # noqa: PLR0911 - a line for each kind of value
    """pydicom's value as plain Python, without the padding that PS3.5 6.2 calls insignificant."""
    if isinstance(value, Sequence):
        # tables are read by whoever needs them; a header says how many items there are
        return len(value)
    if isinstance(value, PersonName):
        return str(value).rstrip("= ") or None
    if isinstance(value, MultiValue | list | tuple):
        values = tuple(pydicoms_value(item) for item in value)
        return (values[0] if len(values) == 1 else values) if values else None
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>" if value else None
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else str(value).strip(" \0") or None


def ours(header: Header, keyword: str) -> Value:
    value = header.attributes[keyword]
    if isinstance(value, tuple) and value and isinstance(value[0], dict):
        return len(value)
    return value.rstrip("= ") or None if keyword == "PatientName" and isinstance(value, str) else value


def differences(path: Path) -> list[str]:
    """What differs between our header and pydicom's whole reading of the file; empty where it is skipped."""
    try:
        header = read_header(path, NAMES)
    except InputError:
        return []
    data_set = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    found = [
        f"{path.name} {keyword}: present in one only"
        for keyword in NAMES
        if (keyword in data_set) != (keyword in header.attributes)
    ]
    for keyword in sorted(header.attributes.keys() & set(NAMES)):
        if keyword in data_set and ours(header, keyword) != pydicoms_value(data_set[keyword].value):
            found.append(
                f"{path.name} {keyword}: {header.attributes[keyword]!r}, {data_set[keyword].value!r}"
            )
    return found


def all_differences(*folders: Path) -> list[str]:
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) > 15
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [line for path in files for line in differences(path)]


def test_headers_of_pydicoms_files_are_pydicoms(pydicom_data: Path, pydicom_more_data: Path) -> None:
    """Every default keyword of every test file of pydicom has the value that pydicom reads."""
    assert all_differences(pydicom_data / "test_files", pydicom_more_data) == []


def test_text_in_every_character_set_is_pydicoms(pydicom_data: Path) -> None:
    """Latin, Greek, Hebrew, Arabic, Russian, Japanese, Korean, Chinese, with and without code extensions."""
    assert all_differences(pydicom_data / "charset_files") == []


def test_headers_of_real_series_are_pydicoms(real_data: Path) -> None:
    """Scanners' own files are read the same, three of each folder."""
    folders = sorted({path.parent for path in real_data.rglob("*") if path.is_file()} - {real_data})
    assert folders
    some = [path for folder in folders for path in sorted(folder.glob("*"))[:3] if path.is_file()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [line for path in some for line in differences(path)] == []


def test_hardly_a_dicom_file_of_pydicom_is_skipped(pydicom_data: Path, pydicom_more_data: Path) -> None:
    """Refused among pydicom's files are a DICOMDIR and the one that begins with a stray byte."""
    refused = set()
    for folder in (pydicom_data / "test_files", pydicom_more_data, pydicom_data / "charset_files"):
        for path in folder.rglob("*.dcm"):
            try:
                read_header(path)
            except InputError:
                refused.add(path.name)
    assert refused == {"DICOMDIR-empty.dcm", "no_meta.dcm"}


@pytest.mark.parametrize("syntax", sorted(synthetic.NATIVE_SYNTAXES))
def test_transfer_syntaxes_give_the_same_header(tmp_path: Path, syntax: str) -> None:
    """Implicit, explicit, big endian and deflated files have one header."""
    common = {
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.3.5",
        "PixelPaddingValue": -2000,
    }
    files = synthetic.write_series(
        tmp_path,
        synthetic.stored_values((1, 4, 5), signed=True),
        syntax=syntax,
        bits_stored=12,
        common=common,
        each=[{"SOPInstanceUID": "1.2.3.6"}],
    )
    header = read_header(files[0])
    assert header.transfer_syntax == str(synthetic.NATIVE_SYNTAXES[syntax])
    assert header.attributes["Rows"] == 4
    assert header.attributes["BitsStored"] == 12
    assert header.attributes["PixelSpacing"] == synthetic.PIXEL_SPACING_MM
    assert header.attributes["ImagePositionPatient"] == synthetic.ORIGIN_MM
    assert header.attributes["ImageType"] == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert header.attributes["RescaleIntercept"] == -1024
    assert header.attributes["PixelPaddingValue"] == -2000
    assert "PatientSex" not in header.attributes


def test_padding_of_signed_pixels_is_signed_in_implicit_vr(tmp_path: Path) -> None:
    """ "US or SS" is what PixelRepresentation says (PS3.5 A.1), also where only the padding is asked for."""
    array = synthetic.stored_values((1, 4, 5), signed=True)
    for syntax in ("implicit", "explicit", "big-endian"):
        (file,) = synthetic.write_series(
            tmp_path / syntax, array, syntax=syntax, common={"PixelPaddingValue": -2000}
        )
        assert read_header(file).attributes["PixelPaddingValue"] == -2000
        assert read_header(file, ["PixelPaddingValue"]).attributes == {"PixelPaddingValue": -2000}


def test_padding_of_unsigned_pixels_is_unsigned(tmp_path: Path) -> None:
    """63536 of unsigned pixels is no -2000."""
    (file,) = synthetic.write_series(
        tmp_path, synthetic.stored_values((1, 4, 5)), syntax="implicit", common={"PixelPaddingValue": 63536}
    )
    assert read_header(file).attributes["PixelPaddingValue"] == 63536


def test_odd_values_cost_no_warning(tmp_path: Path) -> None:
    """pydicom's warnings quote raw bytes, which may name a patient: none gets out of a scan."""
    (file,) = synthetic.write_series(tmp_path, synthetic.stored_values((1, 2, 2)))
    content = file.read_bytes()
    class_uid = content.index(b"1.2.840.10008.5.1.4.1.1.2")
    syntax = content.index(b"1.2.840.10008.1.2.1")
    for place, character_set in (
        (class_uid, b"ISO_IR 100"),
        (syntax, b"ISO_IR 100"),
        (class_uid, b"ISO_ABC 99"),
    ):
        damaged = bytearray(content.replace(b"ISO_IR 100", character_set))
        damaged[place : place + 4] = b"abcd"
        file.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_header(file).attributes["Modality"] == "CT"


@pytest.mark.parametrize("name", ["ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "rtstruct.dcm"])
def test_files_without_meta_header_are_read(name: str) -> None:
    """A bare data set has no transfer syntax to tell, but its elements are read."""
    header = read_header(Path(str(get_testdata_file(name, download=False))))
    assert header.transfer_syntax is None
    assert str(header.attributes["SOPClassUID"]).startswith("1.2.840.10008.5.1.4.1.1.")


def test_public_element_written_as_un_has_its_value(pydicom_more_data: Path) -> None:
    """UN with a tag that the dictionary knows is what the dictionary says (PS3.5 6.2.2)."""
    header = read_header(pydicom_more_data / "explicit_VR-UN.dcm")
    assert header.attributes["Modality"] == "CT"
    assert isinstance(header.attributes["Rows"], int)
    assert header.numbers("PixelSpacing", 2) is not None


# --- what is asked for ----------------------------------------------------------------------------------


def test_only_what_is_asked_for_is_read(ct: Path) -> None:
    """Keywords and tags; what is absent is no key, what is empty is None."""
    file = ct / "0001.dcm"
    header = read_header(file, ["Modality", "(0018,0060)", "Laterality", "EchoTime"])
    assert header.attributes == {"Modality": "CT", "(0018,0060)": 120, "Laterality": None}
    assert header.reference == file


@pytest.mark.parametrize("name", ["SliceThicknes", "(0018,00)", "(0018,zzzz)", "0018", "", "(0029,10)"])
def test_name_that_is_none_is_refused(name: str, ct: Path) -> None:
    """A misspelt keyword is an error, not an attribute that no file has."""
    with pytest.raises(HeaderError, match="keyword"):
        read_header(ct / "0001.dcm", [name])


def test_tags_are_found_by_keyword_and_number() -> None:
    """Both name one tag, in either case."""
    assert tag_of("SliceThickness") == tag_of("(0018,0050)") == 0x00180050
    assert tag_of("(0008,103E)") == tag_of("(0008,103e)") == tag_of("SeriesDescription")


def private_file(folder: Path, *creators: str, implicit: bool = False) -> Path:
    """One file whose private blocks 10, 11, ... of group 0029 belong to the creators, value = creator."""
    (file,) = synthetic.write_series(
        folder, synthetic.stored_values((1, 2, 2)), syntax="implicit" if implicit else "explicit"
    )
    data_set = pydicom.dcmread(file)
    for number, creator in enumerate(creators):
        data_set.add_new((0x0029, 0x10 + number), "LO", creator)
        data_set.add_new((0x0029, (0x10 + number) << 8 | 0x42), "LO", f"of {creator}")
    data_set.save_as(file)
    return file


def test_private_element_is_found_by_its_creator(tmp_path: Path) -> None:
    """Blocks move from file to file (a PACS renumbers them): the creator's name finds the element."""
    name = "(0029,OURS,42)"
    first = private_file(tmp_path / "a", "OURS", "THEIRS")
    second = private_file(tmp_path / "b", "THEIRS", "OTHERS", "OURS")
    without = private_file(tmp_path / "c", "THEIRS")
    assert read_header(first, [name]).attributes == {name: "of OURS"}
    assert read_header(second, [name, "Modality"]).attributes == {name: "of OURS", "Modality": "CT"}
    assert read_header(without, [name]).attributes == {}


def test_siemens_headers_are_found_by_creator(real_data: Path) -> None:
    """CSA Image Header Info: as many bytes as pydicom finds in the block of the same creator."""
    name = "(0029,SIEMENS CSA HEADER,10)"
    file = min((real_data / "mr-siemens-sagittal").rglob("*.dcm"))
    expected = pydicom.dcmread(file, stop_before_pixels=True).private_block(0x29, "SIEMENS CSA HEADER")[0x10]
    assert read_header(file, [name]).attributes == {name: f"<{len(expected.value)} bytes>"}


def test_sequence_is_a_tuple_of_mappings() -> None:
    """Items are mappings by keyword, nested ones too, and numbers are numbers."""
    file = Path(str(get_testdata_file("rtplan.dcm", download=False)))
    beams = read_header(file, ["BeamSequence"]).attributes["BeamSequence"]
    expected = pydicom.dcmread(file).BeamSequence
    assert len(beams) == len(expected)
    assert beams[0]["BeamName"] == expected[0].BeamName
    points = beams[0]["ControlPointSequence"]
    assert points[0]["NominalBeamEnergy"] == float(expected[0].ControlPointSequence[0].NominalBeamEnergy)


# --- single values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vr", "raw", "expected"),
    [
        ("IS", b"12", 12),
        ("IS", b"1.0 ", 1),
        ("IS", b" -3 ", -3),
        ("IS", b"+7", 7),
        ("IS", b"1.5", 1.5),
        ("IS", b"1A", "1A"),
        ("IS", b"", None),
        ("IS", b"  ", None),
        ("IS", b"1\\2\\3", (1, 2, 3)),
        ("IS", b"1\\\\3", (1, None, 3)),
        ("DS", b"0.5\\0.75", (0.5, 0.75)),
        ("DS", b"1e-3", 0.001),
        ("DS", b"-1.5\0", -1.5),
        ("DS", b" 2.5 \\ 3.5 \0", (2.5, 3.5)),
        ("DS", b"abc", "abc"),
        ("DS", b"1,5", "1,5"),
        ("DS", b"1_000", "1_000"),  # Python reads that as a number, DICOM does not (PS3.5 6.2)
        ("DS", b"1.2.3", "1.2.3"),
        ("DS", b"0.1", 0.1),
        ("CS", b"ORIGINAL\\PRIMARY\\AXIAL ", ("ORIGINAL", "PRIMARY", "AXIAL")),
        ("CS", b"A\\\\B", ("A", None, "B")),
        ("UI", b"1.2.840\0", "1.2.840"),
        ("UI", b"1.2\\3.4\0", ("1.2", "3.4")),
        ("LO", b"head \0\0", "head"),
        ("LO", b"", None),
        ("LO", b"\0", None),
        ("LT", b"two\\words ", "two\\words"),
        ("ST", b"a\\b", "a\\b"),
        ("UT", b"a\\b", "a\\b"),
        ("UR", b"http://x/?a\\b", "http://x/?a\\b"),
        ("US", b"\x01\x02", 0x0201),
        ("US", b"\x01\x00\x02\x00", (1, 2)),
        ("US", b"", None),
        ("US", b"\x01\x00\x02", "<3 bytes>"),
        ("SS", b"\xff\xff", -1),
        ("SL", struct.pack("<i", -70000), -70000),
        ("UL", struct.pack("<I", 2**32 - 1), 2**32 - 1),
        ("SV", struct.pack("<q", -(2**40)), -(2**40)),
        ("UV", struct.pack("<Q", 2**63), 2**63),
        ("FL", struct.pack("<f", 0.5), 0.5),
        ("FD", struct.pack("<dd", 0.1, -2.0), (0.1, -2.0)),
        ("OB", b"1234", "<4 bytes>"),
        ("OW", b"", None),
    ],
)
def test_bytes_become_plain_values(vr: str, raw: bytes, expected: Value) -> None:
    """PS3.5 6.2: padding goes, numbers are numbers, what is none stays the text it is; nothing raises."""
    value = decode(vr, raw, True, LATIN)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("vr", "code"), [("US", "H"), ("SS", "h"), ("UL", "L"), ("SL", "l"), ("FD", "d")])
def test_big_endian_numbers(vr: str, code: str) -> None:
    """The other byte order gives the same numbers."""
    assert decode(vr, struct.pack(f">{code}{code}", 5, 100), False, LATIN) == (5, 100)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_decimal_strings_are_read_exactly(numbers: list[float]) -> None:
    """A DS comes back as the nearest float64, not through a float32."""
    raw = "\\".join(map(repr, numbers)).encode()
    value = decode("DS", raw, True, LATIN)
    assert value == (numbers[0] if len(numbers) == 1 else tuple(numbers))


@given(
    st.sampled_from(["IS", "DS", "CS", "LO", "UI", "US", "FD", "UT", "OB", "DA", "PN", "AT", "SH"]),
    st.binary(max_size=40),
    st.booleans(),
    st.sampled_from([["iso8859"], ["utf8"], ["shift_jis", "iso2022_jp"], ["gb18030"], ["euc_kr"]]),
)
def test_no_bytes_can_break_a_value(vr: str, raw: bytes, little: bool, encodings: list[str]) -> None:
    """Damage gives odd text, never an exception: one bad attribute costs no file."""
    value = decode(vr, raw, little, encodings)
    parts = value if isinstance(value, tuple) else (value,)
    assert all(part is None or isinstance(part, str | int | float) for part in parts)


@pytest.mark.parametrize(
    ("raw", "encodings", "expected"),
    [
        ("Schädel".encode("latin-1"), ["latin_1"], "Schädel"),
        ("Schädel".encode(), ["utf8"], "Schädel"),
        ("頭部".encode("iso2022_jp"), ["iso8859", "iso2022_jp"], "頭部"),
        ("表\\頭".encode("shift_jis"), ["shift_jis"], ("表", "頭")),  # 0x5C is the second byte of 表
        ("骨盆\\头".encode("gb18030"), ["gb18030"], ("骨盆", "头")),
    ],
)
def test_text_is_decoded_by_its_character_set(raw: bytes, encodings: list[str], expected: Value) -> None:
    """PS3.3 C.12.1.1.2, with a backslash inside a character, and escape sequences made of 7-bit bytes."""
    assert decode("LO", raw, True, encodings) == expected


@pytest.mark.parametrize("charset", ["", "ISO_IR 999", "ISO_IR 100\\nonsense", None])
def test_unknown_character_set_costs_no_file(tmp_path: Path, charset: str | None) -> None:
    """The rest of the header is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (file,) = synthetic.write_series(
            tmp_path, synthetic.stored_values((1, 2, 2)), common={"SpecificCharacterSet": charset}
        )
    assert read_header(file).attributes["SeriesDescription"] == "SYNTHETIC SERIES"


# --- numbers of a header --------------------------------------------------------------------------------


def header_of(**attributes: Value) -> Header:
    return Header(Path("x.dcm"), None, attributes)


@pytest.mark.parametrize(
    "value", ["abc", (1.0, "x"), float("nan"), float("inf"), (1.0,), (1.0, 2.0, 3.0), 5, (1.0, None)]
)
def test_other_than_two_numbers_is_an_error_that_names_all(value: Value) -> None:
    """File, attribute, value and rule are in the message."""
    with pytest.raises(HeaderError) as caught:
        header_of(PixelSpacing=value).numbers("PixelSpacing", 2)
    for part in ("x.dcm", "PixelSpacing", repr(value), "2 finite numbers"):
        assert part in str(caught.value)


def test_absent_or_empty_numbers_are_none() -> None:
    """They are None, and not zero."""
    assert header_of().number("EchoTime") is None
    assert header_of(EchoTime=None).numbers("EchoTime", 1) is None
    assert numbers_of((1, 2.5), "PixelSpacing", 2, Path("x")) == (1.0, 2.5)


def test_number_beyond_any_calculation_is_refused() -> None:
    """An IS of 1e300 is a Python integer that NumPy does not take, and its square no float at all."""
    value = decode("IS", b"1e300", True, LATIN)
    with pytest.raises(HeaderError, match="EchoTrainLength"):
        numbers_of(value, "EchoTrainLength", 1, Path("x.dcm"))
    value = decode("IS", b"1e99", True, LATIN)
    assert numbers_of(value, "EchoTrainLength", 1, Path("x.dcm")) == (1e99,)


def test_number_next_to_nothing_is_nothing() -> None:
    """1e-300 is a rounding error or damage, and its square 0: as 0 it is checked wherever 0 is."""
    assert numbers_of((1e-300, -1e-300, 1e-99), "PixelSpacing", 3, Path("x.dcm")) == (0.0, 0.0, 1e-99)


def test_text_of_several_values_is_joined_as_dicom_does() -> None:
    """With backslashes; an empty value among them stays empty."""
    assert header_of(ImageType=("ORIGINAL", "PRIMARY")).text("ImageType") == "ORIGINAL\\PRIMARY"
    assert header_of(ImageType=("A", None, "B")).text("ImageType") == "A\\\\B"
    assert header_of(EchoNumbers=2).text("EchoNumbers") == "2"
    assert header_of(ImageType=None).text("ImageType") is None
    assert header_of().text("ImageType") is None


@pytest.mark.parametrize(
    ("value", "number"), [(3, 3), (-3, -3), (None, None), ("1A", None), (1.5, None), ((1, 2), None)]
)
def test_instance_number_is_a_number_or_nothing(value: Value, number: int | None) -> None:
    """It is for sorting only: an odd one is no error."""
    assert header_of(InstanceNumber=value).instance_number == number


def test_image_has_rows_and_columns() -> None:
    """Reports and plans have none, a broken image has zero."""
    assert header_of(Rows=2, Columns=3).is_image
    assert not header_of(Rows=0, Columns=3).is_image
    assert not header_of(Rows=2).is_image


# --- files that are none, or damaged --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"PatientName: somebody\n" * 20, "not DICOM"),
        (bytes(5000), "not DICOM"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not DICOM"),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    """An empty file, text, zeros and a picture are refused."""
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read_header(tmp_path / "f")


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-implicit", "DICOMDIR-bigEnd"])
def test_dicomdir_is_refused_with_the_reason(name: str, pydicom_data: Path) -> None:
    """It lists files and is no image: its records must not be taken for one."""
    path = next((pydicom_data / "test_files").rglob(name))
    with pytest.raises(InputError, match="DICOMDIR"):
        read_header(path)


def test_unreadable_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    """A folder in a file's place, and a file that is gone."""
    for path in (tmp_path, tmp_path / "gone.dcm"):
        with pytest.raises(InputError, match="damaged"):
            read_header(path)


@pytest.mark.parametrize("syntax", sorted(synthetic.NATIVE_SYNTAXES))
def test_header_cut_anywhere_is_read_or_refused(tmp_path: Path, syntax: str) -> None:
    """A file that ends in the middle of its header gives what there is or an InputError, nothing else."""
    (file,) = synthetic.write_series(tmp_path, synthetic.stored_values((1, 2, 2)), syntax=syntax)
    whole, content = read_header(file), file.read_bytes()
    cut = tmp_path / "cut"
    for length in range(1, len(content), 29):
        cut.write_bytes(content[:length])
        try:
            header = read_header(cut)
        except InputError:
            continue
        wrong = {k: v for k, v in header.attributes.items() if v not in (whole.attributes[k], None)}
        assert len(wrong) <= 1  # only the element that is cut through can be odd


@pytest.mark.parametrize("element", ["MediaStorageSOPClassUID", "TransferSyntaxUID"])
def test_damaged_meta_header_is_read_or_refused(tmp_path: Path, element: str) -> None:
    """A VR that does not exist in the file meta information: one bad file must not end a scan."""
    (file,) = synthetic.write_series(tmp_path, synthetic.stored_values((1, 2, 2)))
    tag = tag_of(element)
    content = bytearray(file.read_bytes())
    place = content.index(struct.pack("<HH", tag >> 16, tag & 0xFFFF) + b"UI") + 5
    content[place] = 0
    file.write_bytes(content)
    with pytest.raises(InputError):
        read_header(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bytes_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Random damage to a real file raises InputError or nothing."""
    content = bytearray(Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()[:3000])
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.dcm"
    path.write_bytes(content)
    try:
        header = read_header(path)
    except InputError:
        return
    assert set(header.attributes) <= DEFAULT_KEYWORDS
