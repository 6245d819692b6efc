"""JPEG data that ends early, or whose restart markers are lost: libjpeg warns, and so do we."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLosslessSV1

from dicomarray import Volume, load
from synthetic import write_series

ROWS, COLUMNS = np.mgrid[:64, :80]
NOISE = np.random.default_rng(0).normal(0, 5, (64, 80))
GREY = ((np.sin(COLUMNS / 7) + np.cos(ROWS / 9)) * 50 + 120 + NOISE).clip(0, 255).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)
END = b"\xff\xd9"


def baseline(pixels: Any = GREY) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, level=90))


def lossless() -> bytes:
    return bytes(imagecodecs.jpeg8_encode(GREY.astype(np.uint16) * 16, lossless=True, bitspersample=16))


def twelve_bits() -> bytes:
    return bytes(imagecodecs.jpeg8_encode(GREY.astype(np.uint16) * 16, level=90, bitspersample=12))


def restarted(pixels: Any = GREY) -> bytes:
    """With a restart marker every two rows of blocks."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90, restart_marker_rows=2, subsampling=0)
    return stream.getvalue()


STREAMS = {
    "baseline": (baseline, JPEGBaseline8Bit, GREY),
    "colour": (lambda: baseline(COLOUR), JPEGBaseline8Bit, COLOUR),
    "12 bits": (twelve_bits, JPEGExtended12Bit, GREY.astype(np.uint16) * 16),
    "lossless": (lossless, JPEGLosslessSV1, GREY.astype(np.uint16) * 16),
    "restarted": (restarted, JPEGBaseline8Bit, GREY),
    "restarted colour": (lambda: restarted(COLOUR), JPEGBaseline8Bit, COLOUR),
    "flat grey": (lambda: baseline(np.full((64, 80), 128, np.uint8)), JPEGBaseline8Bit, GREY),
    "black": (lambda: baseline(np.zeros((64, 80), np.uint8)), JPEGBaseline8Bit, GREY),
}


def read(folder: Path, stream: bytes, name: str) -> Volume:
    """A secondary capture of one frame with this stream."""
    _, syntax, pixels = STREAMS[name]
    (file,) = write_series(
        folder, pixels[np.newaxis], modality="SC", bits_stored=12 if name == "12 bits" else None
    )
    data_set = dcmread(file)
    data_set.file_meta.TransferSyntaxUID = syntax
    if pixels.ndim == 3:
        data_set.PhotometricInterpretation = "YBR_FULL"
    data_set.PixelData = encapsulate([stream])
    data_set["PixelData"].VR = "OB"
    data_set.save_as(file)
    return load(folder)


SHORT, RESTARTS = "decoder-filled", "decoder-restarts"


def told(volume: Volume) -> set[str]:
    return {warning.code for warning in volume.warnings} & {SHORT, RESTARTS}


@pytest.mark.parametrize("name", STREAMS)
def test_whole_streams(tmp_path: Path, name: str) -> None:
    """Nothing is said of them, also where an image ends in grey or black."""
    assert not told(read(tmp_path, STREAMS[name][0](), name))


@pytest.mark.parametrize("cut", [100, 500, 1000])
@pytest.mark.parametrize("name", ["baseline", "colour", "12 bits", "lossless", "restarted"])
def test_data_that_ends_early(tmp_path: Path, name: str, cut: int) -> None:
    """The end marker is there, and data before it is not."""
    volume = read(tmp_path, STREAMS[name][0]()[: -2 - cut] + END, name)
    assert told(volume)
    assert any("(1 of 1 images)" in warning for warning in volume.warnings)


def test_lossy_compression_is_told(tmp_path: Path) -> None:
    """By the transfer syntax too, where the header forgets to say so; lossless is none."""
    assert any("with loss" in warning for warning in read(tmp_path / "a", baseline(), "baseline").warnings)
    assert not any(
        "with loss" in warning for warning in read(tmp_path / "b", lossless(), "lossless").warnings
    )


@pytest.mark.parametrize(("bits", "overshot"), [(10, True), (12, False)])
def test_overshoot_that_is_cut_off(tmp_path: Path, bits: int, overshot: bool) -> None:
    """A stream of 12 bits for values of 10, whose edges swing beyond them."""
    pixels = np.tile(np.array([0, 1023], np.uint16), (16, 8))
    (file,) = write_series(tmp_path, pixels[np.newaxis], modality="SC", bits_stored=bits)
    data_set = dcmread(file)
    data_set.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    stream = bytes(imagecodecs.jpeg8_encode(pixels, level=30, bitspersample=12))
    data_set.PixelData = encapsulate([stream])
    data_set["PixelData"].VR = "OB"
    data_set.save_as(file)
    volume = load(tmp_path)
    assert (volume.array.max() > 1023) != overshot
    assert any("overshot" in warning and "BitsStored" in warning for warning in volume.warnings) == overshot


def restarts_of(stream: bytes) -> list[int]:
    scan = stream.index(b"\xff\xda")
    return [
        at for at in range(scan, len(stream) - 1) if stream[at] == 0xFF and 0xD0 <= stream[at + 1] <= 0xD7
    ]


def test_a_lost_restart_marker(tmp_path: Path) -> None:
    """It is told where one is missing or counts wrongly."""
    stream = restarted()
    place = restarts_of(stream)[1]
    assert told(read(tmp_path / "lost", stream[:place] + stream[place + 2 :], "restarted")) == {RESTARTS}
    swapped = stream[: place + 1] + b"\xd5" + stream[place + 2 :]
    assert told(read(tmp_path / "swapped", swapped, "restarted")) == {RESTARTS}


def test_an_interval_that_ends_early(tmp_path: Path) -> None:
    """Its rest is grey, and what follows is right."""
    stream = restarted()
    place = restarts_of(stream)[0]
    assert told(read(tmp_path, stream[: place - 300] + stream[place:], "restarted")) == {SHORT}
