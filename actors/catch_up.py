"""CatchUp: whether a client that came back still sends what it recorded meanwhile. Pure.

What was said over half a minute arrives within a second then: the time between two chunks says
nothing about the speaker, so nothing may be decided by it.
"""

from math import inf

LULL_MS = 2_000.0
"""A client that sends nothing for so long has nothing left to send again."""


LIVE_CHUNKS = 3
"""One that comes late by itself, because a machine is busy, says nothing."""


class CatchUp:
    """Begins with a resume; ends when as much audio has come as time has passed, or with a lull.

    Where nobody knows when the client was heard last, because another instance heard it, it ends
    when some chunks in a row have come about as long after the one before as that one lasts.

    All times are monotonic ms; `heard_ms` is the length of all audio of the session so far.
    """

    __slots__ = (
        "_behind_at_ms",
        "_chunk_at_ms",
        "_heard_before_ms",
        "_heard_ms",
        "_is_on",
        "_live_chunks",
        "_was_elsewhere",
    )

    def __init__(self, *, was_elsewhere: bool = False) -> None:
        self._was_elsewhere = was_elsewhere
        self._live_chunks = 0
        self._is_on = False
        self._chunk_at_ms: float | None = None
        """When the latest chunk came."""
        self._behind_at_ms = 0.0
        """What the client has recorded since then may not have arrived."""
        self._heard_ms = 0.0
        self._heard_before_ms = 0.0
        """What had come before the latest chunk."""

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
            since_ms = now_ms - self._chunk_at_ms
            if self._was_elsewhere and self._behind_at_ms == -inf:
                caught_up = self._comes_live(heard_ms - self._heard_before_ms, since_ms)
            else:
                caught_up = heard_ms - self._heard_ms >= now_ms - self._behind_at_ms
            self._is_on = not caught_up and since_ms < LULL_MS
        self._chunk_at_ms = now_ms
        self._heard_before_ms = heard_ms
        return self._is_on

    def _comes_live(self, lasted_ms: float, since_ms: float) -> bool:
        """Count chunks at the pace of speech; the first one follows none."""
        is_live = 0 < lasted_ms <= 2 * since_ms
        self._live_chunks = self._live_chunks + 1 if is_live else 0
        return self._live_chunks >= LIVE_CHUNKS
