"""Instances: what follows when another instance's script did something to what is ours.

A note may be late, for it travels by another way than replies: one that speaks of an earlier place
of the job than is known here changes nothing.
"""

from collections.abc import Sequence

from loguru import logger

from actors.dispatcher.job_driver import JobDriver
from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.step import Step
from actors.dispatcher.takeover import Takeover
from actors.messages.job import JobUndelivered, KeepJob
from actors.messages.process import InstanceExpired, NoteArrived, PeerUnreachable
from actors.messages.takeover import ReleaseSession
from actors.runtime.actor import tell
from protocol.ids import InstanceId
from storage.cells import Cell
from storage.instances import InstanceRepository
from storage.replies.job import Assigned, Fenced, NoteKind, Reaped, Released, Revived

_ANOTHER_SOCKET = 1 << 30
"""On which a job was sent whose node has come elsewhere since: no socket there has this number."""


class Instances:
    """Turns notes into steps, and frees what a dead instance held."""

    def __init__(self, instances: InstanceRepository, jobs: JobDriver, takeover: Takeover) -> None:
        self._instances = instances
        self._jobs = jobs
        self._takeover = takeover
        self._directory = jobs.ends.directory

    def on(self, message: InstanceExpired | NoteArrived | PeerUnreachable) -> Sequence[Step]:
        """Handle one message."""
        match message:
            case InstanceExpired():
                return self.expired(message)
            case NoteArrived():
                return self.note_arrived(message)
            case PeerUnreachable():
                return self.unreachable(message)

    def note_arrived(self, message: NoteArrived) -> Sequence[Step]:
        """Another instance's script did something to a job or a session of ours."""
        note = message.note
        if isinstance(note, Released):
            return self._takeover.release(ReleaseSession(note.session_id, note.epoch))
        at = note.job
        job = self._jobs.open_jobs.get(at.job_id)
        match note.kind:
            case NoteKind.ASSIGNED:
                is_news = job is None or job.attempt < at.attempt or _waits(job, at)
                return self._jobs.handed_over((at,), note.cell) if is_news else ()
            case NoteKind.NODE_LOST:
                if job is None:
                    return self._jobs.streams.node_lost(at.job_id)
                return self._jobs.node_lost((at,), note.cell) if _is_at(job, at) else ()
            case NoteKind.NODE_SICK:
                logger.warning(
                    "node answers with errors only; others get its jobs",
                    node_id=at.node_id,
                    trial_in_ms=at.due_in_ms,
                )
                return ()
            case NoteKind.NODE_MOVED:
                if job is None:
                    return self._jobs.streams.node_lost(at.job_id)
                if _is_at(job, at):
                    self._follow(job, at)
                return ()
            case NoteKind.STREAM_TAKEN:
                return self._jobs.streams.taken_back(at.job_id)

    def unreachable(self, message: PeerUnreachable) -> Sequence[Step]:
        """What nodes there have in hand for us would not come back: it goes elsewhere."""
        left = [job for job in self._jobs.open_jobs if job.node_instance == message.instance_id]
        streams = self._jobs.streams.unreachable(message.instance_id)
        return [*streams] + [
            step
            for job in left
            if job.node_id is not None
            for step in self._jobs.undelivered(
                JobUndelivered(job.spec.job_id, job.attempt, job.node_id)
            )
        ]

    def _follow(self, job: OpenJob, at: Assigned) -> None:
        """Its node came to another instance: what is sent to it goes there, and it may answer."""
        job.node_instance = at.node_instance
        if job.sent_on:
            job.sent_on = _ANOTHER_SOCKET
        node = self._directory.node_at(at.node_instance, at.node_id)
        if node is not None and not job.awaits_audio:
            tell(node, KeepJob(self._directory.instance_id, job.spec, job.work, job.attempt))

    def expired(self, message: InstanceExpired) -> Sequence[Step]:
        """An instance's lease has lapsed."""
        return (self._reap(message.instance_id, message.cell),)

    def _reap(self, dead_id: InstanceId, cell: Cell) -> Step:
        def apply(reply: Reaped | Revived | Fenced) -> Sequence[Step]:
            if not isinstance(reply, Reaped):
                return ()
            if reply.finished:
                logger.info("cleared up after a dead instance", dead=dead_id)
            driven_on = self._jobs.node_lost(reply.jobs, cell)
            return (*driven_on, self._reap(dead_id, cell)) if reply.more else driven_on

        return Step(self._instances.reap(dead_id, cell=cell), apply)


def _waits(job: OpenJob, at: Assigned) -> bool:
    return job.attempt == at.attempt and job.node_id is None


def _is_at(job: OpenJob, at: Assigned) -> bool:
    return (job.attempt, job.node_id) == (at.attempt, at.node_id)
