"""What a client hears on the session socket."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from protocol.errors import ErrorCode, MissingReason
from protocol.ids import SessionId, SessionRef
from protocol.messages.rooms import RoomCreateAck, RoomError, RoomExpired, RoomMembers
from protocol.messages.shared import NetworkTimings, Pipeline, ServiceTimings
from protocol.messages.webrtc import WebrtcAnswer, WebrtcIce, WebrtcOffer
from protocol.wire import (
    Count,
    Flag,
    JsonObject,
    NextSeq,
    Text,
    TimestampMs,
    WireMessage,
    WireModel,
)


class Unserved(WireModel):
    """Something that no registered node does."""

    src_lang: str
    tgt_lang: str
    what: str
    """`translation` or `speech`."""
    audio_format: str | None = None
    """Where nodes serve it and none of them reads the client's audio: its format."""


class SessionInitAck(WireMessage):
    """The answer to `session_init`, and the first frame out for the session."""

    type: Literal["session_init_ack"] = "session_init_ack"
    session_id: SessionId
    session_ref: SessionRef | None = None
    """Extension: what logs, reports and operators call the session; it is no secret."""
    assigned_node_id: str | None = None
    message: str = "session created"
    trace_id: str | None = None
    protocol_version: str = "1.0"
    use_binary_frame: bool = False
    negotiated_codec: str = "opus"
    negotiated_audio_format: str = "opus"
    negotiated_sample_rate: int = 16_000
    """Hertz."""
    negotiated_channel_count: int = 1
    endpointing: str | None = None
    """Extension: who ends the session's utterances."""
    unserved: tuple[Unserved, ...] | None = None
    """Extension: what no registered node does for this session; absent when all is served."""
    resume_token: str | None = Field(default=None, repr=False)
    """Extension, only where `resume` was asked for: shows that the session is yours."""
    resumed: bool | None = None
    """Extension: whether this session goes on or begins."""
    next_seq: NextSeq | None = None
    """Extension: the first `seq` not taken; from here on audio has to be sent again."""


class SessionUpdated(WireMessage):
    """Extension: the answer to `session_update`, with all values that are in force."""

    type: Literal["session_updated"] = "session_updated"
    session_id: SessionId
    src_lang: str
    tgt_lang: str
    tgt_langs: tuple[str, ...] = ()
    """Empty: `tgt_lang` alone."""
    preferred_lang: str | None = None
    pipeline: Pipeline
    hints: tuple[str, ...] = ()
    voice: str | None = None
    unserved: tuple[Unserved, ...] = ()
    """What no registered node does of it."""


class AudioAck(WireMessage):
    """Extension, with `resume`: audio before `next_seq` may be forgotten."""

    type: Literal["audio_ack"] = "audio_ack"
    session_id: SessionId
    next_seq: NextSeq


class AsrPartial(WireMessage):
    """Text recognised so far; a later one of the same utterance replaces it."""

    type: Literal["asr_partial"] = "asr_partial"
    session_id: SessionId
    utterance_index: Count
    job_id: str = ""
    text: str
    text_translated: str | None = None
    """Extension: the translation so far, of nodes that translate while somebody speaks."""
    stable_chars: Count | None = None
    """Extension: how much of `text` will not change any more, in characters from its beginning."""
    is_final: bool
    trace_id: str | None = None
    speaker_session_id: SessionId | None = None
    """Extension, in rooms: whose words these are. They have no index of this member's own before
    they are cut: until then it is the one that its next utterance would have."""
    speaker_utterance_index: Count | None = None
    """Extension, in rooms: the speaker's own index."""


class TranslationResult(WireMessage):
    """The outcome of an utterance, in the order of cuts unless marked `late`."""

    type: Literal["translation_result"] = "translation_result"
    session_id: SessionId
    utterance_index: Count
    job_id: str
    text_asr: Text = ""
    text_translated: Text = ""
    tts_audio: Text = ""
    """Base64 speech as the node sent it; empty where there is none."""
    tts_format: str = "pcm16"
    """`opus` (packets behind their lengths) or `pcm16`."""
    extra: JsonObject | None = None
    """What else the node sent, as it is."""
    trace_id: str | None = None
    group_id: str | None = None
    part_index: Count | None = None
    service_timings: ServiceTimings | None = None
    network_timings: NetworkTimings | None = None
    scheduler_sent_at_ms: TimestampMs | None = None
    asr_quality_level: str | None = None
    """`good`, `suspect` or `bad`."""
    reason_codes: tuple[str, ...] | None = None
    quality_score: float | None = None
    """0 to 1."""
    rerun_count: Count | None = None
    segments_meta: JsonObject | None = None
    """`{count, max_gap, avg_duration}`, the last two in seconds."""
    tgt_lang: str | None = None
    """Extension: the language of this outcome, as the client writes it."""
    speech_start_ms: Count | None = None
    """Extension: where its audio begins in all audio of the session."""
    speech_end_ms: Count | None = None
    delivery_seq: Count | None = None
    """Extension: counts the outcomes of a session from 1."""
    late: Flag = None
    """Extension: later outcomes were delivered before this one."""
    tts_lost: Flag = None
    """Extension: there was speech, but the instance that held it is gone."""
    truncated: Flag = None
    """Extension: only the beginning of the texts is left, the rest went with that instance."""
    speaker_session_id: str | None = None
    """Extension, in rooms: whose words these are."""
    speaker_utterance_index: Count | None = None
    """Extension, in rooms: the speaker's own index."""


