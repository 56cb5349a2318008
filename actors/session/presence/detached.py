"""Which session without a socket ends first, where too many wait for their clients. Pure.

In this order: sessions of an owner (a tenant, or an address where nobody says who calls) above its
share, a quarter of all; that never spoke; that nobody can resume; whose gateway has had an outcome,
before others, and gateways that wait for one last; that have waited longest.
"""

from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

from protocol.ids import SessionId

OWNERS_SHARE: Final = 4
"""One owner's sessions take at most this part of all places before they end first."""
_STALE_KEPT: Final = 64

_Entry: TypeAlias = tuple[tuple[bool, bool, int], int, SessionId]


@dataclass(frozen=True, slots=True)
class Waiter:
    """What counts of a session that waits for its client."""

    owner: str = ""
    """Whose share it takes; empty: nobody's."""
    has_spoken: bool = True
    is_resumable: bool = False
    is_gateway: bool = False
    is_answered: bool = False
    """It has had an outcome."""

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """What it is worth to wait for it; the lowest ends first."""
        gateway = 1 if not self.is_gateway else 0 if self.is_answered else 2
        return self.has_spoken, self.is_resumable, gateway


@dataclass(slots=True)
class _Owner:
    """The sessions of one owner."""

    count: int = 0
    heap: list[_Entry] = field(default_factory=list)


class DetachedQueue:
    """The sessions that wait for their clients, in the order in which they would end.

    Each step costs the logarithm of their number: who drops sessions by the thousand is to be
    bounded, not to be served.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = 0
        self._waiters: dict[SessionId, tuple[Waiter, _Entry]] = {}
        self._all = _Owner()
        self._owners: dict[str, _Owner] = {}
        self._above: set[str] = set()
        """Owners above their share: fewer than `OWNERS_SHARE`, but for the moment of one more."""

    def __repr__(self) -> str:
        return f"<DetachedQueue {len(self._waiters)} of {self._most}>"

    def __len__(self) -> int:
        return len(self._waiters)

    def add(self, session_id: SessionId, waiter: Waiter) -> None:
        """The session waits from now on; one that waited before begins again."""
        self.remove(session_id)
        self._begun += 1
        self._enter(session_id, waiter, self._begun)

    def answered(self, session_id: SessionId) -> None:
        """The session has had an outcome; it keeps its place among its like."""
        known = self._waiters.get(session_id)
        if known is not None and not known[0].is_answered:
            waiter, (_rank, begun, _id) = known
            self.remove(session_id)
            self._enter(session_id, replace(waiter, is_answered=True), begun)

    def remove(self, session_id: SessionId) -> None:
        """The session waits no longer."""
        known = self._waiters.pop(session_id, None)
        if known is not None:
            self._all.count -= 1
            self._count(known[0].owner, -1)

    def take_excess(self) -> SessionId | None:
        """Return the session that has to end, and remove it; None while there are not too many."""
        if len(self._waiters) <= self._most:
            return None
        above = [self._first(self._owners[owner]) for owner in self._above]
        first = min(above) if above else self._first(self._all)
        self.remove(first[2])
        return first[2]

    def _enter(self, session_id: SessionId, waiter: Waiter, begun: int) -> None:
        entry = (waiter.rank, begun, session_id)
        self._waiters[session_id] = waiter, entry
        self._all.count += 1
        self._count(waiter.owner, 1)
        self._push(self._all, entry)
        self._push(self._owners[waiter.owner], entry)

    def _count(self, name: str, change: int) -> None:
        owner = self._owners.setdefault(name, _Owner())
        owner.count += change
        if name and owner.count * OWNERS_SHARE > self._most:
            self._above.add(name)
        else:
            self._above.discard(name)
        if not owner.count:
            del self._owners[name]

    def _is_stale(self, entry: _Entry) -> bool:
        known = self._waiters.get(entry[2])
        return known is None or known[1] != entry

    def _push(self, owner: _Owner, entry: _Entry) -> None:
        heappush(owner.heap, entry)
        if len(owner.heap) > 2 * owner.count + _STALE_KEPT:
            owner.heap = [one for one in owner.heap if not self._is_stale(one)]
            heapify(owner.heap)

    def _first(self, owner: _Owner) -> _Entry:
        while self._is_stale(owner.heap[0]):
            heappop(owner.heap)
        return owner.heap[0]
