"""An address -> the server that it names."""

from __future__ import annotations

from dicomarray.sources.base import Server
from dicomarray.storage.connections import speaks_dicomweb
from dicomarray.storage.limits import UNLIMITED, TransferOptions
from dicomarray.storage.places import Url


def server_of(address: Url, limits: TransferOptions = UNLIMITED) -> Server:
    """Who copies instances from there.

    Raises
    ------
    UsageError
        For an address of another kind, for limits that it does not know, or where the package for it is
        not installed.
    """
    if speaks_dicomweb(address, limits):
        from dicomarray.sources.dicomweb import DicomWebServer

        return DicomWebServer(address, limits=limits)
    from dicomarray.sources.dimse import DimseServer

    return DimseServer(address)
