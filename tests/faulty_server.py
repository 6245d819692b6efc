"""A proxy before a server that does to its answers what networks, proxies and careless servers do."""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """What goes to the client: ``has_length`` is of Content-Length, ``cut`` ends after so many bytes.

    A status of 0 closes the connection without an answer.
    """

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    has_length: bool = True
    cut: int | None = None
    endless: bytes = b""


# Takes method, path, the Accept header and the server's own answer; returns what is sent instead.
Fault = Callable[[str, str, Reply], Reply]


@dataclass
class Proxy:
    """``url`` is where it listens; ``fault`` is what it does now, ``asked`` what it was asked.

    What has more bytes than ``limit`` does not come to the server; of another body ``receive``
    makes what goes on to the server, or an answer in its place.
    """

    url: str
    fault: Fault
    limit: int | None = None
    receive: Callable[[bytes], bytes | Reply] = lambda body: body
    asked: list[tuple[str, str, dict[str, str], int]] = field(default_factory=list)


def _answer_of(target: str, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Reply:
    request = urllib.request.Request(f"{target}{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Reply(answer.status, answer.headers["Content-Type"] or "", answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.headers["Content-Type"] or "", error.read())


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    target: str

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET", None)

    def do_POST(self) -> None:
        self._answer("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, method: str, body: bytes | None) -> None:
        self.proxy.asked.append((method, self.path, dict(self.headers), len(body or b"")))
        named = ("Accept", "Content-Type", "Authorization")
        headers = {name: self.headers[name] for name in named if self.headers[name]}
        if body is not None and self.proxy.limit is not None and len(body) > self.proxy.limit:
            self._send(Reply(413, "text/html", b""))
            return
        passed = None if body is None else self.proxy.receive(body)
        if isinstance(passed, Reply):
            self._send(passed)
            return
        reply = _answer_of(self.target, method, self.path, headers, passed)
        self._send(self.proxy.fault(method, self.path, reply))

    def _send(self, reply: Reply) -> None:
        self.close_connection = True
        if not reply.status:
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.has_length and not reply.endless:
            self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError):  # the client has enough
            self.wfile.write(reply.body[: reply.cut])
            while reply.endless:
                self.wfile.write(reply.endless)


@contextmanager
def before(target: str, fault: Fault, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy in front of the server at ``http://HOST:PORT``; it speaks TLS where a context is given."""
    handler = type("Handler", (_Handler,), {"target": target})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    proxy = Proxy(f"{scheme}://127.0.0.1:{server.server_address[1]}/dicom-web", fault)
    handler.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
