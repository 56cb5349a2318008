"""JobSteps: which script follows what happened to a job, and what its reply means.

The dispatcher's decisions about jobs, without its mailbox and without I/O. A refusal of the
store is a value that is matched on; audio is only passed through, never kept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from loguru import logger

from actors.directory import Directory
from actors.dispatch_options import DispatchOptions
from actors.job_ends import JobEnds
from actors.job_result import Follow, judge
from actors.messages import (
    AssignJob,
    EndJob,
    JobAccepted,
    JobDispatched,
    JobProgressed,
    JobQueued,
    JobUndelivered,
    PartialArrived,
    ResultArrived,
    UtteranceCut,
    UtteranceWanted,
)
from actors.open_jobs import OpenJob
from actors.runtime import tell
from actors.session_steps import SessionSteps
from actors.step import Expiry, Step
from protocol.errors import MissingReason
from protocol.ids import JobId
from storage.job import FINAL_STATES, JobState, JobStep
from storage.jobs import Failover, JobRepository, Restoration
from storage.replies import (
    Assigned,
    Busy,
    DueJob,
    Duplicate,
    Fenced,
    GivenUp,
    Gone,
    Queued,
    Stale,
    Swept,
    Updated,
)
from storage.replies import OpenJob as StoredJob

_GIVEN_UP = {
    "node_lost": MissingReason.NODE_LOST,
    "undeliverable": MissingReason.NODE_LOST,
    "job_timeout": MissingReason.JOB_TIMEOUT,
    "model_not_available": MissingReason.MODEL_NOT_AVAILABLE,
    "turn_wait": MissingReason.NO_AVAILABLE_NODE,
}
"""What the client is told when the last attempt ended like this."""


class JobSteps:
    """Turns messages about jobs into steps.

    What arrives for a job that is not in `open_jobs` any more changes nothing.
    """

    def __init__(
        self,
        jobs: JobRepository,
        ends: JobEnds,
        directory: Directory,
        sessions: SessionSteps,
        options: DispatchOptions,
    ) -> None:
        self.open_jobs = ends.open_jobs
        self.on_due: Callable[[int], None] = lambda _due_in_ms: None
        """Called with the ms until a job's next deadline, whenever the store sets one."""
        self._jobs = jobs
        self._directory = directory
        self._sessions = sessions
        self._options = options
        self._ends = ends

    # ---- from a cut to a node ---------------------------------------------------------------

    def cut(self, message: UtteranceCut, now_ms: float) -> Sequence[Step]:
        """An utterance wants a node, or brings the audio that a node waits for."""
        if message.attempt:
            return self._audio_came(message)
        expiry = self._expiry(message, now_ms)
        spec = message.spec
        epoch = self._sessions.epoch(spec.session_id)
        if spec.session_epoch != epoch:
            spec = replace(spec, session_epoch=epoch)
        return (
            Step(self._jobs.dispatch(spec), partial(self._dispatched, message, now_ms), expiry),
        )

    def _expiry(self, message: UtteranceCut, now_ms: float) -> Expiry:
        at_ms = now_ms + self._options.pending_timeout_ms
        return Expiry(at_ms, partial(self._store_was_away, message))

    def _dispatched(
        self,
        message: UtteranceCut,
        now_ms: float,
        reply: Assigned | Queued | Duplicate | Busy | Fenced,
    ) -> Sequence[Step]:
        match reply:
            case Assigned():
                job = self._open(message, reply)
                return self._deliver(job, message.audio)
            case Queued():
                job = self._open(message, None)
                self.on_due(reply.due_in_ms)
                return self._told_queued(job, reply)
            case Duplicate():
                return self._dispatched_before(message, reply)
            case Busy():
                self._ends.without_job(message, JobState.FAILED, MissingReason.QUEUE_FULL)
                return ()
            case Fenced():
                session_id = message.spec.session_id
                again = partial(self.cut, message, now_ms)
                claim = self._sessions.claim(session_id, again, self._expiry(message, now_ms))
                if not claim:
                    reason = MissingReason.SESSION_CLOSED
                    self._ends.without_job(message, JobState.CANCELLED, reason)
                return claim

    def _dispatched_before(self, message: UtteranceCut, reply: Duplicate) -> Sequence[Step]:
        """The reply was lost the first time, or another dispatcher asked before this one."""
        if reply.state in FINAL_STATES:
            self._ends.without_job(message, reply.state, MissingReason.PROCESSING_ERROR)
            return ()
        job = self._open(message, reply if reply.node_id is not None else None)
        if job.node_id is None:
            self.on_due(reply.due_in_ms)
            return ()
        return self._deliver(job, message.audio)  # the node's actor knows what it has already

    def _open(self, message: UtteranceCut, at: Assigned | Duplicate | None) -> OpenJob:
        job = self.open_jobs.add(OpenJob(message.session, message.spec, message.work))
        if at is not None:
            job.attempt, job.node_id = at.attempt, at.node_id
            self.on_due(at.due_in_ms)
        return job

    def _audio_came(self, message: UtteranceCut) -> Sequence[Step]:
        job = self.open_jobs.get(message.spec.job_id)
        if job is None or job.attempt != message.attempt or job.node_id is None:
            return ()  # moved on or ended while the audio was on its way
        return self._deliver(job, message.audio)

    def _deliver(self, job: OpenJob, audio: bytes) -> Sequence[Step]:
        node = self._directory.nodes.get(job.node_id) if job.node_id is not None else None
        assignment = AssignJob(job.session, job.spec, job.work, job.attempt, audio)
        if node is None or job.node_id is None or not tell(node, assignment):
            return (self._fail_over(job, "undeliverable"),)
        told = tell(job.session, JobDispatched(job.spec.job_id, job.attempt, job.node_id))
        return () if told else self._ends.end(job, JobState.CANCELLED, MissingReason.SESSION_CLOSED)

    def _told_queued(self, job: OpenJob, reply: Queued) -> Sequence[Step]:
        told = tell(job.session, JobQueued(job.spec.job_id, reply.wait_ms_estimate))
        return () if told else self._ends.end(job, JobState.CANCELLED, MissingReason.SESSION_CLOSED)

    def _store_was_away(self, message: UtteranceCut) -> Sequence[Step]:
        """The cut could not be dispatched in time; should it have run unseen, its job ends too."""
        self._ends.without_job(message, JobState.FAILED, MissingReason.STORE_UNAVAILABLE)
        return (self._ends.end_unknown(message.spec.job_id, 1, MissingReason.STORE_UNAVAILABLE),)

    def handed_over(self, handovers: Iterable[Assigned]) -> Sequence[Step]:
        """Waiting jobs got a slot: their sessions send the audio again."""
        steps: list[Step] = []
        for assigned in handovers:
            steps.extend(self._assigned(assigned))
        return steps

    def _assigned(self, reply: Assigned | Duplicate) -> Sequence[Step]:
        job = self.open_jobs.get(reply.job_id)
        if job is None:
            logger.warning("a slot went to a job nobody has open", job_id=reply.job_id)
            return (
                self._ends.end_unknown(reply.job_id, reply.attempt, MissingReason.PROCESSING_ERROR),
            )
        job.attempt, job.node_id = reply.attempt, reply.node_id
        self.on_due(reply.due_in_ms)
        if tell(job.session, UtteranceWanted(reply.job_id, reply.attempt)):
            return ()
        return self._ends.end(job, JobState.CANCELLED, MissingReason.SESSION_CLOSED)

    # ---- what a node says -------------------------------------------------------------------

    def accepted(self, message: JobAccepted) -> Sequence[Step]:
        """A node acknowledged or began a job; nobody waits for this."""
        job = self._current(message)
        if job is None:
            return ()

        def apply(reply: Updated | Duplicate | Stale | Gone) -> Sequence[Step]:
            if isinstance(reply, Updated) and not message.started:
                tell(job.session, JobProgressed(message.job_id, message.node_id))
            return ()

        step = JobStep.RUNNING if message.started else JobStep.ACCEPTED
        call = self._jobs.progress(message.job_id, message.attempt, message.node_id, step)
        return (Step(call, apply),)

    def result(self, message: ResultArrived) -> Sequence[Step]:
        """A node answered. Answers of attempts that were given up reach nobody."""
        job = self._current(message)
        if job is None:
            self._ends.replace_empty(
                message.job_id, message.attempt, message.node_id, message.result
            )
            return ()
        verdict = judge(message.result, job.spec, job.work)
        if verdict.follow is Follow.KEEP_OPEN:
            text = message.result.text_asr or ""
            tell(job.session, PartialArrived(message.job_id, job.attempt, text, is_final=True))
            return ()
        if verdict.follow is Follow.MOVE:
            return self._move_turn(job, "model_not_available")
        ended = self._ends.complete(job, verdict.state, verdict.reason, message)
        if verdict.reason is MissingReason.MERGED or verdict.state is JobState.FAILED:
            return (ended,)
        merged = [
            self._ends.complete(earlier, JobState.EMPTY, MissingReason.MERGED, None)
            for earlier in self.open_jobs.earlier_in_turn(job)
            if earlier.spec.turn_continues
        ]
        return (*merged, ended)

    def _current(self, message: JobAccepted | ResultArrived) -> OpenJob | None:
        job = self.open_jobs.get(message.job_id)
        if job is None or (job.attempt, job.node_id) != (message.attempt, message.node_id):
            return None
        return job

    def undelivered(self, message: JobUndelivered) -> Sequence[Step]:
        """A node's socket did not take its job."""
        job = self.open_jobs.get(message.job_id)
        if job is None or (job.attempt, job.node_id) != (message.attempt, message.node_id):
            return ()
        return (self._fail_over(job, "undeliverable"),)

    def node_lost(self, jobs: Iterable[StoredJob]) -> Sequence[Step]:
        """Drive the lost node's jobs on, in the order of their sessions' words."""
        open_here = (self.open_jobs.get(stored.job_id) for stored in jobs)
        return tuple(self._fail_over(job, "node_lost") for job in open_here if job is not None)

    # ---- deadlines --------------------------------------------------------------------------

    def sweep(self) -> Sequence[Step]:
        """Ask the store what is due; what it answers is driven on."""
        return (Step(self._jobs.sweep(), self._swept),)

    def _swept(self, reply: Swept) -> Sequence[Step]:
        if reply.next_due_in_ms is not None:
            self.on_due(reply.next_due_in_ms)
        steps: list[Step] = []
        moved: set[JobId] = set()
        for due in reply.due:
            if due.job_id not in moved:
                steps.extend(self._due(due, moved))
        return steps

    def _due(self, due: DueJob, moved: set[JobId]) -> Sequence[Step]:
        job = self.open_jobs.get(due.job_id)
        if job is None:
            return (self._ends.end_unknown(due.job_id, due.attempt, MissingReason.JOB_TIMEOUT),)
        if due.cause == "turn_wait":
            return (self._fail_over(job, "turn_wait"),)
        if due.cause == "job_timeout":
            moved.update(other.spec.job_id for other in self.open_jobs.in_slot(job))
            return self._move_turn(job, "job_timeout")
        waited = job.node_id is None
        reason = MissingReason.NO_AVAILABLE_NODE if waited else MissingReason.JOB_TIMEOUT
        return self._ends.end(job, JobState.FAILED, reason)

    # ---- a store that lost its data -----------------------------------------------------------

    def restore_all(self) -> Sequence[Step]:
        """Put every open job back, once the nodes have had a moment to register again."""
        return tuple(self._restore(job).later() for job in self.open_jobs)

    def look_for_waiting(self) -> Sequence[Step]:
        """The store is back: which waiting jobs got a slot by a reply that was lost?"""
        return tuple(self._restore(job) for job in self.open_jobs if job.node_id is None)

    def _restore(self, job: OpenJob) -> Step:
        epoch = self._sessions.epoch(job.spec.session_id)
        spec = replace(job.spec, session_epoch=epoch)
        attempt, node_id = max(job.attempt, 1), job.node_id
        if node_id is not None and node_id not in self._directory.nodes:
            attempt, node_id = attempt + 1, None  # lost while the store could not be told
        restoration = Restoration(spec, attempt, node_id)
        return Step(self._jobs.restore(restoration), partial(self._restored, job))

    def _restored(
        self, job: OpenJob, reply: Assigned | Queued | Duplicate | Updated | Fenced
    ) -> Sequence[Step]:
        job_id = job.spec.job_id
        if job_id not in self.open_jobs:  # it ended while this was under way
            return (self._ends.end_unknown(job_id, job.attempt, MissingReason.PROCESSING_ERROR),)
        match reply:
            case Assigned():
                return self._assigned(reply)
            case Queued():
                job.attempt, job.node_id = reply.attempt, None
                self.on_due(reply.due_in_ms)
                return ()
            case Fenced():
                again = partial(self._restore_later, job)
                return self._sessions.claim(job.spec.session_id, again)
            case Duplicate() if reply.state not in FINAL_STATES and reply.node_id is not None:
                known = (reply.attempt, reply.node_id) == (job.attempt, job.node_id)
                return () if known else self._assigned(reply)
            case Duplicate() | Updated():
                return ()

    def _restore_later(self, job: OpenJob) -> Sequence[Step]:
        return (self._restore(job).later(),)

    def end(self, message: EndJob) -> Sequence[Step]:
        """The owner ends a job without a result."""
        job = self.open_jobs.get(message.job_id)
        return () if job is None else self._ends.end(job, message.state, message.reason)

    # ---- fail-over --------------------------------------------------------------------------

    def _move_turn(self, job: OpenJob, reason: str) -> Sequence[Step]:
        """Move a job and what is open of its turn at the same node: a node merges the words."""
        turn = self.open_jobs.in_slot(job)
        return tuple(self._fail_over(each, reason) for each in turn if each.node_id == job.node_id)

    def _fail_over(self, job: OpenJob, reason: str) -> Step:
        if reason in ("job_timeout", "model_not_available"):
            self._ends.withdraw(job, reason)
        failover = Failover(
            job_id=job.spec.job_id,
            attempt=job.attempt,
            node_id=job.node_id,
            reason=reason,
            exclude_node=reason != "turn_wait",
            penalty_ms=self._options.model_penalty_ms if reason == "model_not_available" else 0,
        )
        return Step(self._jobs.failover(failover), partial(self._failed_over, job, reason))

    def _failed_over(
        self,
        job: OpenJob,
        reason: str,
        reply: Assigned | Queued | GivenUp | Duplicate | Stale | Gone,
    ) -> Sequence[Step]:
        match reply:
            case Assigned():
                return self._assigned(reply)
            case Queued():
                job.attempt, job.node_id = reply.attempt, None
                self.on_due(reply.due_in_ms)
                return self._told_queued(job, reply)
            case GivenUp():
                self._ends.give_up(job, _GIVEN_UP[reason])
                return ()
            case Duplicate():
                return self._assigned(reply) if reply.state not in FINAL_STATES else ()
            case Stale():
                return ()
            case Gone():
                logger.warning("the store lost a job that had to move", job_id=job.spec.job_id)
                self._ends.give_up(job, MissingReason.STORE_UNAVAILABLE)
                return ()
