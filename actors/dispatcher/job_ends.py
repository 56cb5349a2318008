"""JobEnds: how a job becomes final, and who hears of it."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from loguru import logger

from actors.directory import Directory
from actors.dispatcher.driver import Driver
from actors.dispatcher.open_jobs import OpenJob, OpenJobs
from actors.dispatcher.options import DispatchOptions
from actors.dispatcher.step import Expiry, Step
from actors.messages.job import (
    JobAbandoned,
    JobEnded,
    ResultArrived,
    ResultReplaced,
    UtteranceCut,
    WithdrawJob,
)
from actors.metrics import Metrics
from actors.missing_log import log_missing
from actors.ports import Mailbox
from actors.runtime.actor import tell
from actors.verdict import is_full, judge_orphan, recorded_outcome
from protocol.errors import MissingReason
from protocol.ids import NO_INSTANCE, InstanceId, JobId, NodeId
from protocol.messages.node_inbound import JobResult
from storage.cells import Cell
from storage.job import FINAL_STATES, JobSpec, JobState
from storage.jobs import Completion, JobRepository
from storage.replies.job import Completed, Duplicate, Gone, Lent, Located, Stale

GIVEN_UP = {
    "node_lost": MissingReason.NODE_LOST,
    "undeliverable": MissingReason.NODE_LOST,
    "job_timeout": MissingReason.JOB_TIMEOUT,
    "processing_error": MissingReason.PROCESSING_ERROR,
    "model_not_available": MissingReason.MODEL_NOT_AVAILABLE,
    "turn_wait": MissingReason.NO_AVAILABLE_NODE,
    "turn_moved": MissingReason.NO_AVAILABLE_NODE,
    "overtaken": MissingReason.PROCESSING_ERROR,
}
"""What the client is sent when the last attempt ended like this."""


class JobEnds:
    """Ends jobs in the store and tells their sessions.

    Every job in `open_jobs` gets exactly one `JobEnded`, told in the same breath as its removal
    from the table.
    """

    def __init__(
        self,
        jobs: JobRepository,
        directory: Directory,
        metrics: Metrics,
        driver: Driver,
        options: DispatchOptions,
    ) -> None:
        self.jobs = jobs
        self.directory = directory
        self.metrics = metrics
        self.open_jobs = OpenJobs()
        self.recent_empty = RecentEmpty()
        self._driver = driver
        self._may_borrow = jobs.cells.count > 1
        self.record_outcomes = options.record_outcomes
        self._outcome_max_bytes = options.outcome_max_bytes
        self.adopted: frozenset[JobId] = frozenset()
        """Jobs that a predecessor had open."""

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
            outcome=self.recorded(spec, reason, result) if spec.cut else None,
            cell=job.cell,
        )
        ended = JobEnded(spec.job_id, state, reason, result, job.attempt, job.node_id)
        done = partial(self._completed, ended, job.cell)
        return Step(self.jobs.complete(completion), done, job_id=spec.job_id)

    def merge(self, job: OpenJob) -> Step:
        """End a segment whose words come with a later one of its turn; its node owes nothing."""
        self._tell_node(job, None)
        return self.complete(job, JobState.EMPTY, MissingReason.MERGED, None)

    def end_as_brought(self, job: OpenJob) -> Step:
        """End a segment whose turn ended without further words: with those that it brought."""
        self._tell_node(job, None)
        if job.brought is None:
            return self.complete(job, JobState.EMPTY, MissingReason.SILENCE_DETECTED, None)
        return self.complete(job, JobState.DONE, None, job.brought)

    def recorded(
        self, spec: JobSpec, reason: MissingReason | None, result: JobResult | None = None
    ) -> str | None:
        """Return the outcome as the store keeps it for another instance; None: it does not."""
        is_kept = self.record_outcomes and spec.is_recorded
        if not is_kept:
            return None
        max_bytes, lies_at_ms = self._outcome_max_bytes, spec.lies_at_ms
        return recorded_outcome(spec.trace_id, reason, result, max_bytes, lies_at_ms)

    def _completed(
        self, ended: JobEnded, cell: Cell, reply: Completed | Duplicate | Stale | Gone
    ) -> Sequence[Step]:
        """`Duplicate` while the job is open here means that the first reply was lost."""
        if isinstance(reply, Stale):
            return self._overtaken(ended)
        job = self.open_jobs.by_id.get(ended.job_id)
        if job is not None and job.cell != cell:  # it left for another cell just before
            return self.end(job, ended.state, ended.reason or MissingReason.PROCESSING_ERROR)
        if isinstance(reply, Gone):
            logger.warning("the store lost a job; its outcome is delivered", job_id=ended.job_id)
        if job is not None:
            self._tell(ended)
            has_spare = isinstance(reply, Completed) and not reply.handovers
            if has_spare and job.node_id is not None and self._may_borrow:
                return self._driver.slot_freed(cell, job.spec.requirement)
        else:  # it ended by another answer in the same batch
            self.replace_empty(ended.job_id, ended.attempt, ended.node_id, ended.result)
        return ()

    def _overtaken(self, ended: JobEnded) -> Sequence[Step]:
        """The job has moved: an answer does not count any more, the owner's word still does."""
        job = self.open_jobs.get(ended.job_id)
        if ended.result is not None and ended.node_id is not None:
            answer = ResultArrived(ended.job_id, ended.attempt, ended.node_id, ended.result)
            return (self._locate(answer, ()),)  # its session may live elsewhere by now
        if job is None or job.attempt == ended.attempt:
            self.metrics.stale_result()
            return ()
        reason = ended.reason or MissingReason.PROCESSING_ERROR
        return self.end(job, ended.state, reason)

    def replace_empty(
        self, job_id: JobId, attempt: int, node_id: NodeId | None, result: JobResult | None
    ) -> None:
        """An answer for a job that is over: it counts only if it is full and that was empty."""
        if not self._replaces_empty(job_id, attempt, node_id, result):
            self.metrics.stale_result()

    def _replaces_empty(
        self, job_id: JobId, attempt: int, node_id: NodeId | None, result: JobResult | None
    ) -> bool:
        session = self.recent_empty.take(job_id, attempt, node_id, result)
        if session is None or result is None:
            return False
        tell(session, ResultReplaced(job_id, result))
        return True

    def give_up(self, job: OpenJob, reason: MissingReason) -> None:
        """The store has ended the job itself: no attempt is left."""
        ended = JobEnded(job.spec.job_id, JobState.FAILED, reason, None, job.attempt, job.node_id)
        self._tell(ended)

    def _tell(self, ended: JobEnded) -> None:
        job = self.open_jobs.remove(ended.job_id)
        if job is None:
            return
        if ended.state is JobState.EMPTY and ended.result is not None:
            self.recent_empty.add(ended, job.session)
        self.metrics.job_ended(ended.reason.value if ended.reason else "completed")
        if not tell(job.session, ended):
            log_missing(logger, ended, job.spec, note="its session is over")
        if job.is_of_turn:
            self._driver.segment_ended(job)

    def without_job(self, message: UtteranceCut, state: JobState, reason: MissingReason) -> None:
        """Tell a session that its utterance ends before it became a job here."""
        self.metrics.job_ended(reason.value)
        tell(message.session, JobEnded(message.spec.job_id, state, reason, None, 0, None))

    def end_unknown(
        self,
        job_id: JobId,
        attempt: int,
        reason: MissingReason,
        expiry: Expiry | None = None,
        cell: Cell | None = None,
    ) -> Step:
        """End a job that nobody here waits for, so that its slot is free."""
        completion = Completion(
            job_id, attempt, None, JobState.FAILED, reason.value, None, cell=cell
        )

        def apply(reply: Completed | Duplicate | Stale | Gone) -> Sequence[Step]:
            if isinstance(reply, Stale) and reply.attempt > attempt:
                return (self.end_unknown(job_id, reply.attempt, reason, expiry, cell),)
            return ()

        return Step(self.jobs.complete(completion), apply, expiry)

    def adopt(self, handover: "JobEnds") -> None:
        """Go on where another one stopped."""
        self.open_jobs.adopt(handover.open_jobs)
        self.adopted = frozenset(job.job_id for job in self.open_jobs)
        self.recent_empty = handover.recent_empty

    def has_ended(self, job_id: JobId) -> bool:
        """Return whether it is one of a predecessor's jobs, whose outcome was sent since."""
        return job_id in self.adopted and job_id not in self.open_jobs

    def abandoned(self, message: JobAbandoned) -> Sequence[Step]:
        """A job's outcome was sent without the store: its slot is to be free."""
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
        node = self.node_of(job)
        if node is not None:
            tell(node, WithdrawJob(job.spec.job_id, job.attempt, reason))

    def node_of(self, job: OpenJob) -> Mailbox | None:
        """Return the job's node, or the way to it; None if it has none or it cannot be reached."""
        if job.node_id is None:
            return None
        return self.directory.node_at(job.node_instance, job.node_id)

    def out_of_reach(self, job: OpenJob) -> InstanceId:
        """Return the instance of the job's node if there is no way there."""
        is_here = job.node_instance == self.directory.instance_id
        return NO_INSTANCE if is_here or self.node_of(job) else job.node_instance

    # ---- answers that come to the wrong place -------------------------------------------------

    def late(self, answer: ResultArrived) -> Sequence[Step]:
        """An answer to a job that is not open here in that attempt: over, moved, or another's."""
        if answer.job_id in self.open_jobs or self.directory.remotes is None:
            self.replace_empty(answer.job_id, answer.attempt, answer.node_id, answer.result)
            return ()
        if self._replaces_empty(answer.job_id, answer.attempt, answer.node_id, answer.result):
            return ()
        return (self._locate(answer, ()),)

    def _locate(self, answer: ResultArrived, path: tuple[Cell, ...]) -> Step:
        """Look in the last cell of the path, or at home."""
        call = self.jobs.locate(answer.job_id, path[-1] if path else None)
        return Step(call, partial(self._located, answer, path))

    def _located(
        self, answer: ResultArrived, path: tuple[Cell, ...], reply: Located | Lent | Gone
    ) -> Sequence[Step]:
        """Pass the answer on to who drives the job, if it still counts there."""
        if isinstance(reply, Lent) and reply.cell not in path:
            return (self._locate(answer, (*path, reply.cell)),)
        expected = (answer.attempt, answer.node_id)
        if (
            isinstance(reply, Gone | Lent)
            or reply.state in FINAL_STATES
            or (reply.attempt, reply.node_id) != expected
            or reply.owner_instance == self.directory.instance_id
        ):
            self.metrics.stale_result()
            return ()
        if not reply.owner_is_alive:
            return (self._end_orphan(answer, reply, path[-1] if path else None),)
        owner = self.directory.dispatcher_at(reply.owner_instance)
        if owner is None or not tell(owner, answer):
            self.metrics.stale_result()
        return ()

    def _end_orphan(self, answer: ResultArrived, at: Located, cell: Cell | None) -> Step:
        """The job's owner is dead: free the slot, and keep the words for whoever resumes."""
        state, reason = judge_orphan(answer.result)
        outcome = None
        if self.record_outcomes:
            outcome = recorded_outcome(at.trace_id, reason, answer.result, self._outcome_max_bytes)
        completion = Completion(
            answer.job_id,
            answer.attempt,
            answer.node_id,
            state,
            None if reason is None else reason.value,
            outcome,
            cell=cell,
        )
        return Step(self.jobs.complete(completion), lambda _reply: ())


_KEPT = 256


class RecentEmpty:
    """The last empty outcomes, by job: who gave them and who was sent them. Bounded."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[JobId, tuple[int, NodeId | None, Mailbox]] = OrderedDict()

    def add(self, ended: JobEnded, session: Mailbox) -> None:
        """Remember an empty outcome."""
        self._jobs[ended.job_id] = (ended.attempt, ended.node_id, session)
        if len(self._jobs) > _KEPT:
            self._jobs.popitem(last=False)

    def take(
        self, job_id: JobId, attempt: int, node_id: NodeId | None, result: JobResult | None
    ) -> Mailbox | None:
        """Return the session that holds the empty outcome which this full result replaces.

        None when the result is not full, not of the same attempt and node, or came before.
        """
        known = self._jobs.get(job_id)
        is_same = known is not None and known[:2] == (attempt, node_id)
        if known is None or not is_same or result is None or not is_full(result):
            return None
        del self._jobs[job_id]
        return known[2]
