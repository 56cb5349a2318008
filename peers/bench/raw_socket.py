"""A WebSocket client that spends as little as possible per message.

Owns the opening handshake, framing and the answer to pings (RFC 6455) on one asyncio transport.
The load generator uses it because it shares a machine with the server it measures: a library
object, a queue and a task switch per message would make the generator the bottleneck.
It must not be used towards the public: frames are masked with a zero key, which is cheap and
legal to read, but only fit for payloads of our own on a loopback connection.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

OPEN_TIMEOUT_SECONDS: Final = 10.0

_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CONTINUATION: Final = 0x0
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FINAL_FRAGMENT: Final = 0x80
_MASKED: Final = 0x80
_LENGTH_16_BITS: Final = 126
_LENGTH_64_BITS: Final = 127
_HEADER_BYTES: Final = 2
_ZERO_MASK: Final = bytes(4)
_ACCEPT_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a WebSocket endpoint listens."""

    host: str
    port: int
    path: str
    """Begins with a slash, for example `/ws/session`."""


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one complete client frame (RFC 6455 section 5.2), masked with a zero key."""
    size = len(payload)
    start = _FINAL_FRAGMENT | opcode
    if size < _LENGTH_16_BITS:
        head = bytes((start, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((start, _MASKED | _LENGTH_16_BITS)) + size.to_bytes(2, "big")
    else:
        head = bytes((start, _MASKED | _LENGTH_64_BITS)) + size.to_bytes(8, "big")
    return b"".join((head, _ZERO_MASK, payload))


def _payload_bounds(buffer: bytes, position: int) -> tuple[int, int] | None:
    """Return begin and end of the payload of the frame at `position`, None if it is cut short."""
    begin = position + _HEADER_BYTES
    if begin > len(buffer):
        return None
    length = buffer[position + 1]
    if length == _LENGTH_16_BITS:
        begin += 2
        length = int.from_bytes(buffer[begin - 2 : begin], "big")
    elif length == _LENGTH_64_BITS:
        begin += 8
        length = int.from_bytes(buffer[begin - 8 : begin], "big")
    end = begin + length
    return (begin, end) if end <= len(buffer) else None


class RawSocket(asyncio.Protocol):
    """One open WebSocket; tells each message to `on_message` from the loop, in order.

    `closed` is done as soon as nothing more will arrive; its result is the reason.
    """

    def __init__(self, address: Address, on_message: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self._address = address
        self._on_message = on_message
        self._transport: asyncio.Transport | None = None
        self._key = base64.b64encode(secrets.token_bytes(16))
        self._rest = b""
        self._fragments: list[bytes] = []
        self._reason = "the connection was lost"

    def send_text(self, payload: bytes) -> None:
        """Send UTF-8 text; nothing happens on a socket that is closed already."""
        self._write(_TEXT, payload)

    def send_binary(self, payload: bytes) -> None:
        """Send bytes; nothing happens on a socket that is closed already."""
        self._write(_BINARY, payload)

    def close(self, code: int = 1000) -> None:
        """Say good-bye and close the connection without waiting for the answer."""
        self._write(_CLOSE, code.to_bytes(2, "big"))
        if self._transport is not None:
            self._transport.close()

    def _write(self, opcode: int, payload: bytes) -> None:
        if self._transport is not None and not self.closed.done():
            self._transport.write(frame(opcode, payload))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the opening handshake."""
        self._transport = cast("asyncio.Transport", transport)
        where = self._address
        lines = (
            f"GET {where.path} HTTP/1.1",
            f"Host: {where.host}:{where.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {self._key.decode()}",
            "Sec-WebSocket-Version: 13",
            "\r\n",
        )
        self._transport.write("\r\n".join(lines).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that nothing more will come."""
        if exc is not None:
            self._reason = str(exc)
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self._reason))
        if not self.closed.done():
            self.closed.set_result(self._reason)

    def data_received(self, data: bytes) -> None:
        """Cut the stream into frames and hand over the messages in it."""
        buffer = self._rest + data if self._rest else data
        position = 0
        if not self.opened.done():
            position = self._read_handshake(buffer)
        while self.opened.done() and (bounds := _payload_bounds(buffer, position)) is not None:
            begin, end = bounds
            self._frame_received(buffer[position], buffer[begin:end])
            position = end
        self._rest = buffer[position:]

    def _read_handshake(self, buffer: bytes) -> int:
        """Return where the frames begin; 0 while the answer is incomplete."""
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return 0
        head = buffer[:end]
        digest = hashlib.sha1(self._key + _ACCEPT_GUID, usedforsecurity=False).digest()
        if b" 101 " not in head.split(b"\r\n", 1)[0] or base64.b64encode(digest) not in head:
            answer = head.split(b"\r\n", 1)[0].decode(errors="replace")
            self._reason = f"{self._address.path} was not opened: {answer}"
            if self._transport is not None:
                self._transport.abort()
            return 0
        self.opened.set_result(None)
        return end + 4

    def _frame_received(self, start: int, payload: bytes) -> None:
        opcode = start & 0x0F
        if start & _FINAL_FRAGMENT and opcode in (_TEXT, _BINARY):
            self._on_message(payload)
        elif opcode in (_TEXT, _BINARY, _CONTINUATION):
            self._fragments.append(payload)
            if start & _FINAL_FRAGMENT:
                message = b"".join(self._fragments)
                self._fragments.clear()
                self._on_message(message)
        elif opcode == _PING:
            self._write(_PONG, payload)
        elif opcode == _CLOSE:
            self._reason = f"closed by the server with {int.from_bytes(payload[:2], 'big')}"
            self.close()


async def open_socket(address: Address, on_message: Callable[[bytes], None]) -> RawSocket:
    """Return an open WebSocket.

    Raises:
        ConnectionError: nobody listens there, or the server refused the upgrade.
        TimeoutError: no answer within OPEN_TIMEOUT_SECONDS.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
        transport, socket = await loop.create_connection(
            lambda: RawSocket(address, on_message), address.host, address.port
        )
        try:
            await socket.opened
        except BaseException:
            transport.abort()
            raise
    return socket
