"""Every message of every direction can be written and read back, with all it may carry."""

import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from protocol.codec import (
    encode,
    parse_admin_message,
    parse_admin_reply,
    parse_node_command,
    parse_node_message,
    parse_session_message,
    parse_session_reply,
)
from protocol.messages import (
    admin,
    node_inbound,
    node_outbound,
    session_inbound,
    session_outbound,
)
from protocol.wire import WireMessage
from tests.protocol.support.wire_examples import (
    ADMIN_MESSAGES,
    ADMIN_REPLIES,
    NODE_COMMANDS,
    NODE_MESSAGES,
    SESSION_MESSAGES,
    SESSION_REPLIES,
)

DIRECTIONS: list[tuple[Callable[[str | bytes], WireMessage], Any, list[WireMessage]]] = [
    (parse_session_message, session_inbound.SessionInbound, SESSION_MESSAGES),
    (parse_session_reply, session_outbound.SessionOutbound, SESSION_REPLIES),
    (parse_node_message, node_inbound.NodeInbound, NODE_MESSAGES),
    (parse_node_command, node_outbound.NodeOutbound, NODE_COMMANDS),
    (parse_admin_message, admin.AdminInbound, ADMIN_MESSAGES),
    (parse_admin_reply, admin.AdminOutbound, ADMIN_REPLIES),
]
CASES = [
    pytest.param(parse, example, id=f"{parse_name}-{example.model_dump()['type']}")
    for parse_name, (parse, _, examples) in zip(
        ("session", "session-reply", "node", "node-command", "admin", "admin-reply"),
        DIRECTIONS,
        strict=True,
    )
    for example in examples
]


@pytest.mark.parametrize(("parse", "example"), CASES)
def test_a_message_survives_the_way(
    parse: Callable[[str | bytes], WireMessage], example: WireMessage
) -> None:
    text = encode(example)
    assert parse(text) == example
    assert parse(text.encode()) == example
    assert encode(parse(text)) == text


@pytest.mark.parametrize(("parse", "example"), CASES)
def test_a_message_is_written_with_every_field_it_carries(
    parse: Callable[[str | bytes], WireMessage], example: WireMessage
) -> None:
    fields = set(type(example).model_fields)
    assert example.model_fields_set | {"type"} == fields, "the example leaves a field out"
    assert set(json.loads(encode(example))) == fields


@pytest.mark.parametrize(("parse", "union", "examples"), DIRECTIONS)
def test_every_kind_of_message_has_an_example(
    parse: object, union: object, examples: list[WireMessage]
) -> None:
    assert {type(example) for example in examples} == set(get_args(union))


@pytest.mark.parametrize(("parse", "union", "examples"), DIRECTIONS)
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_every_direction_has_a_json_schema(
    parse: object, union: Any, examples: list[WireMessage], mode: JsonSchemaMode
) -> None:
    adapter: TypeAdapter[WireMessage] = TypeAdapter(union)
    schema = adapter.json_schema(mode=mode)
    assert {type(example).__name__ for example in examples} <= set(schema["$defs"])


@pytest.mark.parametrize(("parse", "example"), CASES)
def test_absent_fields_are_neither_required_nor_written(
    parse: Callable[[str | bytes], WireMessage], example: WireMessage
) -> None:
    required = {
        name
        for name, field in type(example).model_fields.items()
        if field.is_required() or name == "type"
    }
    sent = json.loads(encode(example))
    lean = parse(json.dumps({name: sent[name] for name in required}))
    written = json.loads(encode(lean))
    assert required <= set(written)
    assert None not in written.values()


@pytest.mark.parametrize(("parse", "example"), CASES)
def test_a_message_without_one_required_field_is_refused(
    parse: Callable[[str | bytes], WireMessage], example: WireMessage
) -> None:
    sent = json.loads(encode(example))
    for name, field in type(example).model_fields.items():
        if (sent["type"], name) == ("job_result", "success"):
            continue  # it is taken for an error of the node
        if field.is_required():
            with pytest.raises(Exception, match=rf"^{sent['type']}\.{name} is missing$"):
                parse(json.dumps({key: value for key, value in sent.items() if key != name}))
