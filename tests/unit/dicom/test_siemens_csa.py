"""CSA headers and protocol texts, against nibabel's reader and a writer of our own, and with faults."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.nicom import csareader

import mosaic_files
from dicomarray.dicom.siemens_csa import parse_csa, parse_protocol
from dicomarray.errors import HeaderError

NIBABEL_DATA = Path(nibabel.__file__).parent / "nicom" / "tests" / "data"
ELEMENTS = {"NumberOfImagesInMosaic": ("36",), "SliceNormalVector": ("0.0", "-0.1", "0.99"), "B_matrix": ()}
SV10 = mosaic_files.encode_csa(ELEMENTS)


@pytest.mark.parametrize("form", ["SV10", "old", "spm"])
def test_every_form_reads_back(form: str) -> None:
    """The newer form and both variants of the older one give the elements that were written."""
    elements = parse_csa(mosaic_files.encode_csa(ELEMENTS, form))
    assert elements == {"EchoLinePosition": ("64",), **ELEMENTS}


@given(
    st.dictionaries(
        st.text("abcXYZ_", min_size=1, max_size=63),
        st.lists(st.text("0123456789.-e", min_size=1, max_size=30), max_size=8),
        max_size=6,
    )
)
def test_what_is_written_reads_back(elements: dict[str, list[str]]) -> None:
    """Any elements with any number of values come back."""
    read = parse_csa(mosaic_files.encode_csa(elements))
    assert {name: list(values) for name, values in read.items() if name != "EchoLinePosition"} == elements


@pytest.mark.parametrize(
    "name", ["csa2_b0.bin", "csa2_b1000.bin", "csa2_zero_len.bin.gz", "csa_str_valid.bin"]
)
def test_real_headers_like_nibabel(name: str) -> None:
    """Names and values of headers from scanners equal nibabel's."""
    raw = (NIBABEL_DATA / name).read_bytes()
    raw = gzip.decompress(raw) if name.endswith(".gz") else raw
    expected = csareader.read(raw)["tags"]
    elements = parse_csa(raw)
    assert list(elements) == list(expected)
    for element, values in elements.items():
        theirs = [item for item in expected[element]["items"] if item != ""]
        if theirs and isinstance(theirs[0], str):
            assert list(values) == [item.strip() for item in theirs]
        else:
            np.testing.assert_array_equal([float(value) for value in values], theirs)


@pytest.mark.parametrize("form", ["SV10", "old", "spm"])
def test_cut_short(form: str) -> None:
    """A header that ends anywhere before its last item is refused, whatever the place."""
    whole = mosaic_files.encode_csa({"A": ["1"], "B": ["22", "333"]}, form)
    last_item = whole.rindex(b"333")
    for size in range(last_item):
        with pytest.raises(HeaderError):
            parse_csa(whole[:size])


@pytest.mark.parametrize(
    ("offset", "number"),
    [(8, 0xFFFFFFFF), (16 + 64 + 12, 0x7FFFFFFF), (16 + 84, 0x7FFFFFFF), (16 + 84 + 4, 0x7FFFFFF0)],
    ids=["elements", "items", "length-once", "length"],
)
def test_numbers_larger_than_the_header(offset: int, number: int) -> None:
    """A count or length beyond the bytes that are there is refused, without taking memory for it."""
    raw = bytearray(SV10)
    for place in (offset, 16 + 84, 16 + 84 + 4, 16 + 84 + 12) if offset == 16 + 84 + 4 else (offset,):
        raw[place : place + 4] = number.to_bytes(4, "little")
    if offset == 16 + 84:
        assert parse_csa(bytes(raw))["EchoLinePosition"] == ("64",)  # the second number is the length
    else:
        with pytest.raises(HeaderError, match="damaged CSA header"):
            parse_csa(bytes(raw))


def test_negative_length() -> None:
    """A negative length does not send the reader backwards."""
    raw = bytearray(SV10)
    for place in (16 + 84, 16 + 84 + 4, 16 + 84 + 12):
        raw[place : place + 4] = (-16).to_bytes(4, "little", signed=True)
    with pytest.raises(HeaderError, match="an item of -16 bytes"):
        parse_csa(bytes(raw))


