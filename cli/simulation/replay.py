"""The store's decisions in virtual time: the real scripts on a real server.

Nothing waits: the scripts are told the time, and what happens within less time than a node needs
for its shortest answer is asked in one pipeline, each script at its own moment. So every decision
is the one that the running system would make at that moment.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from cli.simulation.demand import SHORTEST_SERVICE_MS, Utterance, World
from cli.simulation.figures import Cost, Waits
from protocol.ids import InstanceId, JobId, NodeId, RequestId, SessionId
from storage.call import Call
from storage.client.executor import Executor
from storage.instances import InstanceRepository
from storage.job import JobSpec, JobState
from storage.job_limits import JobLimits
from storage.jobs import Completion, JobRepository
from storage.nodes import NodeRegistration, NodeRepository
from storage.replies.job import Assigned, Completed, Queued
from storage.sessions import Claim, SessionRepository
from storage.store import Store

_PIPELINE_CALLS = 512
_STARTED_AT_MS = 1_700_000_000_000
"""Virtual time begins on this day, Unix ms."""
_FOR_EVER_MS = 10 * 365 * 24 * 3600 * 1000
_LIMITS = JobLimits(
    pending_timeout_ms=3_600_000,
    job_timeout_ms=3_600_000,
    max_queued_jobs=100_000_000,
    max_queued_per_session=1_000_000,
)
"""Nothing times out and nothing is refused: waiting is what is measured."""
_INSTANCE = InstanceId("simulation")


class SimulationError(Exception):
    """The scripts decided something that must not be."""


@dataclass(slots=True)
class _Open:
    """An utterance without an end."""

    utterance: Utterance
    node: NodeId | None = None
    attempt: int = 1


class Replay:
    """One world on one server. Life: `set_up`, then `decide`."""

    def __init__(self, world: World, executor: Executor) -> None:
        self._world = world
        self._executor = executor
        self._now_ms = _STARTED_AT_MS
        store = Store(executor, clock_ms=lambda: self._now_ms)
        self._store = store
        self._instances = InstanceRepository(store, _INSTANCE)
        self._nodes = NodeRepository(store, _INSTANCE)
        self._sessions = SessionRepository(store, _INSTANCE)
        self._jobs = JobRepository(store, _INSTANCE, _LIMITS)
        self._epochs: list[int] = []
        self._open: dict[JobId, _Open] = {}
        self._ends: list[tuple[int, JobId]] = []
        self._used: dict[NodeId, int] = {}
        self._used_slots = 0
        self.most_used_slots = 0
        self.waits = Waits()

    async def set_up(self) -> Cost:
        """Register all nodes and claim all sessions."""
        scale = self._world.scale
        await self._store.run([self._instances.beat(_FOR_EVER_MS)])
        meter = await _Meter.start(self._executor)
        for start in range(0, scale.nodes, _PIPELINE_CALLS):
            numbers = range(start, min(scale.nodes, start + _PIPELINE_CALLS))
            await self._store.run([self._registration(number) for number in numbers])
        for start in range(0, scale.sessions, _PIPELINE_CALLS):
            numbers = range(start, min(scale.sessions, start + _PIPELINE_CALLS))
            claims = [Claim(_session_id(number), "default") for number in numbers]
            calls = [self._sessions.claim(claim) for claim in claims]
            self._epochs += [claimed.epoch for claimed in await self._store.run(calls)]
        return await meter.stop(scale.nodes + scale.sessions)

    async def decide(self, utterances: Iterator[Utterance]) -> Cost:
        """Dispatch and complete everything, in the order of virtual time."""
        meter = await _Meter.start(self._executor)
        scripts = 0
        upcoming = next(utterances, None)
        while upcoming is not None or self._ends:
            calls: list[tuple[int, JobId, Call[Any]]] = []
            until_ms = self._next_ms(upcoming) + SHORTEST_SERVICE_MS
            while len(calls) < _PIPELINE_CALLS:
                if self._ends and self._ends[0][0] <= _at_ms(upcoming, until_ms):
                    calls.append(self._completion(*heappop(self._ends)))
                elif upcoming is not None and upcoming.at_ms < until_ms:
                    calls.append(self._dispatch(upcoming))
                    upcoming = next(utterances, None)
                else:
                    break
            scripts += len(calls)
            replies = await self._store.run([call for _, _, call in calls])
            for (at_ms, job_id, _), reply in zip(calls, replies, strict=True):
                self._apply(at_ms, job_id, reply)
            await self._forget(calls, replies)
        if self._open:
            raise SimulationError(f"{len(self._open)} utterances were never given a slot")
        return await meter.stop(scripts)

    # ---- what is asked ----------------------------------------------------------------------

    def _registration(self, number: int) -> Call[Any]:
        model = self._world.models[self._world.model_of_node[number]]
        return self._nodes.register(
            NodeRegistration(
                node_id=NodeId(f"node-{number}"),
                atoms=model.atoms,
                max_jobs=self._world.scale.capacity,
                lease_ms=_FOR_EVER_MS,
            )
        )

    def _dispatch(self, utterance: Utterance) -> tuple[int, JobId, Call[Any]]:
        self._now_ms = _STARTED_AT_MS + utterance.at_ms
        session = _session_id(utterance.session)
        job_id = JobId(f"job-{utterance.session}-{utterance.index}")
        source, target = self._world.pair(utterance.session)
        self._open[job_id] = _Open(utterance)
        spec = JobSpec(
            job_id=job_id,
            request_id=RequestId(f"{session}:{utterance.index}:{target}"),
            session_id=session,
            session_epoch=self._epochs[utterance.session],
            utterance_index=utterance.index,
            language=target,
            source=source,
            requirement=self._world.requirement(utterance.session),
            preference="",
            turn_id=f"turn-{utterance.session}-{utterance.index}",
            turn_part=0,
            turn_continues=False,
            tenant_id="default",
            trace_id=f"trace-{utterance.session}",
            cost_ms=utterance.speech_ms,
            deadline_in_ms=3_600_000,
        )
        return utterance.at_ms, job_id, self._jobs.dispatch(spec)

    def _completion(self, at_ms: int, job_id: JobId) -> tuple[int, JobId, Call[Any]]:
        self._now_ms = _STARTED_AT_MS + at_ms
        job = self._open[job_id]
        completion = Completion(job_id, job.attempt, job.node, JobState.DONE)
        return at_ms, job_id, self._jobs.complete(completion)

    def _next_ms(self, upcoming: Utterance | None) -> int:
        times = [] if upcoming is None else [upcoming.at_ms]
        return min(times + [at_ms for at_ms, _ in self._ends[:1]])

    # ---- what is decided --------------------------------------------------------------------

    def _apply(self, at_ms: int, job_id: JobId, reply: Any) -> None:
        match reply:
            case Assigned():
                self._start(at_ms, reply)
            case Queued():
                pass
            case Completed():
                ended = self._open.pop(job_id)
                if ended.node is not None:
                    self._used[ended.node] -= 1
                    self._used_slots -= 1
            case _:
                raise SimulationError(f"{job_id}: {reply}")
        for handed in reply.handovers:
            self._start(at_ms, handed)

    def _start(self, at_ms: int, assigned: Assigned) -> None:
        job = self._open[assigned.job_id]
        job.node, job.attempt = assigned.node_id, assigned.attempt
        used = self._used.get(assigned.node_id, 0) + 1
        if used > self._world.scale.capacity:
            raise SimulationError(f"{assigned.node_id} has {used} jobs")
        self._used[assigned.node_id] = used
        self._used_slots += 1
        self.most_used_slots = max(self.most_used_slots, self._used_slots)
        self.waits.note(job.utterance, at_ms)
        heappush(self._ends, (at_ms + job.utterance.service_ms, assigned.job_id))

    async def _forget(self, calls: list[tuple[int, JobId, Call[Any]]], replies: list[Any]) -> None:
        """Take the records of what has ended away at once, for memory: their hour is not waited."""
        prefix = self._store.prefix
        names = []
        for (_, job_id, _), reply in zip(calls, replies, strict=True):
            if isinstance(reply, Completed):
                _, session, index = job_id.split("-")
                target = self._world.pair(int(session))[1]
                request = f"{_session_id(int(session))}:{index}:{target}"
                names += [f"{prefix}job:{job_id}", f"{prefix}req:{request}"]
        if names:
            await self._executor.execute([("UNLINK", *names)])


def _session_id(number: int) -> SessionId:
    return SessionId(f"session-{number}")


def _at_ms(upcoming: Utterance | None, until_ms: int) -> int:
    return until_ms if upcoming is None else min(until_ms, upcoming.at_ms)


@dataclass(frozen=True, slots=True)
class _Meter:
    """Processor time of the store, and time on the wall."""

    executor: Executor
    cpu_s: float
    started_s: float

    @classmethod
    async def start(cls, executor: Executor) -> "_Meter":
        return cls(executor, await _store_cpu_s(executor), time.perf_counter())

    async def stop(self, scripts: int) -> Cost:
        cpu_s = await _store_cpu_s(self.executor) - self.cpu_s
        return Cost(scripts, cpu_s, time.perf_counter() - self.started_s)


async def _store_cpu_s(executor: Executor) -> float:
    [text] = await executor.execute([("INFO", "cpu")])
    lines = dict(line.split(":", 1) for line in str(text).splitlines() if ":" in line)
    return float(lines["used_cpu_user"]) + float(lines["used_cpu_sys"])
