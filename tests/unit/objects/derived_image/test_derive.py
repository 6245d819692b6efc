"""The header of a derived image: what is new, what is dropped at every depth, what stays to the letter."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import generate_uid

import synthetic
from dicomarray.errors import UsageError
from dicomarray.objects.derived_image.strip_attributes import strip, swap_words
from writers import write_series

SHAPE = (2, 4, 5)


def derived(tmp_path, array=None, edit=None, signed=False, write=None, **series):
    """(template header, derived header) of the first slice; ``edit`` changes the template before."""
    stored = synthetic.stored_values(SHAPE, signed, 12)
    files = synthetic.write_series(tmp_path / "template", stored, bits_stored=12, **series)
    for file in files:
        data_set = pydicom.dcmread(file)
        if edit is not None:
            edit(data_set)
        data_set.save_as(file, enforce_file_format=True)
    given = {"values": "stored"} if array is None else {}
    report = write_series(
        stored if array is None else array, files, tmp_path / "out", **given, **(write or {})
    )
    return pydicom.dcmread(files[0]), pydicom.dcmread(report.files[0])


def every_tag(data_set):
    """All tags at all depths."""
    for element in data_set:
        yield element.tag
        if element.VR == "SQ":
            for item in element.value:
                yield from every_tag(item)


def with_things_to_drop(data_set):
    """What describes or vouches for the old pixels: at the top, and two sequences down."""
    icon, inner, outer = Dataset(), Dataset(), Dataset()
    icon.Rows = icon.Columns = 1
    for target in (data_set, inner):
        target.add_new(0x00291010, "LO", "x")
        target.add_new(0x00290010, "LO", "SOME VENDOR")
        target.add_new(0x60000010, "US", 4)
        target.add_new(0x60003000, "OW", b"\0\0")
        target.IconImageSequence = Sequence([icon])
        target.EncryptedAttributesSequence = Sequence([Dataset()])
        target.add_new(0xFFFAFFFA, "SQ", [Dataset()])
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = data_set.SOPClassUID, generate_uid()
    outer.PurposeOfReferenceCodeSequence = Sequence([inner])
    data_set.ReferencedImageSequence = Sequence([outer])
    data_set.VOILUTFunction, data_set.WindowCenterWidthExplanation = "SIGMOID", "BONE"
    data_set.WindowCenter, data_set.WindowWidth = 40, 400
    data_set.add_new("PixelPaddingValue", "US", 0)
    data_set.add_new("LargestPixelValueInSeries", "US", 9)
    data_set.SOPInstanceStatus, data_set.ConcatenationUID = "AO", generate_uid()


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian"])
def test_what_describes_the_old_pixels_is_dropped_at_every_depth(tmp_path, syntax):
    """No private element, overlay, icon, signature or encrypted attribute is left anywhere; the rest is."""
    _, header = derived(tmp_path, edit=with_things_to_drop, syntax=syntax)
    found = list(every_tag(header))
    unwanted = {Tag(0x00880200), Tag(0x04000500), Tag(0xFFFAFFFA)}
    assert not [tag for tag in found if tag.is_private or 0x6000 <= tag.group < 0x6100 or tag in unwanted]
    for keyword in (
        "VOILUTFunction", "WindowCenterWidthExplanation", "PixelPaddingValue", "LargestPixelValueInSeries",
        "SOPInstanceStatus", "ConcatenationUID",
    ):  # fmt: skip
        assert keyword not in header
    inner = header.ReferencedImageSequence[0].PurposeOfReferenceCodeSequence[0]
    assert inner.ReferencedSOPClassUID == header.SOPClassUID


def test_the_source_is_referenced(tmp_path):
    """SourceImageSequence names the template's image and why (C.12.4), whatever stood there before."""

    def edit(data_set):
        data_set.SourceImageSequence = Sequence([Dataset(), Dataset()])
        data_set.DerivationDescription = "averaged"
        data_set.DerivationCodeSequence = Sequence([Dataset()])

    before, after = derived(tmp_path, edit=edit)
    (item,) = after.SourceImageSequence
    assert item.ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert item.ReferencedSOPClassUID == before.SOPClassUID
    assert item.SpatialLocationsPreserved == "YES"
    (purpose,) = item.PurposeOfReferenceCodeSequence
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("121322", "DCM")
    assert after.DerivationDescription.startswith("averaged; ")
    assert "DerivationCodeSequence" not in after


