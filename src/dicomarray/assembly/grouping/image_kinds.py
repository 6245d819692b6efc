"""What the voxels of an image are, in words of a closed list: magnitude, phase, water, fat, trace, adc, ...

Image Type and Frame Type (PS3.3 C.8.16.1) say it, in the standard's words and each vendor's own; private
codes and Diffusion Directionality say it where those do not.  Nothing here looks at pixels or descriptions.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache

from dicomarray.core import diffusion
from dicomarray.dicom.headers.attributes import may_differ
from dicomarray.dicom.vr import Value

# GE's private code of the image component, and of what an image of a diffusion scan is (Vas Collapse Flag).
GE_IMAGE_COMPONENT = "(0043,GEMS_PARM_01,2F)"
GE_DIFFUSION_IMAGE = "(0043,GEMS_PARM_01,30)"
# Philips' private letter of the direction of diffusion, I for isotropic; Siemens' Diffusion Directionality.
PHILIPS_DIRECTION = "(2001,Philips Imaging DD 001,04)"
SIEMENS_DIRECTIONALITY = "(0019,SIEMENS MR HEADER,0D)"
# The attributes that tell components and quantities, ...
OF_KINDS = ("FrameType", "ImageType", "ComplexImageComponent", GE_IMAGE_COMPONENT, GE_DIFFUSION_IMAGE)
# ... and with those that tell a trace, all that tell what an image is.
ATTRIBUTES = (
    *OF_KINDS, "DiffusionDirectionality", SIEMENS_DIRECTIONALITY, PHILIPS_DIRECTION,
    *diffusion.B_VALUE_ELEMENTS, diffusion.GRADIENT, *diffusion.DIRECTION_ELEMENTS,
)  # fmt: skip

COMPONENTS = ("magnitude", "phase", "real", "imaginary")
# For each component the words for it, from the third value on.  A blank is an underline here, and what
# Philips writes behind the letter, such as _FFE, is left away.
_COMPONENT_WORDS: Mapping[str, str] = {
    "magnitude": "M MAG MAGNITUDE SW_M",
    "phase": "P PHASE PHASE_MAP VELOCITY VELOCITY_MAP SW_P",
    "real": "R REAL",
    "imaginary": "I IMAGINARY",
}
# For each quantity the words for it, from the third value on: Siemens, GE, Philips, Canon, UIH, Hitachi and
# PS3.3 Tables C.8-130 and C.8-81.
QUANTITY_WORDS: Mapping[str, str] = {
    "water": "W WATER WATER_ONLY",
    "fat": "F FAT FAT_ONLY",
    "in_phase": "IP IN_PHASE INPHASE",
    "out_phase": "OP OUT_PHASE OUTPHASE OUT_OF_PHASE OPP_PHASE OPPPHASE OPPOSED OPPOSED_PHASE",
    "fat_fraction": "FF FAT_FRACTION FATFRACTION FAT_FRAC FATFRAC PDFF",
    "water_fraction": "WATER_FRACTION WATERFRACTION WATER_FRAC WATERFRAC",
    "trace": "TRACE TRACEW TRACE_W ISOTROPIC",
    "adc": "ADC ADC_MAP",
    "eadc": "EADC EXP_ADC EXPONENTIAL_ADC",
    "fa": "FA FA_MAP COLFA COLOR_FA DIFFUSION_ANISO",
    "tensor": "TENSOR",
    "cbf": "CBF RCBF RELCBF REL_CBF CBF_MAP",
    "cbv": "CBV RCBV RELCBV REL_CBV CBV_MAP RELCCBV",
    "mtt": "MTT RELMTT REL_MTT MTT_MAP",
    "ttp": "TTP TTP_MAP",
    "tmax": "TMAX TMAX_MAP",
    "pbp": "PBP",
    "wash_in": "WASH_IN WASHIN",
    "wash_out": "WASH_OUT WASHOUT",
    "enhancement": "PEI RELENH MAXENH MAXRELENH BREVENH",
    "area_under_curve": "AUC IAUC AREACURV",
    "ktrans": "KTRANS",
    "kep": "KEP",
    "t1_map": "T1_MAP",
    "t2_map": "T2_MAP",
    "t2_star_map": "T2_STAR_MAP T2*_MAP T2STAR_MAP",
    "t1_rho_map": "T1RHO_MAP T1_RHO_MAP",
    "r1_map": "R1_MAP R1",
    "r2_map": "R2_MAP R2",
    "r2_star_map": "R2_STAR_MAP R2*_MAP R2STAR_MAP R2_STAR R2STAR R2*",
    "m0_map": "M0_MAP M0",
    "pd_map": "PD_MAP RHO",
    "b0_map": "B0_MAP FIELD_MAP FIELDMAP",
    "b1_map": "B1_MAP FLIP_ANGLE_MAP",
    "swi": "SWI SW_M SW_P MIP_SW",
    "qsm": "QSM QSM_MAP",
    "velocity": "VELOCITY VELOCITY_MAP",
    "temperature": "TEMPERATURE TEMPERATURE_MAP",
    "stiffness": "STIFFNESS STIFFNESS_MAP",
    "mip": "MIP MAX_IP MAXIMUM PROJECTION_IMAGE",
    "minip": "MINIP MNIP MIN_IP MIP_SW MINIMUM",
    "mean": "MEAN",
    "subtraction": "SUB SUBTRACT SUBTRACTION",
    "standard_deviation": "STD_DEVIATION",
    "t_test": "T_TEST TTEST T_MAP",
    "z_score": "Z_SCORE Z_MAP",
}
# Of the third value these are a weighting (PS3.3 Table C.8-129); behind it they are a map, as in QMAP\T1.
MAP_WORDS: Mapping[str, str] = {
    "t1_map": "T1",
    "t2_map": "T2",
    "t2_star_map": "T2_STAR T2STAR T2*",
    "pd_map": "PD PROTON_DENSITY",
}
# All words that an image can be called by.
IMAGE_KINDS = (*COMPONENTS, *QUANTITY_WORDS)

# Diffusion Directionality of a trace.
ISOTROPIC = "ISOTROPIC"
TRACE = "trace"
_GE_COMPONENTS = dict(enumerate(COMPONENTS))
_GE_FA, _GE_TRACES = 18, (15, 19)
_GE_ALONG_AN_AXIS = (3, 4, 5)
# Without diffusion, and by the table of gradients, which may have some of length 0 for b = 0.
_GE_ACQUIRED = (14, 16)
# Along measurement, phase encoding or slice selection, or oblique.
_PHILIPS_DIRECTIONS = ("M", "P", "S", "O")
# b-values up to this, in s/mm2, are of images without diffusion weighting: some scanners write 5 for 0.
LOW_B_VALUE = 50.0

_BLANKS = re.compile(r"[\s_-]+")
_SEQUENCE = re.compile(r"_(FFE|SE|IR|PCA|UNSPECIF[A-Z]*)$")


def _by_word(table: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, words in table.items():
        for word in words.split():
            found[word] = (*found.get(word, ()), name)
    return found


_COMPONENT_OF, _QUANTITY_OF, _MAP_OF = map(_by_word, (_COMPONENT_WORDS, QUANTITY_WORDS, MAP_WORDS))


def image_kinds(attributes: Mapping[str, Value]) -> tuple[str, ...]:
    """What an image is, by the attributes of its frame or instance; empty where nothing says.

    Several words can hold: the water image of a Dixon scan is ``("magnitude", "water")``.
    """
    component = component_of(attributes)
    kinds = (*((component,) if component else ()), *quantities_of(attributes))
    return (*kinds, TRACE) if TRACE not in kinds and is_trace(attributes) else kinds


def type_words(attributes: Mapping[str, Value]) -> tuple[str, ...]:
    """Frame Type, or else Image Type: capitals, blanks as underlines, no padding, no trailing empties."""
    value = attributes.get("FrameType") or attributes.get("ImageType") or ()
    values = value if isinstance(value, tuple) else (value,)
    try:
        return _words(values)
    except TypeError:  # a broken file has items of a sequence, that have no hash, in the place of texts
        return ()


def common_type(several: Sequence[Mapping[str, Value]]) -> tuple[str, ...]:
    """The words of Frame Type, or else Image Type, that images agree in, as they are written.

    Empty where nothing says, or where they disagree in what the first two values say.
    """
    first = several[0]
    others = several[1:] if may_differ(several, ("FrameType", "ImageType")) else ()
    written = first.get("FrameType") or first.get("ImageType") or ()
    values = tuple(str(v or "") for v in (written if isinstance(written, tuple) else (written,)))
    found = {type_words(other) for other in others} - {type_words(first)}
    if any(words[:2] != type_words(first)[:2] for words in found):
        return ()
    missing = {word for words in found for word in set(type_words(first)).difference(words)}
    return tuple(v for v, word in zip(values, _words(values), strict=False) if word not in missing)


@lru_cache(maxsize=1024)
def _words(values: tuple[Hashable, ...]) -> tuple[str, ...]:
    words = [_BLANKS.sub("_", str("" if v is None else v).strip(" \0\t\r\n")).upper() for v in values]
    while words and not words[-1]:
        del words[-1]
    return tuple(words)


def component_of(attributes: Mapping[str, Value]) -> str:
    """magnitude, phase, real, imaginary, or "" where nothing says."""
    stated = str(attributes.get("ComplexImageComponent") or "").strip().lower()
    if stated in COMPONENTS:
        return stated
    ge = attributes.get(GE_IMAGE_COMPONENT)
    if isinstance(ge, int) and ge in _GE_COMPONENTS:
        return _GE_COMPONENTS[ge]
    return _component(type_words(attributes))


@lru_cache(maxsize=1024)
def _component(words: tuple[str, ...]) -> str:
    for word in words[2:]:
        found = _COMPONENT_OF.get(word) or _COMPONENT_OF.get(_SEQUENCE.sub("", word))
        if found:
            return found[0]
    return ""


def quantities_of(attributes: Mapping[str, Value]) -> tuple[str, ...]:
    """The quantities of the closed list that an image shows, in the order of the list."""
    quantities = _quantities(type_words(attributes))
    code = attributes.get(GE_DIFFUSION_IMAGE)
    if code == _GE_FA and "fa" not in quantities:
        return (*quantities, "fa")
    return (*quantities, TRACE) if code in _GE_TRACES and TRACE not in quantities else quantities


@lru_cache(maxsize=1024)
def _quantities(words: tuple[str, ...]) -> tuple[str, ...]:
    found: set[str] = set()
    for index, word in enumerate(words[2:]):
        for name in (word, _SEQUENCE.sub("", word)):
            found.update(_QUANTITY_OF.get(name, ()), _MAP_OF.get(name, ()) if index else ())
    return tuple(name for name in QUANTITY_WORDS if name in found)


def is_trace(attributes: Mapping[str, Value]) -> bool:
    """Whether an image is called a trace, or shows diffusion of no direction.

    An image without diffusion weighting (b = 0) has no direction either, and is no trace.
    """
    if TRACE in quantities_of(attributes):
        return True
    isotropic = _directionality(attributes) in (ISOTROPIC, "I")
    b_value = diffusion.b_value(attributes)
    if b_value is None or b_value <= LOW_B_VALUE:
        return isotropic and b_value is None
    if isotropic:
        return True
    is_acquired = attributes.get(GE_DIFFUSION_IMAGE) in _GE_ACQUIRED
    return not is_acquired and diffusion.gradient(attributes) == (0.0, 0.0, 0.0)


def is_along_a_direction(attributes: Mapping[str, Value]) -> bool:
    """Whether an image is said to show diffusion along one direction, whatever its b-value."""
    said = _directionality(attributes)
    if said:
        return said in ("DIRECTIONAL", "BMATRIX", *_PHILIPS_DIRECTIONS)
    return attributes.get(GE_DIFFUSION_IMAGE) in _GE_ALONG_AN_AXIS


def _directionality(attributes: Mapping[str, Value]) -> str:
    for name in ("DiffusionDirectionality", SIEMENS_DIRECTIONALITY, PHILIPS_DIRECTION):
        if value := attributes.get(name):
            return str(value).strip().upper()
    return ""
