"""From the end of a job to the outcome on the wire. Pure: the clock's value is a parameter.

One `Outcome` per utterance, recipient and language: a `translation_result` or a `missing_result`.
The `ui_event`s around it only show progress.
"""

from typing import TypeAlias

from actors.messages.job import JobEnded, PartialArrived
from actors.session.downlink.grouping import GroupPart
from actors.session.downlink.sequencer import Delivery
from actors.session.utterances import Utterance
from protocol.audio.framing import AudioFormat
from protocol.encode import (
    Delivered,
    UiEventTemplate,
    UtteranceIds,
    encode_missing_result,
    encode_translation_result,
)
from protocol.errors import ErrorCode, MissingReason
from protocol.ids import JobId, RequestId
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_outbound import (
    AsrPartial,
    MissingResult,
    TranslationResult,
    UiEventKind,
)
from protocol.messages.shared import NetworkTimings, ServiceTimings
from protocol.value import value

_SPEECH_DEFAULT_FORMAT = "pcm16"

_ERROR_CODES = {
    MissingReason.NO_AVAILABLE_NODE: ErrorCode.NO_AVAILABLE_NODE,
    MissingReason.QUEUE_FULL: ErrorCode.NODE_OVERLOADED,
    MissingReason.JOB_TIMEOUT: ErrorCode.JOB_TIMEOUT,
    MissingReason.NODE_LOST: ErrorCode.NODE_UNAVAILABLE,
    MissingReason.INSTANCE_LOST: ErrorCode.NODE_UNAVAILABLE,
    MissingReason.MODEL_NOT_AVAILABLE: ErrorCode.MODEL_NOT_AVAILABLE,
    MissingReason.PROCESSING_ERROR: ErrorCode.PROCESSING_ERROR,
    MissingReason.SESSION_CLOSED: ErrorCode.SESSION_CLOSED,
    MissingReason.STORE_UNAVAILABLE: ErrorCode.SCHEDULER_DEPENDENCY_DOWN,
}
"""Reasons that are failures; silence and merging are not."""


@value
class Outcome:
    """The end of one utterance, before it is its turn to be sent."""

    utterance: Utterance
    ended: JobEnded
    lost_speech: bool = False
    """There was speech, and it is gone with the instance that had it."""
    truncated: bool = False
    """Only the beginning of its texts was recorded."""


WireOutcome: TypeAlias = TranslationResult | MissingResult


@value
class MemberUtterance:
    """What another member of the room spoke, before it is its turn to be sent."""

    outcome: WireOutcome
    """Complete but for what the delivery adds: its number, its time, its place in a group."""


Sayable: TypeAlias = Outcome | MemberUtterance
"""What a client hears in its turn."""


def has_opus_speech(outcome: WireOutcome) -> bool:
    """Return whether there is speech in it that a client of PCM16 could not play."""
    return (
        isinstance(outcome, TranslationResult)
        and bool(outcome.tts_audio)
        and outcome.tts_format.lower() == AudioFormat.OPUS
    )


def wire_outcome(
    delivery: Delivery[RequestId, Sayable], part: GroupPart | None, wall_ms: int
) -> WireOutcome:
    """Return the message for the recipient; `part` is where a result stands in its group."""
    if isinstance(delivery.outcome, MemberUtterance):
        return _wire_heard(delivery.outcome, delivery, part, wall_ms)
    ended, utterance = delivery.outcome.ended, delivery.outcome.utterance
    spec = utterance.spec
    start_ms, end_ms = spec.lies_at_ms
    if ended.reason is not None or ended.result is None:
        return MissingResult(
            session_id=spec.session_id,
            utterance_index=spec.utterance_index,
            reason=ended.reason or MissingReason.PROCESSING_ERROR,
            created_at_ms=wall_ms,
            trace_id=utterance.work.trace_id,
            tgt_lang=spec.language,
            speech_start_ms=start_ms,
            speech_end_ms=end_ms,
            delivery_seq=delivery.delivery_seq,
            late=delivery.late or None,
        )
    result = ended.result
    return TranslationResult(
        session_id=spec.session_id,
        utterance_index=spec.utterance_index,
        job_id=spec.job_id,
        text_asr=result.text_asr or "",
        text_translated=result.text_translated or "",
        tts_audio=result.tts_audio or "",
        tts_format=result.tts_format or _SPEECH_DEFAULT_FORMAT,
        extra=result.extra,
        trace_id=utterance.work.trace_id,
        group_id=part.group_id if part is not None else None,
        part_index=part.part_index if part is not None else None,
        service_timings=_service_timings(result),
        network_timings=NetworkTimings(web_to_scheduler_ms=utterance.uplink_ms),
        scheduler_sent_at_ms=wall_ms,
        asr_quality_level=result.asr_quality_level,
        reason_codes=result.reason_codes,
        quality_score=result.quality_score,
        rerun_count=result.rerun_count,
        segments_meta=result.segments_meta,
        tgt_lang=spec.language,
        speech_start_ms=start_ms,
        speech_end_ms=end_ms,
        delivery_seq=delivery.delivery_seq,
        late=delivery.late or None,
        tts_lost=delivery.outcome.lost_speech or None,
        truncated=delivery.outcome.truncated or None,
    )


