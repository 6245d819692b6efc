"""Which attributes may identify a patient: their values are shown to nobody who does not ask for them.

PS3.15 Table E.1-1 lists what a file must lose or change before it names nobody.  Logs, errors,
`filter --why`, pages and sidecars show no value of it, but for those by which people know series:
``identities.tsv`` has all of them, and why some are shown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pkgutil import get_data

_TAG = re.compile(r"\((?P<group>[0-9a-fA-F]{4}),")


@lru_cache(maxsize=1)
def hidden_attributes() -> frozenset[str]:
    """By keyword, or by tag where the dictionary has no keyword: what is shown only where it is asked for."""
    table = get_data(__package__, "identities.tsv")
    assert table is not None  # or every value would be shown
    lines = (line.partition("\t") for line in table.decode("utf-8").splitlines())
    return frozenset(key for key, _, why_shown in lines if not why_shown and not key.startswith("#"))


def may_identify(key: str) -> bool:
    """Whether the values of an attribute may identify the patient.

    Every private attribute may, and so may curves (group 50xx): the table has all of them.
    """
    tag = _TAG.match(key)
    if tag is None:
        return key in hidden_attributes()
    group = int(tag["group"], 16)
    return group % 2 == 1 or group >> 8 == 0x50 or key.lower() in hidden_attributes()
