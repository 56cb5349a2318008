"""That a run goes on: outcomes come in time, and no work waits beside a free node."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.log import (
    ClockJumped,
    CloseAcked,
    CloseAsked,
    DataLost,
    Disturbed,
    Event,
    JobHeard,
    NodeEvent,
    NodeJoined,
    NodeLeft,
    OutcomeHeard,
    SessionAbandoned,
    SpeechEnded,
    Tick,
    Undisturbed,
)
from tests.chaos.rules.calm import Calm
from tests.chaos.rules.node import OpenSlots
from tests.chaos.rules.session import public


@dataclass(slots=True)
class _Owed:
    """When each utterance without an outcome was said, by session."""

    said_at: dict[str, dict[int, float]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        match event:
            case SpeechEnded():
                self.said_at.setdefault(event.session, {})[event.index] = event.at
            case OutcomeHeard():
                self.done(event.session, event.index)
            case SessionAbandoned() | CloseAcked():
                self.said_at.pop(event.session, None)

    def done(self, session: str, index: int) -> None:
        waiting = self.said_at.get(session)
        if waiting is not None:
            waiting.pop(index, None)
            if not waiting:
                del self.said_at[session]

    def items(self) -> Iterator[tuple[str, int, float]]:
        for session, waiting in self.said_at.items():
            for index, at in waiting.items():
                yield session, index, at


class DeadlineRule:
    """Every utterance has its outcome in time, whatever happens to nodes."""

    name = "deadline"

    def __init__(self, outcome_seconds: float) -> None:
        self._limit = outcome_seconds
        self._calm = Calm()
        self._owed = _Owed()

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        self._calm.take(event)
        self._owed.take(event)
        if not isinstance(event, Tick):
            return
        overdue = []
        for session, index, at in self._owed.items():
            calm_since = self._calm.since(session)
            if calm_since is not None and event.at - max(at, calm_since) > self._limit:
                overdue.append((session, index, at))
        for session, index, at in overdue:
            self._owed.done(session, index)
            yield f"{session}:{index} has no outcome after {event.at - at:.1f} s"

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""
        self._calm.forget(session)


class _FreeNode:
    """Since when some sound node has had a free slot without a break."""

    def __init__(self) -> None:
        self._open = OpenSlots()
        self._sound: set[str] = set()
        self._free_since: dict[str, float] = {}

    def take(self, event: Event, calm: Calm) -> None:
        if not isinstance(event, (NodeEvent, Disturbed, Undisturbed, DataLost)):
            return
        self._open.take(event)
        match event:
            case NodeJoined() if event.is_sound:
                self._sound.add(event.node)
            case NodeLeft():
                self._sound.discard(event.node)
        for node in list(self._free_since):
            if not self._is_free(node, calm):
                del self._free_since[node]
        for node in self._sound:
            if node not in self._free_since and self._is_free(node, calm):
                self._free_since[node] = event.at

    def _is_free(self, node: str, calm: Calm) -> bool:
        in_hand = self._open.nodes.get(node)
        if in_hand is None or node not in self._sound or calm.since(node) is None:
            return False
        return self._open.used(node) < in_hand.capacity

    @property
    def since(self) -> float | None:
        return min(self._free_since.values(), default=None)


_CROWD = 5
"""So many sessions do not wait for silent nodes only, one after the other."""


class StallRule:
    """Never so long without any outcome while a crowd is owed one and a node is free."""

    name = "progress"

    def __init__(self, stall_seconds: float) -> None:
        self._limit = stall_seconds
        self._calm = Calm()
        self._owed = _Owed()
        self._free = _FreeNode()
        self._moved_at = 0.0

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        self._calm.take(event)
        self._owed.take(event)
        self._free.take(event, self._calm)
        if isinstance(event, OutcomeHeard):
            self._moved_at = event.at
        if not isinstance(event, Tick):
            return
        free_since, waits = self._free.since, self._waits()
        if free_since is None or len(waits) < _CROWD:
            return
        since = max(self._moved_at, waits[_CROWD - 1], free_since)
        if event.at - since > self._limit:
            self._moved_at = event.at
            yield f"no outcome for {event.at - since:.1f} s while a node is free"

    def _waits(self) -> list[float]:
        """Return since when each session is owed something, longest first."""
        waits = []
        for session, said_at in self._owed.said_at.items():
            calm_since = self._calm.since(session)
            if calm_since is not None:
                waits.append(max(min(said_at.values()), calm_since))
        return sorted(waits)

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""
        self._calm.forget(session)


class StarvationRule:
    """No utterance waits so long for its first node while a node is free.

    One that is on its way to a node that is gone waits for its deadline, and what that is by a
    clock that has been set nobody knows: then only its outcome counts.
    """

    name = "starvation"

    def __init__(self, stall_seconds: float) -> None:
        self._limit = stall_seconds
        self._calm = Calm()
        self._owed = _Owed()
        self._free = _FreeNode()

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        self._calm.take(event)
        self._owed.take(event)
        match event:
            case JobHeard():
                self._owed.done(public(event.session), event.index)
            case CloseAsked():
                self._owed.said_at.pop(event.session, None)
            case ClockJumped():
                self._owed.said_at.clear()
        self._free.take(event, self._calm)
        free_since = self._free.since
        if not isinstance(event, Tick) or free_since is None:
            return
        starved = []
        for session, index, at in self._owed.items():
            calm_since = self._calm.since(session)
            if calm_since is not None:
                since = max(at, calm_since, free_since)
                if event.at - since > self._limit:
                    starved.append((session, index, event.at - since))
        for session, index, waited in starved:
            self._owed.done(session, index)
            yield f"{session}:{index} waits for {waited:.1f} s while a node is free"

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""
        self._calm.forget(session)
