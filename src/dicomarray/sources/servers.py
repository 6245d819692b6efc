"""An address -> the server that it names."""

from __future__ import annotations

from dicomarray.sources.base import Server
from dicomarray.storage.connections import speaks_dicomweb
from dicomarray.storage.places import Url


def server_of(address: Url) -> Server:
    """Who copies instances from there.

    Raises
    ------
    UsageError
        For an address of another kind, or where the package for it is not installed.
    """
    if speaks_dicomweb(address):
        from dicomarray.sources.dicomweb import DicomWebServer

        return DicomWebServer(address)
    from dicomarray.sources.dimse import DimseServer

    return DimseServer(address)
