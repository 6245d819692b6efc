"""The page of a volume: a small one to leaf through, or one with NiiVue."""

from __future__ import annotations

from os import PathLike

from dicomarray.errors import UsageError
from dicomarray.render.options import PageOptions
from dicomarray.render.pages import save_html
from dicomarray.segmentation import Segmentation
from dicomarray.volume import Volume


def save_page(
    volume: Volume,
    path: str | PathLike[str],
    options: PageOptions,
    overwrite: bool = False,
    segmentation: Segmentation | None = None,
    beside: Volume | None = None,
) -> None:
    """Write the page of a volume; it appears whole or not at all.

    Parameters
    ----------
    segmentation
        Masks in colour over the volume, on its grid.
    beside
        Shown beside it, and moved together with it where both have a place in the patient. NiiVue has it
        alone.

    Raises
    ------
    UsageError
        Where the small page is asked for a second volume, or a package of the extra ``viewer`` is missing.
    OutputError
        Where ``path`` exists and ``overwrite`` is not set.
    ValuesError, GeometryError
        Where a volume cannot be drawn, or the segmentation lies on another grid.
    """
    if options.viewer == "niivue":
        from dicomarray.render.viewer.page import save_viewer

        save_viewer(volume, path, overwrite, segmentation, beside)
    elif beside is not None:
        raise UsageError('the small page shows one volume; two need viewer="niivue" (--viewer niivue)')
    else:
        save_html(volume, path, overwrite, segmentation)
