"""The series that are compared: hand-made ones, one trap each, and real ones where there are some."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import EnhancedCTImageStorage, generate_uid

import mosaic_files
import synthetic

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)
Make = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A series: what it is called on the page, and its files in an order that says nothing."""

    name: str
    files: tuple[Path, ...]


def hand_made(folder: Path) -> list[Case]:
    """Every hand-made case, written below ``folder``."""
    made = []
    for number, (name, make) in enumerate(HAND_MADE):
        place = folder / f"{number:02d}"
        make(place)
        made.append(Case(name, _in_no_order(place.rglob("*.dcm"))))
    return made


def real(folder: Path) -> list[Case]:
    """Every series below ``folder``, named by the folder that it lies in and told apart by its number.

    Files of one series that share a SOP Instance UID are copies of one object: each is a series of its own.
    """
    series: dict[tuple[str, str], list[tuple[Path, Dataset]]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            head = pydicom.dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            continue
        if "Rows" in head:
            place = path.relative_to(folder).parts[0]
            series.setdefault((place, str(head.get("SeriesInstanceUID"))), []).append((path, head))
    named: dict[str, list[Case]] = {}
    for members in series.values():
        for files in _without_copies(members):
            name = _common_folder(files, folder)
            named.setdefault(name, []).append(Case(name, _in_no_order(files)))
    return [
        Case(name if len(cases) == 1 else f"{name} ({number})", case.files)
        for name, cases in sorted(named.items())
        for number, case in enumerate(cases, 1)
    ]


def _without_copies(members: Sequence[tuple[Path, Dataset]]) -> list[list[Path]]:
    if len({head.get("SOPInstanceUID") for _, head in members}) == len(members):
        return [[path for path, _ in members]]
    return [[path] for path, _ in members]


def _common_folder(files: Sequence[Path], root: Path) -> str:
    parents = {file.parent for file in files}
    folder = parents.pop() if len(parents) == 1 else root / files[0].relative_to(root).parts[0]
    return folder.relative_to(root).as_posix()


def _in_no_order(files: object) -> tuple[Path, ...]:
    ordered = sorted(files)  # type: ignore[call-overload]
    random.Random(1).shuffle(ordered)
    return tuple(ordered)


# --- hand-made series: six slices of 12 x 16 where nothing else is said -----------------------------------


def plain_ct(folder: Path) -> None:
    synthetic.write_series(folder, synthetic.stored_values(), bits_stored=12)


def big_endian(folder: Path) -> None:
    synthetic.write_series(folder, synthetic.stored_values(), bits_stored=12, syntax="big-endian")


def signed_ct(folder: Path) -> None:
    array = synthetic.stored_values(signed=True)
    synthetic.write_series(folder, array, bits_stored=12, common={"RescaleIntercept": 0})


def one_slice(folder: Path) -> None:
    synthetic.write_series(folder, synthetic.stored_values()[:1], bits_stored=12)


def sagittal(folder: Path) -> None:
    common = {"ImageOrientationPatient": list(SAGITTAL)}
    synthetic.write_series(folder, synthetic.stored_values(), modality="MR", common=common)


def oblique(folder: Path) -> None:
    common = {"ImageOrientationPatient": list(OBLIQUE)}
    synthetic.write_series(folder, synthetic.stored_values(), modality="MR", common=common)


def head_to_feet(folder: Path) -> None:
    """Numbered from the head down, as many scanners do: against the slices' normal."""
    array = synthetic.stored_values()
    synthetic.write_series(folder, array, each=[{"InstanceNumber": 6 - index} for index in range(6)])


def no_instance_numbers(folder: Path) -> None:
    array = synthetic.stored_values()
    synthetic.write_series(folder, array, each=[{"InstanceNumber": ...} for _ in array])


def varying_intercept(folder: Path) -> None:
    array = synthetic.stored_values()
    each = [{"RescaleIntercept": -1024 + 10 * index} for index in range(6)]
    synthetic.write_series(folder, array, bits_stored=12, each=each)


def one_series(
    folder: Path,
    parts: Sequence[dict[str, object]],
    columns: Sequence[int] = (16, 16, 16),
    timed: bool = False,
) -> None:
    """Six slices of each part in one series; each part has attributes and pixels of its own."""
    same = {
        keyword: generate_uid(prefix=None)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    }
    for part, attributes in enumerate(parts):
        array = np.roll(synthetic.stored_values(), 7 * part, axis=2)[:, :, : columns[part]]
        numbers = [part * 6 + index + 1 for index in range(6)]
        each: list[dict[str, object]] = [{"InstanceNumber": number} for number in numbers]
        if timed:
            for own, number in zip(each, numbers, strict=True):
                own["AcquisitionTime"] = f"1200{number:02d}"
        synthetic.write_series(folder, array, modality="MR", common=same | attributes, each=each)


def two_echoes(folder: Path) -> None:
    one_series(folder, [{"EchoTime": 10, "EchoNumbers": 1}, {"EchoTime": 80, "EchoNumbers": 2}])


def magnitude_and_phase(folder: Path) -> None:
    one_series(folder, [{"ImageType": ["ORIGINAL", "PRIMARY", component, "NONE"]} for component in "MP"])


def three_orientations(folder: Path) -> None:
    planes = (synthetic.AXIAL, SAGITTAL, CORONAL)
    one_series(folder, [{"ImageOrientationPatient": list(plane)} for plane in planes])


def uneven_spacing(folder: Path) -> None:
    """2.5 mm below, 5 mm above, as a head CT has: nothing is missing."""
    places = np.array([0, 1, 2, 4, 6, 8]) * synthetic.SPACING_MM
    each = [{"ImagePositionPatient": [-20.0, -30.0, 100.0 + place]} for place in places]
    synthetic.write_series(folder, synthetic.stored_values(), each=each)


def enhanced_ct(folder: Path, slopes: Sequence[float] = (1.0,) * 6) -> None:
    """One multi-frame file, its frames in another order than their places."""
    synthetic.write_series(folder / "classic", synthetic.stored_values(), bits_stored=12)
    order = [3, 0, 5, 1, 4, 2]
    slices = [pydicom.dcmread(sorted((folder / "classic").iterdir())[index]) for index in order]
    ds = copy.deepcopy(slices[0])
    for file in (folder / "classic").iterdir():
        file.unlink()
    keywords = "ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness RescaleSlope"
    for keyword in f"{keywords} RescaleIntercept RescaleType AcquisitionNumber".split():
        delattr(ds, keyword)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.NumberOfFrames = len(slices)
    ds.PixelData = b"".join(one.PixelData for one in slices)
    ds.SharedFunctionalGroupsSequence = [_shared_groups(slices[0])]
    ds.PerFrameFunctionalGroupsSequence = [
        _own_groups(one, place, slope) for one, place, slope in zip(slices, order, slopes, strict=True)
    ]
    organization, pointer = Dataset(), Dataset()
    organization.DimensionOrganizationUID = pointer.DimensionOrganizationUID = generate_uid(prefix=None)
    pointer.DimensionIndexPointer, pointer.FunctionalGroupPointer = 0x00209057, 0x00209111
    ds.DimensionOrganizationSequence, ds.DimensionIndexSequence = [organization], [pointer]
    ds.save_as(folder / "enhanced.dcm", enforce_file_format=True)


def _shared_groups(one: Dataset) -> Dataset:
    groups, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = one.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = one.PixelSpacing, one.SliceThickness
    groups.PlaneOrientationSequence, groups.PixelMeasuresSequence = [orientation], [measures]
    return groups


def _own_groups(one: Dataset, place: int, slope: float) -> Dataset:
    groups, content, position, values = Dataset(), Dataset(), Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", place + 1, place + 1
    position.ImagePositionPatient = one.ImagePositionPatient
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, -1024, "HU"
    groups.FrameContentSequence, groups.PlanePositionSequence = [content], [position]
    groups.PixelValueTransformationSequence = [values]
    return groups


def enhanced_ct_with_slopes(folder: Path) -> None:
    enhanced_ct(folder, (1.0, 1.25, 0.37, 2.013, 0.5, 3.1415))


def interleaved(folder: Path) -> None:
    """Numbered as acquired: every other slice first."""
    each = [{"InstanceNumber": number} for number in (1, 4, 2, 5, 3, 6)]
    synthetic.write_series(folder, synthetic.stored_values(), modality="MR", each=each)


def jittering_orientation(folder: Path) -> None:
    """The same plane with other last digits in each slice, as some scanners write it."""
    each = [
        {"ImageOrientationPatient": [1, f"{index * 2e-6:.6f}", 0, f"-{index * 2e-6:.6f}", 1, 0]}
        for index in range(6)
    ]
    synthetic.write_series(folder, synthetic.stored_values(), modality="MR", each=each)


def one_slice_aside(folder: Path) -> None:
    """The fourth slice lies 3 mm to the side of the others: no affine places it."""
    each: list[dict[str, object]] = [{} for _ in range(6)]
    each[3] = {"ImagePositionPatient": [-17.0, -30.0, 107.5]}
    synthetic.write_series(folder, synthetic.stored_values(), each=each)


def monochrome1(folder: Path) -> None:
    common = {"PhotometricInterpretation": "MONOCHROME1"}
    synthetic.write_series(folder, synthetic.stored_values(), bits_stored=12, common=common)


def colour_slices(folder: Path) -> None:
    array = synthetic.stored_values((*synthetic.SHAPE, 3), bits_stored=8)
    synthetic.write_series(folder, array, modality="MR")


def float_pixels(folder: Path) -> None:
    """Float Pixel Data (PS3.3 C.7.6.24), which parametric maps have."""
    array = synthetic.stored_values().astype(np.float32) / 7
    each = [{"RescaleSlope": ..., "RescaleIntercept": ..., "RescaleType": ...} for _ in array]
    synthetic.write_series(folder, array, each=each)


def no_place(folder: Path) -> None:
    """Secondary captures: images without a position."""
    synthetic.write_series(folder, synthetic.stored_values(bits_stored=8), modality="SC")


def pixel_spacing_changes(folder: Path) -> None:
    """Two fields of view in one stack: each slice has the place that its own Pixel Spacing gives it."""
    each = [{"PixelSpacing": [0.5, 0.75] if index < 3 else [0.6, 0.9]} for index in range(6)]
    synthetic.write_series(folder, synthetic.stored_values(), each=each)


def two_sizes(folder: Path) -> None:
    one_series(folder, [{}, {"ImagePositionPatient": [-20.0, -30.0, 300.0]}], columns=(16, 14))


def b_values(folder: Path) -> None:
    one_series(folder, [{"DiffusionBValue": 0.0}, {"DiffusionBValue": 1000.0}])


def repetitions_without_a_label(folder: Path) -> None:
    """Only Acquisition Time and Instance Number tell the two volumes apart, and the time differs by slice."""
    one_series(folder, [{"AcquisitionNumber": ...}] * 2, timed=True)


def incomplete_repetition(folder: Path) -> None:
    """As two time points, but the last file is not there."""
    synthetic.two_time_points(folder)
    max(folder.iterdir()).unlink()


def siemens_mosaic(folder: Path) -> None:
    volume = synthetic.stored_values()
    normal = mosaic_files.directions(OBLIQUE)[2]
    ds = mosaic_files.mosaic(volume, OBLIQUE)
    mosaic_files.add_csa(ds, mosaic_files.image_csa(len(volume), normal))
    mosaic_files.write(ds, folder / "mosaic.dcm")


HAND_MADE: tuple[tuple[str, Make], ...] = (
    ("plain CT", plain_ct),
    ("big-endian CT", big_endian),
    ("signed stored values", signed_ct),
    ("one slice", one_slice),
    ("sagittal", sagittal),
    ("oblique", oblique),
    ("orientation differs in the sixth digit", jittering_orientation),
    ("colour", colour_slices),
    ("no place in the patient", no_place),
    ("Float Pixel Data", float_pixels),
    ("MONOCHROME1: inverted on display only", monochrome1),
    ("numbered from head to feet", head_to_feet),
    ("numbered as acquired, interleaved", interleaved),
    ("Instance Numbers shuffled", synthetic.shuffled_instance_numbers),
    ("no Instance Numbers", no_instance_numbers),
    ("rows and columns unequally spaced", synthetic.anisotropic_pixels),
    ("positive HU in the first slice, negative later", synthetic.first_slice_positive_then_negative_hu),
    ("slope differs by slice (PET)", synthetic.varying_slope),
    ("intercept differs by slice", varying_intercept),
    ("tilted gantry", synthetic.tilted_20_degrees),
    ("a slice is missing", synthetic.gap),
    ("spacing changes halfway", uneven_spacing),
    ("one slice to the side of the others", one_slice_aside),
    ("two images at one place, different", synthetic.duplicate_position),
    ("an image twice, identical", synthetic.identical_duplicate),
    ("two time points", synthetic.two_time_points),
    ("two time points, the last image missing", incomplete_repetition),
    ("repetitions told apart by nothing but order", repetitions_without_a_label),
    ("two b-values", b_values),
    ("two echoes", two_echoes),
    ("magnitude and phase", magnitude_and_phase),
    ("three orientations", three_orientations),
    ("Pixel Spacing changes halfway", pixel_spacing_changes),
    ("two image sizes", two_sizes),
    ("a localizer appended", synthetic.appended_localizer),
    ("enhanced CT, frames out of order", enhanced_ct),
    ("enhanced CT, slope differs by frame", enhanced_ct_with_slopes),
    ("Siemens mosaic", siemens_mosaic),
)
