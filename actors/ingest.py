"""How fast a session may send audio: a token bucket in milliseconds of audio.

Pure. Must not: drop anything or wait; it only says how long the reader should.
"""


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
