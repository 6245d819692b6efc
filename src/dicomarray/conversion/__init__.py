"""The conversions as a user asks for them: choose, read, convert, write, check."""

from dicomarray.conversion.choosing import dicom_filter
from dicomarray.conversion.to_array import NumpyReport, load, to_numpy
from dicomarray.conversion.to_series import to_dicom

__all__ = ["NumpyReport", "dicom_filter", "load", "to_dicom", "to_numpy"]
