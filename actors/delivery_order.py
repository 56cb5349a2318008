"""DeliveryOrder: which outcome of a session went out, or goes out, under which number. Pure.

In a regular session outcomes go out in the order of cuts, so the number of a delivery is that of
its cut. The exceptions are few and stored before they are sent: cuts that later ones went out
before (`passed`), and those of them that followed (`late`).
"""

from collections.abc import Iterable, Mapping

KEPT = 200
"""Exceptions among so many of the latest deliveries are kept: nobody asks for earlier ones."""


class DeliveryOrder:
    """Numbers of cuts in the order of their delivery, as far as it is decided."""

    def __init__(self, passed: Iterable[int] = (), late: Mapping[int, int] | None = None) -> None:
        self.passed = set(passed)
        self.late = dict(late or {})
        """Cut → its `delivery_seq`."""

    def __repr__(self) -> str:
        return f"<DeliveryOrder passed={sorted(self.passed)} late={self.late}>"

    def pass_over(self, number: int) -> None:
        """A later cut goes out before this one."""
        self.passed.add(number)

    def deliver_late(self, number: int, delivery_seq: int) -> None:
        """A cut that was passed goes out now."""
        self.passed.discard(number)
        self.late = {cut: seq for cut, seq in self.late.items() if seq > delivery_seq - KEPT}
        self.late[number] = delivery_seq

    def sequence(self, count: int) -> dict[int, int]:
        """Return the `delivery_seq` of each cut up to this one, in order of delivery.

        Passed ones have none yet.
        """
        at = {seq: number for number, seq in self.late.items()}
        regular = (
            number
            for number in range(1, count + 1)
            if number not in self.passed and number not in self.late
        )
        order: dict[int, int] = {}
        seq = 0
        for number in regular:
            seq += 1
            while seq in at:
                order[at[seq]] = seq
                seq += 1
            order[number] = seq
        while seq + 1 in at:
            seq += 1
            order[at[seq]] = seq
        return order
