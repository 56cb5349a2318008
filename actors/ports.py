"""What one part of the process may ask of another without knowing who it is."""

from enum import Enum, auto
from typing import Any, Protocol

from protocol.wire import WireMessage


class Mailbox(Protocol):
    """Where a message can be left: an actor's ref, or a test's recorder."""

    def tell(self, message: Any) -> None:
        """Leave a message; never blocks. An actor's ref raises ActorDeadError once it is dead."""


class AudioFlow(Enum):
    """How the audio of a session comes from its socket."""

    METERED = auto()
    """As fast as a session may send audio."""
    OWN_PACE = auto()
    """As it comes: it is converted, no faster than that, and the session sees to the rest."""
    HELD = auto()
    """Not at all: what came before is still being converted."""


class SocketJobs:
    """How many jobs wait for a node of all sessions that were opened on one socket."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting = 0

    def __repr__(self) -> str:
        return f"<SocketJobs {self.waiting} waiting>"


class Outbox(Protocol):
    """The way out to one peer's socket. Never blocks; the gateway bounds what waits in it."""

    @property
    def owner(self) -> str:
        """Whose share of the process the peer takes: a tenant's, or an address; empty: nobody's."""

    @property
    def jobs(self) -> SocketJobs:
        """What the sessions opened on this socket have waiting, closed ones included."""

    @property
    def is_backed_up(self) -> bool:
        """True while so much waits for the peer that what can be sent later should be."""

    @property
    def is_unread(self) -> bool:
        """True while what the peer has sent waits to be read: its silence means nothing then."""

    @property
    def is_heard(self) -> bool:
        """True if anything came from the peer since `probe`, or waits to be read."""

    def set_flow(self, flow: AudioFlow) -> None:
        """Read the peer's audio like this from now on."""

    def probe(self) -> None:
        """Ask the peer for a sign of life."""

    def send(self, message: WireMessage | bytes) -> bool:
        """Write a wire message; False when the socket is gone or closing.

        Bytes are a message that `protocol.encode` has written.
        """

    def send_frame(self, head: bytes, body: bytes, most_unsent_bytes: int) -> bool:
        """Write a binary message of two parts, neither copied.

        False when the socket is gone, or more than this waits for the peer already.
        """

    def close(self, code: int, reason: str) -> None:
        """Close the socket after what was sent."""
