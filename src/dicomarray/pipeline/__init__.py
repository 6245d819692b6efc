"""`run`: a user's function over an archive, whatever happens to single series; one entry each.

options -> function -> jobs (one a series or study) -> who does them -> entries -> the ledger
"""

from dicomarray.pipeline.entries import RunEntry, RunReport, SeriesOutput
from dicomarray.pipeline.ledger import read_entries
from dicomarray.pipeline.running import run

__all__ = ["RunEntry", "RunReport", "SeriesOutput", "read_entries", "run"]
