"""A scheduler that does what a test says: one script per connection, real sockets.

`async with scripted_server(script) as server:` serves on a free port; `script(peer)` is run for
each connection with `peer.hear(Class)` and `peer.say(message)`. A script that fails, fails the
test.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from protocol.codec import encode, parse_node_message, parse_session_message
from protocol.frames import Frame, parse_frame
from protocol.messages.node_outbound import NodeRegisterAck
from protocol.wire import WireMessage
from tests.support.waiting import PATIENCE_S

M = TypeVar("M")
SECONDS = PATIENCE_S
"""A peer that does not say within this what it should, fails the test."""


class ScriptedPeer:
    """The other end of one connection, as the server sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        path = socket.request.path if socket.request else ""
        self._parse: Callable[[str], Any] = (
            parse_node_message if path.startswith("/ws/node") else parse_session_message
        )
        self.heard: list[WireMessage | Frame] = []
        """Everything so far, oldest first."""

    async def say(self, *messages: WireMessage) -> None:
        """Send messages."""
        for message in messages:
            await self.socket.send(encode(message))

    async def hear(self, kind: type[M]) -> M:
        """Return the next message of this class; others are kept in `heard` and skipped."""
        async with asyncio.timeout(SECONDS):
            while True:
                data = await self.socket.recv()
                message = parse_frame(data) if isinstance(data, bytes) else self._parse(data)
                self.heard.append(message)
                if isinstance(message, kind):
                    return message

    def of(self, kind: type[M]) -> list[M]:
        """Return what was heard of one class."""
        return [message for message in self.heard if isinstance(message, kind)]

    async def gone(self) -> None:
        """Wait until the peer has closed; what it still says is kept in `heard`."""
        try:
            while True:
                await self.hear(NodeRegisterAck)  # which no peer says
        except ConnectionClosed:
            pass


Script = Callable[[ScriptedPeer], Awaitable[None]]


class ScriptedServer:
    """Where the scripts run."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.peers: list[ScriptedPeer] = []
        """One per connection, oldest first."""

    @property
    def session_url(self) -> str:
        """The address for clients."""
        return f"ws://127.0.0.1:{self.port}/ws/session"

    @property
    def node_url(self) -> str:
        """The address for nodes."""
        return f"ws://127.0.0.1:{self.port}/ws/node"


@asynccontextmanager
async def scripted_server(script: Script, port: int = 0) -> AsyncIterator[ScriptedServer]:
    """Serve one script per connection while the context is open; re-raises a script's failure."""
    failures: list[BaseException] = []
    peers: list[ScriptedPeer] = []

    async def handle(socket: ServerConnection) -> None:
        peer = ScriptedPeer(socket)
        peers.append(peer)
        try:
            await script(peer)
        except ConnectionClosed:
            pass
        except Exception as error:
            failures.append(error)
            raise

    async with serve(handle, "127.0.0.1", port, compression=None, max_size=None) as listener:
        server = ScriptedServer(next(iter(listener.sockets)).getsockname()[1])
        server.peers = peers
        yield server
    if failures:
        raise failures[0]
