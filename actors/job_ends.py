"""JobEnds: how a job becomes final, and who hears of it."""

from collections.abc import Callable, Sequence
from functools import partial

from loguru import logger

from actors.directory import Directory
from actors.faults import JobAbandoned
from actors.job_result import recorded_outcome
from actors.messages import (
    JobEnded,
    ResultArrived,
    ResultReplaced,
    UtteranceCut,
    WithdrawJob,
)
from actors.metrics import Metrics
from actors.open_jobs import OpenJob, OpenJobs
from actors.ports import Mailbox
from actors.recent_empty import RecentEmpty
from actors.runtime import tell
from actors.step import Expiry, Step
from protocol.errors import MissingReason
from protocol.ids import JobId, NodeId
from protocol.node_inbound import JobResult
from storage.job import JobSpec, JobState
from storage.jobs import Completion, JobRepository
from storage.replies import Completed, Duplicate, Gone, Stale


class JobEnds:
    """Ends jobs in the store and tells their sessions.

    Every job in `open_jobs` gets exactly one `JobEnded`, told in the same breath as its removal
    from the table.
    """

    def __init__(
        self, jobs: JobRepository, directory: Directory, metrics: Metrics, *, record_outcomes: bool
    ) -> None:
        self.open_jobs = OpenJobs()
        self.recent_empty = RecentEmpty()
        self.metrics = metrics
        self.on_ended: Callable[[OpenJob], None] = lambda _job: None
        """Told each job that has its outcome, after it was removed."""
        self._jobs = jobs
        self._directory = directory
        self._record_outcomes = record_outcomes
        self._inherited: frozenset[JobId] = frozenset()

    def end(self, job: OpenJob, state: JobState, reason: MissingReason) -> Sequence[Step]:
        """End a job without a result; its node, if it has one, need not go on."""
        self.withdraw(job, reason.value)
        return (self.complete(job, state, reason, None),)

    def complete(
        self,
        job: OpenJob,
        state: JobState,
        reason: MissingReason | None,
        answer: ResultArrived | None,
    ) -> Step:
        """End a job with what its node answered, or without an answer."""
        spec, result = job.spec, answer.result if answer is not None else None
        completion = Completion(
            job_id=spec.job_id,
            attempt=job.attempt,
            node_id=answer.node_id if answer is not None else None,
            state=state,
            reason=reason.value if reason is not None else None,
            outcome=self.recorded(spec, reason, result),
        )
        ended = JobEnded(spec.job_id, state, reason, result, job.attempt, job.node_id)
        done = partial(self._completed, ended)
        return Step(self._jobs.complete(completion), done, job_id=spec.job_id)

    def merge(self, job: OpenJob) -> Step:
        """End a segment whose words come with a later one of its turn; its node owes nothing."""
        self._tell_node(job, None)
        return self.complete(job, JobState.EMPTY, MissingReason.MERGED, None)

    def recorded(
        self, spec: JobSpec, reason: MissingReason | None, result: JobResult | None = None
    ) -> str | None:
        """Return the outcome as the store keeps it for another instance; None: it does not."""
        is_kept = self._record_outcomes and spec.is_recorded
        return recorded_outcome(spec, reason, result) if is_kept else None

    def _completed(
        self, ended: JobEnded, reply: Completed | Duplicate | Stale | Gone
    ) -> Sequence[Step]:
        """`Duplicate` while the job is open here means that the first reply was lost."""
        if isinstance(reply, Stale):
            return self._overtaken(ended)
        if isinstance(reply, Gone):
            logger.warning("the store lost a job; its outcome is delivered", job_id=ended.job_id)
        if ended.job_id in self.open_jobs:
            self._tell(ended)
        else:  # it ended by another answer in the same batch
            self.replace_empty(ended.job_id, ended.attempt, ended.node_id, ended.result)
        return ()

    def _overtaken(self, ended: JobEnded) -> Sequence[Step]:
        """The job has moved: an answer does not count any more, the owner's word still does."""
        job = self.open_jobs.get(ended.job_id)
        if ended.result is not None or job is None or job.attempt == ended.attempt:
            self.metrics.stale_result()
            return ()
        reason = ended.reason or MissingReason.PROCESSING_ERROR
        return self.end(job, ended.state, reason)

    def replace_empty(
        self, job_id: JobId, attempt: int, node_id: NodeId | None, result: JobResult | None
    ) -> None:
        """An answer for a job that is over: it counts only if it is full and that was empty."""
        session = self.recent_empty.take(job_id, attempt, node_id, result)
        if session is not None and result is not None:
            tell(session, ResultReplaced(job_id, result))
        else:
            self.metrics.stale_result()

    def give_up(self, job: OpenJob, reason: MissingReason) -> None:
        """The store has ended the job itself: no attempt is left."""
        self._tell(JobEnded(job.spec.job_id, JobState.FAILED, reason, None, job.attempt, None))

    def _tell(self, ended: JobEnded) -> None:
        job = self.open_jobs.remove(ended.job_id)
        if job is None:
            return
        if ended.state is JobState.EMPTY and ended.result is not None:
            self.recent_empty.add(ended, job.session)
        self.metrics.job_ended(ended.reason.value if ended.reason else "completed")
        tell(job.session, ended)
        self.on_ended(job)

    def without_job(self, message: UtteranceCut, state: JobState, reason: MissingReason) -> None:
        """Tell a session that its utterance ends before it became a job here."""
        self.metrics.job_ended(reason.value)
        tell(message.session, JobEnded(message.spec.job_id, state, reason, None, 0, None))

    def end_unknown(
        self, job_id: JobId, attempt: int, reason: MissingReason, expiry: Expiry | None = None
    ) -> Step:
        """End a job that nobody here waits for, so that its slot is free."""
        completion = Completion(job_id, attempt, None, JobState.FAILED, reason.value, None)

        def apply(reply: Completed | Duplicate | Stale | Gone) -> Sequence[Step]:
            if isinstance(reply, Stale) and reply.attempt > attempt:
                return (self.end_unknown(job_id, reply.attempt, reason, expiry),)
            return ()

        return Step(self._jobs.complete(completion), apply, expiry)

    def adopt(self, predecessor: "JobEnds") -> None:
        """Go on where another one stopped."""
        self.open_jobs.adopt(predecessor.open_jobs)
        self._inherited = frozenset(job.job_id for job in self.open_jobs)
        self.recent_empty = predecessor.recent_empty

    def has_ended(self, job_id: JobId) -> bool:
        """Return whether it is one of a predecessor's jobs, whose outcome was told since."""
        return job_id in self._inherited and job_id not in self.open_jobs

    def abandoned(self, message: JobAbandoned) -> Sequence[Step]:
        """A job's outcome was told without the store: its slot is to be free."""
        reason = MissingReason.PROCESSING_ERROR
        return (self.end_unknown(message.job_id, message.attempt, reason),)

    def abandon(self, job_id: JobId, session: Mailbox | None) -> JobAbandoned:
        """End a job here and now, without the store: deciding on it fails."""
        job = self.open_jobs.remove(job_id)
        attempt = job.attempt if job else 1
        if job is not None:
            session = job.session
            self.withdraw(job, MissingReason.PROCESSING_ERROR.value)
        self.metrics.job_ended(MissingReason.PROCESSING_ERROR.value)
        if session is not None:
            reason = MissingReason.PROCESSING_ERROR
            tell(session, JobEnded(job_id, JobState.FAILED, reason, None, attempt, None))
        return JobAbandoned(job_id, attempt)

    def withdraw(self, job: OpenJob, reason: str) -> None:
        """Tell the job's node that its answer is not wanted any more."""
        self._tell_node(job, reason)

    def _tell_node(self, job: OpenJob, reason: str | None) -> None:
        node = self._directory.nodes.get(job.node_id) if job.node_id is not None else None
        if node is not None:
            tell(node, WithdrawJob(job.spec.job_id, job.attempt, reason))
