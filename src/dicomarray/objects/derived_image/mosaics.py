"""What stays in the header of a mosaic beside all else, since nothing else tells its slices apart."""

from __future__ import annotations

from dataclasses import replace

from pydicom.dataset import Dataset

from dicomarray.dicom.private_tags import bytes_of
from dicomarray.dicom.siemens_csa import MAGIC
from dicomarray.errors import TemplateError
from dicomarray.objects.common.options import WriteOptions, private_block
from dicomarray.objects.derived_image.strip_attributes import kept_tags
from dicomarray.storage.references import Reference

# Siemens: how many slices, which way they follow each other, when each was acquired; UIH: the place of each.
# They describe the acquisition, and no pixel values.
_BLOCKS = (
    "(0019,SIEMENS MR HEADER)",
    "(0029,SIEMENS CSA HEADER)",
    "(0051,SIEMENS MR HEADER)",
    "(0065,Image Private Header)",
)


def for_mosaics(options: WriteOptions) -> WriteOptions:
    """The options for a template of mosaics: its private headers stay, and so does the equipment.

    Readers know by Manufacturer whose mosaic it is: without it dcm2niix finds its slices, in other places.
    """
    return replace(options, keep_private=(*options.keep_private, *_BLOCKS), equipment="keep")


def check_headers(header: Dataset, path: Reference) -> None:
    """Raise TemplateError where the CSA header that places a mosaic's slices would not stay.

    Reading finds one that was moved, or whose creator was removed; nobody could who reads what is written.
    """
    kept = set(kept_tags(header, [private_block(block) for block in _BLOCKS]))
    private = [tag for tag in header.keys() if tag.is_private]  # noqa: SIM118 - which parses nothing
    found = [tag for tag in private if bytes_of(header, tag).startswith(MAGIC)]
    if found and kept.isdisjoint(found):
        raise TemplateError(
            f"{path}: the Siemens CSA header stands in ({found[0].group:04X},{found[0].element:04X}) without "
            "its creator's name (SIEMENS CSA HEADER, group 0029), so that what is written from it could not "
            "be read as a mosaic; use a copy with untouched private elements as template"
        )
