"""The overload scenario: how much of its best goodput a scheduler keeps when more is offered.

The load is open: sessions speak at the offered rate whether they are answered or not, and what is
not read waits in their sockets. First the rate is raised step by step, from silence each time,
until the translations no longer follow; the best goodput seen is the peak. Then a multiple of it
is offered for a while. Both halves are one run of one server, so their ratio means something on a
machine whose speed changes from minute to minute.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from peers.bench import process_usage
from peers.bench.counts import Counts
from peers.bench.figures import (
    Reading,
    audio_problems,
    latency_figures,
    metrics_when_freed,
    steady_figures,
)
from peers.bench.load import Load, running_load
from peers.bench.plan import (
    BenchOptions,
    Row,
    Scenario,
    scheduler_command,
    split_cores,
    worker_specs,
)
from peers.bench.server import ServerUnderTest, Usage, running_server

FIRST_CHUNKS_PER_SECOND: Final = 4000.0
"""Of all sessions together; what the server's core is busy with then tells where to go on."""
NEXT_STEP: Final = 1.1
MOST_STEPS: Final = 12
FOLLOWS: Final = 0.95
"""A goodput below this share of what was offered no longer follows; twice in a row, it is the end:
once may have been a neighbour on the same machine."""
GUESS: Final = 0.8
"""Of the rate at which the server's core would be busy all the time."""
SETTLE_SECONDS: Final = 55.0
"""What waits in the sockets after an overload is still answered."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What was offered for a while, and what came of it."""

    offered: float
    """Utterances per second."""
    goodput: float
    """Utterances with a translation per second."""
    counts: Counts
    reading: Reading


class Overload:
    """A running server and its load, and what is offered to them."""

    def __init__(self, server: ServerUnderTest, load: Load, options: BenchOptions) -> None:
        self.server = server
        self.load = load
        self._options = options

    async def offer(self, utterances_per_second: float, seconds: float) -> Offer:
        """Begin from silence, warm up, measure, and wait until all that was said is answered."""
        options, load, server = self._options, self.load, self.server
        chunks_per_second = utterances_per_second * options.pace.utterance_chunks
        await load.ask("pace", chunks_per_second=chunks_per_second / options.overload_sessions)
        metrics_before = await server.metrics()
        await load.ask("start")
        await asyncio.sleep(options.warm_up_seconds)
        before, after, spent = await self.measure(seconds)
        counts = await load.stop()
        reading = Reading(before, after, spent, metrics_before, await metrics_when_freed(server))
        goodput = counts.window_results * 1e9 / counts.window_ns if counts.window_ns else 0.0
        return Offer(utterances_per_second, goodput, counts, reading)

    async def measure(self, seconds: float) -> tuple[Usage, Usage, float | None]:
        """Be the window: return the server's cost before and after it, and what the load spent."""
        await self.load.ask("mark")
        before, load_before = self.server.usage(), self.load.cpu_seconds()
        await asyncio.sleep(seconds)
        after, load_after = self.server.usage(), self.load.cpu_seconds()
        spent = None if load_before is None else (load_after or 0.0) - load_before
        return before, after, spent

    async def peak(self) -> float:
        """Raise what is offered until it is too much; return the best goodput on the way."""
        options = self._options
        if options.saturation is not None:
            return (await self.offer(options.saturation, options.seconds)).goodput
        first = FIRST_CHUNKS_PER_SECOND / options.pace.utterance_chunks
        step = await self.offer(first, options.seconds)
        best, offered = step.goodput, max(first * NEXT_STEP, _guess(step))
        misses = 0
        for _ in range(MOST_STEPS):
            step = await self.offer(offered, options.seconds)
            best = max(best, step.goodput)
            if step.goodput >= FOLLOWS * step.offered:
                misses, offered = 0, offered * NEXT_STEP
            elif misses:
                break
            else:
                misses = 1
        return best


async def run_overload(options: BenchOptions) -> Row:
    """Find the peak, offer more, compare."""
    row = Row(Scenario.OVERLOAD)
    async with _running(options) as bench:
        peak = await bench.peak()
        offer = await bench.offer(options.overload_factor * peak, options.overload_seconds)
        counts, metrics = offer.counts, offer.reading.metrics_after
        row.figures = steady_figures(counts, offer.reading) | {
            "peak_per_second": peak,
            "offered_per_second": offer.offered,
            "goodput_per_second": offer.goodput,
            "goodput_kept_percent": 100 * offer.goodput / peak if peak else None,
            "refused": float(counts.window_outcomes - counts.window_results),
        }
        row.figures |= latency_figures(counts)
        if counts.open_utterances:
            row.problems.append(f"{counts.open_utterances} utterances got no outcome")
        if offer.goodput < options.least_goodput_kept * peak:
            row.problems.append(
                f"{offer.goodput:.0f} of {peak:.0f} utterances/s were left when"
                f" {offer.offered:.0f} were offered"
            )
        row.problems += await bench.load.close() + audio_problems(metrics)
    return row


@asynccontextmanager
async def _running(options: BenchOptions) -> AsyncIterator[Overload]:
    cores = process_usage.available_cores()
    server_cores, other_cores = split_cores(cores)
    patient = replace(options, settle_seconds=max(options.settle_seconds, SETTLE_SECONDS))
    async with running_server(scheduler_command(options)) as server:
        server.pin(server_cores, other_cores)
        specs = worker_specs(Scenario.OVERLOAD, patient, server.port, len(cores))
        async with running_load(specs, other_cores) as load:
            yield Overload(server, load, options)


def _guess(step: Offer) -> float:
    """Return where the peak may begin, from how busy a low rate made the server; 0: no idea."""
    before, after = step.reading.before, step.reading.after
    if before.server_cpu_seconds is None or after.server_cpu_seconds is None:
        return 0.0
    spent = after.server_cpu_seconds - before.server_cpu_seconds
    busy = spent / (after.at_seconds - before.at_seconds)
    return GUESS * step.offered / busy if busy > 0 else 0.0
