"""Whatever happens in three cells: one outcome each, no slot too many, none left behind."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from actors.dispatcher.options import DispatchOptions
from actors.messages.job import EndJob, JobEnded, UtteranceCut
from actors.messages.node import NodeLost
from protocol.errors import MissingReason
from protocol.ids import NodeId
from storage.call import Call
from storage.client.executor import StorageUnavailable
from storage.client.transport import open_executor
from storage.job import JobState
from storage.job_limits import JobLimits
from tests.actors.support.cell_bench import CellBench, CellWorld
from tests.support.processes.redis_server import real_server

STEPS = 120
LIMITS = JobLimits(pending_timeout_ms=2_000, job_timeout_ms=3_000, turn_wait_ms=500)
LIFETIME_MS = 11_000
SETTLING_MS = 40_000
"""Longer than any job may live, put back ones included."""


class Life:
    """A random sequence of what can happen; what was said is remembered."""

    def __init__(self, world: CellWorld, seed: int) -> None:
        self.random = random.Random(seed)
        self.bench = CellBench(world, options=DispatchOptions(pending_timeout_ms=2_000))
        self.world = world
        self.cuts: list[UtteranceCut] = []
        self.sessions = [
            self.bench.session_of(cell, n)[0] for cell in world.store.cells.all for n in (0, 1)
        ]
        self.next_index = Counter[str]()
        self.turn = Counter[str]()
        self.part = Counter[str]()
        self.nodes: dict[str, int] = {}
        self.away: str | None = None
        self._run = self.bench.store.run
        self.bench.store.run = self.run  # type: ignore[method-assign,assignment]

    async def run(self, calls: list[Call[object]]) -> list[object]:
        """Answer as a cluster whose master of one cell may be away."""
        answered = iter(await self._run([call for call in calls if call.keys[0] != self.away]))
        gone = [call.keys[0] == self.away for call in calls]
        replies = [StorageUnavailable("away") if is_gone else next(answered) for is_gone in gone]
        if replies and all(gone):
            raise StorageUnavailable("away")
        return replies

    def step(self) -> None:
        """Let one thing happen."""
        acts = [self.speak] * 5 + [self.long_words] * 3 + [self.answer] * 6 + [self.arrive] * 2
        acts += [self.leave, self.wait, self.wait, self.lose_a_reply, self.go_away, self.cancel]
        self.random.choice(acts)()

    def speak(self) -> None:
        """One utterance."""
        name = self.random.choice(self.sessions)
        self._cut(self.bench.cut(name, self._index(name), deadline_in_ms=LIFETIME_MS))

    def long_words(self) -> None:
        """A segment of a turn, which it may end."""
        name = self.random.choice(self.sessions)
        ends = self.random.random() < 0.4 and self.part[name] > 0
        cut = self.bench.cut(
            name,
            self._index(name),
            turn_id=f"turn-{name}-{self.turn[name]}",
            turn_part=self.part[name],
            turn_continues=not ends,
            deadline_in_ms=LIFETIME_MS,
        )
        self.part[name] += 1
        if ends:
            self.turn[name] += 1
            self.part[name] = 0
        self._cut(cut)

    def answer(self) -> None:
        """A node answers something it has."""
        jobs = self.bench.jobs.open_jobs
        if open_jobs := [job for job in jobs if job.node_id and not job.awaits_audio]:
            job = self.random.choice(open_jobs)
            [cut] = [cut for cut in self.cuts if cut.spec.job_id == job.spec.job_id]
            self.bench.tell(self.bench.result(cut, str(job.node_id), job.attempt))

    def arrive(self) -> None:
        """A node comes, to any cell."""
        if len(self.nodes) < 5 and self.away is None:
            number = self.random.randrange(8)
            name = f"n{number}"
            if name not in self.nodes:
                self.nodes[name] = number % 3 + 1
                cell = self.random.choice(self.world.store.cells.all)
                self.bench.node_in(cell, name, slots=self.nodes[name])

    def leave(self) -> None:
        """A node is lost."""
        if self.nodes and self.away is None:
            name = self.random.choice(sorted(self.nodes))
            del self.nodes[name]
            self.bench.leave(name)
            record = self.world.run(self.world.member().nodes.get_node(NodeId(name)))
            self.bench.tell(NodeLost(NodeId(name), record.epoch if record else 0))

    def wait(self) -> None:
        """Time passes."""
        self.pass_time(self.random.choice((50, 300, 1_100, 2_500)))

    def lose_a_reply(self) -> None:
        """What runs next is not answered."""
        self.bench.store.loses_replies = 1

    def go_away(self) -> None:
        """A master dies, or is replaced."""
        prefixes = [*self.world.store.cells.prefixes]
        self.away = None if self.away else self.random.choice(prefixes)
        if self.away is None:
            self.pass_time(300)

    def cancel(self) -> None:
        """A session does not want something any more."""
        open_jobs = list(self.bench.jobs.open_jobs)
        if open_jobs:
            job_id = self.random.choice(open_jobs).spec.job_id
            reason = MissingReason.SESSION_CLOSED
            self.bench.tell(EndJob(job_id, JobState.CANCELLED, reason))

    def settle(self) -> None:
        """Let everything come to its end."""
        self.away = None
        self.bench.store.loses_replies = 0
        self.pass_time(SETTLING_MS, beat_every_ms=20_000)

    def pass_time(self, ms: int, beat_every_ms: int = 1_000) -> None:
        """Let time pass while the instance and its nodes go on beating."""
        while ms > 0:
            self.bench.pass_time(min(ms, beat_every_ms))
            self.world.beat()
            ms -= beat_every_ms

    def ends(self) -> Counter[str]:
        """Return how many outcomes each job had."""
        told = [end for ref in self.bench.sessions.values() for end in ref.of(JobEnded)]
        return Counter(end.job_id for end in told)

    def slots(self) -> dict[str, tuple[int, int]]:
        """Return what is taken of each node, and what there is."""
        nodes = self.world.member().nodes
        records = [self.world.run(nodes.get_node(NodeId(name))) for name in self.nodes]
        return {str(one.node_id): (one.used_slots, one.max_jobs) for one in records if one}

    def _index(self, name: str) -> int:
        self.next_index[name] += 1
        return self.next_index[name] - 1

    def _cut(self, cut: UtteranceCut) -> None:
        self.cuts.append(cut)
        self.bench.tell(cut)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with real_server() as url:
        yield url


@pytest.fixture
def world(server: str) -> Iterator[CellWorld]:
    world = CellWorld.of_cells(open_executor(server), LIMITS)
    yield world
    world.close()


@pytest.mark.parametrize("seed", range(25))
def test_every_utterance_has_one_outcome_and_every_slot_comes_back(
    world: CellWorld, seed: int
) -> None:
    life = Life(world, seed)
    for _ in range(STEPS):
        life.step()
        assert all(used <= limit for used, limit in life.slots().values())
    life.settle()
    assert life.ends() == Counter({cut.spec.job_id: 1 for cut in life.cuts})
    assert {used for used, _ in life.slots().values()} <= {0}
    assert world.breaches() == []