def encode_outcome(
    outcome: Outcome, delivery_seq: int, part: GroupPart | None, wall_ms: int, *, late: bool
) -> bytes:
    """Return the same as bytes, for a client of which nothing is kept: a third of the time."""
    ended, utterance, spec = outcome.ended, outcome.utterance, outcome.utterance.spec
    ids = UtteranceIds(
        spec.session_id,
        spec.utterance_index,
        spec.job_id,
        utterance.work.trace_id,
        spec.language,
        *spec.lies_at_ms,
    )
    result = ended.result
    if ended.reason is not None or result is None:
        reason = ended.reason or MissingReason.PROCESSING_ERROR
        return encode_missing_result(ids, reason, Delivered(delivery_seq, wall_ms, late))
    delivered = Delivered(
        delivery_seq,
        wall_ms,
        late,
        None if part is None else part.group_id,
        0 if part is None else part.part_index,
        utterance.uplink_ms,
        outcome.lost_speech,
        outcome.truncated,
    )
    return encode_translation_result(ids, result, delivered)


def _wire_heard(
    heard: MemberUtterance,
    delivery: Delivery[RequestId, Sayable],
    part: GroupPart | None,
    wall_ms: int,
) -> WireOutcome:
    numbers: dict[str, object] = {
        "delivery_seq": delivery.delivery_seq,
        "late": delivery.late or heard.outcome.late,
    }
    if part is not None:
        numbers |= {"group_id": part.group_id, "part_index": part.part_index}
    is_result = isinstance(heard.outcome, TranslationResult)
    numbers["scheduler_sent_at_ms" if is_result else "created_at_ms"] = wall_ms
    return heard.outcome.model_copy(update=numbers)


def without_text(missing: MissingResult, job_id: JobId, part: GroupPart) -> TranslationResult:
    """Return silence as a result without words, for a client that knows no `missing_result`."""
    return TranslationResult(
        session_id=missing.session_id,
        utterance_index=missing.utterance_index,
        job_id=job_id,
        extra={"reason": missing.reason.value},
        trace_id=missing.trace_id,
        group_id=part.group_id,
        part_index=part.part_index,
        service_timings=ServiceTimings(),
        network_timings=NetworkTimings(),
        scheduler_sent_at_ms=missing.created_at_ms,
        tgt_lang=missing.tgt_lang,
        speech_start_ms=missing.speech_start_ms,
        speech_end_ms=missing.speech_end_ms,
        delivery_seq=missing.delivery_seq,
        late=missing.late,
    )


def without_speech(message: WireOutcome) -> WireOutcome:
    """Return what is kept of an outcome when its speech takes too much room."""
    if isinstance(message, MissingResult):
        return message
    return message.model_copy(update={"tts_audio": "", "tts_lost": True})


def _service_timings(result: JobResult) -> ServiceTimings:
    """Return the stages as the node measured them; nodes that do not say give the total only."""
    stages = (result.extra or {}).get("service_timings")
    stages = stages if isinstance(stages, dict) else {}
    return ServiceTimings.pick(stages, result.processing_time_ms)


def ui_event(
    utterance: Utterance,
    event: UiEventKind,
    now_ms: float,
    *,
    reason: MissingReason | None = None,
    wait_ms_estimate: int | None = None,
) -> bytes:
    """Return the message that shows how far an utterance has come; `reason` goes with ERROR."""
    template, spec = utterance.events, utterance.spec
    if template is None:
        template = utterance.events = UiEventTemplate(
            utterance.work.trace_id, spec.session_id, spec.job_id, spec.utterance_index
        )
    elapsed_ms = max(0, round(now_ms - utterance.cut_at_ms))
    if reason is not None:
        return template.failed(elapsed_ms, _ERROR_CODES[reason], reason)
    if event is UiEventKind.QUEUED:
        return template.queued(elapsed_ms, wait_ms_estimate)
    return template.progress(event, elapsed_ms)


def asr_partial(utterance: Utterance, so_far: PartialArrived) -> AsrPartial:
    """Return the message with text that was recognised so far."""
    return AsrPartial(
        session_id=utterance.spec.session_id,
        utterance_index=utterance.spec.utterance_index,
        job_id=utterance.spec.job_id,
        text=so_far.text,
        text_translated=so_far.text_translated,
        stable_chars=so_far.stable_chars,
        is_final=so_far.is_final,
        trace_id=utterance.work.trace_id,
    )


def ends_turn(reason: MissingReason) -> bool:
    """Return whether what is open of a turn ends with its last part, if that ends so."""
    return reason in _ERROR_CODES or reason is MissingReason.CANCELLED


def is_failure(reason: MissingReason) -> bool:
    """Return whether the reason is shown as an error (silence and merging are not)."""
    return reason in _ERROR_CODES
