"""How a volume is shown on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dicomarray.core.options import check_choices


@dataclass(frozen=True, slots=True)
class PageOptions:
    """How a volume is shown on a page.

    Parameters
    ----------
    viewer
        What the page is: ``viewer="slices"``, a small one, to leaf through pictures of the slices; or
        ``viewer="niivue"``, with planes, 3-D, window and time, which needs the extra ``viewer`` and a
        browser with WebGL 2.
    """

    viewer: Literal["slices", "niivue"] = "slices"

    def __post_init__(self) -> None:
        check_choices(self)
