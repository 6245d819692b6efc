"""The page over HTTP, on this computer alone: who may ask, and how.

Whoever has no key gets nothing: other users of the computer could reach the port.  A page of another site
could too, by a name that leads here; so the name in the request counts as well (DNS rebinding).
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from dicomarray.cli.browse.archive import Archive
from dicomarray.errors import DicomArrayError, UsageError

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.routing import Route
except ImportError as missing:
    raise UsageError("browse needs starlette and uvicorn: pip install 'dicomarray[browse]'") from missing

HOST = "127.0.0.1"
COOKIE = "dicomarray-key"
NAMES = ("127.0.0.1", "localhost")
_POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
Answer = Callable[[Request], Response]
Next = Callable[[Request], Awaitable[Response]]


def application(archive: Archive, key: str) -> Starlette:
    """The pages and answers, for whoever has the key."""

    def asked(request: Request) -> list[str]:
        return [text for text in request.query_params.getlist("w") if text.strip()]

    def search(request: Request) -> Response:
        start = request.query_params.get("start", "0")
        return JSONResponse(archive.search(asked(request), int(start) if start.isdecimal() else 0))

    def why(request: Request) -> Response:
        return PlainTextResponse(archive.why(asked(request)))

    def values(request: Request) -> Response:
        return JSONResponse(archive.values(request.query_params.get("field", ""), asked(request)))

    def words(_: Request) -> Response:
        return JSONResponse(archive.words())

    def picture(request: Request) -> Response:
        return Response(archive.thumbnail(request.path_params["uid"]), media_type="image/png")

    def view(request: Request) -> Response:
        result = request.query_params.get("result", "")
        number = int(result) if result.isdecimal() else None
        return HTMLResponse(archive.page(request.path_params["uid"], number))

    def page(_: Request) -> Response:
        return HTMLResponse(files("dicomarray.cli.browse").joinpath("page.html").read_text(encoding="utf-8"))

    answers: dict[str, Answer] = {
        "/": page,
        "/search": search,
        "/why": why,
        "/values": values,
        "/words": words,
        "/picture/{uid}": picture,
        "/view/{uid}": view,
    }
    return Starlette(
        routes=[Route(path, answer, methods=["GET"]) for path, answer in answers.items()],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_only_with(key))],
        exception_handlers={DicomArrayError: _refused},
    )


def _only_with(key: str) -> Callable[[Request, Next], Awaitable[Response]]:
    """What lets a request through: by a name of this computer, with the key in its cookie."""

    def is_key(given: str) -> bool:
        return hmac.compare_digest(given.encode(), key.encode())

    async def dispatch(request: Request, answer: Next) -> Response:
        if (request.url.hostname or "") not in NAMES:
            return PlainTextResponse("this page is for this computer alone", 403)
        if is_key(request.query_params.get("key", "")):
            response: Response = RedirectResponse(request.url.path)
            response.set_cookie(COOKIE, key, httponly=True, samesite="strict")
        elif is_key(request.cookies.get(COOKIE, "")):
            response = await answer(request)
        else:
            response = PlainTextResponse("open the address that dicomarray browse printed, with its key", 403)
        response.headers.update(_HEADERS)
        return response

    return dispatch


async def _refused(request: Request, error: Exception) -> Response:
    """What the package refuses, as the page shows it, or as a page of its own."""
    text = str(error).replace("--where ", "")
    if request.url.path.startswith("/view/"):
        return PlainTextResponse(text, 400)
    return JSONResponse({"error": text}, 400)


def serve(archive: Archive, port: int, started: Callable[[str], Any]) -> None:
    """Answer until it is interrupted; ``started`` is called with the address.

    Raises UsageError where the port is taken.
    """
    key = secrets.token_urlsafe(24)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be listened on: {error.strerror}; give another --port"
            ) from error
        started(f"http://{HOST}:{listening.getsockname()[1]}/?key={key}")
        config = uvicorn.Config(application(archive, key), log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listening])
