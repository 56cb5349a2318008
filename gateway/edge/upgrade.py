"""What an edge connection is given: what becomes of its request, and who takes its messages.

It owns the contract between one connection, the handler of its path and the server. It must not
know any path or message.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

from websockets.http11 import Request, Response

from gateway.edge.buffer_total import BufferTotal
from gateway.edge.read_queue import ReadQueue


class Connection(Protocol):
    """A peer's socket as its handler and its outbox see it."""

    address: str
    """Where it comes from; empty for this machine's own."""

    @property
    def is_open(self) -> bool:
        """Tell whether messages can be sent."""

    @property
    def unsent_bytes(self) -> int:
        """What the peer has not taken yet."""

    @property
    def refused_bytes(self) -> int:
        """What the peer has been offered and has not taken."""

    @property
    def is_paused(self) -> bool:
        """Tell whether the peer's bytes wait unread, so that its silence means nothing."""

    def send(self, data: bytes, most_refused_bytes: float = inf) -> bool:
        """Write one text message (UTF-8); False when the socket is closing or gone.

        A peer that has not taken more than `most_refused_bytes` is closed with 4008.
        """

    def send_binary(self, data: bytes) -> bool:
        """Write one binary message; False when the socket is closing or gone."""

    heard: bool
    """Bytes came since this was last set to False."""

    is_pinged: bool
    """False for a peer that may take a ping for the end: the kernel alone probes it."""

    def ping(self) -> None:
        """Ask the peer for a sign of life."""

    def charge(self, cost: float) -> None:
        """Count work that this peer has caused, beyond its frames."""

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake after what was sent; what arrives from now on is ignored."""

    def pause(self) -> None:
        """Hand over nothing more; what was read already is kept until `resume`."""

    def resume(self) -> None:
        """Hand over what was kept, then read on."""


class SocketHandler(Protocol):
    """What a path does with its connection. Called on the loop, never after `connection_lost`."""

    def text_received(self, data: bytes) -> None:
        """Take a text message: UTF-8, checked if the policy says so."""

    def binary_received(self, data: bytes) -> None:
        """Take a binary message."""

    def longest_message(self) -> int:
        """Return how long a message may be now; asked when one is longer than the policy says."""

    def message_not_taken(self, why: str) -> None:
        """Hear of a message that was read past."""

    def connection_lost(self) -> None:
        """The connection is gone; nothing can be sent any more."""


@dataclass(frozen=True, slots=True)
class SocketPolicy:
    """What a path allows its peers."""

    max_message_bytes: int
    """A longer message is read past, unless the handler says that it may be longer."""
    strict_text: bool
    """Text that is not UTF-8 closes the socket with 1007 (RFC 6455 section 8.1)."""
    keepalive: bool
    """The peer is pinged, and gone when it does not answer. Else only the kernel probes it."""
    queues: bool = False
    """The peer is read in turns when there is too much to do. Else what it sends comes first."""
    max_outbox_bytes: int = 64 * 1024 * 1024
    """A peer that has not taken so much is not answered any more: it is closed with 4008."""
    read_ahead_bytes: int = 0
    """Bytes of messages that are read while the handler cannot take them."""
    message_rate: int = 0
    """Messages in a second, or work that costs as much; 0: as many as it likes."""
    message_burst: int = 0
    """The same at once."""
    is_spared: bool = False
    """It is closed for want of memory only if nobody else takes much."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The request may become a WebSocket."""

    policy: SocketPolicy
    open: Callable[[Connection], SocketHandler]
    """Called once, when the handshake is written."""
    subprotocol: str | None = field(default=None, repr=False)
    """Of those that the request offers, the one that the answer names; may hold a token."""
    address: str | None = None
    """Whom the connection counts for; None: the other end."""


Answer = Upgrade | Response | Awaitable[Response]


class Asker(Protocol):
    """Who has sent a request."""

    address: str
    """Where it comes from; empty for this machine."""

    def certificate(self) -> Mapping[str, Any] | None:
        """Return the certificate that it has shown over TLS; None: none."""


class EdgeOwner(Protocol):
    """The server a connection belongs to."""

    open_timeout_s: float
    """Seconds that a peer has for its request."""
    close_timeout_s: float
    """Seconds that a peer has to close after we did."""
    handshakes: ReadQueue
    """Where requests wait that may."""
    reading: ReadQueue
    """Where what an upgraded peer sends waits, if its policy says so."""
    buffers: BufferTotal
    """What is kept for all peers together."""

    def may_wait(self, start: bytes) -> bool:
        """Tell whether the request that begins so has to wait for its handshake."""

    def answer(self, request: Request, asker: Asker) -> Answer:
        """Decide about a request; never raises."""

    def connected(self, connection: Any) -> None:
        """A TCP connection exists."""

    def upgraded(self, connection: Any, policy: SocketPolicy) -> None:
        """It is a WebSocket now."""

    def disconnected(self, connection: Any) -> None:
        """It is gone."""

    def slowed(self, connection: Any) -> None:
        """It has spent more work than it may, and is not read for a while."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run an answer that takes a while; cancelled when the server closes."""
