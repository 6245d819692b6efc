"""Which series is meant: the filter, and the choice of one series below a path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomarray.assembly.series import Series
from dicomarray.catalog.catalog import Catalog
from dicomarray.catalog.scan import scan
from dicomarray.core.plain_text import one_line
from dicomarray.errors import ChoiceError, InputError, UsageError
from dicomarray.sources.fsspec import shown_path
from dicomarray.sources.instances import Progress
from dicomarray.storage.places import PathLike, Place, Url, local_path, places

if TYPE_CHECKING:
    from dicomarray.query.config import Config
    from dicomarray.query.evaluation import Judged
    from dicomarray.query.explanation import Explanation

Inputs = PathLike | Url | Iterable[PathLike | Url]


def dicom_filter(
    input_dir: Inputs | None,
    config: Config = None,
    progress: Progress | None = None,
    *,
    index: PathLike | None = None,
    workers: int | None = None,
) -> list[Series]:
    """The series below a folder, or in an index, that match a filter config.

    Parameters
    ----------
    input_dir
        A folder or file, or several; searched recursively, whatever the files are called.  With an index
        it may be None, for everything in it.
    config
        A mapping such as ``{"Modality": "CT"}``, or the path of a JSON, YAML or TOML file with one; None
        and ``{}`` match all.  A series matches when the config holds for every one of its instances.
    index
        An index file (see `index`): it answers without a look at the files.
    workers
        How many processes read headers (see `scan`).

    Returns
    -------
    list of Series
        As the config's ``sort`` and ``limit`` say; without them in the order of the catalog.

    Raises
    ------
    ConfigError
        For mistakes in the config, all of them at once, before any file is opened.
    InputError
        Where the folder does not exist, or the index does not hold it.
    """
    return filter_catalog(input_dir, config, progress, index, workers).series


@dataclass(frozen=True, slots=True)
class Found:
    """The series that match, in order; all that was scanned for them, and why others do not match."""

    catalog: Catalog
    judged: Judged

    @property
    def series(self) -> list[Series]:
        """The series that match, in the order of the ranking."""
        return self.judged.matching

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd in the config or the files."""
        return self.judged.warnings

    def explanation(self, show_patient: bool = False) -> Explanation:
        """Why the others do not match; with what names the patient only where it is asked for."""
        from dicomarray.query.explanation import explain

        return explain(self.judged, self.catalog.skipped, show_patient)


def filter_catalog(
    input_dir: Inputs | None,
    config: Config = None,
    progress: Progress | None = None,
    index: PathLike | None = None,
    workers: int | None = None,
) -> Found:
    """As `dicom_filter`, with all that was found, to tell what was skipped."""
    from dicomarray.query.config import selection_of
    from dicomarray.query.evaluation import judge_all

    selection = selection_of(config)
    roots = None if input_dir is None else roots_of(input_dir)
    if index is not None:
        from dicomarray.catalog.index import open_index

        catalog = open_index(
            index, None if roots is None else [local_path(root) for root in roots], selection.attributes
        )
    else:
        catalog = scan(searched(roots), selection.attributes, progress, workers=workers)
    return Found(catalog, judge_all(selection, catalog))


def searched(input_dir: Inputs | None, index: PathLike | None = None) -> list[Place]:
    """The paths that are given, else everything that the index holds.

    Raises
    ------
    UsageError
        Where neither is given.
    InputError
        Where the index cannot be read.
    """
    if input_dir is not None:
        return roots_of(input_dir)
    if index is None:
        raise UsageError("nothing to read: name a folder (-i, input_dicom), or an index (--index, index)")
    from dicomarray.catalog.index import indexed_roots

    return list(indexed_roots(index))


def choose_series(
    path: Inputs | None,
    uid: str | None = None,
    config: Config = None,
    progress: Progress | None = None,
    workers: int | None = None,
    made_from: str | None = None,
    index: PathLike | None = None,
) -> Series:
    """The one series with images below a path; as `scan_and_choose`."""
    return scan_and_choose(path, uid, config, progress, workers, made_from, index)[1]


