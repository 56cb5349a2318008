"""What a socket may make us do: work is paid for by what it costs, not by bytes.

It owns the costs and one socket's account. It must not stop anything: the connection does.

The unit is one message of a client, read and handled: about 40 µs.
"""

from typing import Final

from gateway.edge.token_bucket import TokenBucket

FRAME_COST: Final = 0.02
"""A frame that brings no message: an empty or tiny fragment."""
PING_COST: Final = 0.25
"""A ping and its pong; a keep-alive in JSON."""
MESSAGE_COST: Final = 1.0
REFUSAL_COST: Final = 4.0
"""To say what is wrong with a message, beyond the message."""
_WORTH_WAITING_S: Final = 0.001
LOOKUP_COST: Final = 10.0
"""To ask the store about a session that is not here."""


class Work:
    """Life: that of a WebSocket. Costs are added up during a read and settled behind it."""

    __slots__ = ("_bucket", "_frames", "cost", "is_owed", "wait_s")

    def __init__(self, rate_per_s: float, burst: float, now_ms: float) -> None:
        """Begin with a full account; a rate of 0 lets the socket do as it likes."""
        self._bucket = TokenBucket(rate_per_s / 1000, burst, now_ms) if rate_per_s else None
        self._frames = 0
        self.cost = 0.0
        """Not settled yet."""
        self.is_owed = False
        """More was spent than there was: the socket is not read until `wait_s` have passed."""
        self.wait_s = 0.0

    def __repr__(self) -> str:
        return f"<Work {self._bucket!r}{' owed' if self.is_owed else ''}>"

    def settle(self, frames: int, now_ms: float) -> bool:
        """Pay for what was done since the last time; True when the socket has to wait from now.

        `frames` have come on the connection so far.
        """
        was_owed = self.is_owed
        self._pay(self.cost + FRAME_COST * (frames - self._frames), now_ms)
        self._frames, self.cost = frames, 0.0
        return self.is_owed and not was_owed

    def is_paid(self, now_ms: float) -> bool:
        """Tell whether the wait is over; more may have been spent meanwhile."""
        self._pay(0.0, now_ms)
        return not self.is_owed

    def _pay(self, cost: float, now_ms: float) -> None:
        if self._bucket is not None:
            self.wait_s = self._bucket.take(cost, now_ms) / 1000
            self.is_owed = self.wait_s > _WORTH_WAITING_S
