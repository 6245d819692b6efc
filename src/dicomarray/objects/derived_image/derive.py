"""One header of the template to the header of its derived image (PS3.3 C.7.6.1.1.2, C.12.4).

Whatever is not named here is copied from the template as it is, character for character: patient, study,
geometry, acquisition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset

from dicomarray.core.pixel_values import StoredType
from dicomarray.dicom import decimal_strings
from dicomarray.dicom.uids import legal_uid
from dicomarray.dicom.vr import Value
from dicomarray.errors import UsageError
from dicomarray.objects.common.headers import drop, text, values
from dicomarray.objects.common.identity import SeriesIdentity
from dicomarray.objects.common.modules import SOURCE_IMAGE, code_item, reference, reference_series
from dicomarray.objects.common.options import WriteOptions
from dicomarray.objects.derived_image.encode import Encoding, RescaleLimit
from dicomarray.objects.derived_image.grid import NewGrid, place
from dicomarray.objects.derived_image.image_classes import ImageClass, RescalePlace
from dicomarray.objects.derived_image.image_output import ImageOutput, SliceOutput
from dicomarray.objects.derived_image.mappings import (
    MAPPING,
    agreeing,
    lead_with,
    mapping_item,
    set_stored_value,
    units_of,
)
from dicomarray.objects.derived_image.pixel_layout import describe_colour
from dicomarray.objects.derived_image.request import WriteRequest
from dicomarray.objects.derived_image.template import Template
from dicomarray.version import __version__

DERIVATION = f"Pixel values computed from the source images; written by dicomarray {__version__}"
# Longest Derivation Description, in characters (VR ST).
_MAX_TEXT_LENGTH = 1024
# Rescale Type's defined terms (PS3.3 C.11.1.1.2); US is "unspecified".
RESCALE_TYPES = {"OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}
# What Units (0054,1001) of a PET image may be (PS3.3 C.8.9.1.1.3).
PET_UNITS = {
    "CNTS", "NONE", "CM2", "CM2ML", "PCNT", "CPS", "BQML", "MGMINML", "UMOLMINML", "MLMING", "MLG", "1CM",
    "UMOLML", "PROPCNTS", "PROPCPS", "MLMINML", "MLML", "GML", "STDDEV",
}  # fmt: skip
# Units of enhanced PET images (PS3.16 CID 84), by the word that Units (0054,1001) of others has for them.
PET_CODES = {
    "NONE": ("1", "no units"),
    "BQML": ("Bq/ml", "Becquerels/milliliter"),
    "GML": ("g/ml", "Grams/milliliter"),
    "CNTS": ("{counts}", "Counts"),
    "CPS": ("{counts}/s", "Counts per second"),
    "PCNT": ("%", "Percent"),
    "MLG": ("ml/g", "Milliliter/gram"),
    "MLMING": ("ml/min/g", "Milliliter/minute/gram"),
    "MLMINML": ("ml/min/ml", "Milliliter/minute/milliliter"),
    "MLML": ("ml/ml", "Milliliter/milliliter"),
    "UMOLML": ("umol/ml", "Micromole/milliliter"),
    "UMOLMINML": ("umol/min/ml", "Micromole/minute/milliliter"),
    "MGMINML": ("mg/min/ml", "Milligrams/minute/milliliter"),
}
# SUV in grams per millilitre (PS3.3 C.8.9.1.1.3).
SUV_UNITS = "GML"
# Smallest and Largest Image Pixel Value are US or SS.
_SMALLEST_VALUE_BITS = 16


@dataclass(frozen=True, eq=False)
class SeriesPlan:
    """What all images of the derived series share.

    ``low`` and ``high`` are the least and greatest decoded value of the series; ``representable`` is what the
    template could have held.  ``grid`` is None where the images lie where the template's do.
    ``orientation`` is that of the template's first image, where diffusion gradients are written along it.
    """

    request: WriteRequest
    template: Template
    encoding: Encoding
    options: WriteOptions
    identity: SeriesIdentity
    low: float
    high: float
    representable: tuple[float, float]
    grid: NewGrid | None = None
    orientation: Value = None

    @property
    def kind(self) -> ImageClass:
        return self.template.kind

    @property
    def units(self) -> str | None:
        return self.request.units

    @property
    def slope(self) -> str | None:
        """None where every slice keeps its own."""
        return self.encoding.slope


def derive(header: FileDataset, plan: SeriesPlan, image: SliceOutput) -> None:
    """Turn a stripped header of the template, in place, into that of the derived image."""
    reference_source(header)
    for keyword, value in image.source.identity.items():
        setattr(header, keyword, value)
    if plan.grid is not None:
        place(header, plan.grid, image)
    identify(header, plan, image)
    if plan.template.layout.measured:
        place_rescale(header, plan, image)
        set_window(header, plan)
    else:
        describe_colour(header)


def reference_source(header: Dataset) -> None:
    """Source Image Sequence names the one image of the template (PS3.3 C.12.4)."""
    drop(header, ("SourceImageSequence",))
    if legal_uid(source_uid := text(header, "SOPInstanceUID")):
        item = reference(text(header, "SOPClassUID"), source_uid)
        item.SpatialLocationsPreserved = "YES"
        item.PurposeOfReferenceCodeSequence = [code_item(SOURCE_IMAGE)]
        header.SourceImageSequence = [item]
    reference_series(header)
    earlier = text(header, "DerivationDescription")
    whole = f"{earlier}; {DERIVATION}" if earlier else DERIVATION
    header.DerivationDescription = whole if len(whole) <= _MAX_TEXT_LENGTH else DERIVATION


def identify(header: Dataset, plan: SeriesPlan, image: ImageOutput) -> None:
    """A new, derived instance of a new series, with what it says of its stored values."""
    plan.identity.put(header, image.sop_uid, image.instance_number, plan.kind.series_time_kept)
    set_type(header, "ImageType", ["DERIVED", plan.kind.second_value, *values(header, "ImageType")[2:]])
    if "ContentQualification" in header:
        header.ContentQualification = "RESEARCH"
    _describe_pixels(header, image.ends, image.stored_type)


def set_type(item: Dataset, keyword: str, kinds: list[str]) -> None:
    """Image Type or Frame Type; a vendor's own further values may break the rules of VR CS, and stay."""
    item[keyword] = DataElement(keyword, "CS", kinds, validation_mode=config.IGNORE)


