"""JSON files that a user gives: read whole, but never more than such a file can have."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dicomarray.errors import InputError
from dicomarray.storage.plain_files import open_plain


def read_json(path: Path, max_bytes: int, what: str, advice: str = "") -> Any:
    """What a file says, as JSON; ``what`` names the kind of file, and ``advice`` follows where there is none.

    Raises
    ------
    InputError
        Where it cannot be read, is larger than ``max_bytes``, or no JSON (NaN and Infinity are none).
    """
    try:
        with open_plain(path) as stream:
            if os.fstat(stream.fileno()).st_size > max_bytes:
                raise InputError(f"{path} is larger than any {what} ({max_bytes} bytes)")
            text = stream.read(max_bytes)
        return json.loads(text.decode(), parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}{advice}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path} is not JSON in UTF-8: {error}") from error


def _refuse_constant(word: str) -> None:
    raise ValueError(f"it holds {word}, which JSON does not know")
