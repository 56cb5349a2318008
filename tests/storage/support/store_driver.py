"""Random operations on a store, each held against the invariants and an exact oracle.

The oracle computes from the state before an operation what the script has to decide: the node for a
job, the waiting job for a slot. The history knows what may never change.
"""

from math import inf
from typing import Any

from protocol.ids import JobId
from storage.capability import JOINS_TURNS
from storage.job import JobState
from storage.replies.job import Assigned, Busy, Completed, Duplicate, GivenUp, Queued
from tests.storage.support.store_invariants import (
    DOUBTED,
    FINAL,
    RANK_UNIT,
    breaches,
    can_serve,
    excluded_from,
    exclusion_of,
    is_passed_over,
    queue_of,
    slot_of,
)
from tests.storage.support.store_snapshot import Hash, Snapshot
from tests.storage.support.tenant_oracle import MAX_CREDIT_MS, room_of, tenant_clock, weight_of
from tests.support.storage_world import World

NODES = ("n0", "n1", "n2", "n3")
SESSIONS = {"s0": "many", "s1": "many", "s2": "heavy", "s3": "bounded"}
"""Each with its tenant."""
PAIRS = (("en", "es"), ("en", "fr"), ("de", "es"))
KINDS: tuple[dict[str, Any], ...] = (
    {"asr": ["en"], "semantic": ["es"], "tts": ["es"]},
    {"asr": ["en", "de"], "semantic": ["es", "fr"], "tts": []},
    {"asr": ["en"], "semantic": ["es", "fr"], "tts": ["es", "fr"]},
)
REASONS = (
    "node_lost",
    "job_timeout",
    "processing_error",
    "model_not_available",
    "undeliverable",
    "processing_error",
)
FOREVER_MS = 10**9
COST_MS = 2000
MAX_DEBT_MS = 10_000
TIMEOUT_MS = 30_000
QUEUE_BOUND = 20
FACTOR_OF_TWO = 4