def _describe_pixels(header: Dataset, ends: tuple[int, int], stored_type: StoredType) -> None:
    """High Bit, and the smallest and largest stored value where the template has them."""
    header.HighBit = stored_type.bits_stored - 1
    for keyword, value in zip(("SmallestImagePixelValue", "LargestImagePixelValue"), ends, strict=True):
        if keyword not in header:
            continue
        del header[keyword]
        if stored_type.bits_stored <= _SMALLEST_VALUE_BITS:
            set_stored_value(header, keyword, value, stored_type)


def place_rescale(header: Dataset, plan: SeriesPlan, image: SliceOutput) -> None:
    """Slope and intercept where the readers of this class look for them; nothing stale beside them."""
    if "ModalityLUTSequence" in header:
        if plan.options.values == "stored":
            return
        del header.ModalityLUTSequence
    units = units_of(header, image.source.rescale) if plan.units is None else []
    unspecified = _says_nothing(header)
    _set_slope(header, plan, image)
    set_rescale_type(header, plan, unspecified)
    if (plan.slope, plan.units) != (None, None):
        drop(header, (MAPPING,))
    set_mapping(header, plan, image, units)


def _says_nothing(header: Dataset) -> bool:
    """Whether nothing in a header says what its values are: those of such a CT are no HU."""
    words = ("RescaleSlope", "RescaleIntercept", "RescaleType", "RealWorldValueMappingSequence")
    return not any(values(header, word) for word in words)


def _set_slope(header: Dataset, plan: SeriesPlan, image: SliceOutput) -> None:
    slope_stated, intercept_stated = (
        bool(values(header, f"Rescale{word}")) for word in ("Slope", "Intercept")
    )
    had_rescale = slope_stated or intercept_stated
    # a type needs a slope beside it
    needed = plan.kind.required or plan.units is not None
    if plan.kind.place is RescalePlace.MAPPING:
        if plan.slope is not None:
            drop(header, ("RescaleSlope", "RescaleIntercept", "RescaleType"))
    elif plan.slope is None:
        if needed and not had_rescale and not image.rescale.identity:  # that of a mapping, which it overrules
            header.RescaleSlope, header.RescaleIntercept = image.rescale.slope, image.rescale.intercept
            return
        # what one image lacks is 1 and 0, as its values were read; both stand, or none (PS3.3 C.11.1)
        if (needed or had_rescale) and not slope_stated:
            header.RescaleSlope = "1"
        if (needed or had_rescale) and not intercept_stated:
            header.RescaleIntercept = "0"
    elif had_rescale or needed or not image.rescale.identity:
        header.RescaleSlope, header.RescaleIntercept = plan.slope, plan.encoding.intercept


