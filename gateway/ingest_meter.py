"""How much audio one socket has sent, against what it may. It must not wait or stop anything."""

from actors.admission import AdmissionOptions
from gateway.edge.token_bucket import TokenBucket
from protocol.audio.framing import TICKS_PER_MS, AudioFormat, pcm_ticks

DEFAULT_RATE_HZ = 16_000
REPLAY_LULL_MS = 2_000.0
"""A client that sends no audio for so long has nothing left to send again."""


class IngestMeter:
    """The length of each chunk, exactly, taken from a token bucket.

    A format that was not declared is known from the framing of each chunk by itself: what the
    session makes of it does not matter here.
    """

    __slots__ = ("_bucket", "_exempt_bytes", "_exempt_until_ms", "_rate_hz", "may_be_opus")

    def __init__(
        self,
        options: AdmissionOptions,
        audio_format: AudioFormat | None,
        rate_hz: int | None,
        now_ms: float,
    ) -> None:
        self._bucket = TokenBucket(options.ingest_rate, options.ingest_burst_ms, now_ms)
        self.may_be_opus = audio_format is not AudioFormat.PCM16
        self._rate_hz = rate_hz or DEFAULT_RATE_HZ
        self._exempt_bytes = 0
        self._exempt_until_ms = now_ms + REPLAY_LULL_MS

    def __repr__(self) -> str:
        return f"<IngestMeter {self._bucket!r}>"

    def exempt(self, max_bytes: int) -> None:
        """Let a client that came back send again what was lost: so much, until it has a lull."""
        self._exempt_bytes = max_bytes

    def take(self, audio: bytes, opus_ticks: int | None, now_ms: float) -> float:
        """Count a piece of audio; return the ms to wait before reading on (0: none)."""
        if self._exempt_bytes > 0:
            if now_ms < self._exempt_until_ms:
                self._exempt_bytes -= len(audio)
                self._exempt_until_ms = now_ms + REPLAY_LULL_MS
                return 0.0
            self._exempt_bytes = 0
        ticks = opus_ticks or pcm_ticks(len(audio), self._rate_hz)
        return self._bucket.take(ticks / TICKS_PER_MS, now_ms)
