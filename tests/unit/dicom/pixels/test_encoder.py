"""Lossless compression: every codec, every kind of stored value, and readers that others wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.pixels.utils import get_j2k_parameters

import oracles
import synthetic
from dicomarray.core.options import choices_of
from dicomarray.core.pixel_values import StoredType
from dicomarray.dicom.pixels.codecs import COMPRESSIONS
from dicomarray.dicom.pixels.encoder import (
    SYNTAXES,
    check_compression,
    compress_frame,
    compress_pixels,
    photometric,
    set_compressed,
)
from dicomarray.dicom.pixels.reader import read_frames
from dicomarray.errors import PixelError, TemplateError, UsageError
from dicomarray.objects.common.options import WriteOptions

NAMES = sorted(SYNTAXES)
KINDS = {
    "unsigned 8": StoredType(8, 8, False),
    "unsigned 12": StoredType(16, 12, False),
    "unsigned 16": StoredType(16, 16, False),
    "signed 12": StoredType(16, 12, True),
    "signed 16": StoredType(16, 16, True),
}


def noise(stored: StoredType, shape: tuple[int, ...], seed: int = 1) -> NDArray[Any]:
    """Values over the whole stored range, both ends among them; hardest for a codec."""
    random = np.random.default_rng(seed)
    values = random.integers(stored.minimum, stored.maximum, shape, np.int64, endpoint=True)
    values.flat[0], values.flat[-1] = stored.minimum, stored.maximum
    return values.astype(stored.dtype)


def write(folder: Path, images: NDArray[Any], stored: StoredType, name: str) -> list[Path]:
    """A small series of grey (MR) or colour (SC) images, compressed."""
    colour = images.ndim == 4
    synthetic.write_series(folder, images[..., 0] if colour else images, modality="SC" if colour else "MR")
    files = sorted(folder.rglob("*.dcm"))
    for file, image in zip(files, images, strict=True):
        dataset = pydicom.dcmread(file)
        dataset.BitsAllocated, dataset.BitsStored = stored.bits_allocated, stored.bits_stored
        dataset.HighBit, dataset.PixelRepresentation = stored.bits_stored - 1, int(stored.signed)
        if colour:
            dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
            dataset.PhotometricInterpretation = "RGB"
        syntax = set_compressed(dataset, [compress_frame(image, stored, name)], name)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(file)
    return files


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_image_of_every_kind_survives(data: st.DataObject) -> None:
    """What a codec makes decodes to the same values; the codec's own check would raise."""
    name = data.draw(st.sampled_from(NAMES))
    allocated = data.draw(st.sampled_from([8, 16, 32] if name == "rle" else [8, 16]))
    signed = data.draw(st.booleans())
    stored = StoredType(allocated, data.draw(st.integers(2 if signed else 1, allocated)), signed)
    shape = (data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70)))
    shape += (3,) if data.draw(st.booleans()) else ()
    image = noise(stored, shape, data.draw(st.integers(0, 9)))
    if data.draw(st.booleans()):
        image[image > 0] = 0
    stream = compress_frame(image, stored, name)
    if name == "jpeg-ls":
        decoded = imagecodecs.jpegls_decode(stream).view(image.dtype)
    elif name == "rle":
        planes = imagecodecs.dicomrle_decode(stream, image.dtype.newbyteorder("<"))
        words = np.frombuffer(planes, image.dtype)
        decoded = np.moveaxis(words.reshape(-1, *shape[:2]), 0, -1).reshape(shape)
    else:
        decoded = imagecodecs.jpeg2k_decode(stream)
    np.testing.assert_array_equal(decoded, image)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_readers_agree(name: str, kind: str, tmp_path: Path) -> None:
    """Our own reader, pydicom (where it has a decoder), SimpleITK and dcm2niix read the same values."""
    stored = KINDS[kind]
    images = noise(stored, (3, 20, 24))
    files = write(tmp_path / "series", images, stored, name)
    for file, image in zip(files, images, strict=True):
        np.testing.assert_array_equal(read_frames(file, [0])[0], image)
        dataset = pydicom.dcmread(file)
        decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
        for plugin in decoder.available_plugins:
            np.testing.assert_array_equal(decoder.as_array(dataset, decoding_plugin=plugin)[0], image)
    np.testing.assert_array_equal(oracles.simpleitk(files).array, images)
    np.testing.assert_array_equal(oracles.dcm2niix(files).array, images)


