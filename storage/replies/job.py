"""What the scripts answer, as values to match on.

One frozen dataclass per word of a script's RETURNS line. Refusals are values, never exceptions.
"""

from dataclasses import field
from enum import StrEnum

from protocol.ids import InstanceId, JobId, NodeId, SessionId
from protocol.value import value
from storage.cells import FIRST, Cell
from storage.job import JobState
from storage.room import Seat


@value
class Assigned:
    """The job has a slot on a node (from a dispatch, a fail-over or a hand-over)."""

    job_id: JobId
    attempt: int
    node_id: NodeId
    node_instance: InstanceId
    node_epoch: int
    due_in_ms: int
    """Milliseconds until the job must have ended or is driven on."""
    handovers: "tuple[Assigned, ...]" = ()
    """Of a fail-over or a dispatch: other jobs of the calling instance that got a slot with it."""
    stays_in_turn: bool = False
    """It is a segment whose turn is put together at the node; else it is a job of its own."""


@value
class Queued:
    """No capable node has a free slot: the job waits in the store."""

    job_id: JobId
    attempt: int
    position: int
    """0 for the next in its queue."""
    wait_ms_estimate: int
    """From the pace at which this queue moved lately; never above `due_in_ms`."""
    due_in_ms: int
    """Milliseconds until it has waited too long (for its turn's node, or at all)."""
    handovers: tuple[Assigned, ...] = ()
    """After a fail-over: waiting jobs of the calling instance that got the slot it left."""


@value
class Duplicate:
    """The request or the step was done before; nothing changed.

    For a job of one's own it says where the job is now, which is all that a lost reply held.
    """

    job_id: JobId
    state: JobState
    attempt: int
    node_id: NodeId | None
    node_instance: InstanceId | None
    node_epoch: int
    due_in_ms: int
    stays_in_turn: bool = False  # as in `Assigned`; also of a segment that waits


@value
class Busy:
    """A queue bound is reached (`max_queued_jobs` or `max_queued_per_session`); no job was made."""


@value
class Fenced:
    """The caller no longer owns what it wanted to change (instance, session or node epoch)."""


@value
class Completed:
    """The job is final now and its slot is free."""

    state: JobState
    handovers: tuple[Assigned, ...]
    """Waiting jobs of the calling instance that got the freed slot."""


@value
class GivenUp:
    """A fail-over found no attempt left; the job is final (`failed`)."""

    reason: str
    handovers: tuple[Assigned, ...]


@value
class Stale:
    """The attempt or the node is not the job's current one; nothing changed."""

    attempt: int


@value
class Gone:
    """The store does not know this job."""


@value
class Updated:
    """The job's progress or the record is noted."""


@value
class Registered:
    """The node is on-line under a fresh epoch; jobs that waited for it come with it."""

    epoch: int
    handovers: tuple[Assigned, ...]
    is_held: bool = False
    """An operator has drained it: it gets nothing."""


@value
class IdTaken:
    """A node of another credential has this id, and is there."""


@value
class Superseded:
    """The node is registered with another instance, later than the caller knew it."""

    owner_instance: InstanceId
    epoch: int


@value
class Located:
    """Where a job is: who drives it, and at which node in which attempt."""

    state: JobState
    attempt: int
    node_id: NodeId | None
    owner_instance: InstanceId
    owner_is_alive: bool
    """Else nobody drives it, until its session is claimed by somebody."""
    trace_id: str


@value
class SlotsHeld:
    """The jobs that hold a node's slots."""

    jobs: frozenset[JobId]


@value
class Beaten:
    """A batch of node heartbeats was applied."""

    unknown: tuple[NodeId, ...]
    """Nodes that the store does not know under this epoch: they must register again."""
    handovers: tuple[Assigned, ...]
    """Jobs of the calling instance that a lapsed penalty or a repaired wake-up gave a slot."""


@value
class OpenJob:
    """A job that is not final, as the store sees it."""

    job_id: JobId
    session_id: SessionId
    utterance_index: int
    state: JobState
    """`queued` for a segment that waited for this node in particular."""
    attempt: int
    owner_instance: InstanceId


@value
class NodeRemoved:
    """The node is off-line; its open jobs keep their state until their owners drive them on."""

    jobs: tuple[OpenJob, ...]
    """All of them, in order of session and index. Owners that are other instances have a note in
    their mailbox; the caller drives on its own."""


