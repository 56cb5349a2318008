"""What an operator may set about a session's life. Must not: decide anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal, Protocol

from annotated_types import Ge, Gt

from actors.session.cut import CutReason
from protocol.audio.framing import AudioFormat
from protocol.audio.loudness import is_silent
from protocol.messages.shared import EndpointingMode


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Life of a session beyond its socket, and what it keeps meanwhile."""

    session_grace_seconds: float = 30.0
    """Seconds for which a session outlives the loss of its socket."""
    gateway_grace_seconds: float = 600.0
    """The same for a session of platform `api-gateway`, whose sockets come and go."""
    close_flush_ms: int = 10_000
    """Milliseconds for which a closing session waits for the outcomes of what was spoken."""
    tiny_utterance_ms: int = 1_000
    """An `utterance` message shorter than this (ms), not cut by hand, is a chunk of a stream."""
    audio_hold: Literal["result", "sent"] = "result"
    """Audio is kept until the `result` (a lost node costs no words) or until it was `sent`."""
    replay_max_outcomes: Annotated[int, Ge(1)] = 200
    """Delivered outcomes that a resuming client can have again."""
    replay_max_bytes: int = 8 * 1024 * 1024
    """Bytes of delivered outcomes kept for a resuming client; speech is dropped before text."""
    audio_ack_interval_ms: Annotated[int, Ge(1)] = 1_000
    """Milliseconds between two `audio_ack` to a client that may resume, at least."""


class HearsSpeech(Protocol):
    """What `actors.session.uplink.speech_detector.SpeechDetector` is."""

    is_speech: bool
    is_quiet: bool
    silent_ticks: int

    def hear(self, audio: bytes, ticks: int) -> None:
        """Take the next chunk and its length."""


NewDetector = Callable[[AudioFormat, int, HearsSpeech], HearsSpeech | None]
"""Returns a detector for a stream of a format and rate in Hz, if it has one, on top of the rule."""


@dataclass(frozen=True, slots=True)
class SegmenterOptions:
    """When a stream of chunks is cut, and what is too little to be an utterance."""

    pause_ms: Annotated[int, Gt(0)] = 3_000
    """Milliseconds without audio that end an utterance and its turn."""
    max_duration_ms: Annotated[int, Gt(0)] = 10_000
    """Milliseconds of audio at which an utterance is cut while its turn goes on."""
    max_turn_ms: Annotated[int, Gt(0)] = 30_000
    """Milliseconds of audio at which a turn ends."""
    hangover_manual_ms: Annotated[int, Ge(0)] = 60
    """Milliseconds after the client's final in which a chunk it overtook still joins."""
    hangover_auto_ms: Annotated[int, Ge(0)] = 0
    """Milliseconds after reaching a limit of time in which a chunk still joins."""
    padding_manual_ms: Annotated[int, Ge(0)] = 280
    """Milliseconds of silence a recogniser adds to what the client ended itself."""
    padding_auto_ms: Annotated[int, Ge(0)] = 220
    """Milliseconds of silence a recogniser adds to what was cut by the clock or a close."""
    max_utterance_bytes: Annotated[int, Gt(0)] = 512_000
    """Bytes of audio at which an utterance is cut."""
    endpoint_silence_ms: Annotated[int, Gt(0)] = 700
    """Milliseconds of silence after speech that end an utterance, with endpointing `server`."""
    endpoint_auto_silence_ms: Annotated[int, Gt(0)] = 1_200
    """Milliseconds of silence after speech that end an utterance, with endpointing `auto`."""
    lead_in_ms: Annotated[int, Ge(0)] = 300
    """Milliseconds of silence before speech that go to nodes, at least, with endpointing."""
    silence_rms: Annotated[float, Ge(0)] = 0.003
    """Loudness (RMS of 20 ms) below which PCM is silent, as a share of full scale."""
    silence_opus_bytes: Annotated[float, Ge(0)] = 12
    """Bytes of an opus packet up to which it is silent."""

    def is_silent(self, audio: bytes, audio_format: AudioFormat, rate_hz: int) -> bool:
        """Return whether nothing can be heard in it."""
        rms, opus_bytes = self.silence_rms, self.silence_opus_bytes
        return is_silent(
            audio, audio_format, rate_hz, silence_rms=rms, silence_opus_bytes=opus_bytes
        )

    def hangover_ms(self, reason: CutReason) -> int:
        """Return how long a cut waits for what may still come; other reasons have waited."""
        match reason:
            case CutReason.MANUAL:
                return self.hangover_manual_ms
            case CutReason.MAX_TURN | CutReason.MAX_DURATION | CutReason.ENDPOINT:
                return self.hangover_auto_ms
            case _:
                return 0

    def padding_for_ms(self, reason: CutReason) -> int:
        """Return the silence for the recogniser; none for max_length, which cuts amid a word."""
        match reason:
            case CutReason.MANUAL | CutReason.UTTERANCE:
                return self.padding_manual_ms
            case CutReason.MAX_LENGTH:
                return 0
            case _:
                return self.padding_auto_ms


@cache
def quiet_before(options: SegmenterOptions, mode: EndpointingMode) -> Mapping[CutReason, int]:
    """Return for how long (ms) nobody had spoken when a segment was cut for want of speech."""
    is_server = mode is EndpointingMode.SERVER
    endpoint_ms = options.endpoint_silence_ms if is_server else options.endpoint_auto_silence_ms
    return {CutReason.PAUSE: options.pause_ms, CutReason.ENDPOINT: endpoint_ms}


@dataclass(frozen=True, slots=True)
class StreamingOptions:
    """From when on a node hears what is spoken, and how often its client sees what that knows."""

    stream_after_ms: Annotated[int, Ge(0)] = 300
    """Milliseconds of audible speech after which a node that streams is asked for."""
    partial_interval_ms: Annotated[int, Ge(0)] = 200
    """Milliseconds between two partial texts to a client, at least."""


@dataclass(frozen=True, slots=True)
class UplinkOptions:
    """What the uplink of a session needs to know."""

    segmenter: SegmenterOptions
    tiny_utterance_ms: int
    job_lifetime_ms: int
    """From a cut to its job's absolute deadline, in ms."""
    overdue_ms: int
    """An outcome that is not here this long after that deadline is not waited for."""
    audio_ack_interval_ms: int = 1_000
    """Between two `audio_ack`, at least."""
    new_detector: NewDetector | None = None
    """Makes what hears speech instead of the built-in rule; None from it: that has to do."""
    max_open: int = 200
    """Utterances without an outcome; beyond it they are refused."""


@dataclass(frozen=True, slots=True)
class SequencerOptions:
    """How long order is worth waiting for."""

    result_gap_ms: Annotated[int, Ge(0)] = 5_000
    """Milliseconds for which a ready outcome waits for an earlier one, at most."""


@dataclass(frozen=True, slots=True)
class DownlinkOptions:
    """What the downlink of a session needs to know."""

    sequencer: SequencerOptions
    replay_max_outcomes: int
    replay_max_bytes: int