def test_referenced_series_name_the_source_too(tmp_path):
    """Where the template lists what it references, the derived image lists its source as well (C.12.2)."""
    other = Dataset()
    other.SeriesInstanceUID = generate_uid()
    other.ReferencedInstanceSequence = Sequence([Dataset()])
    before, after = derived(
        tmp_path, edit=lambda data_set: setattr(data_set, "ReferencedSeriesSequence", Sequence([other]))
    )
    kept, added = after.ReferencedSeriesSequence
    assert kept.SeriesInstanceUID == other.SeriesInstanceUID
    assert added.SeriesInstanceUID == before.SeriesInstanceUID
    assert added.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID


def scanner(data_set):
    """A template that names its machine, and one that contributed before."""
    earlier = Dataset()
    earlier.Manufacturer = "EARLIER"
    data_set.ContributingEquipmentSequence = Sequence([earlier])
    data_set.Manufacturer, data_set.ManufacturerModelName = "ACME", "Scan 3"
    data_set.StationName, data_set.DeviceSerialNumber, data_set.SoftwareVersions = "ROOM1", "123", ["a", "b"]
    data_set.InstitutionName = "Hospital"


def test_equipment_is_ours_and_the_scanner_contributed(tmp_path):
    """C.12.1.1.5: the machine of the template is appended as acquisition equipment (109101)."""
    _, header = derived(tmp_path, edit=scanner)
    assert (header.Manufacturer, header.ManufacturerModelName) == ("dicomarray", "dicomarray")
    assert "StationName" not in header
    assert header.InstitutionName == "Hospital"
    earlier, item = header.ContributingEquipmentSequence
    assert earlier.Manufacturer == "EARLIER"
    assert (item.Manufacturer, item.ManufacturerModelName, item.StationName) == ("ACME", "Scan 3", "ROOM1")
    assert list(item.SoftwareVersions) == ["a", "b"]
    assert item.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"


def test_equipment_can_be_kept(tmp_path):
    """Readers that tune themselves by vendor need it."""
    _, header = derived(tmp_path, edit=scanner, write={"equipment": "keep"})
    assert (header.Manufacturer, header.StationName) == ("ACME", "ROOM1")
    assert len(header.ContributingEquipmentSequence) == 1


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
@pytest.mark.parametrize("signed", [False, True])
def test_smallest_and_largest_equal_the_pixels(tmp_path, signed, syntax):
    """They are recomputed where present, with the VR of the sign."""

    def edit(data_set):
        for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue"):
            data_set.add_new(keyword, "SS" if signed else "US", 1)

    _, header = derived(tmp_path, edit=edit, signed=signed, syntax=syntax)
    pixels = header.pixel_array
    assert header.SmallestImagePixelValue == pixels.min()
    assert header.LargestImagePixelValue == pixels.max()
    if syntax == "explicit":
        assert ("SS" if signed else "US") == header["SmallestImagePixelValue"].VR


@pytest.mark.parametrize(
    ("modality", "expected"),
    [("CT", ["DERIVED", "SECONDARY", "AXIAL"]), ("PT", ["DERIVED", "PRIMARY"]),
     ("MR", ["DERIVED", "SECONDARY", "M", "NONE"]), ("SC", ["DERIVED", "SECONDARY"])],
)  # fmt: skip
def test_image_type_says_derived(tmp_path, modality, expected):
    """Values 1 and 2 as the class allows, the others kept."""
    _, header = derived(tmp_path, modality=modality)
    assert list(header.ImageType) == expected