class StoreDriver:
    """One instance with a few nodes and sessions; picks among what exists by number."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.beat(lease_ms=FOREVER_MS)
        self.state = Snapshot.of(world)
        self._index = 0
        self._turns: dict[str, tuple[int, int]] = {}
        """Session to its open turn's number and next part."""
        self._completed: set[str] = set()

    # operations

    def register(self, number: int, kind: int, slots: int) -> None:
        """A node registers, anew or again; some put turns together, and may do otherwise later."""
        name = NODES[number % len(NODES)]
        joins = (kind // len(KINDS) + number) % 2 == 0
        of_kind = KINDS[kind % len(KINDS)]
        self.world.node(name, slots=slots, lease_ms=FOREVER_MS, joins=joins, **of_kind)
        self._check({name})

    def offline(self, number: int) -> None:
        """A node is lost, and its owner drives its jobs on."""
        if name := self._registered(number):
            lost = self.world.offline(name)
            self._check()
            for job in lost.jobs:
                node = None if job.state is JobState.QUEUED else name
                self.world.failover(
                    job.job_id, node, attempt=job.attempt, exclude_node=True, outcome="{}"
                )
                self._check()

    def drain(self, number: int, *, draining: bool) -> None:
        """A node is drained, or taken back: by its instance, every other one by an operator."""
        if name := self._registered(number):
            held = {"is_held": draining} if number % 2 else {}
            self.world.update(name, draining=draining, **held)
            self._check()

    def resize(self, number: int, slots: int) -> None:
        """A node's capacity changes."""
        if name := self._registered(number):
            self.world.update(name, max_jobs=slots)
            self._check({name})

    def heartbeat(self, number: int, *, overloaded: bool, speed: int = 0) -> None:
        """A node says how it is, and its instance how fast."""
        if name := self._registered(number):
            self.world.heartbeat(name, overloaded=overloaded, speed=speed)
            self._check()

    def dispatch(self, session: int, pair: int) -> None:
        """A session says something short; the oracle says where it must go."""
        name = self._session(session)
        source, target = PAIRS[pair % len(PAIRS)]
        requirement, preference = f"a:{source},s:{target}", f"t:{target}"
        expected = self._expected_nodes(name, requirement, preference)
        self._index += 1
        reply = self.world.dispatch(
            name,
            self._index,
            language=target,
            requirement=requirement,
            preference=preference,
            tenant_id=SESSIONS[name],
        )
        if isinstance(reply, Busy):
            assert len(self.state.set(f"session:{name}:queued")) == QUEUE_BOUND
            return
        if isinstance(reply, Assigned):
            assert reply.node_id in expected
        else:
            assert isinstance(reply, Queued)
            assert not expected
        was_waiting = bool(self.state.set(f"tenant:{SESSIONS[name]}:queued"))
        self._check()
        if isinstance(reply, Queued):
            least = int(self.state.text("vtime")) - (MAX_CREDIT_MS if was_waiting else 0)
            assert int(self.state.text(f"tenant:{SESSIONS[name]}:clock")) >= least

    def segment(self, session: int, *, ends: bool) -> None:
        """A session says a part of something long."""
        name = self._session(session)
        turn, part = self._turns.get(name, (self._index, 0))
        self._index += 1
        self.world.segment(
            name,
            self._index,
            part,
            turn_id=f"long-{turn}",
            turn_continues=not ends,
            tenant_id=SESSIONS[name],
        )
        self._turns[name] = (turn, part + 1)
        if ends:
            del self._turns[name]
        self._check()

    def complete(self, pick: int, *, by_node: bool) -> None:
        """A job ends; the oracle says who gets the slot."""
        if not (job := self._active(pick, held=by_node)):
            return
        row = self.state.jobs[job]
        node = row["node"]
        expected = self._expected_handover(job, row, by_node=by_node) if node else set()
        state = JobState.DONE if by_node else JobState.CANCELLED
        reply = self.world.complete(
            job, node if by_node else None, attempt=int(row["attempt"]), state=state
        )
        assert isinstance(reply, Completed)
        assert job not in self._completed
        self._completed.add(job)
        if expected:
            assert reply.handovers, f"{expected} got nothing"
            assert reply.handovers[0].job_id in expected
            self._check_charge([given.job_id for given in reply.handovers])
        self._check()

    def complete_again(self, pick: int) -> None:
        """A final result is told once more; nothing changes."""
        final = sorted(name for name, job in self.state.jobs.items() if job["state"] in FINAL)
        if final:
            name = final[pick % len(final)]
            row = self.state.jobs[name]
            reply = self.world.complete(name, row["node"] or None, attempt=int(row["attempt"]))
            assert isinstance(reply, Duplicate)
            self._check()

    def complete_stale(self) -> None:
        """A result of an earlier attempt comes late."""
        job = max(self._open(), key=self._attempt, default=None)
        if job and self._attempt(job) > 1:
            before = self.state.values()
            self.world.complete(job, self.state.jobs[job]["node"] or None, attempt=1)
            self._check()
            assert self.state.values() == before

    def failover(self, pick: int, reason: int) -> None:
        """A job goes on elsewhere; often the one that has failed most."""
        if not (job := self._active(pick)):
            return
        if pick % 3 == 0:
            job = JobId(max(self._open(), key=self._attempt))
        row = self.state.jobs[job]
        attempt, why = int(row["attempt"]), REASONS[reason % len(REASONS)]
        others = excluded_from(
            self.state, {**row, "turned": "", "excluded": f"{self._barred(row)}\n{row['node']}"}
        )
        reply = self.world.failover(
            job,
            row["node"] or None,
            attempt=attempt,
            reason=why,
            exclude_node=why != "undeliverable",
            penalty_ms=5000 if why == "model_not_available" else 0,
        )
        self._check()
        expected_attempt = attempt + (row["node"] != "")
        if isinstance(reply, GivenUp):
            is_over = expected_attempt > 3 or float(row["deadline"]) <= self.world.now_ms
            assert is_over or (why == "processing_error" and not others)
        else:
            assert expected_attempt <= 3
            assert reply.attempt == max(expected_attempt, *self._attempts_beside(job), 1)
        if isinstance(reply, Assigned):
            assert reply.node_id not in excluded_from(self.state, self.state.jobs[job])

    def progress(self, pick: int) -> None:
        """A node has started a job."""
        job = self._active(pick)
        if job and (node := self.state.jobs[job]["node"]):
            attempt = int(self.state.jobs[job]["attempt"])
            self.world.progress(job, node, "running", attempt)
            self._check()

    def wait(self, ms: int) -> None:
        """Time passes; the owner sweeps and drives on what is due."""
        self.world.wait(ms)
        self.world.beat(lease_ms=FOREVER_MS)
        swept = self.world.sweep()
        self._check()
        for job in swept.due:
            row = self.state.jobs[job.job_id]
            if row["state"] in FINAL or int(row["attempt"]) != job.attempt:
                continue
            if job.cause in ("pending", "deadline"):
                self.world.complete(
                    job.job_id, None, attempt=job.attempt, state=JobState.FAILED, reason="timed"
                )
            else:
                self.world.failover(
                    job.job_id,
                    row["node"] or None,
                    attempt=job.attempt,
                    reason=job.cause,
                    exclude_node=job.cause == "job_timeout",
                )
            self._check()

    # what must have been

    def _expected_nodes(self, session: str, requirement: str, preference: str) -> set[str]:
        """Return the best nodes for a job; several where they are equal to the millisecond."""
        if room_of(self.state, SESSIONS[session]) <= 0:
            return set()
        free = {
            node: score
            for group in self.state.ids("grp:*:free")
            for node, score in self.state.zset(f"grp:{group}:free").items()
            if can_serve(self.state, node, requirement)
        }
        last = self.state.hash(f"session:{session}").get("last")
        is_usual = last in free and not self._is_marked(last) and not self._is_doubted(last)
        fastest = min(self.state.zset("speeds").values(), default=inf)
        if last and is_usual and self._pace(last, -inf) <= fastest + FACTOR_OF_TWO:
            return {last}
        well = {node for node in free if not self._is_doubted(node)}
        if not well:
            passed = {n for n in free if is_passed_over(self.state, n, requirement, set())}
            free = {node: free[node] for node in free.keys() - passed}
        else:
            free = {node: free[node] for node in well}

        def rank(node: str) -> tuple[float, bool, float]:
            marked = free[node] // (1000 * RANK_UNIT)
            return marked, preference not in self.state.nodes[node]["atoms"].split(), free[node]

        first = min((rank(node)[:2] for node in free), default=None)
        free = {node: score for node, score in free.items() if rank(node)[:2] == first}
        if well and first and first[0] == 0:
            slowest = min(self._pace(node, inf) for node in free) + FACTOR_OF_TWO
            if slowest > fastest + 2 * FACTOR_OF_TWO and any(
                self._pace(node, inf) == inf for node in free
            ):
                slowest = -inf
                free = {n: score for n, score in free.items() if self._pace(n, inf) == inf}
            free = {n: score for n, score in free.items() if self._pace(n, -inf) <= slowest}
            if last and is_usual and last in free:
                return {last}
        best = min(map(rank, free), default=None)
        return {node for node in free if rank(node) == best}

    def _pace(self, node: str, unknown: float) -> float:
        return float(self.state.nodes[node].get("pace") or unknown)

    def _barred(self, job: Hash) -> str:
        return exclusion_of(self.state, job)

    def _is_doubted(self, node: str) -> bool:
        return self.state.nodes[node].get("health") in DOUBTED

    def _is_marked(self, node: str) -> bool:
        row = self.state.nodes[node]
        return row["suspect"] == "1" or int(row["overloaded"]) > self.world.now_ms

    def _expected_handover(self, job: str, row: Hash, *, by_node: bool) -> set[str]:
        """Return who may get the slot that this job's end frees; none if not certain."""
        node = row["node"]
        slots = self.state.slots(node)
        if self.state.nodes[node]["state"] != "online":
            return set()
        if not by_node and self.state.nodes[node].get("health") in (*DOUBTED, "trial"):
            return set()
        shared = any(job in jobs and len(jobs) > 1 for jobs in slots.values())
        if shared or len(slots) > int(self.state.nodes[node]["max"]):
            return set()
        waiting = {
            name: other
            for name, other in self.state.jobs.items()
            if other["state"] == "queued"
            and other.get("pin", "") in ("", node)
            and float(other["deadline"]) > self.world.now_ms
            and can_serve(self.state, node, other["requirement"])
            and node not in excluded_from(self.state, other)
            and room_of(self.state, other["tenant"], row) > 0
        }
        if pinned := {name for name, other in waiting.items() if other.get("pin")}:
            return pinned
        times = {name: self._virtual_times(other) for name, other in waiting.items()}
        tenants: dict[str, float] = {}
        for name, (of_tenant, _) in times.items():
            tenant = waiting[name]["tenant"]
            tenants[tenant] = min(of_tenant, tenants.get(tenant, of_tenant))
        first = {name for name, time in tenants.items() if time == min(tenants.values())}
        best = set()
        for tenant in first:
            own = {name: times[name][1] for name in times if waiting[name]["tenant"] == tenant}
            best |= {name for name, time in own.items() if time == min(own.values())}
        return {name for name in best if not self._follows_another(name, waiting)}

    def _check_charge(self, given: list[JobId]) -> None:
        """Hold what one hand-over cost its session and its tenant against the rule."""
        if len(given) != 1:
            return
        before, now_ms = self.state, self.world.now_ms
        name, tenant = before.jobs[given[0]]["session"], before.jobs[given[0]]["tenant"]
        clock = int(before.hash(f"session:{name}").get("clock", "0"))
        others = [before.jobs[job] for job in before.jobs_in("queued")]
        if any(other["tenant"] == tenant and other["session"] != name for other in others):
            clock = min(max(clock, now_ms) + COST_MS, now_ms + MAX_DEBT_MS)
        after = Snapshot.of(self.world)
        assert int(after.hash(f"session:{name}").get("clock", "0")) == clock
        if any(other["tenant"] != tenant for other in others):
            begins = tenant_clock(self.state, tenant)
            cost = COST_MS // weight_of(tenant)
            assert int(after.text(f"tenant:{tenant}:clock")) == begins + cost
            assert int(after.text("vtime")) == max(begins, int(before.text("vtime")))
        else:
            assert after.text("vtime") == before.text("vtime")

    def _virtual_times(self, job: Hash) -> tuple[float, float]:
        """Return when a waiting job's tenant is served, and when its session within that."""
        tenant, queue = job["tenant"], queue_of(job)
        session = self.state.hash(f"session:{job['session']}")
        standing = self.state.zset(f"of:{tenant}:q:{queue}")[job["session"]]
        of_tenant = self.state.zset(f"q:{queue}").get(tenant, 0)
        return (
            max(of_tenant, tenant_clock(self.state, tenant)),
            max(standing, float(session.get("clock", "0"))),
        )

    def _session(self, number: int) -> str:
        return tuple(SESSIONS)[number % len(SESSIONS)]

    def _follows_another(self, job: str, waiting: dict[str, Hash]) -> bool:
        """Say whether the session has an earlier job in the same queue."""
        own = waiting[job]
        return any(
            other["session"] == own["session"]
            and queue_of(other) == queue_of(own)
            and int(other["index"]) < int(own["index"])
            for other in waiting.values()
        )

    # picking and checking

    def _registered(self, number: int) -> str | None:
        name = NODES[number % len(NODES)]
        row = self.state.nodes.get(name)
        return name if row and row["state"] != "offline" else None

    def _active(self, pick: int, *, held: bool = False) -> JobId | None:
        active = [name for name in self._open() if self.state.jobs[name]["node"] or not held]
        return JobId(active[pick % len(active)]) if active else None

    def _attempt(self, job: str) -> int:
        return int(self.state.jobs[job]["attempt"])

    def _attempts_beside(self, job: str) -> list[int]:
        """Return the attempts of what the job's turn has open where it is now: it takes part."""
        node = self.state.jobs[job]["node"]
        slots = self.state.slots(node).values() if node else ()
        turn = {other for jobs in slots if job in jobs for other in jobs} - {job}
        return [self._attempt(other) for other in turn]

    def _open(self) -> list[str]:
        jobs = self.state.jobs.items()
        return sorted(n for n, job in jobs if job["state"] not in FINAL and "stream" not in job)

    def _check(self, resized: set[str] | None = None) -> None:
        before, self.state = self.state, Snapshot.of(self.world)
        shrinking = {
            node
            for node in self.state.nodes
            if node in (resized or ()) or len(self.state.slots(node)) <= len(before.slots(node))
        }
        assert breaches(self.state, over_capacity=frozenset(shrinking)) == []
        for name, job in before.jobs.items():
            if "stream" in job and name not in self.state.jobs:
                continue  # it was never cut
            after: Any = self.state.jobs[name]
            assert int(after["attempt"]) >= int(job["attempt"])
            if job["state"] in FINAL:
                assert {**after, "replaced": None} == {**job, "replaced": None}
        for name, job in self.state.jobs.items():
            if (
                "stream" not in job
                and job["state"] == "assigned"
                and self._moved(before.jobs.get(name), job)
            ):
                assert job["node"] not in excluded_from(self.state, job)
                assert int(job["due"]) == min(self.world.now_ms + TIMEOUT_MS, int(job["deadline"]))
                self._check_turn(job)
        for turn in before.ids("turn:*"):
            if before.hash(f"turn:{turn}").get("joins") == "0":
                assert self.state.hash(f"turn:{turn}").get("joins") == "0"

    def _check_turn(self, job: Hash) -> None:
        """A segment that got a node is one of its turn there, or a job of its own, for good."""
        turn, _, part = job["turn"].partition(".")
        slot = slot_of({**job, "turn": turn})
        known = self.state.hash(f"turn:{slot}").get("joins")
        if job["turned"] == "1":
            assert (known, part) == ("1", "")
            assert JOINS_TURNS in self.state.nodes[job["node"]]["atoms"].split()
        elif part:
            assert (known, part) == ("0", job["part"])

    @staticmethod
    def _moved(before: Hash | None, after: Hash) -> bool:
        fields = ("node", "attempt")
        return before is None or any(before[field] != after[field] for field in fields)
