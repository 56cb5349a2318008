"""One socket on `/ws/node`: from a node's messages to those for its actor.

It owns which node this socket speaks for. It must not decide about jobs, and it closes a socket
only for abuse: the existing nodes reconnect once in their life, so what a node gets wrong is
answered and forgotten.

- `node_register` is always answered: by the node's actor, or here when it is refused.
- A heartbeat may come first. It is kept until the registration.
- Which node speaks is known from the registration, never from ids inside later messages.
- A node registers once for each connection. If its actor has failed, the successor gets what it
  says; without a successor this socket registers again in the node's name.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from loguru import logger

from actors.messages.node import NodeHeartbeatArrived, NodeMessageArrived, NodeSocketLost
from actors.ownership import Foreign
from actors.ports import Mailbox
from actors.reception import OpenedNode, Refused
from actors.runtime.actor import is_alive, tell
from gateway.edge.outbox import SocketOutbox
from gateway.edge.read_pacer import Reader
from gateway.edge.upgrade import Connection
from gateway.edge.work import MESSAGE_COST
from gateway.message_guard import MessageGuard
from gateway.ports import Caller
from gateway.socket_context import SocketContext
from protocol.codec import parse_node_message
from protocol.errors import CloseCode, ErrorCode, ProtocolError
from protocol.ids import NodeId
from protocol.messages.node_inbound import (
    JobAck,
    JobResult,
    JobStarted,
    NodeAsrPartial,
    NodeError,
    NodeHeartbeat,
    NodeRegister,
)
from protocol.messages.node_outbound import NodeRegisterAck
from protocol.messages.session_outbound import error_message
from protocol.messages.shared import ErrorDetail

OUTBOX_MESSAGES = 4
"""Messages of the longest size that may wait for a node that does not read."""
_LONG_FOR_S = 600.0
"""A node that was given a job may send long messages for so long."""
_JOB_MESSAGES = 8
"""What a node may say about a job beyond its share of work."""
_MOST_OWED = 100_000
_JOB = b'{"type":"job_assign"'

_Handler: TypeAlias = Callable[[Any, Any], None]


class NodeOutbox(SocketOutbox):
    """Knows when the node was last given a job: what it may send depends on that."""

    __slots__ = ("_given_s", "_loop", "_on_ack", "owed_messages")

    def __init__(
        self,
        connection: Connection,
        max_bytes: int,
        loop: asyncio.AbstractEventLoop,
        on_ack: Callable[[NodeRegisterAck], None],
    ) -> None:
        """`on_ack` hears how the node's actor answers a registration, before the node does."""
        super().__init__(connection, max_bytes)
        self._on_ack = on_ack
        self._loop = loop
        self._given_s: float | None = None
        self.owed_messages = 0
        """What the node may still say about its jobs."""

    @property
    def is_at_work(self) -> bool:
        """Tell whether the node was given a job in the last 10 minutes."""
        return self._given_s is not None and self._loop.time() - self._given_s < _LONG_FOR_S

    def send(self, message: Any) -> bool:
        """Write a message, and note it if it is a job."""
        if type(message) is bytes and message.startswith(_JOB):
            self._given_s = self._loop.time()
            self.owed_messages = min(self.owed_messages, _MOST_OWED) + _JOB_MESSAGES
            return self._connection.send(message, self._max_bytes)
        if isinstance(message, NodeRegisterAck):
            self._on_ack(message)
        return super().send(message)


