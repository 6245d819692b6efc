"""The catalog kept on disk: one SQLite file that answers what a scan would, without the files.

`index` fills and refreshes it, `open_index` gives the catalog that it holds.
"""
