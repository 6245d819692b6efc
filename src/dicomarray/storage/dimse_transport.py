"""Connections beneath the associations of DIMSE: nothing waits on the way, nobody is silent for ever; TLS."""

from __future__ import annotations

import errno
import logging
import os
import queue
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dicomarray.errors import UsageError

# No honest message has longer pieces; ours are at most `dimse.MAX_PDU_BYTES`, but not everybody listens.
MAX_PIECE_BYTES = 16 << 20
# How often it is looked whether an answer came, at first and after a while; seconds.
QUICKLY, SLOWLY, ATTENTIVE_SECONDS = 0.0002, 0.001, 0.5
# Linux alone can be told to acknowledge at once what comes.
_ACKNOWLEDGE: int | None = getattr(socket, "TCP_QUICKACK", None)

Handler = Callable[[Any], None]


class Activity:
    """When something last came or went over connections that belong together."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def moved(self, *_: Any) -> None:
        """Something did now."""
        self.last = time.monotonic()


def prompt(package: Any, silence: float, activity: Activity | None = None) -> list[tuple[Any, Handler]]:
    """Handlers for pynetdicom that have each connection, as it is opened, send and read as it is said here.

    Whoever says nothing for so many seconds in the middle of a message is cut off; who takes longer than that
    for an answer is waited for as long as something moves, which ``activity`` knows.
    """

    def opened(event: Any) -> None:
        association, connection = event.assoc, event.assoc.dul.socket
        if (opened_socket := getattr(connection, "socket", None)) is None:
            return
        opened_socket.settimeout(silence)
        with suppress(OSError):  # else the end of each message waits 40 ms
            opened_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        moving = activity or Activity()
        connection.recv = _Reading(opened_socket, silence, moving).read
        association.bind(package.evt.EVT_DATA_SENT, moving.moved)
        association.dimse.msg_queue = _Messages(moving, association)
        if not logging.getLogger("pynetdicom").isEnabledFor(logging.INFO):
            _tell_no_log(package.evt, association)

    return [(package.evt.EVT_CONN_OPEN, opened)]


class _Messages(queue.Queue[Any]):
    """Messages that came: who waits for one does so while something moves, however long it is.

    On an association of ours each is an answer to who waits for it.  The thread of the package that looks for
    requests of the peer would now and then take one that came at once, and have us wait for what is lost.
    """

    def __init__(self, activity: Activity, association: Any) -> None:
        super().__init__()
        self._activity, self._association = activity, association

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As a queue has it; the seconds are those in which nothing moved."""
        if not block and self._association.is_requestor:
            raise queue.Empty
        if not block or timeout is None:
            return super().get(block, timeout)
        start, wait = time.monotonic(), min(timeout, ATTENTIVE_SECONDS)
        self._look_every(QUICKLY)
        while True:
            try:
                return super().get(True, wait)
            except queue.Empty:
                self._look_every(SLOWLY)
                wait = max(start, self._activity.last) + timeout - time.monotonic()
                if wait <= 0:
                    raise

    def _look_every(self, seconds: float) -> None:
        """How often the package's thread looks whether something came; that has no public name."""
        self._association.dul._run_loop_delay = seconds


def _tell_no_log(evt: Any, association: Any) -> None:
    """Spare what the package writes of each message, and of each piece of it, where nobody reads that."""
    for kind in (evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT, evt.EVT_PDU_RECV, evt.EVT_PDU_SENT):
        for handler, _ in [*association.get_handlers(kind)]:
            if handler.__module__.startswith("pynetdicom"):
                association.unbind(kind, handler)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads of a connection what the package asks for, in large pieces.

    What came is acknowledged before more is read: many peers, DCMTK and Orthanc among them, send an answer in
    two parts, the second one when the first was acknowledged, and that takes a system 40 ms if it is let.
    """

    connection: socket.socket
    silence: float
    activity: Activity

    def read(self, count: int) -> bytearray:
        """So many bytes; fewer where the peer has closed the connection.

        Raises
        ------
        OSError
            Where it broke off, too much is claimed to come, or it takes too long.
        """
        if count > MAX_PIECE_BYTES:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        content, got, end = bytearray(count), 0, time.monotonic() + self.silence
        with memoryview(content) as place:
            while got < count:
                if _ACKNOWLEDGE is not None:  # the system forgets it again and again
                    with suppress(OSError):
                        self.connection.setsockopt(socket.IPPROTO_TCP, _ACKNOWLEDGE, 1)
                new = self.connection.recv_into(place[got:])
                if not new:
                    break
                got += new
                self.activity.moved()
                if got < count and time.monotonic() > end:
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        del content[got:]
        return content


class _PatientContext(ssl.SSLContext):
    """TLS that is negotiated with the first bytes that are read, in the thread of that connection.

    The package accepts connections one after the other: who connects and says nothing would hold up all.
    """

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        """As the class has it, but without waiting for the other side."""
        return super().wrap_socket(sock, *args, **{**options, "do_handshake_on_connect": False})


def server_context(certificate: str | None, key: str | None, authority: str | None) -> ssl.SSLContext | None:
    """TLS for a storage of our own; None where it has no certificate.

    Raises
    ------
    UsageError
        Where something is missing, or a file cannot be read.
    """
    if certificate is None:
        if key is not None or authority is not None:
            raise UsageError("TLS needs a certificate of ours: --tls-cert FILE with --tls-key FILE")
        return None
    context = _PatientContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # PS3.15 B.9, B.10
    try:
        # without a key's password: a service cannot ask for one
        context.load_cert_chain(certificate, key, password="")
        if authority is not None:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # an SSLError is one
        raise UsageError(
            f"--tls-cert {certificate}, with --tls-key and --tls-ca: one is no PEM file, they do not belong "
            f"together, or it cannot be read: {error.strerror or type(error).__name__}"
        ) from None
    return context
