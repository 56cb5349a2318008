"""How much audio one socket has sent, against what it may. It must not wait or stop anything."""

from actors.admission import AdmissionOptions
from protocol.audio import TICKS_PER_MS, AudioFormat, framed_ticks, pcm_ticks

DEFAULT_RATE_HZ = 16_000
REPLAY_LULL_MS = 2_000.0
"""A client that sends no audio for so long has nothing left to send again."""


class IngestMeter:
    """The length of each chunk, exactly, taken from a token bucket.

    A chunk that may be opus is measured here, once: its session is told the result. A format that
    was not declared is told from the framing of each chunk by itself: what the session makes of it
    does not matter here.
    """

    __slots__ = ("_bucket", "_exempt_bytes", "_exempt_until_ms", "_may_be_opus", "_rate_hz")

    def __init__(
        self,
        options: AdmissionOptions,
        audio_format: AudioFormat | None,
        rate_hz: int | None,
        now_ms: float,
    ) -> None:
        self._bucket = IngestBucket(options.ingest_rate, options.ingest_burst_ms, now_ms)
        self._may_be_opus = audio_format is not AudioFormat.PCM16
        self._rate_hz = rate_hz or DEFAULT_RATE_HZ
        self._exempt_bytes = 0
        self._exempt_until_ms = now_ms + REPLAY_LULL_MS

    def __repr__(self) -> str:
        return f"<IngestMeter {self._bucket!r}>"

    def exempt(self, max_bytes: int) -> None:
        """Let a client that came back send again what was lost: so much, until it has a lull."""
        self._exempt_bytes = max_bytes

    def opus_ticks(self, audio: bytes) -> int | None:
        """Return what `ChunkArrived` says of a chunk; None where PCM was declared."""
        return framed_ticks(audio) if self._may_be_opus else None

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


class IngestBucket:
    """Audio at `rate` times real time, and `burst_ms` of it at once.

    Audio beyond that is taken all the same and becomes debt: the reader waits until it is paid.
    """

    __slots__ = ("_burst_ms", "_level_ms", "_rate", "_seen_ms")

    def __init__(self, rate: float, burst_ms: float, now_ms: float) -> None:
        if rate <= 0 or burst_ms < 0:
            raise ValueError(f"rate {rate} must be above 0 and burst {burst_ms} ms not below")
        self._rate = rate
        self._burst_ms = burst_ms
        self._level_ms = burst_ms
        self._seen_ms = now_ms

    def __repr__(self) -> str:
        return f"<IngestBucket {self._level_ms:.0f} of {self._burst_ms:.0f} ms>"

    def take(self, duration_ms: float, now_ms: float) -> float:
        """Take this much audio; return the ms to wait before reading on (0: none)."""
        level_ms = self._level_ms + max(0.0, now_ms - self._seen_ms) * self._rate
        level_ms = min(level_ms, self._burst_ms) - duration_ms
        self._level_ms = level_ms
        self._seen_ms = now_ms
        return 0.0 if level_ms >= 0 else -level_ms / self._rate
