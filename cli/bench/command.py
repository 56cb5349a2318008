"""`bench`: what the scheduler costs and how fast it is, measured from outside.

Parses the command line, runs the scenarios of peers, prints the table and writes the JSON
document. It measures nothing itself and opens no socket.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from cli.bench.documents import compare_with_baseline, read_baseline, write_into_document
from cli.bench.table import tables_of
from cli.logs import LogOptions, configure_logs
from cli.output import Terminal
from cli.parser import OneLineParser, output_file, positive, seconds
from peers.bench.key_figures import KEY_SCENARIOS, Samples, disturbed, markdown_table
from peers.bench.load_pattern import Pace
from peers.bench.plan import ON_REQUEST, BenchOptions, Row, Scenario
from peers.bench.scenarios import run_scenario
from peers.bench.server import BenchError
from peers.event_loop import run
from storage.embedded.server import StoreOptions, start_store

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "measured.md"
QUICK: Final = BenchOptions(
    active=200,
    few=50,
    idle=200,
    burst=200,
    overload_sessions=200,
    overload_seconds=2.0,
    flooders=20,
    slow_readers=20,
    flood_seconds=0.5,
    most_times_slower=50.0,
    least_goodput_kept=0.0,
    rounds=1,
    worker_load=0.2,
    warm_up_seconds=0.5,
    seconds=1.5,
)
"""Sizes for a test suite: everything runs, nothing is a figure to quote."""

_CAPTION: Final = """\
assign: from a final sent to its job_assign at the node; result: to the client
µs: processor time; busy: share of one core; trips: pipelines to the store
waiting: ready, but others had the core: rates and latencies then mean little
"""


def main(argv: Sequence[str]) -> int:
    """Run the bench; 0 when everything measured also held, else 1."""
    arguments = parser().parse_args(argv)
    console = Terminal()
    options = options_from(arguments)
    keys = arguments.baseline is not None or arguments.write_docs
    scenarios = list(KEY_SCENARIOS) * options.rounds if keys else arguments.scenario
    if Scenario.STREAMING in (scenarios or ()):  # a reference node runs in this process
        configure_logs(LogOptions(log_level="WARNING"))
    if arguments.baseline is not None and arguments.baseline.exists():
        read_baseline(arguments.baseline)  # before minutes are spent on what it is compared with
    try:
        usual = [scenario for scenario in Scenario if scenario not in ON_REQUEST]
        rows = run(_interruptible(scenarios or usual, options, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("[yellow]interrupted[/yellow]")
        return 130
    ratios = relay_ratios(rows) | crossing_ratios(rows)
    for table in () if keys else tables_of(rows):
        console.print(table)
    console.print(_CAPTION, style="dim", highlight=False)
    for note in (f"{row.scenario}: {note}" for row in rows for note in row.notes):
        console.print(note, highlight=False)
    for name, value in ratios.items():
        console.print(f"{name.replace('_', ' ')}: {value:.2f}")
    if arguments.json is not None:
        document = json_document(options, rows, ratios)
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    problems = [f"{row.scenario}: {problem}" for row in rows for problem in row.problems]
    if keys:
        problems += disturbed(rows)
    if keys and not problems:
        size = len(KEY_SCENARIOS)
        samples = Samples.of([rows[at : at + size] for at in range(0, len(rows), size)])
        console.print(markdown_table(samples), highlight=False)
        if arguments.write_docs:
            write_into_document(DOCUMENT, samples)
        if arguments.baseline is not None:
            problems = compare_with_baseline(arguments.baseline, samples)
    for problem in problems:
        sys.stderr.write(f"bench: {problem}\n")
    return 1 if problems else 0


def options_from(arguments: argparse.Namespace) -> BenchOptions:
    """Return the options: the defaults (or the quick ones), overridden by what was given."""
    base = QUICK if arguments.quick else BenchOptions()
    names = (
        *("sessions", "nodes", "node_capacity", "node_delay_ms", "result_bytes"),
        *("active", "few", "idle", "burst"),
        *("overload_sessions", "saturation", "overload_factor", "overload_seconds"),
        *("workers", "worker_load", "rounds"),
        *("flooders", "slow_readers", "flood_seconds"),
        *("seconds", "warm_up_seconds", "redis_url"),
    )
    given = {name: getattr(arguments, name) for name in names}
    changed = {name: value for name, value in given.items() if value is not None}
    if arguments.chunks_per_second is not None:
        changed["pace"] = Pace(arguments.chunks_per_second, base.pace.utterance_chunks)
    return replace(base, server_args=tuple(arguments.server_arg), **changed)


async def run_scenarios(
    scenarios: list[Scenario], options: BenchOptions, console: Console
) -> list[Row]:
    """Run the scenarios one after the other; one that breaks off is a row with a problem."""
    rows = []
    for scenario in scenarios:
        console.print(f"[dim]{scenario} …[/dim]")
        try:
            with _store_for(scenario, options) as redis_url:
                measured = replace(options, redis_url=redis_url)
                rows.append(await run_scenario(scenario, measured))
        except BenchError as error:
            rows.append(Row(scenario, problems=[str(error)]))
    return rows


@contextmanager
def _store_for(scenario: Scenario, options: BenchOptions) -> Iterator[str | None]:
    """Give a store to instances that have to share one; else each has what it would have."""
    if options.redis_url is not None or scenario not in (Scenario.NEAR, Scenario.CROSSING):
        yield options.redis_url
        return
    with start_store(StoreOptions()) as store:
        yield store.url


def crossing_ratios(rows: list[Row]) -> dict[str, float]:
    """Return what it costs when a node is on another instance, beside the same instance."""
    ratios = _ratios(rows, Scenario.CROSSING, Scenario.NEAR)
    return {f"{name}_of_crossing": value for name, value in ratios.items()}


def relay_ratios(rows: list[Row]) -> dict[str, float]:
    """Return how the closed loop compares with the bare relay of the same run."""
    ratios = _ratios(rows, Scenario.CLOSED_LOOP, Scenario.RELAY)
    wanted = {name: ratios[name] for name in ("rate", "cpu") if name in ratios}
    return {f"{name}_beside_bare_relay": value for name, value in wanted.items()}


def _ratios(rows: list[Row], one: Scenario, beside: Scenario) -> dict[str, float]:
    by_scenario = {row.scenario: row.figures for row in rows}
    ours, others = by_scenario.get(one, {}), by_scenario.get(beside, {})
    ratios = {}
    for name, figure in (
        ("rate", "utterances_per_second"),
        ("cpu", "server_cpu_us_per_utterance"),
        ("result_p50", "result_p50_ms"),
        ("result_p99", "result_p99_ms"),
    ):
        own, other = ours.get(figure), others.get(figure)
        if own is not None and other:
            ratios[name] = own / other
    return ratios


def json_document(
    options: BenchOptions, rows: list[Row], ratios: dict[str, float]
) -> dict[str, Any]:
    """Return everything measured, with what is needed to compare it with another run."""
    sizes = {
        name: getattr(options, name)
        for name in (
            *("sessions", "nodes", "node_capacity", "node_delay_ms", "result_bytes"),
            *("active", "few", "idle"),
        )
    }
    return {
        "machine": {
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "uvloop": importlib.util.find_spec("uvloop") is not None,
        },
        "options": sizes
        | {
            "burst": options.burst,
            "overload_sessions": options.overload_sessions,
            "overload_factor": options.overload_factor,
            "overload_seconds": options.overload_seconds,
            "workers": options.workers,
            "worker_load": options.worker_load,
            "rounds": options.rounds,
            "chunks_per_second": options.pace.chunks_per_second,
            "seconds": options.seconds,
            "store": "redis-url" if options.redis_url else "embedded",
        },
        "rows": [
            {
                "scenario": str(row.scenario),
                "figures": row.figures,
                "scripts": dict(row.scripts),
                "notes": row.notes,
                "problems": row.problems,
            }
            for row in rows
        ],
        "ratios": ratios,
    }


async def _interruptible(
    scenarios: list[Scenario], options: BenchOptions, console: Console
) -> list[Row]:
    """Run, and let SIGTERM end the run as Ctrl-C does: with all its processes."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run_scenarios(scenarios, options, console)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    arguments = OneLineParser("bench", description=__doc__)
    add = arguments.add_argument
    add("--scenario", action="append", type=Scenario, choices=list(Scenario), help="only these")
    add("--quick", action="store_true", help="small sizes, short windows: under a minute in all")
    add("--json", type=output_file, metavar="FILE", help="also write everything measured to FILE")
    add(
        "--baseline",
        type=output_file,
        metavar="FILE",
        help="the key figures, --rounds times: written there, or compared with what is there",
    )
    add("--write-docs", action="store_true", help="the same, into the table of docs/measured.md")
    add("--sessions", type=positive, help="sessions of the closed loops (32)")
    add("--nodes", type=positive, help="simulated nodes (10)")
    add("--node-capacity", type=positive, help="jobs at once per node (4)")
    add("--node-delay-ms", type=int, help="how long a node takes for a job (0)")
    add("--result-bytes", type=positive, help="size of a node's result (11000)")
    add("--active", type=positive, help="sessions that send chunks (1000)")
    add("--few", type=positive, help="the same in ingest-few (200)")
    add("--chunks-per-second", type=float, help="chunks per second of each of them (10)")
    add("--idle", type=positive, help="sessions that send nothing (1000)")
    add("--burst", type=positive, help="utterances finalised at once on one node (200)")
    add("--overload-sessions", type=positive, help="sessions of the overload (2000)")
    add("--saturation", type=float, help="utterances/s known to be the peak: do not look for it")
    add("--overload-factor", type=float, help="what is offered, as a multiple of the peak (1.3)")
    add("--overload-seconds", type=seconds, help="how long (30)")
    add("--workers", type=positive, help="workers that are compared with one (2)")
    add("--worker-load", type=float, help="how busy one is under what both are offered (0.5)")
    add(
        "--rounds",
        type=positive,
        help="how often key figures are measured, and one and several workers take turns (5)",
    )
    add("--flooders", type=positive, help="who sends audio without an end (500)")
    add("--slow-readers", type=positive, help="who asks for much and reads nothing (500)")
    add("--flood-seconds", type=seconds, help="how long a neighbour is watched (20)")
    add("--seconds", type=seconds, help="length of a measured window (5)")
    add("--warm-up-seconds", type=seconds, help="load before a window (2)")
    add("--redis-url", help="a Redis to use instead of the scheduler's embedded store")
    add(
        "--server-arg",
        action="append",
        default=[],
        metavar="FLAG",
        help="a further flag for the scheduler, written --server-arg=--name=value",
    )
    return arguments
