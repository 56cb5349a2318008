"""Doubt: whether the session may be another instance's, which this one has not heard of. Pure.

A process that stood still for longer than its lease may have been taken for dead, and its sessions
that can be resumed may have gone on elsewhere. Such a session does nothing, and lets nobody hear
anything, before the store was asked; not for ever, though: a store that is away gives no answer,
and a client that has gone on elsewhere is not on a socket of this instance any more.
"""

from typing import Any

from actors.lease import StallWatch
from actors.messages.takeover import OwnershipConfirmed, SessionReleased

MOST_MUTE_MS = 2_000.0
"""So long a session waits for the store's word; then it goes on as its owner."""


class Doubt:
    """The doubt of one session, if there is one; all times are monotonic ms."""

    def __init__(self, stall_watch: StallWatch) -> None:
        self.ends_ms: float | None = None
        """Until when it waits; None: there is no doubt."""
        self._stall_watch = stall_watch
        self._stalls = stall_watch.stalls
        self._put_off: list[Any] = []

    def __repr__(self) -> str:
        return f"<Doubt until {self.ends_ms}, {len(self._put_off)} put off>"

    @property
    def stalls(self) -> int:
        """How often the process has stood still."""
        return self._stall_watch.stalls

    def stands(self, now_ms: float) -> bool:
        """Return whether nothing may be done now."""
        if self._stall_watch.check(now_ms) == self._stalls:
            return False
        if self.ends_ms is None:
            self.ends_ms = now_ms + MOST_MUTE_MS
        return True

    def admits(self, message: Any) -> bool:
        """Return whether a message is handled all the same; if not, it is kept for later."""
        match message:
            case SessionReleased():
                return True
            case OwnershipConfirmed() if message.stalls == self._stall_watch.stalls:
                return True
            case _:
                self._put_off.append(message)
                return False

    def is_over(self, now_ms: float) -> bool:
        """Return whether the store's word is not waited for any longer."""
        return self.ends_ms is not None and now_ms >= self.ends_ms

    def lift(self) -> list[Any]:
        """The session is its own: return what was put off, oldest first."""
        self._stalls, self.ends_ms = self._stall_watch.stalls, None
        put_off, self._put_off = self._put_off, []
        return put_off
