"""Requests to one server: tried again where that is worth it, bounded in size, no secret in an error."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from dicomarray.core.optional_packages import package
from dicomarray.errors import StorageError
from dicomarray.storage.connections import CREDENTIALS_FILE, TOKEN, USER, WebAddress, credentials_for
from dicomarray.storage.limits import UNLIMITED, Rate, TransferOptions
from dicomarray.storage.places import Url
from dicomarray.version import __version__

# How often a request is sent at most, and how long we wait after the first failure; twice as long each time.
TRIES, FIRST_WAIT_SECONDS = 5, 0.5
# As often where an answer began.
UNBROKEN_TRIES = 3
# A server that asks for more patience than this is given up.  Seconds.
MAX_WAIT_SECONDS = 60.0
CONNECT_SECONDS = 10.0
CHUNK_BYTES = 256 * 1024
# What says that the same request may do better later (RFC 9110, RFC 6585).
_LATER = (408, 425, 429, 502, 503, 504)
_ADVICE = {
    400: "it does not take the request; look at the address first: it ends with the path of DICOMweb",
    401: f"say who you are: {USER} and its password, {TOKEN}, {CREDENTIALS_FILE}, or netrc",
    403: "this user may not do that there",
    404: "there is no such thing there; look at the address: it ends with the path of DICOMweb",
}
_LOG = logging.getLogger("dicomarray")

Result = TypeVar("Result")


class Body(Protocol):
    """What is sent: so many bytes, piece by piece, anew each time that it is asked for them."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


class _Paced:
    """A body that is sent no faster than it may be."""

    def __init__(self, body: Body, rate: Rate) -> None:
        self._body, self._rate = body, rate

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            self._rate.moved(len(piece))
            yield piece


