"""What several workers cost beside one: windows of both sides, compared. Pure.

The two sides take turns, so that what else the machine does hits both; of all windows of a side the
median counts. CPU is the scheduler's: its workers and their supervisor, without the store.

An utterance costs a process less the busier it is: what waits is read, sent and asked of the store
together. Of the same load each of several workers has a part, so an utterance costs more with
several, but not because they are several. What is left of that beside one worker which is offered
such a part alone is the price of being several.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from peers.bench.counts import Counts
from peers.bench.figures import ROUND_TRIPS, Reading, steady_figures
from peers.bench.server import Instance

JOBS: Final = "lingua_jobs_total"
LINK_FRAMES: Final = "lingua_link_frames_total"
FRAMES_PER_CROSSING: Final = 2
"""A job there and its result back; beats of a silent link are rare."""
_NANOSECONDS: Final = 1e9
FOLLOWS: Final = 0.9
"""A share of what was offered that has its result in time; below it, costs are not of that load."""
UNDER_WAY: Final = 5
"""Utterances said in a window and answered behind it: they tell something only if they are many."""


@dataclass(frozen=True, slots=True)
class Window:
    """One measured window of one side. Costs are None where the machine does not tell."""

    offered: float
    """Utterances per second."""
    follows: bool
    """Whether what was offered was answered in time, but for a rest."""
    chunks: float
    """Per second."""
    utterance_us: float | None
    """CPU per utterance."""
    chunk_us: float | None
    """CPU per chunk, all that follows from it included."""
    busiest_share: float | None
    """Of the server's CPU, what its busiest process spent."""
    store_us: float | None
    """The store's CPU per utterance."""
    round_trips: float | None
    """To the store, per utterance."""
    waiting: float | None
    """Ready to run while something else had the core, all processes together, of a core's time."""
    crossed: float | None
    """Share of the utterances that went to a node of another worker."""
    sessions: tuple[int, ...]
    """By worker."""
    nodes: tuple[int, ...]
    """By worker."""

    @property
    def busiest_chunk_us(self) -> float | None:
        """CPU of the busiest process per chunk of the whole server."""
        if self.chunk_us is None or self.busiest_share is None:
            return None
        return self.chunk_us * self.busiest_share


Figure = Callable[[Window], float | None]


@dataclass(slots=True)
class Comparison:
    """The windows of both sides under one kind of load; those of one round have one place."""

    one: list[Window] = field(default_factory=list)
    """With one worker."""
    many: list[Window] = field(default_factory=list)
    """With several."""
    part: list[Window] = field(default_factory=list)
    """With one worker that carries no more than each of several does."""

    def followed(self) -> "Comparison":
        """Return the rounds in which everybody kept up: the others had too little of a core."""
        rounds = zip(self.one, self.many, self.part, strict=True)
        kept = [windows for windows in rounds if all(window.follows for window in windows)]
        return Comparison(*([windows[side] for windows in kept] for side in range(3)))

    def ratio(self, figure: Figure) -> float | None:
        """Return the median with several beside that with one."""
        one, many = median_of(self.one, figure), median_of(self.many, figure)
        return many / one if one and many is not None else None

    def ratio_to_part(self, figure: Figure) -> float | None:
        """Return the same beside one worker that is no busier than each of several."""
        part, many = median_of(self.part, figure), median_of(self.many, figure)
        return many / part if part and many is not None else None

    def extremes(self, figure: Figure) -> tuple[float, float] | None:
        """Return the least and the largest ratio of two windows that belong together."""
        pairs = [(figure(a), figure(b)) for a, b in zip(self.one, self.many, strict=True)]
        ratios = [many / one for one, many in pairs if one and many is not None]
        return (min(ratios), max(ratios)) if ratios else None

    def projected_ratio(self) -> float | None:
        """Return how much more several workers could take if each had a core.

        The busiest one sets the limit. At the limit each is as busy as one alone would be, so its
        CPU per chunk stands beside that of one worker as busy as each of several is here.
        """
        return _beside_busiest(self.part, self.many)

    def projected_ratio_here(self) -> float | None:
        """Return the same beside one worker under all of this load: it gains from being busier."""
        return _beside_busiest(self.one, self.many)


def _beside_busiest(alone: Sequence[Window], many: Sequence[Window]) -> float | None:
    cost = median_of(alone, lambda window: window.chunk_us)
    busiest = median_of(many, lambda window: window.busiest_chunk_us)
    return cost / busiest if cost is not None and busiest else None


def median_of(windows: Sequence[Window], figure: Figure) -> float | None:
    """Return the median of what is known; None when nothing is."""
    known = [value for window in windows if (value := figure(window)) is not None]
    return median(known) if known else None


def utterance_us(window: Window) -> float | None:
    """Return its CPU per utterance."""
    return window.utterance_us


def chunk_us(window: Window) -> float | None:
    """Return its CPU per chunk."""
    return window.chunk_us


def trips(window: Window) -> float | None:
    """Return its round trips to the store, per utterance."""
    return window.round_trips


def window_of(
    offered: float, counts: Counts, reading: Reading, instances: Sequence[Instance]
) -> Window:
    """Return what a window says; the reading's metrics are those of its beginning and end."""
    figures = steady_figures(counts, reading)
    waiting_percent = figures["server_kept_waiting_percent"]
    return Window(
        offered=offered,
        follows=follows(offered, counts),
        chunks=figures["chunks_per_second"] or 0.0,
        utterance_us=figures["server_cpu_us_per_utterance"],
        chunk_us=figures["server_cpu_us_per_chunk"],
        busiest_share=busiest_share(
            reading.before.process_cpu_seconds, reading.after.process_cpu_seconds
        ),
        store_us=figures["store_cpu_us_per_utterance"],
        round_trips=trips_per_job(reading),
        waiting=None if waiting_percent is None else waiting_percent / 100,
        crossed=crossed_share(reading),
        sessions=tuple(instance.sessions for instance in instances),
        nodes=tuple(instance.nodes for instance in instances),
    )


