"""A job: what the store knows of one utterance in one target language. Never any audio."""

from dataclasses import dataclass, replace
from enum import StrEnum

from protocol.ids import InstanceId, JobId, NodeId, RequestId, SessionId
from protocol.value import value


class JobState(StrEnum):
    """The only words for a job's state: in Lua, API, metrics and logs."""

    CREATED = "created"
    QUEUED = "queued"
    ASSIGNED = "assigned"
    RUNNING = "running"
    DONE = "done"
    EMPTY = "empty"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobStep(StrEnum):
    """What a node may say of an assigned job before its result."""

    ACCEPTED = "accepted"
    """Noted in the timeline; the state stays `assigned`."""
    RUNNING = "running"


Slot = tuple[str, str, str]
"""What takes one place at a node: a turn of a session in one language."""
FINAL_STATES = frozenset({JobState.DONE, JobState.EMPTY, JobState.FAILED, JobState.CANCELLED})


@value
class JobSpec:
    """What a dispatch needs to know of a job. All times are durations in ms from now."""

    job_id: JobId
    """Proposed id; a repeated request keeps its first one."""
    request_id: RequestId
    """`session:index:language`; binds repetitions to one job."""
    session_id: SessionId
    session_epoch: int
    utterance_index: int
    language: str
    """Target language of this job."""
    source: str
    """Source language as asked for (`auto` allowed)."""
    requirement: str
    """Capability atoms a node must have, see `storage.capability`."""
    preference: str
    """An atom that decides between equals (speech in the target language), or empty."""
    turn_id: str
    turn_part: int
    """0 for the first segment of a turn."""
    turn_continues: bool
    """True when this segment was cut by `max_duration`: the turn goes on."""
    tenant_id: str
    trace_id: str
    cost_ms: int
    """Length of the audio: what the job costs its session in virtual time."""
    deadline_in_ms: int
    """No wait or retry extends the job's life beyond this."""
    cut: int = 0
    """Number of the cut in its session, from 1; 0 where nobody can resume the session; below 0 for
    what only others hear."""

    start_ms: int = 0
    """Where its audio begins in that of its session; it is `cost_ms` long."""

    @property
    def lies_at_ms(self) -> tuple[int, int]:
        """Where its audio begins and ends in that of its session."""
        return self.start_ms, self.start_ms + self.cost_ms

    @property
    def slot(self) -> Slot:
        """What it takes at a node, together with the other segments of its turn."""
        return (self.session_id, self.turn_id, self.language)

    @property
    def is_of_turn(self) -> bool:
        """Whether it is one of several segments of a turn."""
        return self.turn_continues or self.turn_part > 0

    def alone(self) -> "JobSpec":
        """Return this segment as a job of its own: its turn is not put together at a node.

        The scripts name it in the same way (`stand_alone`).
        """
        turn_id = f"{self.turn_id}.{self.turn_part}"
        return replace(self, turn_id=turn_id, turn_part=0, turn_continues=False)

    @property
    def is_recorded(self) -> bool:
        """Whether the outcome is kept for who resumes the session."""
        return self.cut != 0


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One step of a job's life."""

    event: str
    at_ms: int
    """The store's clock, Unix ms."""
    attempt: int
    node_id: NodeId | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as read back from the store."""

    job_id: JobId
    request_id: RequestId
    session_id: SessionId
    utterance_index: int
    language: str
    source: str
    requirement: str
    state: JobState
    attempt: int
    node_id: NodeId | None
    owner_instance: InstanceId
    turn_id: str
    tenant_id: str
    trace_id: str
    reason: str | None
    """Why it failed or is empty; None otherwise."""
    excluded_nodes: tuple[NodeId, ...]
    created_at_ms: int
    deadline_at_ms: int
    due_at_ms: int
    """When it must have ended or is driven on; 0 when it is final."""
    turn_part: int
    replaced: bool
    """A full result replaced the empty one before it was delivered."""
    timeline: tuple[TimelineEntry, ...]
