"""What all sockets together make us keep: outboxes, bytes read ahead, messages that are not whole.

It owns the sum and the bound. It must not look at what waits. A socket says when what it keeps has
changed by more than a little, so the sum costs a message nothing.
"""

from collections.abc import Iterator
from typing import Protocol

from loguru import logger

from actors.metrics import Gauge, Metrics

LITTLE_BYTES = 4096
"""A change below this is not reported."""


class Keeper(Protocol):
    """A socket for which bytes are kept."""

    counted_bytes: int
    """What the total knows of it."""

    @property
    def is_spared(self) -> bool:
        """It is ended only if nobody else keeps much: a node."""

    def end_for_room(self) -> None:
        """Close it with 4008 and keep nothing for it."""


class BufferTotal:
    """Life: that of a server. Beyond the bound who keeps most is closed, until it holds again."""

    def __init__(self, max_bytes: int, metrics: Metrics, *, is_shown: bool = True) -> None:
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._keepers: set[Keeper] = set()
        self._total_bytes = 0
        if is_shown:
            metrics.watch(Gauge.BUFFERED_BYTES, lambda: self._total_bytes)

    def __repr__(self) -> str:
        return f"<BufferTotal {self._total_bytes} of {self._max_bytes} bytes>"

    def __iter__(self) -> Iterator[Keeper]:
        return iter(self._keepers)

    @property
    def total_bytes(self) -> int:
        """Bytes kept now."""
        return self._total_bytes

    def count(self, keeper: Keeper, size_bytes: int) -> None:
        """Take note of what is kept for a socket now."""
        self._total_bytes += size_bytes - keeper.counted_bytes
        grew = size_bytes > keeper.counted_bytes
        keeper.counted_bytes = size_bytes
        if size_bytes:
            self._keepers.add(keeper)
        else:
            self._keepers.discard(keeper)
        while grew and self._total_bytes > self._max_bytes and self._keepers:
            self._end_largest()

    def _end_largest(self) -> None:
        largest = max(self._keepers, key=lambda one: (not one.is_spared, one.counted_bytes))
        size_bytes = largest.counted_bytes
        self._keepers.discard(largest)
        self._total_bytes -= size_bytes
        largest.counted_bytes = 0
        self._metrics.limit_reached("max_buffered_bytes")
        logger.warning("too much waits for all sockets together", of_largest_bytes=size_bytes)
        largest.end_for_room()
