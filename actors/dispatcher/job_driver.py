"""JobDriver: which script follows what happened to a job, and what its reply means.

The dispatcher's decisions about jobs, without its mailbox and without I/O. A refusal of the
store is a value that is matched on; audio is only passed through, never kept.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from loguru import logger

from actors.dispatcher.assigner import TURN_MOVED, Assigner
from actors.dispatcher.borrowing import Borrowing
from actors.dispatcher.claims import Claims
from actors.dispatcher.driver import Driver
from actors.dispatcher.failover import FailOver
from actors.dispatcher.job_deadlines import JobDeadlines
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.job_restorer import JobRestorer
from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.options import DispatchOptions
from actors.dispatcher.step import Expiry, Step, each
from actors.dispatcher.streams import Streams
from actors.messages.job import (
    EndJob,
    JobAccepted,
    JobProgressed,
    JobQueued,
    JobUndelivered,
    PartialArrived,
    ResultArrived,
    UtteranceCut,
    Work,
)
from actors.messages.session import SessionOpened
from actors.ports import Mailbox
from actors.runtime.actor import tell
from actors.verdict import Follow, judge
from protocol.errors import MissingReason
from protocol.ids import JobId
from storage.call import Call
from storage.cells import FIRST, Cell
from storage.job import FINAL_STATES, JobSpec, JobState, JobStep
from storage.replies.job import (
    Assigned,
    Busy,
    Duplicate,
    Fenced,
    Gone,
    Lent,
    Moved,
    Queued,
    Stale,
    Updated,
)
from storage.replies.job import OpenJob as StoredJob
from storage.replies.session import FollowingJob

SWEEP_MS = 1000
"""The store is asked for due jobs this often anyway: what is due later need not be noted."""
_PROGRESS_KEPT_MS = 1000  # it is shown at once or not at all
_UNSEEN_JOB_MS = 60_000
"""For how long it is tried to end a job that may have begun unseen; then its deadline ends it."""


class JobDriver:
    """Turns messages about jobs into steps.

    What arrives for a job that is not in `open_jobs` any more changes nothing.
    """

    def __init__(
        self, ends: JobEnds, claims: Claims, driver: Driver, options: DispatchOptions
    ) -> None:
        self.ends = ends
        self.claims = claims
        self.open_jobs = ends.open_jobs
        self.dispatching: set[JobId] = set()
        """Jobs that may be in the store already, and whose place is not known here yet."""
        self.assigner = Assigner(ends, driver, options.max_attempts)
        self.restorer = JobRestorer(ends, claims, driver)
        self.borrowing = Borrowing(ends, claims, driver)
        self.failover = FailOver(ends, self.restorer, driver, options)
        self.deadlines = JobDeadlines(ends, self.borrowing, driver)
        self._jobs = ends.jobs
        self._is_one_cell = ends.jobs.cells.count == 1
        self.streams = Streams(ends, claims)
        self._driver = driver
        self._options = options

    # ---- from a cut to a node ---------------------------------------------------------------

    def cut(self, message: UtteranceCut) -> Sequence[Step]:
        """An utterance wants a node."""
        spec = message.spec
        if self.ends.adopted and self.ends.has_ended(spec.job_id):
            return ()  # its session told it again before it heard
        if spec.session_id in self.claims.under_way:
            return self._after_claim(message)
        home = FIRST if self._is_one_cell else self._jobs.cells.home(spec.session_id)
        return self._dispatch(message, (home,))

    def _dispatch(self, message: UtteranceCut, path: tuple[Cell, ...]) -> Sequence[Step]:
        """Dispatch in the last cell of the path; the ones before named where the job has gone."""
        spec, cell, claims = message.spec, path[-1], self.claims
        if self._is_one_cell:
            epoch = claims.epochs.get(spec.session_id, 0)
        else:
            epoch = claims.epoch_in(spec.session_id, cell)
        self.dispatching.add(spec.job_id)
        session_state = message.session_state if len(path) == 1 else ""
        call = self._jobs.dispatch(spec, session_state, cell, epoch, streamed=message.frames > 0)
        done = partial(self._dispatched, message, path)
        return (Step(call, done, self._expiry(message), spec.job_id),)

    def _after_claim(self, message: UtteranceCut) -> Sequence[Step]:
        """Cuts of one session that wait for its claim stay in their order."""
        spec = message.spec
        claim: Sequence[Step] = ()
        if spec.session_id not in self.claims:
            if spec.session_id not in self.ends.directory.sessions:
                self.ends.without_job(message, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
                return ()
            opened = SessionOpened(message.session, spec.session_id, spec.tenant_id)
            claim = self.claims.opened(opened)
        again = partial(self._cut_again, message)
        return (
            *claim,
            *self.claims.claim(spec.session_id, again, self._expiry(message)),
        )

    def _cut_again(self, message: UtteranceCut) -> Sequence[Step]:
        if message.spec.session_id not in self.claims:  # it ended meanwhile
            self.ends.without_job(message, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
            return ()
        return each((message.spec,), lambda _spec: self.cut(message))

    def _expiry(self, message: UtteranceCut) -> Expiry:
        at_ms = message.cut_at_ms + self._options.pending_timeout_ms
        return Expiry(at_ms, partial(self._store_was_away, message, at_ms + _UNSEEN_JOB_MS))

    def _dispatched(
        self,
        message: UtteranceCut,
        path: tuple[Cell, ...],
        reply: Assigned | Queued | Duplicate | Busy | Moved | Fenced | Lent,
    ) -> Sequence[Step]:
        self.dispatching.discard(message.spec.job_id)
        cell = path[-1]
        match reply:
            case Assigned():
                job = self._open(message, cell, reply)
                stays = reply.stays_in_turn or not job.is_of_turn
                left = () if stays else self._leave_turn(job)
                if message.frames and self.streams.take(message, reply) is not None:
                    told = self.streams.cut(job, message)
                    return (*left, *self.assigner.streamed(job, told=told))
                if not message.audio:  # it was let go of when an earlier attempt was sent
                    lost = self.ends.end(job, JobState.FAILED, MissingReason.NODE_LOST)
                    return (*left, *lost)
                return (*left, *self.assigner.assign(job, message.audio))
            case Queued():
                job = self._open(message, cell, reply)
                return (*self._wait(job, reply), *self.assigner.bring_left_behind(job))
            case Duplicate():
                return self._dispatched_before(message, cell, reply)
            case Lent() if reply.cell not in path:
                return self._dispatch(message, (*path, reply.cell))
            case Lent():  # it left the one and has not arrived in the other
                job = OpenJob(message.session, message.spec, message.work, cell=cell)
                return (self.restorer.bring(self.open_jobs.add(job)),)
            case Busy():
                self.ends.without_job(message, JobState.FAILED, MissingReason.QUEUE_FULL)
                return ()
            case Moved() | Fenced() if len(path) > 1:  # whose it is, its home knows
                again = partial(self._dispatch, message, path)
                expiry = self._expiry(message)
                return self.claims.enter_again(message.spec.session_id, cell, again, expiry)
            case Moved():
                return self.claims.lost(message.spec.session_id)
            case Fenced():
                return self._after_claim(message)

    def _dispatched_before(
        self, message: UtteranceCut, cell: Cell, reply: Duplicate
    ) -> Sequence[Step]:
        """The reply was lost the first time, or another dispatcher asked before this one."""
        if reply.state in FINAL_STATES:
            self.ends.without_job(message, reply.state, MissingReason.PROCESSING_ERROR)
            return ()
        job = self._open(message, cell, reply)
        if job.node_id is None:
            return self.borrowing.seek(job)
        left = () if reply.stays_in_turn or not job.is_of_turn else self._leave_turn(job)
        if not message.audio:
            return left
        return (*left, *self.assigner.assign(job, message.audio))  # its node may have it already

    def _open(
        self, message: UtteranceCut, cell: Cell, at: Assigned | Queued | Duplicate
    ) -> OpenJob:
        fresh = OpenJob(
            message.session,
            message.spec,
            message.work,
            at.attempt,
            cell=cell,
            since_ms=message.cut_at_ms,
        )
        job = self.open_jobs.add(fresh)
        job.cell = cell
        if job is not fresh or not isinstance(at, Assigned):
            self._place(job, at)
            return job
        job.node_id, job.node_instance = at.node_id, at.node_instance
        if at.due_in_ms < SWEEP_MS:
            self._driver.note_due(at.due_in_ms)
        return job

    def _place(self, job: OpenJob, at: Assigned | Queued | Duplicate) -> None:
        if isinstance(at, Queued):
            job.place(at.attempt, None)
        else:
            job.place(at.attempt, at.node_id, at.node_instance)
        if at.due_in_ms < SWEEP_MS:
            self._driver.note_due(at.due_in_ms)

    def _leave_turn(self, job: OpenJob) -> Sequence[Step]:
        """A segment got a node that takes it as a whole: so shall the rest of its turn be taken.

        What is put together elsewhere would wait for an end that never comes.
        """
        others = [
            other
            for other in self.open_jobs.in_slot(job)
            if other is not job and other.node_id is not None and not other.is_moving
        ]
        self.open_jobs.stand_alone(job)
        return tuple(self._driver.fail_over(other, TURN_MOVED) for other in others)

    def queued(self, job: OpenJob, reply: Queued) -> Sequence[Step]:
        """A job that had to move waits for a node."""
        self._place(job, reply)
        return self._wait(job, reply)

    def _wait(self, job: OpenJob, reply: Queued) -> Sequence[Step]:
        """It waits here, unless another cell has a node for it."""
        return self.borrowing.seek(job, partial(self._reported_queued, job, reply))

    def _reported_queued(self, job: OpenJob, reply: Queued) -> Sequence[Step]:
        if job.node_id is not None or job.spec.job_id not in self.open_jobs:
            return ()  # it has a place by now
        told = tell(job.session, JobQueued(job.spec.job_id, reply.wait_ms_estimate))
        return () if told else self.ends.end(job, JobState.CANCELLED, MissingReason.SESSION_CLOSED)

    def _store_was_away(self, message: UtteranceCut, until_ms: float) -> Sequence[Step]:
        """The cut could not be dispatched in time; should it have run unseen, its job ends too."""
        reason = MissingReason.STORE_UNAVAILABLE
        self.dispatching.discard(message.spec.job_id)
        self.ends.without_job(message, JobState.FAILED, reason)
        return (self.ends.end_unknown(message.spec.job_id, 1, reason, Expiry(until_ms)),)

    def handed_over(self, handovers: Iterable[Assigned], cell: Cell = FIRST) -> Sequence[Step]:
        """Waiting jobs of a cell got a slot: their sessions send the audio again."""
        return each(handovers, partial(self._given, cell))

    def look_at_once(self) -> None:
        """Have the store look for jobs that wait beside free slots."""
        self._driver.note_due(0)

    def cell_of(self, call: Call[Any]) -> Cell:
        """Return the cell in which a script runs."""
        return self._jobs.cells.named(call.keys[0])

    def _given(self, cell: Cell, reply: Assigned) -> Sequence[Step]:
        job = self.open_jobs.get(reply.job_id)
        if job is None or job.cell == cell:
            return self._assigned(reply, cell)
        reason = MissingReason.PROCESSING_ERROR  # what is left of it here ends
        return (self.ends.end_unknown(reply.job_id, reply.attempt, reason, cell=cell),)

    def _assigned(self, reply: Assigned | Duplicate, cell: Cell | None = None) -> Sequence[Step]:
        job = self.open_jobs.get(reply.job_id)
        if job is None and reply.job_id in self.dispatching:
            return ()  # it was queued by a script whose reply was lost, and which runs again
        if job is None:
            logger.warning("a slot went to a job nobody has open", job_id=reply.job_id)
            reason = MissingReason.PROCESSING_ERROR
            return (self.ends.end_unknown(reply.job_id, reply.attempt, reason, cell=cell),)
        self._place(job, reply)
        if job.node_id is None:
            return ()
        left = () if reply.stays_in_turn or not job.is_of_turn else self._leave_turn(job)
        return (*left, *self.assigner.request_audio(job))

    def placed(self, reply: Assigned | Duplicate | Queued) -> Sequence[Step]:
        """A job was restored, or found elsewhere than it was believed to be."""
        if not isinstance(reply, Queued):
            return self._assigned(reply)
        job = self.open_jobs.get(reply.job_id)
        if job is not None:
            self._place(job, reply)
        return ()

    # ---- what a node answers -----------------------------------------------------------------

    def accepted(self, message: JobAccepted, now_ms: float) -> Sequence[Step]:
        """A node acknowledged or began a job; nobody waits for this."""
        job = self._current(message)
        if job is None:
            return ()

        def apply(reply: Updated | Duplicate | Stale | Gone) -> Sequence[Step]:
            if isinstance(reply, Updated) and not message.started:
                tell(job.session, JobProgressed(message.job_id, message.node_id))
            return ()

        step = JobStep.RUNNING if message.started else JobStep.ACCEPTED
        call = self._jobs.progress(message.job_id, message.attempt, message.node_id, step, job.cell)
        return (Step(call, apply, Expiry(now_ms + _PROGRESS_KEPT_MS)),)

    def result(self, message: ResultArrived) -> Sequence[Step]:
        """A node answered. Answers of attempts that were given up reach nobody."""
        job = self.open_jobs.by_id.get(message.job_id)
        if (
            job is None
            or job.is_moving
            or job.attempt != message.attempt
            or job.node_id != message.node_id
        ):
            return self.ends.late(message)
        verdict = judge(message.result, job.spec, job.work)
        if verdict.follow is Follow.KEEP_OPEN:
            job.brought = message
            text = message.result.text_asr or ""
            tell(job.session, PartialArrived(message.job_id, job.attempt, text, is_final=True))
            return ()
        if job.verdict is not None and not verdict.corrects(job.verdict):
            self.ends.metrics.stale_result()
            return ()
        job.verdict = verdict
        # Of a turn that its node joins, the other segments there would have to come along.
        is_stuck = job.is_of_turn and verdict.reason is MissingReason.PROCESSING_ERROR
        if verdict.follow is Follow.MOVE and not is_stuck:
            return self.failover.move(job, (verdict.reason or MissingReason.PROCESSING_ERROR).value)
        ended = self.ends.complete(job, verdict.state, verdict.reason, message)
        if verdict.reason is MissingReason.MERGED or verdict.state is JobState.FAILED:
            return (ended,)
        if not job.spec.turn_part or (verdict.state is JobState.EMPTY and job.spec.turn_continues):
            return (ended,)
        close = self.ends.merge if verdict.state is JobState.DONE else self.ends.end_as_brought
        closed = [
            close(earlier)
            for earlier in self.open_jobs.earlier_in_turn(job)
            if earlier.spec.turn_continues and self.open_jobs.are_together(earlier, job)
        ]
        return (*closed, ended)

    def _current(self, message: JobAccepted | JobUndelivered) -> OpenJob | None:
        job = self.open_jobs.get(message.job_id)
        if job is None or job.is_moving:
            return None
        return job if (job.attempt, job.node_id) == (message.attempt, message.node_id) else None

    def undelivered(self, message: JobUndelivered) -> Sequence[Step]:
        """A node's socket did not take its job."""
        job = self._current(message)
        return () if job is None else self.failover.move(job, "undeliverable")

    def node_lost(self, jobs: Iterable[StoredJob | Assigned], cell: Cell = FIRST) -> Sequence[Step]:
        """Drive the lost node's jobs on, in the order of their sessions' utterances."""
        return each(jobs, partial(self._lost_its_node, cell))

    def _lost_its_node(self, cell: Cell, stored: StoredJob | Assigned) -> Sequence[Step]:
        job = self.open_jobs.get(stored.job_id)
        if job is None:
            return self.streams.node_lost(stored.job_id)
        return () if job.cell != cell else (self.failover.fail_over(job, "node_lost"),)

    def adopt_job(
        self, session: Mailbox, spec: JobSpec, work: Work, place: FollowingJob, now_ms: float
    ) -> Sequence[Step]:
        """Go on with a job, as the store has it, of a session that lives here now."""
        fresh = OpenJob(session, spec, work, cell=place.cell, since_ms=now_ms)
        job = self.open_jobs.add(fresh)
        job.place(place.attempt, place.node_id, place.node_instance)
        self._driver.note_due(place.due_in_ms)
        if place.node_id is None:
            return self.borrowing.seek(job)
        if place.node_stays:  # it may or may not have the audio
            return self.assigner.request_audio(job)
        return self.failover.move(job, "node_lost")

    # ---- the owner ---------------------------------------------------------------------------

    def end(self, message: EndJob) -> Sequence[Step]:
        """The owner ends a job without a result."""
        job = self.open_jobs.get(message.job_id)
        return () if job is None else self.ends.end(job, message.state, message.reason)
