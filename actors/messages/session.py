"""Messages to a session's actor about its client, and from it about its life."""

from actors.ports import Mailbox, Outbox
from protocol.ids import SessionId
from protocol.messages.session_inbound import SessionUpdate, Utterance
from protocol.value import value
from storage.sessions import Claim


@value
class ChunkArrived:
    """A piece of uplink audio, or the end-of-utterance mark."""

    audio: bytes
    """Framed opus packets or PCM16; may be empty. Owned by the session from here on."""
    seq: int
    is_final: bool
    client_timestamp_ms: int | None = None
    opus_ticks: int | None = None
    """Its length in 1/48000 s if it is framed opus, 0 if it is not; None where nobody looked."""


@value
class AudioConverted:
    """Some PCM16 16 kHz mono of a stream that a converter has."""

    stream: int
    audio: bytes
    is_answer: bool
    """All of the oldest piece that was fed, and not answered, is converted."""


@value
class ConversionFailed:
    """A stream that a converter has comes to nothing more."""

    stream: int
    why: str
    is_lost: bool = False
    """The converter is gone: nothing else is answered."""


@value
class UtteranceArrived:
    """A whole utterance in one message."""

    message: Utterance


@value
class ClientBeat:
    """`client_heartbeat`."""

    last_delivery_seq: int | None = None


@value
class UpdateRequested:
    """`session_update`: cut what was spoken, then ask for something else."""

    message: SessionUpdate


@value
class CancelRequested:
    """`utterance_cancel`; None: what was spoken since the last cut."""

    utterance_index: int | None


@value
class PlaybackStarted:
    """The client began to play speech: its microphone is off."""

    group_id: str


@value
class PlaybackEnded:
    """The client stopped playing speech."""

    group_id: str


@value
class CloseRequested:
    """End the session: cut the speech so far, flush, free everything."""

    reason: str
    acknowledge: bool
    """Answer with `session_close_ack` when all is done."""
    within_ms: float | None = None
    """What has no outcome by then is cancelled; None: `close_flush_ms`."""
    reconnect_after_ms: int | None = None
    """Set on shutdown: the client is asked to come back."""
    forgets: bool = False
    """Nobody may come back for what it has not heard."""


@value
class SocketLost:
    """The session's socket is gone; the grace period begins."""

    outbox: Outbox
    """Which one: a session that moved to another socket is not detached by its old one's end."""


@value
class GraceRevoked:
    """More sessions wait for their clients than may: this one waits no longer."""


@value
class SocketAttached:
    """A socket without a session of its own took over a detached session."""

    outbox: Outbox


@value
class SessionOpened:
    """A session lives on this instance now."""

    session: Mailbox
    session_id: SessionId
    tenant_id: str
    claim: Claim | None = None  # None: nobody can resume the session


@value
class SessionEnded:
    """The session is over; every job it had has its outcome."""

    session_id: SessionId


@value
class SessionClaimed:
    """The store knows this instance as the session's owner."""

    epoch: int


@value
class SessionRefused:
    """To a session: the dispatcher fails whenever it takes it on, so it cannot go on."""