@pytest.mark.parametrize("name", NAMES)
def test_readers_agree_on_colour(name: str, tmp_path: Path) -> None:
    """Colour comes back as RGB from our own reader, pydicom and SimpleITK."""
    stored = KINDS["unsigned 8"]
    images = noise(stored, (1, 20, 24, 3))
    (file,) = write(tmp_path / "series", images, stored, name)
    np.testing.assert_array_equal(read_frames(file, [0]), images)
    dataset = pydicom.dcmread(file)
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    for plugin in decoder.available_plugins:
        np.testing.assert_array_equal(decoder.as_array(dataset, decoding_plugin=plugin)[0], images[0])
    assert dataset.PhotometricInterpretation == photometric("RGB", name)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(file))).squeeze(), images[0])


@pytest.mark.parametrize("name", ["jpeg-2000", "htj2k"])
@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_2000_says_precision_and_sign(name: str, kind: str) -> None:
    """The stream has Bits Stored and Pixel Representation of the header (PS3.5 8.2.4)."""
    stored = KINDS[kind]
    found = get_j2k_parameters(compress_frame(noise(stored, (9, 7)), stored, name))
    assert (found["precision"], found["is_signed"]) == (stored.bits_stored, stored.signed)


def test_rle_is_what_the_standard_says() -> None:
    """A segment of even length for each byte, highest first, and no run over the end of a row (PS3.5 G)."""
    stream = compress_frame(np.full((2, 3), 0x0102, np.uint16), KINDS["unsigned 16"], "rle")
    assert np.frombuffer(stream[:64], "<u4").tolist() == [2, 64, 68] + [0] * 13
    assert stream[64:] == b"\xfe\x01\xfe\x01" + b"\xfe\x02\xfe\x02"


def test_frames_are_compressed_in_order() -> None:
    """Threads give the streams back in the order of the frames."""
    images = noise(KINDS["unsigned 12"], (7, 12, 10))
    header = pydicom.Dataset()
    header.PhotometricInterpretation = "MONOCHROME2"
    compress_pixels(header, images, KINDS["unsigned 12"], "jpeg-ls", "series")
    streams = generate_frames(header.PixelData, number_of_frames=7)
    np.testing.assert_array_equal([imagecodecs.jpegls_decode(stream) for stream in streams], images)


def test_encapsulated_frames_are_found_again() -> None:
    """Each frame is one fragment of even length with its offset in the table."""
    dataset = pydicom.Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    assert set_compressed(dataset, [b"odd", b"even", b"x"], "rle") == SYNTAXES["rle"]
    assert dataset["PixelData"].is_undefined_length
    frames = list(generate_frames(dataset.PixelData, number_of_frames=3))
    assert frames == [b"odd\0", b"even", b"x\0"]
    assert np.frombuffer(dataset.PixelData[8:20], "<u4").tolist() == [0, 12, 24]


def test_a_codec_that_changes_values_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that decodes to something else is an error that names frame and codec."""
    encode = imagecodecs.jpegls_encode
    monkeypatch.setattr(
        imagecodecs, "jpegls_encode", lambda image, *rest, **more: encode(image ^ 1, *rest, **more)
    )
    with pytest.raises(PixelError, match="frame 1: the jpeg-ls codec changed the values"):
        compress_pixels(
            pydicom.Dataset(), np.zeros((2, 4, 4), np.uint8), KINDS["unsigned 8"], "jpeg-ls", "series"
        )


def test_a_codec_that_fails_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a codec raises comes back as PixelError."""

    def broken(*_: object, **__: object) -> bytes:
        raise imagecodecs.JpeglsError("no", 1)

    monkeypatch.setattr(imagecodecs, "jpegls_encode", broken)
    with pytest.raises(PixelError, match="slice 3: the jpeg-ls codec failed"):
        compress_frame(np.zeros((4, 4), np.uint8), KINDS["unsigned 8"], "jpeg-ls", "slice 3")


def test_every_codec_can_be_chosen_and_read() -> None:
    """What is written by a name can be asked for by it, and its transfer syntax is read."""
    assert {"none", *SYNTAXES} == set(choices_of(WriteOptions)["compress"])
    assert {str(uid) for uid in SYNTAXES.values()} <= COMPRESSIONS.keys()


def test_what_a_codec_cannot_hold_is_refused() -> None:
    """32 bits go into RLE only, floating point numbers nowhere, and an unknown codec is named."""
    check_compression(StoredType(32, 32, True), "rle")
    for name in ("jpeg-ls", "jpeg-2000", "htj2k"):
        with pytest.raises(TemplateError, match=f"{name}.*16 bits.*BitsAllocated 32.*choose rle"):
            check_compression(StoredType(32, 20, False), name)
    with pytest.raises(TemplateError, match="floating point"):
        check_compression(StoredType(32, 32, True, floating=True), "rle")
    with pytest.raises(UsageError, match=r"zip.*rle, jpeg-ls, jpeg-2000, htj2k"):
        check_compression(StoredType(8, 8, False), "zip")
