"""Structure sets as other programs write them, well or badly: masks by the standard, a word on the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from shapely.geometry import Point, Polygon
from skimage.draw import polygon2mask

import dicomarray
from dicomarray import Segmentation
from dicomarray.workflows.structure_sets import load_structure_set
from structure_set_files import CLOSED, XOR, Contours, square, structure_set, write
from synthetic import SHAPE, stored_values, write_series

Z = [100 + 2.5 * index for index in range(SHAPE[0])]  # of the slices


class Study:
    """A CT and what is drawn on it."""

    def __init__(self, folder: Path) -> None:
        self.ct, self.file = folder / "ct", folder / "rt" / "rt.dcm"
        self.images = [pydicom.dcmread(path) for path in write_series(self.ct, stored_values())]

    def drawn(self, *contours: tuple[str, NDArray[Any]], **more: Contours) -> Dataset:
        """A structure set with a region "GTV" of these contours, and others."""
        return structure_set(self.images[0], {"GTV": contours, **more}, self.images)

    def read(self, made: Dataset, syntax: str | None = None, **options: Any) -> Segmentation:
        """Written, and read back on the CT beside it."""
        content = write(made, self.file, *([] if syntax is None else [syntax])).read_bytes()
        self.file.write_bytes(content.replace(b"\x06\x30\x50\x00OB", b"\x06\x30\x50\x00UN"))
        return load_structure_set(self.file, **options)

    def mask(self, *contours: tuple[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """The mask of a region of these contours."""
        return self.read(self.drawn(*contours)).mask("GTV")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A CT in a folder of its own, with a place beside it."""
    return Study(tmp_path / "study")


def box(*sides: tuple[int, int, int, int, int]) -> NDArray[np.bool_]:
    """True in boxes (slice, top, left, bottom, right), False again where they overlap."""
    out = np.zeros(SHAPE, bool)
    for index, top, left, bottom, right in sides:
        out[index, top:bottom, left:right] ^= True
    return out


def codes(found: Segmentation) -> list[str]:
    """The codes of its warnings."""
    return [warning.code for warning in found.warnings]


def test_a_loop_in_a_loop_is_a_hole(study: Study) -> None:
    """And one in the hole an island, in slices that are matched by place."""
    contours = [
        (CLOSED, square(Z[2], 1, 1, 11, 14)),
        (CLOSED, square(Z[2], 3, 3, 9, 10)[::-1]),
        (CLOSED, square(Z[2], 5, 5, 7, 8)),
        (CLOSED, square(Z[3], 1, 1, 4, 4)),
    ]
    found = study.read(study.drawn(*contours))
    np.testing.assert_array_equal(
        found.mask("GTV"), box((2, 1, 1, 11, 14), (2, 3, 3, 9, 10), (2, 5, 5, 7, 8), (3, 1, 1, 4, 4))
    )
    assert not found.warnings
    assert found.segments[0].colour == (255, 0, 1)


def test_exclusive_contours_are_combined_by_exclusive_or(study: Study) -> None:
    """Also where they overlap in part, which is no carelessness then."""
    contours = [(XOR, square(Z[1], 1, 1, 8, 8)), (XOR, square(Z[1], 4, 4, 11, 12))]
    found = study.read(study.drawn(*contours))
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8), (1, 4, 4, 11, 12)))
    assert not found.warnings


def test_a_keyhole_leaves_its_hole_empty(study: Study) -> None:
    """One contour that goes in by a channel, around the hole and out again."""
    outer, hole = square(Z[0], 1, 1, 11, 12), square(Z[0], 4, 4, 8, 9)
    keyhole = np.concatenate([outer, outer[:1], hole[::-1], hole[-1:], outer[:1]])
    np.testing.assert_array_equal(study.mask((CLOSED, keyhole)), box((0, 1, 1, 11, 12), (0, 4, 4, 8, 9)))


