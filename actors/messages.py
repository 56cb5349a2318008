"""Everything that actors of one process tell each other.

Commands stand in the imperative (`AssignJob`), facts in the past tense (`ChunkArrived`). All carry
values only and never change. Audio is the session's, and travels in `UtteranceCut` and `AssignJob`.
"""

from actors.node_load import Languages
from actors.ports import Mailbox, Outbox
from protocol.audio import AudioFormat
from protocol.errors import MissingReason
from protocol.ids import NO_INSTANCE, InstanceId, JobId, NodeId, SessionId, TraceId, TurnId
from protocol.node_inbound import JobResult, NodeHeartbeat, NodeRegister
from protocol.session_inbound import Utterance
from protocol.shared import Features, Pipeline
from protocol.value import value
from protocol.wire import WireMessage
from storage.cells import Cell
from storage.job import JobSpec, JobState
from storage.sessions import Claim

# ---- gateway → SessionActor -----------------------------------------------------------------


@value
class ChunkArrived:
    """A piece of uplink audio, or the end-of-utterance mark."""

    audio: bytes
    """Framed opus packets or PCM16; may be empty. Owned by the session from here on."""
    seq: int
    is_final: bool
    client_timestamp_ms: int | None = None


@value
class UtteranceArrived:
    """A whole utterance in one message."""

    message: Utterance


@value
class ClientBeat:
    """`client_heartbeat`."""

    timestamp: int
    last_delivery_seq: int | None = None


@value
class PlaybackStarted:
    """The client began to play speech: its microphone is off."""

    group_id: str


@value
class PlaybackEnded:
    """The client stopped playing speech."""

    group_id: str
    ended_at_ms: int
    """The client's clock, Unix ms."""


@value
class CloseRequested:
    """End the session: cut what was said so far, flush, free everything."""

    reason: str
    acknowledge: bool
    """Answer with `session_close_ack` when all is done."""
    within_ms: float | None = None
    """What has no outcome by then is cancelled; None: `close_flush_ms`."""
    reconnect_after_ms: int | None = None
    """Set on shutdown: the client is told to come back."""


@value
class SocketLost:
    """The session's socket is gone; the grace period begins."""

    outbox: Outbox
    """Which one: a session that moved to another socket is not detached by its old one's end."""


@value
class SocketAttached:
    """A socket without a session of its own took over a detached session."""

    outbox: Outbox


# ---- SessionActor → DispatcherActor ---------------------------------------------------------


@value
class Work:
    """What a node is told of an utterance besides ids and audio (`job_assign` on the wire)."""

    source: str
    target: str
    audio_format: AudioFormat
    sample_rate_hz: int
    padding_ms: int
    pipeline: Pipeline
    trace_id: TraceId
    turn_id: TurnId
    is_manual_cut: bool = False
    is_timeout_triggered: bool = False
    is_max_duration_triggered: bool = False
    dialect: str | None = None
    features: Features | None = None
    mode: str | None = None
    lang_a: str | None = None
    lang_b: str | None = None
    auto_langs: tuple[str, ...] | None = None
    enable_streaming_asr: bool = True
    partial_update_interval_ms: int = 1000
    group_id: str | None = None
    part_index: int | None = None
    context_text: str | None = None
    further_language: str | None = None
    """Set on the second and later languages of one utterance: nodes see it in their ids."""


@value
class SessionOpened:
    """A session lives on this instance now."""

    session: Mailbox
    session_id: SessionId
    tenant_id: str
    claim: Claim | None = None  # None: nobody can resume the session


@value
class UtteranceCut:
    """An utterance wants a node: for the first time, or again with the audio asked for."""

    session: Mailbox
    spec: JobSpec
    work: Work
    audio: bytes
    attempt: int
    """0 when it is new; else the attempt for which `UtteranceWanted` asked."""
    session_state: str = ""  # with a new one: for another instance, see `SavedSession`


@value
class EndJob:
    """The owner ends a job without a result (session closed, cancelled by an operator)."""

    job_id: JobId
    state: JobState
    reason: MissingReason


@value
class SessionEnded:
    """The session is over; every job it had has its outcome."""

    session_id: SessionId


