"""An address -> the server that it names."""

from __future__ import annotations

from dicomarray.errors import UsageError
from dicomarray.sources.base import Server
from dicomarray.storage.connections import DICOMWEB, DIMSE
from dicomarray.storage.places import Url


def server_of(address: Url) -> Server:
    """Who copies instances from there.

    Raises
    ------
    UsageError
        For an address of another kind, or where the package for it is not installed.
    """
    if address.protocol in DICOMWEB:
        from dicomarray.sources.dicomweb import DicomWebServer

        return DicomWebServer(address)
    if address.protocol == DIMSE:
        from dicomarray.sources.dimse import DimseServer

        return DimseServer(address)
    raise UsageError(f"{address} is no PACS; write dicomweb+https://HOST/dicom-web or dimse://AE@HOST:PORT")
