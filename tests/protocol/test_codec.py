"""What is refused, how that is said, and that nothing but ProtocolError comes out."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import (
    encode,
    parse_admin_message,
    parse_admin_reply,
    parse_node_command,
    parse_node_message,
    parse_session_message,
    parse_session_reply,
)
from protocol.errors import CloseCode, ErrorCode, ProtocolError
from protocol.messages.node_inbound import JobResult, NodeHeartbeat, NodeRegister
from protocol.messages.session_inbound import AudioChunk, SessionInit, Utterance
from protocol.messages.session_outbound import error_message
from tests.protocol.support.wire_refusals import (
    CHUNK,
    HEARTBEAT,
    INIT,
    REGISTER,
    RESULT,
    UTTERANCE,
    Parse,
    refusal,
)

PARSERS: list[Parse] = [
    parse_session_message,
    parse_session_reply,
    parse_node_message,
    parse_node_command,
    parse_admin_message,
    parse_admin_reply,
]
SECRET = "S3CRET-from-the-peer"


# ---- what is no message at all --------------------------------------------------------------


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "nonsense",
        "{'type': 'audio_chunk'}",
        b"\xff\xfe",
        b'{"type": "audio_chunk", "session_id": "\xff"}',
        '{"type": "audio_chunk", "session_id": "\\ud800"}',
        '{"type": "audio_chunk", "session_id": "\ud800"}',
        '{"type": ' + "[" * 100_000,
        '{"a":' * 500 + "1" + "}" * 500,
        '{"type": ' + "9" * 10_000 + "}",
        "\x00",
        '{"type": "audio_chunk"} {}',
    ],
    ids=[
        "empty",
        "unfinished",
        "words",
        "single quotes",
        "not UTF-8",
        "a string not UTF-8",
        "an escaped lone surrogate",
        "a lone surrogate",
        "deep lists",
        "deep objects",
        "a huge number",
        "a NUL",
        "two values",
    ],
)
def test_what_is_not_json_is_refused(parse: Parse, data: str | bytes) -> None:
    error = refusal(parse, data)
    assert error.message == "not valid JSON text"
    assert error.message_type is None


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("data", ["[]", "5", '"audio_chunk"', "null", "true", "NaN", "[{}]"])
def test_json_that_is_no_object_is_refused(parse: Parse, data: str) -> None:
    assert refusal(parse, data).message == "must be a JSON object"


@pytest.mark.parametrize("parse", PARSERS)
def test_an_object_without_a_type_is_refused(parse: Parse) -> None:
    assert refusal(parse, "{}").message == "type is missing"


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("tag", ["unknown", "", 5, None, True, [], {}, 10**30, 1.5])
def test_an_unknown_type_is_refused(parse: Parse, tag: Any) -> None:
    error = refusal(parse, json.dumps({"type": tag}))
    assert error.message == "type is not one of the known message types"
    assert error.message_type is None


def test_a_message_of_the_other_direction_is_refused() -> None:
    refusal(parse_session_message, '{"type": "session_close_ack", "session_id": "s-1"}')
    refusal(parse_node_message, json.dumps(CHUNK))


def test_what_is_nested_as_deep_as_can_be_read_can_be_written() -> None:
    for depth in range(150, 210):
        nested = '{"a":' * depth + "9" * 4_300 + "}" * depth
        text = f'{{"type":"job_result","job_id":"j","success":true,"extra":{nested}}}'
        with suppress(ProtocolError):
            assert parse_node_message(encode(parse_node_message(text)))


# ---- what must not come back ----------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        {"type": SECRET},
        {SECRET: SECRET},
        INIT | {"mode": SECRET},
        INIT | {"src_lang": f"{SECRET} {SECRET}"},
        INIT | {"features": {"emotion_detection": SECRET}},
        INIT | {"tenant_id": SECRET * 100},
        CHUNK | {"seq": SECRET},
        CHUNK | {"payload": SECRET},
        UTTERANCE | {"audio": SECRET},
    ],
)
def test_a_refusal_never_repeats_what_the_peer_sent(sent: dict[str, Any]) -> None:
    error = refusal(parse_session_message, json.dumps(sent))
    assert SECRET not in repr(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_a_refusal_can_be_sent_as_it_is() -> None:
    error = refusal(parse_session_message, "{}")
    assert json.loads(encode(error_message(error.code, error.message))) == {
        "type": "error",
        "code": "INVALID_MESSAGE",
        "message": "type is missing",
    }


def test_a_protocol_error_may_ask_for_the_socket_to_be_closed() -> None:
    error = ProtocolError(ErrorCode.INVALID_MESSAGE, "too many", CloseCode.POLICY_VIOLATION)
    assert (error.close_code, error.message_type) == (1008, None)


# ---- anything at all ------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["auto", "en", "AAEC", "opus", "s-1", "two_way_auto"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
BASES = st.sampled_from([CHUNK, INIT, UTTERANCE, RESULT, HEARTBEAT, REGISTER])
FIELDS = st.sampled_from(
    sorted({*SessionInit.model_fields, *Utterance.model_fields, *AudioChunk.model_fields}
           | {*JobResult.model_fields, *NodeHeartbeat.model_fields, *NodeRegister.model_fields})
)  # fmt: skip


@settings(deadline=None)
@given(st.sampled_from(PARSERS), st.binary(max_size=60) | st.text(max_size=60))
def test_any_data_is_a_message_or_a_protocol_error(parse: Parse, data: str | bytes) -> None:
    with suppress(ProtocolError):
        parse(data)


@settings(deadline=None)
@given(st.sampled_from(PARSERS), BASES, st.dictionaries(FIELDS, JSON, max_size=3))
def test_any_object_is_a_message_or_a_protocol_error(
    parse: Parse, base: dict[str, Any], changes: dict[str, Any]
) -> None:
    try:
        message = parse(json.dumps(base | changes))
    except ProtocolError:
        return
    again = parse(encode(message))
    assert encode(again) == encode(message)


@settings(deadline=None)
@given(BASES, st.data())
def test_a_damaged_message_is_a_message_or_a_protocol_error(
    base: dict[str, Any], data: st.DataObject
) -> None:
    text = bytearray(json.dumps(base).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    for parse in PARSERS:
        with suppress(ProtocolError):
            parse(bytes(text))
