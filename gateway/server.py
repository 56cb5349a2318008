"""The gateway's server: one port for clients, nodes and HTTP.

It owns the listening socket and the set of connections. It must not know messages: each path has
its handler.

Stop order: no new connections; clients (1001); nodes (1012), so that what they still have to say
finds its way; whoever does not close in time is cut off.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from loguru import logger
from websockets.http11 import Request, Response

from actors.admission import AdmissionOptions
from actors.metrics import Gauge, Metrics
from actors.overload import Overload, OverloadLevel
from actors.room.options import RoomOptions
from gateway.access.access import Access, Denied, Door
from gateway.access.options import AccessOptions
from gateway.admin.feed import AdminFeed
from gateway.admin.socket import AdminContext, AdminSocket
from gateway.edge.buffer_total import BufferTotal
from gateway.edge.connection import EdgeConnection
from gateway.edge.keepalive import Keepalive
from gateway.edge.read_queue import ReadQueue
from gateway.edge.upgrade import Answer, Asker, Connection, SocketHandler, SocketPolicy, Upgrade
from gateway.http.answers import (
    HttpAnswers,
    MetricsText,
    OwnerOf,
    deny,
    is_for_everybody,
    is_for_owners,
    moved_to,
    path_of,
    refuse,
)
from gateway.http.pages import or_sign_in
from gateway.listening import Arrivals, Bind, listen
from gateway.node_socket import NodeSocket
from gateway.options import GatewayOptions
from gateway.passthrough.registry import Passthroughs, PeerIdentity
from gateway.passthrough.server import PassthroughServer
from gateway.paths import Paths
from gateway.policies import admin_policy, node_policy, session_policy
from gateway.ports import Caller, Operators, Reception, Reports
from gateway.session_socket import SessionSocket
from gateway.socket_context import SocketContext
from protocol.errors import CloseCode

SESSION_PATH = "/ws/session"
NODE_PATH = "/ws/node"
ADMIN_PATH = "/ws/admin"


@dataclass(frozen=True, slots=True)
class Inside:
    """What the gateway speaks for."""

    reception: Reception
    reports: Reports
    metrics: Metrics
    metrics_text: MetricsText
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    overload: Overload = field(default_factory=lambda: Overload(AdmissionOptions()))
    """Shared with reception; the gateway feeds it."""
    rooms: RoomOptions = field(default_factory=RoomOptions)
    identity: PeerIdentity | None = None
    """Who we are to other instances; None: none can be reached."""
    operators: Operators | None = None
    """What operators may do; None: nothing."""
    access: Access | None = None
    """Who gets in; None: everybody on a loopback address, nobody elsewhere."""


@dataclass(frozen=True, slots=True)
class _Socket:
    """A path on which requests become WebSockets."""

    door: Door
    policy: SocketPolicy
    open: Callable[[Connection, Caller], SocketHandler]


class Gateway:
    """Life: made, `start`ed, `close`d; not used again. Implements `EdgeOwner`."""

    def __init__(self, options: GatewayOptions, inside: Inside, bind: Bind | None = None) -> None:
        self._options = options
        self._inside = inside
        self._bind = bind or Bind()
        self.open_timeout_s = self._bind.open_timeout_s
        self.close_timeout_s = self._bind.close_timeout_s
        self._access = inside.access or Access(AccessOptions(), options.host)
        self._http = HttpAnswers(inside.reports, inside.metrics_text)
        self._paths = Paths(options.path_prefix)
        self._client_requests = self._paths.begins(f"GET {SESSION_PATH}")
        self._server: asyncio.Server | None = None
        self._keepalive: Keepalive | None = None
        self._connections: dict[EdgeConnection, SocketPolicy | None] = {}
        self._gone: asyncio.Event | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._sockets: dict[str, _Socket] = {}
        self.handshakes: ReadQueue
        self.reading: ReadQueue
        self.passthroughs: Passthroughs | None = None
        """Of clients here whose sessions are on other instances."""
        self.passthrough_server: PassthroughServer
        """Of clients on other instances whose sessions are here."""
        self.buffers = BufferTotal(options.max_buffered_bytes, inside.metrics)
        self._session_policy = session_policy(options)
        self._node_policy = node_policy(options)
        self._admin_policy = admin_policy(options)
        self._open = {self._session_policy: 0, self._node_policy: 0, self._admin_policy: 0}
        self._addresses: Counter[str] = Counter()
        """Sockets of clients by address, where that is bounded."""

    def __repr__(self) -> str:
        return f"<Gateway sessions={self.session_sockets} nodes={self.node_sockets}>"

    @property
    def port(self) -> int:
        """The port it listens on; 0 when it does not."""
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def session_sockets(self) -> int:
        """Open sockets of clients."""
        return self._open[self._session_policy]

    @property
    def node_sockets(self) -> int:
        """Open sockets of nodes."""
        return self._open[self._node_policy]

    @property
    def connections(self) -> int:
        """TCP connections of any kind."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is in use or not ours.
        """
        loop = asyncio.get_running_loop()
        options, inside = self._options, self._inside
        self.handshakes, self.reading = ReadQueue(loop, all_wait=True), ReadQueue(loop)
        inside.metrics.watch(Gauge.OVERLOAD_LEVEL, lambda: inside.overload.level)
        inside.metrics.watch(Gauge.SOCKETS_WAITING, lambda: len(self.reading))
        self._keepalive = keepalive = Keepalive(
            loop, options.ping_interval_ms / 1000, options.ping_timeout_ms / 1000
        )
        if inside.identity is not None:
            self.passthroughs = Passthroughs(inside.identity, keepalive, options.max_outbox_bytes)
            inside.metrics.watch(Gauge.SOCKETS_PASSED_THROUGH, self.passthroughs.__len__)
        context = SocketContext(
            *(loop, options, inside.admission, inside.rooms, inside.reception, inside.metrics),
            passthroughs=self.passthroughs,
        )
        self.passthrough_server = PassthroughServer(context, self.reading, keepalive)

        def open_session(connection: Connection, caller: Caller) -> SocketHandler:
            return SessionSocket(connection, context, caller)

        def open_node(connection: Connection, caller: Caller) -> SocketHandler:
            return NodeSocket(connection, context, caller)

        self._sockets = {
            SESSION_PATH: _Socket(Door.CLIENT, self._session_policy, open_session),
            NODE_PATH: _Socket(Door.NODE, self._node_policy, open_node),
        }
        operators = inside.operators
        if operators is not None:
            feed = AdminFeed(operators.survey, self.spawn)
            admin = AdminContext(context, operators, feed, self.spawn)
            self._sockets[ADMIN_PATH] = _Socket(
                Door.OPERATOR,
                self._admin_policy,
                lambda connection, caller: AdminSocket(connection, admin, caller.principal),
            )
        is_proxy = self._access.is_proxy if options.proxy_protocol == "on" else None
        arrivals = Arrivals(lambda: EdgeConnection(self, loop), is_proxy, self.spawn)
        self._server = await listen(options.host, options.port, self._bind, arrivals)

    async def close(self) -> None:
        """Stop: nobody new, then clients, then nodes, then whoever is left."""
        if self._server is None:
            return
        self._server.close()
        if self._keepalive is not None:
            self._keepalive.close()
        await self._close_all(self._admin_policy, CloseCode.GOING_AWAY)
        await self._close_all(self._session_policy, CloseCode.GOING_AWAY)
        await self._close_all(self._node_policy, CloseCode.SERVICE_RESTART)
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()
        if self.passthroughs is not None:
            await self.passthroughs.close()
        await self._wait_until(lambda: not self._connections)
        self._server = None

    def note_lag(self, lag_ms: float, now_ms: float) -> None:
        """Judge the load by a sample of the loop's lag, or by how long clients wait to be read.

        Reading in turns keeps the loop on time: as long as it is needed, the wait says so.
        """
        reading, overload = self.reading, self._inside.overload
        former = overload.level
        level = overload.sample(max(lag_ms, reading.wait_ms), now_ms)
        if level is former:
            return
        reading.holds_back = level >= OverloadLevel.SLOW_READING
        log = logger.warning if level > former else logger.info
        log("overload", level=level.name, sessions=self.session_sockets, waiting=len(reading))

    # ---- what connections ask ---------------------------------------------------------------

    def may_wait(self, start: bytes) -> bool:
        """Tell whether a request waits for its handshake: a client's does, no other."""
        return start.startswith(self._client_requests)

    def answer(self, request: Request, asker: Asker) -> Answer:
        """Decide about a request; never blocks, never raises."""
        path = self._paths.within(request.path)
        if path is None:
            return moved_to(self._paths.home)
        request.path = path
        socket = self._sockets.get(path.partition("?")[0])
        if socket is None or request.method != "GET":
            return self._answer_http(request)
        client = self._access.client_address(request, asker.address)
        refusal = self._refusal(socket, client)
        if refusal is not None:
            return refusal
        judged = self._access.judge(request, socket.door, asker.certificate)
        if isinstance(judged, Denied) and socket.door is Door.OPERATOR and self._owner(request):
            judged = self._access.judge(request, Door.NODE)
        if isinstance(judged, Denied):
            return self._deny(judged, socket.door)
        watch = self._access.watch
        return Upgrade(
            socket.policy,
            lambda connection: socket.open(watch.add(connection, judged.proof), judged.caller),
            judged.subprotocol,
            client,
        )

    def connected(self, connection: EdgeConnection) -> None:
        """A TCP connection exists."""
        self._connections[connection] = None

    def upgraded(self, connection: EdgeConnection, policy: SocketPolicy) -> None:
        """It is a WebSocket now."""
        self._connections[connection] = policy
        self._open[policy] += 1
        self._count_address(connection, policy, 1)
        if policy.keepalive and self._keepalive is not None:
            self._keepalive.add(connection)

    def disconnected(self, connection: EdgeConnection) -> None:
        """It is gone."""
        policy = self._connections.pop(connection)
        self._access.watch.remove(connection)
        if policy is not None:
            self._open[policy] -= 1
            self._count_address(connection, policy, -1)
        if self._keepalive is not None:
            self._keepalive.remove(connection)
        if self._gone is not None:
            self._gone.set()

    def _count_address(self, connection: EdgeConnection, policy: SocketPolicy, by: int) -> None:
        if policy is self._session_policy and self._options.max_sockets_per_address:
            self._addresses[connection.address] += by
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]

    def slowed(self, connection: EdgeConnection) -> None:
        """It has spent more work than it may, and is not read for a while."""
        del connection
        self._inside.metrics.limit_reached("message_rate")

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run an answer that takes a while; cancelled when the server closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    # ---- inside -----------------------------------------------------------------------------

    def _answer_http(self, request: Request) -> Answer:
        path = path_of(request)
        if not is_for_everybody(path):
            judged = self._access.judge(request, Door.OPERATOR)
            if isinstance(judged, Denied):
                denied = self._deny(judged, Door.OPERATOR)
                owner = self._owner(request) if is_for_owners(path) else None
                if owner is None:
                    return or_sign_in(path, judged.reason, denied)
                return self._http.answer(request, OwnerOf(owner, denied))
        return self._http.answer(request)

    def _owner(self, request: Request) -> str | None:
        """Return whose node's token a request shows, from no page or our own; None: nobody's."""
        judged = self._access.judge(request, Door.NODE)
        return None if isinstance(judged, Denied) else judged.caller.principal

    def _deny(self, denied: Denied, door: Door) -> Response:
        self._inside.metrics.access_denied(door, denied.reason)
        return deny(denied)

    def _refusal(self, socket: "_Socket", address: str) -> Response | None:
        is_serving = self._server is not None and self._server.is_serving()
        is_client = socket.door is Door.CLIENT
        if not is_serving or (is_client and self._inside.reception.draining):
            # A node may come in: it tries once in its life, and hears 1012 when we are gone.
            return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "shutting down")
        if is_client and len(self._connections) > self._bind.max_connections:
            return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
        most = self._options.max_sockets_per_address
        if is_client and most and address and self._addresses[address] >= most:
            self._inside.metrics.limit_reached("max_sockets_per_address")
            return refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many sockets from this address")
        return None

    async def _close_all(self, policy: SocketPolicy, code: CloseCode) -> None:
        for connection, other in list(self._connections.items()):
            if other is policy:
                connection.close(code, "the service restarts")
        await self._wait_until(lambda: not self._open[policy])

    async def _wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait for connections to go, at most as long as one has to close."""
        self._gone = asyncio.Event()
        try:
            async with asyncio.timeout(self.close_timeout_s + 1):
                while not holds():
                    self._gone.clear()
                    await self._gone.wait()
        except TimeoutError:
            logger.warning("connections do not close", connections=len(self._connections))
        finally:
            self._gone = None
