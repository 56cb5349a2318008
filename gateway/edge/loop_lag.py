"""How late the event loop is. It owns one timer; it must not act on what it sees."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

_PERIOD_S = 0.0625
_WINDOW_SAMPLES = 80
"""5 s: the worst lag shown is that of the running and the last window."""


Watch: TypeAlias = Callable[[float, float], object]
"""Called with a lag and the loop's time, both in milliseconds."""


class LoopLag:
    """Asks to be called at set times and notes how much later it was."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.latest_s = 0.0
        """The last sample."""
        self.watch: Watch | None = None
        """Called with each sample."""
        self.on_sample: Callable[[float], object] = lambda _now_ms: None
        """Called with each sample's time (monotonic ms)."""
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._samples = 0
        self._window_s = 0.0
        self._last_window_s = 0.0

    def __repr__(self) -> str:
        return f"<LoopLag {self.latest_s * 1000:.1f} ms, worst {self.worst_s * 1000:.1f} ms>"

    @property
    def worst_s(self) -> float:
        """The largest lag of the last 5 to 10 s."""
        return max(self._window_s, self._last_window_s)

    def start(self) -> None:
        """Begin to sample."""
        self._arm()

    def stop(self) -> None:
        """End it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._due_s = self._loop.time() + _PERIOD_S
        self._timer = self._loop.call_at(self._due_s, self._sample)

    def _sample(self) -> None:
        now_s = self._loop.time()
        self.latest_s = max(0.0, now_s - self._due_s)
        self._window_s = max(self._window_s, self.latest_s)
        self.on_sample(self._loop.time() * 1000)
        self._samples += 1
        if self._samples == _WINDOW_SAMPLES:
            self._samples = 0
            self._last_window_s, self._window_s = self._window_s, 0.0
        if self.watch is not None:
            self.watch(self.latest_s * 1000, now_s * 1000)
        self._arm()
