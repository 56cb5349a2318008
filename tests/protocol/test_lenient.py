"""What a node says is taken for what it means: odd numbers, nulls, half surrogates."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import encode_utf8, parse_node_message
from protocol.errors import ProtocolError
from protocol.messages.node_inbound import JobResult, NodeHeartbeat

GOOD: dict[str, Any] = {
    "type": "job_result",
    "job_id": "j",
    "success": True,
    "text_asr": "hello",
    "text_translated": "hola",
}
BEAT: dict[str, Any] = {"type": "node_heartbeat", "node_id": "n"}
NAN, INFINITY = float("nan"), float("inf")


def result(**fields: Any) -> JobResult:
    read = parse_node_message(json.dumps(GOOD | fields))
    assert isinstance(read, JobResult)
    return read


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("quality_score", NAN, None),
        ("processing_time_ms", INFINITY, None),
        ("rerun_count", -1, None),
        ("rerun_count", 1.5, None),
        ("reason_codes", "LOW", None),
        ("reason_codes", [None, "LOW"], ("LOW",)),
        ("segments_meta", [{"start": 0.0}], None),
        ("extra", [1], None),
        ("asr_quality_level", 3, None),
        ("session_id", "x" * 300, None),
        ("tts_audio", 7, ""),
    ],
)
def test_an_optional_field_that_is_wrong_is_left_out(name: str, value: Any, taken: Any) -> None:
    read = result(**{name: value})
    assert getattr(read, name) == taken
    assert (read.success, read.text_asr, read.text_translated) == (True, "hello", "hola")
    json.loads(encode_utf8(read), parse_constant=pytest.fail)


def test_half_a_surrogate_is_shown_as_such_and_whole_ones_stay() -> None:
    read = result(text_asr="nice \ud83d", text_translated="\ud83d\ude00")
    assert (read.text_asr, read.text_translated) == ("nice \ufffd", "\U0001f600")


def test_many_faults_at_once_are_mended() -> None:
    read = result(quality_score="high", rerun_count=[], reason_codes=[1] * 20, extra=3)
    assert (read.text_asr, read.reason_codes) == ("hello", ())


@pytest.mark.parametrize("wrong", [{"text_asr": [{"text": "a"}]}, {"success": "yes"}])
def test_a_result_that_cannot_be_used_is_an_error_of_the_node(wrong: dict[str, Any]) -> None:
    read = result(**wrong)
    assert (read.job_id, read.success) == ("j", False)
    assert read.error is not None
    assert read.error.code == "PROCESSING_ERROR"


@pytest.mark.parametrize(
    "wrong",
    [
        {"resource_usage": {"cpu_percent": 5, "gpu_percent": NAN}},
        {"resource_usage": {"cpu_percent": 5, "gpu_percent": "[N/A]"}},
        {"resource_usage": {"cpu_percent": 5, "running_jobs": 1.0}},
        {"resource_usage": {"cpu_percent": -1, "running_jobs": -1}},
        {"resource_usage": "none"},
        {"timestamp": "2026-11-30T10:00:00Z"},
    ],
)
def test_any_heartbeat_that_can_be_read_is_a_sign_of_life(wrong: dict[str, Any]) -> None:
    read = parse_node_message(json.dumps(BEAT | wrong))
    assert isinstance(read, NodeHeartbeat)
    assert read.resource_usage is None or read.resource_usage.gpu_percent is None


def test_one_language_that_is_no_text_costs_no_other() -> None:
    languages = {"asr_languages": ["en", None], "semantic_languages": ["es"], "tts_languages": None}
    read = parse_node_message(json.dumps(BEAT | {"language_capabilities": languages}))
    assert isinstance(read, NodeHeartbeat)
    assert read.language_capabilities is not None
    assert read.language_capabilities.asr_languages == ("en",)


@pytest.mark.parametrize(
    "data",
    [
        "[]",
        "nothing",
        json.dumps({k: v for k, v in GOOD.items() if k != "job_id"}),
        json.dumps(GOOD | {"job_id": 5}),
        json.dumps({"type": "node_register", "max_concurrent_jobs": "many"}),
        json.dumps(BEAT | {"node_id": 7}),
        "[" * 100_000,
    ],
)
def test_what_means_nothing_is_refused(data: str) -> None:
    with pytest.raises(ProtocolError):
        parse_node_message(data)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(JobResult.model_fields)), values, max_size=6))
def test_no_field_of_a_known_job_costs_the_job_its_answer(fields: dict[str, Any]) -> None:
    fields = {k: v for k, v in fields.items() if k not in {"type", "job_id"}}
    assert result(**fields).job_id == "j"
