"""Addresses of PACS, and who we are there.

``dicomweb+https://HOST/dicom-web`` is a server of DICOMweb, ``dimse://AE@HOST:PORT`` one of DIMSE; both are a
`Url`, which no text shows with its user or query.  Credentials come from the environment, a file that it
names, or netrc, never from an address, and no message holds them.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from dicomarray.errors import UsageError
from dicomarray.storage.limits import UNLIMITED, TransferOptions
from dicomarray.storage.places import Place, Url, place_of

DICOMWEB = ("dicomweb+http", "dicomweb+https")
DIMSE = "dimse"
# Who we are: a token, or user and password, for whichever server is named; or a file with them by host.
TOKEN, USER, PASSWORD = "DICOMARRAY_TOKEN", "DICOMARRAY_USER", "DICOMARRAY_PASSWORD"
CREDENTIALS_FILE = "DICOMARRAY_CREDENTIALS"
_NO = ("no", "false", "0")


def is_server(place: object) -> bool:
    """Whether a place is a PACS, and no store of files."""
    return isinstance(place, Url) and place.protocol in (*DICOMWEB, DIMSE)


def address_of(given: str | os.PathLike[str] | Url) -> Url:
    """The address of a PACS, where nothing else is meant: ``http(s)://`` is DICOMweb there.

    Raises
    ------
    UsageError
        For what is none.
    """
    place: Place = place_of(given)
    if isinstance(place, Url) and place.protocol in ("http", "https"):
        place = Url(f"dicomweb+{place.text}")
    if not isinstance(place, Url) or not is_server(place):
        raise UsageError(
            f"{place} is no PACS; write dicomweb+https://HOST/dicom-web, https://..., or dimse://AE@HOST:PORT"
        )
    return place


def speaks_dicomweb(address: Url, limits: TransferOptions = UNLIMITED) -> bool:
    """Whether a PACS is asked over DICOMweb, else over DIMSE.

    Raises
    ------
    UsageError
        Where an address is no PACS, or one of DIMSE with a rate.
    """
    found = address_of(address).protocol in DICOMWEB
    if not found and limits.rate is not None:
        raise UsageError(f"{address}: rate is one of the limits of DICOMweb; leave it out for DIMSE")
    return found


class Connected(ABC):
    """Whoever holds connections to a PACS: they are closed at the end of a ``with``."""

    @abstractmethod
    def close(self) -> None:
        """Close its connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are for a server; all empty where nothing says, and netrc may."""

    token: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def credentials_for(host: str) -> Credentials:
    """Who we are for a host (``HOST`` or ``HOST:PORT``): what the file has for it, else the environment.

    Raises
    ------
    UsageError
        Where the file cannot be read.
    """
    file = os.environ.get(CREDENTIALS_FILE)
    if file:
        known = _read(Path(file))
        found = known.get(host, known.get(host.rpartition(":")[0] or host))
        if found is not None:
            return Credentials(found.get("token"), found.get("user"), found.get("password"))
    env = os.environ.get
    return Credentials(env(TOKEN), env(USER), env(PASSWORD))


def _read(file: Path) -> dict[str, dict[str, str]]:
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{CREDENTIALS_FILE}: {file} cannot be read as JSON: {type(error).__name__}"
        ) from None
    if not isinstance(known, dict) or not all(isinstance(one, dict) for one in known.values()):
        raise UsageError(f'{CREDENTIALS_FILE}: {file} must be {{"HOST": {{"user": ..., "password": ...}}}}')
    return known


@dataclass(frozen=True, slots=True)
class WebAddress:
    """What an address of DICOMweb says: the server's URL, whether it is verified, our patience and haste."""

    base: str
    host: str
    verify: bool
    timeout: float  # seconds without a byte
    rate: int | None = None  # bytes a second

    @classmethod
    def of(cls, address: Url) -> WebAddress:
        """Read an address.

        Raises
        ------
        UsageError
            Where it holds a password, names no host, or its query is none of ours.
        """
        try:
            parts = urlsplit(address.text.removeprefix("dicomweb+"))
            host, port, query = parts.hostname, parts.port, dict(parse_qsl(parts.query))
        except ValueError as error:
            raise UsageError(f"{address} is no URL: write dicomweb+https://HOST/dicom-web") from error
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                f"{address}: user and password do not belong in an address; put them into {USER} and "
                f"{PASSWORD}, {CREDENTIALS_FILE}, or netrc"
            )
        unknown = query.keys() - {"verify", "timeout", "rate"}
        if not host or unknown or parts.fragment:
            what = (
                f"?{sorted(unknown)[0]}= is unknown, there are verify, timeout, rate"
                if unknown
                else "no host"
            )
            raise UsageError(f"{address}: {what}")
        place = f"[{host}]" if ":" in host else host
        place = place if port is None else f"{place}:{port}"
        return cls(
            f"{parts.scheme.lower()}://{place}{parts.path.rstrip('/')}",
            place,
            query.get("verify", "yes").lower() not in _NO,
            seconds_of(address, query.get("timeout", "60")),
            TransferOptions(rate=query.get("rate")).bytes_a_second,
        )


def seconds_of(address: Url, text: str) -> float:
    """How long a peer may be silent; raises UsageError for what is no number above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise UsageError(f"{address}: timeout is so many seconds, a number above 0")
    return seconds