def test_a_vendors_odd_image_type_is_kept(tmp_path):
    """Lower case breaks VR CS, but it is the template's own."""

    def edit(data_set):
        data_set["ImageType"] = pydicom.DataElement(
            "ImageType", "CS", ["ORIGINAL", "PRIMARY", "axial (5mm)"], validation_mode=pydicom.config.IGNORE
        )

    _, header = derived(tmp_path, edit=edit)
    assert list(header.ImageType) == ["DERIVED", "SECONDARY", "axial (5mm)"]


def test_geometry_strings_are_copied_to_the_letter(tmp_path):
    """Trailing zeros, signs and exponents of the template stay."""
    odd = {
        "ImagePositionPatient": ["-020.50", "+1.0e1", "00.10"],
        "PixelSpacing": ["0.50", "7.5E-1"],
        "SliceLocation": "1.500",
    }
    stored = synthetic.stored_values((1, 4, 4))
    (file,) = synthetic.write_series(tmp_path / "template", stored, each=[odd])
    header = pydicom.dcmread(write_series(stored, [file], tmp_path / "out", values="stored").files[0])
    raw = {keyword: header.get_item(keyword).value.decode().strip() for keyword in odd}
    assert raw["ImagePositionPatient"] == "-020.50\\+1.0e1\\00.10"
    assert raw["PixelSpacing"] == "0.50\\7.5E-1"
    assert raw["SliceLocation"] == "1.500"


def test_the_window_shows_the_new_values(tmp_path):
    """Least value black, greatest white by the linear function of C.11.2.1.2.1, for all slices alike."""
    array = np.linspace(0, 1, 40).reshape(SHAPE)

    def edit(data_set):
        data_set.WindowCenter, data_set.WindowWidth = [40, 300], [400, 1500]

    _, header = derived(tmp_path, array, edit, modality="MR")
    center, width = float(header.WindowCenter), float(header.WindowWidth)
    assert width >= 1
    assert center - 0.5 - (width - 1) / 2 == pytest.approx(0, abs=1e-9)
    assert center - 0.5 + (width - 1) / 2 == pytest.approx(1, abs=1e-3)


def test_a_ct_that_is_still_one_keeps_its_window(tmp_path):
    """HU are absolute: a smoothed CT is looked at with the template's window, a mask is not."""

    def edit(data_set):
        data_set.WindowCenter, data_set.WindowWidth, data_set.RescaleIntercept = 40, 400, -1024

    smoothed = np.linspace(-1000, 2000, 40).reshape(SHAPE)
    _, header = derived(tmp_path / "a", smoothed, edit)
    assert (header.WindowCenter, header.WindowWidth) == (40, 400)
    _, header = derived(tmp_path / "b", smoothed > 0, edit)
    assert (header.WindowCenter, header.WindowWidth) == (1, 2)
    _, header = derived(tmp_path / "c", smoothed, edit, write={"units": "US"})
    assert header.WindowWidth == pytest.approx(3001, abs=1)
    assert header.RescaleType == "US"


def test_mr_says_the_slope_twice(tmp_path):
    """Rescale and Real World Value Mapping agree: some readers honour the one, some the other."""
    array = np.linspace(-3.3, 7.7, 40).reshape(SHAPE)
    _, header = derived(tmp_path, array, modality="MR")
    (item,) = header.RealWorldValueMappingSequence
    assert item.RealWorldValueSlope == float(header.RescaleSlope)
    assert item.RealWorldValueIntercept == float(header.RescaleIntercept)
    assert (item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped) == (0, 4095)
    assert item.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert header.RescaleType == "US"


def test_a_stale_mapping_and_modality_table_are_dropped(tmp_path):
    """Neither a table nor a mapping of the old values stands beside the new slope."""

    def edit(data_set):
        old = Dataset()
        old.RealWorldValueSlope, old.RealWorldValueIntercept = 99.0, 0.0
        data_set.RealWorldValueMappingSequence = Sequence([old])
        data_set.ModalityLUTSequence = Sequence([Dataset()])

    _, header = derived(tmp_path, np.linspace(0, 1, 40).reshape(SHAPE), edit, modality="MR")
    assert [item.RealWorldValueSlope for item in header.RealWorldValueMappingSequence] != [99.0]
    assert "ModalityLUTSequence" not in header


