"""The files of a derived series, each after one of the template, with one header for all its pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomarray.dicom.raw_header import RawHeader, read_raw_header
from dicomarray.objects.common import lossy
from dicomarray.objects.common.files import start_of_file, write_bytes, write_errors_named
from dicomarray.objects.common.headers import parsed_header, read_header
from dicomarray.objects.common.quick_elements import encoded_elements
from dicomarray.objects.derived_image.derive import SeriesPlan, derive
from dicomarray.objects.derived_image.diffusion import add_direction
from dicomarray.objects.derived_image.header_template import HeaderTemplate, tags_of
from dicomarray.objects.derived_image.image_output import PIXELS, SliceOutput, start_of_pixels, write_image
from dicomarray.objects.derived_image.strip_attributes import strip, swap_words


def file_writer(
    paths: Sequence[Path], image_of: Callable[[int], SliceOutput], plan: SeriesPlan
) -> Callable[[int], None]:
    """What writes the file of an index, in any thread, its header after an earlier one where that can be."""
    repeated = HeaderTemplate(plan)
    models = Lock()

    def write(index: int) -> None:
        path, image = paths[index], image_of(index)
        with models:  # whoever comes while the first header is derived, waits for it
            raw = _usual_raw_header(image, plan, repeated)
            header = None if raw is None else repeated.header(raw, image)
            if raw is not None and header is None:
                _derive_file(path, plan, image, repeated, raw)
                return
        if header is None:
            _derive_file(path, plan, image, repeated, None)
        else:
            write_bytes(path, header, image.words)

    return write


def _usual_raw_header(image: SliceOutput, plan: SeriesPlan, repeated: HeaderTemplate) -> RawHeader | None:
    """The template's header as bytes, where the image's can be made of one that was made before."""
    if plan.grid is not None or image.source.identity or plan.options.compress != "none":
        return None
    try:
        raw = plan.template.raw_headers[image.index] or read_raw_header(image.source.path, repeated.like)
    except OSError:
        return None  # pydicom says what is wrong with it
    return None if raw is None or lossy.is_always(raw.meta.transfer_syntax) else raw


def _derive_file(
    path: Path, plan: SeriesPlan, image: SliceOutput, repeated: HeaderTemplate, raw: RawHeader | None
) -> None:
    source = image.source.path
    header = read_header(source) if raw is None else parsed_header(raw, source)
    before = tags_of(header)
    with write_errors_named(path, source):
        lossy.remember(header, source, image.stored_type)
        needed = add_direction(header, plan.orientation)
        strip(header, plan.options.keep_private)
        stripped = before - tags_of(header) - needed
        if header.original_encoding[1] is False:
            swap_words(header)
        derive(header, plan, image)
        if raw is None:
            write_image(path, header, image, plan.options.compress, source)
            return
        start = start_of_file(header, ExplicitVRLittleEndian if raw.meta.explicit else ImplicitVRLittleEndian)
        elements = encoded_elements(header, raw.meta.explicit)
        words = image.words
        elements[PIXELS] = start_of_pixels(path, image.stored_type, words.nbytes, raw.meta.explicit)
        repeated.remember(raw, stripped, header, start, elements, image)
        write_bytes(path, start + b"".join(elements.values()), words)