def follows(offered: float, counts: Counts) -> bool:
    """Return whether so many utterances per second had their results within the window."""
    due = offered * counts.window_ns / _NANOSECONDS
    return counts.window_results + UNDER_WAY >= FOLLOWS * due


def busiest_share(before: Mapping[int, float], after: Mapping[int, float]) -> float | None:
    """Return the share of the busiest process in what all have spent; None where nothing was."""
    spent = [seconds - before.get(pid, 0.0) for pid, seconds in after.items()]
    total = sum(spent)
    return max(spent) / total if total > 0 else None


def crossed_share(reading: Reading) -> float | None:
    """Return the share of utterances that crossed between instances, by the window's metrics."""
    before = reading.metrics_before.by_label(LINK_FRAMES, "what").get("sent")
    after = reading.metrics_after.by_label(LINK_FRAMES, "what").get("sent")
    if before is None or after is None:
        return None
    frames = _per_job(reading, after - before)
    return None if frames is None else frames / FRAMES_PER_CROSSING


def trips_per_job(reading: Reading) -> float | None:
    """Return the round trips to the store per utterance, by the window's metrics."""
    before, after = (
        metrics.total(ROUND_TRIPS) for metrics in (reading.metrics_before, reading.metrics_after)
    )
    return None if before is None or after is None else _per_job(reading, after - before)


def _per_job(reading: Reading, count: float) -> float | None:
    before = reading.metrics_before.total(JOBS) or 0.0
    jobs = (reading.metrics_after.total(JOBS) or 0.0) - before
    return count / jobs if jobs > 0 else None


def offered_for(share: float, offered: float, reading: Reading) -> float | None:
    """Return the rate that keeps one core busy for `share` of the time, by a lower rate's cost."""
    before, after = reading.before.server_cpu_seconds, reading.after.server_cpu_seconds
    if before is None or after is None or after <= before:
        return None
    busy = (after - before) / (reading.after.at_seconds - reading.before.at_seconds)
    return share * offered / busy


def workers_figures(utterances: Comparison, ingest: Comparison) -> dict[str, float | None]:
    """Return the figures of both loads: ratios of medians, and the medians that they come from."""
    return {
        "utterances_offered_per_second": median_of(utterances.one, lambda window: window.offered),
        "one_us_per_utterance": median_of(utterances.one, utterance_us),
        "many_us_per_utterance": median_of(utterances.many, utterance_us),
        "one_waiting_percent": _percent(utterances.one, lambda window: window.waiting),
        "many_waiting_percent": _percent(utterances.many, lambda window: window.waiting),
        "part_us_per_utterance": median_of(utterances.part, utterance_us),
        "utterance_cpu_ratio": utterances.ratio(utterance_us),
        "utterance_cpu_ratio_as_busy": utterances.ratio_to_part(utterance_us),
        "utterance_store_cpu_ratio": utterances.ratio(lambda window: window.store_us),
        "one_trips_per_utterance": median_of(utterances.one, trips),
        "part_trips_per_utterance": median_of(utterances.part, trips),
        "many_trips_per_utterance": median_of(utterances.many, trips),
        "utterances_crossed_percent": _percent(utterances.many, lambda window: window.crossed),
        "ingest_chunks_per_second": median_of(ingest.one, lambda window: window.chunks),
        "one_us_per_chunk": median_of(ingest.one, chunk_us),
        "many_us_per_chunk": median_of(ingest.many, chunk_us),
        "chunk_cpu_ratio": ingest.ratio(chunk_us),
        "chunk_cpu_ratio_as_busy": ingest.ratio_to_part(chunk_us),
        "ingest_crossed_percent": _percent(ingest.many, lambda window: window.crossed),
        "busiest_worker_percent": _percent(ingest.many, lambda window: window.busiest_share),
        "projected_ingest_ratio": ingest.projected_ratio(),
        "projected_ingest_ratio_here": ingest.projected_ratio_here(),
    }


def comparison_notes(load: str, comparison: Comparison, figure: Figure) -> list[str]:
    """Return the sentences about how rounds differ, who was connected where, what is missing."""
    notes = []
    followed = comparison.followed()
    extremes = followed.extremes(figure)
    if extremes is not None:
        least, largest = extremes
        notes.append(f"{load}: CPU beside one worker, by round: {least:.2f} to {largest:.2f}")
    sessions = ", ".join(_spread(window.sessions) for window in comparison.many)
    nodes = ", ".join(_spread(window.nodes) for window in comparison.many)
    notes.append(f"{load}: sessions by worker {sessions}; nodes {nodes}")
    rounds, left = len(comparison.one), len(comparison.one) - len(followed.one)
    if left:
        notes.append(
            f"{load}: {left} of {rounds} rounds do not count: not all that was offered was"
            " answered in time, because others had the cores"
        )
    return notes


def projection_note(workers: int) -> str:
    """Say what the projected ratio is."""
    return (
        "the projected ratio is arithmetic, as if each worker had a core: CPU per chunk of one, as"
        f" busy as each of {workers}, beside the busiest's; at this load: beside one with all of it"
    )


def _percent(windows: Sequence[Window], figure: Figure) -> float | None:
    share = median_of(windows, figure)
    return None if share is None else 100 * share


def _spread(counts: Sequence[int]) -> str:
    return "+".join(str(count) for count in counts)
