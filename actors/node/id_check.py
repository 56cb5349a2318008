"""IdCheck: two sockets claim one node id. Whoever was there first keeps it, if it is alive.

Here the first socket is asked for a sign of life; on another instance its actor is asked to do so.
Without one in `node_probe_ms` the second socket takes over.
"""

from math import inf

from loguru import logger

from actors.directory import Directory
from actors.messages.node import NodeIsAlive, NodeRegistering, ProbeNode
from actors.ports import Outbox
from actors.runtime.actor import tell
from protocol.errors import ErrorCode
from protocol.ids import InstanceId, NodeId
from protocol.messages.node_outbound import NodeRegisterAck
from protocol.messages.shared import ErrorDetail

_LOOKS = 20
"""How often it is looked for a sign of life in the time that there is."""


class IdCheck:
    """Life: that of its node's actor. At most one second socket is considered at a time."""

    def __init__(self, node_id: NodeId, directory: Directory, probe_ms: int) -> None:
        self.second: NodeRegistering | None = None
        """Registers on another socket, while it is not known whether the first is alive."""
        self._node_id = node_id
        self._directory = directory
        self._probe_ms = probe_ms
        self._askers: set[InstanceId] = set()
        """Instances where another socket registers."""
        self._ends_at_ms = inf
        self._elsewhere_ends_at_ms = inf

    @property
    def is_asking_elsewhere(self) -> bool:
        """Whether another instance was asked, and has not answered in time nor too late."""
        return self._elsewhere_ends_at_ms < inf

    def next_look_ms(self, now_ms: float) -> float | None:
        """Return when to look again; None while nothing is asked."""
        next_ms = self._elsewhere_ends_at_ms
        if self.second is not None or self._askers:
            next_ms = min(next_ms, now_ms + self._probe_ms / _LOOKS)
        return None if next_ms == inf else next_ms

    def claim(self, message: NodeRegistering, first: Outbox, now_ms: float) -> None:
        """Another socket registers here."""
        if self.second is not None and self.second.outbox is not message.outbox:
            message.outbox.send(id_in_use(self._node_id))
            return
        self.second = message
        self._probe(first, now_ms)

    def asked(self, message: ProbeNode, first: Outbox | None, now_ms: float) -> None:
        """Another socket registers on another instance."""
        if first is not None:
            self._askers.add(message.asker)
            self._probe(first, now_ms)

    def _probe(self, first: Outbox, now_ms: float) -> None:
        self._ends_at_ms = now_ms + self._probe_ms
        first.probe()

    def take_second(self, first: Outbox | None, now_ms: float) -> NodeRegistering | None:
        """Look for a sign of life; return the second socket if it takes over now."""
        if first is not None and first.is_heard:
            self._first_is_alive()
        elif first is None or now_ms >= self._ends_at_ms:
            second, self.second = self.second, None
            self._askers.clear()
            return second
        return None

    def _first_is_alive(self) -> None:
        second, self.second = self.second, None
        askers, self._askers = self._askers, set()
        if second is not None:
            logger.warning("a node id is in use by another socket", node_id=self._node_id)
            second.outbox.send(id_in_use(self._node_id))
        for asker in askers:
            way = self._directory.node_at(asker, self._node_id)
            if way is not None:
                tell(way, NodeIsAlive())

    def ask_elsewhere(self, owner: InstanceId, now_ms: float) -> bool:
        """Ask the instance where the node is connected; False: it cannot be asked."""
        here = self._directory.instance_id
        way = None if not owner or owner == here else self._directory.node_at(owner, self._node_id)
        if way is None or not tell(way, ProbeNode(here)):
            return False
        self._elsewhere_ends_at_ms = now_ms + self._probe_ms
        return True

    def is_over_elsewhere(self, now_ms: float) -> bool:
        """Return whether the other instance has had its time."""
        return now_ms >= self._elsewhere_ends_at_ms

    def end_elsewhere(self) -> None:
        """Ask no more."""
        self._elsewhere_ends_at_ms = inf


def id_in_use(node_id: NodeId) -> NodeRegisterAck:
    """Return the answer to a registration whose id another socket has."""
    text = f"{node_id} is in use: another connection of this node is alive"
    detail = ErrorDetail(code=ErrorCode.NODE_ID_IN_USE.value, message=text)
    return NodeRegisterAck(message=text, status="refused", error=detail)