@value
class DueJob:
    """A job whose due time has passed."""

    job_id: JobId
    state: JobState
    attempt: int
    cause: str
    """`turn_wait`, `pending`, `job_timeout` or `deadline`."""


@value
class Swept:
    """What is due for one instance."""

    due: tuple[DueJob, ...]
    """Earliest first, then by utterance index: segments of a turn are failed over in this order."""
    handovers: tuple[Assigned, ...]
    next_due_in_ms: int | None
    """Until the earliest due time still in the index; None when nothing is open."""


@value
class Alive:
    """The instance's lease is renewed."""

    data_id: str
    """`gen`: another value than last time means that the store has lost its data."""
    expired_instances: tuple[InstanceId, ...]
    """To reap. Empty for a while after the caller's own lease had lapsed: then it was the caller
    or the store that stood still, and nobody can be judged."""
    expired_nodes: tuple[tuple[NodeId, int], ...]
    """Nodes of this instance without a heartbeat in time, with their epoch."""
    revived: bool = False
    """The store did not know this instance: it is its first beat, the data is lost, or somebody
    reaped it. Nodes must register and sessions be claimed again."""
    secret: str = field(default="", repr=False)
    """What instances on this store show each other, unless they are given one."""


@value
class Moved:
    """The session belongs to another instance by now: it is over for the caller."""

    owner: InstanceId | None = None


@value
class Taken:
    """Another process that is alive has this instance's id; nothing changed."""

    left_ms: int
    """Of its lease."""


@value
class Reaped:
    """One step of clearing up after a dead instance is done."""

    more: bool
    """True when another step finds work at once; otherwise the next second is early enough."""
    finished: bool
    """Nothing is left of the instance; it is out of the list."""
    jobs: tuple[OpenJob, ...]
    """Jobs of the caller that were on the dead instance's nodes: fail them over."""
    handovers: tuple[Assigned, ...]


@value
class Incompatible:
    """The store holds keys in another layout than this program's."""

    schema: str


@value
class Revived:
    """The instance to reap has renewed its lease; nothing changed."""


@value
class RoomState:
    """A room as it is now."""

    room_id: str
    version: int
    """Raised by every change of its seats."""
    left_ms: int
    """Until it is over, unless somebody speaks."""
    data_id: str
    """`gen` of the data set that it is in."""
    seats: tuple[Seat, ...]
    """By the time of joining; none: the last member has left and the room is gone."""


@value
class RoomTaken:
    """Another room has the code."""


@value
class RoomFull:
    """As many as may be are in the room."""


@value
class RoomExpired:
    """Nobody spoke for too long: the room was ended just now."""


@value
class RoomGone:
    """There is no such room."""

    data_id: str
    """Another one than before means that the store has lost the room, not that it is over."""


class NoteKind(StrEnum):
    """What another instance's script did to a job of ours."""

    ASSIGNED = "assigned"
    """It waited and has a slot now."""
    NODE_LOST = "node_lost"
    """Its node was taken off-line: it wants another one."""
    NODE_SICK = "node_sick"
    """A node here fails of what others can do; `due_in_ms`: until its trial."""
    NODE_MOVED = "node_moved"
    """Its node is connected to another instance now, and goes on with it."""
    STREAM_TAKEN = "stream_taken"
    """Its slot, which it had while it was spoken, went to one that waited."""


@value
class Note:
    """A note in this instance's mailbox."""

    kind: NoteKind
    job: Assigned
    """Where the job is, as of the note."""
    cell: Cell = FIRST
    """The part of the store that the job is in."""


@value
class Released:
    """A note in this instance's mailbox: another one has claimed a session that was ours."""

    session_id: SessionId
    epoch: int
    """Under which it is claimed."""


@value
class Counted:
    """The nodes of one cell, as far as a node that registers wants to know."""

    epoch: int
    """Under which the cell knows the node; 0: it does not."""
    alike: int
    """Nodes that can do exactly the same."""
    online: int


@value
class Placed:
    """Where a node that no cell knows is to be registered."""

    cell: Cell


@value
class Lent:
    """Another cell has the job: ask there."""

    cell: Cell


@value
class LeftCell:
    """The job has left its queue for another cell."""

    along: tuple[JobId, ...]
    """Waiting segments of its turn that left with it, in order; the caller moves them over."""


@value
class NoNode:
    """No capable node has a free slot here, and the job does not wait here."""


@value
class Surveyed:
    """What a cell could take."""

    free_slots: int
    """At capable nodes, about."""
