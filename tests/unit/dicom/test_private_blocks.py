"""Private elements are found by who reserved their block."""

from __future__ import annotations

from dicomarray.dicom.private_blocks import PrivateElement, is_creator, is_in_block, tags_in_block

CREATORS = {0x00190010: "OTHER", 0x00190011: "MINE", 0x001900FF: "MINE", 0x00210012: "MINE"}


def test_an_element_has_a_place_in_each_block_of_its_creator() -> None:
    """Blocks of other creators and of other groups are passed over; the first block comes first."""
    tags = [0x0019FF0C, 0x0019110C, *reversed(CREATORS), 0x0019100C, 0x00180012]
    assert PrivateElement(0x0019, "MINE", 0x0C).places(tags, CREATORS.get) == [0x0019110C, 0x0019FF0C]
    assert PrivateElement(0x0019, "NOBODY", 0x0C).places(tags, CREATORS.get) == []
    assert tags_in_block(0x001900FF, tags) == [0x0019FF0C]


def test_creators_and_what_they_reserve_lie_in_odd_groups_alone() -> None:
    """What lies between creators and blocks, or in the standard's groups, is neither."""
    assert [is_creator(tag) for tag in (0x00190010, 0x0019000F, 0x00190100, 0x00180010)] == [True] + [
        False
    ] * 3
    assert [is_in_block(tag) for tag in (0x00191000, 0x00190FFF, 0x00181000)] == [True, False, False]
