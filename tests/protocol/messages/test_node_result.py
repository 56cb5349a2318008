"""What a node's result means: nothing heard, and how long its stages took."""

import math
from typing import Any

import pytest

from protocol.ids import NodeJobId
from protocol.messages.node_inbound import JobResult
from protocol.messages.shared import ServiceTimings


def result(**fields: Any) -> JobResult:
    return JobResult(job_id=NodeJobId("j"), success=True, **fields)


@pytest.mark.parametrize(
    ("fields", "is_empty"),
    [
        ({}, True),
        ({"text_asr": " \n"}, True),
        ({"text_asr": "hello"}, False),
        ({"text_asr": "hello", "extra": {"reason": "ASR_EMPTY"}}, True),
        ({"text_asr": "hello", "extra": {"reason": "NO_TEXT_ASSIGNED"}}, True),
        ({"text_asr": "hello", "extra": {"reason": "SOMETHING_ELSE"}}, False),
        ({"text_asr": "hello", "extra": {"reason": ["ASR_EMPTY"]}}, False),
    ],
)
def test_a_result_without_words_is_empty(fields: dict[str, Any], is_empty: bool) -> None:  # noqa: FBT001 - a test's parameter
    assert result(**fields).is_empty is is_empty


def test_stages_are_taken_from_what_the_node_adds() -> None:
    extra = {"service_timings": {"asr_ms": 10, "nmt_ms": 2.5, "total_ms": 20}}
    assert result(extra=extra, processing_time_ms=99).service_timings() == ServiceTimings(
        asr_ms=10, nmt_ms=2.5, total_ms=20
    )


def test_without_a_total_the_node_took_as_long_as_it_says() -> None:
    assert result(processing_time_ms=99).service_timings() == ServiceTimings(total_ms=99)


@pytest.mark.parametrize("wrong", ["5", None, True, -1, math.nan, math.inf, 10**400, [], {}])
def test_what_is_no_duration_is_dropped(wrong: Any) -> None:
    extra = {"service_timings": {"asr_ms": wrong, "tts_ms": 3}}
    assert result(extra=extra).service_timings() == ServiceTimings(tts_ms=3)


@pytest.mark.parametrize("wrong", [None, 5, "x", [1]])
def test_timings_of_another_shape_are_none(wrong: Any) -> None:
    assert result(extra={"service_timings": wrong}).service_timings() == ServiceTimings()
