"""How deep sequences may be nested: one limit for reading and for writing."""

from __future__ import annotations

# Sequences inside each other.  Images of all vendors have up to six: frames, groups, codes, codes of codes.
# Whatever follows them calls itself, and an error of pydicom's that comes out of so many repeats itself at
# each level: its text has 40 MB behind 10 of them, and 10 GB behind 16.
MAX_DEPTH = 10
TOO_DEEP = f"sequences are nested more than {MAX_DEPTH} deep"
