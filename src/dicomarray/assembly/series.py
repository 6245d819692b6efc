"""One series: its instances, what they have in common, and the volumes they form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from dicomarray.assembly.frames.closed import ClosedHeader, PixelsClosedError
from dicomarray.assembly.options import DEFAULTS, ReadKeywords, ReadOptions
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.notebook import notebook
from dicomarray.core.options import made_of, takes
from dicomarray.core.plain_text import one_line, some
from dicomarray.dicom import segment_objects
from dicomarray.dicom.attribute_names import check_name
from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.columns import HasColumns, Order, column_of
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.identities import may_identify
from dicomarray.dicom.vr import Value
from dicomarray.errors import ChoiceError, DataError, GeometryError, UsageError
from dicomarray.runtime.threads import PixelProgress, thread_count
from dicomarray.sources.instances import whole
from dicomarray.storage.places import Place
from dicomarray.storage.references import ObjectReference, Reference, file_of

if TYPE_CHECKING:  # volumes need most modules and NumPy, of which a list of series needs nothing
    from dicomarray.assembly.frames.mosaic_detection import KnownMosaics
    from dicomarray.assembly.grouping.stacking import Stack
    from dicomarray.volume import Volume

# Of what is shown of a value in a title: that of UIDs and short texts (PS3.5 6.2), in characters.
MAX_WORD_LENGTH = 64
# What is at hand, whatever is missing: for order, and for a template.
KEEP = ReadOptions(missing="keep", duplicates="split")
# As a volume without a place was read, whatever is wrong with the places of its images.
UNPLACED = ReadOptions(geometry="ignore")


@dataclass(frozen=True, eq=False)
class Series:
    """All instances with one Series Instance UID.

    ``uid`` is empty for a file that has none: such a file is a series of its own.  ``notes`` are what was odd
    where its files were found, such as damaged files beside them: warnings of its volumes.
    """

    uid: str
    instances: Sequence[Header]
    notes: Warnings = ()

    def __repr__(self) -> str:
        return f"<Series {self.title}, {len(self.instances)} instances>"

    def _repr_html_(self) -> str:
        """A row, in a notebook."""
        return str(notebook("series_html", [self], repr(self), 1))

    @property
    def title(self) -> str:
        """Modality, number and UID: enough to tell series apart without naming anybody."""
        modality, number = self.attributes.get("Modality"), self.attributes.get("SeriesNumber")
        parts = modality or "?", "-" if number is None else number, self.uid or "(no UID)"
        # a length that is damaged makes the elements behind it, a patient's name among them, part of a value
        return one_line(" ".join(str(part)[:MAX_WORD_LENGTH] for part in parts))

    @property
    def described(self) -> str:
        """The title, and what people call the series."""
        description = self.attributes.get("SeriesDescription")
        return f"{self.title} {one_line(str(description))}" if description else self.title

    @property
    def is_image(self) -> bool:
        """Whether any instance has pixels: reports, plans and presentation states have none."""
        return any(header.is_image for header in self.instances)

    @property
    def is_segments(self) -> bool:
        """Whether it is a DICOM SEG or an RT Structure Set."""
        return any(map(segment_objects.is_segment_class, column_of(self.instances, "SOPClassUID")))

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The labels of a SEG, the names of a structure set's ROIs; empty for anything else."""
        return self._of_objects(segment_objects.LABELS, segment_objects.segment_labels)

    @cached_property
    def refers_to(self) -> tuple[str, ...]:
        """The Series UIDs of the images that a SEG or structure set is of; empty for anything else."""
        return self._of_objects(segment_objects.REFERENCES, segment_objects.referenced_series)

    @cached_property
    def segmentations(self) -> tuple[Series, ...]:
        """Each SEG or structure set in it, as a series of that instance alone, by Instance Number."""
        if not self.is_segments:
            return ()
        objects = [one for one in self.instances if segment_objects.is_segment_object(one.attributes)]
        objects.sort(key=lambda one: (one.instance_number or 0, one.text("SOPInstanceUID") or ""))
        return tuple(replace(self, instances=(one,)) for one in objects)

    def _of_objects(
        self, names: Iterable[str], ask: Callable[[Mapping[str, Value]], tuple[str, ...]]
    ) -> tuple[str, ...]:
        """What its objects of segments say, each once; read when it is asked for."""
        asked = (ask(one.instances[0].further(names)) for one in self.segmentations)
        return tuple(dict.fromkeys(value for values in asked for value in values))

    @cached_property
    def attributes(self) -> Mapping[str, Value]:
        """What equals in all instances, by DICOM keyword.

        A keyword that was not read with the scan is read when it is asked for.
        """
        return _CommonAttributes(self.instances)

    @property
    def files(self) -> Sequence[Place]:
        """Every file, in the order of the volumes where the series forms some, else as acquired.

        Those in a store are `Url`: ``str`` of one names it.  Those in an archive are unpacked.
        """
        return [file_of(reference) for reference in self.references]

    @property
    def references(self) -> Sequence[Reference]:
        """As `files`: what opens each."""
        kept = self.instances
        order = kept.in_order(self._order) if isinstance(kept, HasColumns) else self._order().numbers
        return [*dict.fromkeys(kept[number].reference for number in order)]

    @property
    def folders(self) -> Sequence[Place]:
        """The folders and archives in which its files lie, that of the first instance first."""
        kept = self.instances
        if isinstance(kept, HasColumns):
            return kept.folders
        return [*dict.fromkeys(header.reference.parent for header in kept)]

    def _order(self) -> Order:
        """The order of `files`."""
        try:
            closed = [ClosedHeader.of(h) if _is_described(h) else h for h in self.instances]
            numbers = {id(header): number for number, header in enumerate(closed)}
            frames = [frame for stack in self._stacked(closed, KEEP) for frame in stack.frames]
            ordered = [numbers[id(frame.header)] for frame in frames]
        except (DataError, PixelsClosedError):
            ordered = []
        known = [header.instance_number for header in self.instances]
        rest = sorted(
            range(len(known)),
            key=lambda n: (known[n] is None, known[n] or 0, Path(str(self.instances[n].reference))),
        )
        return Order([*dict.fromkeys([*ordered, *rest])], of_volumes=bool(ordered))

    def stacks(self, options: ReadOptions = DEFAULTS) -> list[Stack]:
        """Which frames form which volume, before any pixel is read."""
        return self._stacked(whole(self.instances), options)

    def described_stacks(self, options: ReadOptions = DEFAULTS) -> list[Stack]:
        """As `stacks`, by what a server says of the instances where that is enough: no file is fetched.

        It is not where images repeat, and the server tells no private elements, which may say of what.
        """
        described = [header for header in self.instances if _is_described(header)]
        with suppress(DataError):
            stacks = self._stacked(self.instances, options) if described else []
            plain = len(stacks) == 1 and stacks[0].repetitions == 1
            if plain or (stacks and any(map(_has_private, described))):
                return stacks
        return self.stacks(options)

    def _stacked(self, instances: Sequence[Header], options: ReadOptions) -> list[Stack]:
        from dicomarray.assembly.frames.frame import frames_of
        from dicomarray.assembly.grouping.stacking import stack_frames

        images = [header for header in instances if header.is_image]
        if not images:
            raise GeometryError(f"series {self.title} has no images: nothing to make a volume of")
        others = sorted(header.reference.name for header in instances if not header.is_image)
        note = warning(f"{len(others)} instances without pixels left out: {some(others)} [objects-not-read]")
        known: KnownMosaics = {}
        frames = [frame for header in images for frame in frames_of(header, known, options.geometry)]
        return stack_frames(frames, options, self.notes + (note if others else ()))

    @takes(ReadOptions)
    def volumes(
        self,
        *,
        workers: int | None = None,
        pixel_progress: PixelProgress | None = None,
        **options: Unpack[ReadKeywords],
    ) -> list[Volume]:
        """All volumes of the series.

        Parameters
        ----------
        workers
            Threads that read and decode; by default as many as there are processors that may be used.
        pixel_progress
            Called with the number of images of a volume that are read, the bytes of their stored values, and
            the number of all; one volume after the other.
        options
            How to read: those of `ReadOptions`, below.

        Raises
        ------
        UsageError
            For an unknown option.
        DataError
            Where the images form no regular volume, or their pixels cannot be read.
        """
        from dicomarray.assembly.volumes.assemble import assemble

        checked = made_of(ReadOptions, options)
        thread_count(workers)
        return [assemble(stack, checked, workers, pixel_progress) for stack in self.stacks(checked)]

    @takes(ReadOptions)
    def volume(
        self,
        *,
        index: int | None = None,
        workers: int | None = None,
        pixel_progress: PixelProgress | None = None,
        **options: Unpack[ReadKeywords],
    ) -> Volume:
        """The only volume of the series, or the one with that ``index`` in `volumes`, which has the options.

        Raises
        ------
        ChoiceError
            Where there are several and no index; the message lists them.
        """
        from dicomarray.assembly.volumes.assemble import assemble

        checked = made_of(ReadOptions, options)
        thread_count(workers)
        return assemble(self.stack(checked, index), checked, workers, pixel_progress)

    def stack(self, options: ReadOptions = DEFAULTS, index: int | None = None) -> Stack:
        """The only stack, or the one with that index; ChoiceError lists them where there are several."""
        return self.one_of(self.stacks(options), index)

    def one_of(self, stacks: Sequence[Stack], index: int | None = None) -> Stack:
        """As `stack`, of the series' stacks."""
        if index is None and len(stacks) > 1:
            raise ChoiceError(
                f"series {self.title} holds {len(stacks)} volumes; choose one by its index "
                "(series.volume(index=N); volume=N, --volume N), or take all (series.volumes(); an output "
                "that ends with /):\n" + "\n".join(volume_lines(stacks))
            )
        if index is not None and (isinstance(index, bool) or not isinstance(index, int | Integral)):
            raise UsageError(f"volume={index!r:.40}: a whole number is needed, the index of a volume from 0")
        if index is not None and not 0 <= index < len(stacks):
            raise UsageError(f"series {self.title} has the volumes 0 to {len(stacks) - 1}, not {index}")
        return stacks[index or 0]


