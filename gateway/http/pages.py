"""The web pages: files beside this package, read once, and how browsers may use them.

It owns their names, types and headers. It must not put anything into them: what a page shows, it
asks for itself.

| path | what | for |
|---|---|---|
| `/` | the page to speak into | everybody |
| `/dashboard` | the operators' live view | who has a token; others get it with 401, to give one |
| `/lingua-*.js`, `/lingua-*.d.ts` | the client for pages, also of other origins | everybody |
| `/speak/…`, `/dashboard/…`, `/uplot/…`, … | parts of the pages; none is secret | everybody |
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from pathlib import Path

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from gateway.access.access import Reason

_FOLDER = Path(__file__).parents[1] / "pages"
_HOMES = {"speak.html": ("",), "dashboard.html": ("dashboard",)}
"""Where the documents are; every other file is at its own name."""
_CLIENT_PREFIX = "lingua-"
_DASHBOARD = ["dashboard"]
_TOKEN_MAY_HELP = (Reason.NO_TOKEN, Reason.WRONG_TOKEN, Reason.SHUT)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing inline, nothing from elsewhere, and no text that becomes markup."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file as browsers get it."""

    body: bytes = field(repr=False)
    etag: str
    """Of its content: the same on every instance, another after an upgrade."""
    headers: Mapping[str, str]

    def answer(self, request: Request) -> Response:
        """Return it, or that what the browser has is still right (RFC 9110 section 13.1.2)."""
        known = request.headers.get_all("If-None-Match")
        tags = {tag.strip().removeprefix("W/") for line in known for tag in line.split(",")}
        if tags & {self.etag, "*"}:
            return self._response(HTTPStatus.NOT_MODIFIED, b"")
        return self._response(HTTPStatus.OK, self.body)

    def instead_of(self, refusal: Response) -> Response:
        """Return it with the status and the challenge of a refusal; it is not to be kept."""
        response = self._response(HTTPStatus(refusal.status_code), self.body)
        del response.headers["ETag"]
        del response.headers["Cache-Control"]
        response.headers["Cache-Control"] = "no-store"
        for challenge in refusal.headers.get_all("WWW-Authenticate"):
            response.headers["WWW-Authenticate"] = challenge
        return response

    def _response(self, status: HTTPStatus, body: bytes) -> Response:
        headers = Headers(self.headers)
        if status is not HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(body))
        headers["ETag"] = self.etag
        headers["Connection"] = "close"
        return Response(status.value, status.phrase, headers, body)


def page_file(path: list[str]) -> PageFile | None:
    """Return the file of a path, if there is one."""
    return _files().get(tuple(path))


def is_open_page(path: list[str]) -> bool:
    """Tell whether the path is a file for everybody: all but the dashboard's document."""
    return path != _DASHBOARD and tuple(path) in _files()


def or_sign_in(path: list[str], reason: Reason, refusal: Response) -> Response:
    """Return the dashboard in place of a refusal that a token may help against; it asks for one.

    A browser that opens an address can show no token but in the address, where it does not belong.
    Where operators are shut out, the owner of a node still has a token.
    """
    page = page_file(path) if path == _DASHBOARD and reason in _TOKEN_MAY_HELP else None
    return refusal if page is None else page.instead_of(refusal)


@cache
def _files() -> dict[tuple[str, ...], PageFile]:
    """Return all files by path; read once per process."""
    found = {}
    for place in sorted(_FOLDER.rglob("*")):
        if place.is_file() and place.suffix in _TYPES:
            name = place.relative_to(_FOLDER).as_posix()
            found[_HOMES.get(name, tuple(name.split("/")))] = _page_file(name, place.read_bytes())
    return found


def _page_file(name: str, body: bytes) -> PageFile:
    headers = {
        "Content-Type": _TYPES[Path(name).suffix],
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _POLICY,
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if name.startswith(_CLIENT_PREFIX):
        headers["Access-Control-Allow-Origin"] = "*"
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return PageFile(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', headers)
