"""An operator's socket, made of JSON."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.support.waiting import PATIENCE_S


class Operator:
    """Sends commands and keeps what it is not waiting for."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.updates: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)

    async def do(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a command, return its answer."""
        number = next(self._numbers)
        await self.socket.send(json.dumps({"request_id": number, "type": kind, **fields}))
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.hear()
                if message["type"] == "admin_ack" and message["request_id"] == number:
                    return message

    async def hear(self) -> dict[str, Any]:
        """Return the next message of any kind."""
        message: dict[str, Any] = json.loads(await self.socket.recv())
        if message["type"] == "admin_update":
            self.updates.append(message)
        return message

    async def update(self) -> dict[str, Any]:
        """Wait for the next live view."""
        async with asyncio.timeout(PATIENCE_S):
            while (message := await self.hear())["type"] != "admin_update":
                pass
        return message


@asynccontextmanager
async def operator_at(port: int, token: str = "") -> AsyncIterator[Operator]:
    """An operator, connected."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"ws://127.0.0.1:{port}/ws/admin"
    async with connect(url, additional_headers=headers, max_size=None) as socket:
        yield Operator(socket)
