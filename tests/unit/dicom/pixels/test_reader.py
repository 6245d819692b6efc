"""Frames of native and compressed files against pydicom and SimpleITK (GDCM), and files with faults."""

import os
import struct
import tracemalloc
import warnings
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pydicom.data
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from dicomarray.dicom import pydicom_fallback
from dicomarray.dicom.pixels.description import PixelDescription
from dicomarray.dicom.pixels.reader import open_frames
from dicomarray.errors import DicomArrayError, HeaderError, InputError, PixelError
from pixel_data import read_frames

REPOSITORY = Path(__file__).parents[4]
FOLDERS = [Path(pydicom.data.__file__).parent / "test_files", Path(data_store.__file__).parent / "data"]
REAL_FILES = sorted({path.name: path for folder in FOLDERS for path in folder.glob("*.dcm")}.values())
# No image, or one that breaks the standard in a way that a test of its own asks for.
FAULTY = {
    "badVR.dcm": HeaderError,  # NumberOfFrames 1A
    "MR_truncated.dcm": PixelError,
    "JPEG2000-embedded-sequence-delimiter.dcm": PixelError,  # an item of 256 bytes overwritten in its header
    "meta_missing_tsyntax.dcm": HeaderError,  # two bytes of pixel data without description
    "nested_priv_SQ.dcm": HeaderError,
}
UNDELIMITED = "emri_small_jpeg_2k_lossless_too_short.dcm"
SLOW_IN_GDCM = "SC_rgb_jpeg.dcm"  # seconds, for 3 kB
NOT_FOR_GDCM = (UNDELIMITED, SLOW_IN_GDCM)
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def _syntax(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        except (ValueError, EOFError, NotImplementedError, KeyError):
            return None
    syntax = dataset.file_meta.get("TransferSyntaxUID") if "Rows" in dataset else None
    return pydicom.uid.UID(syntax) if syntax else None


SYNTAXES = {path: _syntax(path) for path in REAL_FILES if path.name not in FAULTY}
PYDICOM_READS = [path for path, s in SYNTAXES.items() if s and (not s.is_compressed or s == RLELossless)]
COMPRESSED = [
    path
    for path, s in SYNTAXES.items()
    if s and s.is_encapsulated and s != RLELossless and path.name not in NOT_FOR_GDCM
]


def real(name):
    return next(path for path in REAL_FILES if path.name == name)


def image(values, *, syntax=ExplicitVRLittleEndian, photometric="MONOCHROME2", **changed):
    """A data set with native pixel data: ``values`` is (frames, rows, columns[, 3]) in its own type."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    bits = 8 * values.dtype.itemsize
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = values.shape[:3]
    dataset.SamplesPerPixel = 3 if values.ndim == 4 else 1
    dataset.PhotometricInterpretation = photometric
    if values.ndim == 4:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset.PixelData = values.astype(values.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in changed.items():
        setattr(dataset, keyword, value)
    if len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    return dataset


def saved(dataset, path):
    """Write the data set as a Part 10 file."""
    compressed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    dataset["PixelData"].is_undefined_length = compressed
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


@pytest.mark.parametrize("path", PYDICOM_READS, ids=lambda path: path.name)
def test_native_and_rle_files_equal_pydicom(path):
    """Every native or RLE file gives the values that pydicom's own decoders give."""
    dataset = pydicom.dcmread(path)
    if "PixelData" not in dataset:
        pytest.skip("no pixel data")
    found = read_frames(path)
    expected = dataset.pixel_array.reshape(found.shape)
    assert np.array_equal(found, expected)
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert np.array_equal(read_frames(dataset), found)


@pytest.mark.parametrize("path", COMPRESSED, ids=lambda path: path.name)
def test_compressed_files_equal_gdcm(path):
    """Every JPEG, JPEG-LS and JPEG 2000 file gives exactly the values that GDCM gives, lossy ones too."""
    found = read_frames(path)
    header = pydicom.dcmread(path, stop_before_pixels=True)
    expected = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).reshape(found.shape)
    if header.PhotometricInterpretation == "MONOCHROME1":  # which SimpleITK inverts
        expected = (1 << header.BitsStored) - 1 - expected.astype(int)
    slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    modality = found if (slope, intercept) == (1, 0) else found * slope + intercept
    assert np.array_equal(modality, expected)


def test_missing_sequence_delimiter():
    """A file that ends after its last fragment, which pydicom and GDCM refuse, is read whole."""
    found = read_frames(real(UNDELIMITED))
    assert np.array_equal(found, read_frames(real("emri_small_jpeg_2k_lossless.dcm")))


