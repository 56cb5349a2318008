"""JobRestorer: puts open jobs back into a store that has lost them, or finds where they went."""

from collections.abc import Callable, Sequence
from functools import partial

from actors.directory import Directory
from actors.dispatcher.claims import Claims
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.open_jobs import OpenJob, OpenJobs
from actors.dispatcher.step import Step, each
from actors.messages.job import Work
from actors.ports import Mailbox
from protocol.errors import MissingReason
from protocol.ids import NodeId
from storage.cells import Cell
from storage.job import FINAL_STATES, JobSpec
from storage.jobs import JobRepository, Restoration
from storage.replies import Assigned, Duplicate, Fenced, Lent, Moved, Queued, Updated
from storage.session_replies import FollowingJob


class JobRestorer:
    """Restores jobs as they stand in `open_jobs`; what the store knows better, it learns."""

    def __init__(
        self,
        jobs: JobRepository,
        ends: JobEnds,
        directory: Directory,
        sessions: Claims,
        on_place: Callable[[Assigned | Duplicate | Queued], Sequence[Step]],
    ) -> None:
        self._jobs = jobs
        self._ends = ends
        self._directory = directory
        self._sessions = sessions
        self._on_place = on_place
        """Told where the store has a job now."""

    def restore_all(self) -> Sequence[Step]:
        """Put every open job back, once the nodes have had a moment to register again."""
        return each(self._ends.open_jobs, lambda job: (self.restore(job).later(),))

    def look_for_waiting(self) -> Sequence[Step]:
        """The store is back: which waiting jobs got a slot by a reply that was lost?"""
        return tuple(self.restore(job) for job in self._ends.open_jobs if job.node_id is None)

    def restore(self, job: OpenJob, if_over: MissingReason = MissingReason.INSTANCE_LOST) -> Step:
        """Put one job back; one whose node is gone is dispatched anew, as a further attempt.

        Of nodes of other instances nothing is known here: their jobs stand where they stood.
        `if_over`: what its session is told should the store have ended it meanwhile.
        """
        is_here = job.node_instance == self._directory.instance_id
        if job.node_id is not None and is_here and job.node_id not in self._directory.nodes:
            return self.dispatch_again(job)
        return self._step(job, if_over=if_over)

    def dispatch_again(self, job: OpenJob) -> Step:
        """Put one job back as a further attempt at another node."""
        left = job.node_id
        job.stand(job.attempt + 1, None)
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
        """`path`: the cells that said that the job had gone on."""
        spec = self._sessions.under_epoch(job.spec, job.cell)
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
                return self._on_place(reply)
            case Moved() if job.cell == self._jobs.cells.home(job.spec.session_id):
                return self._sessions.lost(job.spec.session_id)
            case Moved() | Fenced():
                return self._sessions.enter_again(job.spec.session_id, job.cell, again)
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
                return () if known else self._on_place(reply)
            case Duplicate() | Updated():
                return ()


class JobAdoption:
    """Enters jobs as they stand in the store."""

    def __init__(
        self,
        open_jobs: OpenJobs,
        on_waiting: Callable[[OpenJob], Sequence[Step]],
        on_assigned: Callable[[OpenJob], Sequence[Step]],
        on_node_lost: Callable[[OpenJob], Sequence[Step]],
    ) -> None:
        self._open_jobs = open_jobs
        self._on_waiting = on_waiting
        self._on_assigned = on_assigned
        """Called for a job at a node, which may or may not have its audio."""
        self._on_node_lost = on_node_lost

    def adopt(
        self, session: Mailbox, spec: JobSpec, work: Work, stands: FollowingJob, now_ms: float
    ) -> Sequence[Step]:
        """Go on with a job for a session that lives here now."""
        fresh = OpenJob(session, spec, work, cell=stands.cell, since_ms=now_ms)
        job = self._open_jobs.add(fresh)
        job.stand(stands.attempt, stands.node_id, stands.node_instance)
        if stands.node_id is None:
            return self._on_waiting(job)
        return self._on_assigned(job) if stands.node_stays else self._on_node_lost(job)
