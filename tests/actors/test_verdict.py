"""What the many ways in which nodes answer mean."""

import json
from dataclasses import replace
from typing import Any

import pytest

from actors.verdict import Follow, Verdict, goes_on, judge, recorded_outcome
from protocol.beginning import OUTCOME_MAX_BYTES
from protocol.errors import MissingReason
from protocol.ids import NodeJobId
from protocol.messages.node_inbound import JobError, JobResult
from protocol.messages.shared import Pipeline
from storage.job import JobState
from tests.actors.support.node_bench import assignment
from tests.support.recording import RecordingRef

ASSIGNED = assignment(RecordingRef(), 0, 1)
DONE, EMPTY, FAILED = JobState.DONE, JobState.EMPTY, JobState.FAILED
SILENCE, MERGED = MissingReason.SILENCE_DETECTED, MissingReason.MERGED


def said(*, success: bool = True, **fields: Any) -> JobResult:
    return JobResult(job_id=NodeJobId("j"), success=success, **fields)


def refused(code: str | None) -> JobResult:
    return said(success=False, error=None if code is None else JobError(code=code))


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (said(text_asr="a", text_translated="b"), Verdict(Follow.END, DONE)),
        (said(text_asr="a"), Verdict(Follow.END, DONE)),
        (said(tts_audio="AAAA"), Verdict(Follow.END, DONE)),
        (said(), Verdict(Follow.END, EMPTY, SILENCE)),
        (said(text_asr="  \n"), Verdict(Follow.END, EMPTY, SILENCE)),
        (said(extra={"reason": "ASR_EMPTY"}), Verdict(Follow.END, EMPTY, SILENCE)),
        (said(extra={"reason": "NO_TEXT_ASSIGNED"}), Verdict(Follow.END, EMPTY, MERGED)),
        (
            refused("MODEL_NOT_AVAILABLE"),
            Verdict(Follow.MOVE, FAILED, MissingReason.MODEL_NOT_AVAILABLE),
        ),
        (refused("WHATEVER"), Verdict(Follow.MOVE, FAILED, MissingReason.PROCESSING_ERROR)),
        (refused(None), Verdict(Follow.MOVE, FAILED, MissingReason.PROCESSING_ERROR)),
    ],
)
def test_an_answer_is_judged(result: JobResult, verdict: Verdict) -> None:
    assert judge(result, ASSIGNED.spec, ASSIGNED.work) == verdict


def test_words_alone_keep_a_segment_open_only_where_a_translation_is_to_come() -> None:
    words = said(text_asr="a")
    going_on = replace(ASSIGNED.spec, turn_continues=True)
    assert judge(words, going_on, ASSIGNED.work).follow is Follow.KEEP_OPEN
    subtitles = Pipeline(use_asr=True, use_nmt=False, use_tts=False)
    assert judge(words, going_on, replace(ASSIGNED.work, pipeline=subtitles)).state is DONE
    full = said(text_asr="a", text_translated="b")
    assert judge(full, going_on, ASSIGNED.work).follow is Follow.END
    assert not goes_on(said())
    assert not goes_on(said(success=False, text_asr="a"))


def test_only_a_full_answer_corrects_an_empty_one() -> None:
    full, empty = Verdict(Follow.END, DONE), Verdict(Follow.END, EMPTY, SILENCE)
    assert full.corrects(empty)
    assert not empty.corrects(full)
    assert not full.corrects(full)
    assert not empty.corrects(empty)


def test_an_outcome_is_recorded_without_its_speech() -> None:
    result = said(text_asr="a", text_translated="b", tts_audio="AAAA", extra={"speech": "BBBB"})
    recorded = recorded_outcome("trace", None, result)
    assert json.loads(recorded) == {
        "trace_id": "trace",
        "text_asr": "a",
        "text_translated": "b",
        "spoken": True,
    }
    reason = json.loads(recorded_outcome("trace", MERGED, None))
    assert reason == {"trace_id": "trace", "reason": "merged"}


@pytest.mark.parametrize("letter", ["a", "é", '"', "\n", "😀"])
def test_of_a_long_outcome_the_beginning_is_recorded(letter: str) -> None:
    result = said(text_asr=letter * 4_000_000, text_translated=letter * 1000)
    recorded = recorded_outcome("trace", None, result)
    assert len(recorded.encode()) <= OUTCOME_MAX_BYTES
    outcome = json.loads(recorded)
    assert outcome["truncated"] is True
    assert outcome["trace_id"]
    assert len(outcome["text_asr"]) > 1000
    assert set(outcome["text_asr"]) == {letter}


def test_many_codes_do_not_make_a_record_long() -> None:
    result = said(text_asr="a", reason_codes=("code" * 60,) * 2000)
    recorded = recorded_outcome("trace", None, result)
    assert len(recorded) <= OUTCOME_MAX_BYTES
    assert json.loads(recorded)["text_asr"] == "a"
