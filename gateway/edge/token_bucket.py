"""What comes at a rate, and a burst of it at once. It must not wait or stop anything."""


class TokenBucket:
    """So much for each millisecond, and `burst` of it at once.

    What is beyond that is taken all the same and becomes debt: who takes it waits until it is paid.
    """

    __slots__ = ("_burst", "_level", "_rate", "_seen_ms")

    def __init__(self, rate: float, burst: float, now_ms: float) -> None:
        if rate <= 0 or burst < 0:
            raise ValueError(f"rate {rate} must be above 0 and burst {burst} not below")
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._seen_ms = now_ms

    def __repr__(self) -> str:
        return f"<TokenBucket {self._level:.0f} of {self._burst:.0f}>"

    def take(self, amount: float, now_ms: float) -> float:
        """Take this much; return the ms to wait before taking more (0: none)."""
        level = self._level + max(0.0, now_ms - self._seen_ms) * self._rate
        level = min(level, self._burst) - amount
        self._level = level
        self._seen_ms = now_ms
        return 0.0 if level >= 0 else -level / self._rate
