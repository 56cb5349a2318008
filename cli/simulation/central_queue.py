"""The ideal that the scheduler is compared with: one queue that knows everything at no cost. Pure.

First come, first served over all nodes at once: a free slot takes the utterance that has waited
longest of those it can serve, wherever node and session are, and a session that comes with much
at once is served before those behind it.
"""

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush

from cli.simulation.demand import Utterance, World
from cli.simulation.figures import Waits


def serve_centrally(world: World, utterances: Iterable[Utterance]) -> Waits:
    """Return how long everybody would have waited."""
    return _CentralQueue(world).serve(utterances)


class _CentralQueue:
    """Slots by kind of node, waiting utterances by pair of languages."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._free = [0] * len(world.models)
        for kind in world.model_of_node:
            self._free[kind] += world.scale.capacity
        self._able: dict[tuple[str, str], list[int]] = {}
        """Which kinds of nodes serve a pair."""
        for number, model in enumerate(world.models):
            for pair in model.pairs:
                self._able.setdefault(pair, []).append(number)
        self._waiting: dict[tuple[str, str], deque[Utterance]] = {}
        self._ends: list[tuple[int, int]] = []
        """When which kind of node has a slot again."""
        self._waits = Waits()

    def serve(self, utterances: Iterable[Utterance]) -> Waits:
        for one in utterances:
            self._until(one.at_ms)
            self._arrive(one)
        self._until(None)
        return self._waits

    def _until(self, now_ms: int | None) -> None:
        while self._ends and (now_ms is None or self._ends[0][0] <= now_ms):
            at_ms, model = heappop(self._ends)
            oldest = self._oldest_for(model)
            if oldest is None:
                self._free[model] += 1
            else:
                self._start(oldest, model, at_ms)

    def _arrive(self, one: Utterance) -> None:
        pair = self._world.pair(one.session)
        model = max(self._able[pair], key=lambda number: self._free[number])
        if self._free[model]:
            self._free[model] -= 1
            self._start(one, model, one.at_ms)
        else:
            self._waiting.setdefault(pair, deque()).append(one)

    def _start(self, one: Utterance, model: int, at_ms: int) -> None:
        self._waits.note(one, at_ms)
        heappush(self._ends, (at_ms + one.service_ms, model))

    def _oldest_for(self, model: int) -> Utterance | None:
        heads = [
            (queue[0].at_ms, pair)
            for pair in self._world.models[model].pairs
            if (queue := self._waiting.get(pair))
        ]
        if not heads:
            return None
        _, pair = min(heads)
        return self._waiting[pair].popleft()
