"""Outcomes at the client: complete, in order, once, late after a gap, never missing."""

import pytest

from actors.messages.job import (
    EndJob,
    ResultReplaced,
    UtteranceCut,
)
from actors.session.options import SegmenterOptions
from protocol.errors import MissingReason
from protocol.ids import NodeJobId
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_outbound import (
    ErrorMessage,
    MissingResult,
    TranslationResult,
    UiEvent,
)
from storage.job import JobState
from tests.actors.support.session_bench import GAP_MS, LIFETIME_MS, SID, SessionBench


@pytest.fixture
def bench() -> SessionBench:
    return SessionBench()


NO_FAILURES = (MissingReason.SILENCE_DETECTED, MissingReason.MERGED, MissingReason.CANCELLED)


def test_a_result_is_complete(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.answer(
        cut,
        tts_audio="AAAA",
        tts_format="opus",
        processing_time_ms=120.0,
        extra={"service_timings": {"asr_ms": 50}, "emotion": "calm"},
        quality_score=0.5,
    )
    [result] = bench.outbox.of(TranslationResult)
    assert (result.session_id, result.utterance_index, result.job_id) == (SID, 0, cut.spec.job_id)
    assert (result.text_asr, result.text_translated) == ("hello", "hello!")
    assert (result.tts_audio, result.tts_format) == ("AAAA", "opus")
    assert (result.trace_id, result.part_index, result.delivery_seq) == ("trace", 0, 1)
    assert result.group_id is not None
    assert result.scheduler_sent_at_ms is not None
    assert result.service_timings is not None
    assert (result.service_timings.asr_ms, result.service_timings.total_ms) == (50, 120)
    assert result.late is None


def test_outcomes_come_in_the_order_of_cuts(bench: SessionBench) -> None:
    one, two, three = bench.speak(), bench.speak(), bench.speak()
    bench.answer(three, "three")
    bench.answer(two, "two")
    assert bench.outcomes() == []
    bench.end(one)
    assert bench.outcomes() == [(0, "node_lost"), (1, "two"), (2, "three")]


def test_a_gap_holds_back_for_a_while_and_is_then_late(bench: SessionBench) -> None:
    one, two = bench.speak(), bench.speak()
    bench.answer(two, "two")
    bench.wait(GAP_MS - 1)
    assert bench.outcomes() == []
    bench.wait(1)
    assert bench.outcomes() == [(1, "two")]
    bench.answer(one, "one")
    assert bench.outcomes() == [(1, "two"), (0, "one")]
    late = [message.late for message in bench.outbox.of(TranslationResult)]
    assert late == [None, True]


def test_every_reason_reaches_the_client_and_none_is_an_error(bench: SessionBench) -> None:
    """`error` opens an alert in the browser: one lost utterance is not worth one."""
    for reason in MissingReason:
        bench.end(bench.speak(), reason)
    said = [message.reason for message in bench.outbox.of(MissingResult)]
    assert said == list(MissingReason)
    shown = [event.hint for event in bench.outbox.of(UiEvent)]
    assert shown == [reason.value for reason in MissingReason if reason not in NO_FAILURES]
    assert bench.outbox.of(ErrorMessage) == []


def test_an_utterance_has_one_outcome_whatever_comes(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.answer(cut)
    bench.answer(cut, "again")
    bench.end(cut)
    assert bench.outcomes() == [(0, "hello")]


def full_result(cut: UtteranceCut) -> ResultReplaced:
    result = JobResult(job_id=NodeJobId("x"), success=True, text_asr="full", text_translated="f")
    return ResultReplaced(cut.spec.job_id, result)


def test_a_full_result_replaces_an_empty_one_before_its_delivery(bench: SessionBench) -> None:
    one, two = bench.speak(), bench.speak()
    bench.answer_nothing(two)
    bench.tell(full_result(two))
    bench.answer(one, "one")
    assert bench.outcomes() == [(0, "one"), (1, "full")]


def test_a_full_result_comes_too_late_after_the_delivery(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.answer_nothing(cut)
    bench.tell(full_result(cut))
    assert bench.outcomes() == [(0, "silence_detected")]


def test_what_was_merged_is_not_replaced(bench: SessionBench) -> None:
    one, two = bench.speak(), bench.speak()
    bench.end(two, MissingReason.MERGED, JobState.EMPTY)
    bench.tell(full_result(two))
    bench.answer(one, "one")
    assert bench.outcomes() == [(0, "one"), (1, "merged")]


def test_an_outcome_that_never_comes_ends_by_itself_after_the_deadline(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.wait(LIFETIME_MS + GAP_MS - 1)
    assert bench.outcomes() == []
    bench.wait(1)
    assert bench.outcomes() == [(0, "job_timeout")]
    end = bench.dispatcher.only(EndJob)
    assert (end.job_id, end.reason) == (cut.spec.job_id, MissingReason.JOB_TIMEOUT)
    assert bench.held.held_bytes == 0
    assert bench.deadline_ms is None


def test_the_segments_of_a_turn_live_as_long_as_its_last_one() -> None:
    bench = SessionBench(segmenter=SegmenterOptions(max_duration_ms=1_000, pause_ms=600_000))
    bench.chunk(1_000)
    bench.wait(20_000)
    bench.chunk(1_000)
    first, second = bench.cuts()
    assert (first.spec.turn_part, second.spec.turn_part) == (0, 1)
    bench.wait(LIFETIME_MS + GAP_MS - 1_000)
    assert bench.outcomes() == []
    bench.answer(second, "both")
    bench.wait(1_000)
    assert bench.outcomes() == [(0, "job_timeout"), (1, "both")]
