"""The conformance statement says what the code does."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from pydicom.uid import UID_dictionary

from dicomarray.dicom.pixels.codecs import COMPRESSIONS
from dicomarray.dicom.pixels.encoder import SYNTAXES as WRITTEN
from dicomarray.dicom.segment_objects import LABEL_MAP, SEGMENTATION, STRUCTURE_SET
from dicomarray.dicom.transfer_syntaxes import EXPLICIT_LITTLE_ENDIAN, NATIVE_SYNTAXES
from dicomarray.errors import TemplateError
from dicomarray.objects.derived_image.image_classes import image_class, is_multiframe
from dicomarray.pipeline.options import ListenOptions
from dicomarray.sinks.dimse import LABEL_MAP as LABEL_MAP_SENT
from dicomarray.sources.dimse import FURTHER_INSTANCE_KEYS, INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS
from dicomarray.sources.dimse_instances import SYNTAXES
from dicomarray.sources.listener import DUPLICATE
from dicomarray.storage.dimse import (
    CALLING,
    FIND,
    GET,
    MAX_PDU_BYTES,
    MOVE,
    TIMEOUT_SECONDS,
    VERIFICATION,
)

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "conformance.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, up to the next of its kind."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,3}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[2]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's tables, without marks."""
    lines = re.findall(r"^\| (.*) \|$", section(title), re.MULTILINE)
    return [[cell.strip().strip("`") for cell in line.split(" | ")] for line in lines]


def test_transfer_syntaxes_are_those_of_the_code() -> None:
    """Each that is read or written stands there, and none else."""
    syntaxes = {row[1]: (row[2], row[3]) for row in rows("Transfer syntaxes") if row[0] != "name"}
    written = {EXPLICIT_LITTLE_ENDIAN, *map(str, WRITTEN.values())}
    assert syntaxes.keys() == {*SYNTAXES} == {*NATIVE_SYNTAXES, *COMPRESSIONS}
    assert {uid for uid, (_, yes) in syntaxes.items() if yes == "yes"} == written
    assert {read for read, _ in syntaxes.values()} == {"yes"}


def test_created_classes_are_those_of_the_code() -> None:
    """Each class that an object is created of stands there, and none else."""
    stated = {row[1] for row in rows("Objects that are created") if row[0] != "SOP class"}
    derived = set()
    for uid in UID_dictionary:
        with suppress(TemplateError):
            image_class(uid, "", enhanced=is_multiframe(uid))
            derived.add(uid)
    assert stated == {*derived, SEGMENTATION, LABEL_MAP, STRUCTURE_SET}
    assert LABEL_MAP_SENT == LABEL_MAP


def test_queries_are_those_of_the_code() -> None:
    """The keys of each level, and the classes of query and retrieval."""
    stated = {row[0]: row[1] for row in rows("Query and retrieval (SCU)")}
    for level, keys in (
        ("STUDY", STUDY_KEYS),
        ("SERIES", SERIES_KEYS),
        ("IMAGE", INSTANCE_KEYS),
        ("IMAGE, where a filter config asks them", FURTHER_INSTANCE_KEYS),
    ):
        assert tuple(re.findall(r"\w+", stated[level])) == keys
    assert [row[1] for row in rows("Query and retrieval (SCU)") if row[0].startswith("Study Root")] == [
        FIND,
        MOVE,
        GET,
    ]
    assert VERIFICATION in section("Verification")


def test_limits_are_those_of_the_code() -> None:
    """Defaults of associations, and the statuses that we answer with."""
    stated = {row[0]: row[1:] for row in rows("Association policies")}
    options = ListenOptions()
    assert stated["associations at once"][1] == f"{options.max_associations}, settable"
    assert stated["maximum PDU that is received"][0] == f"{MAX_PDU_BYTES} bytes"
    assert stated["silence after which it gives up"] == [
        f"{TIMEOUT_SECONDS:g} s, settable",
        f"{options.silence:g} s, settable",
    ]
    assert stated["AE title"][0].startswith(f"`{CALLING}`") or stated["AE title"][0].startswith(CALLING)
    answers = {row[0] for row in rows("Storage (SCP)")}
    assert {"0000", f"{DUPLICATE:04X}", "A700", "A900", "abort"} <= answers
