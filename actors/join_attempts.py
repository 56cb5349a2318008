"""How many wrong room codes one socket has tried. Pure.

Six digits are not secret if anybody may try them all. Counted per socket, whatever sessions it
opens; an attempt counts from the moment it is made until it turns out to have been right.
"""

_MINUTE_MS = 60_000.0


class JoinAttempts:
    """The attempts of one socket within the last minute. All times are monotonic ms."""

    __slots__ = ("_at_ms", "_most")

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._at_ms: list[float] = []

    def take(self, now_ms: float) -> bool:
        """Count an attempt; False: there were too many, and this one is none."""
        while self._at_ms and self._at_ms[0] <= now_ms - _MINUTE_MS:
            self._at_ms.pop(0)
        if len(self._at_ms) >= self._most:
            return False
        self._at_ms.append(now_ms)
        return True

    def forgive(self) -> None:
        """The latest attempt was no guess: the room was there, or nobody could say."""
        if self._at_ms:
            self._at_ms.pop()
