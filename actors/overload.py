"""How much is too much for one event loop: from samples of its lag to what is done about it.

Pure. It owns the level; it must not refuse or slow down anybody. Reception reads the level before
it lets a session in, the gateway before it reads one.

Rules of the file:
- A level is reached only through the one below it: nobody is read more slowly while newcomers are
  still let in.
- Lag has to last. One late sample is a pause of the machine or a garbage collection, not load.
- What is between half of the limit and the limit changes nothing.
"""

from enum import IntEnum

from actors.admission import AdmissionOptions

_CALM_AFTER = 2
"""A level is left after this many times the time in which it is reached."""


class OverloadLevel(IntEnum):
    """What is done about the load; each level does what the ones below it do, too."""

    NONE = 0
    NO_SESSIONS = 1
    """Sessions are turned away, unless they resume or attach to one that is there."""
    SLOW_READING = 2
    """Sockets of sessions are read in turns, so that nodes and the store never wait for them."""


class Overload:
    """Fed with samples in the order of time; read by whoever acts on it."""

    __slots__ = ("_after_ms", "_calm_since_ms", "_late_since_ms", "_limit_ms", "level")

    def __init__(self, options: AdmissionOptions) -> None:
        self.level = OverloadLevel.NONE
        self._limit_ms = options.overload_lag_ms
        self._after_ms = options.overload_after_ms
        self._late_since_ms: float | None = None
        """When the first of the samples came that were all late; a rise begins anew."""
        self._calm_since_ms: float | None = None

    def __repr__(self) -> str:
        return f"<Overload {self.level.name}>"

    def sample(self, lag_ms: float, now_ms: float) -> OverloadLevel:
        """Take one sample; return the level that follows from it and those before."""
        if lag_ms >= self._limit_ms:
            self._calm_since_ms = None
            self._on_late(now_ms)
        elif lag_ms < self._limit_ms / 2:
            self._late_since_ms = None
            self._on_calm(now_ms)
        else:
            self._late_since_ms = self._calm_since_ms = None
        return self.level

    def _on_late(self, now_ms: float) -> None:
        if self._late_since_ms is None:
            self._late_since_ms = now_ms
        elif now_ms - self._late_since_ms >= self._after_ms:
            self._late_since_ms = now_ms
            self.level = OverloadLevel(min(self.level + 1, OverloadLevel.SLOW_READING))

    def _on_calm(self, now_ms: float) -> None:
        if self._calm_since_ms is None:
            self._calm_since_ms = now_ms
        elif now_ms - self._calm_since_ms >= self._after_ms * _CALM_AFTER:
            self._calm_since_ms = now_ms
            self.level = OverloadLevel(max(self.level - 1, OverloadLevel.NONE))
