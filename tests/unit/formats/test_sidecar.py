"""The sidecar: its fixed keys, valid JSON whatever a header holds, and the same numbers when read again."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomarray.core.geometry import Plane, StackGeometry
from dicomarray.core.pixel_values import Normalization, Rescale
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import InputError
from dicomarray.formats import sidecar


def geometry(heights: tuple[float, ...] = (0.0, 2.5, 5.0), tilt: float = 0.0) -> StackGeometry:
    orientation = (1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(np.sin(tilt)))
    planes = [Plane.from_attributes((-10, 20.125, z), orientation, (0.5, 0.75)) for z in heights]
    return StackGeometry.from_planes(planes, 3.0, "1.2.840.99")


def made(**changes: Any) -> VolumeInfo:
    options: dict[str, Any] = {
        "shape": (3, 4, 5),
        "dtype": np.dtype(np.int16),
        "axes": ("slice", "row", "column"),
        "units": "HU",
        "geometry": geometry(),
        "rescales": (Rescale(1, -1024),) * 3,
        "normalization": None,
        "coordinates": {},
        "series": {"Modality": "CT", "SeriesDescription": "Schädel 頭部", "PixelSpacing": (0.5, 0.75)},
        "slices": tuple({"SOPInstanceUID": f"1.2.{n}", "frame": 0, "InstanceNumber": n} for n in range(3)),
        "warnings": ("be careful",),
    }
    changed = options | changes
    if changed["geometry"] is None:
        changed["axes"] = ("frame", "row", "column")
    return VolumeInfo(**changed)


def describe(**changes: Any) -> dict[str, Any]:
    return sidecar.to_json(made(**changes))


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_file_is_that_of_all_slices_at_once(tmp_path: Path, count: int) -> None:
    """However many slices there are, and whatever their texts hold, the file is one text of JSON."""
    record = {"frame": 0, "text": '\n "slices": [', "ImagePositionPatient": (1.5, 2.0, None)}
    info = made(slices=tuple({"SOPInstanceUID": f"1.{n}", **record} for n in range(count)), series=record)
    sidecar.write(tmp_path / "a.json", info)
    whole = json.dumps(sidecar.to_json(info), ensure_ascii=False, indent=1)
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == whole + "\n"


def test_keys_are_the_fixed_ones() -> None:
    """Scripts rely on these names, and on no other type than JSON's."""
    content = describe()
    assert list(content) == ["format", "array", "geometry", "values", "series", "slices", "warnings"]
    assert content["format"] == "dicomarray/1"
    assert content["array"] == {
        "shape": [3, 4, 5],
        "dtype": "int16",
        "axes": ["slice", "row", "column"],
        "units": "HU",
        "coordinates": {},
    }
    assert set(content["geometry"]) == {
        "affine", "spacing_mm", "origin_mm", "direction", "slice_positions_mm", "uniform", "gantry_tilt_deg",
        "frame_of_reference_uid",
    }  # fmt: skip
    assert content["values"] == {
        "modality": [{"slope": 1, "intercept": -1024}],
        "normalization": None,
        "units": "HU",
    }
    assert content["series"]["PixelSpacing"] == [0.5, 0.75]
    assert [record["InstanceNumber"] for record in content["slices"]] == [0, 1, 2]
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_slopes_that_differ_are_listed_slice_by_slice() -> None:
    """One slope for all only where it is one."""
    rescales = (Rescale(1, 0), Rescale(1, 0), Rescale(2, 0))
    assert describe(rescales=rescales)["values"]["modality"] == [
        {"slope": slope, "intercept": 0} for slope in (1, 1, 2)
    ]


def test_no_geometry_is_null() -> None:
    """A geometry is never made up."""
    assert describe(geometry=None)["geometry"] is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ((1.0, float("nan")), [1.0, "nan"]),
        (({"a": (float("inf"),)},), [{"a": ["inf"]}]),
        ((1.5, None, "x"), [1.5, None, "x"]),
        (None, None),
        (Path("odd"), "odd"),
    ],
)
def test_odd_values_become_valid_json(value: Any, expected: Any, tmp_path: Path) -> None:
    """NaN and what JSON has no word for are kept as text, at any depth: export throws on no attribute."""
    content = describe(series={"Odd": value}, slices=({"Odd": value},))
    assert content["series"]["Odd"] == expected
    assert content["slices"][0]["Odd"] == expected
    sidecar.write(tmp_path / "a.json", made(series={"Odd": value}, slices=({"Odd": value},)))

    def refuse(word: str) -> None:
        pytest.fail(f"{word} in JSON")

    json.loads((tmp_path / "a.json").read_text("utf-8"), parse_constant=refuse)


def test_text_is_utf8_and_readable(tmp_path: Path) -> None:
    """Umlauts and kanji are written as they are."""
    sidecar.write(tmp_path / "a.json", made())
    assert "Schädel 頭部" in (tmp_path / "a.json").read_bytes().decode("utf-8")


