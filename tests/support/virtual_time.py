"""A loop whose clock moves only when nothing can run: hours pass in milliseconds.

`run_virtual(main())` runs a coroutine on such a loop. Timers fire in order and exactly on time,
so tests say `await asyncio.sleep(10)` and mean it. The clock starts at 0.

Not for real sockets: the clock would run ahead while a peer's bytes are on their way. Work in
other threads is waited for only while no timer is set.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from actors.runtime.actor import ActorRegistry

T = TypeVar("T")

LIMIT_SECONDS = 24 * 3600.0
"""Virtual seconds a test may take."""
LIMIT_JUMPS = 200_000
"""Times the clock may move in one test: ends a timer that always sets itself again."""
STUCK_SECONDS = 5.0
"""Real seconds to wait for a thread when there is no timer at all."""


class EndlessTimeError(RuntimeError):
    """The test waits for something that does not come."""


class _JumpingSelector(selectors.DefaultSelector):
    """Asks for input without waiting; where it would have to wait, the clock jumps."""

    def __init__(self, limit_seconds: float) -> None:
        super().__init__()
        self.now = 0.0
        self.idle: list[asyncio.Future[None]] = []
        """Who waits until nothing can run; woken before the clock moves."""
        self._limit_seconds = limit_seconds
        self._jumps = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if events or timeout == 0:
            return events
        if self.idle:
            self._wake_idle()
        elif timeout is None:
            return self._wait_for_threads()
        else:
            self._jump(timeout)
        return events

    def _wake_idle(self) -> None:
        waiters, self.idle = self.idle, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _jump(self, seconds: float) -> None:
        self._jumps += 1
        self.now = round(self.now + seconds, 9)
        if self.now > self._limit_seconds or self._jumps > LIMIT_JUMPS:
            message = f"{self._jumps} jumps to {self.now:.0f} virtual seconds and no end"
            self._limit_seconds, self._jumps = self.now + LIMIT_SECONDS, 0  # for the clean-up
            raise EndlessTimeError(message)

    def _wait_for_threads(self) -> list[tuple[selectors.SelectorKey, int]]:
        events: list[tuple[selectors.SelectorKey, int]] = super().select(STUCK_SECONDS)
        if not events:
            raise EndlessTimeError("nothing is ready, no timer is set, and no thread calls")
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time."""

    def __init__(self, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._clock = _JumpingSelector(limit_seconds)
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._clock.now

    def idle(self) -> asyncio.Future[None]:
        """Return a future that is done as soon as nothing else can run."""
        waiter = self.create_future()
        self._clock.idle.append(waiter)
        return waiter


def run_virtual(main: Coroutine[Any, Any, T], *, limit_seconds: float = LIMIT_SECONDS) -> T:
    """Run to the end on virtual time; EndlessTimeError after `limit_seconds` of it."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(limit_seconds)) as runner:
        return runner.run(main)


async def settle() -> None:
    """Let everything run that is ready, without letting time pass."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "settle() needs run_virtual()"
    await loop.idle()


async def stop_actors() -> None:
    """Stop all actors, last started first, each before the next."""
    for ref in reversed(ActorRegistry.get_all()):
        await ref.stop(block=False)
