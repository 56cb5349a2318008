"""Endpointing: the server hears the end of an utterance, for clients that just stream a microphone.

Pure. It listens to each chunk of one session, says when speech was followed by enough silence, and
keeps the silence before speech, of which only the last `lead_in_ms` go with the utterance. Must
not: cut (`segmenter` does), know clocks.
"""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from actors.session.options import NewDetector, SegmenterOptions
from actors.session.uplink.speech_detector import SpeechDetector, speech_detector
from protocol.audio.framing import TICKS_PER_MS, AudioFormat
from protocol.messages.shared import EndpointingMode


class LeadChunk(NamedTuple):
    """A chunk of silence before speech."""

    audio: bytes
    ticks: int
    seq: int
    at_ms: float


class Endpointing:
    """What one session's stream says of the ends of its utterances.

    Life: that of its segmenter. `begin` starts a segment; the detector goes on over all of them.
    """

    __slots__ = (
        "_detector",
        "_has_begun",
        "_has_speech",
        "_lead",
        "_lead_in_ticks",
        "_lead_ticks",
        "_mode",
        "_new_detector",
        "_options",
        "_silence_ticks",
        "has_client_cut",
        "held_bytes",
        "is_on",
    )

    def __init__(
        self,
        options: SegmenterOptions,
        mode: EndpointingMode,
        new_detector: NewDetector | None = None,
    ) -> None:
        self.held_bytes = 0
        """Bytes of silence before speech."""
        self.has_client_cut = False
        """The client has ended an utterance itself."""
        self._options = options
        self._new_detector = new_detector
        self._mode = mode
        self._silence_ticks: float = inf
        if mode is EndpointingMode.SERVER:
            self._silence_ticks = options.endpoint_silence_ms * TICKS_PER_MS
        elif mode is EndpointingMode.AUTO:
            self._silence_ticks = options.endpoint_auto_silence_ms * TICKS_PER_MS
        self.is_on = self._silence_ticks < inf
        """Whether the stream is listened to."""
        self._lead_in_ticks = options.lead_in_ms * TICKS_PER_MS
        self._detector: SpeechDetector | None = None
        self._has_begun = self._has_speech = False
        self._lead: list[LeadChunk] = []
        self._lead_ticks = 0

    @property
    def lead_ticks(self) -> int:
        """Length of the silence that is kept, in 1/48000 s."""
        return self._lead_ticks

    @property
    def first_seq(self) -> int | None:
        """Lowest `seq` of the silence that is kept."""
        return min((chunk.seq for chunk in self._lead), default=None)

    def client_cuts(self) -> None:
        """The client has ended an utterance itself: in mode `auto` it goes on to."""
        self.has_client_cut = True
        if self._mode is EndpointingMode.AUTO:
            self._silence_ticks = inf
            self.is_on = False

    def forget(self) -> None:
        """The stream is of another format from now on."""
        self._detector = None

    def begin(self) -> None:
        """A segment begins."""
        self._has_begun = self._has_speech = False
        self.drop_lead()

    def hear(self, audio: bytes, ticks: int, audio_format: AudioFormat, rate_hz: int) -> bool:
        """Listen to the next chunk; return whether it is silence before speech."""
        detector = self._detector
        if detector is None:
            options = self._options
            detector = speech_detector(
                audio_format, rate_hz, options.silence_rms, options.silence_opus_bytes
            )
            if self._new_detector is not None:
                detector = self._new_detector(audio_format, rate_hz, detector) or detector
            self._detector = detector
        detector.hear(audio, ticks)
        if detector.is_speech:
            self._has_speech = self._has_begun = True
        elif not detector.is_quiet:
            self._has_begun = True
        return not self._has_begun

    def lead(self, chunk: LeadChunk) -> None:
        """Keep a chunk of silence, and let go of what is too long ago."""
        self._lead.append(chunk)
        self._lead_ticks += chunk.ticks
        self.held_bytes += len(chunk.audio)
        while self._lead_ticks - self._lead[0].ticks >= self._lead_in_ticks:
            gone = self._lead.pop(0)
            self._lead_ticks -= gone.ticks
            self.held_bytes -= len(gone.audio)

    def take_lead(self) -> Iterator[LeadChunk]:
        """Yield the silence that goes with the utterance, and keep it no longer."""
        self._has_begun = True
        lead, self._lead = self._lead, []
        self._lead_ticks = self.held_bytes = 0
        yield from lead

    def drop_lead(self) -> None:
        """Let go of the silence: no speech has followed it."""
        self._lead.clear()
        self._lead_ticks = self.held_bytes = 0

    def is_over(self, *, is_turn_open: bool) -> bool:
        """Return whether enough silence has followed speech of this segment, or of its turn."""
        return (
            self._detector is not None
            and self._detector.silent_ticks >= self._silence_ticks
            and (self._has_speech or is_turn_open)
        )