def test_nan_in_the_geometry_is_no_invalid_json(tmp_path: Path) -> None:
    """What would be NaN in the file is an error instead."""
    broken = replace(geometry(), slice_positions=np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="JSON"):
        sidecar.write(tmp_path / "a.json", made(geometry=broken))


# --- read again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        geometry(),
        geometry((4.0,)),
        geometry(tilt=0.3),
        geometry((0.0, 2.5, 7.5)),
        geometry((0.0, 2.0, 4.0, 9.0), tilt=-0.2),
    ],
    ids=["even", "lone slice", "tilted", "uneven", "uneven and tilted"],
)
def test_geometry_comes_back(place: StackGeometry, tmp_path: Path) -> None:
    """Affine, spacing, positions, evenness, tilt and frame of reference are the same after the file."""
    info = made(geometry=place, shape=(len(place.slice_positions), 4, 5))
    sidecar.write(tmp_path / "a.json", info)
    read = sidecar.read(tmp_path / "a.json").geometry
    assert read is not None
    assert read.affine.tolist() == place.affine.tolist()
    assert read.slice_positions.tolist() == place.slice_positions.tolist()
    assert read.pixel_spacing == pytest.approx(place.pixel_spacing)
    assert read.uniform is place.uniform
    assert read.frame_of_reference_uid == "1.2.840.99"
    assert sidecar.to_json(sidecar.read(tmp_path / "a.json")) == sidecar.to_json(info)


def test_everything_else_comes_back(tmp_path: Path) -> None:
    """Shape, axes, units, bounds, series and slices come back."""
    sidecar.write(tmp_path / "a.json", made(normalization=Normalization(-1000, 400.5), units="normalized"))
    read = sidecar.read(tmp_path / "a.json")
    assert (read.shape, read.axes, read.units) == ((3, 4, 5), ("slice", "row", "column"), "normalized")
    assert read.normalization == Normalization(-1000, 400.5)
    assert read.series["SeriesDescription"] == "Schädel 頭部"
    assert [record["SOPInstanceUID"] for record in read.slices] == ["1.2.0", "1.2.1", "1.2.2"]


def test_coordinates_of_a_repetition_come_back(tmp_path: Path) -> None:
    """What each index of a time axis stands for is in the file, in order, and read again."""
    info = made(
        shape=(2, 3, 4, 5),
        axes=("time", "slice", "row", "column"),
        coordinates={"TriggerTime": (0.0, 30.5)},
        slices=tuple({"SOPInstanceUID": f"1.2.{n}", "frame": 0} for n in range(6)),
    )
    sidecar.write(tmp_path / "a.json", info)
    read = sidecar.read(tmp_path / "a.json")
    assert (read.shape, read.axes) == ((2, 3, 4, 5), ("time", "slice", "row", "column"))
    assert {key: tuple(values) for key, values in read.coordinates.items()} == {"TriggerTime": (0.0, 30.5)}


def test_without_geometry_comes_back_without(tmp_path: Path) -> None:
    """null stays None."""
    sidecar.write(tmp_path / "a.json", made(geometry=None))
    assert sidecar.read(tmp_path / "a.json").geometry is None


ATTRIBUTES = st.none() | st.integers() | st.floats() | st.text(max_size=8)


@settings(max_examples=50)
@given(
    st.dictionaries(st.text(max_size=8), ATTRIBUTES | st.lists(ATTRIBUTES, max_size=4).map(tuple), max_size=5)
)
def test_any_series_attributes_survive_json(series: dict[str, Any]) -> None:
    """Whatever plain values a header gave, the sidecar holds them in valid JSON."""
    content = describe(series=series)
    assert sidecar.to_json(sidecar.from_json(content)) == content
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["series"].keys() == series.keys()


# --- damaged --------------------------------------------------------------------------------------------


