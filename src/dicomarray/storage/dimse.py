"""Associations with a PACS of DIMSE (PS3.7, PS3.8): what an address says, who is let in, and why not.

``dimse://CALLED_AE@HOST:PORT?calling=AE&move_aet=AE&move_port=PORT&retrieve=get|move&tls=..&timeout=SECONDS``
"""

from __future__ import annotations

import os
import re
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dicomarray.core.optional_packages import package
from dicomarray.errors import StorageError, UsageError
from dicomarray.storage.connections import seconds_of
from dicomarray.storage.dimse_transport import Activity, prompt
from dicomarray.storage.places import Url

# Study Root (PS3.4 C.6.2.1) is what every server has; and Verification (PS3.4 A).
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
VERIFICATION = "1.2.840.10008.1.1"
# Who we are where an address does not say, and how long a peer may be silent; seconds.
CALLING, TIMEOUT_SECONDS = "DICOMARRAY", 60.0
# An association has at most so many presentation contexts (PS3.8 9.3.2.2: odd numbers in a byte).
MAX_CONTEXTS = 128
# The greatest that DCMTK takes: fewer pieces.
MAX_PDU_BYTES = 131_072
# How long a peer is waited for that rejects an association for now; seconds.
BUSY_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
# No honest answer to a query is longer.
MAX_ANSWERS = 5_000_000
# Our certificate and its key, where a peer wants to see one.
CERTIFICATE, KEY = "DICOMARRAY_TLS_CERT", "DICOMARRAY_TLS_KEY"

PENDING = (0xFF00, 0xFF01)
_FOR_NOW = 2  # the result of an A-ASSOCIATE-RJ that is transient
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}", re.ASCII)  # PS3.5 6.2: no backslash, no control characters
_KEYS = ("calling", "move_aet", "move_port", "retrieve", "tls", "timeout")
_MEANINGS = {
    0x0107: "some attributes are unknown to it", 0x0110: "processing failed", 0x0111: "it is there already",
    0x0112: "there is no such instance", 0x0117: "the UID is not valid",
    0x0119: "class and instance conflict",
    0x0122: "its class is not taken", 0x0124: "not authorized", 0x0211: "it does not know that operation",
    0xA700: "out of resources", 0xA701: "out of resources: it cannot count the matches",
    0xA702: "out of resources: it cannot send them", 0xA801: "it does not know where to send to",
    0xA900: "it does not match its class", 0xB000: "elements were changed, or not all were sent",
    0xB006: "elements were discarded", 0xB007: "it does not match its class",
    0xC000: "it cannot be processed", 0xFE00: "it was cancelled",
}  # fmt: skip
_SERVICES = {FIND: "C-FIND", MOVE: "C-MOVE", GET: "C-GET", VERIFICATION: "C-ECHO"}
# PS3.8 Table 9-21: by source and reason.
_REJECTIONS = {
    (1, 3): "it does not know our AE title {calling}; ask its administrator to enter it, or say another one "
    "(?calling=...)",
    (1, 7): "it has no AE title {called}; look at the address (dimse://AE@HOST:PORT)",
    (3, 1): "it is busy (temporary congestion); try again later",
    (3, 2): "it has too many associations; try again later",
}


class RefusedError(StorageError):
    """A peer that answers, and does not let us in, or does not do what is asked for."""


class BrokenError(StorageError):
    """An association that broke off, or a peer that is silent."""


@dataclass(frozen=True, slots=True)
class DimseAddress:
    """What an address of DIMSE says.

    ``retrieve`` is ``"get"``, or ``"move"``: then instances are sent to ``move_aet``, which the peer knows to
    be ``move_port`` of this computer.  ``tls`` is ``"no"``, ``"yes"``, ``"noverify"``, or a file of
    certificates.  ``timeout`` is in seconds.
    """

    called: str
    host: str
    port: int
    calling: str = CALLING
    retrieve: str = "get"
    move_aet: str = CALLING
    move_port: int | None = None
    tls: str = "no"
    timeout: float = TIMEOUT_SECONDS

    def __str__(self) -> str:
        return f"dimse://{self.called}@{self.host}:{self.port}"

    @classmethod
    def of(cls, address: Url) -> DimseAddress:
        """Read an address.

        Raises
        ------
        UsageError
            Where something is missing, unknown, or no AE title, port or number.
        """
        form = "write dimse://CALLED_AE@HOST:PORT"
        try:
            parts = urlsplit(address.text)
            host, port = parts.hostname, parts.port
            query = parse_qsl(parts.query, keep_blank_values=True)
        except ValueError as error:
            raise UsageError(f"{address} is no address: {form}") from error
        if not host or not port or parts.path.strip("/") or parts.fragment:
            what = "no host" if not host else "no port" if not port else "something behind the port"
            raise UsageError(f"{address}: {what}; {form}")
        if parts.password is not None:
            raise UsageError(f"{address}: an AE title has no password; {form}")
        if parts.username is None:
            raise UsageError(f"{address}: the AE title of the server is missing; {form}")
        given = dict(query)
        unknown = sorted(given.keys() - set(_KEYS))
        if unknown or len(given) < len(query):
            what = f"?{unknown[0]}= is unknown" if unknown else "something is said twice"
            raise UsageError(f"{address}: {what}; there are {', '.join(_KEYS)}")
        called = ae_title(address, "the called AE", unquote(parts.username))
        calling = ae_title(address, "calling", given.get("calling", CALLING))
        retrieve = given.get("retrieve", "move" if given.keys() & {"move_aet", "move_port"} else "get")
        if retrieve not in ("get", "move"):
            raise UsageError(f"{address}: retrieve is get or move")
        move_port = _port(address, given["move_port"]) if "move_port" in given else None
        if retrieve == "move" and move_port is None:
            raise UsageError(
                f"{address}: retrieve=move needs move_port=PORT: where the server, as its administrator "
                "entered it, sends to"
            )
        return cls(
            called, host, port, calling, retrieve,
            ae_title(address, "move_aet", given.get("move_aet", calling)), move_port,
            given.get("tls", "no") or "no", seconds_of(address, given.get("timeout", str(TIMEOUT_SECONDS))),
        )  # fmt: skip


