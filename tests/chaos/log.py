"""What peers see on their wires during a chaos run: the only thing that the oracle knows.

Every event has a monotonic time and was logged by the peer itself: before it sent, after it
heard. So "heard before sent" in the log is so in truth, whoever logged which.
"""

from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.peers.audio import Speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a peer said, heard or suffered."""

    at: float
    """Seconds on the monotonic clock of the run."""


# ---- clients ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent(Event):
    """Of one session."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(SessionEvent):
    """The ack of a new session came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechBegan(SessionEvent):
    """The first bytes of an utterance are about to be sent."""

    index: int
    speech: Speech


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded(SessionEvent):
    """The last bytes of an utterance are about to be sent: it is owed an outcome."""

    index: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeHeard(SessionEvent):
    """`translation_result` (no reason) or `missing_result`."""

    index: int
    delivery_seq: int
    reason: str | None = None
    late: bool = False
    text: str = ""
    """`text_asr`: which answer of a node this is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResumed(SessionEvent):
    """The ack of a resume came."""

    last_delivery_seq: int
    """What the client said it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRefused(SessionEvent):
    """The server does not know the session any more, or says so."""

    away_seconds: float
    """Since the client was last connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway(Event):
    """The server told a client to come back in a moment: it has too much to do, or no store."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAbandoned(SessionEvent):
    """The client lost its socket for good: what it said may be cut anywhere, nothing is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAsked(SessionEvent):
    """`session_close` is about to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAcked(SessionEvent):
    """`session_close_ack` came."""


# ---- nodes ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent(Event):
    """Of one node, on one of its connections."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeJoined(NodeEvent):
    """`node_register_ack` came."""

    capacity: int
    keeps_jobs: bool = False
    """Its former socket is still open and read: what it has in hand counts on."""
    is_sound: bool = True
    """It answers and lacks nothing: work must not wait beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLeft(NodeEvent):
    """Its socket is gone, or nothing that is sent on it arrives any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHeard(NodeEvent):
    """`job_assign` as the node reads it."""

    job_id: str
    attempt: int
    session: str
    index: int
    turn: str
    language: str
    digest: str
    size_bytes: int
    on_former_socket: bool = False
    """It came on a socket that the node had left for another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHeard(NodeEvent):
    """`job_assign` of what is still being spoken; `JobHeard` is what it is when it has ended."""

    job_id: str
    session: str
    turn: str
    language: str


class Answer(StrEnum):
    """What a node says about a job."""

    FULL = "full"
    """Text and translation: the job and what came before it in its turn are done."""
    EMPTY = "empty"
    """No text; a full result may follow."""
    TEXT_ONLY = "text_only"
    """Text without translation: a segment of a turn stays open."""
    FAILED = "failed"
    """An error."""
    FALSE = "false"
    """For a job of another node, or not as the first answer: it must reach nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAnswered(NodeEvent):
    """`job_result` is about to be sent."""

    job_id: str
    answer: Answer
    text: str
    """Unique among all answers of a run; empty where the answer has no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWithdrawn(NodeEvent):
    """`job_cancel` came."""

    job_id: str
    of_silent_node: bool = False
    """The node was silent: its jobs are to move, and what it answers before they do counts."""


# ---- the run ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed(Event):
    """A fault has begun on a session, a node, or for all (`*`): nothing is expected in time."""

    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed(Event):
    """That fault is over."""

    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLost(Event):
    """The store has forgotten all or some of what it knew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJumped(Event):
    """The store's clock was set: what is under way keeps the deadlines that it had by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint(Event):
    """A peer heard what nobody may say to it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick(Event):
    """Time passes."""


EVERYBODY = "*"
