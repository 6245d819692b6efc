"""Headers -> series; what was skipped and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, overload

from dicomarray.assembly.series import Series
from dicomarray.catalog.segment_pairs import sources_of
from dicomarray.core.notebook import notebook
from dicomarray.dicom.headers.columns import column_of
from dicomarray.sources.base import Skipped

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
    import pyarrow  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from dicomarray.query.config import Config
    from dicomarray.query.explanation import Explanation


ROWS_SHOWN = 100  # in a notebook, which keeps what it shows
NO_NUMBER = 1 << 62  # sorts behind every Series Number


@dataclass(frozen=True, eq=False)
class Catalog(Sequence[Series]):
    """The series found, ordered by series number and UID, and the files that belong to none."""

    series: tuple[Series, ...]
    skipped: tuple[Skipped, ...]

    @overload
    def __getitem__(self, index: int) -> Series: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Series]: ...
    def __getitem__(self, index: int | slice) -> Series | Sequence[Series]:
        return self.series[index]

    def __len__(self) -> int:
        return len(self.series)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self.series)} series, {len(self.skipped)} files skipped>"

    def _repr_html_(self) -> str:
        """A table of the first series, in a notebook."""
        return str(notebook("series_html", self.series[:ROWS_SHOWN], repr(self), len(self)))

    @property
    def images(self) -> list[Series]:
        """The series that have pixels."""
        return [series for series in self.series if series.is_image]

    def segments_of(self, series: Series) -> list[Series]:
        """The SEG and structure sets of a series' images, of which `Series.segments` has the labels."""
        return [one for one in self if one.is_segments and series.uid in one.refers_to]

    def sources_of(self, masks: Series) -> list[Series]:
        """The series that a SEG or structure set is of; `Series.refers_to` names also those not at hand."""
        return sources_of(masks, self)

    def to_pandas(
        self, rows: Literal["series", "instances"] = "series", attributes: Iterable[str] | None = None
    ) -> pandas.DataFrame:
        """The catalog as a pandas data frame.

        Parameters
        ----------
        rows
            One row a series, or an instance.
        attributes
            Which columns there are beside the UID, and ``num_instances`` or ``path``: DICOM keywords or tags;
            None takes some that say what an image is and do not name the patient.  For a series a cell is
            what all its instances agree on; it is empty where they do not.  Several values are a tuple.

        Raises
        ------
        UsageError
            Where pandas is not installed, or ``rows`` is something else.
        HeaderError
            Where a name in ``attributes`` is none.
        """
        from dicomarray.catalog.tables import to_pandas

        return to_pandas(self.series, rows, attributes)

    def to_arrow(
        self, rows: Literal["series", "instances"] = "series", attributes: Iterable[str] | None = None
    ) -> pyarrow.Table:
        """The catalog as an Arrow table: as `to_pandas`, but of one type a column.

        A column in which any cell has several values holds lists; one of which values differ in type, texts.
        """
        from dicomarray.catalog.tables import to_arrow

        return to_arrow(self.series, rows, attributes)

    def explain(self, config: Config, show_patient: bool = False) -> Explanation:
        """Why series match a filter config or not: the scan, the conditions, the series, nearest miss first.

        Parameters
        ----------
        config
            A mapping, or the path of a JSON, YAML or TOML file with one.
        show_patient
            Whether values that may identify the patient are shown (names, ids, comments, physicians, ...);
            they are hidden by default.

        Raises
        ------
        ConfigError
            For mistakes in the config, all of them at once.
        """
        from dicomarray.query.config import selection_of
        from dicomarray.query.explanation import explain_series

        return explain_series(self.series, self.skipped, selection_of(config), show_patient)


def in_catalog_order(series: Series) -> tuple[int, str, str]:
    """By number, then by UID; those without a UID, which are one file each, by that."""
    number = column_of(series.instances, "SeriesNumber")[0]
    file = "" if series.uid else str(series.instances[0].reference)
    return number if isinstance(number, int) else NO_NUMBER, series.uid, file