def test_times_are_told_in_the_templates_zone(tmp_path):
    """One time for the run, in TimezoneOffsetFromUTC; PET keeps the series time it counts decay from."""

    def edit(data_set):
        data_set.TimezoneOffsetFromUTC = "-0930"

    before, after = derived(tmp_path, edit=edit, modality="PT")
    zone = timezone(-timedelta(hours=9, minutes=30))
    told = datetime.strptime(
        after.InstanceCreationDate + after.InstanceCreationTime, "%Y%m%d%H%M%S.%f"
    ).replace(tzinfo=zone)
    assert abs(datetime.now(zone) - told) < timedelta(minutes=1)
    assert (after.SeriesDate, after.SeriesTime) == (before.SeriesDate, before.SeriesTime)
    assert after.ContentTime == after.InstanceCreationTime


def test_lossy_compression_is_never_forgotten(tmp_path):
    """The flag 01, the ratio and the method stay."""

    def edit(data_set):
        data_set.LossyImageCompression, data_set.LossyImageCompressionRatio = "01", "12.5"

    _, header = derived(tmp_path, edit=edit)
    assert (header.LossyImageCompression, header.LossyImageCompressionRatio) == ("01", 12.5)


def test_big_endian_words_are_swapped_at_every_depth():
    """OW by 2, OF by 4 and OD by 8 bytes; text is left alone."""
    inner, outer = Dataset(), Dataset()
    inner.add_new("LUTData", "OW", b"\x01\x02\x03\x04")
    outer.add_new("VOILUTSequence", "SQ", [inner])
    outer.add_new("FloatPixelData", "OF", b"\x01\x02\x03\x04")
    outer.add_new("DoubleFloatPixelData", "OD", b"\x01\x02\x03\x04\x05\x06\x07\x08")
    outer.PatientID = "abcd"
    swap_words(outer)
    assert inner.LUTData == b"\x02\x01\x04\x03"
    assert outer.FloatPixelData == b"\x04\x03\x02\x01"
    assert outer.DoubleFloatPixelData == b"\x08\x07\x06\x05\x04\x03\x02\x01"
    assert outer.PatientID == "abcd"


def test_stripping_twice_is_stripping_once():
    """Nothing more goes the second time."""
    data_set = Dataset()
    data_set.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    with_things_to_drop(data_set)
    strip(data_set)
    once = list(every_tag(data_set))
    strip(data_set)
    assert list(every_tag(data_set)) == once


def test_pet_units_are_told_or_refused(tmp_path):
    """SUV in g/ml is GML, by body weight; what PET has no term for is not written."""
    array = np.linspace(0, 9, 40).reshape(SHAPE)
    _, header = derived(tmp_path / "a", array, modality="PT", write={"units": "GML"})
    assert (header.Units, header.SUVType) == ("GML", "BW")
    files = [tmp_path / "a" / "template" / name for name in ("0001.dcm", "0002.dcm")]
    with pytest.raises(UsageError, match="furlongs"):
        write_series(array, files, tmp_path / "b", units="furlongs")
    assert not (tmp_path / "b").exists()


def test_a_modality_table_stays_with_its_window_for_stored_values(tmp_path):
    """Stored values still go through the table, and the window is in what comes out of it."""

    def edit(data_set):
        table = Dataset()
        table.ModalityLUTType = "US"
        data_set.ModalityLUTSequence = Sequence([table])
        data_set.WindowCenter, data_set.WindowWidth = 7, 9

    _, header = derived(tmp_path, edit=edit, modality="SC")
    assert header.ModalityLUTSequence[0].ModalityLUTType == "US"
    assert (header.WindowCenter, header.WindowWidth) == (7, 9)


def test_high_bit_is_the_highest_stored_one(tmp_path):
    """Values are written right-aligned, wherever the template had them."""
    _, header = derived(tmp_path, edit=lambda data_set: setattr(data_set, "HighBit", 15))
    assert (header.BitsStored, header.HighBit) == (12, 11)


