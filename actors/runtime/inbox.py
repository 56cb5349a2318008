"""The queue in front of one actor: who may put, when the actor runs, when a reader must wait.

It owns the waiting messages and the depth figures. It does not handle messages, knows nothing
of their content and never drops one: what arrives after the end goes to `refuse`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from threading import get_ident
from typing import Any, Generic, NoReturn, TypeVar, cast

E = TypeVar("E")

NOTHING: deque[Any] = cast("deque[Any]", ())
"""The queue of an inbox in which nothing waits: an empty `deque` takes 0.6 kB, and most actors are
idle."""
_NO_THREAD = 0
"""No thread has this identifier, so every put takes the careful path."""


class InboxClosedError(RuntimeError):
    """The event loop has ended, so the message can no longer be delivered."""


class DepthGauge:
    """How many messages wait in the inboxes of one actor class."""

    __slots__ = ("depth", "owner")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        """Name of the actor class."""
        self.depth = 0


_gauges: dict[str, DepthGauge] = {}


def inbox_depths() -> dict[str, int]:
    """Return the number of waiting messages by name of the actor class."""
    return {name: gauge.depth for name, gauge in _gauges.items()}


class LoopInbox(Generic[E]):
    """A first-in, first-out queue that schedules its actor on the event loop.

    Life: made with the actor, `open`ed when the actor starts, `close`d when it ends. Puts from
    the loop's thread append directly; puts from other threads pass through the loop, in order.
    """

    __slots__ = (
        "_loop",
        "_refuse",
        "_run",
        "_thread_id",
        "awake",
        "gauge",
        "limit",
        "queue",
        "waiting_readers",
    )

    def __init__(self, owner: str, limit: int | None, refuse: Callable[[str, E], None]) -> None:
        self.gauge = _gauges.get(owner) or _gauges.setdefault(owner, DepthGauge(owner))
        """Shared by all actors of the class. Who takes from `queue` lowers it."""
        self.limit: float = inf if limit is None else limit
        """Messages at which `is_full` turns true; infinite: never."""
        self.queue: deque[E] = NOTHING
        """What waits. Only the actor's own run takes from it, and puts `NOTHING` in its place."""
        self.awake = True
        """The actor runs or is scheduled to, so a put need not schedule it."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._run: Callable[[], None] | None = None
        self._refuse = refuse
        self._thread_id = _NO_THREAD
        self.waiting_readers: list[Callable[[], object]] = []
        """Called once there is space: they stopped reading because of this inbox."""

    def __len__(self) -> int:
        return len(self.queue)

    def __repr__(self) -> str:
        limit = "unbounded" if self.limit == inf else self.limit
        return f"<LoopInbox {len(self.queue)}/{limit}>"

    def open(self, loop: asyncio.AbstractEventLoop, run: Callable[[], None]) -> None:
        """Bind to the running loop, from its thread; `run` handles what waits."""
        self._loop = loop
        self._run = run
        self._thread_id = get_ident()

    def put(self, envelope: E) -> None:
        """Append and see that the actor runs. Never blocks, never drops, any thread."""
        if self._thread_id != get_ident():
            self._put_carefully(envelope)
            return
        if self.queue:
            self.queue.append(envelope)
        else:
            self.queue = deque((envelope,))
        self.gauge.depth += 1
        if self.awake or self._loop is None or self._run is None:
            return
        self.awake = True  # as `wake` does
        try:
            self._loop.call_soon(self._run)
        except RuntimeError as error:
            self._lose(error)

    def _put_carefully(self, envelope: E) -> None:
        if self._loop is None:  # not started: the actor finds it at its start
            self.queue = deque((*self.queue, envelope))
            self.gauge.depth += 1
        elif self._thread_id == _NO_THREAD:
            self._refuse(self.gauge.owner, envelope)
        else:
            try:
                self._loop.call_soon_threadsafe(self.put, envelope)
            except RuntimeError as error:
                raise InboxClosedError("the actor's event loop is closed") from error

    def wake(self) -> None:
        """Schedule the actor's next run."""
        if self._loop is None or self._run is None:
            return
        self.awake = True
        try:
            self._loop.call_soon(self._run)
        except RuntimeError as error:
            self._lose(error)

    def _lose(self, error: RuntimeError) -> NoReturn:
        """The loop is closed: all that waits is the message whose put fails here."""
        self.close()
        raise InboxClosedError("the actor's event loop is closed") from error

    def get(self) -> E:
        """Take the oldest message."""
        envelope = self.queue.popleft()
        self.gauge.depth -= 1
        return envelope

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.queue

    @property
    def is_full(self) -> bool:
        """Whether a reader in front of this actor should stop reading."""
        return len(self.queue) >= self.limit

    def on_space(self, callback: Callable[[], object]) -> None:
        """Call back once, on the loop, when at most half of the limit waits or the actor ends.

        From the loop's thread only. The callback comes on a later turn of the loop, never from
        within this call, also when there is space already.
        """
        self.waiting_readers.append(callback)
        self.check_space()

    def check_space(self) -> None:
        """Tell those who wait for space if there is some; called after each run."""
        if not self.waiting_readers or self._loop is None or self._loop.is_closed():
            return
        closed = self._thread_id == _NO_THREAD
        if closed or len(self.queue) <= self.limit / 2:
            waiting, self.waiting_readers = self.waiting_readers, []
            for callback in waiting:
                self._loop.call_soon(callback)

    def close(self) -> list[E]:
        """End: hand out what still waits, let readers go on, let go of the actor."""
        left = list(self.queue)
        self.gauge.depth -= len(left)
        self.queue = NOTHING
        self.awake = True
        self._thread_id = _NO_THREAD
        self._run = None
        self.check_space()
        return left
