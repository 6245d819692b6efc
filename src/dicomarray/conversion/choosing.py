"""Which series is meant: the filter, and the choice of one series below a path."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicomarray.errors import ChoiceError, InputError
from dicomarray.reading.catalog import Catalog, Progress, scan
from dicomarray.reading.config import load_config
from dicomarray.reading.files import PathLike
from dicomarray.reading.selection import Selection, parse
from dicomarray.reading.series import Series

Config = Mapping[str, Any] | PathLike | None
Inputs = PathLike | Iterable[PathLike]


def dicom_filter(input_dir: Inputs, config: Config = None, progress: Progress | None = None) -> list[Series]:
    """The series below a folder that match a filter config.

    Parameters
    ----------
    input_dir
        A folder or file, or several; searched recursively, whatever the files are called.
    config
        A mapping such as ``{"Modality": "CT"}``, or the path of a JSON, YAML or TOML file with one; None
        and ``{}`` match all.  A series matches when the config holds for every one of its instances.

    Raises
    ------
    ConfigError
        For mistakes in the config, all of them at once, before any file is opened.
    InputError
        Where the folder does not exist.
    """
    return filter_catalog(input_dir, config, progress).series


@dataclass(frozen=True, slots=True)
class Found:
    """The series that match, all that was scanned for them, and what is odd in the config or the files."""

    series: list[Series]
    catalog: Catalog
    warnings: tuple[str, ...]


def filter_catalog(input_dir: Inputs, config: Config = None, progress: Progress | None = None) -> Found:
    """As `dicom_filter`, with all that was found, to tell what was skipped."""
    selection = selection_of(config)
    catalog = scan(roots_of(input_dir), selection.attributes, progress)
    decisions = [selection.decide([header.attributes for header in series.instances]) for series in catalog]
    odd = dict.fromkeys(warning for decision in decisions for warning in decision.warnings)
    return Found(
        [series for series, decision in zip(catalog, decisions, strict=True) if decision.accepted],
        catalog,
        (*selection.warnings, *odd),
    )


def selection_of(config: Config) -> Selection:
    """A config, or the file that holds one, checked."""
    if config is None:
        return parse({})
    return parse(config if isinstance(config, Mapping) else load_config(Path(config)))


def choose_series(
    path: Inputs, uid: str | None = None, config: Config = None, progress: Progress | None = None
) -> Series:
    """The one series with images below a path.

    Raises
    ------
    InputError
        Where there is none.
    ChoiceError
        Where there are several; the message lists them.
    """
    path = roots_of(path)  # an iterator can be read once only
    found = filter_catalog(path, config, progress)
    images = [series for series in found.series if series.is_image and uid in (None, series.uid)]
    if len(images) == 1:
        return images[0]
    if images and uid is None:
        raise ChoiceError(
            f"{shown(path)} holds {len(images)} series; choose one by its UID (series=UID, --series UID), or "
            "list them with: dicomarray filter\n" + "\n".join(f"  {series_line(s)}" for s in images)
        )
    raise InputError(_nothing_found(path, uid, found.catalog))


def series_line(series: Series) -> str:
    """A series in a list of choices."""
    description = series.attributes.get("SeriesDescription", "")
    return f"{series.title}: {len(series.instances)} instances, {description or 'no description'}"


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
    number = series.attributes.get("SeriesNumber", 0)
    modality = "".join(c for c in str(series.attributes.get("Modality", "XX")) if c.isalnum()) or "XX"
    first = series.instances[0]
    key = series.uid or first.text("SOPInstanceUID") or str(first.path)
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    return f"{modality}_{number if isinstance(number, int) else 0:04d}_{digest}"


def roots_of(inputs: Inputs) -> list[Path]:
    """The paths as a list.

    Raises
    ------
    InputError
        Where there is none.
    """
    roots = [Path(inputs)] if isinstance(inputs, str | os.PathLike) else [Path(item) for item in inputs]
    if not roots:
        raise InputError("no path given: name a folder or file with DICOM images")
    return roots


def shown(inputs: Inputs) -> str:
    """The paths in a message: the first one, and how many more."""
    roots = roots_of(inputs)
    return str(roots[0]) + (f" and {len(roots) - 1} more" if len(roots) > 1 else "")
