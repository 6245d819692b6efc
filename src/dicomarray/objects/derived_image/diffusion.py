"""Where the diffusion gradients of classic MR images point, written in the standard's words.

`core.diffusion` says how each vendor tells it; what it cannot turn into the patient's axes is lost, with a
warning.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import MRImageStorage

from dicomarray.core import diffusion
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.diffusion import B_VALUE, CANON_ELEMENT, GE, GRADIENT
from dicomarray.dicom.attribute_names import request_for
from dicomarray.dicom.pydicom_fallback import element_value, encodings_in, tags_in
from dicomarray.dicom.vr import Value
from dicomarray.objects.common.headers import read_header, text, values
from dicomarray.objects.common.options import WriteOptions
from dicomarray.objects.derived_image.request import WriteRequest
from dicomarray.objects.derived_image.strip_attributes import kept_tags
from dicomarray.storage.references import Reference

_PHASE_ENCODING = "InPlanePhaseEncodingDirection"
_KEEP = (
    "the directions of the diffusion gradients are {where}: they are written along the patient's axes only "
    f'with equipment="own" where the template has ImageOrientationPatient and {_PHASE_ENCODING}; readers '
    "find them with {how} [directions-lost]"
)


def add_direction(header: Dataset, orientation: Value) -> frozenset[int]:
    """Add, in place, b-value and direction in the standard's words where the vendor's alone tell them.

    Diffusion b-value (0018,9087), Diffusion Directionality (0018,9075) and Diffusion Gradient Orientation
    (0018,9089).  ``orientation`` is that of the series' first image: in others it is rounded otherwise, and
    the slices of a repetition must have one direction.  Returned are the tags of the elements that decided.
    """
    if text(header, "SOPClassUID") != MRImageStorage or values(header, GRADIENT):
        return frozenset()
    known, tags = _known(header)
    b_value, direction = diffusion.b_value(known), diffusion.gradient(known, orientation)
    if direction is not None and any(direction):
        header.DiffusionGradientOrientation = list(direction)
        header.DiffusionDirectionality = "DIRECTIONAL"
        if b_value is not None and not values(header, B_VALUE):
            header.DiffusionBValue = b_value
    # without a b-value these are other numbers, which often differ from image to image
    undecided = () if b_value else GE.direction
    return frozenset(tag for name, tag in tags.items() if name not in undecided)


def orientation_of(path: Reference, options: WriteOptions) -> Value:
    """Image Orientation (Patient) of an image, by which the directions of its series are turned.

    Empty where the equipment is kept: under the name of GE or Canon readers turn directions by themselves,
    also those that they find in the standard's words.
    """
    if options.equipment == "keep":
        return ()
    return element_value(read_header(path), Tag("ImageOrientationPatient"), ()) or ()


def lost_directions(request: WriteRequest, orientation: Value, options: WriteOptions) -> Warnings:
    """A sentence where the directions of a classic MR series do not survive, and how they would."""
    likely = max(request.sources, key=lambda source: source.identity.get(B_VALUE, 0))
    if not likely.identity:  # those without a gradient often come first
        likely = request.sources[-1]
    header = read_header(likely.path)
    known, tags = _known(header)
    if values(header, GRADIENT) or diffusion.gradient(known, orientation) is not None:
        return ()
    same_equipment = options.equipment == "keep"
    of_ge = {tags[name] for name in GE.direction if name in tags}
    if diffusion.b_value(known) and any(map(known.get, GE.direction)):
        kept = set(kept_tags(header, options.keep_private))
        if same_equipment and kept.issuperset(of_ge):
            return ()
        where = "in GE's private elements, along frequency, phase and slice"
        how = 'equipment="keep" and keep_private=["(0019,GEMS_ACQU_01)", "(0043,GEMS_PARM_01,39)"]'
        return warning(_KEEP.format(where=where, how=how))
    if not same_equipment and diffusion.canon_diffusion(known.get(CANON_ELEMENT)) is not None:
        where = "in Image Comments, in Canon's way, along the image"
        return warning(_KEEP.format(where=where, how='equipment="keep"'))
    return ()


def _known(header: Dataset) -> tuple[dict[str, Value], dict[str, BaseTag]]:
    """What a header says of diffusion and how the image lies, with the tags, by name."""
    names = (*diffusion.elements_of(text(header, "Manufacturer")), B_VALUE, _PHASE_ENCODING)
    encodings = encodings_in(header)
    tags = dict(tags_in(header, request_for(names)))
    for tag in tags.values():
        header[tag]  # decoded: who copies headers of other images must see that it was looked at
    return {name: element_value(header, tag, encodings) for name, tag in tags.items()}, tags
