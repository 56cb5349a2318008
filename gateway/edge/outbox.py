"""The way out to one peer. It owns the bound on what waits there; it must not know what it sends.

A message is encoded once and written at once: the transport's buffer is the only queue. A peer is
judged by what it did not take when it was offered, before more is written: neither one large
message nor many in one turn of the loop say that it does not read.
"""

from collections.abc import Callable
from typing import Any

from actors.ports import AudioFlow, SocketJobs
from gateway.edge.upgrade import Connection
from protocol.codec import encode_utf8
from protocol.wire import WireMessage

_MOST_KEPT_ERRORS = 20


class SocketOutbox:
    """Implements `Outbox` on a socket. Outlives it: then it takes nothing. Never raises."""

    __slots__ = ("_connection", "_first_is_due", "_kept", "_max_bytes", "jobs", "on_flow", "owner")

    def __init__(self, connection: Connection, max_bytes: int, owner: str = "") -> None:
        self.owner = owner
        """Whose share of the process the peer takes; empty: nobody's."""
        self.jobs = SocketJobs()
        """What the sessions opened on it have waiting."""
        self.on_flow: Callable[[AudioFlow], None] | None = None
        """Sees to how the socket is read; None: it is read as it comes."""
        self._connection = connection
        self._max_bytes = max_bytes
        self._first_is_due = False
        self._kept: list[WireMessage] | None = None

    def __repr__(self) -> str:
        return f"<SocketOutbox {self._connection.unsent_bytes} of {self._max_bytes} bytes>"

    @property
    def is_backed_up(self) -> bool:
        """True from half of the bound on."""
        return self._connection.unsent_bytes > self._max_bytes // 2

    @property
    def is_unread(self) -> bool:
        """True while what the peer has sent waits to be read."""
        return self._connection.is_paused

    @property
    def is_heard(self) -> bool:
        """True if anything came since `probe`, or waits to be read."""
        return self._connection.heard or self._connection.is_paused

    def set_flow(self, flow: AudioFlow) -> None:
        """Read the peer's audio like this from now on."""
        if self.on_flow is not None:
            self.on_flow(flow)

    def probe(self) -> None:
        """Ask the peer for a sign of life."""
        self._connection.heard = False
        self._connection.ping()

    def send(self, message: Any) -> bool:
        """Write a wire message; False when the socket is gone, closing or has just been closed."""
        data = message if type(message) is bytes else encode_utf8(message)
        sent = self._connection.send(data, self._max_bytes)
        if self._first_is_due:
            self.expect_none()
        return sent

    def send_frame(self, head: bytes, body: bytes, most_unsent_bytes: int) -> bool:
        """Write a binary message of two parts; see `Outbox.send_frame`."""
        if self._connection.unsent_bytes > most_unsent_bytes:
            return False
        return self._connection.send_binary(head + body)

    def close(self, code: int, reason: str) -> None:
        """Close the socket after what was sent."""
        self._release()
        self._connection.close(code, reason)

    def expect_first(self) -> None:
        """Let the next `send` be the first frame out: what the gateway says waits for it."""
        self._first_is_due = True

    def expect_none(self) -> None:
        """No first frame comes: what waited for it goes out."""
        self._first_is_due = False
        self._release()

    def say(self, message: WireMessage) -> None:
        """Write a message of the gateway itself, after a first frame that is still to come."""
        if not self._first_is_due:
            self.send(message)
            return
        if self._kept is None:
            self._kept = []
        if len(self._kept) < _MOST_KEPT_ERRORS:
            self._kept.append(message)

    def _release(self) -> None:
        kept, self._kept = self._kept, None
        for message in kept or ():
            self._connection.send(encode_utf8(message), self._max_bytes)