def test_rgb_jpeg_with_a_damaged_adobe_marker():
    """Components labelled RGB stay RGB, as DCMTK decoded them."""
    assert np.array_equal(read_frames(real(SLOW_IN_GDCM)), read_frames(real("SC_rgb_jpeg_dcmd.dcm")))


def test_every_kind_of_real_file_is_there():
    """The two tests above see the files that they are written for."""
    assert len(PYDICOM_READS) > 70
    assert len(COMPRESSED) > 40


def test_series_of_real_scanners_equal_pydicom():
    """Files of a real archive give what pydicom gives; one file of each folder."""
    root = Path(os.environ.get("DICOMARRAY_TEST_DATA", REPOSITORY.parent / "shared/data")) / "series"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    checked = 0
    for folder in sorted(path for path in root.rglob("*") if path.is_dir()):
        path = next((file for file in sorted(folder.iterdir()) if _is_native_image(file)), None)
        if path:
            found = read_frames(path)
            assert np.array_equal(found, pydicom.dcmread(path).pixel_array.reshape(found.shape)), path
            checked += 1
    assert checked > 5


def _is_native_image(path):
    syntax = _syntax(path) if path.is_file() and pydicom.misc.is_dicom(path) else None
    return syntax is not None and not syntax.is_compressed


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_faulty_real_files_are_refused(name):
    """The damaged files among pydicom's own raise the error that names them."""
    with pytest.raises(FAULTY[name], match=name):
        read_frames(real(name))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_native_round_trip(data, tmp_path_factory):
    """What is stored is read back: every type, sign, Bits Stored, High Bit, colour layout and syntax."""
    dtype = np.dtype(data.draw(st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"])))
    allocated = 8 * dtype.itemsize
    bits = data.draw(st.integers(2, allocated))
    high_bit = data.draw(st.integers(bits - 1, allocated - 1))
    colour = dtype.kind == "u" and data.draw(st.booleans())
    shape = [data.draw(st.integers(1, 4)) for _ in range(3)] + [3] * colour
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype.kind == "i" else (0, (1 << bits) - 1)
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    values = random.integers(low, high, shape, endpoint=True)
    noise = random.integers(0, 1 << allocated, shape)  # overlays above and below the stored bits
    mask = ((1 << bits) - 1) << (high_bit + 1 - bits)
    words = (values << (high_bit + 1 - bits) & mask) | (noise & ~mask)
    planar = colour and data.draw(st.booleans())
    stored = np.moveaxis(words, -1, 1) if planar else words
    syntax = data.draw(st.sampled_from(NATIVE))
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    pixel_data = stored.astype(f"{order}u{dtype.itemsize}").tobytes()
    if allocated == 8 and order == ">":  # OW: the bytes of every word are swapped
        pixel_data = np.frombuffer(pixel_data + b"\0" * (len(pixel_data) % 2), "u2").byteswap().tobytes()
    dataset = image(
        words.astype(f"u{dtype.itemsize}"),
        syntax=syntax,
        photometric="RGB" if colour else "MONOCHROME2",
        PixelData=pixel_data,
        BitsStored=bits,
        HighBit=high_bit,
        PixelRepresentation=int(dtype.kind == "i"),
    )
    if colour:
        dataset.PlanarConfiguration = int(planar)
    path = saved(dataset, tmp_path_factory.mktemp("native") / "image.dcm")
    found = read_frames(path)
    assert found.dtype == dtype
    assert np.array_equal(found, values)
    frame = data.draw(st.integers(0, shape[0] - 1))
    assert np.array_equal(read_frames(path, [frame]), values[[frame]])


def test_packed_bits_do_not_start_at_bytes(tmp_path):
    """Frames of 5 x 3 single bits follow each other without padding, lowest bit first (PS3.5 8.1.1)."""
    bits = np.random.default_rng(1).integers(0, 2, (4, 5, 3), dtype=np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    dataset = image(bits, PixelData=packed, BitsAllocated=1, BitsStored=1, HighBit=0)
    path = saved(dataset, tmp_path / "bits.dcm")
    assert np.array_equal(read_frames(path), bits)
    assert np.array_equal(read_frames(path, [2, 1]), bits[[2, 1]])
    assert np.array_equal(pydicom.dcmread(path).pixel_array, bits)


@pytest.mark.parametrize(("keyword", "bits"), [("FloatPixelData", 32), ("DoubleFloatPixelData", 64)])
def test_floating_point_pixel_data(keyword, bits, tmp_path):
    """Float and Double Float Pixel Data come back bit for bit, NaN included."""
    values = np.array([[[0.1, -np.inf], [np.nan, 1e30]]], f"f{bits // 8}")
    dataset = image(values, BitsAllocated=bits)
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    setattr(dataset, keyword, values.tobytes())
    pydicom.dcmwrite(tmp_path / "float.dcm", dataset, enforce_file_format=True)
    for found in (read_frames(tmp_path / "float.dcm"), read_frames(dataset)):
        assert found.dtype == values.dtype
        assert found.tobytes() == values.tobytes()


def test_file_without_meta_group(tmp_path):
    """A bare data set is read with the encoding that it shows."""
    values = np.arange(12, dtype=np.int16).reshape(1, 3, 4)
    for name, implicit, little in (("a", True, True), ("b", False, True), ("c", False, False)):
        syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset = image(values, syntax=syntax)
        del dataset.file_meta
        dataset.save_as(tmp_path / name, implicit_vr=implicit, little_endian=little)
        assert np.array_equal(read_frames(tmp_path / name), values)


def test_description_says_what_is_read():
    """The description of a colour file is what its header says, and the array follows it."""
    with open_frames(real("SC_rgb_16bit_2frame.dcm")) as reader:
        description = reader.description
        assert (description.rows, description.columns, description.samples) == (100, 100, 3)
        assert (description.frames, description.photometric, description.planar) == (2, "RGB", False)
        found = reader.read_all([1])
    assert found.shape == (1, *description.frame_shape)
    assert found.dtype == description.array_dtype == np.uint16


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Rows", 0),
        ("Columns", None),
        ("NumberOfFrames", -1),
        ("SamplesPerPixel", 4),
        ("SamplesPerPixel", 3),
        ("PhotometricInterpretation", "ARGB"),
        ("BitsAllocated", 12),
        ("BitsAllocated", 64),
        ("BitsStored", 17),
        ("BitsStored", 0),
        ("HighBit", 3),
        ("HighBit", 16),
        ("PixelRepresentation", 2),
        ("PixelRepresentation", None),
    ],
)
def test_broken_header_is_named(keyword, value):
    """An attribute against PS3.3 C.7.6.3 raises, and the message has file, attribute and value."""
    dataset = image(np.zeros((1, 4, 4), np.int16), **{keyword: value})
    with pytest.raises(HeaderError, match=r"some\.dcm: " + keyword) as caught:
        PixelDescription.from_dataset(dataset, "some.dcm")
    assert value is None or str(value) in str(caught.value)


def test_padding_is_left_out():
    """A padding byte after the last frame is no pixel."""
    values = np.arange(9, dtype=np.uint8).reshape(1, 3, 3)
    dataset = image(values)
    assert len(dataset.PixelData) == 10
    assert np.array_equal(read_frames(dataset), values)


def test_words_in_bytes():
    """16-bit values whose element says OB are read as they are."""
    values = np.arange(9, dtype=np.uint16).reshape(1, 3, 3) * 300
    dataset = image(values)
    dataset["PixelData"].VR = "OB"
    assert np.array_equal(read_frames(dataset), values)


@pytest.mark.parametrize("frames", [1, 3])
def test_number_of_frames_that_does_not_match(frames):
    """Fewer or more whole frames than Number of Frames says are an error, not a shorter array."""
    dataset = image(np.zeros((2, 4, 4), np.int16), NumberOfFrames=frames)
    with pytest.raises(PixelError, match="64 bytes of pixel data"):
        read_frames(dataset)


def test_frame_that_does_not_exist():
    """A frame beyond the last is an error that says how many there are."""
    with pytest.raises(PixelError, match="there are 2 frames"):
        read_frames(image(np.zeros((2, 4, 4), np.int16)), [2])


def test_unknown_transfer_syntax_is_named():
    """A video is refused by the name of its transfer syntax."""
    dataset = image(np.zeros((1, 4, 4), np.uint8), syntax=pydicom.uid.MPEG2MPML)
    with pytest.raises(PixelError, match=r"MPEG2.*1\.2\.840\.10008\.1\.2\.4\.100"):
        read_frames(dataset)


def test_encapsulated_data_in_a_native_syntax(tmp_path):
    """Compressed data under a native transfer syntax is refused, not taken for pixels."""
    dataset = image(
        np.zeros((1, 4, 4), np.uint8), syntax=JPEG2000Lossless, PixelData=encapsulate([b"\0" * 64])
    )
    content = saved(dataset, tmp_path / "image.dcm").read_bytes()
    native = content.replace(b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.1\0\0\0")
    (tmp_path / "image.dcm").write_bytes(native)
    with pytest.raises(PixelError, match="TransferSyntaxUID"):
        read_frames(tmp_path / "image.dcm")


def test_no_dicom_at_all(tmp_path):
    """A text, an empty file and a missing file are input errors or lack pixel data; nothing else escapes."""
    (tmp_path / "note.txt").write_text("no image here " * 20)
    (tmp_path / "empty").write_bytes(b"")
    for name in ("note.txt", "empty", "absent"):
        with pytest.raises((InputError, PixelError), match=name):
            read_frames(tmp_path / name)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("frames", [1, 2_000_000_000])
def test_huge_header_takes_no_memory(syntax, frames):
    """65535 x 65535 pixels in a few bytes fail before memory is taken."""
    few = struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\0" * 40
    if syntax == JPEG2000Lossless:
        few = real_stream("MR_small_jp2klossless.dcm")
        size = struct.pack(">2L", 65535, 65535)
        few = few[:8] + size + few[16:24] + size + few[32:]
    dataset = image(np.zeros((1, 4, 4), np.uint8), syntax=syntax, Rows=65535, Columns=65535)
    dataset.NumberOfFrames = frames
    dataset.PixelData = encapsulate([few]) if syntax.is_encapsulated else b"\0" * 16
    tracemalloc.start()
    try:
        with pytest.raises(PixelError):
            read_frames(dataset)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_deflated_file_that_inflates_without_end(tmp_path, monkeypatch):
    """A deflated data set is measured before it is kept, and refused beyond the limit."""
    dataset = image(np.zeros((1, 2000, 2000), np.uint8), syntax=DeflatedExplicitVRLittleEndian)
    path = saved(dataset, tmp_path / "deflated.dcm")
    assert path.stat().st_size < 20_000
    assert not read_frames(path).any()
    monkeypatch.setattr(pydicom_fallback, "LARGEST_INFLATED_BYTES", 3 << 20)
    with pytest.raises(PixelError, match="deflated"):
        read_frames(path)


def test_what_pydicom_says_of_a_deflated_file_stays_unsaid(tmp_path):
    """It would quote what stands where the pixels should: here text, in an unknown character set."""
    path = saved(image(np.zeros((1, 4, 4), np.uint8), syntax=DeflatedExplicitVRLittleEndian), tmp_path / "d")
    dataset = pydicom.dcmread(path)
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    del dataset.PixelData
    dataset.add_new("PixelData", "UT", b"\x1b$Z text")
    dataset.save_as(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PixelError, match="no pixel data"):
            read_frames(path)


def real_stream(name):
    dataset = pydicom.dcmread(real(name))
    return next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))


