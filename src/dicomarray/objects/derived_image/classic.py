"""The files of a derived series, each after one of the template, with one header for all its pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from pydicom.datadict import keyword_dict
from pydicom.dataelem import DataElement
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomarray.dicom.part10 import encoded
from dicomarray.dicom.pixels.encoder import compress_pixels
from dicomarray.dicom.raw_header import RawHeader, read_raw_header
from dicomarray.objects.common import lossy
from dicomarray.objects.common.files import start_of_file, write_bytes, write_errors_named, write_header
from dicomarray.objects.common.headers import parsed_header, read_header
from dicomarray.objects.common.options import WriteOptions, private_block
from dicomarray.objects.common.quick_elements import encoded_elements
from dicomarray.objects.derived_image.derive import SeriesPlan, SliceOutput, derive
from dicomarray.objects.derived_image.diffusion import add_direction
from dicomarray.objects.derived_image.header_template import HeaderTemplate, pixel_words, tags_of
from dicomarray.objects.derived_image.strip_attributes import strip, swap_words

PIXELS = keyword_dict["PixelData"]


def file_writer(
    paths: Sequence[Path],
    image_of: Callable[[int], SliceOutput],
    raw_headers: Sequence[RawHeader | None],
    plan: SeriesPlan,
    options: WriteOptions,
) -> Callable[[int], None]:
    """What writes the file of an index, in any thread, its header after an earlier one where that can be."""
    repeated = HeaderTemplate(plan, bool(options.keep_private))
    models = Lock()

    def write(index: int) -> None:
        path, image = paths[index], image_of(index)
        with models:  # whoever comes while the first header is derived, waits for it
            raw = _usual_raw_header(raw_headers[index], image, plan, options, repeated)
            header = None if raw is None else repeated.header(raw, image)
            if raw is not None and header is None:
                _derive_file(path, plan, image, options, repeated, raw)
                return
        if header is None:
            _derive_file(path, plan, image, options, repeated, None)
        else:
            write_bytes(path, header, pixel_words(image))

    return write


def _usual_raw_header(
    known: RawHeader | None,
    image: SliceOutput,
    plan: SeriesPlan,
    options: WriteOptions,
    repeated: HeaderTemplate,
) -> RawHeader | None:
    """The template's header as bytes, where the image's can be made of one that was made before."""
    if plan.grid is not None or image.source.identity or options.compress != "none":
        return None
    try:
        raw = known or read_raw_header(image.source.path, repeated.like)
    except OSError:
        return None  # pydicom says what is wrong with it
    return None if raw is None or lossy.is_always(raw.syntax) else raw


def _derive_file(
    path: Path,
    plan: SeriesPlan,
    image: SliceOutput,
    options: WriteOptions,
    repeated: HeaderTemplate,
    raw: RawHeader | None,
) -> None:
    source = image.source.path
    header = read_header(source) if raw is None else parsed_header(raw, source)
    before = tags_of(header)
    with write_errors_named(path, source):
        lossy.remember(header, source, image.stored_type)
        needed = add_direction(header, plan.orientation)
        strip(header, [private_block(text) for text in options.keep_private])
        stripped = before - tags_of(header) - needed
        if header.original_encoding[1] is False:
            swap_words(header)
        derive(header, plan, image)
        pixels = pixel_words(image)
        vr, size = "OB" if image.stored_type.bits_allocated <= 8 else "OW", pixels.nbytes  # PS3.5 A.2
        if raw is not None:
            start = start_of_file(header, ExplicitVRLittleEndian if raw.explicit else ImplicitVRLittleEndian)
            elements = encoded_elements(header, raw.explicit)
            elements[PIXELS] = encoded(PIXELS, vr, b"", raw.explicit, size + size % 2)
            repeated.remember(raw, stripped, header, start, elements, image)
            write_bytes(path, start + b"".join(elements.values()), pixels)
            return
        header["PixelData"] = DataElement("PixelData", vr, pixels.tobytes())
        syntax = None
        if options.compress != "none":
            syntax = compress_pixels(header, image.stored, image.stored_type, options.compress, str(source))
        write_header(path, header, syntax)
