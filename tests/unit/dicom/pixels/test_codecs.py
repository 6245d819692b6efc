"""Compressed frames: round trips through imagecodecs' and pydicom's encoders, and damaged streams."""

import struct

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, fragment_frame, itemize_fragment
from pydicom.pixels import get_encoder
from pydicom.uid import RLELossless

from dicomarray.errors import PixelError
from pixel_data import read_frames

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
JPEG_LS_LOSSLESS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS, JPEG_2000 = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K = (f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203))
LOSSLESS = (*JPEG_LOSSLESS, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def image(streams, shape, syntax, *, bits=8, signed=False, photometric=None, pixel_data=None, **changed):
    """A data set of compressed frames of ``shape`` (rows, columns[, 3])."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.NumberOfFrames = len(streams)
    dataset.Rows, dataset.Columns = shape[:2]
    dataset.SamplesPerPixel = 3 if len(shape) == 3 else 1
    dataset.PhotometricInterpretation = photometric or ("RGB" if len(shape) == 3 else "MONOCHROME2")
    dataset.BitsAllocated = 8 if bits <= 8 else 16 if bits <= 16 else 32
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = pixel_data or encapsulate(list(streams))
    dataset["PixelData"].VR = "OB"
    for keyword, value in changed.items():
        setattr(dataset, keyword, value)
    return dataset


def encode(frame, syntax, bits):
    """A lossless stream of one frame; JPEG and JPEG-LS take signed values as bare bits."""
    unsigned = frame.astype(frame.dtype.str.replace("i", "u")) & ((1 << bits) - 1)
    unsigned = unsigned.astype(frame.dtype.str.replace("i", "u"))
    if syntax in JPEG_LOSSLESS:
        return imagecodecs.jpeg8_encode(
            unsigned, lossless=True, predictor=1 if syntax.endswith("70") else 4, bitspersample=bits
        )
    if syntax == JPEG_LS_LOSSLESS:
        return imagecodecs.jpegls_encode(unsigned)
    if syntax == JPEG_2000_LOSSLESS:
        return imagecodecs.jpeg2k_encode(
            frame, codecformat="j2k", reversible=True, bitspersample=bits, mct=False
        )
    return imagecodecs.htj2k_encode(frame, reversible=True, rgb=False)


def encapsulated(streams, pieces, table):
    """Pixel data with every stream cut into fragments, and a Basic Offset Table, or an empty one."""
    items = [[itemize_fragment(part) for part in fragment_frame(stream, pieces)] for stream in streams]
    lengths = [sum(map(len, frame)) for frame in items]
    offsets = [sum(lengths[:n]) for n in range(len(lengths))] if table else []
    basic = struct.pack(f"<HHL{len(offsets)}L", 0xFFFE, 0xE000, 4 * len(offsets), *offsets)
    return basic + b"".join(part for frame in items for part in frame)


def smooth(shape, bits, signed=False, seed=0):
    """An image with structure, of the full range of ``bits``."""
    dtype = f"{'i' if signed else 'u'}{1 if bits <= 8 else 2 if bits <= 16 else 4}"
    ramp = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) / (shape[0] + shape[1])
    ramp = ramp[..., None] * [1, 0.7, 0.4] if len(shape) == 3 else ramp
    noise = np.random.default_rng(seed).random(shape) * 0.05
    values = np.clip((ramp + noise) * (1 << bits), 0, (1 << bits) - 1).astype(np.int64)
    return (values - (1 << bits - 1) * signed).astype(dtype)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_lossless_round_trip(data):
    """Every lossless syntax gives back what was encoded: sign, Bits Stored, colour, fragments, tables."""
    syntax = data.draw(st.sampled_from(LOSSLESS))
    colour = data.draw(st.booleans())
    signed = not colour and data.draw(st.booleans())
    bits = 8 if colour else data.draw(st.integers(4, 16))
    shape = (data.draw(st.integers(3, 40)), data.draw(st.integers(3, 40))) + (3,) * colour
    frames = [smooth(shape, bits, signed, seed) for seed in range(data.draw(st.integers(1, 3)))]
    streams = [encode(frame, syntax, bits) for frame in frames]
    pieces, table = data.draw(st.integers(1, 3)), data.draw(st.booleans())
    dataset = image(
        streams, shape, syntax, bits=bits, signed=signed, pixel_data=encapsulated(streams, pieces, table)
    )
    found = read_frames(dataset)
    assert found.dtype == frames[0].dtype
    assert np.array_equal(found, frames)


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["u1", "u2", "i2"]),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    frames=st.integers(1, 3),
    colour=st.booleans(),
    seed=st.integers(0, 99),
)
def test_rle_round_trip(dtype, rows, columns, frames, colour, seed):
    """What pydicom's RLE encoder makes is read back: 8 and 16 bits, signed and unsigned, grey and colour."""
    shape = (frames, rows, columns) + (3,) * colour
    if colour:
        dtype = dtype.replace("i", "u")
    limits = np.iinfo(dtype)
    values = np.random.default_rng(seed).integers(limits.min, limits.max, shape, dtype, endpoint=True)
    values[..., : columns // 2] = values.flat[0]
    native = image(
        [b""], shape[1:], RLELossless, bits=limits.bits, signed=dtype[0] == "i", pixel_data=b"\0\0"
    )
    encoder = get_encoder(RLELossless)
    streams = [
        encoder.encode(
            np.ascontiguousarray(frame),
            rows=rows,
            columns=columns,
            number_of_frames=1,
            samples_per_pixel=native.SamplesPerPixel,
            bits_allocated=limits.bits,
            bits_stored=limits.bits,
            pixel_representation=native.PixelRepresentation,
            photometric_interpretation=native.PhotometricInterpretation,
            planar_configuration=0,
            encoding_plugin="pydicom",  # where GDCM is installed its encoder would be taken, and may abort
        )
        for frame in values
    ]
    dataset = image(streams, shape[1:], RLELossless, bits=limits.bits, signed=dtype[0] == "i")
    assert np.array_equal(read_frames(dataset), values)


def test_jpeg_2000_without_the_sign_of_the_header():
    """An unsigned stream under a signed header is two's complement, and the reverse (as pydicom takes it)."""
    values = smooth((16, 20), 13, signed=True)
    unsigned = (values & 0x1FFF).astype(np.uint16)
    stream = imagecodecs.jpeg2k_encode(unsigned, codecformat="j2k", reversible=True, bitspersample=13)
    assert np.array_equal(
        read_frames(image([stream], (16, 20), JPEG_2000_LOSSLESS, bits=13, signed=True))[0], values
    )
    stream = imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, bitspersample=13)
    assert np.array_equal(read_frames(image([stream], (16, 20), JPEG_2000_LOSSLESS, bits=13))[0], unsigned)


def test_jpeg_2000_in_a_jp2_file():
    """A JP2 file in the pixel data, against the standard but met, is read."""
    values = smooth((16, 20), 12)
    stream = imagecodecs.jpeg2k_encode(values, codecformat="jp2", reversible=True, bitspersample=12)
    assert np.array_equal(read_frames(image([stream], (16, 20), JPEG_2000_LOSSLESS, bits=12))[0], values)


def test_lossless_jpeg_with_overlay_bits():
    """Bits above High Bit in a 16-bit lossless JPEG stream are cut off, and low ones shifted out."""
    values = smooth((16, 20), 12)
    for high_bit, words in ((11, values | 0xA000), (15, values << 4 | 0x0007)):
        stream = imagecodecs.jpeg8_encode(
            words.astype(np.uint16), lossless=True, predictor=1, bitspersample=16
        )
        dataset = image([stream], (16, 20), JPEG_LOSSLESS[1], bits=12, HighBit=high_bit)
        assert np.array_equal(read_frames(dataset)[0], values)


@pytest.mark.parametrize(("syntax", "bits"), [(JPEG_BASELINE, 8), (JPEG_EXTENDED, 8), (JPEG_EXTENDED, 12)])
def test_lossy_jpeg_is_near(syntax, bits):
    """Baseline and extended JPEG of 8 and 12 bits come back within the loss of quality 98."""
    values = smooth((40, 48), bits)
    stream = imagecodecs.jpeg8_encode(values, level=98, bitspersample=bits)
    found = read_frames(image([stream], (40, 48), syntax, bits=bits))[0]
    assert np.abs(found.astype(int) - values).max() <= (1 << bits) // 64
    assert found.dtype == values.dtype


def test_near_lossless_jpeg_ls_keeps_its_bound():
    """JPEG-LS with an allowed error of 3 differs by 3 at most."""
    values = smooth((40, 48), 16)
    stream = imagecodecs.jpegls_encode(values, level=3)
    error = np.abs(read_frames(image([stream], (40, 48), JPEG_LS_NEAR, bits=16))[0].astype(int) - values)
    assert 0 < error.max() <= 3


def test_lossy_jpeg_2000_overshoot_is_cut_off():
    """A lossy stream with more precision than Bits Stored stays within Bits Stored."""
    values = (smooth((64, 64), 12) // 2048 * 4095).astype(np.uint16)
    stream = imagecodecs.jpeg2k_encode(values, level=25, codecformat="j2k", reversible=False)
    assert imagecodecs.jpeg2k_decode(stream).max() > 4095
    assert read_frames(image([stream], (64, 64), JPEG_2000, bits=12)).max() == 4095
    with pytest.raises(PixelError, match="BitsStored 12"):
        read_frames(image([stream], (64, 64), JPEG_2000_LOSSLESS, bits=12))


@pytest.mark.parametrize("syntax", [JPEG_2000, HTJ2K])
def test_lossy_jpeg_2000_is_near(syntax):
    """Irreversible JPEG 2000 and HTJ2K come back within a small error."""
    values = smooth((40, 48), 12)
    if syntax == HTJ2K:
        stream = imagecodecs.htj2k_encode(values, level=0.0005, reversible=False)
    else:
        stream = imagecodecs.jpeg2k_encode(
            values, level=60, codecformat="j2k", reversible=False, bitspersample=12
        )
    assert np.abs(read_frames(image([stream], (40, 48), syntax, bits=12))[0].astype(int) - values).max() < 64


COLOUR = smooth((32, 32, 3), 8) // 32 * 32


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("stored", ["RGB", "YCbCr"])
def test_colour_of_lossy_jpeg_is_what_the_stream_says(stored, photometric):
    """With Adobe or JFIF markers the stream's own colour space counts, whatever the header calls it."""
    stream = imagecodecs.jpeg8_encode(
        COLOUR, level=100, colorspace="RGB", outcolorspace=stored, subsampling="444"
    )
    assert (b"Adobe" if stored == "RGB" else b"JFIF") in stream[:40]
    found = read_frames(image([stream], COLOUR.shape, JPEG_BASELINE, photometric=photometric))[0]
    assert np.abs(found.astype(int) - COLOUR).max() <= 4


def test_colour_of_bare_lossy_jpeg_is_what_the_header_says():
    """Without markers the Photometric Interpretation decides between RGB and YCbCr."""
    stream = imagecodecs.jpeg8_encode(
        COLOUR, level=100, colorspace="RGB", outcolorspace="YCbCr", subsampling="444"
    )
    length = struct.unpack(">H", stream[4:6])[0]
    bare = stream[:2] + stream[4 + length :]
    assert b"JFIF" not in bare
    as_ybr = read_frames(image([bare], COLOUR.shape, JPEG_BASELINE, photometric="YBR_FULL"))[0]
    as_rgb = read_frames(image([bare], COLOUR.shape, JPEG_BASELINE, photometric="RGB"))[0]
    assert np.abs(as_ybr.astype(int) - COLOUR).max() <= 4
    from pydicom.pixels import convert_color_space

    assert np.abs(as_rgb.astype(int) - convert_color_space(COLOUR, "RGB", "YBR_FULL")).max() <= 4


@pytest.mark.parametrize("syntax", [JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, RLELossless])
def test_ybr_full_in_lossless_streams_becomes_rgb(syntax):
    """YBR_FULL components that no codec transforms are converted as pydicom converts them."""
    from pydicom.pixels import convert_color_space

    if syntax == RLELossless:
        planes = [imagecodecs.packbits_encode(np.ascontiguousarray(COLOUR[..., n])) for n in range(3)]
        starts = np.cumsum([64, *map(len, planes)])
        stream = struct.pack("<16L", 3, *starts[:3], *[0] * 12) + b"".join(planes)
    else:
        stream = encode(COLOUR, syntax, 8)
    found = read_frames(image([stream], COLOUR.shape, syntax, photometric="YBR_FULL"))[0]
    assert np.array_equal(found, convert_color_space(COLOUR, "YBR_FULL", "RGB"))


def test_jpeg_ls_plane_after_plane():
    """A JPEG-LS stream with one scan a component (interleave mode none) is put together."""
    planes = [imagecodecs.jpegls_encode(np.ascontiguousarray(COLOUR[..., n])) for n in range(3)]
    frame_header = struct.pack(">HHBHHB", 0xFFF7, 17, 8, 32, 32, 3) + bytes((1, 17, 0, 2, 17, 0, 3, 17, 0))
    scans = b""
    for number, plane in enumerate(planes, 1):
        scan = bytearray(plane[plane.index(b"\xff\xda") : -2])
        scan[5] = number
        scans += bytes(scan)
    stream = b"\xff\xd8" + frame_header + scans + b"\xff\xd9"
    assert np.array_equal(read_frames(image([stream], COLOUR.shape, JPEG_LS_LOSSLESS))[0], COLOUR)


def _streams():
    values = smooth((32, 40), 12)
    yield JPEG_EXTENDED, imagecodecs.jpeg8_encode(values, level=95, bitspersample=12)
    for syntax in (JPEG_LOSSLESS[1], JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS):
        yield syntax, encode(values, syntax, 12 if syntax != HTJ2K_LOSSLESS else 16)
    high, low = (values >> 8).astype("u1").tobytes(), (values & 255).astype("u1").tobytes()
    segments = [imagecodecs.packbits_encode(high), imagecodecs.packbits_encode(low)]
    header = struct.pack("<16L", 2, 64, 64 + len(segments[0]), *[0] * 13)
    yield RLELossless, header + b"".join(segments)


STREAMS = dict(_streams())


@pytest.mark.parametrize("syntax", STREAMS)
@pytest.mark.parametrize("left", [0.0, 0.02, 0.3, 0.6, 0.9])
def test_truncated_stream(syntax, left):
    """A stream that stops early is an error with file and frame, never a picture with a grey rest."""
    stream = STREAMS[syntax]
    assert read_frames(image([stream], (32, 40), syntax, bits=12)).shape == (1, 32, 40)
    part = stream[: int(len(stream) * left)] + b"\0"
    with pytest.raises(PixelError, match=r"^data set, frame 1: "):
        read_frames(image([stream, part], (32, 40), syntax, bits=12))


@pytest.mark.parametrize("syntax", STREAMS)
def test_padded_stream(syntax):
    """Zero bytes after the end of a stream do no harm."""
    stream = STREAMS[syntax]
    padded = image([stream + b"\0" * 7], (32, 40), syntax, bits=12)
    assert np.array_equal(read_frames(padded), read_frames(image([stream], (32, 40), syntax, bits=12)))


@pytest.mark.parametrize("syntax", STREAMS)
@pytest.mark.parametrize("shape", [(32, 41), (31, 40), (32, 40, 3)])
def test_shape_that_differs_from_the_header(syntax, shape):
    """A stream of another size than the header says is an error, not a reshaped picture."""
    with pytest.raises(PixelError, match="frame 0"):
        read_frames(image([STREAMS[syntax]], shape, syntax, bits=12))


@pytest.mark.parametrize("syntax", [s for s in STREAMS if s != RLELossless])
def test_precision_beyond_bits_allocated(syntax):
    """A stream of 12 bits under a header of 8 is an error."""
    with pytest.raises(PixelError, match="BitsAllocated 8"):
        read_frames(image([STREAMS[syntax]], (32, 40), syntax, bits=8))


def test_jpeg_2000_beyond_what_the_decoder_keeps():
    """JPEG 2000 of more than 24 bits, which the decoder would return changed, is refused."""
    values = smooth((16, 16), 30)
    stream = imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, bitspersample=30)
    with pytest.raises(PixelError, match="bits a sample; up to 24"):
        read_frames(image([stream], (16, 16), JPEG_2000_LOSSLESS, bits=30))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_stream_never_escapes(data):
    """Changed bytes anywhere give a picture of the right shape or a PixelError, and nothing else."""
    syntax = data.draw(st.sampled_from(sorted(STREAMS)))
    damaged = bytearray(STREAMS[syntax])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, min(len(damaged) - 1, 200)))] = data.draw(st.integers(0, 255))
    try:
        assert read_frames(image([bytes(damaged)], (32, 40), syntax, bits=12)).shape == (1, 32, 40)
    except PixelError as error:
        assert "frame 0" in str(error)


