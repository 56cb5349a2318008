"""Standing: whether this process ran all the time, or others may have taken over meanwhile.

A process that was stopped for longer than its lease does not notice by itself: its timers and
sockets go on as if nothing had happened, while its sessions may live elsewhere. So the time since
the last tick is looked at before a session does anything. A plain object for the loop's thread.
"""

from collections.abc import Callable
from math import inf


class Standing:
    """Counts the times at which the process may have been taken for dead."""

    def __init__(self, limit_ms: float = inf) -> None:
        self.doubts = 0
        """How often it stood still for longer than the limit."""
        self.on_doubt: Callable[[int], object] = lambda _doubts: None
        """Called with that number each time it grows: somebody shall ask the store."""
        self._limit_ms = limit_ms
        self._ticked_at_ms: float | None = None

    def __repr__(self) -> str:
        return f"<Standing {self.doubts} doubts>"

    def tick(self, now_ms: float) -> None:
        """The process runs; to be told several times within the limit."""
        self.check(now_ms)
        self._ticked_at_ms = now_ms

    def check(self, now_ms: float) -> int:
        """Return the number of doubts, this moment's included."""
        ticked_at_ms = self._ticked_at_ms
        if ticked_at_ms is not None and now_ms - ticked_at_ms > self._limit_ms:
            self._ticked_at_ms = now_ms
            self.doubts += 1
            self.on_doubt(self.doubts)
        return self.doubts
