"""What the scripts about sessions answer: values, matched on by whoever asked."""

from dataclasses import dataclass

from protocol.ids import InstanceId, JobId, NodeId, RequestId, SessionId
from storage.cells import FIRST, Cell
from storage.job import JobState


@dataclass(frozen=True, slots=True)
class FollowingJob:
    """A job that is not final and follows its session to another owner."""

    job_id: JobId
    utterance_index: int
    state: JobState
    attempt: int
    node_id: NodeId | None
    """None while it waits."""
    node_instance: InstanceId | None
    node_stays: bool
    """False: its node has left, or has come back since, and may know nothing of the job."""
    due_in_ms: int
    deadline_in_ms: int
    cell: Cell = FIRST
    """The part of the store that has it."""
    stays_in_turn: bool = False
    """It is a segment whose turn is put together, or may be; else it is a job of its own."""


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """What became of an utterance, as the store keeps it: text, no speech."""

    cut: int
    """Number of the cut in its session, from 1; 0 for a session that cannot be resumed. Below 0 for
    what only others hear, in a room."""
    job_id: JobId
    utterance_index: int
    language: str
    outcome: str
    """JSON text; empty where it was delivered, and is not kept."""
    heard_key: RequestId | None = None
    """Key of what another member of its room spoke, which has no job of its own; None: its own."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The session belongs to the caller under this epoch."""

    epoch: int
    jobs: tuple[FollowingJob, ...] = ()
    """The session's jobs that are not final, in order; they follow the session to the caller."""
    session_state: str = ""
    """For who resumes: what the former owner left, as it wrote it."""
    outcomes: tuple[RecordedOutcome, ...] = ()
    """For who resumes: oldest first."""
    guest_of: tuple[Cell, ...] = ()
    """Other cells that may have jobs of it."""


@dataclass(frozen=True, slots=True)
class ClaimedGuest:
    """What a cell has of a session that is its guest."""

    jobs: tuple[FollowingJob, ...] = ()
    outcomes: tuple[RecordedOutcome, ...] = ()
    """For who resumes: oldest first."""


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session that may be resumed, by who shows one of its tokens."""

    epoch: int
    owner: InstanceId
    token_key: str
    """Tokens are made with it. Never logged or shown."""
    tokens_from: str
    """The lowest valid token; empty: every one that was ever made."""
    profile: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Sessions were compared with the store."""

    lost: tuple[SessionId, ...]
    """Those that another instance has."""
    unkept: tuple[SessionId, ...] = ()
    """Those whose record is gone or will be soon: to be claimed again."""


@dataclass(frozen=True, slots=True)
class UnknownSession:
    """There is no such session, or none that may be resumed."""


@dataclass(frozen=True, slots=True)
class ForgottenSession:
    """Nothing of it is kept in this cell any more."""

    outcomes: int
    """How many were."""


@dataclass(frozen=True, slots=True)
class OwnedSession:
    """A living instance has it; that instance has to end it."""


@dataclass(frozen=True, slots=True)
class LocatedSession:
    """An instance has the session, whoever may speak for it; it may be slow, or dying."""

    owner: InstanceId
    peer_url: str
    """Where other instances reach that one; empty: it has not published it."""


@dataclass(frozen=True, slots=True)
class LostSession:
    """No instance has the session, or it went with one."""

    others: int
    """Other instances that may be about to enter it; 0: none that could have it."""
