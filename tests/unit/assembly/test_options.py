"""The options of reading: what they refuse, and that they refuse it before anything is read."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

import dicomarray
from dicomarray.assembly.options import ReadOptions
from dicomarray.core.options import choices_of, made_of, names_of
from dicomarray.errors import UsageError

CHOICES = choices_of(ReadOptions)


def test_defaults_change_nothing() -> None:
    """Modality values, slices kept where they are, faults told."""
    assert dataclasses.asdict(made_of(ReadOptions, {})) == {
        "units": "modality",
        "missing": "error",
        "uneven": "keep",
        "tilt": "keep",
        "duplicates": "auto",
        "incomplete": "keep",
        "background": None,
        "philips_scaling": "display",
        "palette": "indices",
        "exclude_padding": False,
        "geometry": "strict",
    }


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_unknown_value_lists_those_that_exist(name: str) -> None:
    """The message has the option, the value and every choice."""
    with pytest.raises(UsageError) as caught:
        made_of(ReadOptions, {name: "nonsense"})  # type: ignore[misc]
    for text in (name, "nonsense", *CHOICES[name]):
        assert text in str(caught.value)


@pytest.mark.parametrize("name", sorted(CHOICES))
def test_every_choice_is_taken(name: str) -> None:
    """Every choice is taken, and kept as it is."""
    for value in CHOICES[name]:
        assert getattr(made_of(ReadOptions, {name: value}), name) == value  # type: ignore[misc]


@pytest.mark.parametrize("value", [None, True, 1, ["keep"], "Keep", "keep ", ""])
def test_value_of_another_type_is_refused(value: Any) -> None:
    """Only the words themselves are taken, nothing like them."""
    with pytest.raises(UsageError, match="missing"):
        made_of(ReadOptions, {"missing": value})


@pytest.mark.parametrize("name", ["unit", "overwrite", "Missing", ""])
def test_unknown_option_lists_those_that_exist(name: str) -> None:
    """A misspelt name is no silent default."""
    with pytest.raises(UsageError) as caught:
        made_of(ReadOptions, {name: "modality"})  # type: ignore[misc]
    assert f'"{name}"' in str(caught.value)
    assert all(known in str(caught.value) for known in names_of(ReadOptions))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_background_is_finite(value: float) -> None:
    """NaN and infinity fill nothing."""
    with pytest.raises(UsageError, match="background"):
        ReadOptions(background=value)


@pytest.mark.parametrize("value", ["air", [0], {}])
def test_background_is_a_number(value: Any) -> None:
    """Text is refused as wrong use, not with a TypeError."""
    with pytest.raises(UsageError, match="background"):
        made_of(ReadOptions, {"background": value})


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_exclude_padding_is_true_or_false(value: Any) -> None:
    """Not everything that Python takes for true."""
    with pytest.raises(UsageError, match="exclude_padding"):
        made_of(ReadOptions, {"exclude_padding": value})


@pytest.mark.parametrize(
    "other", [{"missing": "fill"}, {"missing": "resample"}, {"uneven": "resample"}, {"tilt": "upright"}]
)
def test_padding_and_a_new_grid_exclude_each_other(other: dict[str, Any]) -> None:
    """Marks on a grid that is gone are worth nothing."""
    with pytest.raises(UsageError, match="exclude_padding"):
        ReadOptions(exclude_padding=True, **other)


def test_suv_and_precise_values_exclude_each_other() -> None:
    """One is for PET, the other for MR."""
    with pytest.raises(UsageError, match="philips_scaling"):
        ReadOptions(units="suv", philips_scaling="precise")


def test_options_cannot_be_changed() -> None:
    """Checked once, they stay checked."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        made_of(ReadOptions, {}).missing = "fill"  # type: ignore[misc]


@pytest.mark.parametrize("option", [{"units": "HU"}, {"nonsense": 1}, {"background": float("nan")}])
def test_everything_that_reads_refuses_them_before_it_looks(tmp_path: Path, option: dict[str, Any]) -> None:
    """load and to_numpy: a usage error although the folder does not exist."""
    missing = tmp_path / "missing"
    with pytest.raises(UsageError):
        dicomarray.load(missing, **option)
    with pytest.raises(UsageError):
        dicomarray.to_numpy(missing, tmp_path / "a.npy", **option)
    assert not any(tmp_path.iterdir())


def test_every_option_is_documented() -> None:
    """Each has its entry in the docstring."""
    text = inspect.getdoc(ReadOptions) or ""
    assert all(f"\n{name}\n" in text for name in names_of(ReadOptions))
