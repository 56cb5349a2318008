"""What RFC 6455 and the library leave to us: fragments, text, close reasons, the last write."""

import asyncio
from contextlib import suppress

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from protocol.pieces import compact

_SWITCHING_PROTOCOLS = 101
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""The library closes without a word on what is no request."""
INVALID_TEXT = 1007
"""Close code (section 7.4.1)."""

_HARDENING = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""No answer is guessed to be something else, shown in a frame or read by a page of others."""
_MAX_REASON_BYTES = 123
"""A control frame holds 125 bytes, two of them the code (section 5.5)."""


class Fragments:
    """A message that comes in pieces. How long it may get, the library knows."""

    __slots__ = ("_joined", "_pieces", "is_text")

    def __init__(self, first: bytes, *, is_text: bool) -> None:
        self.is_text = is_text
        self._pieces = [first]
        self._joined = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        if data:  # a stream of empty pieces must not fill the memory
            self._pieces.append(data)
            self._joined = compact(self._pieces, self._joined)

    def whole(self) -> bytes:
        """Return the message."""
        return b"".join(self._pieces)


def is_utf8(data: bytes) -> bool:
    """Tell whether data is text; ASCII, the usual case, costs 0.05 µs."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def accept(ws: ServerProtocol, request: Request, subprotocol: str | None) -> Response | None:
    """Answer a handshake with 101; return what else there is to answer if it is none."""
    response = ws.accept(request)
    if response.status_code != _SWITCHING_PROTOCOLS:
        return response
    if subprotocol is not None:
        response.headers["Sec-WebSocket-Protocol"] = subprotocol
    ws.send_response(response)
    return None


def respond(ws: ServerProtocol, response: Response) -> None:
    """Answer, and tell browsers to be careful, unless the answer says something of its own."""
    for name, value in _HARDENING.items():
        if name not in response.headers:
            response.headers[name] = value
    ws.send_response(response)


def fitting(reason: str) -> str:
    """Return as much of a close reason as a control frame holds."""
    return reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


def write_out(ws: ServerProtocol, transport: asyncio.Transport) -> None:
    """Write what the library has to send, and the end of the stream where it says so."""
    writes = ws.data_to_send()
    if not writes:
        return
    ends = not writes[-1]  # the library's word for the end of the stream
    if ends:
        writes.pop()
    if len(writes) == 1:
        transport.write(writes[0])
    elif writes:
        transport.writelines(writes)
    if ends:
        _write_end(ws, transport, nothing_sent=not writes)


def _write_end(ws: ServerProtocol, transport: asyncio.Transport, *, nothing_sent: bool) -> None:
    if nothing_sent and ws.handshake_exc is not None:
        transport.write(BAD_REQUEST)  # the library says nothing to what is no request
    if not transport.can_write_eof():  # TLS has no half-close
        transport.close()
    elif not transport.is_closing():
        with suppress(OSError, RuntimeError):  # reset already: the end is on its way
            transport.write_eof()
