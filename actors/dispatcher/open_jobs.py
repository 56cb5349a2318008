"""OpenJobs: what the dispatcher remembers of the jobs it drives. Metadata only, never audio."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from actors.messages.job import ResultArrived, Work
from actors.ports import Mailbox
from actors.verdict import Verdict
from protocol.errors import MissingReason
from protocol.ids import NO_INSTANCE, InstanceId, JobId, NodeId, SessionId
from storage.cells import FIRST, Cell
from storage.job import JobSpec, Slot


@dataclass(slots=True)
class OpenJob:
    """A job without an outcome. The store decides its state; this is what its last reply was."""

    session: Mailbox
    spec: JobSpec
    work: Work
    attempt: int = 1
    node_id: NodeId | None = None
    """None while it waits for a node."""
    node_instance: InstanceId = NO_INSTANCE
    """Where that node is connected."""
    cell: Cell = FIRST
    """The part of the store that has it: the session's home, or where it was lent to."""
    since_ms: float = 0.0
    """Monotonic ms: when it was cut."""
    verdict: Verdict | None = None
    """What its node's answer in this attempt meant; None until it came."""
    awaits_audio: bool = False
    """It has its place; its session was asked for the audio, which is not here yet."""
    sent_on: int = 0
    """The node's connection on which this attempt was written; 0: it was not."""
    is_moving: bool = False
    """This attempt was given up and the next one is not known yet: no answer counts."""
    moved_because: MissingReason = MissingReason.NODE_LOST
    """How its last attempt ended, if one did."""
    is_of_turn: bool = field(init=False)
    """It is one of several segments of a turn that its node puts together."""
    brought: ResultArrived | None = None
    """The text of a turn that goes on, as far as the node has sent it."""

    def __post_init__(self) -> None:
        self.is_of_turn = self.spec.turn_continues or self.spec.turn_part > 0

    def place(
        self, attempt: int, node_id: NodeId | None, node_instance: InstanceId | None = None
    ) -> None:
        """Note where the store has it now; answers of other attempts do not count any more."""
        if node_instance is not None:
            self.node_instance = node_instance
        if (attempt, node_id) != (self.attempt, self.node_id):
            self.attempt, self.node_id, self.verdict = attempt, node_id, None
            self.awaits_audio, self.sent_on, self.brought = False, 0, None

    @property
    def job_id(self) -> JobId:
        """The job's id."""
        return self.spec.job_id


class OpenJobs:
    """The open jobs by id, and segments of turns by slot in their order.

    Invariant: a segment is in its slot's list exactly while it is in the table.
    """

    def __init__(self) -> None:
        self.by_id: dict[JobId, OpenJob] = {}
        """Read by who holds them; changed here."""
        self._by_slot: dict[Slot, list[JobId]] = {}

    def __len__(self) -> int:
        return len(self.by_id)

    def __contains__(self, job_id: JobId) -> bool:
        return job_id in self.by_id

    def __iter__(self) -> Iterator[OpenJob]:
        return iter(self.by_id.values())

    @property
    def open_slots(self) -> int:
        """How many slots at nodes these jobs take."""
        return len({job.spec.slot for job in self if job.node_id is not None})

    def at_node(self, node_id: NodeId) -> frozenset[JobId]:
        """Return the jobs that stand at a node; looks at all of them."""
        return frozenset(job_id for job_id, job in self.by_id.items() if job.node_id == node_id)

    def get(self, job_id: JobId) -> OpenJob | None:
        """Return the job, or None when it is not open here."""
        return self.by_id.get(job_id)

    def add(self, job: OpenJob) -> OpenJob:
        """Remember the job; one that is known already keeps its entry."""
        spec = job.spec
        known = self.by_id.setdefault(spec.job_id, job)
        if known is job and job.is_of_turn:
            self._by_slot.setdefault(spec.slot, []).append(spec.job_id)
        return known

    def adopt(self, jobs: "OpenJobs") -> None:
        """Take over where jobs stand from who drove them before, nothing that was under way."""
        for job in jobs:
            self.add(replace(job, verdict=None, awaits_audio=False, is_moving=False))

    def stand_alone(self, job: OpenJob) -> None:
        """Make a segment a job of its own: its node does not put its turn together."""
        self._leave_slot(job)
        job.spec = job.spec.alone()
        job.work = job.work.alone(job.spec.turn_id)
        job.is_of_turn = False

    def _leave_slot(self, job: OpenJob) -> None:
        slot = job.spec.slot
        in_slot = self._by_slot[slot]
        in_slot.remove(job.spec.job_id)
        if not in_slot:
            del self._by_slot[slot]

    def remove(self, job_id: JobId) -> OpenJob | None:
        """Forget the job; None when it was not open."""
        job = self.by_id.pop(job_id, None)
        if job is not None and job.is_of_turn:
            self._leave_slot(job)
        return job

    def forget_session(self, session_id: SessionId) -> None:
        """Forget the jobs of a session that lives elsewhere now."""
        gone = [job.spec.job_id for job in self if job.spec.session_id == session_id]
        for job_id in gone:
            self.remove(job_id)

    def is_behind(self, job: OpenJob) -> bool:
        """Return whether an earlier segment of the turn has not been sent to where this one goes.

        A node that hears a segment before its predecessor cannot put them together any more.
        """
        return not all(self.are_together(earlier, job) for earlier in self.earlier_in_turn(job))

    def left_behind(self, job: OpenJob) -> OpenJob | None:
        """Return the first earlier segment of the turn that was sent to another node than this."""
        for earlier in self.earlier_in_turn(job):
            elsewhere = earlier.node_id is not None and earlier.node_id != job.node_id
            if elsewhere and earlier.sent_on > 0 and not earlier.is_moving:
                return earlier
        return None

    @staticmethod
    def are_together(sent: OpenJob, other: OpenJob) -> bool:
        """Return whether the other's node has this one, under the same name of their turn."""
        same = (sent.node_id, sent.attempt) == (other.node_id, other.attempt)
        return same and sent.sent_on > 0 and not sent.is_moving

    def earlier_in_turn(self, job: OpenJob) -> list[OpenJob]:
        """Return the open jobs of the same turn and language cut before this one, in order."""
        part = job.spec.turn_part
        if not part:
            return []
        return [other for other in self.in_slot(job) if other.spec.turn_part < part]

    def later_in_turn(self, job: OpenJob) -> list[OpenJob]:
        """Return the open jobs of the same turn and language cut after this one, in order."""
        return [other for other in self.in_slot(job) if other.spec.turn_part > job.spec.turn_part]

    def with_turn(self, job: OpenJob) -> list[OpenJob]:
        """Return what has to move with the job: all of its slot that stand where it stands."""
        return [other for other in self.in_slot(job) if other.node_id == job.node_id]

    def in_slot(self, job: OpenJob) -> list[OpenJob]:
        """Return all open jobs of the job's slot, itself included, in order of their segments."""
        if not job.is_of_turn:
            return [job] if job.job_id in self.by_id else []
        jobs = [self.by_id[job_id] for job_id in self._by_slot.get(job.spec.slot, ())]
        return sorted(jobs, key=lambda other: other.spec.turn_part) if len(jobs) > 1 else jobs
