"""Pings clients and ends those that are dead. It owns when; it must not send or read anything else.

All connections share one interval and one time-out, so those due next are always the first of a
first-in, first-out queue: one timer for all of them, and constant work for each.
"""

import asyncio
from dataclasses import dataclass
from math import ceil
from typing import Protocol

_LONGEST_BATCH_S = 0.05
"""Connections due within this time are looked at together."""


class Pinged(Protocol):
    """A connection that is kept alive."""

    heard: bool
    """Bytes came since this was last set to False."""

    is_pinged: bool
    """It may be asked for a sign of life."""

    @property
    def is_paused(self) -> bool:
        """Tell whether its bytes wait unread, so that its silence means nothing."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def give_up(self) -> None:
        """End it without waiting for its answer."""


@dataclass(slots=True)
class _Watch:
    """Where one connection stands, in loop time."""

    due_s: float
    pinged_s: float
    """When it was last pinged, or connected."""
    unanswered_s: float | None = None
    """When the oldest ping went out that nothing came after."""


class Keepalive:
    """Any byte from the peer counts as its answer, since a busy peer's pong may wait its turn."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, interval_s: float, timeout_s: float
    ) -> None:
        self._loop = loop
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._round_s = interval_s / ceil(interval_s / timeout_s)
        self._batch_s = min(_LONGEST_BATCH_S, self._round_s / 4)
        self._watches: dict[Pinged, _Watch] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Keepalive of {len(self._watches)}>"

    def add(self, connection: Pinged) -> None:
        """Watch a connection from now on."""
        now_s = self._loop.time()
        self._watches[connection] = _Watch(now_s + self._round_s, now_s)
        if self._timer is None:
            self._timer = self._loop.call_at(now_s + self._round_s, self._run)

    def remove(self, connection: Pinged) -> None:
        """Forget a connection, if it was watched."""
        self._watches.pop(connection, None)

    def close(self) -> None:
        """Forget all."""
        self._watches.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        while self._watches:
            connection, watch = next(iter(self._watches.items()))
            if watch.due_s > now_s + self._batch_s:
                self._timer = self._loop.call_at(watch.due_s, self._run)
                return
            del self._watches[connection]
            if self._is_dead(connection, watch, now_s):
                connection.give_up()
                continue
            self._ping(connection, watch, now_s)
            watch.due_s = now_s + self._round_s
            self._watches[connection] = watch

    def _is_dead(self, connection: Pinged, watch: _Watch, now_s: float) -> bool:
        if connection.heard or connection.is_paused:
            watch.unanswered_s = None
            return False
        if watch.unanswered_s is None:
            return False
        return now_s + self._batch_s - watch.unanswered_s >= self._timeout_s

    def _ping(self, connection: Pinged, watch: _Watch, now_s: float) -> None:
        if not connection.is_pinged or now_s + self._batch_s - watch.pinged_s < self._interval_s:
            return
        watch.pinged_s = now_s
        if watch.unanswered_s is None:
            watch.unanswered_s = now_s
            connection.heard = False
        connection.ping()
