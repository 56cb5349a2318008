"""Arrivals: what other instances send, to the actors here.

It owns who gets what. An assignment that cannot be delivered is answered, because its job must go
elsewhere; it is not delivered without a lease, because its job may have gone elsewhere already.
"""

from collections.abc import Callable
from typing import Any

from actors.directory import Directory
from actors.lease import Lease
from actors.messages.job import AssignJob, JobUndelivered
from actors.messages.link import LinkBeat
from actors.metrics import Metrics
from actors.ports import Mailbox
from actors.runtime.actor import tell
from protocol.ids import InstanceId, NodeId, SessionId
from protocol.instances.link import Address, Place


class Arrivals:
    """For the loop's thread. Never blocks, never raises for a message that nobody takes."""

    def __init__(
        self,
        directory: Directory,
        lease: Lease,
        metrics: Metrics,
        now_ms: Callable[[], float],
        operations: Mailbox | None = None,
    ) -> None:
        self._directory = directory
        self._lease = lease
        self._metrics = metrics
        self._now_ms = now_ms
        self._operations = operations

    def take(self, sender: InstanceId, address: Address, message: Any) -> None:
        """Hand a message to its actor."""
        if isinstance(message, LinkBeat):
            return  # to have received it is the answer
        if isinstance(message, AssignJob) and not self._lease.holds(self._now_ms()):
            self._undelivered(sender, address, message)
            return
        actor = self._actor(address)
        if actor is not None and tell(actor, message):
            return
        if isinstance(message, AssignJob):
            self._undelivered(sender, address, message)
        else:
            self._metrics.link_dropped()

    def _actor(self, address: Address) -> Mailbox | None:
        match address.place:
            case Place.NODE:
                return self._directory.nodes.get(NodeId(address.key))
            case Place.SESSION:
                return self._directory.sessions.get(SessionId(address.key))
            case Place.DISPATCHER:
                return self._directory.dispatcher
            case Place.OPERATIONS:
                return self._operations

    def _undelivered(self, sender: InstanceId, address: Address, message: AssignJob) -> None:
        answer = JobUndelivered(message.spec.job_id, message.attempt, NodeId(address.key))
        owner = self._directory.dispatcher_at(sender)
        if owner is not None:
            tell(owner, answer)
