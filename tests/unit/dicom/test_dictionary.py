"""The data dictionary says what pydicom's says, and pydicom is not imported for it."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import pytest
from pydicom import charset, datadict

from dicomarray.dicom.dictionary import keyword_for_tag, tag_for_keyword, vr_for_tag
from dicomarray.dicom.vr import ENCODINGS, decode, encodings_of

ODD_TAGS = (
    0x00100010,
    0x60003000,
    0x50000005,
    0x00280000,
    0x00091001,
    0x00090010,
    0x12345678,
    0xFFFEE000,
    0x002031AB,
)


def vr_or_none(ask: object, tag: int) -> str | None:
    try:
        return ask(tag)  # type: ignore[operator]
    except KeyError:
        return None


def test_the_dictionary_is_pydicoms_without_pydicom() -> None:
    """Every keyword has pydicom's tag and VR, odd tags its name, in a process that never imports pydicom."""
    code = (
        "import json, sys, dicomarray.dicom.dictionary as d;"
        "asked = d.vr_for_tag, d.is_retired, d.keyword_for_tag;"
        "known = [[n, t, *(ask(t) for ask in asked)] for n, t in d.keywords().items()];"
        f"odd = [d.keyword_for_tag(tag) for tag in {ODD_TAGS}];"
        "print(json.dumps([known, odd, 'pydicom' in sys.modules]))"
    )
    known, odd, imported = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    theirs = [
        [name, tag, datadict.dictionary_VR(tag), datadict.dictionary_is_retired(tag), name]
        for name, tag in datadict.keyword_dict.items()
        if name
    ]
    assert known == theirs
    assert odd == [datadict.keyword_for_tag(tag) for tag in ODD_TAGS]
    assert not imported


@pytest.mark.parametrize("tag", ODD_TAGS)
def test_a_tag_is_called_as_pydicom_calls_it(tag: int) -> None:
    """Repeating groups, group lengths, private and unknown tags are called so, too."""
    assert keyword_for_tag(tag) == datadict.keyword_for_tag(tag)
    assert vr_or_none(vr_for_tag, tag) == vr_or_none(datadict.dictionary_VR, tag)


def test_every_keyword_has_pydicoms_tag() -> None:
    """Keywords of the whole dictionary have it, and an unknown one has None."""
    assert all(tag_for_keyword(name) == tag for name, tag in datadict.keyword_dict.items() if name)
    assert tag_for_keyword("NoSuchThing") is None


@pytest.mark.parametrize("character_set", [*ENCODINGS, "ISO 2022 IR 87", "ISO-IR 100", "nonsense"])
def test_character_sets_are_pydicoms(character_set: str) -> None:
    """Those of our own table, and what is left to pydicom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert encodings_of((character_set,)) == tuple(charset.convert_encodings([character_set]))


@pytest.mark.parametrize("character_set", ENCODINGS)
def test_bytes_become_the_text_that_pydicom_makes(character_set: str) -> None:
    """Every single byte, and bytes that are no text in the character set."""
    encodings = encodings_of((character_set,))
    samples = [bytes((byte,)) for byte in range(0x80, 0x100)] + [b"\xe4\xb8\xad", b"M\xfcller", b"a\xff\xfe"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for raw in samples:
            theirs = charset.decode_bytes(raw, list(encodings), set())
            assert decode("LT", raw, True, encodings) == (theirs.rstrip(" \0") or None)
