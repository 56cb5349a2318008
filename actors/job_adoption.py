"""JobAdoption: open jobs that follow their session from another instance to this one.

Where a job waits or works is the store's knowledge; what it consists of comes when the client
sends it again.
"""

from collections.abc import Callable, Sequence

from actors.messages import Work
from actors.open_jobs import OpenJob, OpenJobs
from actors.ports import Mailbox
from actors.step import Step
from storage.job import JobSpec
from storage.session_replies import FollowingJob


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
