"""The names of the package, and that importing it costs nothing."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dicomarray
from dicomarray import errors
from dicomarray.assembly.options import ReadKeywords
from dicomarray.objects.common.options import WriteKeywords

NAMES = {
    "scan", "dicom_filter", "load", "to_numpy", "to_dicom", "run", "Catalog", "Series", "Volume",
    "WriteReport", "RunReport", "ReadOptions", "WriteOptions",
}  # fmt: skip


def test_all_public_names_are_there() -> None:
    """Every name of __all__ can be had, and those that scripts rely on are among them."""
    for name in dicomarray.__all__:
        assert getattr(dicomarray, name) is not None
    assert NAMES | {"DicomArrayError", "__version__"} <= set(dicomarray.__all__)
    assert set(dicomarray.__all__) <= set(dir(dicomarray))


def test_star_import_works() -> None:
    """`from dicomarray import *` gives the lazy names as well."""
    namespace: dict[str, object] = {}
    exec("from dicomarray import *", namespace)
    assert namespace.keys() >= NAMES


def test_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as it does in any module."""
    with pytest.raises(AttributeError, match="to_nunpy"):
        _ = dicomarray.to_nunpy


def test_import_is_cheap() -> None:
    """`import dicomarray` loads neither NumPy nor pydicom nor any of the other heavy packages."""
    code = (
        "import sys, dicomarray; "
        "print([m for m in ('numpy', 'pydicom', 'imagecodecs', 'PIL', 'yaml', 'regex') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scripts_load_no_codec_or_config_package() -> None:
    """A script that scans and loads pays for what it uses (Pillow comes with pydicom's own import)."""
    code = (
        "import sys, dicomarray; dicomarray.scan; dicomarray.load; dicomarray.to_dicom; "
        "print([m for m in ('imagecodecs', 'yaml', 'regex') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_has_the_one_root() -> None:
    """Whoever catches DicomArrayError catches all; wrong use is told from bad data."""
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert len(classes) > 10
    for error in classes:
        assert getattr(dicomarray, error.__name__) is error
        assert error.__name__ in dicomarray.__all__
        assert issubclass(error, dicomarray.DicomArrayError)
        assert not (issubclass(error, errors.UsageError) and issubclass(error, errors.DataError))
        assert error.__name__ in str(errors.__doc__)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        ("scan", []),
        ("load", ["units", "missing", "series", "volume", "config"]),
        ("to_numpy", ["units", "normalize", "missing", "series", "volume", "config", "overwrite"]),
        ("to_dicom", ["values", "series", "verify", "overwrite"]),
        ("dicom_filter", ["config"]),
    ],
)
def test_options_have_their_fixed_names(function: str, options: list[str]) -> None:
    """Scripts pass these by name."""
    parameters = set(inspect.signature(getattr(dicomarray, function)).parameters)
    if "options" in parameters:
        keywords = WriteKeywords if function == "to_dicom" else ReadKeywords
        parameters |= set(keywords.__annotations__)
    assert set(options) <= parameters


def test_public_names_are_documented() -> None:
    """Each has a docstring of its own."""
    for name in NAMES:
        assert inspect.getdoc(getattr(dicomarray, name))


def test_the_citation_names_this_version() -> None:
    """CITATION.cff goes with the release."""
    text = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {dicomarray.__version__}\n" in text
