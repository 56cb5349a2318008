"""Random operations with streams among them. The oracle says which stream gives way, if any."""

from typing import Any

from protocol.ids import JobId
from storage.replies.job import Assigned, Completed, Gone, NoNode
from tests.storage.support.store_driver import (
    FOREVER_MS,
    KINDS,
    NODES,
    PAIRS,
    SESSIONS,
    StoreDriver,
)
from tests.storage.support.store_invariants import DOUBTED, can_serve
from tests.storage.support.tenant_oracle import room_of

RESERVE = 0.25


class StreamDriver(StoreDriver):
    """As its base; every other node streams."""

    def register(self, number: int, kind: int, slots: int) -> None:
        """A node registers, anew or again."""
        name, streams = NODES[number % len(NODES)], kind % 2 == 0
        own = KINDS[kind % len(KINDS)]
        self.world.node(name, slots=slots, lease_ms=FOREVER_MS, streaming=streams, **own)
        self._check({name})

    def open_stream(self, session: int, pair: int) -> None:
        """A session has begun to say something."""
        name = tuple(SESSIONS)[session % len(SESSIONS)]
        source, target = PAIRS[pair % len(PAIRS)]
        needed = f"a:{source},s:{target}"
        self._index += 1
        reply = self.world.open_stream(
            name,
            self._index,
            language=target,
            requirement=needed,
            preference=f"t:{target}",
            tenant_id=SESSIONS[name],
        )
        before = self.state
        capable = [
            node
            for node, row in before.nodes.items()
            if can_serve(before, node, needed) and row.get("health") not in DOUBTED
        ]
        total = sum(int(before.nodes[node]["max"]) for node in capable)
        free = sum(
            max(0, int(before.nodes[node]["max"]) - len(before.slots(node))) for node in capable
        )
        if isinstance(reply, Assigned):
            assert "x:stream" in before.nodes[reply.node_id]["atoms"].split()
            assert free - 1 >= int(RESERVE * total)
            assert room_of(before, SESSIONS[name]) >= 1
        else:
            assert reply == NoNode()
        self._check()

    def end_stream(self, pick: int, *, cut: bool) -> None:
        """It is cut, or comes to nothing."""
        streams = self._streams()
        if not streams:
            return
        job = streams[pick % len(streams)]
        row = self.state.jobs[job]
        if not cut:
            assert isinstance(self.world.close_stream(job), Completed)
            assert isinstance(self.world.close_stream(job), Gone)
            self._check()
            assert job not in self.state.jobs
            return
        was_offline = self.state.nodes[row["node"]]["state"] == "offline"
        reply = self.world.cut_stream(
            row["session"],
            int(row["index"]),
            job_id=JobId(job),
            language=row["language"],
            requirement=row["requirement"],
            preference=row["preference"],
            tenant_id=row["tenant"],
        )
        if not was_offline:
            assert isinstance(reply, Assigned)
            assert (reply.node_id, reply.attempt) == (row["node"], 1)
        self._check()

    def dispatch(self, session: int, pair: int) -> None:
        """A session says something short: it has a free slot, or that of the youngest stream."""
        name = self._session(session)
        source, target = PAIRS[pair % len(PAIRS)]
        requirement, preference = f"a:{source},s:{target}", f"t:{target}"
        before, expected = self.state, self._expected_nodes(name, requirement, preference)
        self._index += 1
        reply = self.world.dispatch(
            name,
            self._index,
            language=target,
            requirement=requirement,
            preference=preference,
            tenant_id=SESSIONS[name],
        )
        self._check()
        gone = before.jobs.keys() - self.state.jobs.keys()
        if expected:
            assert isinstance(reply, Assigned)
            assert reply.node_id in expected
            assert not gone
            return
        at_cap = room_of(before, SESSIONS[name]) <= 0
        giving: dict[str, Any] = {
            job: int(before.jobs[job]["stream"])
            for job in self._streams(before)
            if can_serve(before, before.jobs[job]["node"], requirement)
            and before.nodes[before.jobs[job]["node"]].get("health") not in DOUBTED
            and (not at_cap or before.jobs[job]["tenant"] == SESSIONS[name])
        }
        assert len(gone) == bool(giving)
        if giving:
            assert giving[gone.pop()] == max(giving.values())
            assert isinstance(reply, Assigned) or reply.handovers

    def offline(self, number: int) -> None:
        """A node is lost: its streams are given back, its jobs driven on."""
        if name := self._registered(number):
            for job in self._streams():
                if self.state.jobs[job]["node"] == name:
                    self.world.close_stream(job)
                    self._check()
        super().offline(number)

    def _streams(self, state: Any = None) -> list[str]:
        jobs = (state or self.state).jobs.items()
        return sorted(name for name, job in jobs if "stream" in job)
