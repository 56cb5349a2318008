"""The port for other instances: who may call, and what their frames say.

It owns the listening socket, the incoming links and the proof that a caller belongs here. It must
not know what messages mean: `Arrivals` hands them over.
"""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from loguru import logger
from websockets.http11 import Request

from actors.instance.links.window import IncomingLink, LinkBrokenError
from actors.metrics import Metrics
from gateway.edge.buffer_total import BufferTotal
from gateway.edge.connection import EdgeConnection
from gateway.edge.read_queue import ReadQueue
from gateway.edge.upgrade import Answer, Asker, Connection, SocketHandler, SocketPolicy, Upgrade
from gateway.http.answers import refuse
from gateway.link.codec import SessionWay, UnreadableMessageError, unpack_link_message
from gateway.link.options import PeerOptions
from protocol.errors import CloseCode
from protocol.ids import InstanceId
from protocol.instances.link import (
    CALLEE_HEADER,
    CALLER_HEADER,
    LINK_HEADER,
    PEER_PATH,
    PEER_VERSION,
    VERSION_HEADER,
    Address,
    MessageFrame,
    PeerProtocolError,
    pack_ack,
    pack_welcome,
    unpack,
)
from protocol.instances.passthrough import PASSTHROUGH_PATH

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Well above the longest message of a node with its envelope."""
_MOST_BUFFERED_BYTES = 1 << 40
"""Other instances are trusted: each link has a bound of its own."""
_LINKS_KEPT = 1000
"""Callers whose numbers are remembered; each start of an instance is another caller."""
_BEARER = "Bearer "


class Delivery(Protocol):
    """Takes what other instances send."""

    def take(self, sender: InstanceId, address: Address, message: Any) -> None:
        """Hand a message to its actor."""


@dataclass(frozen=True, slots=True)
class PeerInside:
    """What the port for other instances speaks for."""

    instance_id: InstanceId
    delivery: Delivery
    session_way: SessionWay
    metrics: Metrics
    secret: Callable[[], str]
    """What a caller must show; empty while it is not known: then nobody gets in."""


class PassedClients(Protocol):
    """Takes clients whom other instances pass to sessions here."""

    @property
    def reading(self) -> ReadQueue:
        """Where what they send waits for its turn."""

    @property
    def policy(self) -> SocketPolicy:
        """What their sockets may do."""

    def answer(self, request: Request) -> Answer:
        """Decide about one of them; the other instance has been let in."""

    def watch(self, connection: EdgeConnection) -> None:
        """It is a WebSocket now: see that its end is noticed."""

    def forget(self, connection: EdgeConnection) -> None:
        """It is gone."""


class PeerServer:
    """Life: made, `start`ed, `close`d. Implements `EdgeOwner`."""

    open_timeout_s = 5.0
    close_timeout_s = 1.0

    def __init__(self, options: PeerOptions, inside: PeerInside) -> None:
        self._options = options
        self._inside = inside
        self._server: asyncio.Server | None = None
        self._connections: set[EdgeConnection] = set()
        self._passed_connections: set[EdgeConnection] = set()
        self._passed_clients: PassedClients | None = None
        self._links: OrderedDict[InstanceId, IncomingLink] = OrderedDict()
        self._sockets: dict[InstanceId, Connection] = {}
        self.handshakes: ReadQueue
        self.reading: ReadQueue
        self.buffers = BufferTotal(_MOST_BUFFERED_BYTES, inside.metrics, is_shown=False)
        self._policy = SocketPolicy(MAX_FRAME_BYTES, strict_text=False, keepalive=False)

    def __repr__(self) -> str:
        callers, passed = len(self._sockets), len(self._passed_connections)
        return f"<PeerServer {self.url} {callers=} {passed=}>"

    @property
    def url(self) -> str:
        """Where other instances reach this one."""
        if self._options.peer_url:
            return self._options.peer_url
        host = self._options.peer_host
        return f"ws://{f'[{host}]' if ':' in host else host}:{self._port}{PEER_PATH}"

    @property
    def _port(self) -> int:
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is in use or not ours.
        """
        loop = asyncio.get_running_loop()
        self.handshakes = self.reading = ReadQueue(loop)
        self._server = await loop.create_server(
            lambda: EdgeConnection(self, loop), self._options.peer_host, self._options.peer_port
        )

    def accept_passed_clients(self, passed_clients: PassedClients) -> None:
        """Take clients of other instances from now on."""
        self._passed_clients = passed_clients
        self.reading = passed_clients.reading

    async def close(self) -> None:
        """Let nobody in any more, and go at once: what is under way is sent by another way.

        Clients whom others have passed on are asked to come again, as our own are.
        """
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._passed_connections):
            connection.close(CloseCode.GOING_AWAY, "the service restarts")
        for connection in list(self._connections):
            connection.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.close_timeout_s):
                await self._server.wait_closed()
        self._server = None

    # ---- what connections ask ---------------------------------------------------------------

    def may_wait(self, start: bytes) -> bool:
        """No instance waits: what others send comes before new work of clients."""
        del start
        return False

    def answer(self, request: Request, asker: Asker) -> Answer:
        """Decide about a request."""
        del asker  # who has the secret may call from anywhere
        path = request.path.partition("?")[0]
        if path not in (PEER_PATH, PASSTHROUGH_PATH):
            return refuse(HTTPStatus.NOT_FOUND, "no such path")
        headers = request.headers
        if not self._is_one_of_us(headers.get("Authorization", "")):
            logger.warning("somebody without the cluster's secret called as another instance")
            return refuse(HTTPStatus.UNAUTHORIZED, "the cluster's secret is wrong or missing")
        if headers.get(VERSION_HEADER) != str(PEER_VERSION):
            return refuse(HTTPStatus.UPGRADE_REQUIRED, f"links of version {PEER_VERSION} only")
        caller, link = headers.get(CALLER_HEADER), headers.get(LINK_HEADER)
        if headers.get(CALLEE_HEADER) != self._inside.instance_id or not caller:
            return refuse(HTTPStatus.MISDIRECTED_REQUEST, "this is another instance")
        if path == PASSTHROUGH_PATH:
            return self._answer_passed_client(request)
        if not link:
            return refuse(HTTPStatus.BAD_REQUEST, "a link has a name")
        sender = InstanceId(caller)
        return Upgrade(self._policy, lambda connection: self._open(connection, sender, link))

    def _answer_passed_client(self, request: Request) -> Answer:
        if self._passed_clients is None or self._server is None or not self._server.is_serving():
            return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "no sessions here now")
        return self._passed_clients.answer(request)

    def _is_one_of_us(self, credential: str) -> bool:
        secret = self._inside.secret()
        shown = credential.removeprefix(_BEARER).encode()
        return bool(secret) and hmac.compare_digest(shown, secret.encode())

    def connected(self, connection: EdgeConnection) -> None:
        """A TCP connection exists."""
        self._connections.add(connection)

    def upgraded(self, connection: EdgeConnection, policy: SocketPolicy) -> None:
        """It is a WebSocket now."""
        passed_clients = self._passed_clients
        if passed_clients is not None and policy is passed_clients.policy:
            self._passed_connections.add(connection)
            passed_clients.watch(connection)

    def disconnected(self, connection: EdgeConnection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        if connection in self._passed_connections and self._passed_clients is not None:
            self._passed_connections.discard(connection)
            self._passed_clients.forget(connection)

    def slowed(self, connection: EdgeConnection) -> None:
        """Nobody here is."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """No answer here takes a while."""
        work.close()

    # ---- links ------------------------------------------------------------------------------

    def _open(self, connection: Connection, sender: InstanceId, name: str) -> SocketHandler:
        """Let a caller's link begin, or go on; an older connection of the caller ends."""
        link = self._links.pop(sender, None)
        if link is None or link.name != name:
            link = IncomingLink(name)
        self._links[sender] = link
        while len(self._links) > _LINKS_KEPT:
            self._links.popitem(last=False)
        former = self._sockets.pop(sender, None)
        if former is not None:
            former.close(CloseCode.GOING_AWAY, "called again")
        self._sockets[sender] = connection
        connection.send_binary(pack_welcome(link.received))
        return PeerSocket(connection, sender, link, self)

    def closed(self, sender: InstanceId, connection: Connection) -> None:
        """A caller's connection is gone."""
        if self._sockets.get(sender) is connection:
            del self._sockets[sender]

    def arrived(self, sender: InstanceId, link: IncomingLink, data: bytes) -> None:
        """Take one frame of a link.

        Raises:
            PeerProtocolError: It is none, or not the next one.
        """
        frame = unpack(data)
        if not isinstance(frame, MessageFrame):
            raise PeerProtocolError("a caller sends messages only")
        try:
            is_new = link.takes(frame.seq)
        except LinkBrokenError as error:
            raise PeerProtocolError(str(error)) from error
        inside = self._inside
        inside.metrics.link_received(len(data), again=not is_new)
        if not is_new:
            return
        address = Address.parse(frame.parcel.address)
        try:
            message = address and unpack_link_message(frame.parcel, inside.session_way)
        except UnreadableMessageError as error:  # its content is no fault of the link's
            logger.warning("another instance sent what cannot be read", peer=sender, why=str(error))
            inside.metrics.link_dropped()
            return
        if message is None or address is None:
            logger.debug("another instance sent what is not known here", kind=frame.parcel.kind)
            inside.metrics.link_dropped()
            return
        inside.delivery.take(sender, address, message)


class PeerSocket:
    """One caller's connection. Implements `SocketHandler`."""

    __slots__ = ("_ack_is_due", "_connection", "_link", "_sender", "_server")

    def __init__(
        self, connection: Connection, sender: InstanceId, link: IncomingLink, server: PeerServer
    ) -> None:
        self._connection = connection
        self._sender = sender
        self._link = link
        self._server = server
        self._ack_is_due = False

    def text_received(self, data: bytes) -> None:
        """Refuse: links are binary."""
        del data
        self._connection.close(CloseCode.POLICY_VIOLATION, "links are binary")

    def binary_received(self, data: bytes) -> None:
        """Take a frame; what comes in one turn of the loop is acknowledged together."""
        try:
            self._server.arrived(self._sender, self._link, data)
        except PeerProtocolError as error:
            logger.warning("another instance breaks the protocol", peer=self._sender, why=error)
            self._connection.close(CloseCode.POLICY_VIOLATION, str(error))
            return
        if not self._ack_is_due:
            self._ack_is_due = True
            asyncio.get_running_loop().call_soon(self._acknowledge)

    def longest_message(self) -> int:
        """Return what no message of a link exceeds."""
        return MAX_FRAME_BYTES

    def message_not_taken(self, why: str) -> None:
        """Close the link: nothing of it may be left out."""
        self._connection.close(CloseCode.MESSAGE_TOO_BIG, why)

    def connection_lost(self) -> None:
        """Tell the server; the link itself may go on with another connection."""
        self._server.closed(self._sender, self._connection)

    def _acknowledge(self) -> None:
        self._ack_is_due = False
        self._connection.send_binary(pack_ack(self._link.received))
