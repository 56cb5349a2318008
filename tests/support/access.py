"""Requests as the judge of who gets in sees them."""

from websockets.datastructures import Headers
from websockets.http11 import Request


def request(path: str = "/ws/session", /, *more: tuple[str, str], **headers: str) -> Request:
    """Return a request; `sec_websocket_protocol` becomes that header, `host` is the loopback."""
    found = Headers(Host=headers.pop("host", "127.0.0.1:5010"))
    for name, value in headers.items():
        found[name.replace("_", "-")] = value
    for name, value in more:
        found[name] = value
    return Request(path, found, "GET")