def change(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """Sets one value of the content, or takes the key out where it is `...`."""

    def apply(content: Any) -> None:
        *way, last = path
        for key in way:
            content = content[key]
        if to is ...:
            del content[last]
        else:
            content[last] = to

    return apply


FAULTS = {
    "no array": change("array", to=...),
    "no geometry key": change("geometry", to=...),
    "no values": change("values", to=...),
    "no series": change("series", to=...),
    "no slices": change("slices", to=...),
    "array is a list": change("array", to=[1, 2]),
    "shape is text": change("array", "shape", to="abc"),
    "shape is null": change("array", "shape", to=None),
    "affine too short": change("geometry", "affine", to=[[1, 0], [0, 1]]),
    "affine with text": change("geometry", "affine", 0, 0, to="x"),
    "affine with NaN": change("geometry", "affine", 0, 0, to=float("nan")),
    "affine without rows": change("geometry", "affine", to=[[1, 0, 0, 0], [0] * 4, [0] * 4, [0, 0, 0, 1]]),
    "positions of two numbers": change("geometry", "slice_positions_mm", to=[[1, 2]]),
    "no positions": change("geometry", "slice_positions_mm", to=[]),
    "geometry is text": change("geometry", to="none"),
    "slices of numbers": change("slices", to=[1, 2]),
    "series is text": change("series", to="CT"),
    "normalization is a number": change("values", "normalization", to=5),
    "normalization without upper": change("values", "normalization", to={"lower": 0, "clip": True}),
    "normalization upside down": change("values", "normalization", to={"lower": 1, "upper": 0, "clip": True}),
    "normalization of NaN": change(
        "values", "normalization", to={"lower": float("nan"), "upper": 0, "clip": True}
    ),
    "axes in the plane are parallel": change(
        "geometry", "affine", to=[[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    ),
    "fewer positions than slices": change("geometry", "slice_positions_mm", to=[[0, 0, 0], [0, 0, 1]]),
    "another format": change("format", to="dicomarray/2"),
    "no format": change("format", to=...),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_damaged_sidecar_is_told(fault: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    """Every fault is an InputError that names the file; none is read as if nothing were wrong."""
    content = copy.deepcopy(describe())
    fault(content)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"broken\.json"):
        sidecar.read(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1, 2]", b"null", b'"dicomarray/1"', b"\xff\xfe\x00", b"[" * 200_000, b"{}"],
    ids=["empty", "cut", "list", "null", "text", "no UTF-8", "too deep", "no keys"],
)
def test_file_that_is_no_sidecar_is_told(content: bytes, tmp_path: Path) -> None:
    """Other files, and damaged ones, are InputErrors that name them."""
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.json"):
        sidecar.read(path)


def test_missing_sidecar_is_told(tmp_path: Path) -> None:
    """A file that is not there, and a folder in its place."""
    with pytest.raises(InputError, match=r"none\.json"):
        sidecar.read(tmp_path / "none.json")
    with pytest.raises(InputError):
        sidecar.read(tmp_path)


DEEP: Any = json.loads("[" * 200 + "]" * 200)
INFINITE, NO_NUMBER = float("inf"), float("nan")
LIES: dict[str, list[Any]] = {
    "array.shape": [[], {}, None, "345", [INFINITE, 4, 5], [3.5, 4, 5], [-3, 4, 5], [10**400, 4, 5], DEEP],
    "array.axes": [[], {}, None, 3, "slice", ["slice"], ["slice", "slice", "row"],
                   [["slice"], "row", "column"], ["a", "b", "c"], ["frame", "row", "column"]],
    "array.dtype": [[], {}, None, 3, "O", "object", "i4,i4", "<U5", "datetime64[D]", "x" * 5000],
    "array.units": [None, [], {}, 3, NO_NUMBER],
    "array.coordinates": [[], 3, "time", {"time": 3}, {"time": None}, {"time": {}}],
    "geometry": [[], 3, "here", {}],
    "geometry.affine": [[], {}, None, 3, "x", [[10**400] * 4] * 4, [[1e300] * 4] * 4, [[0] * 4] * 4, DEEP,
                        [[NO_NUMBER] * 4] * 4, [[1, 2], [3]]],
    "geometry.slice_positions_mm": [
        [], None, [[INFINITE] * 3] * 3, [[10**400] * 3] * 3, [[0, 0]] * 3, [[None, 0, 0]] * 3,
    ],
    "geometry.frame_of_reference_uid": [[], {}, 3],
    "values": [[], None, 3],
    "values.modality": [{}, None, 3, [3], [{"slope": NO_NUMBER, "intercept": 0}],
                        [{"slope": 10**400, "intercept": 0}],
                        [{"slope": "1", "intercept": 0}], [{"slope": 1}]],
    "values.normalization": [[], 3, {}, {"lower": 0, "upper": 10**400, "clip": True},
                             {"lower": 1, "upper": 0, "clip": True}],
    "series": [[1], None, 3, "CT"],
    "slices": [{}, None, 3, [3], [[1]], "abc"],
    "warnings": [{}, None, 3, [3], [{}]],
}  # fmt: skip


@pytest.mark.parametrize("key", LIES)
def test_lies_are_told(key: str, tmp_path: Path) -> None:
    """Whatever stands under a key that `to_json` would not have put there: an InputError with the path."""
    for value in LIES[key]:
        content = describe()
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
        (tmp_path / "a.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"a\.json is (damaged|not JSON)"):
            sidecar.read(tmp_path / "a.json")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "NaN", "", "\0", '{"format": "dicomarray/1"}']
)
def test_texts_that_are_no_sidecar(text: str, tmp_path: Path) -> None:
    """Deep, endless or empty JSON, and numbers that JSON does not know."""
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json"):
        sidecar.read(tmp_path / "a.json")


def test_what_is_no_file(tmp_path: Path) -> None:
    """A FIFO or device is not waited for, and a file larger than any sidecar is not read."""
    os.mkfifo(tmp_path / "fifo.json")
    with (tmp_path / "huge.json").open("wb") as stream:
        stream.truncate(sidecar.LARGEST_BYTES + 1)
    for place in (tmp_path / "fifo.json", Path("/dev/zero"), tmp_path, tmp_path / "huge.json"):
        with pytest.raises(InputError, match=re.escape(str(place))):
            sidecar.read(place)
