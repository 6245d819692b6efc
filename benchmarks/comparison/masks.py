"""Masks of hand-made series, written by several tools: is every voxel where it was drawn?

Written files are read by pydicom and shapely alone: a SEG by the place and pixels of its frames, a structure
set by which voxel centres its polygons hold and how much they enclose.
"""

# The contenders have no types, and need not be installed where this is checked.
# mypy: disable-error-code="no-untyped-call,import-not-found,import-untyped"
from __future__ import annotations

import json
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset

from comparison.cases import Case
from comparison.judging import REFUSED, RIGHT, WRONG, Verdict
from comparison.readers import shortened
from comparison.running import TIME_LIMIT_S

Mask = NDArray[np.bool_]
Voxels = set[tuple[int, int, int]]
# Voxel centres are the same where they agree in hundredths of a millimetre.
PER_MM = 100
# What polygons enclose is right within this part of the mask's area: contours of planning systems smooth it.
AREA_TOLERANCE = 0.02
CODE = ("10200004", "SCT", "Liver")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Single-frame images with a place, each with its mask."""

    images: tuple[Dataset, ...]
    paths: tuple[Path, ...]
    masks: tuple[Mask, ...]


@dataclass(frozen=True)
class Writer:
    """Who writes masks: as SEG or structure set; ``write`` gives the files that it wrote."""

    name: str
    how: str
    packages: tuple[str, ...]
    write: Callable[[Drawn, Path], Sequence[Path]]

    @property
    def versions(self) -> str:
        """Of what matters."""
        return ", ".join(f"{package} {version(package)}" for package in self.packages)


def drawn_on(case: Case) -> Drawn | None:
    """A mask on each image of a series, equal on images of one place; None where images have no place."""
    images = [pydicom.dcmread(path) for path in case.files]
    if any("MOSAIC" in image.get("ImageType", ()) for image in images):
        return None  # of these the header does not say where each slice lies
    if not all("ImagePositionPatient" in image and "NumberOfFrames" not in image for image in images):
        return None
    if not all(image.get("FrameOfReferenceUID") for image in images):
        return None
    masks: dict[tuple[float, ...], Mask] = {}
    for number, place in enumerate(sorted({tuple(map(float, i.ImagePositionPatient)) for i in images})):
        mask = np.zeros((images[0].Rows, images[0].Columns), bool)
        mask[2 : 6 + number % 3, 3 : 9 + number % 4] = True
        mask[4, 5] = False  # a hole
        mask[9, 12] = number % 2 == 0  # an island
        masks[place] = mask
    own = tuple(masks[tuple(map(float, image.ImagePositionPatient))] for image in images)
    return Drawn(tuple(images), case.files, own)


def by_dicomarray(drawn: Drawn, output: Path, write: str) -> list[Path]:
    """``to_seg`` or ``to_rtstruct`` for each volume, with an array in the order in which it was loaded."""
    import dicomarray

    by_uid = {i.SOPInstanceUID: m for i, m in zip(drawn.images, drawn.masks, strict=True)}
    paths: list[Path] = []
    for series in dicomarray.scan(drawn.paths):
        for volume in series.volumes(missing="keep"):
            slices = volume.array.shape[volume.axes.index("slice")]
            array = np.stack([by_uid[record["SOPInstanceUID"]] for record in volume.slices[:slices]])
            report = getattr(dicomarray, write)({"liver": array}, volume, output / str(len(paths)))
            paths += report.files
    return paths


def by_highdicom(drawn: Drawn, output: Path) -> list[Path]:
    """``Segmentation`` with the images in the order of their masks."""
    import highdicom as hd
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes

    description = SegmentDescription(
        1, "liver", codes.SCT.Organ, codes.SCT.Liver, hd.seg.SegmentAlgorithmTypeValues.MANUAL
    )
    made = Segmentation(
        list(drawn.images), np.stack(drawn.masks), hd.seg.SegmentationTypeValues.BINARY, [description],
        hd.UID(), 2, hd.UID(), 1, "maker", "model", "1", "serial",
    )  # fmt: skip
    path = output / "seg.dcm"
    made.save_as(path)
    return [path]


def by_dcmqi(drawn: Drawn, output: Path) -> list[Path]:
    """``itkimage2segimage`` with the mask as an image of SimpleITK, as its documentation has it."""
    import dcmqi
    import SimpleITK as sitk  # noqa: N813

    folder = output / "images"
    folder.mkdir()
    for number, path in enumerate(drawn.paths):
        (folder / f"{number}.dcm").write_bytes(path.read_bytes())
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = sitk.ReadImage(names)
    by_uid = {i.SOPInstanceUID: m for i, m in zip(drawn.images, drawn.masks, strict=True)}
    uids = [pydicom.dcmread(name, stop_before_pixels=True).SOPInstanceUID for name in names]
    mask = sitk.GetImageFromArray(np.stack([by_uid[uid] for uid in uids]).astype(np.uint8))
    mask.CopyInformation(image)
    sitk.WriteImage(mask, str(output / "mask.nrrd"))
    (output / "meta.json").write_text(json.dumps(_dcmqi_metadata()))
    program = Path(dcmqi.__file__).parent / "bin" / "itkimage2segimage"
    command = [
        str(program) if program.exists() else "itkimage2segimage",
        "--inputDICOMDirectory", str(folder), "--inputImageList", str(output / "mask.nrrd"),
        "--inputMetadata", str(output / "meta.json"), "--outputDICOM", str(output / "seg.dcm"), "--skip",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not (output / "seg.dcm").exists():
        lines = [line for line in (done.stderr + done.stdout).splitlines() if "ERROR" in line.upper()]
        raise RuntimeError(lines[0] if lines else f"itkimage2segimage ended with {done.returncode}")
    return [output / "seg.dcm"]


def _dcmqi_metadata() -> dict[str, object]:
    def term(value: str, meaning: str) -> dict[str, str]:
        return {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}

    segment = {
        "labelID": 1,
        "SegmentDescription": "liver",
        "SegmentAlgorithmType": "MANUAL",
        "SegmentedPropertyCategoryCodeSequence": term("123037004", "Anatomical Structure"),
        "SegmentedPropertyTypeCodeSequence": term(CODE[0], CODE[2]),
    }
    return {
        "ContentCreatorName": "a^maker",
        "ClinicalTrialSeriesID": "1",
        "ClinicalTrialTimePointID": "1",
        "SeriesDescription": "masks",
        "SeriesNumber": "300",
        "InstanceNumber": "1",
        "segmentAttributes": [[segment]],
    }


def by_rt_utils(drawn: Drawn, output: Path) -> list[Path]:
    """``RTStructBuilder`` with a mask (row, column, slice) in the order of its own series."""
    from rt_utils import RTStructBuilder

    folder = output / "images"
    folder.mkdir()
    for number, path in enumerate(drawn.paths):
        (folder / f"{number}.dcm").write_bytes(path.read_bytes())
    made = RTStructBuilder.create_new(dicom_series_path=str(folder))
    by_uid = {i.SOPInstanceUID: m for i, m in zip(drawn.images, drawn.masks, strict=True)}
    mask = np.stack([by_uid[image.SOPInstanceUID] for image in made.series_data], axis=2)
    made.add_roi(mask=mask, name="liver")
    path = output / "rt.dcm"
    made.save(str(path))
    return [path]


WRITERS = (
    Writer("dicomarray SEG", "`to_seg`", ("dicomarray",), lambda d, o: by_dicomarray(d, o, "to_seg")),
    Writer("highdicom", "`seg.Segmentation`", ("highdicom",), by_highdicom),
    Writer("dcmqi", "`itkimage2segimage`, the mask by SimpleITK", ("dcmqi", "SimpleITK"), by_dcmqi),
    Writer(
        "dicomarray structure set",
        "`to_rtstruct`",
        ("dicomarray",),
        lambda d, o: by_dicomarray(d, o, "to_rtstruct"),
    ),
    Writer("rt-utils", "`RTStructBuilder`", ("rt-utils",), by_rt_utils),
)


def centres(plane: Dataset, turn: Dataset, size: Dataset, mask: Mask) -> Voxels:
    """The centres of a mask's voxels in hundredths of a millimetre, by position, orientation and spacing."""
    right, down = np.array(turn.ImageOrientationPatient, float).reshape(2, 3)
    rows, columns = np.nonzero(mask)
    points = np.array(plane.ImagePositionPatient, float) + rows[:, None] * down * float(size.PixelSpacing[0])
    points = points + columns[:, None] * right * float(size.PixelSpacing[1])
    return {(int(x), int(y), int(z)) for x, y, z in np.rint(points * PER_MM)}


