"""One socket on `/ws/admin`: an operator's, or that of an owner of nodes.

It owns what its peer asked for and has no answer to yet. Answers come when they are there, not in
the order of the questions. It must not decide what may be done: `Operators` does.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from loguru import logger
from pydantic_core import from_json

from gateway.admin.feed import AdminFeed
from gateway.edge.outbox import SocketOutbox
from gateway.edge.upgrade import Connection
from gateway.message_guard import MessageGuard
from gateway.ports import Operators
from gateway.socket_context import SocketContext
from protocol.codec import parse_admin_message
from protocol.errors import CloseCode, ErrorCode, ProtocolError
from protocol.messages.admin import AdminAck, AdminInbound, Subscribe
from protocol.messages.session_outbound import error_message
from protocol.wire import MAX_SAFE_INTEGER

MAX_MESSAGE_BYTES = 64 * 1024
_MOST_UNDER_WAY = 32
"""Commands of one socket; further ones are refused."""
_LONGEST_REQUEST_ID = 255
_MOST_UNREAD_BYTES = 1024 * 1024
"""A socket with more than this to read misses updates."""


@dataclass(frozen=True, slots=True)
class AdminContext:
    """What the sockets of operators share."""

    sockets: SocketContext
    operators: Operators
    feed: AdminFeed
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    """Runs a command; cancelled when the gateway closes."""


class AdminSocket:
    """Implements `SocketHandler` and `Subscriber`. Life: that of the connection."""

    __slots__ = ("_connection", "_context", "_guard", "_outbox", "_under_way", "principal")

    def __init__(
        self, connection: Connection, context: AdminContext, principal: str | None
    ) -> None:
        self.principal = principal
        """Whose nodes it may see; None: an operator."""
        self._connection = connection
        self._context = context
        options = context.sockets.options
        self._outbox = SocketOutbox(connection, options.max_outbox_bytes)
        self._guard = MessageGuard(connection, context.sockets, parse_admin_message, "admin")
        self._under_way = 0

    def __repr__(self) -> str:
        return f"<AdminSocket {self.principal or 'operator'} under_way={self._under_way}>"

    def text_received(self, data: bytes) -> None:
        """Take a command."""
        message = self._guard.read(data)
        match message:
            case None:
                pass
            case ProtocolError():
                self._refuse(message, _request_id(data))
            case _ if self._under_way >= _MOST_UNDER_WAY:
                error = "too many commands at once"
                self._outbox.send(AdminAck(request_id=message.request_id, ok=False, error=error))
            case _:
                self._under_way += 1
                self._context.spawn(self._run(message))

    def binary_received(self, data: bytes) -> None:
        """Take a command: nothing binary is known here."""
        self.text_received(data)

    def longest_message(self) -> int:
        """Return how long a message may be."""
        return MAX_MESSAGE_BYTES

    def message_not_taken(self, why: str) -> None:
        """Refuse a message that was read past."""
        self._refuse(ProtocolError(ErrorCode.INVALID_MESSAGE, why))

    def connection_lost(self) -> None:
        """Send no more updates."""
        self._context.feed.unsubscribe(self)

    def update(self, data: bytes) -> None:
        """Take the live view, unless earlier ones are unread."""
        if self._connection.unsent_bytes <= _MOST_UNREAD_BYTES:
            self._outbox.send(data)

    async def _run(self, command: AdminInbound) -> None:
        try:
            ack = await self._context.operators.run(command, self.principal)
        except Exception:  # noqa: BLE001 - a bug in a command must be an answer, too
            logger.opt(exception=True).error("a command failed", command=command.type)
            error = "the command failed; see the log"
            ack = AdminAck(request_id=command.request_id, ok=False, error=error)
        finally:
            self._under_way -= 1
        if command.type not in _QUIET:
            log = logger.bind(command=command.model_dump(exclude={"request_id"}), ok=ack.ok)
            log.info("an operator's command", error=ack.error)
        self._outbox.send(ack)
        if isinstance(command, Subscribe) and ack.ok and self._connection.is_open:
            self._context.feed.subscribe(self)

    def _refuse(self, error: ProtocolError, request_id: str | int | None = None) -> None:
        if self._guard.is_too_much():
            self._outbox.close(CloseCode.POLICY_VIOLATION, "too many invalid messages")
        elif request_id is None:
            self._outbox.send(error_message(error.code, error.message))
        else:
            self._outbox.send(AdminAck(request_id=request_id, ok=False, error=error.message))


def _request_id(data: bytes) -> str | int | None:
    """Return which command it was that cannot be read, if that at least can."""
    try:
        message: Any = from_json(data)
    except ValueError:
        return None
    found = message.get("request_id") if isinstance(message, dict) else None
    if isinstance(found, str) and len(found) <= _LONGEST_REQUEST_ID:
        return found
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) <= MAX_SAFE_INTEGER:
        return found
    return None


_QUIET = frozenset({"subscribe", "list_sessions", "list_nodes", "list_jobs"})
"""Commands that change nothing."""
