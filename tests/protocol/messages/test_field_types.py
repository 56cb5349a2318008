"""What type each field must have, and where a message may be lax."""

import json
import math
from typing import Any

import pytest

from protocol.codec import parse_node_message, parse_session_message
from protocol.ids import NodeJobId, SessionId
from protocol.messages.node_inbound import JobResult, NodeHeartbeat, NodeRegister
from protocol.messages.session_inbound import AudioChunk, ClientHeartbeat, SessionInit, Utterance
from protocol.wire import MAX_SAFE_INTEGER
from tests.protocol.support.wire_refusals import (
    CHUNK,
    HEARTBEAT,
    INIT,
    REGISTER,
    RESULT,
    UTTERANCE,
    refusal,
)

# ---- what is wrongly typed ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        (CHUNK, "seq", "1"),
        (CHUNK, "seq", -1),
        (CHUNK, "seq", 1.5),
        (CHUNK, "seq", True),
        (CHUNK, "seq", None),
        (CHUNK, "seq", MAX_SAFE_INTEGER + 1),
        (CHUNK, "seq", 10**400),
        (CHUNK, "seq", math.nan),
        (CHUNK, "is_final", "yes"),
        (CHUNK, "is_final", 1),
        (CHUNK, "is_final", None),
        (CHUNK, "session_id", 5),
        (CHUNK, "session_id", None),
        (CHUNK, "payload", 5),
        (CHUNK, "payload", [1, 2]),
        (CHUNK, "payload", "!!!!"),
        (CHUNK, "payload", "AAE"),
        (CHUNK, "payload", "AAECA==="),
        (CHUNK, "payload", "AA=C"),
        (CHUNK, "payload", "AA==AAEC"),
        (CHUNK, "payload", "AA-_"),
        (CHUNK, "payload", "AA C"),
        (CHUNK, "payload", "AAEC\n"),
        (CHUNK, "payload", '"AA"'),
        (CHUNK, "payload", "\\u0041AA"),
        (CHUNK, "payload", "ÄÄÄÄ"),
        (INIT, "client_version", 1),
        (INIT, "platform", None),
        (INIT, "src_lang", ""),
        (INIT, "src_lang", "en,es"),
        (INIT, "tgt_lang", "e s"),
        (INIT, "tgt_lang", "x" * 36),
        (INIT, "mode", "three_way"),
        (INIT, "features", []),
        (INIT, "features", {"emotion_detection": "yes"}),
        (INIT, "auto_langs", "en"),
        (INIT, "auto_langs", ["en", 5]),
        (INIT, "audio_format", "mp5"),
        (INIT, "channels", 3),
        (INIT, "endpointing", "sometimes"),
        (INIT, "sample_rate", 0),
        (INIT, "sample_rate", 16_000.5),
        (INIT, "resume", "true"),
        (INIT, "use_binary_frame", 1),
        (INIT, "last_delivery_seq", -1),
        (UTTERANCE, "utterance_index", -1),
        (UTTERANCE, "utterance_index", "0"),
        (UTTERANCE, "manual_cut", 0),
        (UTTERANCE, "audio", None),
        (UTTERANCE, "audio", "?"),
        (UTTERANCE, "audio_format", "wav"),
        (UTTERANCE, "sample_rate", -16_000),
        (UTTERANCE, "pipeline", {"use_asr": True}),
        (UTTERANCE, "pipeline", {"use_asr": 1, "use_nmt": True, "use_tts": True}),
    ],
)
def test_a_wrongly_typed_field_of_a_client_is_refused_by_its_name(
    message: dict[str, Any], field: str, value: Any
) -> None:
    error = refusal(parse_session_message, json.dumps(message | {field: value}))
    assert error.message.startswith(f"{message['type']}.{field}")
    assert error.message_type == message["type"]


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        (RESULT, "job_id", 5),
        (HEARTBEAT, "node_id", None),
        (HEARTBEAT, "node_id", ""),
        (HEARTBEAT, "node_id", "a b"),
        (HEARTBEAT, "node_id", "a}b"),
        (REGISTER, "max_concurrent_jobs", 0),
        (REGISTER, "max_concurrent_jobs", "4"),
        (REGISTER, "version", 2),
    ],
)
def test_a_wrongly_typed_field_of_a_node_is_refused_by_its_name(
    message: dict[str, Any], field: str, value: Any
) -> None:
    error = refusal(parse_node_message, json.dumps(message | {field: value}))
    assert error.message.startswith(f"{message['type']}.{field}")
    assert error.message_type == message["type"]


