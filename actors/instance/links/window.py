"""The numbers of one link between two instances: what is under way, what arrived. Pure.

The sender numbers its messages from 1 and keeps each until the receiver says that it arrived; after
a broken connection it sends the rest again, and the receiver passes over what it has had. So every
message arrives once and in order, as long as both ends live; what never arrives is handed back.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from protocol.instances.link import Address


class LinkBrokenError(Exception):
    """The two ends do not agree on what has arrived: the link must be given up."""


@dataclass(frozen=True, slots=True)
class LinkBounds:
    """What may be under way on one link; more is refused."""

    max_messages: int = 20_000
    max_bytes: int = 64 * 1024 * 1024
    """Of audio and results, about."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A message that is not known to have arrived."""

    seq: int
    address: Address
    message: Any
    size: int
    """Bytes, about."""


class OutgoingLink:
    """The sender's end. Invariant: `under_way` is exactly acknowledged + 1 … last, in order."""

    def __init__(self, bounds: LinkBounds | None = None) -> None:
        self._bounds = bounds or LinkBounds()
        self._under_way: deque[UnderWay] = deque()
        self._bytes = 0
        self._acknowledged = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def __repr__(self) -> str:
        return f"<OutgoingLink {self._acknowledged}+{len(self)} {self._bytes} bytes>"

    @property
    def is_full(self) -> bool:
        """Whether so much is under way that the receiver, or the way to it, does not keep up."""
        bounds = self._bounds
        return len(self._under_way) >= bounds.max_messages or self._bytes >= bounds.max_bytes

    @property
    def acknowledged(self) -> int:
        """The number of the last message that has arrived."""
        return self._acknowledged

    @property
    def last(self) -> int:
        """The number of the last message that was added."""
        return self._acknowledged + len(self._under_way)

    def add(self, address: Address, message: Any, size: int) -> UnderWay:
        """Number a message and keep it."""
        entry = UnderWay(self.last + 1, address, message, size)
        self._under_way.append(entry)
        self._bytes += size
        return entry

    def acknowledge(self, seq: int) -> int:
        """Let go of what has arrived; return how many messages that were.

        Raises:
            LinkBrokenError: More is acknowledged than was sent.
        """
        if seq > self.last:
            message = f"{seq} is acknowledged, and was not sent"
            raise LinkBrokenError(message)
        arrived = 0
        while self._acknowledged < seq:
            self._bytes -= self._under_way.popleft().size
            self._acknowledged += 1
            arrived += 1
        return arrived

    def resume(self, received: int) -> Iterator[UnderWay]:
        """Take note of what arrived before the connection broke; return what to send again.

        Raises:
            LinkBrokenError: The receiver has forgotten what it had: it is another process.
        """
        if received < self._acknowledged:
            message = f"only {received} arrived, but {self._acknowledged} had been acknowledged"
            raise LinkBrokenError(message)
        self.acknowledge(received)
        return iter(tuple(self._under_way))

    def give_up(self) -> list[UnderWay]:
        """Return what is not known to have arrived, in order, and forget it."""
        left = list(self._under_way)
        self._under_way.clear()
        self._bytes = 0
        return left


class IncomingLink:
    """The receiver's end: which number comes next."""

    def __init__(self, name: str) -> None:
        self.name = name
        """As the sender calls it, see `Hello.link`."""
        self.received = 0
        """The last number that arrived."""

    def __repr__(self) -> str:
        return f"<IncomingLink {self.name} {self.received}>"

    def takes(self, seq: int) -> bool:
        """Return whether the message is new; one that was sent again is not.

        Raises:
            LinkBrokenError: Messages before it are missing.
        """
        if seq <= self.received:
            return False
        if seq != self.received + 1:
            message = f"{seq} came where {self.received + 1} was due"
            raise LinkBrokenError(message)
        self.received = seq
        return True
