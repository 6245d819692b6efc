"""The catalog kept on disk: one SQLite file that answers what a scan would, without the files.

`index` fills and refreshes it, `open_index` gives the catalog that it holds.
"""

from dicomarray.catalog.index.opening import check_finished, count_indexed, indexed_roots, open_index
from dicomarray.catalog.index.scanning import IndexReport, index

__all__ = ["IndexReport", "check_finished", "count_indexed", "index", "indexed_roots", "open_index"]