def ae_title(address: object, what: str, text: str) -> str:
    """An AE title without its padding; raises UsageError for what is none."""
    title = text.strip(" ")
    if not title or not _AE_TITLE.fullmatch(title):
        raise UsageError(
            f"{address}: {what} is no AE title: 1 to 16 characters of ASCII, no backslash (PS3.5 6.2)"
        )
    return title


def _port(address: Url, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise UsageError(f"{address}: move_port is a number from 1 to 65535")
    return int(text)


def meaning(code: int) -> str:
    """A status in words; the lower digits of most are the peer's own (PS3.7 Annex C, PS3.4 B.2.3, C.4)."""
    for known in (code, code & 0xFF00, code & 0xF000):
        if known in _MEANINGS:
            return f"{_MEANINGS[known]} ({code:04X})"
    return f"status {code:04X}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context that is proposed: a class, and the transfer syntaxes that the peer chooses from.

    With ``receive`` the peer is to send us instances of the class (SCP role selection, PS3.7 D.3.3.4).
    """

    sop_class: str
    syntaxes: tuple[str, ...]
    receive: bool = False


def pynetdicom_for(address: object) -> Any:
    """The package; raises UsageError where it is not installed."""
    return package("pynetdicom", "pacs", f"{address}: a PACS needs more")


@dataclass(slots=True)
class _Course:
    """How far an association came that is being made; a rejection is an A-ASSOCIATE-RJ.

    The package does not tell of one where the peer closes the connection at once.
    """

    connected: bool = False
    rejection: Any = None

    def opened(self, _: Any) -> None:
        self.connected, self.rejection = True, None

    def heard(self, event: Any) -> None:
        if type(event.pdu).__name__ == "A_ASSOCIATE_RJ":
            self.rejection = event.pdu


class Peer:
    """A PACS with which associations are made."""

    def __init__(self, address: Url) -> None:
        self.address = DimseAddress.of(address)
        self.package = pynetdicom_for(self.address)

    def error(self, what: str) -> StorageError:
        """An error that names the peer."""
        return StorageError(f"{self.address}: {what}")

    def broken(self, what: str) -> BrokenError:
        """An error that names the peer, after which it may be tried again."""
        return BrokenError(f"{self.address}: {what}")

    def echo(self) -> None:
        """Ask whether it is there (C-ECHO).

        Raises
        ------
        RefusedError, BrokenError
            Where it is not.
        """
        with self.associated([Proposal(VERIFICATION, ("1.2.840.10008.1.2",))]) as association:
            code = self.code(association.send_c_echo())
        if code:
            raise RefusedError(f"{self.address}: it does not answer an echo: {meaning(code)}")

    @contextmanager
    def associated(
        self,
        proposals: Sequence[Proposal],
        stored: Callable[[Any], int] | None = None,
        activity: Activity | None = None,
    ) -> Iterator[Any]:
        """An association of pynetdicom, released at the end.

        Parameters
        ----------
        proposals
            At most `MAX_CONTEXTS`.
        stored
            Is given each instance that the peer sends over it, and answers with a status.
        activity
            That of other connections, on which the peer does what it is asked for over this one.

        Raises
        ------
        RefusedError
            Where the peer rejects it, or all that is proposed.
        BrokenError
            Where it cannot be reached, or is silent.
        """
        package, address = self.package, self.address
        entity = package.AE(ae_title=address.calling)
        entity.acse_timeout = entity.dimse_timeout = address.timeout
        entity.network_timeout = None  # between two requests we may be busy
        entity.connection_timeout = min(address.timeout, 30.0)
        course = _Course()
        handlers: list[Any] = [
            (package.evt.EVT_CONN_OPEN, course.opened),
            (package.evt.EVT_PDU_RECV, course.heard),
            *prompt(package, address.timeout, activity),
        ]
        if stored is not None:
            handlers.append((package.evt.EVT_C_STORE, stored))
        classes = dict.fromkeys(one.sop_class for one in proposals if one.receive)
        for wait in (*BUSY_WAITS, None):
            association = entity.associate(
                address.host,
                address.port,
                [package.build_context(one.sop_class, list(one.syntaxes)) for one in proposals],
                address.called,
                MAX_PDU_BYTES,
                [package.build_role(uid, scp_role=True) for uid in classes],
                tls_args=self._tls(),
                evt_handlers=handlers,
            )
            if association.is_established:
                association.unbind(package.evt.EVT_PDU_RECV, course.heard)
                break
            if wait is None or course.rejection is None or course.rejection.result != _FOR_NOW:
                raise self._not_established(association, course, proposals)
            time.sleep(wait)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _tls(self) -> tuple[Any, str] | None:
        tls = self.address.tls
        if tls.lower() in ("no", "false", "0"):
            return None
        verified = tls.lower() in ("yes", "true", "1", "noverify")
        try:
            context = ssl.create_default_context(cafile=None if verified else tls)
            if tls.lower() == "noverify":
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if os.environ.get(CERTIFICATE):
                context.load_cert_chain(os.environ[CERTIFICATE], os.environ.get(KEY))
        except OSError as error:  # an SSLError is one
            raise UsageError(
                f"{self.address}: tls is yes, no, noverify or a file of certificates, and {CERTIFICATE} and "
                f"{KEY} name ours; one cannot be read: {error.strerror or type(error).__name__}"
            ) from None
        return context, self.address.host

    def _not_established(
        self, association: Any, course: _Course, proposals: Sequence[Proposal]
    ) -> StorageError:
        address = self.address
        if (said := course.rejection) is not None:
            known = _REJECTIONS.get((said.source, said.reason_diagnostic))
            why = known or "it says: " + str(said.reason_str)
            why = why.format(calling=address.calling, called=address.called)
            return RefusedError(f"{address}: the server rejects the association: {why}")
        if association.rejected_contexts:
            services = ", ".join(dict.fromkeys(_SERVICES.get(one.sop_class, "C-STORE") for one in proposals))
            return RefusedError(
                f"{address}: the server takes nothing of what was proposed to it ({services})"
            )
        if not course.connected:
            return self.broken("the server cannot be reached; look at host and port, and at the network")
        tls = "" if address.tls != "no" else ", or wants TLS (?tls=yes)"
        return self.broken(
            f"the server took the connection and no association: it broke off, was silent for "
            f"{address.timeout:g} s, is no DICOM server{tls}"
        )

    def code(self, answer: Any) -> int:
        """The status of an answer.

        Raises
        ------
        BrokenError
            Where there is none.
        """
        code = answer.get("Status") if answer is not None else None
        if code is None:
            raise self.broken(
                f"the association broke off, or the server was silent for {self.address.timeout:g} s "
                "(?timeout=SECONDS)"
            )
        return int(code)

    def found(self, association: Any, level: str, keys: Mapping[str, str]) -> list[Any]:
        """All answers to a query (C-FIND), as data sets of pydicom.

        Raises
        ------
        RefusedError
            Where the server does not tell all.
        BrokenError
            As `code`.
        """
        answers: list[Any] = []
        for answer, item in association.send_c_find(self.identifier(level, keys), FIND):
            code = self.code(answer)
            if code in PENDING:
                if item is None:
                    raise self.error("an answer to a query cannot be read")
                answers.append(item)
                if len(answers) > MAX_ANSWERS:
                    raise self.error("the answer to a query does not end")
            elif code:
                raise RefusedError(
                    f"{self.address}: the server does not answer a query to its end: {meaning(code)}; ask "
                    "for less (-w, -c)"
                )
        return answers

    def identifier(self, level: str, keys: Mapping[str, str | Sequence[str]]) -> Any:
        """What a query or retrieval asks for, at a level: ``STUDY``, ``SERIES`` or ``IMAGE``."""
        from pydicom.dataset import Dataset

        item = Dataset()
        item.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(item, keyword, (value or None) if isinstance(value, str) else list(value))
        return item

    def accepted(self, association: Any) -> dict[tuple[str, str], Any]:
        """The contexts that the peer took, by class and transfer syntax."""
        return {
            (str(one.abstract_syntax), str(one.transfer_syntax[0])): one
            for one in association.accepted_contexts
        }


def proposals_for(classes: Collection[str], syntaxes: Sequence[str], receive: bool) -> list[Proposal]:
    """A context for each class and transfer syntax, so that each can be sent as it is."""
    return [Proposal(one, (syntax,), receive) for one in classes for syntax in syntaxes]