class MissingResult(WireMessage):
    """The outcome of an utterance that has no translation."""

    type: Literal["missing_result"] = "missing_result"
    session_id: SessionId
    utterance_index: Count
    reason: MissingReason
    created_at_ms: TimestampMs
    trace_id: str | None = None
    tgt_lang: str | None = None
    speech_start_ms: Count | None = None
    speech_end_ms: Count | None = None
    delivery_seq: Count | None = None
    late: Flag = None
    speaker_session_id: str | None = None
    speaker_utterance_index: Count | None = None


class UiEventKind(StrEnum):
    """Where an utterance stands."""

    QUEUED = "QUEUED"
    """Extension: no node is free."""
    DISPATCHED = "DISPATCHED"
    NODE_ACCEPTED = "NODE_ACCEPTED"
    ASR_PARTIAL = "ASR_PARTIAL"
    ASR_FINAL = "ASR_FINAL"
    NMT_DONE = "NMT_DONE"
    ERROR = "ERROR"
    INPUT_STARTED = "INPUT_STARTED"
    INPUT_ENDED = "INPUT_ENDED"
    TTS_PLAY_STARTED = "TTS_PLAY_STARTED"
    TTS_PLAY_ENDED = "TTS_PLAY_ENDED"


class UiEvent(WireMessage):
    """The progress of an utterance; may be lost and needs no answer."""

    type: Literal["ui_event"] = "ui_event"
    trace_id: str
    session_id: SessionId
    job_id: str
    utterance_index: Count
    event: UiEventKind
    elapsed_ms: Count | None = None
    status: Literal["ok", "error"] = "ok"
    error_code: str | None = None
    hint: str | None = None
    wait_ms_estimate: Count | None = None
    """Extension, with QUEUED; null when no node serves the languages."""
    reason: Literal["no_node"] | None = None
    """Extension, with QUEUED: why nobody can say how long it waits."""


class ErrorMessage(WireMessage):
    """The client's own message or request failed. Never for the failure of one utterance."""

    type: Literal["error"] = "error"
    code: str
    """An `ErrorCode`, or a code of the node's own."""
    message: str
    details: JsonObject | None = None
    trace_id: str | None = None


class Backpressure(WireMessage):
    """Send less for a while."""

    type: Literal["backpressure"] = "backpressure"
    action: Literal["BUSY", "PAUSE", "SLOW_DOWN"]
    """The scheduler sends PAUSE alone: some clients never recover from the others."""
    resume_after_ms: Count | None = None
    message: str | None = None


class ServerHeartbeat(WireMessage):
    """The answer to `client_heartbeat`."""

    type: Literal["server_heartbeat"] = "server_heartbeat"
    session_id: SessionId
    timestamp: TimestampMs


class SessionCloseAck(WireMessage):
    """The answer to `session_close`, after the session's last outcome."""

    type: Literal["session_close_ack"] = "session_close_ack"
    session_id: SessionId


class Reconnect(WireMessage):
    """Extension: this instance shuts down; come back after a while."""

    type: Literal["reconnect"] = "reconnect"
    after_ms: Count
    reason: str


class LanguageDetected(WireMessage):
    """Which language was heard; the mobile client shows it."""

    type: Literal["language_detected"] = "language_detected"
    session_id: SessionId
    lang: str
    confidence: float


class TtsAudio(WireMessage):
    """Speech alone; the browser client plays it."""

    type: Literal["tts_audio"] = "tts_audio"
    payload: Text
    """Base64."""
    utterance_index: Count | None = None
    tts_format: str | None = None


class Translation(WireMessage):
    """Text alone; the browser client shows it."""

    type: Literal["translation"] = "translation"
    text: str


SessionOutbound = (
    TranslationResult
    | UiEvent
    | MissingResult
    | AsrPartial
    | SessionInitAck
    | SessionUpdated
    | AudioAck
    | ErrorMessage
    | Backpressure
    | ServerHeartbeat
    | SessionCloseAck
    | Reconnect
    | LanguageDetected
    | TtsAudio
    | Translation
    | RoomCreateAck
    | RoomMembers
    | RoomError
    | RoomExpired
    | WebrtcOffer
    | WebrtcAnswer
    | WebrtcIce
)
"""Everything a client may hear."""

Outcome = TranslationResult | MissingResult
"""The one thing that ends an utterance."""


def error_message(code: ErrorCode, message: str) -> ErrorMessage:
    """Return the message that tells a peer what was wrong with its own."""
    return ErrorMessage(code=code.value, message=message)
