"""What a type checker takes for the options of a call is what the call takes."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

import dicomarray
from dicomarray.assembly.options import ReadKeywords, ReadOptions
from dicomarray.core.options import choices_of, help_of
from dicomarray.objects.common.options import WriteKeywords, WriteOptions
from dicomarray.pipeline.options import RunKeywords, RunOptions

PAIRS = [(ReadKeywords, (ReadOptions,)), (WriteKeywords, (WriteOptions,))]
RUN = [(RunKeywords, (RunOptions, ReadOptions, WriteOptions))]
# Any iterable of texts is taken, and kept as a tuple.
WIDER = {"keep_private": Iterable[str]}


@pytest.mark.parametrize(("keywords", "options"), [*PAIRS, *RUN])
def test_keywords_have_the_types_of_the_options(keywords: type[Any], options: tuple[type[Any], ...]) -> None:
    """The same names, each with the same type: none is refused that works, none passes that does not."""
    wanted = {name: kind for one in options for name, kind in get_type_hints(one).items()}
    assert get_type_hints(keywords) == wanted | {name: kind for name, kind in WIDER.items() if name in wanted}


def test_choices_are_closed() -> None:
    """A type checker refuses `units="hu"`, because the type of each choice names its values."""
    assert choices_of(ReadOptions)["units"] == get_args(get_type_hints(ReadKeywords)["units"])
    assert choices_of(ReadOptions).keys() == ReadOptions.__annotations__.keys() - {
        "background",
        "exclude_padding",
    }
    assert choices_of(WriteOptions).keys() == {"values", "equipment", "compress"}
    assert choices_of(RunOptions).keys() == {"per", "segmentation"}


@pytest.mark.parametrize(
    ("function", "keywords"),
    [
        (dicomarray.load, ReadKeywords),
        (dicomarray.to_numpy, ReadKeywords),
        (dicomarray.Series.volume, ReadKeywords),
        (dicomarray.Series.volumes, ReadKeywords),
        (dicomarray.to_dicom, WriteKeywords),
        (dicomarray.run, RunKeywords),
    ],
)
def test_public_functions_take_the_keywords(function: Any, keywords: type[Any]) -> None:
    """Their `**options` are those keywords, not anything."""
    assert inspect.signature(function).parameters["options"].annotation == f"Unpack[{keywords.__name__}]"


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (dicomarray.load, (ReadOptions,)),
        (dicomarray.to_numpy, (ReadOptions,)),
        (dicomarray.Series.volume, (ReadOptions,)),
        (dicomarray.Series.volumes, (ReadOptions,)),
        (dicomarray.to_dicom, (WriteOptions,)),
        (dicomarray.run, (RunOptions, ReadOptions, WriteOptions)),
    ],
)
def test_help_shows_every_option(function: Any, kinds: tuple[type[Any], ...]) -> None:
    """`help(dicomarray.load)`: each option with its values, its default and what it does."""
    text = pydoc.render_doc(function, renderer=pydoc.plaintext)
    for options in kinds:
        told = help_of(options)
        assert [field.name for field in fields(options)] == list(told)
        for name, values in choices_of(options).items():
            shown = ", ".join(f'"{value}"' for value in values)
            assert f"{name} : {{{shown}}}, default" in text
        for name, lines in told.items():
            assert f" {name} : " in text
            assert lines
            assert all(line in text for line in lines)


def test_a_value_as_it_stands_in_help() -> None:
    """One of each kind, letter by letter."""
    text = str(inspect.getdoc(dicomarray.load))
    assert '\nunits : {"modality", "stored", "suv"}, default "modality"\n    ``"modality"`` (HU' in text
    assert "\nexclude_padding : bool, default False\n    Mark padding" in text
    assert text.startswith("The one volume under a path.\n\nParameters\n")


def test_python_without_docstrings() -> None:
    """`python -OO` leaves them out; everything else works."""
    code = "import dicomarray; assert dicomarray.load.__doc__ is None; dicomarray.ReadOptions(units='suv')"
    subprocess.run([sys.executable, "-OO", "-c", code], check=True)