def test_contours_that_overlap_in_part_are_joined_and_told(study: Study) -> None:
    """The warning names the region and a slice."""
    contours = [(CLOSED, square(Z[1], 1, 1, 8, 8)), (CLOSED, square(Z[1], 4, 4, 11, 12))]
    found = study.read(study.drawn(*contours))
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8)) | box((1, 4, 4, 11, 12)))
    assert codes(found) == ["contours-overlap"]
    assert '"GTV"' in found.warnings[0]
    assert "slice 1" in found.warnings[0]


def test_a_contour_that_is_drawn_twice_counts_once(study: Study) -> None:
    """Even-odd alone would leave nothing of it."""
    contours = [(CLOSED, square(Z[1], 1, 1, 8, 8)), (CLOSED, square(Z[1], 1, 1, 8, 8))]
    found = study.read(study.drawn(*contours))
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8)))
    assert codes(found) == ["contours-overlap"]


def _moved(points: NDArray[Any], x: float = 0, z: float = 0) -> NDArray[Any]:
    return points + np.array([x, 0, z])


GOOD = (CLOSED, square(Z[1], 1, 1, 8, 8))
FAULTS: dict[str, tuple[str, tuple[str, NDArray[Any]]]] = {
    "a point": ("contours-not-closed", ("POINT", square(Z[1], 1, 1, 8, 8)[:1])),
    "a line": ("contours-not-closed", ("OPEN_PLANAR", square(Z[2], 1, 1, 8, 8))),
    "a curve in space": ("contours-not-closed", ("OPEN_NONPLANAR", square(Z[2], 1, 1, 8, 8))),
    "two points": ("contours-damaged", (CLOSED, square(Z[1], 1, 1, 8, 8)[:2])),
    "slanted": ("contours-not-planar", (CLOSED, square(Z[2], 1, 1, 8, 8) + np.eye(4, 3, -1) * 2)),
    "upright": ("contours-not-planar", (CLOSED, square(Z[2], 1, 1, 8, 8)[:, [0, 2, 1]] + [0, -110, 120])),
    "above the grid": ("contours-outside", (CLOSED, square(Z[-1] + 5, 1, 1, 8, 8))),
    "below the grid": ("contours-outside", (CLOSED, square(Z[0] - 1.5, 1, 1, 8, 8))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_encloses_no_voxels_is_left_out_and_told(fault: str, study: Study) -> None:
    """The good contour beside it stays; the warning names the region."""
    code, contour = FAULTS[fault]
    found = study.read(study.drawn(GOOD, contour))
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8)))
    assert codes(found) == [code]
    assert '"GTV"' in found.warnings[0]


def test_what_reaches_beyond_the_image_is_cut_and_told(study: Study) -> None:
    """At each side of the image."""
    found = study.read(study.drawn((CLOSED, square(Z[1], -3, 5, 30, 40))))
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 0, 5, 12, 16)))
    assert codes(found) == ["contours-outside"]
    assert "cut" in found.warnings[0]


def test_contours_between_slices_count_for_the_nearest_and_are_told(study: Study) -> None:
    """Two that were drawn on a finer grid are joined in one slice, and take nothing from each other."""
    contours = [GOOD, (CLOSED, _moved(square(Z[1], 2, 2, 6, 10), z=0.9))]
    found = study.read(study.drawn(*contours))
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8)) | box((1, 2, 2, 6, 10)))
    assert codes(found) == ["contours-between-slices"]


def test_rounding_along_the_normal_is_not_told(study: Study) -> None:
    """Planning systems write places to 0.01 mm."""
    found = study.read(study.drawn((CLOSED, _moved(square(Z[1], 1, 1, 8, 8), z=0.02))))
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8)))
    assert not found.warnings


def test_slices_without_a_contour_between_others_are_told(study: Study) -> None:
    """They stay empty: what lies there is not made up."""
    found = study.read(study.drawn(GOOD, (CLOSED, square(Z[4], 1, 1, 8, 8))))
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8), (4, 1, 1, 8, 8)))
    assert codes(found) == ["contours-missing"]
    assert "2 slices" in found.warnings[0]


