"""JobReads: what an operator or a test may ask of jobs. Through indexes, never through a scan."""

from collections.abc import Mapping
from typing import Any

from protocol.ids import JobId
from storage.cells import Cell
from storage.job import FINAL_STATES, JobRecord, JobState
from storage.job_record import job_record
from storage.keys import key_text
from storage.replies.reader import mapping
from storage.store import Store

_MAX_LISTED = 10_000
"""How far into the jobs of an instance one listing looks."""


class JobReads:
    """Jobs as they are recorded, in all cells."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get_job(self, job_id: JobId) -> JobRecord | None:
        """Return a job's record, or None when the store does not know it.

        One read; a job that another cell has borrowed takes a further one.
        """
        cell: Cell | None = None
        for _ in self._store.cells.all:
            [prefix] = self._keys(job_id, cell)
            [row] = await self._store.read([("HGETALL", f"{prefix}job:{key_text(job_id)}")])
            if not row:
                return None
            record = mapping(row)
            if "state" in record:
                return job_record(job_id, row)
            cell = Cell(int(record["cell"]))
        return None

    async def jobs_in_state(self, state: JobState, limit: int = 100) -> list[JobRecord]:
        """Return the latest jobs in a state, latest first. Final states are trimmed."""
        key = f"jobs:{state.value}"
        if state is JobState.ASSIGNED:
            records = await self._assigned(limit)
        elif state in FINAL_STATES:
            records = await self._indexed("LRANGE", key, 0, limit - 1)
        else:
            records = await self._indexed("ZREVRANGE", key, 0, limit - 1)
        if self._store.cells.count > 1 or state is JobState.ASSIGNED:
            records.sort(key=lambda record: record.timeline[-1].at_ms, reverse=True)
        return [record for record in records if record.state is state][:limit]

    async def _assigned(self, limit: int) -> list[JobRecord]:
        """Return jobs that are with a node, the last to be due first.

        They are those of all instances that are neither queued nor running.
        """
        found: list[JobRecord] = []
        instances = await self._instances()
        for start in range(0, _MAX_LISTED, limit):
            page = [
                record
                for instance in instances
                for record in await self._indexed(
                    "ZREVRANGE", f"inst:{instance}:jobs", start, start + limit - 1
                )
            ]
            found += [record for record in page if record.state is JobState.ASSIGNED]
            if not page or len(found) >= limit:
                break
        return found

    async def _instances(self) -> list[str]:
        """Return the instances that have jobs, dead ones included until they are cleared up."""
        prefixes = self._store.cells.prefixes
        named = await self._store.read([("ZRANGE", f"{prefix}insts", 0, -1) for prefix in prefixes])
        return sorted({instance for names in named for instance in names})

    async def counts(self) -> Mapping[JobState, int]:
        """Return how many jobs of the whole cluster are queued, assigned and running."""
        prefixes = self._store.cells.prefixes
        keys = ["jobs:queued", "jobs:running"]
        keys += [f"inst:{instance}:jobs" for instance in await self._instances()]
        numbers = await self._store.read(
            [("ZCARD", f"{prefix}{key}") for key in keys for prefix in prefixes]
        )
        cells = len(prefixes)
        queued, running = sum(numbers[:cells]), sum(numbers[cells : 2 * cells])
        return {
            JobState.QUEUED: queued,
            JobState.ASSIGNED: max(0, sum(numbers[2 * cells :]) - queued - running),
            JobState.RUNNING: running,
        }

    def _keys(self, job_id: JobId, cell: Cell | None) -> tuple[str]:
        """Return what a script about a job needs: the prefix of the cell it stands in."""
        cells = self._store.cells
        return (cells.prefixes[cells.home_of_job(job_id) if cell is None else cell],)

    async def _indexed(self, command: str, key: str, *args: str | int) -> list[JobRecord]:
        """Return the jobs that an index of every cell names."""
        prefixes = self._store.cells.prefixes
        named = await self._store.read([(command, f"{prefix}{key}", *args) for prefix in prefixes])
        ids: list[tuple[str, Any]] = [
            (prefix, job) for prefix, jobs in zip(prefixes, named, strict=True) for job in jobs
        ]
        if not ids:
            return []
        rows = await self._store.read([("HGETALL", f"{prefix}job:{job}") for prefix, job in ids])
        return [job_record(JobId(job), row) for (_, job), row in zip(ids, rows, strict=True) if row]
