"""Speed: how long one node takes for a second of speech. Pure.

It owns the times of the node's last jobs, as its socket has seen them. Must not: know the store,
where the figure is kept for all instances.
"""

from collections import deque
from statistics import median

KEPT = 32
"""Jobs of which the median is taken."""
FEWEST = 5
"""Of fewer nothing is known."""
LASTS_MS = 600_000
"""For so long a time says something of the node."""


class Speed:
    """Life: that of its node's actor."""

    __slots__ = ("_has_news", "_times")

    def __init__(self) -> None:
        self._times: deque[tuple[float, float]] = deque(maxlen=KEPT)
        """When each job ended (monotonic ms), and its milliseconds for a second of speech."""
        self._has_news = False

    def took(self, ms: float, speech_ms: int, now_ms: float) -> None:
        """Note that a job with so much speech was done in this time."""
        self._times.append((now_ms, ms * 1000 / max(1, speech_ms)))
        self._has_news = True

    def report(self, now_ms: float) -> int:
        """Return the median in whole ms, at least 1; 0: nothing new is known."""
        while self._times and self._times[0][0] < now_ms - LASTS_MS:
            self._times.popleft()
        if not self._has_news or len(self._times) < FEWEST:
            return 0
        self._has_news = False
        return max(1, round(median(ratio for _, ratio in self._times)))
