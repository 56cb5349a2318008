"""A WebSocket peer made of bytes: it can break every rule."""

import asyncio
import json
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.support.waiting import PATIENCE_S

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


class Peer:
    """A client made of bytes: it can break every rule."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a JSON message."""
        self.frame(json.dumps(message).encode())

    def frame(self, data: bytes, opcode: int = TEXT, *, fin: bool = True) -> None:
        """Send one frame."""
        self.writer.write(make_frame(data, opcode, fin=fin))

    async def hear_frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readexactly(2)
            length = head[1] & 127
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(await self.reader.readexactly(size), "big")
            return head[0] & 15, await self.reader.readexactly(length)

    async def hear(self) -> dict[str, Any]:
        """Return the next JSON message."""
        opcode, data = await self.hear_frame()
        assert opcode == TEXT, (opcode, data)
        message: dict[str, Any] = json.loads(data)
        return message

    async def hear_close(self) -> int:
        """Return the code of a close that comes next."""
        opcode, data = await self.hear_frame()
        assert opcode == CLOSE, (opcode, data)
        return int(struct.unpack_from("!H", data)[0])

    async def hear_end(self) -> bytes:
        """Wait for the end of the stream; return what came before it."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def is_heard(self) -> None:
        """Wait until everything sent so far was taken in: a pong comes after it."""
        self.frame(b"?", PING)
        assert await self.hear_frame() == (PONG, b"?")

    def abort(self) -> None:
        """Reset the connection."""
        with suppress(AttributeError):  # of one that closed behind its last bytes, in Python 3.11
            self.writer.transport.abort()


def make_frame(data: bytes, opcode: int = TEXT, *, fin: bool = True, mask: bool = True) -> bytes:
    """Return a frame as a client sends it, or without its mask."""
    size = len(data)
    bit = 128 if mask else 0
    head = bytes([(128 if fin else 0) | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + data if mask else head + data


def upgrade_request(path: str, extra: str = "") -> bytes:
    """Return the request of a WebSocket client."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    ).encode()
