"""The patterns of load: which simulated client sends a chunk when.

A pattern owns no socket and reads no message; it only calls `send_chunk` on clients.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from peers.bench.clients import SimulatedClient
from peers.bench.counts import Counts
from peers.bench.stamped_chunk import now_ns

TICK_SECONDS: Final = 0.002


class LoadPattern(Protocol):
    """When clients speak. `stop` only ends new utterances: open ones still get their outcome."""

    def start(self) -> None:
        """Begin to speak."""

    def stop(self) -> None:
        """Say nothing that begins a further utterance."""


class ClosedLoop:
    """Every client says a one-chunk utterance, waits for its outcome, and says the next."""

    def __init__(self, clients: Sequence[SimulatedClient]) -> None:
        self._clients = clients

    def start(self) -> None:
        """Let each client send its first utterance."""
        for client in self._clients:
            client.is_closed_loop = True
            client.send_chunk(is_final=True)

    def stop(self) -> None:
        """Let each client fall silent after the outcome it waits for."""
        for client in self._clients:
            client.is_closed_loop = False


class Burst:
    """Every client finalises one utterance in the same turn of the loop."""

    def __init__(self, clients: Sequence[SimulatedClient]) -> None:
        self._clients = clients

    def start(self) -> None:
        """Say all of them."""
        for client in self._clients:
            client.send_chunk(is_final=True)

    def stop(self) -> None:
        """Nothing to end."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a client speaks."""

    chunks_per_second: float = 10.0
    utterance_chunks: int = 20
    """Chunks per utterance; the last one is its final."""


class Paced:
    """Every client sends chunks at a fixed rate; every n-th of them is a final.

    The clients are spread evenly over the interval, and so are their finals. One timer serves
    all: at each tick it sends what is due by the plan, so a late tick never lowers the rate.
    """

    def __init__(self, clients: Sequence[SimulatedClient], pace: Pace, counts: Counts) -> None:
        self._clients = clients
        self._rate = pace.chunks_per_second * len(clients)
        self._utterance_chunks = pace.utterance_chunks
        self._counts = counts
        self._sent = 0
        self._begin_ns = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin with the first tick; also again after a stop."""
        self._begin_ns = now_ns()
        self._sent = 0
        self._tick()

    def pace(self, chunks_per_second: float) -> None:
        """Let each client send at this rate from the next start on."""
        self._rate = chunks_per_second * len(self._clients)

    def stop(self) -> None:
        """End every utterance that is under way with a final, and fall silent."""
        if self._timer is not None:
            self._timer.cancel()
        size = len(self._clients)
        for number in range(self._sent, self._sent + size):
            if not self._is_first(number):
                self._clients[number % size].send_chunk(is_final=True)

    def _tick(self) -> None:
        elapsed_ns = now_ns() - self._begin_ns
        due = int(elapsed_ns * self._rate / 1_000_000_000)
        late_ms = int(elapsed_ns / 1_000_000 - self._sent * 1000 / self._rate)
        self._counts.behind_ms = max(self._counts.behind_ms, late_ms)
        size = len(self._clients)
        for number in range(self._sent, due):
            self._clients[number % size].send_chunk(is_final=self._is_first(number + size))
        self._sent = max(due, self._sent)
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _is_first(self, number: int) -> bool:
        """Whether the chunk with this number is the first of its client's utterance."""
        client = number % len(self._clients)
        turn = number // len(self._clients)
        return turn == 0 or (turn + client) % self._utterance_chunks == 0