class NodeSocket:
    """Implements `SocketHandler`. Life: that of the connection."""

    __slots__ = (
        "_caller",
        "_connection",
        "_context",
        "_early_beat",
        "_guard",
        "_outbox",
        "_reader",
        "_ref",
        "_registration",
        "_table",
    )

    def __init__(self, connection: Connection, context: SocketContext, caller: Caller) -> None:
        self._context = context
        self._caller = caller
        max_bytes = OUTBOX_MESSAGES * context.options.node_max_message_bytes
        self._outbox = NodeOutbox(connection, max_bytes, context.loop, self._on_ack)
        self._connection = connection
        self._reader = Reader(connection, context.loop)
        self._ref: Mailbox | None = None
        self._registration: NodeRegister | None = None
        self._early_beat: NodeHeartbeat | None = None
        self._table = self._UNREGISTERED
        self._guard = MessageGuard(connection, context, parse_node_message, "node")

    def __repr__(self) -> str:
        node_id = self._registration.node_id if self._registration else None
        return f"<NodeSocket {node_id} {self._reader!r} {self._outbox!r}>"

    # ---- what the connection calls ----------------------------------------------------------

    def text_received(self, data: bytes) -> None:
        """Take a JSON message."""
        message = self._guard.read(data)
        if message is not None:
            self._table[type(message)](self, message)

    def binary_received(self, data: bytes) -> None:
        """Take a JSON message: a node may send it in a binary frame, too."""
        self.text_received(data)

    def longest_message(self) -> int:
        """Return how long a message may be: nobody needs long ones who was given no job."""
        options, is_at_work = self._context.options, self._outbox.is_at_work
        return options.node_max_message_bytes if is_at_work else options.idle_node_max_message_bytes

    def message_not_taken(self, why: str) -> None:
        """Refuse a message that was read past; a registered node is not closed for it."""
        limit = "node_max_message_bytes"
        self._context.metrics.limit_reached(limit)
        if self._ref is None:
            self._on_bad(ProtocolError(ErrorCode.INVALID_MESSAGE, why))
        else:
            self._context.metrics.bad_message("node")
            self._outbox.send(error_message(ErrorCode.INVALID_MESSAGE, why))

    def connection_lost(self) -> None:
        """Tell the node's actor."""
        self._reader.close()
        if self._ref is not None:
            logger.debug("node socket closed", node_id=self._node_id)
            lost, ref = NodeSocketLost(self._outbox), self._ref
            if not (is_alive(ref) and tell(ref, lost)):
                self._reach(lost)
            self._ref = None

    # ---- registration -----------------------------------------------------------------------

    @property
    def _node_id(self) -> NodeId | None:
        return self._registration.node_id if self._registration else None

    def _on_register(self, message: NodeRegister) -> None:
        """Let the node in, or update it: a socket has one id for life."""
        known_as = self._node_id
        if known_as is not None and message.node_id not in (None, known_as):
            text = f"this socket has registered as {known_as}: another node needs its own"
            self._refuse_registration(ErrorCode.INVALID_MESSAGE, text)
            return
        if known_as is not None:
            message = message.model_copy(update={"node_id": known_as})
        opened = self._context.reception.register_node(
            message, self._outbox, self._caller.principal
        )
        if isinstance(opened, Refused):
            self._refuse_registration(opened.code, opened.message)
            if opened.close_code is not None:
                self._outbox.close(opened.close_code, opened.message)
            return
        self._enter(opened, message)

    def _enter(self, opened: OpenedNode, message: NodeRegister) -> None:
        self._ref = opened.ref
        self._registration = message.model_copy(update={"node_id": opened.node_id})
        self._reader.watch(opened.ref)
        if self._table is self._UNREGISTERED:
            self._table = self._REGISTERING
        logger.debug("node socket opened", node_id=opened.node_id)

    def _on_ack(self, ack: NodeRegisterAck) -> None:
        """Speak for the node from now on; or not, if another socket has its id."""
        code = None if ack.error is None else ack.error.code
        if code in (ErrorCode.NODE_ID_IN_USE, ErrorCode.NODE_ID_CONFLICT):
            self._context.metrics.ownership_refused(Foreign.NODE_ID)
        if code is not None and self._ref is None:
            return  # refused here: it has no node, as before
        if code == ErrorCode.NODE_ID_IN_USE:
            self._ref = self._registration = None
            self._table = self._UNREGISTERED
            return
        self._table = self._REGISTERED
        beat, self._early_beat = self._early_beat, None
        if beat is not None:
            self._on_beat(beat)

    def _refuse_registration(self, code: ErrorCode, text: str) -> None:
        logger.warning("node registration refused", code=code.value, reason=text)
        detail = ErrorDetail(code=code.value, message=text)
        self._outbox.say(NodeRegisterAck(message=text, status="refused", error=detail))

    # ---- messages to the node's actor -------------------------------------------------------

    def _on_early_beat(self, message: NodeHeartbeat) -> None:
        self._early_beat = message

    def _on_beat(self, message: NodeHeartbeat) -> None:
        self._tell(NodeHeartbeatArrived(message))

    def _on_job_message(self, message: Any) -> None:
        outbox = self._outbox
        if outbox.owed_messages > 0:  # the node's jobs account for it
            outbox.owed_messages -= 1
            self._connection.charge(-MESSAGE_COST)
        self._tell(NodeMessageArrived(message))

    def _tell(self, message: Any) -> None:
        if self._ref is None:
            return
        if not (tell(self._ref, message) if is_alive(self._ref) else self._reach(message)):
            self._register_again()
            if self._ref is None or not tell(self._ref, message):
                return
        inbox = self._reader.inbox
        if inbox is not None and len(inbox.queue) >= inbox.limit:
            self._reader.wait_for_space()

    def _reach(self, message: Any) -> bool:
        """Tell the node's actor that took over from a dead one."""
        node_id = self._node_id
        successor = (
            self._context.reception.node(node_id, self._caller.principal) if node_id else None
        )
        if successor is None or not is_alive(successor):
            return False
        self._ref = successor
        self._reader.watch(successor)
        return tell(successor, message)

    def _register_again(self) -> None:
        """The node's actor ended without its socket; the node itself would never register."""
        registration = self._registration
        self._ref = None
        self._table = self._UNREGISTERED
        if registration is not None:
            logger.warning("node's actor is gone, registering again", node_id=self._node_id)
            self._on_register(registration)

    # ---- refusals ---------------------------------------------------------------------------

    def _on_homeless(self, _message: Any) -> None:
        text = "this socket has no node: send node_register first"
        self._outbox.send(error_message(ErrorCode.INVALID_MESSAGE, text))

    def _on_bad(self, error: ProtocolError) -> None:
        if self._guard.is_too_much():
            self._outbox.close(CloseCode.POLICY_VIOLATION, "too many invalid messages")
        elif error.message_type == "node_register":
            self._refuse_registration(error.code, error.message)
        else:
            self._outbox.send(error_message(error.code, error.message))

    _UNREGISTERED: ClassVar[dict[type, _Handler]] = {
        NodeRegister: _on_register,
        NodeHeartbeat: _on_early_beat,
        **dict.fromkeys((JobResult, NodeAsrPartial, JobAck, JobStarted, NodeError), _on_homeless),
        ProtocolError: _on_bad,
    }
    _REGISTERING: ClassVar[dict[type, _Handler]] = {
        NodeRegister: _on_register,
        NodeHeartbeat: _on_early_beat,
        **dict.fromkeys(
            (JobResult, NodeAsrPartial, JobAck, JobStarted, NodeError), _on_job_message
        ),
        ProtocolError: _on_bad,
    }
    _REGISTERED: ClassVar[dict[type, _Handler]] = {
        NodeRegister: _on_register,
        NodeHeartbeat: _on_beat,
        **dict.fromkeys(
            (JobResult, NodeAsrPartial, JobAck, JobStarted, NodeError), _on_job_message
        ),
        ProtocolError: _on_bad,
    }
