"""Every error that dicomarray raises, and what kind of trouble each stands for.

    DicomArrayError
    |-- UsageError         the call itself cannot work, whatever the data is
    |   |-- ConfigError    a filter config with mistakes in it (lists all of them)
    |   |-- OutputError    the place for a result is taken, or lies inside the input
    |   |   |-- DiskFullError  there is no room for a result
    |   |   `-- InsideInputError  the place for a result lies inside the input
    |   `-- ArrayUseError  a volume used as if it were its array (a TypeError too)
    `-- DataError          the data cannot be converted as asked
        |-- InputError     nothing to read, or a file that cannot be read as DICOM
        |-- HeaderError    an attribute is missing or its value breaks a rule
        |-- GeometryError  the images do not form one regular volume
        |-- ChoiceError    several series or volumes where one was asked for
        |-- PixelError     pixel data that is missing, damaged or of an unknown kind
        |-- ValuesError    values that do not fit where they are to be written
        |-- TemplateError  a template series that cannot carry the array
        |-- VerificationError  what was written does not read back as asked
        |-- SegmentationError  masks that cannot be what is asked for: overlapping, without a name or a place
        |-- StorageError   a store that a URL names fails, or does not let us in
        `-- FunctionError  the user's function failed or returned something unusable

A message names the file or UID, the attribute, the value found, the rule broken and what to do.
It never holds a patient's name, id or birth date, nor another value that may identify the patient.
"""


class DicomArrayError(Exception):
    """Root of all errors that the package raises on purpose."""


class UsageError(DicomArrayError):
    """The call cannot work, whatever the data is: a wrong option, an unknown name."""


class ConfigError(UsageError):
    """A filter config with mistakes; the message lists every one with its path."""


class OutputError(UsageError):
    """The place for a result exists already, or lies inside the input folder."""


class InsideInputError(OutputError):
    """The place for a result lies inside the input folder: read again, the result would be taken for data."""


class ArrayUseError(UsageError, TypeError):
    """A volume used as if it were an array; its array is `Volume.array`."""


class DiskFullError(OutputError):
    """There is no room for a result, of which nothing is left behind."""


class DataError(DicomArrayError):
    """The data cannot be converted as asked."""


class InputError(DataError):
    """A path without DICOM images, or a file that cannot be read as DICOM."""


class HeaderError(DataError):
    """An attribute is missing, or its value breaks a rule of the standard."""


class GeometryError(DataError):
    """The images of a series do not form one regular volume."""


class ChoiceError(DataError):
    """There are several series or volumes where one was asked for."""


class PixelError(DataError):
    """Pixel data is missing, truncated, damaged, or of a kind that is not read."""


class ValuesError(DataError):
    """Array values that cannot be written as they are: out of range, NaN, infinite."""


class TemplateError(DataError):
    """A template series that cannot carry the array."""


class VerificationError(DataError):
    """What was written does not read back as asked; nothing of it is left behind."""


class SegmentationError(DataError):
    """Masks that cannot be read, written or had as asked: they overlap, have no name, or no place."""


class StorageError(DataError):
    """What a URL names cannot be reached, read or written."""


class FunctionError(DataError):
    """The user's function raised, or returned something that is no image."""


MAX_QUOTED = 100


def quoted(value: object) -> str:
    """A value that was found, as a message shows it: no table of numbers, no text of some pages."""
    text = repr(value)
    return text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}..."
