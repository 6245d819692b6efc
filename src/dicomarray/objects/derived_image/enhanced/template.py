"""The enhanced objects of a template: what an array must fit, frame by frame, read from their headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydicom.dataset import Dataset, FileDataset

from dicomarray.core.pixel_values import Rescale, StoredType
from dicomarray.dicom.functional_groups import PER_FRAME, SHARED
from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES
from dicomarray.errors import TemplateError
from dicomarray.objects.common.headers import part_of, read_header, reason, text, values
from dicomarray.objects.derived_image.enhanced.dimensions import FrameIndices, dimensions_of, indices_of
from dicomarray.objects.derived_image.image_classes import ImageClass, image_class
from dicomarray.objects.derived_image.pixel_layout import Layout, description_of, layout_of
from dicomarray.objects.derived_image.request import Source
from dicomarray.objects.derived_image.template import (
    Template,
    check_same,
    rescale_of,
    stored_type,
)
from dicomarray.storage.references import Reference

# What a plan of the series needs of each object: identity, names, character set.
_KEPT = (
    "SOPClassUID", "SOPInstanceUID", "PatientID", "SeriesInstanceUID", "StudyInstanceUID", "InstanceNumber",
    "SeriesNumber", "SeriesDescription", "SpecificCharacterSet", "TimezoneOffsetFromUTC", "Rows", "Columns",
    "PhotometricInterpretation", "SamplesPerPixel",
)  # fmt: skip


def read_objects(sources: Sequence[Source]) -> Template:
    """Read and check the headers of the objects that frames are derived from."""
    by_path: dict[Reference, list[int]] = {}
    for index, source in enumerate(sources):
        by_path.setdefault(source.path, []).append(index)
    first_path = next(iter(by_path))
    headers: list[Dataset] = []
    layouts: list[Layout] = []
    frames: dict[int, tuple[StoredType, Rescale, FrameIndices]] = {}
    for path, images in by_path.items():
        header = read_header(path)
        try:
            headers.append(part_of(header, _KEPT))
            check_same(headers[-1], headers[0], path, first_path)
            described = description_of(header, path)
            layouts.append(replace(layout_of(described), frames=1))
            stored = stored_type(described, _class_of(header, path))
            groups = _groups(header, path, described.frames)
            dimensions = dimensions_of(header)
            for index in images:
                if not 0 <= (at := sources[index].frame) < len(groups):
                    raise TemplateError(f"{path}: has {len(groups)} frames, and none of index {at}")
                rescale = sources[index].rescale or _rescale(groups[at], header, path)
                frames[index] = stored, rescale, indices_of(groups[at], dimensions)
        except PYDICOM_FAILURES as error:
            raise TemplateError(
                f"{path}: its functional groups cannot be read ({reason(error)}); check it with dciodvfy, "
                "or choose another template"
            ) from error
    each = [frames[index] for index in range(len(sources))]
    return Template(
        files=tuple(by_path),
        headers=tuple(headers),
        sop_uids=tuple(text(header, "SOPInstanceUID") for header in headers),
        instance_numbers=tuple(text(header, "InstanceNumber") for header in headers),
        kind=_class_of(headers[0], first_path),
        stored=tuple(stored for stored, _, _ in each),
        layout=layouts[0],
        rescales=tuple(rescale for _, rescale, _ in each),
        indices=tuple(indices for _, _, indices in each),
        images=tuple(map(tuple, by_path.values())),
    )


def _class_of(header: Dataset, path: Reference) -> ImageClass:
    return image_class(text(header, "SOPClassUID"), str(path), enhanced=True)


def _groups(header: FileDataset, path: Reference, count: int) -> list[Dataset]:
    groups = values(header, PER_FRAME)
    if not groups and not (values(header, SHARED) and count == 1):
        raise TemplateError(
            f"{path}: {PER_FRAME} is missing: nothing says where its {count} frames lie; repair it, or use a "
            "series of single-frame images as template"
        )
    if groups and len(groups) != count:
        raise TemplateError(
            f"{path}: NumberOfFrames is {count}, but {PER_FRAME} has {len(groups)} items; the file is damaged"
        )
    return groups or [Dataset()]


def _rescale(group: Dataset, header: Dataset, path: Reference) -> Rescale:
    """The frame's own slope and intercept, else those of all frames, else (not standard) of the object."""
    for place in (group, *values(header, SHARED)[:1]):
        for item in values(place, "PixelValueTransformationSequence"):
            return rescale_of(item, path)
    return rescale_of(header, path)
