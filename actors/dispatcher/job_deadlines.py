"""JobDeadlines: what is due is driven on. The store says what; each cell is asked."""

from collections.abc import Sequence
from functools import partial

from actors.dispatcher.borrowing import Borrowing
from actors.dispatcher.driver import Driver
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.step import Expiry, Step, each
from protocol.errors import MissingReason
from protocol.ids import JobId
from storage.cells import Cell
from storage.job import JobState
from storage.replies.job import DueJob, Swept

_SWEEP_KEPT_MS = 1000


class JobDeadlines:
    """Sweeps: due jobs move or end; jobs that wait look for a node elsewhere again."""

    def __init__(self, ends: JobEnds, borrowing: Borrowing, driver: Driver) -> None:
        self._jobs = ends.jobs
        self._ends = ends
        self._borrowing = borrowing
        self._driver = driver

    def sweep(self, now_ms: float) -> Sequence[Step]:
        """Ask the store what is due; what it answers is driven on."""
        expiry = Expiry(now_ms + _SWEEP_KEPT_MS)
        sweeps = [
            Step(self._jobs.sweep(cell=cell), partial(self._swept, cell), expiry)
            for cell in self._jobs.cells.all
        ]
        return (*sweeps, *self._borrowing.tick(now_ms))

    def _swept(self, cell: Cell, reply: Swept) -> Sequence[Step]:
        if reply.next_due_in_ms is not None:
            self._driver.note_due(reply.next_due_in_ms)
        return each(reply.due, partial(self._due, cell, set()))

    def _due(self, cell: Cell, moved: set[JobId], due: DueJob) -> Sequence[Step]:
        if due.job_id in moved:
            return ()
        job = self._ends.open_jobs.get(due.job_id)
        if job is None and self._driver.is_dispatching(due.job_id):
            return ()
        if job is not None and job.cell != cell and self._borrowing.is_leaving(due.job_id):
            return ()  # it is on its way here
        if job is None or job.cell != cell:
            reason = MissingReason.JOB_TIMEOUT
            return (self._ends.end_unknown(due.job_id, due.attempt, reason, cell=cell),)
        if due.cause == "turn_wait":
            return (self._driver.fail_over(job, "turn_wait"),)
        if due.cause == "job_timeout":
            moved.update(other.spec.job_id for other in self._ends.open_jobs.with_turn(job))
            return self._driver.move(job, "job_timeout")
        job.attempt = due.attempt
        waited = due.state is JobState.QUEUED
        reason = MissingReason.NO_AVAILABLE_NODE if waited else MissingReason.JOB_TIMEOUT
        return self._ends.end(job, JobState.FAILED, reason)