def verdict_of(drawn: Drawn, paths: Sequence[Path]) -> Verdict:
    """Whether files have just the voxels that were drawn."""
    made = [pydicom.dcmread(path) for path in paths]
    wanted: Voxels = set()
    for image, mask in zip(drawn.images, drawn.masks, strict=True):
        wanted |= centres(image, image, image, mask)
    if made[0].Modality == "RTSTRUCT":
        return _of_contours(drawn, made, wanted)
    return _of_voxels(set().union(*map(_in_frames, made)), wanted)


def _of_voxels(found: Voxels, wanted: Voxels) -> Verdict:
    off = [(len(wanted - found), "missing"), (len(found - wanted), "elsewhere")]
    said = ", ".join(f"{count} voxels {what}" for count, what in off if count)
    return Verdict(WRONG, (f"{said} of {len(wanted)}",)) if said else Verdict(RIGHT)


def _in_frames(made: Dataset) -> Voxels:
    pixels = made.pixel_array.reshape(-1, made.Rows, made.Columns)
    shared = made.SharedFunctionalGroupsSequence[0]
    found: Voxels = set()
    for own, image in zip(made.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        place, turn, size = (
            (own if name in own else shared)[name].value[0]
            for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        )
        found |= centres(place, turn, size, image > 0)
    return found


def _of_contours(drawn: Drawn, made: Sequence[Dataset], wanted: Voxels) -> Verdict:
    """By the voxel centres that lie inside or on contours, and by the area that these enclose."""
    import shapely

    found: Voxels = set()
    enclosed = expected = 0.0
    pairs = zip(drawn.images, drawn.masks, strict=True)
    once = {(str(i.ImagePositionPatient), str(i.ImageOrientationPatient)): (i, m) for i, m in pairs}
    contours = [_contours(one) for one in made]
    for image, mask in once.values():
        area = shapely.union_all([_area(image, own) for own in contours])
        rows, columns = np.nonzero(np.ones_like(mask))
        spacing = np.array(image.PixelSpacing, float)
        points = shapely.points(np.stack([columns, rows], axis=1) * spacing[::-1])
        inside = shapely.covers(area.buffer(1 / PER_MM), points).reshape(mask.shape)
        found |= centres(image, image, image, inside)
        enclosed, expected = enclosed + area.area, expected + float(np.prod(spacing)) * int(mask.sum())
    verdict = _of_voxels(found, wanted)
    if verdict.outcome == RIGHT and abs(enclosed / expected - 1) > AREA_TOLERANCE:
        return Verdict(WRONG, (f"volume {100 * (enclosed / expected - 1):+.0f} %",))
    return verdict


def _contours(made: Dataset) -> list[NDArray[np.float64]]:
    """The points of each contour of a structure set; of a point or a line, which encloses nothing, none."""
    return [
        np.array(contour.ContourData, float).reshape(-1, 3)
        for roi in made.ROIContourSequence
        for contour in roi.get("ContourSequence") or ()
        if len(contour.ContourData) >= 9
    ]


def _area(image: Dataset, contours: Sequence[NDArray[np.float64]]) -> Any:
    """What contours in the plane of an image enclose, in mm to the right and down from its first pixel."""
    import shapely

    turn = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    origin, normal = np.array(image.ImagePositionPatient, float), np.cross(turn[0], turn[1])
    area = shapely.Polygon()
    for contour in contours:
        if np.abs((contour - origin) @ normal).max() < 1 / PER_MM:
            loop = shapely.make_valid(shapely.Polygon((contour - origin) @ turn.T))
            area = area.symmetric_difference(loop)
    return area


def answer(writer: Writer, drawn: Drawn) -> Verdict:
    """What a writer makes of the masks, in a process of its own; whatever it raises is a refusal."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(writer, drawn, there))
    child.start()
    there.close()
    try:
        silent = Verdict(REFUSED, message=f"nothing after {TIME_LIMIT_S} s")
        verdict: Verdict = here.recv() if here.poll(TIME_LIMIT_S) else silent
    except EOFError:
        verdict = Verdict(REFUSED, message="the process crashed")
    child.kill()
    child.join()
    return verdict


def _work(writer: Writer, drawn: Drawn, connection: Connection) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        try:
            verdict = verdict_of(drawn, writer.write(drawn, Path(folder)))
        except Exception as error:  # noqa: BLE001 - writers raise anything; it is their answer
            verdict = Verdict(REFUSED, message=shortened(f"{type(error).__name__}: {error}"))
    connection.send(verdict)
    connection.close()


TITLE = "## Masks of hand-made series"
ABOUT = f"""\
A box with a hole and an island on every image of a hand-made series with a place, written by each tool as its
documentation has it, and read by pydicom and shapely. **Right**: every voxel centre that was drawn is
covered, no other, and what contours enclose is within {100 * AREA_TOLERANCE:.0f} % of the mask.
**Wrong**: something else was written without an error. **Refused**: an error, whatever it says.
Rows and columns of these series are unequally spaced. dicomarray writes each volume of a series as an
object of its own.
"""


def section(series: Sequence[Case]) -> str:
    """The tables of masks, in Markdown."""
    lines = [TITLE, "", ABOUT, "| writer | versions | used as |", "|---|---|---|"]
    lines += [f"| {writer.name} | {writer.versions} | {writer.how} |" for writer in WRITERS]
    rows = []
    for case in series:
        if (drawn := drawn_on(case)) is not None:
            verdicts = [answer(writer, drawn) for writer in WRITERS]
            rows.append((case.name, verdicts))
            print(f"masks, {case.name}: " + ", ".join(v.outcome for v in verdicts), file=sys.stderr)
    lines += [
        "",
        f"| masks | {' | '.join(writer.name for writer in WRITERS)} |",
        "|---" * (len(WRITERS) + 1) + "|",
    ]
    counts = []
    for index in range(len(WRITERS)):
        outcomes = [verdicts[index].outcome for _, verdicts in rows]
        counts.append(" / ".join(str(outcomes.count(one)) for one in (RIGHT, WRONG, REFUSED)))
    lines.append(f"| **right / wrong / refused** | {' | '.join(counts)} |")
    lines += [f"| {name} | {' | '.join(map(_cell, verdicts))} |" for name, verdicts in rows]
    return "\n".join([*lines, ""])


def _cell(verdict: Verdict) -> str:
    if verdict.outcome == RIGHT:
        return "right"
    said = verdict.message if verdict.outcome == REFUSED else ", ".join(verdict.ways)
    text = said.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
    return f"**wrong**: {text}" if verdict.outcome == WRONG else f"refused: {text}"
