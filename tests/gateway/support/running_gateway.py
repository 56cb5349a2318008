"""A real gateway on a loopback port in front of recording actors, and peers made of bytes.

`run_gateway(scenario)` starts it, runs `await scenario(running)` on a real loop, and checks that
nothing is left: no connection, no task.
"""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from actors.admission import AdmissionOptions
from actors.messages.session import SocketAttached
from actors.overload import Overload
from actors.ports import Mailbox, Outbox
from actors.reception import OpenedNode, OpenedSession, Pending, Refused
from actors.runtime.actor import ActorRef, LoopActor, tell
from gateway.access.access import Access
from gateway.edge.loop_lag import LoopLag
from gateway.http.metrics import PrometheusMetrics
from gateway.http.query import JobsQuery
from gateway.listening import Bind
from gateway.options import GatewayOptions
from gateway.passthrough.registry import PeerIdentity
from gateway.ports import JobMoment, JobReport, Readiness
from gateway.server import Gateway, Inside
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import JobId, NodeId, SessionId
from protocol.messages.node_inbound import NodeRegister
from protocol.messages.node_outbound import NodeRegisterAck
from protocol.messages.session_inbound import SessionInit
from protocol.messages.session_outbound import SessionInitAck
from storage.client.executor import StorageUnavailable
from tests.gateway.support.raw_peer import Peer, upgrade_request
from tests.support.waiting import PATIENCE_S

T = TypeVar("T")
Greeting: TypeAlias = Callable[[], object]


