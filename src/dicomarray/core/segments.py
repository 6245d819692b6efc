"""What a segment is: a number in a label array, its name, and what the standard's coded terms say it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from dicomarray.errors import UsageError

MAX_NUMBER = 65535  # Segment Number is of 16 bits (PS3.3 C.8.20.4)
MAX_LABEL = 64  # characters of Segment Label, VR LO (PS3.5 6.2)
ALGORITHM_TYPES = ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL")


Colour = tuple[int, int, int]  # red, green, blue, from 0 to 255


class Code(NamedTuple):
    """A coded term: ``("10200004", "SCT", "Liver")`` (PS3.3 8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Segment:
    """One structure of a segmentation (PS3.3 C.8.20.4.1).

    Attributes
    ----------
    number
        Its value in the label array, from 1.
    label
        Its name, at most 64 characters.
    category, type
        What kind of thing it is, and which: ``(value, scheme, meaning)``; None where nobody said.
    laterality
        Side, as a coded term: (24028007, SCT, Right).
    region
        Where it is, where the type does not say: the liver, of a tumor in it; the side is then the region's.
    colour
        Red, green and blue from 0 to 255; None leaves it to the viewer.
    algorithm, algorithm_version
        Name and version of what made it.
    algorithm_type
        ``"AUTOMATIC"``, ``"SEMIAUTOMATIC"`` or ``"MANUAL"``.
    tracking_id, tracking_uid
        The same in all segmentations of one thing, such as a lesion that is followed (PS3.3 C.8.20.4.3).
    roi_type
        RT ROI Interpreted Type of a structure set (PS3.3 C.8.8.8): ``"ORGAN"``, ``"GTV"``, ...
    """

    number: int
    label: str
    category: Code | None = None
    type: Code | None = None
    laterality: Code | None = None
    region: Code | None = None
    colour: tuple[int, int, int] | None = None
    algorithm: str | None = None
    algorithm_version: str | None = None
    algorithm_type: str = "AUTOMATIC"
    tracking_id: str | None = None
    tracking_uid: str | None = None
    roi_type: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.number, bool) or not isinstance(self.number, int):
            raise UsageError(f"the number of a segment is {self.number!r:.80}, and no whole number")
        if not 1 <= self.number <= MAX_NUMBER:
            raise UsageError(f"the number of a segment is {self.number}; it is from 1 to {MAX_NUMBER}")
        if not isinstance(self.label, str):
            raise UsageError(
                f"the label of segment {self.number} is {self.label!r:.80}, and no text: masks have names, "
                '{"liver": mask}, and numbers names by segments'
            )
        if not self.label.strip():
            raise UsageError(f"segment {self.number} has no label")
        for name in ("category", "type", "laterality", "region"):
            object.__setattr__(self, name, _code(getattr(self, name), self.label, name))
        if self.colour is not None:
            object.__setattr__(self, "colour", _colour(self.colour, self.label))
        if self.algorithm_type not in ALGORITHM_TYPES:
            raise UsageError(
                f"the algorithm type of {self.label} is {self.algorithm_type!r:.80}; it is one of "
                f"{', '.join(ALGORITHM_TYPES)}"
            )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, without what nobody said."""
        content: dict[str, Any] = {}
        for name, value in vars(self).items():
            if value is not None:
                content[name] = list(value) if isinstance(value, tuple) else value
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` made, or a user wrote.

        Raises
        ------
        UsageError
            Where it is no segment; the message names the key.
        """
        unknown = sorted(set(content) - set(cls.__dataclass_fields__))
        if unknown:
            raise UsageError(
                f"a segment has no {unknown[0]!r:.80}; it has {', '.join(cls.__dataclass_fields__)}"
            )
        if "number" not in content or "label" not in content:
            raise UsageError("a segment needs a number and a label")
        return cls(**content)


def _code(value: Any, label: str, name: str) -> Code | None:
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 3:
        raise UsageError(f"the {name} of {label} is {value!r:.80}, and no (value, scheme, meaning)")
    if not all(isinstance(part, str) and part.strip() for part in value):
        raise UsageError(f"the {name} of {label} is {value!r:.80}; its three parts are texts")
    return Code(*value)


def rgb_of(value: Any) -> Colour | None:
    """Red, green and blue from 0 to 255, as a file has them; None for anything else."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    if not all(isinstance(part, int) and 0 <= part <= 255 for part in value):
        return None
    red, green, blue = value
    return red, green, blue


def _colour(value: Any, label: str) -> tuple[int, int, int]:
    try:
        red, green, blue = (int(part) for part in value)
    except (TypeError, ValueError):
        red = -1
    if red < 0 or not all(0 <= part <= 255 for part in (red, green, blue)):
        raise UsageError(f"the colour of {label} is {value!r:.80}; it is red, green, blue from 0 to 255")
    return red, green, blue