@pytest.mark.parametrize("change", [("<L", 0, 3), ("<L", 4, 10), ("<L", 8, 1 << 30), ("<L", 4, 90000)])
def test_rle_header_with_faults(change):
    """RLE segment counts and offsets that cannot be are refused."""
    layout, offset, value = change
    stream = bytearray(STREAMS[RLELossless])
    struct.pack_into(layout, stream, offset, value)
    with pytest.raises(PixelError, match="RLE"):
        read_frames(image([bytes(stream)], (32, 40), RLELossless, bits=12))


def test_rle_segments_with_a_byte_too_many():
    """A segment whose rows were padded to an even length before encoding loses the padding."""
    values = smooth((3, 5), 8)
    segment = imagecodecs.packbits_encode(values.tobytes() + b"\0")
    stream = struct.pack("<16L", 1, 64, *[0] * 14) + segment
    assert np.array_equal(read_frames(image([stream], (3, 5), RLELossless))[0], values)


@pytest.mark.parametrize(
    "tail", [b"\x20", b"\x05\x01", b"\x7f" * 60, b"\xff\xff\xff", b"\0" * 700, b"\x20" * 701 + b"\0"]
)
def test_rle_bytes_behind_the_last_pixel(tail):
    """They are padding, whatever they hold, in each segment; the reader notes them."""
    values = smooth((6, 9), 16)
    parts = [
        b"".join(bytes([len(row) - 1]) + row.tobytes() for row in plane) + tail
        for plane in ((values >> 8).astype("u1"), (values & 255).astype("u1"))
    ]
    header = struct.pack("<16L", 2, 64, 64 + len(parts[0]), *[0] * 13)
    dataset = image([header + b"".join(parts)], (6, 9), RLELossless, bits=16)
    assert np.array_equal(read_frames(dataset)[0], values)


def test_rle_rows_behind_the_last_pixel():
    """So many bytes are no padding: Rows are another number than was encoded."""
    values = smooth((40, 30), 8)
    segment = b"".join(bytes([29]) + row.tobytes() for row in values)
    stream = struct.pack("<16L", 1, 64, *[0] * 14) + segment
    with pytest.raises(PixelError, match="RLE segment 0"):
        read_frames(image([stream], (30, 30), RLELossless))
