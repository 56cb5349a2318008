"""What a simulation measured. Pure."""

from array import array
from dataclasses import dataclass, field

from cli.simulation.demand import Utterance


@dataclass(slots=True)
class Waits:
    """How long utterances waited for a slot, in virtual ms, in order of their start."""

    ordinary_ms: "array[int]" = field(default_factory=lambda: array("q"))
    bursting_ms: "array[int]" = field(default_factory=lambda: array("q"))
    """Of sessions that said everything at once."""
    busy_ms: int = 0
    """Slot time used."""
    ended_ms: int = 0
    """When the last slot was given back."""

    def note(self, one: Utterance, start_ms: int) -> None:
        """An utterance got its slot."""
        (self.bursting_ms if one.is_burst else self.ordinary_ms).append(start_ms - one.at_ms)
        self.busy_ms += one.service_ms
        self.ended_ms = max(self.ended_ms, start_ms + one.service_ms)

    def __len__(self) -> int:
        return len(self.ordinary_ms) + len(self.bursting_ms)


def mean(values: "array[int]") -> float:
    """Return the mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def quantile(values: "array[int]", share: float) -> int:
    """Return the value that this share of all is not above; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What the decisions cost."""

    scripts: int
    store_cpu_s: float
    """Processor time of the store while they ran."""
    wall_s: float

    @property
    def store_us(self) -> float:
        """Processor time of the store per script, µs."""
        return self.store_cpu_s / self.scripts * 1e6 if self.scripts else 0.0

    @property
    def per_second(self) -> float:
        """Scripts per second as they ran here, the simulation's own work included."""
        return self.scripts / self.wall_s if self.wall_s else 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One size of the world."""

    nodes: int
    sessions: int
    setting_up: Cost
    """Registering the nodes and claiming the sessions."""
    deciding: Cost
    """Dispatching and completing what was said."""
    waits: Waits
    ideal: Waits
    most_used_slots: int
    """Of all nodes together; never above their capacity, or the run fails."""
    capacity: int
