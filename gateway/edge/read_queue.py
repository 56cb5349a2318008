"""In which turn of the loop a client is read: so much in each turn, first come, first served.

It owns the queue and the allowance. It must not read or parse anything: a socket that waits takes
its own turn. What waits is one entry for each socket, so the number of connections bounds it.

A turn of the loop takes in a fixed amount of speech and leaves the rest of its time to those who
never queue: nodes, the store, the actors. So a turn stays short, and since a job needs about ten
turns from its cut to its result, results do not wait for speech. Taken in as it comes, two thousand
speakers made turns of 30 ms, and nodes stood idle for most of the time that their slots were used.
"""

import asyncio
from collections import deque
from typing import Protocol

TURN_ALLOWANCE = 64_000
"""What all sockets together may take in one turn, in bytes and `READ_COST`s: 35 chunks of speech in
JSON, 1.5 to 2 ms with what their sessions make of them. Half of it costs 6 % of the processor time,
for fewer utterances share a round trip to the store."""
READ_COST = 600
"""What a read costs beside its bytes, in bytes that take as long."""


class Queued(Protocol):
    """A socket with bytes that wait."""

    def take_turn(self) -> int:
        """Take some of what waits and return how many bytes; `enter` again if there is more."""


class ReadQueue:
    """Life: that of the gateway. It runs once in each turn in which somebody was let through."""

    __slots__ = ("_is_running", "_left", "_loop", "_queue", "all_wait", "holds_back")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, all_wait: bool = False) -> None:
        self.all_wait = all_wait
        """Nobody passes without waiting."""
        self.holds_back = False
        """Who waits is not read meanwhile: its bytes stay in the network."""
        self._loop = loop
        self._queue: deque[tuple[Queued, float]] = deque()
        self._left = TURN_ALLOWANCE
        self._is_running = False

    def __repr__(self) -> str:
        return f"<ReadQueue waiting={len(self._queue)} left={self._left}>"

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def wait_ms(self) -> float:
        """How long the first in the queue has waited."""
        return (self._loop.time() - self._queue[0][1]) * 1000 if self._queue else 0.0

    def admits(self, size_bytes: int) -> bool:
        """Let a read pass at once, if nobody waits and something is left of this turn."""
        if self._left <= 0 or self._queue or self.all_wait:
            return False
        self._left -= size_bytes + READ_COST
        if not self._is_running:
            self._is_running = True
            self._loop.call_soon(self._run)
        return True

    def enter(self, socket: Queued) -> None:
        """Give the socket a turn behind those that wait already; once, until it has had it."""
        self._queue.append((socket, self._loop.time()))
        if not self._is_running:
            self._run_soon()

    def _run_soon(self) -> None:
        self._is_running = True
        self._loop.call_soon(self._run)

    def _run(self) -> None:
        """Begin another turn: those who wait come first."""
        self._is_running = False
        queue, left = self._queue, TURN_ALLOWANCE
        try:
            while queue and left > 0:
                socket, _ = queue.popleft()
                left -= READ_COST
                left -= socket.take_turn()
        finally:  # a bug met by one socket must not keep the others waiting
            self._left = left
            if left < TURN_ALLOWANCE and not self._is_running:
                self._run_soon()
