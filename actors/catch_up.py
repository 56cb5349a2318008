"""CatchUp: whether a client that came back still sends what it recorded meanwhile. Pure.

What was said over half a minute arrives within a second then: the time between two chunks says
nothing about the speaker, so nothing may be decided by it.
"""

from math import inf

LULL_MS = 2_000.0
"""A client that sends nothing for so long has nothing left to send again."""


class CatchUp:
    """Begins with a resume; ends when as much audio has come as time has passed, or with a lull.

    All times are monotonic ms; `heard_ms` is the length of all audio of the session so far.
    """

    __slots__ = ("_behind_at_ms", "_chunk_at_ms", "_heard_ms", "_is_on")

    def __init__(self) -> None:
        self._is_on = False
        self._chunk_at_ms: float | None = None
        """When the latest chunk came."""
        self._behind_at_ms = 0.0
        """What the client has recorded since then may not have arrived."""
        self._heard_ms = 0.0

    def __repr__(self) -> str:
        return f"<CatchUp {'on' if self._is_on else 'off'}>"

    def begin(self, heard_ms: float, now_ms: float) -> None:
        """The client is back."""
        self._is_on = True
        self._heard_ms = heard_ms
        self._behind_at_ms = -inf if self._chunk_at_ms is None else self._chunk_at_ms
        self._chunk_at_ms = now_ms

    def chunk(self, heard_ms: float, now_ms: float) -> bool:
        """Note that a chunk came after so much audio; tell whether it is one sent late."""
        if self._is_on and self._chunk_at_ms is not None:
            caught_up = heard_ms - self._heard_ms >= now_ms - self._behind_at_ms
            self._is_on = not caught_up and now_ms - self._chunk_at_ms < LULL_MS
        self._chunk_at_ms = now_ms
        return self._is_on
