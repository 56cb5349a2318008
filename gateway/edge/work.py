"""What a socket may make us do: work is paid for by what it costs, not by bytes.

It owns the costs and one socket's account. It must not stop anything: the connection does.

The unit is one message of a client, read and handled: about 40 µs.
"""

from typing import Final

FRAME_COST: Final = 0.02
"""A frame that carries no message: an empty or tiny fragment."""
PING_COST: Final = 0.25
"""A ping and its pong; a keep-alive in JSON."""
MESSAGE_COST: Final = 1.0
REFUSAL_COST: Final = 4.0
"""To say what is wrong with a message, beyond the message."""
_WORTH_WAITING_S: Final = 0.001
LOOKUP_COST: Final = 10.0
"""To ask the store about a session that is not here."""


class Work:
    """Life: that of a WebSocket. Costs are added up during a read and settled behind it.

    What is beyond the account becomes debt, as in `TokenBucket`; it stands here itself, since it is
    settled for each read.
    """

    __slots__ = ("_burst", "_frames", "_level", "_rate_per_ms", "_seen_ms", "cost", "is_owed")

    def __init__(self, rate_per_s: float, burst: float, now_ms: float) -> None:
        """Begin with a full account; a rate of 0 lets the socket do as it likes."""
        self._rate_per_ms = rate_per_s / 1000
        self._burst = self._level = float(burst)
        self._seen_ms = now_ms
        self._frames = 0
        self.cost = 0.0
        """Not settled yet."""
        self.is_owed = False
        """More was spent than there was: the socket is not read until `wait_s` have passed."""

    def __repr__(self) -> str:
        return f"<Work {self._level:.0f} of {self._burst:.0f}{' owed' if self.is_owed else ''}>"

    @property
    def wait_s(self) -> float:
        """Seconds until what is owed is paid."""
        return max(0.0, -self._level / self._rate_per_ms / 1000) if self._rate_per_ms else 0.0

    def settle(self, frames: int, now_ms: float) -> bool:
        """Pay for what was done since the last time; True when the socket has to wait from now.

        `frames` have come on the connection so far.
        """
        cost = self.cost + FRAME_COST * (frames - self._frames)
        self._frames, self.cost = frames, 0.0
        earned = (now_ms - self._seen_ms) * self._rate_per_ms
        self._seen_ms = now_ms
        self._level = level = min(self._level + earned, self._burst) - cost
        if level >= 0 or not self._rate_per_ms or self.is_owed:
            return False
        self.is_owed = True
        return True

    def is_paid(self, now_ms: float) -> bool:
        """Tell whether the wait is over; more may have been spent meanwhile."""
        self.settle(self._frames, now_ms)
        self.is_owed = self.wait_s > _WORTH_WAITING_S
        return not self.is_owed