def test_other_bytes_are_no_header() -> None:
    """What is no CSA header says so."""
    with pytest.raises(HeaderError, match="no CSA header"):
        parse_csa(b"STEP;HEADER;FILE_DESCRIPTION")


@given(
    st.integers(0, len(SV10) - 1), st.binary(min_size=1, max_size=8), st.sampled_from(["SV10", "old", "spm"])
)
def test_damage_is_an_error_of_ours(place: int, damage: bytes, form: str) -> None:
    """Any damage: elements come back, or a HeaderError; never anything else."""
    raw = bytearray(mosaic_files.encode_csa(ELEMENTS, form))
    raw[place : place + len(damage)] = damage
    try:
        parse_csa(bytes(raw))
    except HeaderError:
        return


# --- protocol text ----------------------------------------------------------------------------------------

CENTRES = np.array([[0.0, 0.0, -3.5], [0.0, 0.0, 0.0], [0.0, 1.25, 3.5]])


@pytest.mark.parametrize(
    "wrap", [lambda text: text, mosaic_files.series_csa], ids=["alone", "in a CSA header"]
)
def test_protocol_slices(wrap: object) -> None:
    """Number and centres of the slices; what has no line is 0."""
    slices = parse_protocol(wrap(mosaic_files.protocol_text(CENTRES)))  # type: ignore[operator]
    assert slices is not None and slices.count == 3
    np.testing.assert_allclose(slices.positions, CENTRES)
    np.testing.assert_allclose(slices.middle, [0, 1.25 / 3, 0])


def test_protocol_in_the_older_spelling() -> None:
    """Blanks around the sign, hexadecimal numbers, and the number of slices after them."""
    text = b"### ASCCONV BEGIN ###\nsSliceArray.asSlice[0].sPosition.dTra    = -7.5e1\n"
    text += b"sSliceArray.asSlice[1].sPosition.dTra    = -72\nsSliceArray.lSize          = 0x2\n"
    slices = parse_protocol(text)
    assert slices is not None and slices.positions == ((0, 0, -75), (0, 0, -72))


def test_protocol_of_a_slab() -> None:
    """A 3-D measurement: one slab, as many images as it has partitions."""
    more = "sKSpace.ucDimension\t = \t0x4\nsKSpace.lImagesPerSlab\t = \t24"
    slices = parse_protocol(mosaic_files.protocol_text(CENTRES[:1], more))
    assert slices is not None and slices.count == 24 and slices.middle == (0, 0, -3.5)


def test_protocol_like_nibabel() -> None:
    """The slices of a real protocol are those that nibabel finds."""
    from nibabel.nicom.ascconv import parse_ascconv

    text = (NIBABEL_DATA / "ascconv_sample.txt").read_text()
    theirs, _ = parse_ascconv(text, '""')
    array = theirs["sSliceArray"]
    slices = parse_protocol(text.encode("latin-1"))
    assert slices is not None and len(slices.positions) == array["lSize"]
    for ours, expected in zip(slices.positions, array["asSlice"], strict=False):
        position = expected.get("sPosition", {})
        assert ours == tuple(float(position.get(axis, 0)) for axis in ("dSag", "dCor", "dTra"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"### ASCCONV BEGIN",
        b"### ASCCONV BEGIN ###\nsSliceArray.lSize = 4000000000\n### ASCCONV END ###",
        b"### ASCCONV BEGIN ###\nsSliceArray.lSize = 1e999\n### ASCCONV END ###",
        b"### ASCCONV BEGIN ###\nsSliceArray.lSize = ...\n### ASCCONV END ###",
        b"### ASCCONV BEGIN ###\nsSliceArray.lSize = 1\nsSliceArray.asSlice[0].sPosition.dTra = 1e300\n",
        b"### ASCCONV BEGIN ###\nsSliceArray.lSize = 1\nsSliceArray.asSlice[0].sPosition.dTra = 1.2.3\n",
        b"sSliceArray.lSize = 1\nsSliceArray.asSlice[0].sPosition.dTra = 1\n",
    ],
)
def test_no_slices_in_the_protocol(text: bytes) -> None:
    """No text, no slices, or numbers that cannot be: None, without taking memory for them."""
    assert parse_protocol(text) is None