def test_extended_offset_table(tmp_path):
    """Frames are found by it, with several fragments of odd streams."""
    stream = real_stream("MR_small_jp2klossless.dcm")
    dataset = image(np.zeros((2, 64, 64), np.int16), syntax=JPEG2000Lossless)
    dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(
        [stream, stream]
    )
    found = read_frames(saved(dataset, tmp_path / "extended.dcm"))
    expected = read_frames(real("MR_small_jp2klossless.dcm"))
    assert np.array_equal(found, np.concatenate([expected, expected]))


def test_only_the_wanted_frame_is_decoded():
    """A damaged second frame does not keep the first from being read; its own error names it."""
    stream = real_stream("MR_small_jp2klossless.dcm")
    dataset = image(np.zeros((2, 64, 64), np.int16), syntax=JPEG2000Lossless)
    dataset.PixelData = encapsulate([stream, stream[:3000]])
    expected = read_frames(real("MR_small_jp2klossless.dcm"))
    assert np.array_equal(read_frames(dataset, [0]), expected)
    with pytest.raises(PixelError, match=r"data set, frame 1"):
        read_frames(dataset)


def test_ybr_needs_eight_bits():
    """YBR_FULL of 16 bits has no transform in the standard and is refused."""
    dataset = image(np.zeros((1, 4, 4, 3), np.uint16), photometric="YBR_FULL")
    with pytest.raises(PixelError, match="YBR_FULL with BitsStored 16"):
        read_frames(dataset)


def test_ybr_422_of_full_length():
    """YBR_FULL_422 with as many bytes as YBR_FULL is a wrong label, not a picture."""
    dataset = image(np.zeros((1, 4, 4, 3), np.uint8), photometric="YBR_FULL_422")
    with pytest.raises(PixelError, match="YBR_FULL_422"):
        read_frames(dataset)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_file_never_escapes(data, tmp_path_factory):
    """A file with changed bytes, or cut off, gives an array or an error of this package."""
    name = data.draw(
        st.sampled_from(
            ["MR_small_RLE.dcm", "image_dfl.dcm", "SC_rgb_small_odd_jpeg.dcm", "liver_1frame.dcm"]
        )
    )
    content = bytearray(real(name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.dcm"
    path.write_bytes(content[: data.draw(st.integers(0, 2 * len(content)))])
    try:
        assert read_frames(path).ndim in (3, 4)
    except DicomArrayError as error:
        assert "damaged.dcm" in str(error)