class StatusError(StorageError):
    """A server that answered, but not with what was asked for."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class CutOffError(StorageError):
    """An answer that ended early: the connection broke, or time ran out."""


class UnreachableError(StorageError):
    """A server with which nothing can be spoken at all: no connection, or a certificate that is refused."""


def unbroken(ask: Callable[[], Result]) -> Result:
    """What is asked for, again where the answer breaks off; CutOffError where it always does."""
    for _ in range(UNBROKEN_TRIES - 1):
        with suppress(CutOffError):
            return ask()
    return ask()


class WebServer:
    """One server of DICOMweb, with connections that are kept open."""

    def __init__(
        self,
        address: Url,
        sleep: Callable[[float], None] = time.sleep,
        limits: TransferOptions = UNLIMITED,
    ) -> None:
        self.address = address
        self.web = WebAddress.of(address)
        self.rate = Rate(limits.bytes_a_second or self.web.rate)
        self._sleep = sleep
        self._requests = package("requests", "pacs", f"{address}: a PACS needs more")
        self._session = self._requests.Session()
        self._session.headers["User-Agent"] = f"dicomarray/{__version__}"
        self._session.auth = _authorization(self.web.host)

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def error(self, path: str, what: str) -> StorageError:
        """An error that names the server and what was asked for."""
        return StorageError(f"{self.address}{path}: {what}")

    @contextmanager
    def request(
        self,
        path: str,
        accept: str,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Answer]:
        """The answer to a GET, or to a POST of a ``body``.

        Raises
        ------
        StatusError
            Where the server says no.
        StorageError
            Where it cannot be reached.
        CutOffError
            Where the answer ends early, out of the block that reads it.
        """
        response = self._sent(path, {"Accept": accept, **(headers or {})}, query, body)
        try:
            yield Answer(self, path, response)
        except (self._requests.RequestException, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, self._requests.RequestException):
                raise
            raise CutOffError(
                str(self.error(path, f"the answer broke off ({type(error).__name__})"))
            ) from error
        finally:
            response.close()

    def _sent(
        self,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None,
        body: Body | None,
    ) -> Any:
        wait = FIRST_WAIT_SECONDS
        for remaining in reversed(range(TRIES)):
            asked: float | None = None
            try:
                response = self._session.request(
                    "GET" if body is None else "POST",
                    f"{self.web.base}{path}{_query_of(query)}",
                    headers=headers,
                    data=body if body is None else _Paced(body, self.rate),
                    stream=True,
                    timeout=(CONNECT_SECONDS, self.web.timeout),
                    # None: as the environment says (REQUESTS_CA_BUNDLE)
                    verify=None if self.web.verify else False,
                    allow_redirects=False,
                )
            except (self._requests.ConnectionError, self._requests.Timeout) as error:
                if not remaining or isinstance(error, self._requests.exceptions.SSLError):
                    raise self._unreachable(path, error) from None
            except self._requests.RequestException as error:
                raise self._unreachable(path, error) from None
            else:
                if response.ok and response.status_code < 300:
                    return response
                asked = _patience(response)
                later = response.status_code in _LATER and (asked is None or asked <= MAX_WAIT_SECONDS)
                if not (later and remaining):
                    raise self._refused(path, response)
                response.close()
            pause = max(asked or 0.0, wait * random.uniform(0.75, 1.25))
            if wait > FIRST_WAIT_SECONDS:
                _LOG.warning("%s: no answer yet; asked again in %.0f s", self.address, pause)
            self._sleep(pause)
            wait *= 2
        raise AssertionError  # the last try returns or raises

    def _unreachable(self, path: str, error: Exception) -> UnreachableError:
        said = f"the server cannot be reached ({type(error).__name__}); look at the address and the network"
        if isinstance(error, self._requests.exceptions.SSLError):
            said = (
                "its certificate is refused; name its authority (REQUESTS_CA_BUNDLE=FILE), or do without "
                "(?verify=no)"
            )
        return UnreachableError(str(self.error(path, said)))

    def _refused(self, path: str, response: Any) -> StatusError:
        status = int(response.status_code)
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "unknown"
        advice = _ADVICE.get(status, "")
        if 300 <= status < 400:
            advice = "it sends us on to another address, which is not followed; name that one"
        response.close()
        text = f"the server answered {status} {phrase}" + (f": {advice}" if advice else "")
        return StatusError(str(self.error(path, text)), status)


class Answer:
    """What a server answered; its body is taken piece by piece."""

    def __init__(self, server: WebServer, path: str, response: Any) -> None:
        self._server, self.path, self._response = server, path, response

    @property
    def status(self) -> int:
        """200, 202, ..."""
        return int(self._response.status_code)

    @property
    def content_type(self) -> str:
        """As the server says it."""
        return str(self._response.headers.get("Content-Type", ""))

    def header(self, name: str) -> str | None:
        """Another header."""
        found = self._response.headers.get(name)
        return None if found is None else str(found)

    def chunks(self, most: int) -> Iterator[bytes]:
        """The body; StorageError where it has more bytes than ``most``."""
        seen = 0
        for chunk in self._response.iter_content(CHUNK_BYTES):
            seen += len(chunk)
            if seen > most:
                raise self._server.error(
                    self.path, f"the answer is longer than {most} bytes; it is not read on"
                )
            self._server.rate.moved(len(chunk))
            yield chunk

    def text(self, most: int) -> bytes:
        """All of the body."""
        return b"".join(self.chunks(most))


def _query_of(query: Mapping[str, str] | None) -> str:
    """A query in which wildcards stand as they are (RFC 3986 3.4): Orthanc does not know %2A."""
    pairs = [f"{name}={quote(value, safe='*?,')}" for name, value in (query or {}).items()]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _authorization(host: str) -> Any:
    """What adds the credentials to a request; None leaves it to netrc."""
    known = credentials_for(host)
    if known.token:
        return _Bearer(known.token)
    if known.user is not None:
        return (known.user.encode(), (known.password or "").encode())
    return None


class _Bearer:
    """A token; without a text that shows it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _patience(response: Any) -> float | None:
    """How many seconds a server asks us to wait (RFC 9110 10.2.3); None where it does not."""
    text = response.headers.get("Retry-After")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
