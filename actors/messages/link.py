"""What the actor of a link to another instance and its sockets tell each other."""

from dataclasses import dataclass
from typing import Any, Protocol

from actors.ports import Mailbox
from protocol.peer import Address


class LinkWire(Protocol):
    """An open connection to another instance."""

    def send(self, frame: bytes) -> None:
        """Write a frame; one that cannot be written any more is sent again on the next wire."""

    def close(self) -> None:
        """End the connection after what was sent."""

    def abort(self) -> None:
        """End the connection without a word."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Take this message to an actor of the other instance."""

    address: Address
    message: Any


@dataclass(frozen=True, slots=True)
class LinkBeat:
    """Nothing was said for a while: is anybody there?"""


@dataclass(frozen=True, slots=True)
class FlushAsked:
    """To a link: answer `Flushed` when all that it was told before has arrived, or cannot."""

    asker: Mailbox


@dataclass(frozen=True, slots=True)
class Flushed:
    """One link has nothing under way of what it was told before the question."""


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """The other instance answers."""

    wire: LinkWire
    link: str
    """Under which name it was called, see `Hello.link`."""
    received: int
    """How far this link had come before."""


@dataclass(frozen=True, slots=True)
class LinkAcknowledged:
    """Everything up to this number has arrived."""

    wire: LinkWire
    seq: int


@dataclass(frozen=True, slots=True)
class LinkFailed:
    """There is no connection, or no longer."""

    wire: LinkWire | None
    """None: none was made."""
    reason: str
    is_gone: bool = False
    """The instance has no lease any more: there will be no connection."""
    lease_left_ms: int | None = None
    """Until it counts as dead, if that is known."""
