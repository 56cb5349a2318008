"""The workers scenario: one worker and several behind one port, under the same load in turn.

Two schedulers run, each with a store of its own. Round after round the same load is offered to the
one and to the other, over connections made anew, since the kernel deals them out to the workers
differently each time. First one-chunk utterances, then audio of many sessions, at a rate that keeps
one worker busy for a part of the time only: so the cost per utterance and per chunk is compared at
equal load; and beside one worker that is as busy as each of several. What both can take at most is
looked for only where every process has a core.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from peers.bench import process_usage
from peers.bench.figures import audio_problems
from peers.bench.load import Load, running_load
from peers.bench.load_pattern import Pace
from peers.bench.overload import Offer, Overload
from peers.bench.plan import (
    BenchOptions,
    Row,
    Scenario,
    cores_for_workers,
    scheduler_command,
    worker_specs,
)
from peers.bench.server import BenchError, Metrics, ServerUnderTest, Usage, running_server
from peers.bench.workers_figures import (
    Comparison,
    Window,
    chunk_us,
    comparison_notes,
    follows,
    offered_for,
    projection_note,
    utterance_us,
    window_of,
    workers_figures,
)

FIRST_SHARE: Final = 0.25
"""Of the ingest scenarios' rate: low enough for any machine that can run them."""
FIRST_ATTEMPTS: Final = 5
PATIENCE: Final = ("--overload-lag-ms", "60000")
"""A core that others use, too, is not mistaken for an overload: sessions are opened every round."""
ALL_READY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Side:
    """A scheduler and how many workers it has."""

    server: ServerUnderTest
    workers: int
    other_cores: list[int]
    cores: int


class WatchedLoad(Overload):
    """What is offered, with the metrics of the window alone.

    Over the whole run they would count the end, too, when all who still speak are cut at once: more
    than the nodes can take, so that who waits goes wherever a slot comes free.
    """

    def __init__(self, server: ServerUnderTest, load: Load, options: BenchOptions) -> None:
        super().__init__(server, load, options)
        self.metrics = (Metrics(""), Metrics(""))

    async def measure(self, seconds: float) -> tuple[Usage, Usage, float | None]:
        """Be the window."""
        before = await self.server.metrics()
        measured = await super().measure(seconds)
        self.metrics = (before, await self.server.metrics())
        return measured


@dataclass(frozen=True, slots=True)
class Sides:
    """Both that are compared."""

    one: Side
    many: Side


async def run_workers(options: BenchOptions) -> Row:
    """Compare several workers with one.

    Raises:
        BenchError: a server or the load could not be started, or broke off.
    """
    row = Row(Scenario.WORKERS)
    first = FIRST_SHARE * options.utterances_per_second
    utterance_load = replace(
        options, overload_sessions=options.sessions, pace=Pace(utterance_chunks=1)
    )
    ingest_load = replace(options, overload_sessions=options.active)
    async with running_sides(options) as sides:
        utterances = await _compare(sides, utterance_load, first, row)
        ingest = await _compare(sides, ingest_load, first, row)
        row.figures = workers_figures(utterances.followed(), ingest.followed()) | {
            "workers": float(options.workers)
        }
        row.notes += comparison_notes("utterances", utterances, utterance_us)
        row.notes += comparison_notes("ingest", ingest, chunk_us)
        row.notes.append(projection_note(options.workers))
    if options.redis_url is not None:
        row.notes.append("each side had a store of its own: on one store they would be one system")
    return row


async def _compare(sides: Sides, options: BenchOptions, first: float, row: Row) -> Comparison:
    """Offer the same to both in turn, as often as there are rounds.

    `first` is a low rate in utterances per second: by what it costs the rate to compare at is set.
    """
    offered = await _offered(sides.one, options, first, row)
    comparison = Comparison()
    turns = [
        (sides.one, offered, comparison.one),
        (sides.many, offered, comparison.many),
        (sides.one, offered / sides.many.workers, comparison.part),
    ]
    for number in range(options.rounds):
        for turn in range(len(turns)):
            side, rate, windows = turns[
                (turn + number) % len(turns)
            ]  # each comes first in its turn
            name = f"round-{number}-{turn}"
            windows.append(await _window(side, options, name, rate, row))
    return comparison


async def _offered(side: Side, options: BenchOptions, first: float, row: Row) -> float:
    """Return the rate to compare at."""
    for number in range(FIRST_ATTEMPTS):
        async with _loaded(side, options, f"first-{number}") as bench:
            step = await bench.offer(first, options.seconds)
            row.problems += await _problems(bench, step)
        offered = offered_for(options.worker_load, step.offered, step.reading)
        if offered is None:
            raise BenchError("this machine does not tell the processor time of processes")
        if follows(first, step.counts):
            return offered
    raise BenchError(f"one worker did not keep up with {first:.0f} utterances/s: others are busy")


async def _window(side: Side, options: BenchOptions, name: str, offered: float, row: Row) -> Window:
    async with _loaded(side, options, name) as bench:
        offer = await bench.offer(offered, options.seconds)
        instances = await side.server.instances()
        row.problems += await _problems(bench, offer)
    if len(instances) != side.workers:
        row.problems.append(f"{len(instances)} instances were there of {side.workers}")
    in_window = replace(
        offer.reading, metrics_before=bench.metrics[0], metrics_after=bench.metrics[1]
    )
    return window_of(offered, offer.counts, in_window, instances)


async def _problems(bench: Overload, offer: Offer) -> list[str]:
    """Close the sessions; return what went wrong until then."""
    left = offer.counts.open_utterances
    problems = [f"{left} utterances got no outcome"] if left else []
    problems += await bench.load.close()
    return problems + audio_problems(offer.reading.metrics_after)


@asynccontextmanager
async def _loaded(side: Side, options: BenchOptions, name: str) -> AsyncIterator[WatchedLoad]:
    """Connect nodes and sessions; node names are the round's own."""
    specs = worker_specs(Scenario.WORKERS, options, side.server.port, side.cores)
    named = [replace(spec, name=name) for spec in specs]
    async with running_load(named, side.other_cores) as load:
        yield WatchedLoad(side.server, load, options)


@asynccontextmanager
async def running_sides(options: BenchOptions) -> AsyncIterator[Sides]:
    """Start both schedulers, on the same cores, and give them while the context is open."""
    cores = process_usage.available_cores()
    server_cores, other_cores = cores_for_workers(cores, options.workers)
    sides = []
    async with AsyncExitStack() as stack:
        for workers in (1, options.workers):
            flags = (*PATIENCE, *options.server_args, "--workers", str(workers))
            own = replace(options, server_args=flags, redis_url=None)
            running = running_server(scheduler_command(own))
            server = await stack.enter_async_context(running)
            await _all_ready(server, workers)
            server.pin(server_cores, other_cores)
            sides.append(Side(server, workers, other_cores, len(cores)))
        yield Sides(*sides)


async def _all_ready(server: ServerUnderTest, workers: int) -> None:
    for _ in range(int(ALL_READY_SECONDS / _POLL_SECONDS)):
        if len(await server.instances()) == workers:
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise BenchError(f"there were not {workers} workers within {ALL_READY_SECONDS:.0f} s")
