"""What the open jobs of this instance need, by pair of languages. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

from actors.dispatcher.open_jobs import OpenJob
from storage.job import Slot

_AIMED_USE = 0.8
"""Of the slots that are there; the rest is for the next second."""


@dataclass(slots=True)
class PairLoad:
    """One pair's open jobs."""

    waiting: int = 0
    oldest_ms: float = 0.0
    used: set[Slot] = field(default_factory=set)
    wanted: set[Slot] = field(default_factory=set)
    """Slots that waiting jobs need: segments of a turn share one."""

    @property
    def desired(self) -> int:
        """How many slots would serve what runs and what waits."""
        return ceil(len(self.used | self.wanted) / _AIMED_USE)

    def merge(self, other: "PairLoad") -> None:
        """Take another pair's in."""
        self.waiting += other.waiting
        self.oldest_ms = max(self.oldest_ms, other.oldest_ms)
        self.used |= other.used
        self.wanted |= other.wanted


def loads_of(jobs: Iterable[OpenJob], now_ms: float) -> dict[tuple[str, str], PairLoad]:
    """Return the load of each pair that has open jobs."""
    loads: dict[tuple[str, str], PairLoad] = {}
    for job in jobs:
        load = loads.setdefault((job.spec.source, job.spec.language), PairLoad())
        if job.node_id is None:
            load.waiting += 1
            load.oldest_ms = max(load.oldest_ms, now_ms - job.since_ms)
            load.wanted.add(job.spec.slot)
        else:
            load.used.add(job.spec.slot)
    return loads
