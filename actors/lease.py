"""Lease: whether this instance may still act as if it were alive. Pure.

An instance that was stopped and goes on does not know at first that others took it for dead and
gave away what it held. What it does to nodes for others, it does only under a lease that holds by
its own clock.
"""


class Lease:
    """The end of this instance's lease, by the monotonic clock; never later than the store's."""

    def __init__(self) -> None:
        self._until_ms = float("-inf")
        self.secret = ""
        """What instances on this store show each other; empty until the first beat."""

    def renew(self, asked_at_ms: float, lease_ms: float) -> None:
        """Note a beat that the store took; it counts from when it was asked for."""
        self._until_ms = asked_at_ms + lease_ms

    def holds(self, now_ms: float) -> bool:
        """Return whether nobody can have taken this instance for dead yet."""
        return now_ms < self._until_ms