@pytest.mark.parametrize("stage", ["asr_languages", "semantic_languages", "tts_languages"])
def test_a_node_that_names_more_languages_than_there_are_is_refused(stage: str) -> None:
    languages = [f"a{number}" for number in range(501)]
    sent = REGISTER | {"language_capabilities": {stage: languages}}
    error = refusal(parse_node_message, json.dumps(sent))
    assert error.message == f"node_register.language_capabilities.{stage} is too long"
    assert error.message_type == "node_register"  # so it is answered by a refused registration
    sent = REGISTER | {"language_capabilities": {stage: languages[1:]}}
    assert parse_node_message(json.dumps(sent))


def test_a_fault_inside_a_value_is_named_with_its_path() -> None:
    sent = INIT | {"features": {"emotion_detection": "yes"}}
    error = refusal(parse_session_message, json.dumps(sent))
    assert error.message == "session_init.features.emotion_detection must be true or false"


def test_a_million_faults_are_one_short_refusal() -> None:
    sent = INIT | {"auto_langs": [5] * 100_000}
    error = refusal(parse_session_message, json.dumps(sent))
    assert error.message == "session_init.auto_langs.0 must be a string"


def test_a_million_faults_of_a_node_are_one_short_refusal() -> None:
    for field in ("installed_models", "installed_services", "capability_by_type"):
        error = refusal(parse_node_message, json.dumps(REGISTER | {field: [5] * 100_000}))
        assert error.message == f"node_register.{field}.0 must be an object"


# ---- what is lenient ------------------------------------------------------------------------


def test_null_is_the_same_as_absent_where_a_field_is_optional() -> None:
    nulls = dict.fromkeys(set(SessionInit.model_fields) - set(INIT))
    assert parse_session_message(json.dumps(INIT | nulls)) == parse_session_message(
        json.dumps(INIT)
    )
    assert parse_session_message(json.dumps(CHUNK | {"payload": None})) == AudioChunk(
        session_id=SessionId("s-1"), seq=1, is_final=False
    )


def test_a_failed_job_may_leave_its_texts_null() -> None:
    sent = RESULT | dict.fromkeys(("text_asr", "text_translated", "tts_audio", "extra"))
    result = parse_node_message(json.dumps(sent))
    assert result == JobResult(job_id=NodeJobId("j"), success=True)


@pytest.mark.parametrize("percent", [0, 86, 7.26, 100.0, None])
def test_a_load_is_a_whole_number_or_not(percent: float | None) -> None:
    sent = HEARTBEAT | {"resource_usage": {"cpu_percent": percent}}
    heartbeat = parse_node_message(json.dumps(sent))
    assert isinstance(heartbeat, NodeHeartbeat)
    assert heartbeat.resource_usage is not None
    assert heartbeat.resource_usage.cpu_percent == percent


def test_a_clock_with_fractions_is_cut_to_whole_milliseconds() -> None:
    sent = {"type": "client_heartbeat", "session_id": "s-1", "timestamp": 1795208675610.75}
    heartbeat = parse_session_message(json.dumps(sent))
    assert isinstance(heartbeat, ClientHeartbeat)
    assert heartbeat.timestamp == 1795208675610
    assert isinstance(heartbeat.timestamp, int)


def test_a_node_may_register_with_nothing_but_the_type() -> None:
    assert parse_node_message(json.dumps(REGISTER)) == NodeRegister()


def test_of_a_repeated_key_the_last_one_counts() -> None:
    chunk = parse_session_message(json.dumps(CHUNK)[:-1] + ', "seq": 7}')
    assert isinstance(chunk, AudioChunk)
    assert chunk.seq == 7


def test_audio_arrives_as_bytes() -> None:
    chunk = parse_session_message(json.dumps(CHUNK))
    assert isinstance(chunk, AudioChunk)
    assert chunk.payload == b"\x00\x01\x02"
    whole = parse_session_message(json.dumps(UTTERANCE | {"audio": "+/+/"}))
    assert isinstance(whole, Utterance)
    assert whole.audio == b"\xfb\xff\xbf"
