"""A 3-D array and the files of its template series to the files of a derived series: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomarray.atomic import new_folder, refuse_inside
from dicomarray.errors import OutputError, TemplateError
from dicomarray.values import Array
from dicomarray.version import __version__
from dicomarray.writing import lossy
from dicomarray.writing.classes import RescalePlace
from dicomarray.writing.clean import strip, swap_words
from dicomarray.writing.derive import PET_UNITS, SeriesPlan, SliceOutput, derive
from dicomarray.writing.encode import Encoding, Mode, encode
from dicomarray.writing.plan import Options, make_images, make_plan
from dicomarray.writing.template import UNREADABLE, Template, read_header, read_template, reason

# Made once (PS3.5 B.2); it names this software in every file that it writes (PS3.10 7.1).
IMPLEMENTATION_CLASS_UID = "2.25.200870302587740582784928558676690548984"
_LONGEST_VERSION_NAME = 16  # characters, VR SH
_PREAMBLE = 128  # bytes before "DICM" in a file (PS3.10 7.1)


@dataclass(frozen=True)
class WriteReport:
    """What was written, and how far it is from the array.

    ``slope`` and ``intercept`` are None where each slice keeps the template's own.  Errors are in the
    units of the array.
    """

    files: tuple[Path, ...]
    series_uid: str
    sop_uids: tuple[str, ...]
    max_error: float
    mean_error: float
    clipped: int
    slope: float | None
    intercept: float | None
    warnings: tuple[str, ...] = ()


def write_series(  # noqa: PLR0913 - the options that users know from to_dicom
    array: Array,
    template_files: Sequence[Path],
    output: Path,
    *,
    values: Mode = "auto",
    fill: float | None = None,
    clip: bool = False,
    overwrite: bool = False,
    series_description: str | None = None,
    series_number: int | None = None,
    units: str | None = None,
    uid_key: str | None = None,
    keep_equipment: bool = False,
    check: Callable[[Sequence[Path], WriteReport], None] | None = None,
) -> WriteReport:
    """Write an array as a new series of the template's study, one file a slice, ``0001.dcm`` and so on.

    Parameters
    ----------
    array
        (slices, rows, columns), the template's shape; see `encode` for dtypes and for ``values``, ``fill``
        and ``clip``.
    template_files
        The files of one series of single-frame images, in slice order.
    output
        A folder that is new or empty; with ``overwrite`` one that holds nothing but ``.dcm`` files.
    series_description, series_number
        By default the template's with " (dicomarray)", and plus 1000.
    units
        Rescale Type of the array's values where they are not the template's: ``"HU"``, ``"US"``, ...
        (PS3.3 C.11.1.1.2); for PET its Units: ``"BQML"``, ``"GML"``, ... (C.8.9.1.1.3).
    uid_key
        Makes the UIDs of this text, the template and the values, so that a rerun writes the same bytes
        and not a second series.  The time of the run is then left out.
    keep_equipment
        Keep the template's Manufacturer and model, for readers that tune themselves by vendor.
    check
        Called with the files in their temporary folder and the report; what it raises undoes everything.

    Raises
    ------
    TemplateError
        The template cannot carry the array: its class, its kind of pixels, its shape.
    ValuesError
        Values that cannot be stored.
    UsageError
        An option that cannot be written.
    OutputError
        The output exists already, lies inside the template's folder, or cannot be written.
    """
    for folder in {path.parent for path in template_files}:
        refuse_inside(output, folder)
    template = read_template(template_files)
    _check_shape(array, template)
    encoding = encode(
        array, values, template.stored, template.rescales, fill, limit=template.kind.limit, clip=clip
    )
    options = Options(values, series_description, series_number, units, uid_key, keep_equipment)
    plan = make_plan(template, encoding, options)
    images = make_images(template, encoding, plan, options)
    digits = max(4, len(str(len(images))))
    names = [f"{index:0{digits}d}.dcm" for index in range(1, len(images) + 1)]
    report = WriteReport(
        files=tuple(output / name for name in names),
        series_uid=plan.series_uid,
        sop_uids=tuple(image.sop_uid for image in images),
        max_error=encoding.max_error,
        mean_error=encoding.mean_error,
        clipped=encoding.clipped,
        slope=None if plan.slope is None else float(plan.slope),
        intercept=None if plan.intercept is None else float(plan.intercept),
        warnings=tuple(_warnings(template, encoding, units)),
    )
    with new_folder(output, overwrite, _is_dicom) as folder:
        for name, source, image in zip(names, template.files, images, strict=True):
            _write_file(folder / name, source, plan, image)
        if check is not None:
            check([folder / name for name in names], report)
    return report


def _check_shape(array: Array, template: Template) -> None:
    if array.shape == template.shape:
        return
    shown = f"the array has the shape {array.shape}, the template {template.shape} (files, Rows, Columns)"
    if array.ndim != 3:
        raise TemplateError(
            f"{shown}; only 3-D arrays (slice, row, column) can be written yet. Write each volume of a 4-D "
            "array by itself"
        )
    raise TemplateError(
        f"{shown}; a changed grid cannot be written yet. Resample the array to the template's grid, and "
        "check that its axes are (slice, row, column)"
    )


def _warnings(template: Template, encoding: Encoding, units: str | None) -> list[str]:
    found = []
    if not template.kind.typed and units is not None and units not in PET_UNITS:
        found.append(f"units {units!r} are none that Units (0054,1001) may say; the template's were kept")
    if encoding.filled:
        found.append(f"{encoding.filled} values were NaN or infinite and got the fill value")
    if encoding.clipped:
        found.append(f"{encoding.clipped} values were clipped to the range that can be stored")
    rescaled = not all(rescale.identity for rescale in encoding.rescales)
    if template.kind.place is RescalePlace.MAPPING and rescaled:
        found.append(
            f"images of {template.kind.name} say slope and intercept in Real World Value Mapping only, which "
            "many viewers ignore: they will show stored values"
        )
    return found


def _write_file(path: Path, source: Path, plan: SeriesPlan, image: SliceOutput) -> None:
    header = read_header(source)
    try:
        lossy.remember(header, source, image.stored_type)
        strip(header)
        if header.original_encoding[1] is False:
            swap_words(header)
        derive(header, plan, image)
        _write_header(path, header)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error
    except UNREADABLE as error:
        raise TemplateError(
            f"{source}: the template's header cannot be written back ({reason(error)}); check "
            "it with dciodvfy, or choose another template"
        ) from error


def _write_header(path: Path, header: FileDataset) -> None:
    """A Part 10 file; little endian as the template is, Explicit VR where it is compressed or big endian."""
    native_implicit = header.original_encoding == (True, True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = header.SOPClassUID
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if native_implicit else ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = f"DICOMARRAY_{__version__}"[:_LONGEST_VERSION_NAME]
    header.file_meta = meta
    header.preamble = b"\0" * _PREAMBLE
    dcmwrite(path, header, enforce_file_format=True)


def _is_dicom(entry: Path) -> bool:
    """Whether a file may be replaced: it is named and begins like those that are written here."""
    if entry.suffix != ".dcm" or entry.is_symlink() or not entry.is_file():
        return False
    with entry.open("rb") as stream:
        return stream.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"
