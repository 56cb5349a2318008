"""One deadline of one actor, kept on the loop's heap by at most one timer.

It owns the timer, not what happens at the deadline: it says `ring` and the actor takes it from
there, as a message in its turn.

Deadlines mostly move later (each chunk moves the pause, each heartbeat the silence), so a move
to a later time only writes a number. The timer fires at the old time, sees that it is early and
sets itself again: one timer per pause, not one per chunk.
"""

import asyncio
from collections.abc import Callable
from math import inf

SLACK_MS = 1.0
"""A loop may fire a timer this much early: uvloop counts whole milliseconds."""


def earliest(*times_ms: float | None) -> float | None:
    """Return the first of several moments that may never come; None if none does."""
    first_ms: float | None = None
    for at_ms in times_ms:
        if at_ms is not None and (first_ms is None or at_ms < first_ms):
            first_ms = at_ms
    return first_ms


class Alarm:
    """A deadline that can be moved at any time. Times are the loop's, in milliseconds."""

    __slots__ = ("_loop", "_ring", "_timer", "_timer_ms", "deadline_ms")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self.deadline_ms = inf
        """When to ring; inf: not at all. Written by `set`."""
        self._timer_ms = inf
        """When the timer fires; -inf while a ring waits for its turn, which needs no timer."""
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at_ms: float | None) -> None:
        """Ring at this time and no other; None: not at all."""
        self.deadline_ms = inf if at_ms is None else at_ms
        if self.deadline_ms < self._timer_ms:
            self._start_timer()

    def take(self) -> float | None:
        """Answer a ring: the time, at or after the deadline, or None if it was moved since."""
        due_ms, now_ms = self.deadline_ms, self._loop.time() * 1000
        self._timer_ms = inf
        if due_ms > now_ms + SLACK_MS:
            self._start_timer()
            return None
        self.deadline_ms = inf
        return max(now_ms, due_ms)

    def cancel(self) -> None:
        """Never ring again."""
        self.deadline_ms = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_ms = self.deadline_ms
        if self._timer_ms < inf:
            self._timer = self._loop.call_at(self._timer_ms / 1000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.deadline_ms > self._loop.time() * 1000 + SLACK_MS:
            self._start_timer()
        else:
            self._timer_ms = -inf
            self._ring()
