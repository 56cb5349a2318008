"""What passes from a node's actor that failed to its successor: the socket, not the jobs.

An existing node reconnects once in its life, so its socket is kept. Its jobs go to other nodes,
and what it still says of them reaches nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors.directory import Directory
from actors.messages.job import AssignJob, JobUndelivered, WithdrawJob
from actors.messages.node import (
    Languages,
    NodeAccepted,
    NodeRegistering,
    NodeSocketLost,
    NodeUnknown,
)
from actors.ports import Outbox
from actors.runtime.actor import ActorFailed, tell
from protocol.errors import ErrorCode
from protocol.ids import NodeId, NodeJobId
from protocol.messages.node_inbound import NodeRegister
from protocol.messages.node_outbound import NodeRegisterAck
from protocol.messages.shared import ErrorDetail

_BETWEEN_THE_TWO = (AssignJob, WithdrawJob, NodeAccepted, NodeUnknown)
"""Messages to the actor that failed, about its own jobs and epoch."""


@dataclass(frozen=True, slots=True)
class NodeHandover:
    """What a node's actor that failed has left; only one with a socket leaves something."""

    outbox: Outbox
    register: NodeRegister
    languages: Languages
    """As the node reported last."""
    used_ids: tuple[NodeJobId, ...]
    """Ids that the node has seen: it takes none of them again."""
    acks_owed: int
    """Registrations that have no `node_register_ack` yet."""
    credential: str = ""


def settle(failure: ActorFailed, directory: Directory) -> None:
    """Let the assignments move that did not reach the node; answer what cannot be taken."""
    node_id = NodeId(failure.key)
    for message in (*failure.failed, *failure.pending):
        if isinstance(message, AssignJob):
            undelivered = JobUndelivered(message.spec.job_id, message.attempt, node_id)
            owner = directory.dispatcher_at(message.owner or directory.instance_id)
            if owner is not None:
                tell(owner, undelivered)
    for message in failure.failed:
        if isinstance(message, NodeRegistering):
            message.outbox.send(refusal())


def handover_of(failure: ActorFailed) -> NodeHandover | None:
    """Return what a successor would have to go on with; None: there is no use in one."""
    handover = failure.handover
    if not isinstance(handover, NodeHandover):
        return None
    for message in failure.failed:
        is_about_socket = isinstance(message, NodeRegistering | NodeSocketLost)
        if is_about_socket and message.outbox is handover.outbox:
            return None  # the socket is gone, or nobody can register what it reported
    return handover


def for_successor(failure: ActorFailed) -> Sequence[Any]:
    """Return the pending messages that still mean something."""
    return [one for one in failure.pending if not isinstance(one, _BETWEEN_THE_TWO)]


def refusal(*, is_taken: bool = False) -> NodeRegisterAck:
    """Return the answer to a registration that makes an actor fail, or names another's node."""
    code, text = ErrorCode.INTERNAL_ERROR, "the registration could not be processed"
    if is_taken:
        code, text = ErrorCode.NODE_ID_CONFLICT, "this node id belongs to other credentials"
    detail = ErrorDetail(code=code.value, message=text)
    return NodeRegisterAck(message=text, status="refused", error=detail)
