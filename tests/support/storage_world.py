"""A small cluster in a test: instances, nodes, sessions and jobs on one store, literal time."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar

from protocol.ids import InstanceId, JobId, NodeId, RequestId, SessionId, request_id
from storage.call import Call
from storage.capability import JOINS_TURNS, STREAMING, node_atoms
from storage.client.executor import Executor
from storage.instances import InstanceRepository
from storage.job import JobRecord, JobSpec, JobState, JobStep
from storage.job_limits import JobLimits
from storage.jobs import Completion, Failover, JobRepository, Restoration
from storage.nodes import NodeHeartbeatEntry, NodeRegistration, NodeRepository
from storage.replies.job import Alive, Registered, RoomState
from storage.replies.session import Claimed
from storage.room import Seat
from storage.rooms import RoomRepository
from storage.sessions import Claim, SessionRepository
from storage.store import Store

T = TypeVar("T")

START_MS = 1_800_000_000_000
LEASE_MS = 3000
NODE_LEASE_MS = 45000
ROOM_EXPIRY_MS = 1_800_000


class Member:
    """One instance of the scheduler, as far as the store knows it."""

    def __init__(self, store: Store, name: str, limits: JobLimits) -> None:
        instance = InstanceId(name)
        self.id = instance
        self.jobs = JobRepository(store, instance, limits)
        self.nodes = NodeRepository(store, instance)
        self.sessions = SessionRepository(store, instance)
        self.instances = InstanceRepository(store, instance)
        self.rooms = RoomRepository(store, instance)


class World:
    """One store, a clock that the test moves, and short words for what a scheduler does.

    Instance `i1` is alive from the start and is the one that acts unless another is named.
    """

    def __init__(self, executor: Executor, limits: JobLimits | None = None) -> None:
        self.now_ms = START_MS
        self.executor = executor
        self.store = Store(executor, clock_ms=lambda: self.now_ms)
        self.limits = limits or JobLimits()
        self._runner = asyncio.Runner()
        self._members: dict[str, Member] = {}
        self.node_epochs: dict[str, int] = {}
        self.node_owners: dict[str, str] = {}
        """Where a test has put its nodes."""
        self.session_epochs: dict[str, int] = {}
        self.over_capacity: set[str] = set()
        """Nodes that rightly hold more than they may: capacity lowered, or restored."""

    @classmethod
    def on_empty_store(cls, executor: Executor, limits: JobLimits | None = None) -> Self:
        """Empty the store, and make a world on it with instance `i1` alive."""
        world = cls(executor, limits)
        world.run(executor.execute([("FLUSHALL",)]))
        world.beat()
        return world

    # what any test needs

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self._runner.run(work)

    def do(self, call: Call[T]) -> T:
        """Run one call and return its typed reply."""
        [reply] = self.run(self.store.run([call]))
        return reply  # type: ignore[no-any-return]  # `run` is untyped for mixed calls

    def do_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Run calls in one round trip."""
        return self.run(self.store.run(calls))

    def command(self, *words: str | int) -> Any:
        """Run a plain command; the prefix is put before its key, of EXISTS before all keys."""
        name, key, *rest = words
        if name == "EXISTS":
            rest = [f"{self.store.prefix}{word}" for word in rest]
        [reply] = self.run(self.store.read([(name, f"{self.store.prefix}{key}", *rest)]))
        return reply

    def wait(self, ms: int) -> None:
        """Let time pass in the store's eyes."""
        self.now_ms += ms

    def close(self) -> None:
        """Let go of the connection and the loop."""
        self.run(self.store.close())
        self._runner.close()

    def member(self, name: str = "i1", limits: JobLimits | None = None) -> Member:
        """Return an instance's repositories; it is alive once it beats."""
        if limits is not None:
            return Member(self.store, name, limits)
        if name not in self._members:
            self._members[name] = Member(self.store, name, self.limits)
        return self._members[name]

    # what a scheduler does

    def beat(self, name: str = "i1", *, lease_ms: int = LEASE_MS) -> Alive:
        """Renew an instance's lease."""
        alive = self.do(self.member(name).instances.beat(lease_ms))
        assert isinstance(alive, Alive)
        return alive

    def register(self, name: str, owner: str = "i1", **changes: Any) -> Any:
        """Register a node; English to Spanish with one slot unless said otherwise."""
        registration = NodeRegistration(
            node_id=NodeId(name),
            atoms=node_atoms(["en"], ["es"], ["es"], traits=[JOINS_TURNS]),
            max_jobs=1,
            lease_ms=NODE_LEASE_MS,
            info={"name": name},
        )
        return self.do(self.member(owner).nodes.register(replace(registration, **changes)))

    def node(
        self,
        name: str,
        *,
        asr: Iterable[str] = ("en",),
        semantic: Iterable[str] = ("es",),
        tts: Iterable[str] = ("es",),
        slots: int = 1,
        owner: str = "i1",
        lease_ms: int = NODE_LEASE_MS,
        streaming: bool = False,
        joins: bool = True,
    ) -> Registered:
        """Register a node, which must succeed; it puts turns together unless said otherwise."""
        traits = [STREAMING] * streaming + [JOINS_TURNS] * joins
        atoms = node_atoms(asr, semantic, tts, traits=traits)
        reply = self.register(name, owner, atoms=atoms, max_jobs=slots, lease_ms=lease_ms)
        assert isinstance(reply, Registered)
        self.node_epochs[name] = reply.epoch
        return reply

    def heartbeat(
        self, *names: str, overloaded: bool = False, hold_ms: int = 3000, speed: int = 0
    ) -> Any:
        """Send a batch of heartbeats; `speed` in ms for a second of speech."""
        batch = [
            NodeHeartbeatEntry(
                NodeId(name), self.node_epochs[name], NODE_LEASE_MS, overloaded, hold_ms, speed
            )
            for name in names
        ]
        return self.do(self.member().nodes.heartbeat(batch))

    def update(self, name: str, **changes: Any) -> Any:
        """Change a node's languages, capacity or draining."""
        return self.do(self.member().nodes.update(NodeId(name), self.node_epochs[name], **changes))

    def offline(self, name: str, owner: str = "i1") -> Any:
        """Take a node off-line."""
        return self.do(self.member(owner).nodes.offline(NodeId(name), self.node_epochs[name]))

    def session(self, name: str, owner: str = "i1", tenant: str = "t1") -> int:
        """Claim a session."""
        claim = Claim(SessionId(name), tenant, self.session_epochs.get(name, 0))
        reply = self.do(self.member(owner).sessions.claim(claim))
        assert isinstance(reply, Claimed)
        self.session_epochs[name] = reply.epoch
        return reply.epoch

    def resumable(self, name: str, owner: str = "i1", state: str = "") -> int:
        """Claim a session whose client may resume it, as its first owner."""
        claim = Claim(SessionId(name), "t1", 0, False, "key", '{"source":"en"}', state)
        reply = self.do(self.member(owner).sessions.claim(claim))
        assert isinstance(reply, Claimed)
        self.session_epochs[name] = reply.epoch
        return reply.epoch

    def take_over(self, name: str, owner: str, known_epoch: int | None = None) -> Any:
        """Have another instance go on with a session."""
        known = self.session_epochs[name] if known_epoch is None else known_epoch
        claim = Claim(SessionId(name), "t1", known, resumes=True)
        return self.do(self.member(owner).sessions.claim(claim))

    def spec(self, session: str, index: int, **changes: Any) -> JobSpec:
        """Describe an utterance of 2 s, English to Spanish, as a turn of its own."""
        if session not in self.session_epochs:
            self.session(session)
        language = changes.get("language", "es")
        spec = JobSpec(
            job_id=JobId(f"job-{session}-{index}-{language}"),
            request_id=request_id(SessionId(session), index, language),
            session_id=SessionId(session),
            session_epoch=self.session_epochs[session],
            utterance_index=index,
            language=language,
            source="en",
            requirement="a:en,s:es",
            preference="t:es",
            turn_id=f"turn-{index}",
            turn_part=0,
            turn_continues=False,
            tenant_id="t1",
            trace_id="trace",
            cost_ms=2000,
            deadline_in_ms=100_000,
        )
        return replace(spec, **changes)

    def dispatch(self, session: str, index: int, owner: str = "i1", **changes: Any) -> Any:
        """Dispatch an utterance of a session."""
        return self.do(self.member(owner).jobs.dispatch(self.spec(session, index, **changes)))

    def segment(self, session: str, index: int, part: int, **changes: Any) -> Any:
        """Dispatch a segment of the session's one long turn; it goes on unless said otherwise."""
        turn: dict[str, Any] = {"turn_continues": True, "turn_id": "turn-long", "turn_part": part}
        return self.dispatch(session, index, **turn | changes)

    def open_stream(
        self,
        session: str,
        index: int,
        owner: str = "i1",
        excluded: Sequence[str] = (),
        **changes: Any,
    ) -> Any:
        """Ask for a slot for what a session is saying."""
        spec = self.spec(session, index, **changes)
        names = [NodeId(name) for name in excluded]
        return self.do(self.member(owner).jobs.open_stream(spec, names))

    def cut_stream(self, session: str, index: int, owner: str = "i1", **changes: Any) -> Any:
        """Dispatch what was streamed."""
        spec = self.spec(session, index, **changes)
        return self.do(self.member(owner).jobs.dispatch(spec, streamed=True))

    def close_stream(self, job: str, owner: str = "i1", *, erred: bool = False) -> Any:
        """Give a stream back."""
        return self.do(self.member(owner).jobs.close_stream(JobId(job), erred=erred))

    def completion(self, job: str, node: str | None, **changes: Any) -> Completion:
        """Describe the end of a job; `done` in the first attempt unless said otherwise."""
        node_id = NodeId(node) if node else None
        return replace(Completion(JobId(job), 1, node_id, JobState.DONE), **changes)

    def complete(self, job: str, node: str | None, *, owner: str = "i1", **changes: Any) -> Any:
        """End a job."""
        completion = self.completion(job, node, **changes)
        return self.do(self.member(owner).jobs.complete(completion))

    def progress(self, job: str, node: str, step: str, attempt: int = 1) -> Any:
        """Say that a node accepted or started a job."""
        progress = self.member().jobs.progress(JobId(job), attempt, NodeId(node), JobStep(step))
        return self.do(progress)

    def restoration(
        self, session: str, index: int, *, node: str | None = None, **changes: Any
    ) -> Restoration:
        """Describe a job that its owner still holds; keywords of the job's spec are allowed."""
        own: dict[str, Any] = {"attempt": 1, "running": False, "excluded_nodes": ()}
        own = {name: changes.pop(name, value) for name, value in own.items()}
        spec = self.spec(session, index, **changes)
        return Restoration(spec, node_id=NodeId(node) if node else None, **own)

    def restore(self, session: str, index: int, **changes: Any) -> Any:
        """Put back a job that the store has lost."""
        return self.do(self.member().jobs.restore(self.restoration(session, index, **changes)))

    def reap(self, dead: str, limit: int = 20) -> Any:
        """Clear up after a dead instance."""
        return self.do(self.member().instances.reap(InstanceId(dead), limit))

    def start_over(self, prefix: str | None = None) -> None:
        """Empty the store, forget everybody, and let `i1` beat; under another prefix if given."""
        self.flush()
        if prefix is not None:
            self.store.prefix = prefix
        self._members.clear()
        self.node_epochs.clear()
        self.session_epochs.clear()
        self.beat()

    def flush(self) -> None:
        """Lose all data."""
        self.run(self.store.read([("FLUSHALL",)]))

    def failover(
        self, job: str, node: str | None, *, attempt: int = 1, owner: str = "i1", **changes: Any
    ) -> Any:
        """Move a job away; because its node was lost, unless said otherwise."""
        failover = Failover(JobId(job), attempt, NodeId(node) if node else None, "node_lost")
        return self.do(self.member(owner).jobs.failover(replace(failover, **changes)))

    def sweep(self, owner: str = "i1", limit: int = 20) -> Any:
        """Look what is due."""
        return self.do(self.member(owner).jobs.sweep(limit))

    def seat(self, session: str, owner: str = "i1", **changes: Any) -> Seat:
        """Describe a member of a room who joins now and hears Spanish."""
        seat = Seat(SessionId(session), InstanceId(owner), "es", self.now_ms)
        return replace(seat, **changes)

    def room(self, code: str, *sessions: str, owner: str = "i1") -> RoomState:
        """Open a room with these members."""
        rooms = self.member(owner).rooms
        seats = [self.seat(session, owner) for session in sessions]
        reply: Any = self.do(rooms.create(code, f"room-{code}", seats[0], ROOM_EXPIRY_MS))
        for seat in seats[1:]:
            reply = self.do(rooms.join(code, seat, 32))
        assert isinstance(reply, RoomState)
        return reply

    def job(self, job: str) -> JobRecord:
        """Read a job's record; it must exist."""
        record = self.run(self.member().jobs.get_job(JobId(job)))
        assert record is not None
        return record

    def request(self, session: str, index: int) -> RequestId:
        """Return the request id of an utterance of a session."""
        return request_id(SessionId(session), index, "es")

    def slots(self, node: str) -> dict[str, str]:
        """Return a node's slots with their open jobs."""
        reply = self.command("HGETALL", f"node:{node}:slots")
        if isinstance(reply, dict):
            return dict(reply)
        return dict(zip(reply[::2], reply[1::2], strict=True))

    def stream(self, key: str) -> list[tuple[str, dict[str, str]]]:
        """Return a stream's entries."""
        rows = self.command("XRANGE", key, "-", "+")
        return [
            (
                row,
                fields if isinstance(fields, dict) else dict(zip(*[iter(fields)] * 2, strict=True)),
            )
            for row, fields in rows
        ]

    def notes(self, instance: str) -> list[tuple[str, dict[str, str]]]:
        """Return what waits in an instance's mailbox."""
        return self.stream(f"inst:{instance}:mbox")

    def online_nodes(self) -> list[str]:
        """Return the nodes with a lease."""
        records = self.run(self.member().nodes.online_records())
        return [record.node_id for record in records]

    def forget_job(self, job: str) -> None:
        """Let a job's record expire before its time."""
        self.command("DEL", f"job:{job}")
