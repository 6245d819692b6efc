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
    InsideInputError,
    OutputError,
    PixelError,
    SegmentationError,
    StorageError,
    TemplateError,
    UsageError,
    ValuesError,
    VerificationError,
)
from dicomarray.version import __version__

if TYPE_CHECKING:
    from dicomarray.assembly.options import ReadOptions
    from dicomarray.assembly.series import Series
    from dicomarray.catalog.catalog import Catalog
    from dicomarray.catalog.index.opening import open_index
    from dicomarray.catalog.index.scanning import IndexReport, index
    from dicomarray.catalog.scan import scan
    from dicomarray.catalog.series_selection import dicom_filter
    from dicomarray.core.segments import Segment
    from dicomarray.objects.common.files import WriteReport
    from dicomarray.objects.common.options import WriteOptions
    from dicomarray.pipeline.entries import RunEntry, RunReport, SeriesOutput
    from dicomarray.pipeline.running import run
    from dicomarray.pipeline.verifying import Checked, verify_run
    from dicomarray.segmentation import Segmentation
    from dicomarray.volume import Volume
    from dicomarray.workflows.check import Remark, Remarks, check
    from dicomarray.workflows.load_segmentation import load_segmentation
    from dicomarray.workflows.pull import PulledSeries, PullReport, pull
    from dicomarray.workflows.push import PushedInstance, PushReport, push
    from dicomarray.workflows.to_dicom import to_dicom
    from dicomarray.workflows.to_nifti import NiftiReport, to_nifti
    from dicomarray.workflows.to_numpy import NumpyReport, load, to_numpy
    from dicomarray.workflows.to_rtstruct import to_rtstruct
    from dicomarray.workflows.to_seg import to_seg


__all__ = [
    "ArrayUseError",
    "Catalog",
    "Checked",
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
    "InsideInputError",
    "NiftiReport",
    "NumpyReport",
    "OutputError",
    "PixelError",
    "PullReport",
    "PulledSeries",
    "PushReport",
    "PushedInstance",
    "ReadOptions",
    "Remark",
    "Remarks",
    "RunEntry",
    "RunReport",
    "Segment",
    "Segmentation",
    "SegmentationError",
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
    "check",
    "dicom_filter",
    "index",
    "load",
    "load_segmentation",
    "open_index",
    "pull",
    "push",
    "run",
    "scan",
    "to_dicom",
    "to_nifti",
    "to_numpy",
    "to_rtstruct",
    "to_seg",
    "verify_run",
]

# Where each public name lives.  They are imported when first used, so that `import dicomarray` and the
# command line's --help cost neither NumPy nor pydicom.
_NAMES = {
    "assembly.options": "ReadOptions",
    "assembly.series": "Series",
    "catalog.catalog": "Catalog",
    "catalog.index.opening": "open_index",
    "catalog.index.scanning": "IndexReport index",
    "catalog.scan": "scan",
    "catalog.series_selection": "dicom_filter",
    "core.segments": "Segment",
    "objects.common.files": "WriteReport",
    "objects.common.options": "WriteOptions",
    "pipeline.entries": "RunEntry RunReport SeriesOutput",
    "pipeline.running": "run",
    "pipeline.verifying": "Checked verify_run",
    "segmentation": "Segmentation",
    "volume": "Volume",
    "workflows.check": "Remark Remarks check",
    "workflows.load_segmentation": "load_segmentation",
    "workflows.pull": "PullReport PulledSeries pull",
    "workflows.push": "PushReport PushedInstance push",
    "workflows.to_dicom": "to_dicom",
    "workflows.to_nifti": "NiftiReport to_nifti",
    "workflows.to_numpy": "NumpyReport load to_numpy",
    "workflows.to_rtstruct": "to_rtstruct",
    "workflows.to_seg": "to_seg",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"dicomarray.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
