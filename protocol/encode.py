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
from typing import Any, Final

from pydantic_core import to_json

from protocol.audio.framing import AudioFormat
from protocol.errors import MissingReason
from protocol.ids import SessionId
from protocol.messages.session_outbound import UiEventKind
from protocol.messages.shared import FULL_PIPELINE, Features, Pipeline
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
        """Return QUEUED with how long it may last, if that is known."""
        ends = "" if wait_ms_estimate is None else f',"wait_ms_estimate":{wait_ms_estimate}'
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
    is_timeout_triggered: bool = False
    is_max_duration_triggered: bool = False


def encode_job_assign(job: Assignment) -> bytes:
    """Return `job_assign`, with the audio as base64; what is None or false is left out."""
    pipeline = _FULL_PIPELINE if job.pipeline is FULL_PIPELINE else _model(job.pipeline)
    asked = group = wished = ""
    if job.dialect is not None or job.features is not None:
        asked = _optional("dialect", job.dialect) + _optional("features", job.features)
    if (job.group_id, job.part_index, job.context_text) != (None, None, None):
        group = _place_in_group(job)
    if (job.hints, job.voice_id, job.traceparent) != (None, None, None):
        wished = _optional("hints", job.hints) + _optional("voice_id", job.voice_id)
        wished += _optional("traceparent", job.traceparent)
    trace = "" if job.trace_id is None else f',"trace_id":{quoted(job.trace_id)}'
    padding = "" if job.padding_ms is None else f',"padding_ms":{job.padding_ms}'
    head = (
        f'{{"type":"job_assign","job_id":{quoted(job.job_id)},"attempt_id":{job.attempt_id}'
        f',"session_id":{quoted(job.session_id)},"utterance_index":{job.utterance_index}'
        f',"src_lang":{quoted(job.src_lang)},"tgt_lang":{quoted(job.tgt_lang)}'
        f'{asked},"pipeline":{pipeline},"audio":"'
    )
    tail = (
        f'","audio_format":"{job.audio_format.value}","sample_rate":{job.sample_rate}'
        f"{_chosen(job)}{trace}{group}{wished}{padding}"
        f"{_IS_MANUAL if job.is_manual_cut else ''}"
        f"{_IS_TIMEOUT if job.is_timeout_triggered else ''}"
        f"{_IS_MAX_DURATION if job.is_max_duration_triggered else ''}"
        f',"turn_id":{quoted(job.turn_id)}}}'
    )
    return b"".join((head.encode(), b2a_base64(job.audio, newline=False), tail.encode()))


_IS_MANUAL: Final = ',"is_manual_cut":true'
_IS_TIMEOUT: Final = ',"is_timeout_triggered":true'
_IS_MAX_DURATION: Final = ',"is_max_duration_triggered":true'


def _chosen(job: Assignment) -> str:
    """Return the language mode, which few clients choose, and how partial texts are to come."""
    mode = (job.mode, job.lang_a, job.lang_b, job.auto_langs)
    chosen = "" if mode == _NO_MODE else "".join(map(_optional, _MODE, mode))
    if job.enable_streaming_asr is not None:
        chosen += f',"enable_streaming_asr":{"true" if job.enable_streaming_asr else "false"}'
    if job.partial_update_interval_ms is not None:
        chosen += f',"partial_update_interval_ms":{job.partial_update_interval_ms}'
    return chosen


_MODE: Final = ("mode", "lang_a", "lang_b", "auto_langs")
_NO_MODE: Final = (None,) * 4


def _place_in_group(job: Assignment) -> str:
    """Return where the job stands in the conversation, if it has a place there."""
    group = _optional("group_id", job.group_id) + _optional("part_index", job.part_index)
    return group + _optional("context_text", job.context_text)


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
