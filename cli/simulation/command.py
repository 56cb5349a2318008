"""`simulate`: how the scheduling decisions behave and what they cost as all grows.

A made-up world of nodes and sessions (its speech, languages and pauses come from a seed) is played
in virtual time against the real scripts on a real server, in several sizes, and beside an ideal
central queue. There are no sockets, no actors and no audio: what is measured is the choice.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich import box
from rich.table import Table

from cli.output import Terminal
from cli.parser import OneLineParser, output_file, positive, seconds
from cli.simulation.central_queue import serve_centrally
from cli.simulation.demand import Scale, World
from cli.simulation.fairness import RIVALS, share_after_idle_use
from cli.simulation.figures import Figures, mean, quantile
from cli.simulation.replay import Replay
from cli.simulation.tenants import FloodFigures, flood
from storage.embedded.server import StoreOptions, start_store
from storage.store import open_executor

_STEPS = (100, 10, 1)
"""The world is played at a hundredth, at a tenth and whole."""
_SMALLEST_NODES = 10

_CAPTION = """\
waits: from the end of an utterance to its slot, virtual ms. ideal: one central
queue, first come first served, that knows everything at no cost. bursting:
sessions that say everything at once; the others should not wait for them.
µs: processor time of the store per script.
"""


def main(argv: Sequence[str]) -> int:
    """Play all sizes and print what came of them."""
    arguments = _parser().parse_args(argv)
    scale = Scale(
        nodes=arguments.nodes,
        sessions=arguments.sessions,
        seconds=arguments.seconds,
        load=arguments.load,
        capacity=arguments.capacity,
        models=arguments.kinds,
        bursting=arguments.bursting,
        seed=arguments.seed,
    )
    console = Terminal()
    results = []
    for size in sizes(scale):
        console.print(f"[dim]{size.nodes:,} nodes, {size.sessions:,} sessions …[/dim]")
        results.append(simulate(size))
    console.print(table_of(results))
    shares = fairness()
    for rivals, share in shares.items():
        console.print(f"after 5 minutes of idle capacity, beside {rivals} equal: {share:.0%}")
    flooded = flooding()
    console.print(
        f"p95 beside a tenant that asks for ten times its share: {flooded.flooded_p95_ms} ms, "
        f"before: {flooded.quiet_p95_ms} ms ({flooded.rise:+.0%})"
    )
    console.print(_CAPTION, style="dim", highlight=False)
    if arguments.json is not None:
        document = [summary(figures) for figures in results]
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


def sizes(scale: Scale) -> list[Scale]:
    """Return the worlds to play, smallest first; very small ones are left out."""
    return [
        replace(scale, nodes=scale.nodes // step, sessions=max(1, scale.sessions // step))
        for step in _STEPS
        if step == 1 or scale.nodes // step >= _SMALLEST_NODES
    ]


def simulate(scale: Scale) -> Figures:
    """Play one world on a fresh server.

    Raises:
        SimulationError: A decision was made that must not be: a node above its capacity, an
            utterance without an end.
    """
    world = World(scale)
    with start_store(StoreOptions()) as store:
        return asyncio.run(_simulate(world, store.url))


def fairness() -> dict[int, float]:
    """Return the share of a session that used idle capacity, by its number of rivals."""

    async def shares(url: str) -> dict[int, float]:
        executor = open_executor(url)
        try:
            return {rivals: await share_after_idle_use(executor, rivals) for rivals in RIVALS}
        finally:
            await executor.close()

    with start_store(StoreOptions()) as store:
        return asyncio.run(shares(store.url))


def flooding() -> FloodFigures:
    """Return what a tenant that floods costs another."""

    async def figures(url: str) -> FloodFigures:
        executor = open_executor(url)
        try:
            return await flood(executor)
        finally:
            await executor.close()

    with start_store(StoreOptions()) as store:
        return asyncio.run(figures(store.url))


async def _simulate(world: World, url: str) -> Figures:
    executor = open_executor(url)
    try:
        replay = Replay(world, executor)
        setting_up = await replay.set_up()
        deciding = await replay.decide(world.utterances())
    finally:
        await executor.close()
    return Figures(
        nodes=world.scale.nodes,
        sessions=world.scale.sessions,
        setting_up=setting_up,
        deciding=deciding,
        waits=replay.waits,
        ideal=serve_centrally(world, world.utterances()),
        most_used_slots=replay.most_used_slots,
        capacity=world.scale.nodes * world.scale.capacity,
    )


def summary(figures: Figures) -> dict[str, Any]:
    """Return the figures of one size by name; waits in virtual ms, shares of one."""
    waits, ideal = figures.waits, figures.ideal
    everybody, ideally = waits.ordinary_ms + waits.bursting_ms, ideal.ordinary_ms
    ideally = ideally + ideal.bursting_ms
    return {
        "nodes": figures.nodes,
        "sessions": figures.sessions,
        "utterances": len(waits),
        "scripts_per_second": round(figures.deciding.per_second),
        "store_us_per_script": round(figures.deciding.store_us, 1),
        "store_us_per_registration_or_claim": round(figures.setting_up.store_us, 1),
        "utilisation": _utilisation(figures.waits, figures.capacity),
        "utilisation_ideal": _utilisation(figures.ideal, figures.capacity),
        "most_used_slots_share": round(figures.most_used_slots / figures.capacity, 3),
        "wait_mean_ms": round(mean(everybody), 1),
        "wait_mean_ideal_ms": round(mean(ideally), 1),
        "wait_p99_ms": quantile(everybody, 0.99),
        "wait_p99_ideal_ms": quantile(ideally, 0.99),
        "wait_ordinary_mean_ms": round(mean(waits.ordinary_ms), 1),
        "wait_ordinary_mean_ideal_ms": round(mean(ideal.ordinary_ms), 1),
        "wait_bursting_mean_ms": round(mean(waits.bursting_ms), 1),
        "wait_bursting_mean_ideal_ms": round(mean(ideal.bursting_ms), 1),
    }


def _utilisation(waits: Any, capacity: int) -> float:
    return round(waits.busy_ms / (waits.ended_ms * capacity), 3) if waits.ended_ms else 0.0


def table_of(results: list[Figures]) -> Table:
    """Return a column per size, a line per figure."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("", no_wrap=True)
    rows = [summary(figures) for figures in results]
    for row in rows:
        table.add_column(f"{row['nodes']:,} nodes", justify="right")
    for name in rows[0]:
        if name != "nodes":
            table.add_row(name.replace("_", " "), *(f"{row[name]:,}" for row in rows))
    return table


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser("simulate", description=__doc__)
    add = parser.add_argument
    add("--nodes", type=positive, default=1_000, help="GPU nodes (1000)")
    add("--sessions", type=positive, default=10_000, help="sessions that speak (10000)")
    add("--seconds", type=seconds, default=20.0, help="virtual seconds of speech (20)")
    add("--load", type=_share, default=0.9, help="share of all slots that is busy (0.9)")
    add("--capacity", type=positive, default=4, help="slots per node (4)")
    add("--kinds", type=positive, default=64, help="kinds of nodes, by their languages (64)")
    add("--bursting", type=_share, default=0.01, help="share of sessions that burst (0.01)")
    add("--seed", type=int, default=1, help="of the made-up world (1)")
    add("--json", type=output_file, metavar="FILE", help="also write the figures to FILE")
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 2:  # noqa: PLR2004 - more than all is a question one may ask
        raise argparse.ArgumentTypeError("must be between 0 and 2")
    return value
