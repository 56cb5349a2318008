"""What stands between the bytes of a message and its meaning: size, structure, validity.

It owns how often in a row a socket got it wrong, and what a bad message costs. It must not answer.
"""

import re
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from gateway.edge.upgrade import Connection
from gateway.edge.work import MESSAGE_COST, PING_COST, REFUSAL_COST
from gateway.socket_context import SocketContext
from protocol.codec import Parser, refusal
from protocol.errors import ErrorCode, ProtocolError
from protocol.structure import FLAT_BYTES, structure_of

M = TypeVar("M")

_LONGEST_KEEPALIVE = 64
_PING = "ping"
SESSION = "session"
_HEAD_BYTES = 256
_TYPE = re.compile(rb'"type"\s*:\s*"(\w+)"')


class MessageGuard(Generic[M]):
    """Life: that of a socket. Reads its messages."""

    __slots__ = ("_connection", "_context", "_parser", "_socket", "bad_in_a_row", "validate")

    def __init__(
        self, connection: Connection, context: SocketContext, parser: Parser[M], socket: str
    ) -> None:
        """`socket` is its name in the metrics."""
        self._connection = connection
        self._context = context
        self._parser = parser
        self.validate = parser.validate
        """Raises `ValidationError`, of which `not_valid` makes an answer."""
        self._socket = socket
        self.bad_in_a_row = 0

    def __repr__(self) -> str:
        return f"<MessageGuard {self.bad_in_a_row} bad in a row>"

    def read(self, data: bytes) -> M | ProtocolError | None:
        """Return the message, or what is wrong with it; None where it says nothing."""
        if len(data) > FLAT_BYTES or data.find(b"{", 1) >= 0 or b"[" in data:
            structure = structure_of(data, self._context.options.max_list_items)
            if structure.cost:
                self._connection.charge(structure.cost)
            if structure.fault is not None:
                self._context.metrics.limit_reached("message_structure")
                named = _TYPE.search(data[:_HEAD_BYTES])
                return ProtocolError(
                    ErrorCode.INVALID_MESSAGE,
                    f"message {structure.fault}",
                    message_type=named[1].decode() if named else None,
                )
        try:
            message: M = self.validate(data)
        except ValidationError as error:
            return self.not_valid(data, error)
        self.bad_in_a_row = 0
        return message

    def not_valid(self, data: bytes, error: ValidationError) -> M | ProtocolError | None:
        """Return what was meant, or what is wrong with a message; None where it says nothing."""
        if self._socket == SESSION and is_keepalive(data):
            self.keepalive()
            return None
        try:
            message = self._parser.repaired(data, error)
        except ValidationError as fault:
            return refusal(fault)
        self.bad_in_a_row = 0
        return message

    def keepalive(self) -> None:
        """Take note of a message that says nothing: it costs what a ping costs."""
        self._connection.charge(PING_COST - MESSAGE_COST)

    def passed(self) -> None:
        """Take note of a message that was read elsewhere."""
        self.bad_in_a_row = 0

    def is_too_much(self) -> bool:
        """Count a bad message; True when there were too many in a row."""
        self._context.metrics.bad_message(self._socket)
        self._connection.charge(REFUSAL_COST)
        self.bad_in_a_row += 1
        if self.bad_in_a_row <= self._context.options.max_bad_messages:
            return False
        self._context.metrics.limit_reached("max_bad_messages")
        return True


def is_keepalive(data: bytes) -> bool:
    """Tell whether a text is `ping`, `{"type":"ping"}` or nothing at all."""
    if len(data) > _LONGEST_KEEPALIVE:
        return False
    if data in {b"", b"ping"}:
        return True
    try:
        message: Any = from_json(data)
    except ValueError:
        return False
    return message == _PING or (isinstance(message, dict) and message.get("type") == _PING)
