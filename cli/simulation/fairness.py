"""What past use costs: a session that had the capacity to itself, and then has equal rivals.

Owns the scene of one node: for five minutes one session uses all of it, then others say as much as
it does, and the next slots are counted. The real scripts decide, in virtual time.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

from protocol.ids import InstanceId, JobId, NodeId, RequestId, SessionId
from storage.call import Call
from storage.client.executor import Executor
from storage.instances import InstanceRepository
from storage.job import JobSpec, JobState
from storage.job_limits import JobLimits
from storage.jobs import Completion, JobRepository
from storage.nodes import NodeRegistration, NodeRepository
from storage.replies.job import Assigned
from storage.sessions import Claim, SessionRepository
from storage.store import Store

SLOTS_COUNTED = 48
RIVALS = (1, 8)
_SLOTS = 4
_WAITING_EACH = 6
_ALONE_MS = 300_000
_SERVICE_MS = 500
_SPEECH_MS = 2000
_STARTED_AT_MS = 1_700_000_000_000
_FOR_EVER_MS = 10**9
_INSTANCE, _NODE = InstanceId("fairness"), NodeId("node")
_FIRST = "first"


@dataclass(slots=True)
class _Scene:
    """One node, and who speaks to it."""

    store: Store
    sessions: SessionRepository
    jobs: JobRepository
    running: deque[Assigned]
    epochs: dict[str, int]
    made: int = 0

    async def run(self, call: Call[Any]) -> Any:
        [reply] = await self.store.run([call])
        return reply

    async def say(self, name: str) -> None:
        """Let a session say something; it waits, or runs at once."""
        if name not in self.epochs:
            claimed = await self.run(self.sessions.claim(Claim(SessionId(name), "default")))
            self.epochs[name] = claimed.epoch
        self.made += 1
        spec = JobSpec(
            job_id=JobId(f"{name}-{self.made:06}"),
            request_id=RequestId(f"{name}:{self.made}:es"),
            session_id=SessionId(name),
            session_epoch=self.epochs[name],
            utterance_index=self.made,
            language="es",
            source="en",
            requirement="a:en,s:es",
            preference="",
            turn_id=f"turn-{self.made}",
            turn_part=0,
            turn_continues=False,
            tenant_id="default",
            trace_id="trace",
            cost_ms=_SPEECH_MS,
            deadline_in_ms=_FOR_EVER_MS,
        )
        reply = await self.run(self.jobs.dispatch(spec))
        if isinstance(reply, Assigned):
            self.running.append(reply)

    async def end_one(self) -> list[str]:
        """End the job that has run longest; return whose jobs got its slot."""
        ended = self.running.popleft()
        completion = Completion(ended.job_id, ended.attempt, ended.node_id, JobState.DONE)
        handovers = (await self.run(self.jobs.complete(completion))).handovers
        self.running.extend(handovers)
        return [given.job_id.rpartition("-")[0] for given in handovers]


async def share_after_idle_use(executor: Executor, rivals: int) -> float:
    """Return which share of the next slots goes to who had all of them; empties the server."""
    await executor.execute([("FLUSHALL",)])
    now_ms = [_STARTED_AT_MS]
    store = Store(executor, clock_ms=lambda: now_ms[0])
    limits = JobLimits(pending_timeout_ms=_FOR_EVER_MS, job_timeout_ms=_FOR_EVER_MS)
    jobs = JobRepository(store, _INSTANCE, limits)
    scene = _Scene(store, SessionRepository(store, _INSTANCE), jobs, deque(), {})
    registration = NodeRegistration(_NODE, ("a:en", "s:es"), _SLOTS, _FOR_EVER_MS)
    await scene.run(InstanceRepository(store, _INSTANCE).beat(_FOR_EVER_MS))
    await scene.run(NodeRepository(store, _INSTANCE).register(registration))
    for _ in range(_SLOTS):
        await scene.say(_FIRST)
    for _ in range(_ALONE_MS * _SLOTS // _SERVICE_MS):
        now_ms[0] += _SERVICE_MS // _SLOTS
        await scene.say(_FIRST)
        await scene.end_one()
    names = [_FIRST, *(f"rival-{number}" for number in range(rivals))]
    for name in names * _WAITING_EACH:
        await scene.say(name)
    served: list[str] = []
    while len(served) < SLOTS_COUNTED:
        now_ms[0] += _SERVICE_MS // _SLOTS
        for name in await scene.end_one():
            served.append(name)
            await scene.say(name)
    return served.count(_FIRST) / len(served)