def scan_and_choose(
    path: Inputs | None,
    uid: str | None = None,
    config: Config = None,
    progress: Progress | None = None,
    workers: int | None = None,
    made_from: str | None = None,
    index: PathLike | None = None,
) -> tuple[Catalog, Series]:
    """All that was scanned, and the one series with images; without ``uid`` the one ``made_from`` names.

    Raises
    ------
    InputError
        Where there is none.
    ChoiceError
        Where there are several; the message lists them.
    """
    path = searched(path, index)  # an iterator can be read once only
    catalog, matching = matching_series(path, config, progress, workers, index)
    wanted = uid or made_from
    images = [series for series in matching if series.is_image and wanted in (None, series.uid)]
    if len(images) == 1:
        return catalog, images[0]
    if images and wanted is None:
        raise ChoiceError(
            f"{shown(path)} holds {len(images)} series; choose one by its UID (series=UID, --series UID), or "
            "list them with: dicomarray filter\n" + "\n".join(f"  {series_line(s)}" for s in images)
        )
    if uid is None and made_from is not None and catalog.images:
        raise InputError(
            f"the array was made from series {made_from}, which is not in {shown(path)}; name the series "
            "that is to be its template (series=UID, --series UID), or give the folder that it was made from"
        )
    raise InputError(_nothing_found(path, wanted, catalog))


def matching_series(
    input_dir: Inputs,
    config: Config = None,
    progress: Progress | None = None,
    workers: int | None = None,
    index: PathLike | None = None,
) -> tuple[Catalog, Sequence[Series]]:
    """What was scanned, and the series that match; without a config the filter is not even imported."""
    if config is None and index is None:
        catalog = scan(input_dir, progress=progress, workers=workers)
        return catalog, catalog
    found = filter_catalog(input_dir, config, progress, index, workers)
    return found.catalog, found.series


def not_images(catalog: Sequence[Series], chosen: Series | None = None) -> tuple[str, ...]:
    """What else lies there and is not read: structure sets, reports, plans, presentation states, ...

    Beside a chosen series only what is of its study.
    """
    study = None if chosen is None else _study_of(chosen)
    others = [series for series in catalog if not series.is_image and study in (None, _study_of(series))]
    if not others:
        return ()
    kinds = Counter(one_line(str(s.instances[0].attributes.get("Modality") or "?")) for s in others)
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return (f"other objects lie there too and are not read, because they are no images: {found}",)


def _study_of(series: Series) -> str | None:
    return series.instances[0].text("StudyInstanceUID")


def series_line(series: Series) -> str:
    """A series in a list of choices."""
    description = series.attributes.get("SeriesDescription", "")
    return one_line(f"{series.title}: {len(series.instances)} instances, {description or 'no description'}")


def _nothing_found(path: Inputs, uid: str | None, catalog: Catalog) -> str:
    if uid is not None:
        return (
            f"{shown(path)}: no series with images has the UID {uid}; see: dicomarray filter -i {shown(path)}"
        )
    if catalog.images:
        return f"{shown(path)}: none of its {len(catalog.images)} series with images matches the config"
    skipped = f"; {len(catalog.skipped)} files skipped" if catalog.skipped else ""
    example = f", such as {catalog.skipped[0].path}: {catalog.skipped[0].reason}" if catalog.skipped else ""
    return f"{shown(path)}: no DICOM images in it{skipped}{example}"


def file_stem(series: Series) -> str:
    """A name for a series' results that names nobody and is the same in every run: ``CT_0003_1f2e3d4c``."""
    import hashlib

    number = series.attributes.get("SeriesNumber", 0)
    modality = "".join(c for c in str(series.attributes.get("Modality", "XX")) if c.isalnum()) or "XX"
    first = series.instances[0]
    key = series.uid or first.text("SOPInstanceUID") or str(shown_path(first.path))
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    return f"{modality}_{number if isinstance(number, int) else 0:04d}_{digest}"


def roots_of(inputs: Inputs | None) -> list[Place]:
    """The paths and URLs as a list.

    Raises
    ------
    UsageError
        For what is no path.
    InputError
        Where there is none.
    """
    if inputs is None:
        raise UsageError("no path given: name a folder or file with DICOM images (None is none)")
    roots = places(inputs)
    if not roots:
        raise InputError("no path given: name a folder or file with DICOM images")
    return roots


def shown(inputs: Inputs) -> str:
    """The paths in a message: the first one, and how many more."""
    roots = roots_of(inputs)
    return str(roots[0]) + (f" and {len(roots) - 1} more" if len(roots) > 1 else "")