class Recorder(LoopActor):
    """Keeps its messages; `block` makes it busy until `free`."""

    mailbox_limit = 8

    def __init__(self, key: str, known: dict[str, "Recorder"], greeting: Greeting) -> None:
        super().__init__()
        known[key] = self
        self.messages: list[Any] = []
        self._greeting = greeting
        self._gate = asyncio.Event()
        self._gate.set()
        self._changed = asyncio.Event()

    def on_start(self) -> None:
        self._greeting()

    async def on_receive(self, message: Any) -> None:
        self.messages.append(message)
        self._changed.set()
        await self._gate.wait()

    def block(self) -> None:
        """Take one more message and then no other."""
        self._gate.clear()

    def free(self) -> None:
        """Go on."""
        self._gate.set()

    async def count(self, number: int) -> list[Any]:
        """Wait for so many messages."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.messages) < number:
                self._changed.clear()
                await self._changed.wait()
        return self.messages

    async def next(self) -> Any:
        """Wait for a message and forget it."""
        await self.count(1)
        return self.messages.pop(0)


@dataclass
class FakeReception:
    """Lets everybody in, unless `refusal` is set. Its actors are recorders."""

    tenants: list[str | None] = field(default_factory=list)
    """The caller that the gateway named, at each call."""

    draining: bool = False
    refusal: Refused | None = None
    detached: set[str] = field(default_factory=set)
    inits: list[SessionInit] = field(default_factory=list)
    registrations: list[NodeRegister] = field(default_factory=list)
    actors: dict[str, Recorder] = field(default_factory=dict)
    outboxes: dict[str, Outbox] = field(default_factory=dict)
    refs: dict[str, ActorRef[Recorder]] = field(default_factory=dict)
    is_fetching: bool = False
    """Sessions to resume are elsewhere: `askers` are to be answered."""
    askers: list[tuple[Mailbox | None, Outbox]] = field(default_factory=list)
    stopped: list[tuple[str, Mailbox]] = field(default_factory=list)
    """Who waits no longer."""

    def open_session(
        self, init: SessionInit, outbox: Outbox, tenant_id: str | None, asker: Mailbox | None
    ) -> OpenedSession | Refused | Pending:
        self.tenants.append(tenant_id)
        if self.refusal is not None:
            return self.refusal
        if self.is_fetching and init.session_id is not None:
            self.askers.append((asker, outbox))
            return Pending(init.session_id)
        self.inits.append(init)
        session_id = SessionId(f"s-{len(self.inits)}")
        ack = SessionInitAck(session_id=session_id)
        self.outboxes[session_id] = outbox
        self.start(session_id, lambda: outbox.send(ack))
        return OpenedSession(session_id, self.refs[session_id], use_binary_frame=False)

    def attach_session(
        self,
        session_id: SessionId,
        outbox: Outbox,
        tenant_id: str | None,
        asker: Mailbox | None = None,
    ) -> OpenedSession | Refused | Pending:
        self.tenants.append(tenant_id)
        if self.is_fetching and asker is not None:
            self.askers.append((asker, outbox))
            return Pending(session_id)
        if session_id not in self.detached:
            return Refused(ErrorCode.INVALID_SESSION, "no such session waits for a socket")
        self.start(session_id, lambda: None)
        tell(self.refs[session_id], SocketAttached(outbox))
        return OpenedSession(session_id, self.refs[session_id], use_binary_frame=False)

    def stop_waiting(self, session_id: SessionId, asker: Mailbox) -> None:
        self.stopped.append((session_id, asker))

    def has_session(self, session_id: SessionId) -> bool:
        return session_id in self.detached or session_id in self.refs

    def register_node(
        self, message: NodeRegister, outbox: Outbox, principal: str | None
    ) -> OpenedNode | Refused:
        self.tenants.append(principal)
        if self.refusal is not None:
            return self.refusal
        self.registrations.append(message)
        node_id = message.node_id or NodeId(f"node-{len(self.registrations)}")
        ack = NodeRegisterAck(node_id=node_id)
        self.outboxes[node_id] = outbox
        known = self.refs.get(node_id)
        if known is not None and known.is_alive():
            outbox.send(ack)
        else:
            self.start(node_id, lambda: outbox.send(ack))
        return OpenedNode(node_id, self.refs[node_id])

    def node(self, node_id: NodeId, principal: str | None) -> ActorRef[Recorder] | None:
        self.tenants.append(principal)
        return self.refs.get(node_id)

    def start(self, key: str, greeting: Greeting) -> None:
        self.refs[key] = Recorder.start(key, self.actors, greeting)


@dataclass
class FakeReports:
    """Knows one job and one node; `is_away` makes it a store that does not answer."""

    is_away: bool = False
    is_ready: bool = True
    owner: str = "gpu"
    """Credential of the node."""

    async def readiness(self) -> Readiness:
        return Readiness(self.is_ready, "ok", draining=not self.is_ready, instance_id="i-1")

    async def job(self, job_id: JobId) -> JobReport | None:
        if self.is_away:
            raise StorageUnavailable("away")
        if job_id != "job 1":
            return None
        moments = (JobMoment(5, "queued", 0), JobMoment(9, "assigned", 1, "n-1"))
        return JobReport("job 1", "assigned", 1, "n-1", None, "s-1", 0, "es", moments)

    async def node(self, node_id: NodeId, principal: str | None = None) -> Mapping[str, Any] | None:
        is_known = node_id == "n-1" and principal in (None, self.owner)
        return {"node_id": node_id, "state": "online"} if is_known else None

    async def jobs(self, query: JobsQuery) -> Mapping[str, Any]:
        return {"jobs": [], "offset": query.offset, "next_offset": query.limit}

    async def usage(self, month: str) -> Mapping[str, Any]:
        return {"month": month, "tenants": []}

    async def route(self, src: str, tgt: str) -> Mapping[str, Any]:
        return {"src_lang": src, "tgt_lang": tgt}

    async def stats(self) -> Mapping[str, Any]:
        return {"sessions": 1}

    async def languages(self) -> Mapping[str, Any]:
        return {"pairs": []}

    async def cluster(self) -> Mapping[str, Any]:
        raise ValueError("a bug")


@dataclass
class RunningGateway:
    """A running gateway and what stands behind it."""

    gateway: Gateway
    reception: FakeReception
    reports: FakeReports
    metrics: PrometheusMetrics
    peers: list[Peer] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.gateway.port

    async def dial(self) -> Peer:
        """Return a TCP connection."""
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24))
        self.peers.append(peer)
        return peer

    async def connect(self, path: str) -> Peer:
        """Return an open WebSocket."""
        peer = await self.dial()
        peer.writer.write(upgrade_request(path))
        head = await peer.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return peer

    async def session(self, **fields: Any) -> tuple[Peer, Recorder]:
        """Return a socket with a session, its ack read, and the session's actor."""
        peer = await self.connect("/ws/session")
        peer.say(session_init(**fields))
        ack = await peer.hear()
        assert ack["type"] == "session_init_ack"
        return peer, self.reception.actors[ack["session_id"]]

    async def node(self, **fields: Any) -> tuple[Peer, Recorder]:
        """Return a socket with a node, its ack read, and the node's actor."""
        peer = await self.connect("/ws/node")
        peer.say({"type": "node_register", **fields})
        ack = await peer.hear()
        assert ack["type"] == "node_register_ack"
        return peer, self.reception.actors[ack["node_id"]]

    async def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (lower case) and body."""
        peer = await self.dial()
        peer.writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = await peer.reader.read()
        peer.abort()
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ") for line in lines)}
        return int(first.split(" ")[1]), headers, body


def session_init(**fields: Any) -> dict[str, Any]:
    """Return a `session_init` with what it needs."""
    return {
        "type": "session_init",
        "client_version": "1",
        "platform": "web",
        "src_lang": "en",
        "tgt_lang": "es",
        **fields,
    }


def chunk(session_id: str, seq: int = 0, payload: str = "", **fields: Any) -> dict[str, Any]:
    """Return an `audio_chunk`."""
    return {
        "type": "audio_chunk",
        "session_id": session_id,
        "seq": seq,
        "is_final": False,
        "payload": payload,
        **fields,
    }


def refused(code: ErrorCode, close_code: CloseCode | None = None) -> Refused:
    """Return a refusal."""
    return Refused(code, "no", close_code)


LOOPS: list[str] = ["asyncio"]
if importlib.util.find_spec("uvloop") is not None:
    LOOPS.append("uvloop")


@asynccontextmanager
async def open_gateway(
    options: GatewayOptions | None = None,
    *,
    admission: AdmissionOptions | None = None,
    bind: Bind | None = None,
    identity: PeerIdentity | None = None,
    access: Access | None = None,
) -> AsyncIterator[RunningGateway]:
    """A gateway for the time of a block; afterwards nothing of it may be left."""
    reception, reports = FakeReception(), FakeReports()
    metrics = PrometheusMetrics(LoopLag(asyncio.get_running_loop()))
    overload = Overload(AdmissionOptions(overload_lag_ms=100, overload_after_ms=500))
    admission = admission or AdmissionOptions()
    inside = Inside(
        *(reception, reports, metrics, metrics.text, admission, overload),
        identity=identity,
        access=access,
    )
    gateway = Gateway(options or GatewayOptions(port=0), inside, bind or Bind(close_timeout_s=0.3))
    await gateway.start()
    running = RunningGateway(gateway, reception, reports, metrics)
    try:
        yield running
    finally:
        for peer in running.peers:
            peer.abort()
        for actor in reception.actors.values():
            actor.free()
        await gateway.close()
        for ref in reception.refs.values():
            await ref.stop(block=False)
    assert gateway.connections == 0


def run_gateway(
    scenario: Callable[[RunningGateway], Awaitable[T]], *, loop: str = "asyncio", **settings: Any
) -> T:
    """Run a scenario against a gateway; `settings` are those of `open_gateway`."""

    async def main() -> T:
        accidents: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: accidents.append(what))
        async with open_gateway(**settings) as running:
            result = await scenario(running)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        assert not accidents, accidents
        return result

    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        return runner.run(main())


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "uvloop":
        import uvloop  # noqa: PLC0415 - only where it is installed

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return factory
    return asyncio.new_event_loop


def open_files() -> int:
    """Return how many file descriptors the process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
