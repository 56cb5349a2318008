"""LinkedMailboxes: the ways to actors of other instances, one link each, made when first needed.

It owns which links there are and which instances cannot be reached at the moment, and what becomes
of messages that did not arrive: an assignment is undelivered, a result is looked up again by the
dispatcher; of anything else the sender has no need to know.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from actors.directory import Directory
from actors.instance.links.window import UnderWay
from actors.messages.job import AssignJob, JobUndelivered, ResultArrived
from actors.messages.link import Crossing, FlushAsked, LinkBeat
from actors.messages.process import PeerSuspected, PeerUnreachable
from actors.metrics import Metrics
from actors.ports import Mailbox
from actors.runtime.actor import tell
from protocol.ids import InstanceId, NodeId, SessionId
from protocol.instances.link import DISPATCHER, OPERATIONS, Address, Hello, LinkMessage, Place


class PeerEdge(Protocol):
    """The sockets and the encoding of links; the gateway's part."""

    def dial(self, hello: Hello, link: Mailbox) -> None:
        """Make a connection; tell the link `LinkOpened` or `LinkFailed`, later."""

    def pack(self, address: Address, message: Any) -> LinkMessage:
        """Return a message as it crosses."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A mailbox on another instance."""

    link: Mailbox
    address: Address

    def tell(self, message: Any) -> None:
        """Send the message on its way."""
        self.link.tell(Crossing(self.address, message))


class LinkedMailboxes:
    """Implements `RemoteMailboxes` and `LinkContext`. For the loop's thread."""

    def __init__(self, directory: Directory, edge: PeerEdge, metrics: Metrics) -> None:
        self.instance_id = directory.instance_id
        self.metrics = metrics
        self.start_link: Callable[[InstanceId], Mailbox] | None = None
        """Starts the LinkActor of an instance; None: links are not open yet, or no longer."""
        self.on_suspicion: Callable[[PeerSuspected], object] = lambda _suspicion: None
        self.dial = edge.dial
        self.pack = edge.pack
        self._directory = directory
        self._links: dict[InstanceId, Mailbox] = {}
        self._unreachable: set[InstanceId] = set()

    def __repr__(self) -> str:
        return f"<LinkedMailboxes links={list(self._links)} unreachable={list(self._unreachable)}>"

    @property
    def links(self) -> int:
        """How many instances there is a link to."""
        return len(self._links)

    # ---- ways -------------------------------------------------------------------------------

    def session(self, instance_id: InstanceId, session_id: SessionId) -> Mailbox | None:
        """Return the way to a session's actor; None if there is no way to its instance."""
        return self._way(instance_id, Address(Place.SESSION, session_id))

    def node(self, instance_id: InstanceId, node_id: NodeId) -> Mailbox | None:
        """Return the way to a node's actor; None if there is no way to its instance."""
        return self._way(instance_id, Address(Place.NODE, node_id))

    def dispatcher(self, instance_id: InstanceId) -> Mailbox | None:
        """Return the way to an instance's dispatcher; None if there is none."""
        return self._way(instance_id, DISPATCHER)

    def operations(self, instance_id: InstanceId) -> Mailbox | None:
        """Return the way to an instance's `Operations`; None if there is none."""
        return self._way(instance_id, OPERATIONS)

    def _way(self, instance_id: InstanceId, address: Address) -> Mailbox | None:
        if not instance_id or instance_id in self._unreachable:
            return None
        link = self._links.get(instance_id)
        if link is None:
            if self.start_link is None:
                return None
            link = self._links[instance_id] = self.start_link(instance_id)
        return _Way(link, address)

    def flush(self, asker: Mailbox) -> int:
        """Have each link answer `Flushed` when all it was sent has arrived; return how many."""
        return sum(tell(link, FlushAsked(asker)) for link in list(self._links.values()))

    # ---- what links need -----------------------------------------------------------------------

    def reachable(self, peer: InstanceId, *, is_reachable: bool) -> None:
        """Note whether sending there makes sense."""
        if is_reachable:
            self._unreachable.discard(peer)
        else:
            self._unreachable.add(peer)
            tell(self._directory.dispatcher, PeerUnreachable(peer))

    def suspect(self, suspicion: PeerSuspected) -> None:
        """Have the peer's lease looked at."""
        self.on_suspicion(suspicion)

    def link_ended(self, peer: InstanceId, link: Mailbox) -> None:
        """Forget the link."""
        if self._links.get(peer) is link:
            del self._links[peer]

    def hand_back(self, entries: Sequence[UnderWay]) -> None:
        """Tell the dispatcher of what did not arrive, as far as somebody waits for it."""
        for entry in entries:
            match entry.message:
                case AssignJob() as assignment:
                    node_id = NodeId(entry.address.key)
                    job_id, attempt = assignment.spec.job_id, assignment.attempt
                    undelivered = JobUndelivered(job_id, attempt, node_id)
                    tell(self._directory.dispatcher, undelivered)
                case ResultArrived() as result:
                    tell(self._directory.dispatcher, result)
                case LinkBeat():
                    continue
                case _:
                    pass
            self.metrics.link_dropped()