def _is_described(header: Header) -> bool:
    return isinstance(header.reference, ObjectReference) and header.reference.is_described


def _has_private(header: Header) -> bool:
    return isinstance(header.reference, ObjectReference) and header.reference.has_private


def volume_lines(stacks: Sequence[Stack]) -> list[str]:
    """A list of choices, a line each."""
    return [f"  {index}: {one_line(stack.label)}" for index, stack in enumerate(stacks)]


class _CommonAttributes(Mapping[str, Value]):
    """What equals in all instances; keywords beyond those of the scan are read on demand, once."""

    def __init__(self, instances: Sequence[Header]) -> None:
        self._instances = instances
        self._read: dict[str, list[Value]] = {}

    def __getitem__(self, keyword: str) -> Value:
        cells = self._cells(keyword)
        if cells[0] is ABSENT:
            raise KeyError(keyword)
        if len(cells) > 1 and cells.count(cells[0]) < len(cells):
            raise KeyError(f"{keyword} differs between the instances of the series")
        return cells[0]

    def _cells(self, keyword: str) -> Sequence[Value]:
        if keyword in DEFAULT_KEYWORDS:
            return column_of(self._instances, keyword)
        if keyword not in self._read:
            try:
                check_name(keyword)
            except DataError as error:
                raise KeyError(str(error)) from error
            self._read[keyword] = [h.further([keyword]).get(keyword, ABSENT) for h in self._instances]
        return self._read[keyword]

    def __repr__(self) -> str:
        displayed = {
            k: v for k, v in self.items() if not may_identify(k) and not isinstance(v, tuple | Mapping)
        }
        return f"<attributes of {len(self._instances)} instances: {one_line(str(displayed))}, ...>"

    def __iter__(self) -> Iterator[str]:
        for keyword in sorted(self._instances[0].attributes):
            if keyword in self:
                yield keyword

    def __len__(self) -> int:
        return sum(1 for _ in self)
