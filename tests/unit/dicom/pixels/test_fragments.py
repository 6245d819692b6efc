"""Which fragments make which frame (PS3.5 A.4), and pixel data sequences with faults."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_frames

from dicomarray.dicom.pixels.location import EncapsulationError, frame_fragments, read_fragments

DELIMITER = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def item(value):
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


def frames_of(content, frames, extended=None):
    stream = BytesIO(content)
    found, _ = frame_fragments(stream, 0, len(content), frames, extended)
    return [read_fragments(stream, fragments) for fragments in found]


@given(
    streams=st.lists(
        st.binary(min_size=4, max_size=30).map(lambda s: s + b"\xff\xd9"), min_size=1, max_size=4
    ),
    pieces=st.integers(1, 3),
    table=st.booleans(),
)
def test_frames_equal_pydicom(streams, pieces, table):
    """The frames are those that pydicom generates from the same sequence."""
    pieces = pieces if table else 1
    content = encapsulate(streams, fragments_per_frame=pieces, has_bot=table)
    expected = list(generate_frames(content, number_of_frames=len(streams)))
    assert frames_of(content, len(streams)) == expected
    assert frames_of(content + DELIMITER + b"trailing", len(streams)) == expected


def test_frames_without_table_end_at_their_markers():
    """Several fragments a frame and no table: a frame ends with its stream, even cut in the marker."""
    padded = item(b"aa") + item(b"b\xff\xd9\0")
    cut = item(b"ccc\xff") + item(b"\xd9\0")
    assert frames_of(item(b"") + padded + cut, 2) == [b"aab\xff\xd9\0", b"ccc\xff\xd9\0"]
    assert frames_of(item(b"") + cut, 1) == [b"ccc\xff\xd9\0"]


def test_extended_table_counts():
    """The Extended Offset Table splits what the empty basic one does not."""
    content = item(b"") + item(b"aa") + item(b"bb") + item(b"cc")
    assert frames_of(content, 2, (0, 20)) == [b"aabb", b"cc"]


@pytest.mark.parametrize(
    ("content", "frames", "message"),
    [
        (b"", 1, "empty"),
        (item(b""), 1, "0 fragments"),
        (item(b"") + item(b"aa"), 2, "1 fragments cannot make the 2 frames"),
        (item(b"") + item(b"aa")[:-1], 1, "truncated"),
        (item(b"") + b"\x08\x00\x18\x00" + b"\4\0\0\0abcd", 1, r"\(0008,0018\)"),
        (item(b"abc") + item(b"aa"), 1, "Basic Offset Table"),
        (item(struct.pack("<2L", 0, 10)) + item(b"aa") * 3, 1, "lists 2 frames"),
        (item(struct.pack("<2L", 0, 11)) + item(b"aa") * 3, 2, "byte 11"),
        (item(struct.pack("<2L", 10, 0)) + item(b"aa") * 3, 2, "order"),
        (item(b"") + item(b"aa\xff\xd9") * 3, 2, "3 complete images"),
        (item(b"") + item(b"aa\xff\xd9") * 3, 1, "3 complete images"),
        (item(b"") + item(b"aaaa") * 3, 2, "0 complete images"),
        (item(b"") + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF), 1, "truncated"),
    ],
)
def test_sequence_with_faults(content, frames, message):
    """A sequence that does not make the frames of the header is refused with the reason."""
    with pytest.raises(EncapsulationError, match=message):
        frames_of(content, frames)
