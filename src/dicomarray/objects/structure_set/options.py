"""How a structure set is written: the options of `to_rtstruct`, by the same names on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dicomarray.core.options import check_choices
from dicomarray.objects.common.options import SeriesKeywords, SeriesOptions, check_series_options

Contours = Literal["edges", "smooth"]
Holes = Literal["even-odd", "xor", "keyhole"]


class StructureSetKeywords(SeriesKeywords, total=False):
    """The keyword arguments of `to_rtstruct`; see `StructureSetOptions`."""

    contours: Contours
    holes: Holes


@dataclass(frozen=True, slots=True)
class StructureSetOptions(SeriesOptions):
    """How labels become an RT Structure Set.

    Attributes
    ----------
    contours
        ``"edges"``: along the edges of voxels, so that they enclose just what the mask has; ``"smooth"``:
        through the middles of these edges, with fewer points: each corner is cut, and the same voxel centres
        lie inside.
    holes
        ``"even-odd"``: loops inside loops, as is common practice; ``"xor"``: the same, with the type that
        says so (CLOSEDPLANAR_XOR), which few readers know; ``"keyhole"``: one loop, with a channel without
        width to each hole, for strict readers.
    verify
        Read the file back and compare every mask, before it is put in place.
    overwrite
        Replace an earlier result.
    uid_key
        Make the UIDs of this text, the template and the masks: the same call makes the same file again, and
        no duplicate.  Without it they are random.
    series_description
        Of the new series; without it the template's, with " (dicomarray)" added.
    series_number
        Of the new series; without it the template's plus 1000.
    """

    contours: Contours = "edges"
    holes: Holes = "even-odd"
    verify: bool = True
    overwrite: bool = False
    uid_key: str | None = None
    series_description: str | None = None
    series_number: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is no option, before anything is read."""
        check_choices(self)
        check_series_options(self)
