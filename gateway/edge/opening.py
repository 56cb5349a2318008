"""The first part of a connection: one HTTP request, answered or upgraded.

It owns the bytes up to the end of the request. It must not know which paths exist: the owner says
what becomes of a request.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING
from websockets.server import ServerProtocol

from gateway.edge.framing import accept, respond
from gateway.edge.upgrade import EdgeOwner, Upgrade

_END_OF_REQUEST = b"\r\n\r\n"


Certificate = Mapping[str, Any]
"""As `ssl.SSLSocket.getpeercert` returns it."""


def certificate_of(transport: asyncio.Transport) -> Certificate | None:
    """Return the certificate that the other end has shown over TLS; None: none."""
    tls = transport.get_extra_info("ssl_object")
    return None if tls is None else tls.getpeercert() or None


class Opened(Protocol):
    """The connection, as its opening sees it."""

    address: str
    """Where the request comes from."""

    def certificate(self) -> Certificate | None:
        """Return the certificate that the other end has shown over TLS; None: none."""

    def flush(self) -> None:
        """Write what the protocol has to send."""

    def await_end(self) -> None:
        """Give the peer its time to close."""

    def become(self, upgrade: Upgrade) -> None:
        """Be a WebSocket from now on."""


class Opening:
    """Life: from the first byte to the answer."""

    __slots__ = ("_connection", "_head", "_owner", "_ws")

    def __init__(self, connection: Opened, owner: EdgeOwner, ws: ServerProtocol) -> None:
        self._connection = connection
        self._owner = owner
        self._ws = ws
        self._head: bytes | None = b""
        """The last bytes of a request that is not whole yet; None once it is."""

    def take(self, data: bytes) -> bytes:
        """Let the library read the request; return what came behind it: frames, or nothing."""
        if self._head is None:
            return b""  # it was answered, or soon is
        end = (self._head + data).find(_END_OF_REQUEST)
        rest = b""
        if end < 0:
            self._head = (self._head + data)[1 - len(_END_OF_REQUEST) :]
        else:
            taken = end + len(_END_OF_REQUEST) - len(self._head)
            data, rest, self._head = data[:taken], data[taken:], None
        ws = self._ws
        ws.receive_data(data)
        for event in ws.events_received():
            if isinstance(event, Request):
                self._answer(event)
        self._connection.flush()
        if ws.close_expected():
            self._connection.await_end()
        return rest

    def _answer(self, request: Request) -> None:
        answer = self._owner.answer(request, self._connection)
        if isinstance(answer, Upgrade):
            self._upgrade(request, answer)
        elif isinstance(answer, Response):
            self._respond(answer)
        else:
            self._owner.spawn(self._respond_later(answer))

    def _upgrade(self, request: Request, upgrade: Upgrade) -> None:
        refusal = accept(self._ws, request, upgrade.subprotocol)
        if refusal is not None:
            self._respond(refusal)
            return
        if upgrade.address is not None:
            self._connection.address = upgrade.address
        self._connection.flush()
        self._connection.become(upgrade)
        request.headers.clear()  # 2 kB, which the library keeps as long as the connection lives,
        request.path = ""  # and this

    def _respond(self, response: Response) -> None:
        if self._ws.state is CONNECTING and not self._ws.eof_sent:
            respond(self._ws, response)
            self._connection.flush()
            self._connection.await_end()

    async def _respond_later(self, answer: Awaitable[Response]) -> None:
        self._respond(await answer)
