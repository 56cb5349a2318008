"""In which turn of the loop a client is read: so much in each turn, who has had little comes first.

It owns the queue and the allowance. It must not read or parse anything: a socket that waits takes
its own turn. What waits is one entry for each socket, so the number of connections bounds it.

A turn of the loop takes in a fixed amount of speech and leaves the rest of its time to those who
never queue: nodes, the store, the actors. So a turn stays short, and since a job needs about ten
turns from its cut to its result, results do not wait for speech. Taken in as it comes, two thousand
speakers made turns of 30 ms, and nodes stood idle for most of the time that their slots were used.

Who waits is served by weighted fair queueing: each socket's turn begins where its last one ended,
counted in what it has cost, and never before what is being served now; whose turn would end first
comes first. So a thousand sockets that send as fast as they can share what there is among each
other, and who speaks at the pace of speech is read at once beside them. In the order of their
coming its chunk waited for one turn of each: seconds.
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Final, Protocol

TURN_ALLOWANCE = 64_000
"""What all sockets together may take in one turn, in bytes and `READ_COST`s: 35 chunks of speech in
JSON, 1.5 to 2 ms with what their sessions make of them. Half of it costs 6 % of the processor time,
for fewer utterances share a round trip to the store."""
READ_COST = 600
"""What a read costs beside its bytes, in bytes that take as long."""
WORK_COST: Final = 1_800
"""The same for the work of one message (`gateway.edge.work`): a chunk of speech has so many."""


class Queued(Protocol):
    """A socket with bytes that wait."""

    had_turns: float
    """Where its last turn ended; kept for the queue, 0 at first."""

    def take_turn(self) -> float:
        """Take some of what waits and return what it cost, in bytes that take as long.

        It may `enter` again if there is more.
        """


class Place:
    """A connection's place in a queue: one, however often it asks for it. Implements `Queued`."""

    __slots__ = ("_is_taken", "_take_part", "had_turns")

    def __init__(self, take_part: Callable[[], float]) -> None:
        self.had_turns = 0.0
        self._take_part = take_part
        self._is_taken = False

    def enter(self, queue: "ReadQueue", waiting: float) -> None:
        """Wait for a turn with so much, in bytes."""
        if not self._is_taken:
            self._is_taken = True
            queue.enter(self, waiting)

    def take_turn(self) -> float:
        """Have the connection take a part of what waits."""
        self._is_taken = False
        return self._take_part()


class ReadQueue:
    """Life: that of the gateway. It runs once in each turn in which somebody was let through."""

    __slots__ = (
        "_again",
        "_entered",
        "_is_running",
        "_left",
        "_loop",
        "_newest",
        "_now",
        "_numbers",
        "_queue",
        "_served",
        "all_wait",
        "holds_back",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, *, all_wait: bool = False) -> None:
        self.all_wait = all_wait
        """Nobody passes without waiting."""
        self.holds_back = False
        """Who waits is not read meanwhile: its bytes stay in the network."""
        self._loop = loop
        self._queue: list[tuple[float, int, float, Queued]] = []
        """A heap: where the turn will end, when the socket entered, where the turn begins."""
        self._entered: dict[int, float] = {}
        """When those entered who wait, by number and in that order."""
        self._numbers = count()
        self._now = self._newest = 0.0
        """Where the turn that is served began; where the last of all turns ends."""
        self._served: Queued | None = None
        self._again: float | None = None
        """With how much the one that is served enters again."""
        self._left: float = TURN_ALLOWANCE
        self._is_running = False

    def __repr__(self) -> str:
        return f"<ReadQueue waiting={len(self._queue)} left={self._left}>"

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def wait_ms(self) -> float:
        """How long he has waited who has waited longest."""
        entered_s = next(iter(self._entered.values()), None)
        return 0.0 if entered_s is None else (self._loop.time() - entered_s) * 1000

    def admits(self, size_bytes: int) -> bool:
        """Let a read pass at once, if nobody waits and something is left of this turn."""
        if self._left <= 0 or self._queue or self.all_wait:
            return False
        self._left -= size_bytes + READ_COST
        if not self._is_running:
            self._is_running = True
            self._loop.call_soon(self._run)
        return True

    def enter(self, socket: Queued, waiting: float) -> None:
        """Give the socket its turn, for what waits; once, until it has had it."""
        if socket is self._served:  # what its present turn costs is known at the end of it
            self._again = waiting
            return
        number, begins = next(self._numbers), max(self._now, socket.had_turns)
        heappush(self._queue, (begins + waiting + READ_COST, number, begins, socket))
        self._entered[number] = self._loop.time()
        if not self._is_running:
            self._run_soon()

    def spend(self, cost: float) -> None:
        """Take this from the turn, too: a read that passed has cost more than its bytes."""
        self._left -= cost

    def _run_soon(self) -> None:
        self._is_running = True
        self._loop.call_soon(self._run)

    def _run(self) -> None:
        """Begin another turn: those who wait come first."""
        self._is_running = False
        self._left = TURN_ALLOWANCE
        try:
            while self._queue and self._left > 0:
                self._serve_first()
            if not self._queue:
                self._now = self._newest
        finally:  # a bug met by one socket must not keep the others waiting
            if self._left < TURN_ALLOWANCE and not self._is_running:
                self._run_soon()

    def _serve_first(self) -> None:
        """Give the first its turn, and a place where that ends if there is more."""
        _, number, begins, socket = heappop(self._queue)
        del self._entered[number]
        self._now = max(self._now, begins)
        self._served, cost = socket, float(READ_COST)
        try:
            cost += socket.take_turn()
        finally:
            self._served = None
            self._left -= cost
            socket.had_turns = ends = begins + cost
            self._newest = max(self._newest, ends)
            again, self._again = self._again, None
            if again is not None:
                self.enter(socket, again)
