"""How messages are written."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from actors.session.cut import CutReason
from protocol.audio.framing import AudioFormat
from protocol.codec import encode, encode_utf8, parse_node_command, parse_node_message
from protocol.encode import (
    Assignment,
    Delivered,
    UiEventTemplate,
    UtteranceIds,
    encode_audio_ack,
    encode_job_assign,
    encode_missing_result,
    encode_server_heartbeat,
    encode_translation_result,
)
from protocol.errors import MissingReason
from protocol.ids import SessionId, TraceId
from protocol.messages.node_inbound import JobResult
from protocol.messages.node_outbound import JobAssign
from protocol.messages.session_outbound import (
    AudioAck,
    MissingResult,
    ServerHeartbeat,
    TranslationResult,
    UiEvent,
    UiEventKind,
)
from protocol.messages.shared import FULL_PIPELINE, Features, NetworkTimings, Pipeline, SessionMode
from protocol.wire import MAX_SAFE_INTEGER
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
    written = json.loads(encode(assignment(is_manual_cut=True, is_max_duration_triggered=False)))
    assert written["is_manual_cut"] is True
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


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(0, MAX_SAFE_INTEGER)


def either(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@given(st.tuples(TEXTS, TEXTS, TEXTS), NUMBERS, NUMBERS, st.sampled_from(UiEventKind))
def test_the_step_of_an_utterance_is_written_as_its_model_is(
    ids: tuple[str, str, str], index: int, elapsed_ms: int, event: UiEventKind
) -> None:
    trace_id, session, job_id = ids
    template = UiEventTemplate(trace_id, SessionId(session), job_id, index)
    fields: dict[str, Any] = {
        "trace_id": trace_id,
        "session_id": SessionId(session),
        "job_id": job_id,
        "utterance_index": index,
        "elapsed_ms": elapsed_ms,
    }
    assert template.progress(event, elapsed_ms) == encode_utf8(UiEvent(**fields, event=event))
    for wait_ms in (0, 7):
        queued = UiEvent(**fields, event=UiEventKind.QUEUED, wait_ms_estimate=wait_ms)
        assert template.queued(elapsed_ms, wait_ms) == encode_utf8(queued)
    without_node = UiEvent(**fields, event=UiEventKind.QUEUED, reason="no_node")
    written = template.queued(elapsed_ms, None)
    assert UiEvent.model_validate_json(written) == without_node
    assert json.loads(written)["wait_ms_estimate"] is None
    for reason in MissingReason:
        failed = UiEvent(
            **fields, event=UiEventKind.ERROR, status="error", error_code="C", hint=reason.value
        )
        assert template.failed(elapsed_ms, "C", reason) == encode_utf8(failed)


OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("dialect", "lang_a", "lang_b", "trace_id", "group_id"), either(TEXTS)),
    **dict.fromkeys(("context_text", "voice_id", "traceparent"), either(TEXTS)),
    "hints": either(st.lists(TEXTS, max_size=3).map(tuple)),
    "features": either(st.just(Features(speech_rate_control=True))),
    "mode": either(st.sampled_from([mode.value for mode in SessionMode])),
    "auto_langs": either(st.lists(TEXTS, max_size=3).map(tuple)),
    "enable_streaming_asr": either(st.booleans()),
    **dict.fromkeys(("partial_update_interval_ms", "part_index", "padding_ms"), either(NUMBERS)),
    **dict.fromkeys(("is_manual_cut", "is_max_duration_triggered", "streaming"), st.booleans()),
    "speaker_key": either(TEXTS),
    "cut_reason": either(st.sampled_from([reason.value for reason in CutReason])),
    "pipeline": st.just(FULL_PIPELINE)
    | st.builds(Pipeline, use_asr=st.booleans(), use_nmt=st.just(False), use_tts=st.booleans()),
    "audio": st.binary(max_size=9),
    "audio_format": st.sampled_from(AudioFormat),
    **dict.fromkeys(("job_id", "session_id", "src_lang", "tgt_lang", "turn_id"), TEXTS),
    **dict.fromkeys(("utterance_index", "sample_rate"), NUMBERS),
    "attempt_id": st.integers(1, 9),
}


@given(st.fixed_dictionaries(OPTIONS))
def test_an_assignment_is_written_as_its_model_is(fields: dict[str, Any]) -> None:
    assert set(fields) == set(JobAssign.model_fields) - {"type"}
    assert encode_job_assign(Assignment(**fields)) == encode_utf8(JobAssign(**fields))


@given(TEXTS, NUMBERS)
def test_short_answers_are_written_as_their_models_are(session: str, number: int) -> None:
    name = SessionId(session)
    heartbeat = ServerHeartbeat(session_id=name, timestamp=number)
    assert encode_server_heartbeat(name, number) == encode_utf8(heartbeat)
    ack = AudioAck(session_id=name, next_seq=number)
    assert encode_audio_ack(name, number) == encode_utf8(ack)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
STAGES = st.fixed_dictionaries(
    {
        "service_timings": st.dictionaries(
            st.sampled_from(["asr_ms", "nmt_ms", "tts_ms", "total_ms", "other"]),
            st.integers(-5, 2**60) | st.floats(0, 1e9) | st.booleans() | TEXTS,
        )
    }
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
RESULTS = st.fixed_dictionaries(
    {"job_id": TEXTS, "success": st.just(True)},
    optional={
        "text_asr": TEXTS,
        "text_translated": TEXTS,
        "tts_audio": TEXTS,
        "tts_format": TEXTS,
        "extra": OBJECTS | STAGES,
        "processing_time_ms": FINITE,
        "asr_quality_level": TEXTS,
        "reason_codes": st.lists(TEXTS, max_size=2).map(tuple),
        "quality_score": FINITE,
        "rerun_count": NUMBERS,
        "segments_meta": OBJECTS,
    },
)
IDS = st.builds(UtteranceIds, TEXTS.map(SessionId), NUMBERS, TEXTS, TEXTS, TEXTS, NUMBERS, NUMBERS)
DELIVERED = st.builds(
    Delivered,
    NUMBERS,
    NUMBERS,
    st.booleans(),
    either(TEXTS),
    st.integers(0, 99),
    either(NUMBERS),
    st.booleans(),
    st.booleans(),
)


@example(
    UtteranceIds(SessionId("s"), 0, "j", "t", "es", 0, 1),
    {"job_id": "j", "success": True, "processing_time_ms": -0.0},
    Delivered(1, 0, late=False),
)
@given(IDS, RESULTS, DELIVERED)
def test_a_translation_is_written_as_its_model_is(
    ids: UtteranceIds, fields: dict[str, Any], sent: Delivered
) -> None:
    result = JobResult(**fields)
    uplink_ms = None if sent.uplink_ms is None else float(sent.uplink_ms)
    message = TranslationResult(
        session_id=ids.session_id,
        utterance_index=ids.utterance_index,
        job_id=ids.job_id,
        text_asr=result.text_asr,
        text_translated=result.text_translated,
        tts_audio=result.tts_audio,
        tts_format=result.tts_format or "pcm16",
        extra=result.extra,
        trace_id=ids.trace_id,
        group_id=sent.group_id,
        part_index=None if sent.group_id is None else sent.part_index,
        service_timings=result.service_timings(),
        network_timings=NetworkTimings(web_to_scheduler_ms=uplink_ms),
        scheduler_sent_at_ms=sent.sent_at_ms,
        asr_quality_level=result.asr_quality_level,
        reason_codes=result.reason_codes,
        quality_score=result.quality_score,
        rerun_count=result.rerun_count,
        segments_meta=result.segments_meta,
        tgt_lang=ids.tgt_lang,
        speech_start_ms=ids.start_ms,
        speech_end_ms=ids.end_ms,
        delivery_seq=sent.delivery_seq,
        late=sent.late,
        tts_lost=sent.tts_lost,
        truncated=sent.truncated,
    )
    assert encode_translation_result(ids, result, sent) == encode_utf8(message)


@given(IDS, st.sampled_from(MissingReason), DELIVERED)
def test_a_missing_result_is_written_as_its_model_is(
    ids: UtteranceIds, reason: MissingReason, sent: Delivered
) -> None:
    message = MissingResult(
        session_id=ids.session_id,
        utterance_index=ids.utterance_index,
        reason=reason,
        created_at_ms=sent.sent_at_ms,
        trace_id=ids.trace_id,
        tgt_lang=ids.tgt_lang,
        speech_start_ms=ids.start_ms,
        speech_end_ms=ids.end_ms,
        delivery_seq=sent.delivery_seq,
        late=sent.late,
    )
    assert encode_missing_result(ids, reason, sent) == encode_utf8(message)