def test_a_region_without_contours_is_an_empty_segment(study: Study) -> None:
    """Which is told, and other regions stay what they are."""
    made = study.drawn(GOOD, Heart=[], Marker=[("POINT", square(Z[1], 1, 1, 8, 8)[:1])])
    del made.ROIContourSequence[1]
    found = study.read(made)
    assert [segment.label for segment in found.segments] == ["GTV", "Heart", "Marker"]
    assert not found.mask("Heart").any()
    assert not found.mask("Marker").any()
    assert codes(found) == ["contours-none", "contours-not-closed"]


def test_contours_of_one_region_in_two_items_are_all_read(study: Study) -> None:
    """ROI Contour Sequence should have one item a region; a second one is not lost."""
    made = study.drawn(GOOD, Other=[(CLOSED, square(Z[2], 1, 1, 8, 8))])
    made.ROIContourSequence[1].ReferencedROINumber = 1
    np.testing.assert_array_equal(study.read(made).mask("GTV"), box((1, 1, 1, 8, 8), (2, 1, 1, 8, 8)))


def test_numbers_that_are_no_labels_are_replaced_and_told(study: Study) -> None:
    """ROI Number 0, and one beyond 16 bits."""
    made = study.drawn(GOOD, Other=[(CLOSED, square(Z[2], 1, 1, 8, 8))])
    for index, number in enumerate((0, 70000)):
        made.StructureSetROISequence[index].ROINumber = number
        made.ROIContourSequence[index].ReferencedROINumber = number
    found = study.read(made)
    assert [(one.number, one.label) for one in found.segments] == [(1, "GTV"), (2, "Other")]
    assert codes(found) == ["roi-numbers"]


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_every_transfer_syntax_is_read(syntax: str, study: Study) -> None:
    """Those that few programs write, too."""
    found = study.read(study.drawn(GOOD), syntax)
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8)))


def _as_unknown(dataset: Dataset, keyword: str, value: bytes) -> None:
    """Bytes for which `Study.read` writes UN: pydicom would see through it, and write what it should be."""
    dataset[keyword] = DataElement(Tag(keyword), "OB", value)


def test_contour_data_of_unknown_vr_is_read(study: Study) -> None:
    """What is too long for DS in Explicit VR is often written as UN."""
    made = study.drawn(GOOD)
    contour = made.ROIContourSequence[0].ContourSequence[0]
    text = "\\".join(str(number) for number in contour.ContourData).encode()
    _as_unknown(contour, "ContourData", text + b" " * (len(text) % 2))
    np.testing.assert_array_equal(study.read(made).mask("GTV"), box((1, 1, 1, 8, 8)))


@pytest.mark.parametrize(
    "text",
    [
        b"1\\2",
        b"nan\\1\\2\\3\\4\\5\\6\\7\\8",
        b"1e400\\1\\2\\3\\4\\5\\6\\7\\8",
        b"a\\b\\c",
        b"1_0\\2\\3\\4\\5\\6\\7\\8\\9",
        b"1\\2\\3\\4\\5\\6\\7\\8\\--9",
        b"",
    ],
    ids=["no triple", "nan", "infinite", "words", "underscores", "signs", "empty"],
)
def test_damaged_numbers_cost_their_contour_alone(text: bytes, study: Study) -> None:
    """And are told."""
    made = study.drawn((CLOSED, square(Z[2], 1, 1, 8, 8)), GOOD)
    contour = made.ROIContourSequence[0].ContourSequence[0]
    _as_unknown(contour, "ContourData", text + b" " * (len(text) % 2))
    found = study.read(made)
    np.testing.assert_array_equal(found.mask("GTV"), box((1, 1, 1, 8, 8)))
    assert codes(found) == ["contours-damaged"]


def test_a_file_that_is_cut_off_is_refused(study: Study) -> None:
    """Wherever it ends: a region that is read in part would be taken for a whole one."""
    whole = write(study.drawn(GOOD, Other=[GOOD]), study.file).read_bytes()
    refused = 0
    for end in range(400, len(whole) - 2, 61):
        study.file.write_bytes(whole[:end])
        try:
            load_structure_set(study.file, study.ct)
        except dicomarray.DataError:
            refused += 1
    assert refused == len(range(400, len(whole) - 2, 61))


