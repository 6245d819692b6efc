"""`run`: a user's function over an archive, whatever happens to single series; one entry each.

options -> function -> jobs (one a series or study) -> who does them -> entries -> the ledger
"""