def set_rescale_type(header: Dataset, plan: SeriesPlan, unspecified: bool = False) -> None:
    """Rescale Type beside Rescale Slope, or Units of a PET, if the array's values are in other units.

    A CT without a type would be in HU (PS3.3 C.11.1.1.2), even where its template does not say so.
    """
    if not plan.kind.typed:
        if plan.units is not None:
            header.Units = plan.units
            drop(header, ("SUVType",))
            if plan.units == SUV_UNITS:
                header.SUVType = "BW"  # by body weight, as SUV are counted here
        return
    if "RescaleSlope" not in header:
        return
    if plan.units is not None:
        header.RescaleType = plan.units
    elif values(header, "RescaleType"):
        return
    elif unspecified if plan.kind.absolute else plan.slope is not None:
        header.RescaleType = "US"


def check_units(units: str | None, kind: ImageClass) -> None:
    """Raise UsageError for units that images of a class have no word for."""
    known = RESCALE_TYPES if kind.typed else set(PET_CODES) if kind.enhanced else PET_UNITS
    if kind.limit is RescaleLimit.IDENTITY:
        known = {"US"}  # PS3.3 C.8.11.3.1.2
    elif kind.place is RescalePlace.MAPPING:
        known = {"US", "HU"}
    if units is not None and units not in known:
        raise UsageError(
            f'units="{units}": images of {kind.name} can say {", ".join(sorted(known))}'
            f"{' (US: unspecified)' if kind.typed else ''}; choose one of them, or another template"
        )


def set_mapping(header: Dataset, plan: SeriesPlan, image: SliceOutput, units: Sequence[Dataset] = ()) -> None:
    """Real World Value Mapping, which must say the same as Rescale Slope; ``units`` are the template's."""
    wanted = plan.kind.place is not RescalePlace.RESCALE and (bool(units) or not image.rescale.identity)
    if wanted and agreeing(header, image.rescale) is None:
        item = mapping_item(image.rescale, image.stored_type, plan.units)
        if units:
            item.MeasurementUnitsCodeSequence = units
        header.RealWorldValueMappingSequence = [item]
    if image.source.rescale is not None:
        lead_with(header, image.rescale, image.ends, image.stored_type)


def set_window(header: Dataset, plan: SeriesPlan) -> None:
    """The least value black, the greatest white (PS3.3 C.11.2.1.2.1): a stale window shows nothing.

    Where a Modality LUT stays, so does the window: it is in what comes out of the table.

    Only in a CT that still looks like one the template's window stays: HU mean the same in every image, and
    readers expect the window of the body part.
    """
    if "ModalityLUTSequence" in header:
        return
    present = "WindowCenter" in header and header.get_item("WindowCenter").value not in (None, "", b"")
    stays = present and plan.kind.absolute and plan.units in (None, "HU") and _window_fits(header, plan)
    if not stays:
        drop(header, ("WindowCenterWidthExplanation", "VOILUTFunction"))
    if stays or not (present or plan.kind.window):
        return
    width = max(plan.high - plan.low, 0.0) + 1
    header.WindowCenter = decimal_strings.nearest(plan.low + width / 2)
    header.WindowWidth = decimal_strings.nearest(width)


def _window_fits(header: Dataset, plan: SeriesPlan) -> bool:
    """Whether the values span the template's first window, and are such as the template can hold."""
    if text(header, "VOILUTFunction") == "SIGMOID":
        return False
    try:
        center, width = (float(values(header, f"Window{word}")[0]) for word in ("Center", "Width"))
    except (IndexError, TypeError, ValueError):  # empty, or no numbers: it shows nothing
        return False
    inside = plan.low <= center - width / 2 and center + width / 2 <= plan.high
    return inside and plan.representable[0] <= plan.low and plan.high <= plan.representable[1]
