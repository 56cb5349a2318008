"""Messages for the move of a session from one instance to another.

As in `actors.messages.job`: commands in the imperative, facts in the past tense, values only.
"""

from actors.ports import Mailbox, Outbox
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import InstanceId, SessionId
from protocol.value import value
from storage.sessions import HeardEntry

# ---- SessionActor → DispatcherActor ---------------------------------------------------------


@value
class RecordSession:
    """Keep this of a session in the store; answered by `SessionRecorded` once it is there."""

    session: Mailbox
    session_id: SessionId
    session_state: str
    """As `SessionRecord.text` writes it."""
    tokens_from: str = ""
    """The lowest token that is valid; empty: as before."""
    end_seq: int = 0
    serial: int = 0
    """Counts the session's notes."""
    heard: tuple[HeardEntry, ...] = ()
    """What it is about to tell its client of others, in a room."""


@value
class SessionDrained:
    """The session ended here and may go on elsewhere: it stays in the store."""

    session_id: SessionId


# ---- DispatcherActor → SessionActor ---------------------------------------------------------


@value
class SessionRecorded:
    """What was to be kept is in the store."""

    end_seq: int
    """From `RecordSession`: audio before it will not be asked for again."""
    serial: int = 0
    """From `RecordSession`: so are all before it."""


@value
class SessionReleased:
    """The session belongs to another instance now: be quiet and go."""


@value
class OwnershipConfirmed:
    """The store was asked after the process stood still: the session is still its own."""

    stalls: int
    """`StallWatch.stalls` when it was asked."""


# ---- other instances, operators → SessionActor, DispatcherActor -----------------------------


@value
class ReleaseSession:
    """Another instance has claimed the session under this epoch."""

    session_id: SessionId
    epoch: int


@value
class OwnershipUnclear:
    """This process stood still: ask the store which sessions are still ours."""

    stalls: int


@value
class DrainRequested:
    """This instance goes away: finish what is open, then leave the session to another one."""

    reason: str
    reconnect_after_ms: int
    within_ms: float


# ---- gateway ↔ DispatcherActor --------------------------------------------------------------


@value
class ResumeRequested:
    """A client wants to go on with a session that is not here; answered by `ResumeAnswered`."""

    asker: Mailbox
    session_id: SessionId
    token: str
    credential: str
    """Tenant of the client's credential; empty without one."""
    outbox: Outbox
    last_delivery_seq: int


@value
class ResumeAnswered:
    """The session is here now and speaks on the socket that asked; or it cannot be had."""

    session_id: SessionId
    session: Mailbox | None = None
    use_binary_frame: bool = False
    code: ErrorCode = ErrorCode.INVALID_SESSION
    """Why not, without a session."""
    message: str = ""
    close_code: CloseCode | None = None


@value
class LocateSession:
    """A socket names a session that is not here; answered by `SessionLocated`."""

    asker: Mailbox
    session_id: SessionId


@value
class SessionLocated:
    """Where a session is that a socket has named."""

    session_id: SessionId
    owner: InstanceId | None = None
    """None: nowhere, or nobody knows."""
    peer_url: str = ""
    """Where other instances reach its owner."""
    is_store_away: bool = False
    """Nobody knows: the store does not answer."""


# ---- presence → gateway ---------------------------------------------------------------------


@value
class SessionFreed:
    """A session that somebody waits for has lost its socket, or has ended."""

    session_id: SessionId


# ---- gateway → SessionActor -----------------------------------------------------------------


@value
class SocketDraining:
    """The instance that passes this socket through goes away; the session does not."""

    outbox: Outbox
    reason: str
    reconnect_after_ms: int


CANNOT_RESUME = "this session cannot be resumed: send session_init without session_id"


@value
class SocketResumed:
    """A client came back to its session on this socket; its token was looked at before."""

    outbox: Outbox
    last_delivery_seq: int
    """The last outcome that the client has; 0: none."""
