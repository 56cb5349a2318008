"""JobRestorer: puts open jobs back into a store that has lost them, or finds where they went."""

from collections.abc import Callable, Sequence
from functools import partial

from actors.dispatcher.claims import Claims
from actors.dispatcher.driver import Driver
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.step import Step, each
from protocol.errors import MissingReason
from protocol.ids import NodeId
from storage.cells import Cell
from storage.job import FINAL_STATES
from storage.jobs import Restoration
from storage.replies.job import Assigned, Duplicate, Fenced, Lent, Moved, Queued, Updated


class JobRestorer:
    """Restores jobs as they stand in `open_jobs`; what the store knows better, it learns."""

    def __init__(self, ends: JobEnds, claims: Claims, driver: Driver) -> None:
        self._jobs = ends.jobs
        self._ends = ends
        self._directory = ends.directory
        self._claims = claims
        self._driver = driver

    def restore_all(self) -> Sequence[Step]:
        """Put every open job back, once the nodes have had a moment to register again."""
        return each(self._ends.open_jobs, lambda job: (self.restore(job).later(),))

    def look_for_waiting(self) -> Sequence[Step]:
        """The store is back: which waiting jobs got a slot by a reply that was lost?"""
        return tuple(self.restore(job) for job in self._ends.open_jobs if job.node_id is None)

    def restore(self, job: OpenJob, if_over: MissingReason = MissingReason.INSTANCE_LOST) -> Step:
        """Put one job back; one whose node is gone is dispatched anew, as a further attempt.

        Of nodes of other instances nothing is known here: their jobs stand where they stood.
        `if_over`: what its session is sent should the store have ended it meanwhile.
        """
        is_here = job.node_instance == self._directory.instance_id
        if job.node_id is not None and is_here and job.node_id not in self._directory.nodes:
            return self.dispatch_again(job)
        return self._step(job, if_over=if_over)

    def dispatch_again(self, job: OpenJob) -> Step:
        """Put one job back as a further attempt at another node."""
        left = job.node_id
        job.place(job.attempt + 1, None)
        return self._step(job, left)

    def bring(self, job: OpenJob) -> Step:
        """Put one job that has left another cell into the one that it now names."""
        return self._step(job, returns=True)

    def _step(
        self,
        job: OpenJob,
        left: NodeId | None = None,
        if_over: MissingReason = MissingReason.INSTANCE_LOST,
        path: tuple[Cell, ...] = (),
        *,
        returns: bool = False,
    ) -> Step:
        """`path`: the cells that named where the job had gone on."""
        spec = self._claims.under_epoch(job.spec, job.cell)
        restoration = Restoration(
            spec,
            job.attempt,
            job.node_id,
            excluded_nodes=() if left is None else (left,),
            cell=job.cell,
            returns=returns,
        )

        def again() -> Sequence[Step]:
            return (self._step(job, left, if_over, path, returns=returns),)

        done = partial(self._restored, job, if_over, path, again)
        return Step(self._jobs.restore(restoration), done, job_id=spec.job_id)

    def _restored(
        self,
        job: OpenJob,
        if_over: MissingReason,
        path: tuple[Cell, ...],
        again: Callable[[], Sequence[Step]],
        reply: Assigned | Queued | Duplicate | Updated | Moved | Fenced | Lent,
    ) -> Sequence[Step]:
        job_id = job.spec.job_id
        if job_id not in self._ends.open_jobs:  # it ended while this was under way
            reason = MissingReason.PROCESSING_ERROR
            return (self._ends.end_unknown(job_id, job.attempt, reason, cell=job.cell),)
        match reply:
            case Assigned() | Queued():
                return self._driver.placed(reply)
            case Moved() if job.cell == self._jobs.cells.home(job.spec.session_id):
                return self._claims.lost(job.spec.session_id)
            case Moved() | Fenced():
                return self._claims.enter_again(job.spec.session_id, job.cell, again)
            case Lent() if reply.cell in path:  # it left the one and has not arrived in the other
                return (self.bring(job),)
            case Lent():
                path, job.cell = (*path, job.cell), reply.cell
                return (self._step(job, None, if_over, path),)
            case Duplicate() if reply.state in FINAL_STATES:
                self._ends.give_up(job, if_over)  # where we gave no order: by who took us for dead
                return ()
            case Duplicate() if reply.node_id is not None:
                known = (reply.attempt, reply.node_id) == (job.attempt, job.node_id)
                return () if known else self._driver.placed(reply)
            case Duplicate() | Updated():
                return ()
