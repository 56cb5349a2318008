"""What actors tell each other because there is more than one instance.

Links, what crosses them besides what stands in `messages`, and notes that other instances leave in
the store. All are frozen and carry values only.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from actors.messages import Work
from actors.ports import Mailbox
from protocol.ids import InstanceId, JobId, NodeId
from protocol.peer import Address
from storage.job import JobSpec
from storage.replies import Note, Released


class LinkWire(Protocol):
    """An open connection to another instance."""

    def send(self, frame: bytes) -> None:
        """Write a frame; one that cannot be written any more is sent again on the next wire."""

    def close(self) -> None:
        """End the connection after what was sent."""

    def abort(self) -> None:
        """End the connection without a word."""


# ---- anybody → LinkActor --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crossing:
    """Take this message to an actor of the other instance."""

    address: Address
    message: Any


# ---- LinkActor → the other end --------------------------------------------------------------


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


# ---- gateway → LinkActor --------------------------------------------------------------------


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


# ---- LinkActor → InstanceActor --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeerSuspected:
    """Another instance does not answer: look at its lease when it ends."""

    instance_id: InstanceId
    lease_left_ms: int


# ---- LinkActor → DispatcherActor ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeerUnreachable:
    """An instance does not answer any more, so nothing comes back from its nodes either."""

    instance_id: InstanceId


# ---- InstanceActor → NodeActor --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InstanceReaped:
    """Others took this instance for dead: jobs of theirs that our nodes had go elsewhere."""


# ---- MailboxActor → DispatcherActor ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoteArrived:
    """Another instance's script did something to a job or a session of ours."""

    note: Note | Released


# ---- DispatcherActor ↔ NodeActor ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepJob:
    """The node had this job before it came to this instance: its answer is wanted still."""

    owner: InstanceId
    """Whom to tell of it."""
    spec: JobSpec
    work: Work
    attempt: int


@dataclass(frozen=True, slots=True)
class NodeSuperseded:
    """The node is connected to another instance by now; the socket here is an old one."""


@dataclass(frozen=True, slots=True)
class SlotsWanted:
    """The node has more in hand than it may: which of it holds a slot?"""

    node_id: NodeId
    epoch: int


@dataclass(frozen=True, slots=True)
class SlotsListed:
    """The jobs that hold the node's slots in the store."""

    jobs: frozenset[JobId] | None
    """None: the node is registered under another epoch by now."""
