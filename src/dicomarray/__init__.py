"""DICOM series in, NumPy arrays out, and back into DICOM that a PACS accepts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dicomarray.errors import (
    ArrayUseError,
    ChoiceError,
    ConfigError,
    DataError,
    DicomArrayError,
    DiskFullError,
    FunctionError,
    GeometryError,
    HeaderError,
    InputError,
    OutputError,
    PixelError,
    StorageError,
    TemplateError,
    UsageError,
    ValuesError,
    VerificationError,
)
from dicomarray.version import __version__

if TYPE_CHECKING:
    from dicomarray.conversion.choosing import dicom_filter
    from dicomarray.conversion.to_array import NumpyReport, load, to_numpy
    from dicomarray.conversion.to_series import to_dicom
    from dicomarray.pipeline import RunEntry, RunReport, SeriesOutput, run
    from dicomarray.reading.catalogs.catalog import Catalog, scan
    from dicomarray.reading.indexing import IndexReport, index, open_index
    from dicomarray.reading.options import ReadOptions
    from dicomarray.reading.series import Series
    from dicomarray.volume import Volume
    from dicomarray.writing.dicom import WriteReport
    from dicomarray.writing.options import WriteOptions

__all__ = [
    "ArrayUseError",
    "Catalog",
    "ChoiceError",
    "ConfigError",
    "DataError",
    "DicomArrayError",
    "DiskFullError",
    "FunctionError",
    "GeometryError",
    "HeaderError",
    "IndexReport",
    "InputError",
    "NumpyReport",
    "OutputError",
    "PixelError",
    "ReadOptions",
    "RunEntry",
    "RunReport",
    "Series",
    "SeriesOutput",
    "StorageError",
    "TemplateError",
    "UsageError",
    "ValuesError",
    "VerificationError",
    "Volume",
    "WriteOptions",
    "WriteReport",
    "__version__",
    "dicom_filter",
    "index",
    "load",
    "open_index",
    "run",
    "scan",
    "to_dicom",
    "to_numpy",
]

# Where each public name lives.  They are imported when first used, so that `import dicomarray` and the
# command line's --help cost neither NumPy nor pydicom.
_HOMES = {
    "Catalog": "dicomarray.reading.catalogs.catalog",
    "IndexReport": "dicomarray.reading.indexing",
    "NumpyReport": "dicomarray.conversion.to_array",
    "ReadOptions": "dicomarray.reading.options",
    "RunEntry": "dicomarray.pipeline",
    "RunReport": "dicomarray.pipeline",
    "Series": "dicomarray.reading.series",
    "SeriesOutput": "dicomarray.pipeline",
    "Volume": "dicomarray.volume",
    "WriteOptions": "dicomarray.writing.options",
    "WriteReport": "dicomarray.writing.dicom",
    "dicom_filter": "dicomarray.conversion.choosing",
    "index": "dicomarray.reading.indexing",
    "load": "dicomarray.conversion.to_array",
    "open_index": "dicomarray.reading.indexing",
    "run": "dicomarray.pipeline",
    "scan": "dicomarray.reading.catalogs.catalog",
    "to_dicom": "dicomarray.conversion.to_series",
    "to_numpy": "dicomarray.conversion.to_array",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
