"""What the actor of a link to another instance and its sockets tell each other."""

from typing import Any, Protocol

from actors.ports import Mailbox
from protocol.instances.link import Address
from protocol.value import value


class LinkWire(Protocol):
    """An open connection to another instance."""

    def send(self, frame: bytes) -> None:
        """Write a frame; one that cannot be written any more is sent again on the next wire."""

    def close(self) -> None:
        """End the connection after what was sent."""

    def abort(self) -> None:
        """End the connection without a word."""


@value
class Crossing:
    """Take this message to an actor of the other instance."""

    address: Address
    message: Any


@value
class LinkBeat:
    """Nothing was sent for a while: is anybody there?"""


@value
class FlushAsked:
    """To a link: answer `Flushed` when all that it was sent before has arrived, or cannot."""

    asker: Mailbox


@value
class Flushed:
    """One link has nothing under way of what it was sent before the question."""


@value
class LinkOpened:
    """The other instance answers."""

    wire: LinkWire
    link: str
    """Under which name it was called, see `Hello.link`."""
    received: int
    """How far this link had come before."""


@value
class LinkAcknowledged:
    """Everything up to this number has arrived."""

    wire: LinkWire
    seq: int


@value
class LinkFailed:
    """There is no connection, or no longer."""

    wire: LinkWire | None
    """None: none was made."""
    reason: str
    is_gone: bool = False
    """The instance has no lease any more: there will be no connection."""
    lease_left_ms: int | None = None
    """Until it counts as dead, if that is known."""