def test_a_stale_mapping_is_dropped_from_a_ct(tmp_path):
    """A mapping of the old stored values is wrong for the new ones."""

    def edit(data_set):
        data_set.RealWorldValueMappingSequence = Sequence([Dataset()])

    _, header = derived(tmp_path / "a", np.linspace(0, 1, 40).reshape(SHAPE), edit)
    assert "RealWorldValueMappingSequence" not in header
    _, header = derived(tmp_path / "b", edit=edit)
    assert "RealWorldValueMappingSequence" in header


def test_tables_of_a_big_endian_template_are_swapped(tmp_path):
    """The words of a table are the same numbers in the little-endian output."""

    def edit(data_set):
        table = Dataset()
        table.add_new("LUTData", "OW", b"\x00\x01\x00\x02")
        data_set.ModalityLUTSequence = Sequence([table])

    _, header = derived(tmp_path, edit=edit, syntax="big-endian", modality="SC")
    assert header.ModalityLUTSequence[0].LUTData == b"\x01\x00\x02\x00"


def test_nuclear_medicine_stays_primary_and_maps_its_values(tmp_path):
    """NM allows PRIMARY only (C.8.4.9.1.1), and slope and intercept in the mapping only."""
    kind = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.20",
        "ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"],
    }
    array = np.linspace(0, 1, 40).reshape(SHAPE)
    _, header = derived(tmp_path, array, modality="SC", common=kind)
    assert list(header.ImageType) == ["DERIVED", "PRIMARY", "STATIC", "EMISSION"]
    assert "RescaleSlope" not in header
    assert header.RealWorldValueMappingSequence[0].RealWorldValueSlope > 0


# --- what templates say wrongly or by halves ---------------------------------------------------------------


@pytest.mark.parametrize("missing", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("how", ["absent", "empty"])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_slope_or_an_intercept_without_the_other(tmp_path, missing, how, modality):
    """What is missing is 1 or 0, as values are read; what is there stays, and both are written."""
    common = {"RescaleSlope": "2", "RescaleIntercept": "-1000", missing: ... if how == "absent" else None}
    stored = synthetic.stored_values(SHAPE, bits_stored=12)
    files = synthetic.write_series(tmp_path / "in", stored, modality=modality, bits_stored=12, common=common)
    slope, intercept = (1, -1000) if missing == "RescaleSlope" else (2, 0)
    array = stored.astype(float) * slope + intercept
    report = write_series(array, files, tmp_path / "out")
    assert report.max_error == 0
    for path, wanted in zip(report.files, array, strict=True):
        written = pydicom.dcmread(path)
        assert (written.RescaleSlope, written.RescaleIntercept) == (slope, intercept)
        np.testing.assert_array_equal(
            written.pixel_array * written.RescaleSlope + written.RescaleIntercept, wanted
        )


@pytest.mark.parametrize("center", [b"\\40 ", b"abc ", b" ", b"40\\"])
@pytest.mark.parametrize("width", [b"400 ", b"x "])
def test_an_unreadable_window_is_made_anew(tmp_path, center, width):
    """A window that is no number shows nothing: that of the values takes its place."""
    files = synthetic.write_series(
        tmp_path / "in", synthetic.stored_values(SHAPE), common={"WindowCenter": "11", "WindowWidth": "222"}
    )
    for path in files:
        raw = path.read_bytes()
        for old, new, word in ((b"11", center, b"\x50\x10DS"), (b"222 ", width, b"\x51\x10DS")):
            before = word + len(old).to_bytes(2, "little") + old
            assert raw.count(before) == 1
            raw = raw.replace(before, word + len(new).to_bytes(2, "little") + new)
        path.write_bytes(raw)
    report = write_series(np.full(SHAPE, 5) + np.arange(5), files, tmp_path / "out")
    written = pydicom.dcmread(report.files[0])
    assert (written.WindowCenter, written.WindowWidth) == (7.5, 5)
