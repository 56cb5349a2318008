"""The nodes of this instance by state, and what they have free, as the store knew them last.

It owns the last look at the store. `/metrics` has it renewed before it is shown, once a second at
most, whoever asks how often.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from storage.client.executor import StorageUnavailable
from storage.nodes import NodeRecord
from storage.pair_slots import PairSlots, slots_by_pair

_STATES = ("online", "overloaded", "suspect", "sick", "trial", "draining")
_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 2.0


class NodeStates:
    """For the loop's thread."""

    def __init__(self, most_pairs: int) -> None:
        self._most_pairs = most_pairs
        self._read: Callable[[], Awaitable[Sequence[NodeRecord]]] | None = None
        self._wall_ms: Callable[[], int] = int
        self._looked_at: float | None = None
        self._records: Sequence[NodeRecord] = ()
        self._is_up = True

    def watch(
        self, read: Callable[[], Awaitable[Sequence[NodeRecord]]], wall_ms: Callable[[], int]
    ) -> None:
        """Read the nodes of this instance from here, from now on."""
        self._read, self._wall_ms = read, wall_ms

    async def renew(self) -> None:
        """Look again, unless that was done within the last second; never raises."""
        now_s = asyncio.get_running_loop().time()
        recent = self._looked_at is not None and now_s - self._looked_at < _LOOK_SECONDS
        if self._read is None or recent:
            return
        self._looked_at = now_s
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                self._records = await self._read()
            self._is_up = True
        except (StorageUnavailable, TimeoutError):
            self._is_up = False

    def families(self) -> Iterator[Metric]:
        """Return the families."""
        up = "Whether the store answered last"
        yield GaugeMetricFamily("lingua_store_up", up, value=float(self._is_up))
        now_ms = self._wall_ms()
        counts = Counter(_state(record, now_ms) for record in self._records)
        states = GaugeMetricFamily(
            "lingua_nodes_by_state", "Nodes connected here, by state", labels=["state"]
        )
        for state in _STATES:
            states.add_metric([state], counts[state])
        yield states
        pairs = slots_by_pair(self._records)
        shown = sorted(pairs.items(), key=_fewest_free)[: self._most_pairs]
        for name, text, read in _SLOTS:
            family = GaugeMetricFamily(name, text, labels=["src_lang", "tgt_lang"])
            for pair, slots in shown:
                family.add_metric(pair, read(slots))
            yield family


def _state(record: NodeRecord, now_ms: int) -> str:
    if record.state != "online":
        return record.state
    if record.health in ("sick", "trial"):
        return record.health
    if record.suspect:
        return "suspect"
    return "overloaded" if record.overloaded_until_ms > now_ms else "online"


def _fewest_free(item: tuple[tuple[str, str], PairSlots]) -> tuple[int, tuple[str, str]]:
    return item[1].free, item[0]


_SLOTS: tuple[tuple[str, str, Callable[[PairSlots], float]], ...] = (
    ("lingua_slots_free", "Free slots for a pair at the nodes here", lambda slots: slots.free),
    ("lingua_slots", "All slots for a pair at the nodes here", lambda slots: slots.slots),
)