def test_lengths_that_lie_are_refused(study: Study) -> None:
    """A sequence or value that says it has 4 GB takes no memory for them."""
    whole = write(study.drawn(GOOD), study.file).read_bytes()
    for tag in (b"\x06\x30\x39\x00SQ", b"\x06\x30\x40\x00SQ", b"\x06\x30\x20\x00SQ"):
        place = whole.index(tag) + 8
        study.file.write_bytes(whole[:place] + b"\xf0\xff\xff\xff" + whole[place + 4 :])
        with pytest.raises(dicomarray.DataError):
            load_structure_set(study.file, study.ct)


@pytest.mark.parametrize("depth", [20, 5000])
def test_deep_nesting_is_refused(depth: int, study: Study) -> None:
    """Sequences in sequences, as no program writes them."""
    whole = write(study.drawn(GOOD), study.file).read_bytes()
    opening = b"\x10\x30\x01\x00SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    study.file.write_bytes(whole + opening * depth + closing * depth)
    with pytest.raises(dicomarray.DataError, match=r"rt\.dcm"):
        load_structure_set(study.file, study.ct)


MISTAKES: dict[str, Callable[[Dataset], None]] = {
    "no region": lambda made: delattr(made, "StructureSetROISequence"),
    "a region without a number": lambda made: delattr(made.StructureSetROISequence[0], "ROINumber"),
    "contours of no region": lambda made: delattr(made.ROIContourSequence[0], "ReferencedROINumber"),
    "another class": lambda made: setattr(made, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.481.5"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_no_structure_set_is_refused(mistake: str, study: Study) -> None:
    """The message names the file."""
    made = study.drawn(GOOD)
    MISTAKES[mistake](made)
    with pytest.raises(dicomarray.SegmentationError, match=r"rt\.dcm"):
        study.read(made)


def test_the_series_is_found_by_an_image_of_a_contour(study: Study) -> None:
    """Where only the images are named, and the series is called otherwise."""
    made = study.drawn(GOOD)
    frame = made.ReferencedFrameOfReferenceSequence[0]
    frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3"
    np.testing.assert_array_equal(study.read(made).mask("GTV"), box((1, 1, 1, 8, 8)))


def test_regions_of_another_frame_of_reference_are_refused(study: Study) -> None:
    """One grid cannot hold both."""
    made = study.drawn(GOOD, Other=[GOOD])
    made.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"
    with pytest.raises(dicomarray.SegmentationError, match="Frame of Reference"):
        study.read(made)


STS = [f"rtstruct-sts-{patient}/{kind}" for patient in ("002", "003") for kind in ("CT", "PET", "MR_T1")]


@pytest.mark.parametrize("name", STS)
def test_real_contours_against_other_rasterisers(name: str, real_data: Path) -> None:
    """Dice of 0.99 against scikit-image, all but the border against shapely; volumes within 0.5 %."""
    folder = real_data / name / "dicom"
    file = folder / "mask" / "RS.dcm"
    found = load_structure_set(file, folder / "image")
    parts = load_structure_set(file, folder / "image", occupancy=True)
    [segment] = found.segments
    mask, geometry = found.mask(segment.number), found.geometry
    assert geometry is not None
    to_index = np.linalg.inv(geometry.affine)
    expected, planimetric = np.zeros_like(mask), 0.0
    for contour in pydicom.dcmread(file).ROIContourSequence[0].ContourSequence:
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        index = (np.column_stack([points, np.ones(len(points))]) @ to_index.T)[:, :3]
        at = round(index[:, 0].mean())
        expected[at] ^= polygon2mask(mask.shape[1:], index[:, 1:])
        polygon = Polygon(index[:, 1:])
        planimetric += polygon.area
        for row, column in np.argwhere(mask[at]):
            assert polygon.distance(Point(row, column)) < 1e-4
    dice = 2 * np.count_nonzero(mask & expected) / (np.count_nonzero(mask) + np.count_nonzero(expected))
    assert dice >= 0.99
    assert parts.fraction(segment.number).sum() == pytest.approx(planimetric, rel=0.005)
    assert not found.warnings
