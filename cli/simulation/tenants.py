"""What a tenant that floods costs another: both have equal shares, one asks for ten times its own.

Owns the scene of some nodes and two tenants: the calm one speaks at random and well below its
share, the other at first as well and then far above. What the calm one waits is compared. The real
scripts decide, in virtual time; a slot's work takes as long as whoever has it says.
"""

from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any

from protocol.ids import InstanceId, JobId, NodeId, RequestId, SessionId
from storage.call import Call
from storage.client.executor import Executor
from storage.instances import InstanceRepository
from storage.job import JobSpec, JobState
from storage.job_limits import JobLimits
from storage.jobs import Completion, JobRepository
from storage.nodes import NodeRegistration, NodeRepository
from storage.replies.job import Assigned, Busy, Queued
from storage.sessions import Claim, SessionRepository
from storage.store import Store

_NODES, _SLOTS = 8, 4
_SESSIONS = 64
"""Of each tenant."""
_LOAD = 0.35
"""Of all slots, by each tenant that keeps to its share of a half."""
_FLOOD = 10
_SECONDS = 60
_SERVICE_MS = (600, 1800)
_STARTED_AT_MS = 1_700_000_000_000
_FOR_EVER_MS = 10**9
_INSTANCE = InstanceId("tenants")
_CALM, _LOUD = "calm", "loud"


@dataclass(frozen=True, slots=True)
class FloodFigures:
    """From the end of the calm tenant's utterances to their results, virtual ms."""

    quiet_p95_ms: int
    flooded_p95_ms: int
    flood_served: int
    """Utterances of the loud tenant that got a node in the flood: it uses what is left."""

    @property
    def rise(self) -> float:
        """By which part of itself the p95 has risen."""
        return self.flooded_p95_ms / self.quiet_p95_ms - 1


@dataclass(slots=True)
class _Scene:
    """A store, and what is under way in it."""

    store: Store
    jobs: JobRepository
    sessions: SessionRepository
    now_ms: list[int]
    epochs: dict[str, int] = field(default_factory=dict)
    begun_ms: dict[JobId, int] = field(default_factory=dict)
    service_ms: dict[JobId, int] = field(default_factory=dict)
    ends: list[tuple[int, JobId, NodeId]] = field(default_factory=list)
    latencies_ms: list[int] = field(default_factory=list)
    """Of the calm tenant."""
    served: Counter[str] = field(default_factory=Counter)

    async def run(self, call: Call[Any]) -> Any:
        [reply] = await self.store.run([call])
        return reply

    async def say(self, tenant: str, session: str, index: int, service_ms: int) -> None:
        if session not in self.epochs:
            claimed = await self.run(self.sessions.claim(Claim(SessionId(session), tenant)))
            self.epochs[session] = claimed.epoch
        spec = JobSpec(
            job_id=JobId(f"{session}-{index}"),
            request_id=RequestId(f"{session}:{index}:es"),
            session_id=SessionId(session),
            session_epoch=self.epochs[session],
            utterance_index=index,
            language="es",
            source="en",
            requirement="a:en,s:es",
            preference="",
            turn_id=f"turn-{index}",
            turn_part=0,
            turn_continues=False,
            tenant_id=tenant,
            trace_id="trace",
            cost_ms=service_ms * 2,
            deadline_in_ms=_FOR_EVER_MS,
        )
        self.begun_ms[spec.job_id] = self.now_ms[0]
        self.service_ms[spec.job_id] = service_ms
        reply = await self.run(self.jobs.dispatch(spec))
        match reply:
            case Assigned():
                self._start(reply)
            case Queued() | Busy():
                pass
            case _:
                raise LookupError(f"an utterance was answered {reply}")

    async def end_until(self, at_ms: int) -> None:
        """End what is due, each at its moment."""
        while self.ends and self.ends[0][0] <= at_ms:
            self.now_ms[0], job_id, node_id = heappop(self.ends)
            tenant = job_id.split("-")[0]
            self.served[tenant] += 1
            if tenant == _CALM:
                self.latencies_ms.append(self.now_ms[0] - self.begun_ms[job_id])
            done = Completion(job_id, 1, node_id, JobState.DONE)
            for given in (await self.run(self.jobs.complete(done))).handovers:
                self._start(given)
        self.now_ms[0] = at_ms

    def _start(self, given: Assigned) -> None:
        end = self.now_ms[0] + self.service_ms[given.job_id], given.job_id, given.node_id
        heappush(self.ends, end)


async def flood(executor: Executor) -> FloodFigures:
    """Play both halves on this server, which is emptied."""
    quiet = await _play(executor, 1)
    flooded = await _play(executor, _FLOOD)
    return FloodFigures(_p95(quiet), _p95(flooded), flooded.served[_LOUD])


async def _play(executor: Executor, times: int) -> _Scene:
    scene = await _scene(executor)
    random = Random(1)  # noqa: S311 - a made-up world, no secret
    mean_ms = sum(_SERVICE_MS) / 2
    gap_ms = mean_ms / (_LOAD * _NODES * _SLOTS)
    gaps = {_CALM: gap_ms, _LOUD: gap_ms / times}
    upcoming = {tenant: random.expovariate(1 / gap) for tenant, gap in gaps.items()}
    index = 0
    while min(upcoming.values()) < _SECONDS * 1000:
        tenant = min(upcoming, key=lambda name: upcoming[name])
        await scene.end_until(_STARTED_AT_MS + int(upcoming[tenant]))
        index += 1
        session = f"{tenant}-{random.randrange(_SESSIONS)}"
        await scene.say(tenant, session, index, random.randint(*_SERVICE_MS))
        upcoming[tenant] += random.expovariate(1 / gaps[tenant])
    return scene


async def _scene(executor: Executor) -> _Scene:
    await executor.execute([("FLUSHALL",)])
    now_ms = [_STARTED_AT_MS]
    store = Store(executor, clock_ms=lambda: now_ms[0])
    limits = JobLimits(pending_timeout_ms=_FOR_EVER_MS, job_timeout_ms=_FOR_EVER_MS)
    jobs = JobRepository(store, _INSTANCE, limits)
    scene = _Scene(store, jobs, SessionRepository(store, _INSTANCE), now_ms)
    await scene.run(InstanceRepository(store, _INSTANCE).beat(_FOR_EVER_MS))
    nodes = NodeRepository(store, _INSTANCE)
    for number in range(_NODES):
        name = NodeId(f"node-{number}")
        await scene.run(
            nodes.register(NodeRegistration(name, ("a:en", "s:es"), _SLOTS, _FOR_EVER_MS))
        )
    return scene


def _p95(scene: _Scene) -> int:
    ordered = sorted(scene.latencies_ms)
    return ordered[int(0.95 * len(ordered))]
