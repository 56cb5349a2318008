"""Lease: whether this instance may still act as if it were alive. Pure.

An instance that was stopped and goes on does not know at first that others took it for dead and
gave away what it held. What it does to nodes for others, it does only under a lease that holds by
its own clock.
"""

from collections.abc import Callable
from math import inf


class Lease:
    """The end of this instance's lease, by the monotonic clock; never later than the store's."""

    def __init__(self) -> None:
        self._until_ms = float("-inf")
        self.secret = ""
        """What instances on this store show each other; empty until the first beat."""

    def renew(self, asked_at_ms: float, lease_ms: float) -> None:
        """Note a beat that the store took; it counts from when it was asked for."""
        self._until_ms = asked_at_ms + lease_ms

    def holds(self, now_ms: float) -> bool:
        """Return whether nobody can have taken this instance for dead yet."""
        return now_ms < self._until_ms


class StallWatch:
    """Counts the times at which the process may have been taken for dead."""

    def __init__(
        self, limit_ms: float = inf, on_stall: Callable[[int], object] = lambda _stalls: None
    ) -> None:
        """`on_stall` is called with `stalls` each time it grows: somebody shall ask the store."""
        self.stalls = 0
        """How often it stood still for longer than the limit."""
        self._on_stall = on_stall
        self._limit_ms = limit_ms
        self._ticked_at_ms: float | None = None

    def __repr__(self) -> str:
        return f"<StallWatch {self.stalls} doubts>"

    def tick(self, now_ms: float) -> None:
        """The process runs; to be called several times within the limit."""
        self.check(now_ms)
        self._ticked_at_ms = now_ms

    def check(self, now_ms: float) -> int:
        """Return the number of doubts, this moment's included."""
        ticked_at_ms = self._ticked_at_ms
        if ticked_at_ms is not None and now_ms - ticked_at_ms > self._limit_ms:
            self._ticked_at_ms = now_ms
            self.stalls += 1
            self._on_stall(self.stalls)
        return self.stalls