# ---- DispatcherActor → SessionActor ---------------------------------------------------------


@value
class SessionClaimed:
    """The store knows this instance as the session's owner."""

    epoch: int


@value
class JobQueued:
    """No node is free: the job waits."""

    job_id: JobId
    wait_ms_estimate: int


@value
class JobDispatched:
    """The job was handed to a node."""

    job_id: JobId
    attempt: int
    node_id: NodeId


@value
class JobProgressed:
    """The node says that it took the job or began with it."""

    job_id: JobId
    node_id: NodeId


@value
class UtteranceWanted:
    """A job goes to a node later or again: send its audio once more."""

    job_id: JobId
    attempt: int


@value
class JobEnded:
    """The job is final in the store: this is its one outcome."""

    job_id: JobId
    state: JobState
    reason: MissingReason | None
    """Set when there is no translation to deliver."""
    result: JobResult | None
    attempt: int
    node_id: NodeId | None


# ---- DispatcherActor ↔ NodeActor → SessionActor ---------------------------------------------


@value
class AssignJob:
    """Write this job to the node's socket; let go of the audio with it."""

    session: Mailbox
    """Who hears partial texts."""
    spec: JobSpec
    work: Work
    attempt: int
    audio: bytes
    session_name: int
    """Number of the name under which the node hears the session; the attempt, as a rule."""
    owner: InstanceId = NO_INSTANCE  # drives the job; empty: this one


@value
class ResultReplaced:
    """A full result came after an empty one of the same attempt."""

    job_id: JobId
    result: JobResult


@value
class WithdrawJob:
    """The node need not go on with this attempt."""

    job_id: JobId
    attempt: int
    reason: str | None
    """None: it owes no answer any more; it is not told, only forgotten."""


@value
class NodeAccepted:
    """The store registered the node under this epoch."""

    epoch: int


@value
class NodeUnknown:
    """The store does not know the node any more (lost data, lapsed lease): register again."""

    epoch: int


@value
class NodeArrived:
    """A node wants to register, or to register anew with what changed."""

    node: Mailbox
    node_id: NodeId
    languages: Languages
    max_jobs: int
    info: dict[str, str]
    connection: int = 1
    """How many sockets it has spoken on since it was last lost."""
    known_epoch: int = 0  # see `NodeRegistration`


@value
class NodeChanged:
    """A heartbeat carried other languages than before."""

    node_id: NodeId
    epoch: int
    languages: Languages


@value
class NodeBeat:
    """A node is alive; its load decides whether others are preferred."""

    node_id: NodeId
    epoch: int
    overloaded: bool


@value
class NodeLost:
    """The node's socket closed, or it was silent for too long."""

    node_id: NodeId
    epoch: int
    cell: Cell | None = None
    """The part of the store that it is registered in, where the sender knows it."""


@value
class JobAccepted:
    """The node acknowledged or began a job."""

    job_id: JobId
    attempt: int
    node_id: NodeId
    started: bool


@value
class ResultArrived:
    """A node answered a job; whether it still counts, the store decides."""

    job_id: JobId
    attempt: int
    node_id: NodeId
    result: JobResult


@value
class JobUndelivered:
    """The assignment could not be written to the node's socket."""

    job_id: JobId
    attempt: int
    node_id: NodeId


@value
class PartialArrived:
    """Recognised text so far."""

    job_id: JobId
    attempt: int
    text: str
    is_final: bool


# ---- gateway → NodeActor --------------------------------------------------------------------


@value
class NodeRegistering:
    """`node_register` on this socket."""

    message: NodeRegister
    outbox: Outbox


@value
class NodeHeartbeatArrived:
    """`node_heartbeat`."""

    message: NodeHeartbeat


@value
class NodeSaid:
    """Any other message of the node: results, partial texts, acknowledgements, errors."""

    message: WireMessage


@value
class NodeSocketLost:
    """The node's socket is gone."""

    outbox: Outbox


# ---- life of the process --------------------------------------------------------------------


@value
class DispatcherRestarted:
    """A dispatcher took over: sessions tell it again what is open."""


@value
class StoreEmptied:
    """The store has lost its data: who has something in it puts it there again."""
