"""What it costs when a session and its node sit on different instances.

Two schedulers on one store; four sessions speak in a closed loop, which is far from what either can
do: once with the nodes on the instance of the sessions, once with them on the other. The figures of
the second beside those of the first are the price of crossing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from peers.bench.counts import Counts
from peers.bench.figures import (
    Reading,
    audio_problems,
    metrics_when_freed,
    outcome_problems,
    steady_figures,
)
from peers.bench.load import running_load
from peers.bench.load_process import PatternName, WorkerSpec
from peers.bench.server import HOST, BenchError, Metrics, ServerUnderTest, Usage, running_server
from peers.bench.simulated_node import NodeShape

PAIR_SESSIONS: Final = 4


@dataclass(frozen=True, slots=True)
class PairPlan:
    """What to start and how long to measure."""

    command: tuple[str, ...]
    """The scheduler's, with the store that both use and without its port."""
    cores: tuple[list[int], list[int]]
    """The schedulers' and everybody else's."""
    node: NodeShape
    nodes: int
    warm_up_seconds: float
    seconds: float
    settle_seconds: float
    is_crossing: bool
    """The nodes are on the other instance."""


async def measure_pair(plan: PairPlan) -> tuple[dict[str, float | None], list[str]]:
    """Return the figures and what went wrong.

    Raises:
        BenchError: something could not be started, or broke off.
    """
    async with _running_pair(plan) as pair:
        home, other = pair
        spec = WorkerSpec(
            host=HOST,
            port=home.port,
            name="crossing" if plan.is_crossing else "near",
            nodes=plan.nodes,
            node=plan.node,
            node_port=other.port if plan.is_crossing else home.port,
            clients=PAIR_SESSIONS,
            pattern=PatternName.CLOSED_LOOP,
            settle_seconds=plan.settle_seconds,
        )
        async with running_load([spec], plan.cores[1]) as load:
            await load.ask("start")
            await asyncio.sleep(plan.warm_up_seconds)
            await load.ask("mark")
            before, load_before = _usage(pair), load.cpu_seconds()
            await asyncio.sleep(plan.seconds)
            after, load_after = _usage(pair), load.cpu_seconds()
            counts = await load.stop()
            metrics = await metrics_when_freed(home)
            spent = None if load_before is None else (load_after or 0.0) - load_before
            figures = steady_figures(counts, Reading(before, after, spent, Metrics(""), metrics))
            problems = outcome_problems(counts) + await load.close()
        problems += audio_problems(metrics) + _way_problems(plan, counts, metrics)
    return figures | {"scripts_per_utterance": None, "round_trips_per_utterance": None}, problems


def _way_problems(plan: PairPlan, counts: Counts, metrics: Metrics) -> list[str]:
    """Say whether the jobs took another way than the one to be measured."""
    frames = metrics.total("lingua_link_frames_total") or 0.0
    crossed = frames >= 2 * counts.utterances
    if plan.is_crossing and not crossed:
        return [f"{frames:.0f} frames for {counts.utterances} utterances: not all of them crossed"]
    return ["jobs crossed that need not"] if frames and not plan.is_crossing else []


@contextlib.asynccontextmanager
async def _running_pair(plan: PairPlan) -> AsyncIterator[tuple[ServerUnderTest, ServerUnderTest]]:
    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(running_server(plan.command)) for _ in range(2)]
        for server in servers:
            server.pin(*plan.cores)
        yield servers[0], servers[1]


def _usage(pair: tuple[ServerUnderTest, ServerUnderTest]) -> Usage:
    """Return what both have cost so far; the store is nobody's child here."""
    one, two = (server.usage() for server in pair)
    if one.server_cpu_seconds is None or two.server_cpu_seconds is None:
        raise BenchError("this machine does not tell the processor time of processes")
    return replace(
        one,
        server_cpu_seconds=one.server_cpu_seconds + two.server_cpu_seconds,
        resident_kb=None,
        server_waiting_seconds=None,
    )
