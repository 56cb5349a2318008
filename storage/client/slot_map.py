"""SlotMap: which master has which slot, as a node of the cluster described it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS

Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class Redirection:
    """`MOVED` or `ASK`: another node has the slot, for good or for this once."""

    slot: int
    address: Address
    is_for_good: bool


class SlotMap:
    """Slot → master. A slot may change its master between two maps (`move`)."""

    def __init__(self, owners: list[Address | None]) -> None:
        self._owners = owners

    @classmethod
    def read(cls, reply: Any, asked: Address) -> "SlotMap":
        """Return the map in the reply to CLUSTER SLOTS.

        Raises:
            ValueError: It is no such reply, or the cluster has no slots yet.
        """
        owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        try:
            for first, last, master, *_replicas in reply:
                address = (_host(master[0], asked), int(master[1]))
                owners[first : last + 1] = [address] * (last + 1 - first)
        except (TypeError, IndexError) as error:
            raise ValueError(f"no slots in {reply!r}") from error
        if len(owners) != REDIS_CLUSTER_HASH_SLOTS or not any(owners):
            raise ValueError("the cluster serves no slots")
        return cls(owners)

    def owner(self, slot: int) -> Address | None:
        """Return the master of a slot; None when it has none."""
        return self._owners[slot]

    def masters(self) -> tuple[Address, ...]:
        """Return all masters, in order of their first slot."""
        return tuple(dict.fromkeys(owner for owner in self._owners if owner is not None))

    def move(self, slot: int, address: Address) -> None:
        """Note what a redirection named."""
        self._owners[slot] = address

    def shares(self, slots: Iterable[int]) -> dict[Address, int]:
        """Return how many of these slots each master has."""
        counts = dict.fromkeys(self.masters(), 0)
        for slot in slots:
            owner = self._owners[slot]
            if owner is not None:
                counts[owner] += 1
        return counts


def redirection(text: str, asked: Address) -> Redirection | None:
    """Read `MOVED 3999 127.0.0.1:6381` or `ASK …`; None for any other error."""
    kind, _, rest = text.partition(" ")
    slot, _, place = rest.partition(" ")
    host, _, port = place.rpartition(":")
    if kind not in ("MOVED", "ASK") or not slot.isdecimal() or not port.isdecimal():
        return None
    return Redirection(int(slot), (_host(host, asked), int(port)), kind == "MOVED")


def _host(named: Any, asked: Address) -> str:
    """Return the named host; a node that does not know its own name is where it was asked."""
    return str(named) if named and named != "?" else asked[0]
