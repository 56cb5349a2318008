"""Our own messages, from values to the bytes of a text frame.

One encoder for each kind of message that is sent for every utterance. What it writes is equal, byte
by byte, to what the model of the message would become (the tests compare them): what we say
ourselves need not be validated, and one pass over the values is a third of the time that building
and encoding the model takes. Must not: be given what a peer has to say in the place of a number.

All other messages are encoded from their models, by `protocol.codec.encode_utf8`.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from json.encoder import encode_basestring as quoted
from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from protocol.audio.framing import AudioFormat
from protocol.errors import MissingReason
from protocol.ids import SessionId
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_outbound import UiEventKind
from protocol.messages.shared import FULL_PIPELINE, NO_FEATURES, Features, Pipeline, sensible_ms
from protocol.value import value
from protocol.wire import WireModel

_FULL_PIPELINE: Final = to_json(FULL_PIPELINE, exclude_none=True).decode()
_EVENT_NAMES: Final = {kind: f'{kind.value}"' for kind in UiEventKind}


class UiEventTemplate:
    """The `ui_event`s of one utterance: all but what differs between them is written once."""

    __slots__ = ("_head",)

    def __init__(
        self, trace_id: str, session_id: SessionId, job_id: str, utterance_index: int
    ) -> None:
        self._head = (
            f'{{"type":"ui_event","trace_id":{quoted(trace_id)},"session_id":{quoted(session_id)}'
            f',"job_id":{quoted(job_id)},"utterance_index":{utterance_index},"event":"'
        )

    def progress(self, event: UiEventKind, elapsed_ms: int) -> bytes:
        """Return the event of a step that went well."""
        name = _EVENT_NAMES[event]
        return f'{self._head}{name},"elapsed_ms":{elapsed_ms},"status":"ok"}}'.encode()

    def queued(self, elapsed_ms: int, wait_ms_estimate: int | None) -> bytes:
        """Return QUEUED with how long it may last; None: no node is there that could take it."""
        if wait_ms_estimate is None:
            ends = ',"wait_ms_estimate":null,"reason":"no_node"'
        else:
            ends = f',"wait_ms_estimate":{wait_ms_estimate}'
        return f'{self._head}QUEUED","elapsed_ms":{elapsed_ms},"status":"ok"{ends}}}'.encode()

    def failed(self, elapsed_ms: int, error_code: str, reason: MissingReason) -> bytes:
        """Return ERROR with its code and the reason of the `missing_result`."""
        return (
            f'{self._head}ERROR","elapsed_ms":{elapsed_ms},"status":"error"'
            f',"error_code":{quoted(error_code)},"hint":"{reason.value}"}}'
        ).encode()


@value
class Assignment:
    """The fields of a `job_assign`, as in `protocol.messages.node_outbound.JobAssign`."""

    job_id: str
    attempt_id: int
    session_id: str
    utterance_index: int
    src_lang: str
    tgt_lang: str
    audio: bytes
    """In `audio_format`; read only."""
    audio_format: AudioFormat
    sample_rate: int
    """Hertz."""
    turn_id: str
    pipeline: Pipeline = FULL_PIPELINE
    dialect: str | None = None
    features: Features | None = None
    mode: str | None = None
    lang_a: str | None = None
    lang_b: str | None = None
    auto_langs: Sequence[str] | None = None
    enable_streaming_asr: bool | None = None
    partial_update_interval_ms: int | None = None
    trace_id: str | None = None
    group_id: str | None = None
    part_index: int | None = None
    context_text: str | None = None
    hints: Sequence[str] | None = None
    voice_id: str | None = None
    traceparent: str | None = None
    padding_ms: int | None = None
    is_manual_cut: bool = False
    is_max_duration_triggered: bool = False
    streaming: bool = False
    speaker_key: str | None = None
    cut_reason: str | None = None


def encode_job_assign(job: Assignment) -> bytes:
    """Return `job_assign`, with the audio as base64; what is None or false is left out."""
    pipeline = _FULL_PIPELINE if job.pipeline is FULL_PIPELINE else _model(job.pipeline)
    asked = group = chosen = ""
    if job.dialect is not None:
        asked = f',"dialect":{quoted(job.dialect)}'
    if job.features is not None:
        is_usual = job.features is NO_FEATURES
        asked += ',"features":{}' if is_usual else f',"features":{_model(job.features)}'
    if job.group_id is not None:
        group = f',"group_id":{quoted(job.group_id)}'
    if job.part_index is not None:
        group += f',"part_index":{job.part_index}'
    if job.context_text is not None:
        group += f',"context_text":{quoted(job.context_text)}'
    if (job.hints, job.voice_id, job.traceparent) != _NO_WISHES:
        group += "".join(map(_optional, _WISHES, (job.hints, job.voice_id, job.traceparent)))
    if job.mode is not None:
        chosen = f',"mode":{quoted(job.mode)}'
    if (job.lang_a, job.lang_b, job.auto_langs) != _NO_PAIR:
        chosen += "".join(map(_optional, _PAIR, (job.lang_a, job.lang_b, job.auto_langs)))
    if job.enable_streaming_asr is not None:
        chosen += f',"enable_streaming_asr":{"true" if job.enable_streaming_asr else "false"}'
    if job.partial_update_interval_ms is not None:
        chosen += f',"partial_update_interval_ms":{job.partial_update_interval_ms}'
    trace = "" if job.trace_id is None else f',"trace_id":{quoted(job.trace_id)}'
    speaker = "" if job.speaker_key is None else f',"speaker_key":{quoted(job.speaker_key)}'
    cut_reason = "" if job.cut_reason is None else f',"cut_reason":"{job.cut_reason}"'
    padding = "" if job.padding_ms is None else f',"padding_ms":{job.padding_ms}'
    head = (
        f'{{"type":"job_assign","job_id":{quoted(job.job_id)},"attempt_id":{job.attempt_id}'
        f',"session_id":{quoted(job.session_id)},"utterance_index":{job.utterance_index}'
        f',"src_lang":{quoted(job.src_lang)},"tgt_lang":{quoted(job.tgt_lang)}'
        f'{asked},"pipeline":{pipeline},"audio":"'
    )
    tail = (
        f'","audio_format":"{job.audio_format}","sample_rate":{job.sample_rate}'
        f"{_IS_STREAMING if job.streaming else ''}"
        f"{chosen}{trace}{group}{padding}"
        f"{_IS_MANUAL if job.is_manual_cut else ''}"
        f"{_IS_MAX_DURATION if job.is_max_duration_triggered else ''}"
        f',"turn_id":{quoted(job.turn_id)}{speaker}{cut_reason}}}'
    )
    return b"".join((head.encode(), b2a_base64(job.audio, newline=False), tail.encode()))


_IS_STREAMING: Final = ',"streaming":true'
_IS_MANUAL: Final = ',"is_manual_cut":true'
_IS_MAX_DURATION: Final = ',"is_max_duration_triggered":true'


_PAIR: Final = ("lang_a", "lang_b", "auto_langs")
_NO_PAIR: Final = (None,) * 3
_WISHES: Final = ("hints", "voice_id", "traceparent")
_NO_WISHES: Final = (None,) * 3


class UtteranceIds(NamedTuple):
    """By what a client knows an utterance."""

    session_id: SessionId
    utterance_index: int
    job_id: str
    trace_id: str
    tgt_lang: str
    start_ms: int
    """Where its audio begins in all audio of the session."""
    end_ms: int


class Delivered(NamedTuple):
    """What the delivery of an outcome adds to it."""

    delivery_seq: int
    sent_at_ms: int
    """Unix ms."""
    late: bool
    group_id: str | None = None
    """None: it has no place in a group."""
    part_index: int = 0
    uplink_ms: int | None = None
    """As in `NetworkTimings.web_to_scheduler_ms`."""
    tts_lost: bool = False
    truncated: bool = False


_LATE: Final = ',"late":true'
_EMPTY: Final = b'""'


def encode_translation_result(ids: UtteranceIds, result: JobResult, sent: Delivered) -> bytes:
    """Return `translation_result` with what a node has answered."""
    speech = to_json(result.tts_audio) if result.tts_audio else _EMPTY
    extra = group = rated = ""
    if result.extra is not None:
        extra = f',"extra":{to_json(result.extra, inf_nan_mode="null").decode()}'
    if sent.group_id is not None:
        group = f',"group_id":{quoted(sent.group_id)},"part_index":{sent.part_index}'
    uplink = "" if sent.uplink_ms is None else f'"web_to_scheduler_ms":{sent.uplink_ms}.0'
    if (
        result.asr_quality_level is not None
        or result.reason_codes is not None
        or result.quality_score is not None
        or result.rerun_count is not None
        or result.segments_meta is not None
    ):
        rated = _rating(result)
    head = (
        f'{{"type":"translation_result","session_id":{quoted(ids.session_id)}'
        f',"utterance_index":{ids.utterance_index},"job_id":{quoted(ids.job_id)}'
        f',"text_asr":{quoted(result.text_asr)},"text_translated":{quoted(result.text_translated)}'
        ',"tts_audio":'
    )
    tail = (
        f',"tts_format":{quoted(result.tts_format) if result.tts_format else _PCM16}{extra}'
        f',"trace_id":{quoted(ids.trace_id)}{group}'
        f',"service_timings":{{{_stages(result)}}},"network_timings":{{{uplink}}}'
        f',"scheduler_sent_at_ms":{sent.sent_at_ms}{rated}'
        f',"tgt_lang":{quoted(ids.tgt_lang)},"speech_start_ms":{ids.start_ms}'
        f',"speech_end_ms":{ids.end_ms},"delivery_seq":{sent.delivery_seq}'
        f"{_LATE if sent.late else ''}"
        f"{_TTS_LOST if sent.tts_lost else ''}{_TRUNCATED if sent.truncated else ''}}}"
    )
    return b"".join((head.encode(), speech, tail.encode()))


_PCM16: Final = '"pcm16"'
_TTS_LOST: Final = ',"tts_lost":true'
_TRUNCATED: Final = ',"truncated":true'
_LONGEST_PLAIN: Final = 2**53


def _stages(result: JobResult) -> str:
    """Return how long the stages took, as far as the node says so; most give the total alone."""
    if result.extra is not None and "service_timings" in result.extra:
        return _model(result.service_timings())[1:-1]
    total_ms = sensible_ms(result.processing_time_ms)
    return "" if total_ms is None else f'"total_ms":{_number(total_ms)}'


def _rating(result: JobResult) -> str:
    """Return what the node thinks of its own answer."""
    rated = _optional("asr_quality_level", result.asr_quality_level)
    rated += _optional("reason_codes", result.reason_codes)
    rated += _optional("quality_score", result.quality_score)
    rated += _optional("rerun_count", result.rerun_count)
    meta = result.segments_meta
    return rated if meta is None else f'{rated},"segments_meta":{_object(meta)}'


def _number(given: float) -> str:
    whole = int(given)  # below zero there is -0.0, which is written so
    is_plain = whole == given and 0 < whole < _LONGEST_PLAIN
    return f"{whole}.0" if is_plain else to_json(given).decode()


def _object(given: dict[str, Any]) -> str:
    return to_json(given, inf_nan_mode="null").decode()


def encode_missing_result(ids: UtteranceIds, reason: MissingReason, sent: Delivered) -> bytes:
    """Return `missing_result`."""
    return (
        f'{{"type":"missing_result","session_id":{quoted(ids.session_id)}'
        f',"utterance_index":{ids.utterance_index},"reason":"{reason}"'
        f',"created_at_ms":{sent.sent_at_ms},"trace_id":{quoted(ids.trace_id)}'
        f',"tgt_lang":{quoted(ids.tgt_lang)},"speech_start_ms":{ids.start_ms}'
        f',"speech_end_ms":{ids.end_ms}'
        f',"delivery_seq":{sent.delivery_seq}{_LATE if sent.late else ""}}}'
    ).encode()


def encode_server_heartbeat(session_id: SessionId, timestamp_ms: int) -> bytes:
    """Return `server_heartbeat`."""
    name = quoted(session_id)
    return f'{{"type":"server_heartbeat","session_id":{name},"timestamp":{timestamp_ms}}}'.encode()


def encode_audio_ack(session_id: SessionId, next_seq: int) -> bytes:
    """Return `audio_ack`."""
    name = quoted(session_id)
    return f'{{"type":"audio_ack","session_id":{name},"next_seq":{next_seq}}}'.encode()


def _optional(name: str, given: Any) -> str:
    """Return a field, or nothing where there is none."""
    if given is None:
        return ""
    kind = type(given)
    if kind is str:
        return f',"{name}":{quoted(given)}'
    return f',"{name}":{given if kind is int else _model(given)}'


def _model(given: WireModel | Sequence[str] | float) -> str:
    return to_json(given, exclude_none=True).decode()
