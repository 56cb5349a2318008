"""What nodes have to offer for each pair of languages. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from storage.capability import pairs_of
from storage.nodes import NodeRecord


@dataclass(slots=True)
class PairSlots:
    """What there is for one pair."""

    nodes: int = 0
    slots: int = 0
    free: int = 0
    is_spoken: bool = False


def slots_by_pair(records: Iterable[NodeRecord]) -> dict[tuple[str, str], PairSlots]:
    """Return what nodes that can be chosen have, by pair.

    Nodes that can do the same are looked at once: there are few kinds, however many nodes.
    """
    kinds: dict[tuple[str, ...], PairSlots] = {}
    for node in records:
        if node.state == "online":
            kind = kinds.setdefault(node.atoms, PairSlots())
            kind.nodes += 1
            kind.slots += node.max_jobs
            kind.free += max(0, node.max_jobs - node.used_slots)
    pairs: dict[tuple[str, str], PairSlots] = {}
    for atoms, kind in kinds.items():
        for pair, is_spoken in pairs_of([atoms]).items():
            found = pairs.setdefault(pair, PairSlots())
            found.nodes += kind.nodes
            found.slots += kind.slots
            found.free += kind.free
            found.is_spoken = found.is_spoken or is_spoken
    return pairs
