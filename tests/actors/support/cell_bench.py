"""A dispatcher on a store of several cells; nodes and sessions stand where the test wants them."""

from typing import Any

from protocol.ids import JobId, NodeId, SessionId, new_job_id, place_of_session
from storage.cells import Cell, Cells
from storage.client.executor import Executor
from storage.job import JobSpec
from storage.job_limits import JobLimits
from storage.replies.job import Alive
from tests.actors.support.dispatch_bench import DispatchBench, DyingRef
from tests.storage.support.store_invariants import breaches
from tests.storage.support.store_snapshot import Snapshot
from tests.support.storage_world import LEASE_MS, World

A, B, C = Cell(0), Cell(1), Cell(2)


class CellWorld(World):
    """A world of three cells."""

    @classmethod
    def of_cells(cls, executor: Executor, limits: JobLimits | None = None) -> "CellWorld":
        """Empty the store and cut it into cells in which `i1` is alive."""
        world = cls(executor, limits)
        world.run(executor.execute([("FLUSHALL",)]))
        world.store.cells = Cells(3)
        world.beat()
        return world

    def beat(self, name: str = "i1", *, lease_ms: int = LEASE_MS) -> Alive:
        """Renew an instance's lease in all cells."""
        beat = self.member(name).instances.beat
        first, *_ = self.do_all([beat(lease_ms, cell) for cell in self.store.cells.all])
        assert isinstance(first, Alive)
        return first

    def slots_in(self, cell: Cell, node: str) -> int:
        """Return how many slots of a node are taken."""
        key = f"{self.store.prefix_of(cell)}node:{node}:slots"
        [used] = self.run(self.store.read([("HLEN", key)]))
        return int(used)

    def breaches(self) -> list[str]:
        """Return what is wrong in any cell."""
        return [
            f"{cell}: {breach}"
            for cell in self.store.cells.all
            for breach in breaches(Snapshot.of(self, cell))
        ]


class CellBench(DispatchBench):
    """One dispatcher, as in the tests of a single cell."""

    world: CellWorld

    def __init__(self, world: CellWorld, **options: Any) -> None:
        self._job_ids: dict[tuple[str, int, str], JobId] = {}
        super().__init__(world, **options)

    def name(self, home: Cell, number: int = 0) -> str:
        """Return the id of a session whose home this is."""
        cells = self.world.store.cells
        fitting = (f"s{n}" for n in range(1000) if cells.home(SessionId(f"s{n}")) == home)
        return [next(fitting) for _ in range(number + 1)][-1]

    def session_of(self, home: Cell, number: int = 0) -> tuple[str, DyingRef]:
        """Let a session begin that has its home here; return its id and its mailbox."""
        name = self.name(home, number)
        return name, self.session(name)

    def node_in(self, cell: Cell, name: str, *, slots: int = 1) -> DyingRef:
        """Let a node register in this cell."""
        self.world.do(self.world.member().nodes.place(NodeId(name), cell))
        return self.node(name, slots=slots)

    def spec(self, session: str, index: int, **changes: Any) -> JobSpec:
        """Describe an utterance; its job's id carries the session's home."""
        spec = super().spec(session, index, **changes)
        key = (session, index, spec.language)
        if key not in self._job_ids:
            self._job_ids[key] = new_job_id(place_of_session(SessionId(session)))
        return super().spec(session, index, **changes | {"job_id": self._job_ids[key]})

    def cell_of(self, job: JobId) -> Cell | None:
        """Return the cell that has the job's record; None if none has."""
        for cell in self.world.store.cells.all:
            if job in Snapshot.of(self.world, cell).jobs:
                return cell
        return None
