"""How messages are written."""

import json
from typing import Any

from protocol.audio import AudioFormat
from protocol.codec import encode, parse_node_command, parse_node_message
from protocol.errors import MissingReason
from protocol.ids import SessionId, TraceId
from protocol.node_inbound import JobResult
from protocol.node_outbound import JobAssign
from protocol.session_outbound import MissingResult, TranslationResult
from protocol.shared import FULL_PIPELINE, SessionMode
from tests.protocol.support.wire_refusals import RESULT


def assignment(**flags: Any) -> JobAssign:
    return JobAssign(
        job_id="j",
        attempt_id=1,
        session_id="s",
        utterance_index=0,
        src_lang="en",
        tgt_lang="es",
        pipeline=FULL_PIPELINE,
        audio=b"\xfb\xff\xbf",
        audio_format=AudioFormat.PCM16,
        sample_rate=16_000,
        **flags,
    )


def test_an_assignment_leaves_out_flags_that_are_false() -> None:
    written = json.loads(encode(assignment(is_manual_cut=True, is_timeout_triggered=False)))
    assert written["is_manual_cut"] is True
    assert "is_timeout_triggered" not in written
    assert "is_max_duration_triggered" not in written
    assert "dialect" not in written


def test_a_node_takes_a_flag_that_is_false_for_an_absent_one() -> None:
    text = encode(assignment())[:-1] + ',"is_manual_cut":false}'
    assert parse_node_command(text) == assignment()


def test_an_assignment_made_without_validation_is_written_the_same() -> None:
    flags = {"is_manual_cut": True, "mode": SessionMode.TWO_WAY_AUTO, "trace_id": TraceId("t")}
    checked = assignment(**flags)
    made = JobAssign.model_construct(**dict(checked))
    assert encode(made) == encode(checked)
    assert encode(JobAssign.model_construct(**dict(checked) | flags)) == encode(checked)


def test_audio_is_written_in_the_standard_alphabet() -> None:
    assert json.loads(encode(assignment()))["audio"] == "+/+/"


def test_what_a_node_adds_is_passed_on_as_it_is() -> None:
    extra = {"deep": [{"x": None, "y": [1, 2.5, "ü", False]}], "reason": None}
    result = parse_node_message(json.dumps(RESULT | {"extra": extra}))
    assert isinstance(result, JobResult)
    written = encode(
        TranslationResult(
            session_id=SessionId("s"), utterance_index=0, job_id="j", extra=result.extra
        )
    )
    assert json.loads(written)["extra"] == extra


def test_what_no_json_can_say_never_reaches_a_client() -> None:
    result = parse_node_message(
        '{"type":"job_result","job_id":"j","success":true,"extra":{"a":NaN}}'
    )
    assert isinstance(result, JobResult)
    assert json.loads(encode(result))["extra"] == {"a": None}


def test_a_missing_result_says_its_reason_in_one_word() -> None:
    message = MissingResult(
        session_id=SessionId("s"),
        utterance_index=0,
        reason=MissingReason.SILENCE_DETECTED,
        created_at_ms=1,
        late=False,
    )
    assert json.loads(encode(message)) == {
        "type": "missing_result",
        "session_id": "s",
        "utterance_index": 0,
        "reason": "silence_detected",
        "created_at_ms": 1,
    }
