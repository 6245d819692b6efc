"""Which series are meant: one request says it, and one function finds them, in a folder or in an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dicomarray.assembly.series import Series
from dicomarray.catalog.catalog import Catalog
from dicomarray.catalog.scan import read_catalog
from dicomarray.catalog.segment_pairs import pairing_notes
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.plain_text import one_line
from dicomarray.errors import ChoiceError, InputError, UsageError
from dicomarray.sources.base import Progress
from dicomarray.storage.atomic import refuse_inputs, refuse_inside
from dicomarray.storage.places import PathLike, Place, Url, local_path, places
from dicomarray.storage.references import file_of

if TYPE_CHECKING:
    from dicomarray.query.config import Config
    from dicomarray.query.explanation import Explanation
    from dicomarray.query.selection import Verdicts

Inputs = PathLike | Url | Iterable[PathLike | Url]


@dataclass(frozen=True)
class ScanRequest:
    """Where to look for series, and which of them are meant.

    Attributes
    ----------
    inputs
        Folders, files, URLs; patterns are expanded when the request is made.  None: all of ``index``.
    index
        An index file, which answers without a scan.
    config
        A filter config; None does not even import the filter.
    series, volume
        The UID of the one series, and the index of its volume.
    workers
        How many processes read headers (see `scan`).
    progress
        Called with the number of files that were looked at.

    Raises
    ------
    UsageError
        Where neither inputs nor an index are given, an input is no path, or ``series`` no text.
    InputError
        Where the inputs are none, or a pattern matches nothing.
    """

    inputs: Inputs | None
    index: PathLike | None = None
    config: Config = None
    series: str | None = None
    volume: int | None = None
    workers: int | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        """Make a list of the inputs, which may come from an iterator."""
        if not isinstance(self.series, str | None):
            raise UsageError(
                f"series is a {type(self.series).__name__}: give a Series Instance UID as text (series.uid)"
            )
        if self.inputs is None:
            if self.index is None:
                raise UsageError(
                    "nothing to read: name a folder (-i, input_dicom), or an index (--index, index)"
                )
            return
        found = tuple(places(self.inputs))
        if not found:
            raise InputError("no path given: name a folder or file with DICOM images")
        object.__setattr__(self, "inputs", found)

    def __str__(self) -> str:
        """The first place in a message, and how many more."""
        roots = self.roots
        return str(roots[0]) + (f" and {len(roots) - 1} more" if len(roots) > 1 else "")

    @cached_property
    def roots(self) -> tuple[Place, ...]:
        """The inputs, or what was indexed; raises InputError where the index cannot be read."""
        if self.inputs is not None:
            return cast("tuple[Place, ...]", self.inputs)
        from dicomarray.catalog.index.opening import indexed_roots

        return tuple(indexed_roots(cast("PathLike", self.index)))

    def refuse_as_output(self, *outputs: Path) -> None:
        """Raise OutputError where an output lies inside what is read, or is itself read."""
        roots = self.roots
        for root in roots:
            for output in outputs:
                refuse_inside(output, root)
        refuse_inputs(outputs, [*roots, self.config, self.index])


@dataclass(frozen=True, slots=True)
class Found:
    """The series that are meant, in order; all that was scanned for them, and why others do not match."""

    request: ScanRequest
    catalog: Catalog
    series: Sequence[Series]
    verdicts: Verdicts | None = None

    @property
    def images(self) -> list[Series]:
        """Those that have pixels.

        Raises
        ------
        InputError
            Where there is none; the message says why.
        """
        images = [series for series in self.series if series.is_image]
        if not images:
            raise InputError(self._why_none(self.request.series))
        return images

    @property
    def convertible(self) -> list[Series]:
        """What becomes arrays: series of images, and each SEG; structure sets where only masks are meant.

        Their regions overlap as a rule, which one array cannot say: beside images nobody asked for them.

        Raises
        ------
        InputError
            Where there is none; the message says why.
        """
        kept = self.series if self.only_masks else self.images
        return [one for series in kept for one in series.segmentations or (series,)]

    @property
    def only_masks(self) -> bool:
        """Whether all series are SEG or structure sets."""
        return bool(self.series) and all(one.is_segments for one in self.series)

    @property
    def warnings(self) -> Warnings:
        """What is odd in the config or the files."""
        return () if self.verdicts is None else self.verdicts.warnings

    def one(self, made_from: str | None = None) -> Series:
        """The one series with images; ``made_from`` is the one to take where nothing else chooses.

        Masks beside images are theirs, and not meant; see `notes`.

        Raises
        ------
        InputError
            Where there is none.
        ChoiceError
            Where there are several; the message lists them.
        """
        request = self.request
        wanted = made_from if request.series is None and request.config is None else None
        images = [s for s in self.series if s.is_image and wanted in (None, s.uid)]
        images = [s for s in images if not s.is_segments] or images
        if len(images) == 1:
            return images[0]
        if images and wanted is None and request.series is None:
            raise ChoiceError(
                f"{request} holds {len(images)} series; choose one by its UID (series=UID, --series UID) or "
                "by a filter config (config=..., -c FILE, -w CONDITION); dicomarray filter lists them\n"
                + "\n".join(f"  {series_line(s)}" for s in images)
            )
        if wanted is not None and self.catalog.images:
            raise InputError(
                f"the array was made from series {wanted}, which is not in {request}; name the series "
                "that is to be its template (series=UID, --series UID), or give the folder that it was made "
                "from"
            )
        raise InputError(self._why_none(request.series or wanted))

    def notes(self, chosen: Series | None = None) -> Warnings:
        """What else lies there and is not read: masks of it, reports, plans, presentation states, ...

        Beside a chosen series only what is of its study.  An index may hold very many series, which the scan
        of a folder has looked at anyway.
        """
        if self.request.index is not None:
            return ()
        study = None if chosen is None else _study_of(chosen)
        beside = [one for one in self.catalog if study in (None, _study_of(one))]
        if chosen is None:  # masks that are meant are read too
            read = {id(one) for one in self.series if one.is_segments and (one.is_image or self.only_masks)}
            beside = [one for one in beside if id(one) not in read]
        return beside_images(beside, chosen, self.catalog)

    def explanation(self, show_patient: bool = False) -> Explanation:
        """Why the others do not match; with what names the patient only where it is asked for."""
        from dicomarray.query.explanation import explain

        if self.verdicts is None:
            raise UsageError("without a config every series matches")
        return explain(self.verdicts, self.catalog.skipped, show_patient)

    def _why_none(self, uid: str | None) -> str:
        from dicomarray.formats.nifti import is_nifti

        where, catalog = self.request, self.catalog
        if uid is not None:
            return f"{where}: no series with images has the UID {uid}; see: dicomarray filter -i {where}"
        if catalog.images:
            return f"{where}: none of its {len(catalog.images)} series with images matches the config"
        skipped = f"; {len(catalog.skipped)} files skipped" if catalog.skipped else ""
        first = str(catalog.skipped[0].path) if skipped else ""
        example = f", such as {first}: {catalog.skipped[0].reason}" if skipped else ""
        if is_nifti(first):
            example += "; Volume.load reads NIfTI, to-dicom (to_dicom) takes it with a template"
        masks = next((one.title for one in self.series if one.is_segments), None)
        hint = (
            f"; it holds masks ({masks}), which to-numpy and to-nifti bring onto their images "
            "(load_segmentation), and view shows over these (--overlay)"
        )
        return f"{where}: no DICOM images in it{hint if masks is not None else ''}{skipped}{example}"


def select(request: ScanRequest) -> Found:
    """What a request means: the way of every command and function from paths to series.

    Raises
    ------
    ConfigError
        For mistakes in the config, all of them at once, before any file is opened.
    InputError
        Where a path does not exist, or the index does not hold it.
    """
    if request.config is None:
        catalog = _catalog(request)
        return Found(request, catalog, _of_uid(catalog, request.series))
    from dicomarray.query.config import selection_of
    from dicomarray.query.pushdown import queries_of
    from dicomarray.query.selection import evaluate_all

    selection = selection_of(request.config)
    catalog = _catalog(request, selection.attributes, queries_of(selection))
    verdicts = evaluate_all(selection, _of_uid(catalog, request.series))
    return Found(request, catalog, verdicts.matching, verdicts)


def _catalog(
    request: ScanRequest, attributes: Iterable[str] = (), queries: Sequence[Mapping[str, str]] = ({},)
) -> Catalog:
    if request.index is None:
        if request.series is not None:  # a PACS is asked for that alone
            queries = [{**query, "SeriesInstanceUID": request.series} for query in queries]
        return read_catalog(request.roots, attributes, request.progress, request.workers, queries)
    from dicomarray.catalog.index.opening import open_index

    below = None if request.inputs is None else [local_path(root) for root in request.roots]
    return open_index(request.index, below, attributes)


def _of_uid(catalog: Catalog, uid: str | None) -> Sequence[Series]:
    return catalog if uid is None else [series for series in catalog if series.uid == uid]


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
    return list(select(ScanRequest(input_dir, index, config, workers=workers, progress=progress)).series)


def beside_images(
    series: Sequence[Series], chosen: Series | None = None, among: Iterable[Series] | None = None
) -> Warnings:
    """Which of them are no images, and of which series (of ``among``) those with masks are, as notes."""
    paired = pairing_notes(series, chosen, among)
    others = [one.instances[0].attributes.get("Modality") or "?" for one in series if not one.is_image]
    if not others:
        return paired
    kinds = Counter(one_line(str(modality)) for modality in others)
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    note = f"other objects lie there too and are not read, as they are no images: {found} [objects-not-read]"
    return warning(note) + paired


def _study_of(series: Series) -> str | None:
    return series.instances[0].text("StudyInstanceUID")


def series_line(series: Series) -> str:
    """A series in a list of choices."""
    description = series.attributes.get("SeriesDescription", "")
    return one_line(f"{series.title}: {len(series.instances)} instances, {description or 'no description'}")


def file_stem(series: Series) -> str:
    """A name for a series' results that names nobody and is the same in every run: ``CT_0003_1f2e3d4c``."""
    import hashlib

    number = series.attributes.get("SeriesNumber", 0)
    modality = "".join(c for c in str(series.attributes.get("Modality", "XX")) if c.isalnum()) or "XX"
    first = series.instances[0]
    key = series.uid or first.text("SOPInstanceUID") or str(file_of(first.reference))
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    return f"{modality}_{number if isinstance(number, int) else 0:04d}_{digest}"
