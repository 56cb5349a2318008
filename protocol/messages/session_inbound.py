"""What a client says on the session socket."""

from typing import Annotated, Literal

from pydantic import Field

from protocol.audio.framing import AudioFormat, DeclaredFormat
from protocol.ids import SessionId, TraceId
from protocol.messages.rooms import RoomCreate, RoomJoin, RoomLeave, RoomRawVoicePreference
from protocol.messages.shared import EndpointingMode, Features, Pipeline, SessionMode
from protocol.messages.webrtc import WebrtcAnswer, WebrtcIce, WebrtcOffer
from protocol.wire import (
    AudioBytes,
    ClientTimestamp,
    Count,
    Label,
    LanguageCode,
    LanguageCodes,
    OptionalAudioBytes,
    TraceParent,
    WireMessage,
)

TraceLabel = Annotated[TraceId, Field(max_length=255)]
"""Chosen by the client and repeated in everything that concerns the session or utterance."""

UtteranceIndex = Annotated[int, Field(ge=0, le=2**52)]
"""A label of the client's choice; the server counts on above it, within what is exact anywhere."""

SampleRate = Annotated[int, Field(ge=8_000, le=48_000)]
"""Hertz."""
Channels = Annotated[int, Field(ge=1, le=2)]

TargetLanguages = Annotated[tuple[LanguageCode, ...], Field(max_length=8, fail_fast=True)]
"""Languages into which one speaker is translated at once, in place of `tgt_lang`; none: that."""

Hint = Annotated[str, Field(min_length=1, max_length=64)]
Hints = Annotated[tuple[Hint, ...], Field(max_length=100, fail_fast=True)]
"""Words and phrases that a recogniser should expect: names, terms."""

Voice = Annotated[str, Field(max_length=64)]
"""The name of a voice, as nodes register it in `tts_voices`; empty: whichever."""


class SessionInit(WireMessage):
    """The first message; answered by `session_init_ack`. A further one starts another session.

    The fields from `audio_format` on are extensions: no client has to send them.
    """

    type: Literal["session_init"] = "session_init"
    client_version: Label
    platform: Label
    """`web`, `ios`, `android` or `api-gateway`; others are taken as well."""
    src_lang: LanguageCode
    tgt_lang: LanguageCode
    dialect: Label | None = None
    features: Features | None = None
    pairing_code: Label | None = None
    tenant_id: Label | None = None
    mode: SessionMode | None = None
    lang_a: LanguageCode | None = None
    lang_b: LanguageCode | None = None
    auto_langs: LanguageCodes | None = None
    enable_streaming_asr: bool | None = None
    partial_update_interval_ms: Count | None = None
    trace_id: TraceLabel | None = None
    audio_format: DeclaredFormat | None = None
    """Absent: known from the framing of each chunk."""
    sample_rate: SampleRate | None = None
    channels: Channels | None = None
    use_binary_frame: bool | None = None
    tts_format: AudioFormat | None = None
    """How speech shall come, in rooms and outside. Absent: as the node sent it, but to platform
    `web` in a room as `pcm16`, which is all that some pages play there."""
    room_tts_format: AudioFormat | None = None
    """Another name of `tts_format`, which counts where both are there."""
    tgt_langs: TargetLanguages | None = None
    pipeline: Pipeline | None = None
    """What streamed audio runs through; absent: all. Without `use_tts` there is no speech."""
    hints: Hints | None = None
    voice: Voice | None = None
    traceparent: TraceParent | None = None
    """W3C Trace Context, passed on to nodes."""
    endpointing: EndpointingMode | None = None
    """Who ends utterances; absent: `auto`."""
    resume: bool | None = None
    """Keep what is needed to go on after a lost socket."""
    session_id: SessionId | None = None
    """With `resume_token`: the session to go on with."""
    resume_token: Label | None = Field(default=None, repr=False)
    last_delivery_seq: Count | None = None
    """The last outcome received; those after it are sent again."""


class SessionUpdate(WireMessage):
    """Extension: change what a session asks for; answered by `session_updated`.

    What was spoken so far is cut first and keeps the former values. What is absent stays as it is.
    """

    type: Literal["session_update"] = "session_update"
    session_id: SessionId
    src_lang: LanguageCode | None = None
    tgt_lang: LanguageCode | None = None
    tgt_langs: TargetLanguages | None = None
    preferred_lang: LanguageCode | None = None
    """What it hears in a room."""
    pipeline: Pipeline | None = None
    hints: Hints | None = None
    voice: Voice | None = None


class UtteranceCancel(WireMessage):
    """Extension: an utterance is not wanted any more; no reply, but the outcome it then has.

    Without an index: what was spoken since the last cut is thrown away.
    """

    type: Literal["utterance_cancel"] = "utterance_cancel"
    session_id: SessionId
    utterance_index: Count | None = None


class AudioChunk(WireMessage):
    """A piece of audio in the order of speech, or the mark that an utterance ends. No reply."""

    type: Literal["audio_chunk"] = "audio_chunk"
    session_id: SessionId
    seq: Count
    is_final: bool
    payload: OptionalAudioBytes = b""
    """Opus packets behind their lengths, or PCM16 little-endian mono. Goes to the session."""
    client_timestamp_ms: ClientTimestamp = None


class Utterance(WireMessage):
    """A whole utterance in one message."""

    type: Literal["utterance"] = "utterance"
    session_id: SessionId
    utterance_index: UtteranceIndex
    manual_cut: bool
    src_lang: LanguageCode
    tgt_lang: LanguageCode
    audio: AudioBytes
    """In `audio_format`. Goes to the session."""
    audio_format: AudioFormat
    sample_rate: SampleRate
    dialect: Label | None = None
    features: Features | None = None
    mode: SessionMode | None = None
    lang_a: LanguageCode | None = None
    lang_b: LanguageCode | None = None
    auto_langs: LanguageCodes | None = None
    enable_streaming_asr: bool | None = None
    partial_update_interval_ms: Count | None = None
    trace_id: TraceLabel | None = None
    pipeline: Pipeline | None = None


class ClientHeartbeat(WireMessage):
    """Answered by `server_heartbeat` at once."""

    type: Literal["client_heartbeat"] = "client_heartbeat"
    session_id: SessionId
    timestamp: ClientTimestamp
    last_delivery_seq: Count | None = None
    """Extension: outcomes up to this one need not be kept for a resume."""


class TtsStarted(WireMessage):
    """The client plays speech and its microphone is off: a silence now is no pause."""

    type: Literal["tts_started"] = "tts_started"
    session_id: SessionId
    trace_id: Label
    group_id: Label
    ts_start_ms: ClientTimestamp


class TtsPlayEnded(WireMessage):
    """The client stopped playing speech."""

    type: Literal["tts_play_ended"] = "tts_play_ended"
    session_id: SessionId
    trace_id: Label
    group_id: Label
    ts_end_ms: ClientTimestamp


class SessionClose(WireMessage):
    """The end of a session; answered by `session_close_ack` after its last outcome."""

    type: Literal["session_close"] = "session_close"
    session_id: SessionId
    reason: Label = ""


SessionInbound = (
    AudioChunk
    | SessionInit
    | Utterance
    | ClientHeartbeat
    | TtsStarted
    | TtsPlayEnded
    | SessionClose
    | SessionUpdate
    | UtteranceCancel
    | RoomCreate
    | RoomJoin
    | RoomLeave
    | RoomRawVoicePreference
    | WebrtcOffer
    | WebrtcAnswer
    | WebrtcIce
)
"""Everything a client may say."""
