"""Assigner: when a job that has its place may be written to its node, and when it must not be.

A node that joins turns puts the segments of one together by the name that the turn has there. That
carries the attempt, so a segment that would come too late, or would find its turn under another
name, gets a further attempt instead. What is no segment of such a turn may come in any order.

Must not: keep audio, or run a script.
"""

from collections.abc import Sequence
from dataclasses import replace

from actors.dispatcher.driver import Driver
from actors.dispatcher.job_ends import JobEnds
from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.step import Step
from actors.messages.job import AssignJob, AudioSupplied, JobDispatched, UtteranceWanted
from actors.runtime.actor import tell
from protocol.errors import MissingReason
from protocol.ids import NodeId
from storage.job import JobState

OVERTAKEN = "overtaken"
"""Why a job needs a further attempt although nothing is wrong with its node."""
TURN_MOVED = "turn_moved"
"""Why a job leaves its node although that has it in hand: its turn goes on elsewhere."""


class Assigner:
    """Hands jobs with their audio to nodes, the segments of a turn in the order of its cuts.

    Life of a job here: `assign` when its place is known; if the audio is not at hand,
    `request_audio`, then `audio_supplied`.
    """

    def __init__(self, ends: JobEnds, driver: Driver, max_attempts: int) -> None:
        self._ends = ends
        self._driver = driver
        self._max_attempts = max_attempts
        self._open = ends.open_jobs
        self._directory = ends.directory
        self.connections: dict[NodeId, int] = {}
        """Node → which of its sockets it speaks on."""

    def adopt(self, handover: "Assigner") -> None:
        """Take over which socket each node speaks on, from a dispatcher that failed."""
        self.connections = handover.connections

    def assign(self, job: OpenJob, audio: bytes) -> Sequence[Step]:
        """Write the job to its node, or have it wait for what must come first in its turn."""
        if job.sent_on:
            return ()
        if job.is_of_turn:
            if self._open.is_behind(job):
                return self.bring_left_behind(job)
            # With no attempt left, a segment under a name of its own is better than none.
            may_move = job.attempt < self._max_attempts
            if may_move and (self._is_overtaken(job) or self._is_torn(job)):
                return self._driver.move(job, OVERTAKEN)
        return self._write(job, audio)

    def streamed(self, job: OpenJob, *, told: bool) -> Sequence[Step]:
        """The job's node has heard all of it: its result is due, unless there is no way to it."""
        if job.node_id is None or not told:
            return self._driver.move(job, "undeliverable")
        spec = job.spec
        job.sent_on = self.connections.get(job.node_id, 1)
        if not tell(job.session, JobDispatched(spec.job_id, job.attempt, job.node_id)):
            return self._ends.end(job, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
        return ()

    def request_audio(self, job: OpenJob) -> Sequence[Step]:
        """Ask the job's session for its audio."""
        job.awaits_audio = True
        if tell(job.session, UtteranceWanted(job.spec.job_id, job.attempt, job.moved_because)):
            return ()
        return self._ends.end(job, JobState.CANCELLED, MissingReason.SESSION_CLOSED)

    def bring_left_behind(self, job: OpenJob) -> Sequence[Step]:
        """Have what the turn's former node was given follow to where the turn goes on, or waits.

        The store sends a segment elsewhere when that node has dropped the languages.
        """
        if job.is_moving:
            return ()
        left = self._open.left_behind(job)
        return () if left is None else self._driver.move(left, TURN_MOVED)

    def audio_supplied(self, message: AudioSupplied) -> Sequence[Step]:
        """Go on with a job whose audio was asked for."""
        job = self._open.get(message.job_id)
        if job is None or job.attempt != message.attempt or job.node_id is None:
            return ()  # moved on or ended while the audio was on its way
        job.awaits_audio = False
        return self.assign(job, message.audio)

    def node_came(self, node_id: NodeId, connection: int) -> None:
        """A node registered; what was written to a former socket may never have reached it."""
        self.connections[node_id] = connection

    def node_left(self, node_id: NodeId) -> None:
        """A node is gone."""
        self.connections.pop(node_id, None)

    def _is_overtaken(self, job: OpenJob) -> bool:
        """Tell whether its node has a later segment of the turn under the same name."""
        later = self._open.later_in_turn(job)
        return any(self._open.are_together(sent, job) for sent in later)

    def _is_torn(self, job: OpenJob) -> bool:
        """Tell whether the turn's beginning went out on a socket that its node has replaced."""
        now = self.connections.get(job.node_id, 1) if job.node_id is not None else 0
        return any(earlier.sent_on != now for earlier in self._open.earlier_in_turn(job))

    def _write(self, job: OpenJob, audio: bytes) -> Sequence[Step]:
        node_id, spec, directory = job.node_id, job.spec, self._directory
        if node_id is None:
            return self._driver.move(job, "undeliverable")
        here = directory.instance_id
        if job.work.is_closing and not job.is_of_turn:  # there is no turn for it to end
            silence = MissingReason.SILENCE_DETECTED
            return (self._ends.complete(job, JobState.EMPTY, silence, None),)
        if job.node_instance == here:
            node = directory.nodes.get(node_id)
        else:
            node = directory.node_at(job.node_instance, node_id)
        work = job.work
        if directory.traces is not None:
            context = directory.traces.for_node(spec.job_id, job.attempt, work.traceparent)
            work = replace(work, traceparent=context)
        assignment = AssignJob(job.session, spec, work, job.attempt, audio, here)
        if node is None or not tell(node, assignment):
            gone = self._driver.node_gone(node_id)
            return (*gone, *self._driver.move(job, "undeliverable"))
        job.sent_on = self.connections.get(node_id, 1)
        dispatched = JobDispatched(spec.job_id, job.attempt, node_id, job.is_of_turn)
        if not tell(job.session, dispatched):
            return self._ends.end(job, JobState.CANCELLED, MissingReason.SESSION_CLOSED)
        return self._call_later_segments(job) if job.is_of_turn else ()

    def _call_later_segments(self, job: OpenJob) -> Sequence[Step]:
        """What follows in the turn may come now; what stands elsewhere comes after it."""
        steps: list[Step] = []
        for later in self._open.later_in_turn(job):
            if later.node_id is None or later.is_moving:
                continue
            if (later.node_id, later.attempt) != (job.node_id, job.attempt):
                steps.append(self._driver.fail_over(later, OVERTAKEN))
            elif not later.sent_on and not later.awaits_audio:
                steps.extend(self.request_audio(later))
        return steps

    def segment_ended(self, job: OpenJob) -> None:
        """A segment has its outcome: what waited for it here is not behind it any more."""
        for later in self._open.later_in_turn(job):
            if later.node_id and not (later.sent_on or later.awaits_audio or later.is_moving):
                later.awaits_audio = True
                tell(later.session, UtteranceWanted(later.spec.job_id, later.attempt))
