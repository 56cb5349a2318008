"""JSON text to messages and back: each is validated once, here, and nowhere else.

Owns the answer to a peer about a message that does not parse. Never raises anything but
`ProtocolError`, and never repeats what the peer sent.
"""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from protocol.errors import ErrorCode, ProtocolError
from protocol.lenient import MOST_REPAIRS, read, repair
from protocol.messages.admin import AdminInbound, AdminOutbound
from protocol.messages.node_inbound import NodeInbound
from protocol.messages.node_outbound import NodeOutbound
from protocol.messages.session_inbound import SessionInbound
from protocol.messages.session_outbound import SessionOutbound

_MAX_ERROR_LENGTH = 200

_FAULTS = {
    "missing": "is missing",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "bytes_type": "must be a base64 string",
    "value_error": "is not valid base64",
    "enum": "is not one of the known values",
    "literal_error": "is not one of the known values",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "string_too_long": "is too long",
    "too_long": "is too long",
    "string_pattern_mismatch": "has characters or a length that is not allowed",
}

_UNREADABLE = {
    "union_tag_invalid": "type is not one of the known message types",
    "union_tag_not_found": "type is missing",
    "json_invalid": "not valid JSON text",
    "json_type": "not valid JSON text",
    "string_unicode": "not valid JSON text",
}

M = TypeVar("M")


class Parser(Generic[M]):
    """One direction of one socket: its union of messages, compiled once."""

    def __init__(self, adapter: TypeAdapter[M]) -> None:
        self.validate: Callable[[str | bytes], Any] = adapter.validator.validate_json
        """Raises `ValidationError`: `repaired` may read the data all the same, and `refusal` makes
        a `ProtocolError` of it."""

    def __call__(self, data: str | bytes) -> M:
        """Return the message.

        Raises:
            ProtocolError: INVALID_MESSAGE, whatever is wrong with the data.
        """
        try:
            message: M = self.validate(data)
        except ValidationError as error:
            fault = error
        else:
            return message
        try:
            return self.repaired(data, fault)
        except ValidationError as error:
            raise refusal(error) from None

    def repaired(self, data: str | bytes, fault: ValidationError) -> M:
        """Return what was meant by data that is not valid.

        Raises:
            ValidationError: the fault: nobody can say.
        """
        del data
        raise fault


class LenientParser(Parser[M]):
    """The same for what programs say that mean well: see `protocol.lenient`."""

    def repaired(self, data: str | bytes, fault: ValidationError) -> M:
        """Return what was meant.

        Raises:
            ValidationError: the fault that it came with, which is what it is refused for.
        """
        found = read(data)
        for _ in range(MOST_REPAIRS if found is not None else 0):
            try:
                message: M = self.validate(to_json(found))
            except ValidationError as error:
                if found is None or not repair(found, error):
                    break
            else:
                return message
        raise fault


def refusal(error: ValidationError) -> ProtocolError:
    """Say which field is wrong and how, in our own words."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind, where = first["type"], first["loc"]
    tag = str(where[0]) if where else None
    if tag is not None:
        message = f"{'.'.join(map(str, where))} {_FAULTS.get(kind, 'is not valid')}"
    elif kind in _UNREADABLE:
        message = _UNREADABLE[kind]
    else:
        message = "must be a JSON object"
    return ProtocolError(ErrorCode.INVALID_MESSAGE, message[:_MAX_ERROR_LENGTH], message_type=tag)


parse_session_message: Parser[SessionInbound] = Parser(
    TypeAdapter(Annotated[SessionInbound, Field(discriminator="type")])
)
"""Client to server."""

parse_session_reply: Parser[SessionOutbound] = Parser(
    TypeAdapter(Annotated[SessionOutbound, Field(discriminator="type")])
)
"""Server to client."""

parse_node_message: Parser[NodeInbound] = LenientParser(
    TypeAdapter(Annotated[NodeInbound, Field(discriminator="type")])
)
"""Node to server."""

parse_node_command: Parser[NodeOutbound] = Parser(
    TypeAdapter(Annotated[NodeOutbound, Field(discriminator="type")])
)
"""Server to node."""

parse_admin_message: Parser[AdminInbound] = Parser(
    TypeAdapter(Annotated[AdminInbound, Field(discriminator="type")])
)
"""Operator to server."""

parse_admin_reply: Parser[AdminOutbound] = Parser(
    TypeAdapter(Annotated[AdminOutbound, Field(discriminator="type")])
)
"""Server to operator."""


def encode(message: BaseModel) -> str:
    """Return the message as JSON text; fields that are None are left out."""
    return encode_utf8(message).decode()


def encode_utf8(message: BaseModel) -> bytes:
    """Return the same as it stands in a text frame."""
    return message.__pydantic_serializer__.to_json(message, exclude_none=True)
