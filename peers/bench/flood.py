"""Attacks on a whole server, and what they cost a good neighbour: latency, outcomes, memory.

The neighbour speaks one-chunk utterances at a fixed rate; how late its results are is measured
while all is quiet, then under attack, at one and the same server. Attackers have processes, sockets
and addresses of their own and the lowest priority, so that what they need themselves is not taken
for harm they do.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from peers.bench import process_usage
from peers.bench.attack_process import AttackSpec
from peers.bench.attacks import Attack
from peers.bench.counts import percentile_ms
from peers.bench.figures import outcome_problems
from peers.bench.load import Load, running_load
from peers.bench.load_pattern import Pace
from peers.bench.load_process import PatternName, WorkerSpec
from peers.bench.plan import BenchOptions, Row, Scenario, split_cores
from peers.bench.server import HOST, ServerUnderTest, running_server
from peers.bench.simulated_node import NodeShape
from peers.child_module import module_command

ATTACKERS: Final = module_command("peers.bench.attack_process")
LIMITS: Final = ("--max-held-audio-bytes", str(128 * 1024 * 1024), "--drain-seconds", "1")
"""The server is as it is installed, but for what it may hold of audio."""
MOST_RESIDENT_MIB: Final = 400
MOST_TIMES_SLOWER: Final = 3.0
SINGLE_ATTACKERS: Final = 4
"""Sockets of each attack where attacks are tried one by one."""
NEIGHBOURS: Final = 10
_NEIGHBOUR_PACE: Final = Pace(chunks_per_second=2.0, utterance_chunks=1)
_WATCH_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Harm:
    """What the neighbour and the server were like for a while."""

    p50_ms: float | None
    p95_ms: float | None
    worst_ms: float | None
    most_resident_mib: float | None
    outcomes: int


class Neighbour:
    """A running server, somebody who uses it well, and the sentences about what went wrong."""

    def __init__(self, server: ServerUnderTest, load: Load, cores: list[int]) -> None:
        self.server = server
        self.problems: list[str] = []
        self._load = load
        self._cores = cores

    async def watch(self, seconds: float) -> Harm:
        """Let the neighbour speak for so long; return how it fared."""
        await self._load.ask("start")
        await self._load.ask("mark")
        most: float | None = None
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while loop.time() < ends:
            await asyncio.sleep(_WATCH_SECONDS)
            resident_kb = self.server.usage().resident_kb
            if resident_kb is not None:
                most = max(most or 0.0, resident_kb / 1024)
        counts = await self._load.stop()
        self.problems += outcome_problems(counts)
        worst = max(counts.result_us, default=None)
        return Harm(
            percentile_ms(counts.result_us, 50),
            percentile_ms(counts.result_us, 95),
            None if worst is None else worst / 1000,
            most,
            counts.window_outcomes,
        )

    async def attacked(
        self, attackers: Mapping[Attack, int], seconds: float
    ) -> tuple[Harm, dict[str, Any]]:
        """Do the same under attack; return also what the attackers count."""
        spec = AttackSpec(HOST, self.server.port, attackers)
        async with running_load([spec], self._cores, ATTACKERS) as attack:
            harm = await self.watch(seconds)
            [counts] = await attack.ask("close")
        return harm, counts

    async def close(self) -> list[str]:
        """End the neighbour's sessions; return what went wrong."""
        return self.problems + await self._load.close()


@asynccontextmanager
async def _running(options: BenchOptions) -> AsyncIterator[Neighbour]:
    cores = process_usage.available_cores()
    server_cores, other_cores = split_cores(cores)
    store = ("--redis-url", options.redis_url) if options.redis_url is not None else ()
    flags = (*LIMITS, *store, *options.server_args)
    spec = WorkerSpec(
        host=HOST,
        port=0,
        name="neighbour",
        nodes=options.nodes,
        node=NodeShape(options.node_capacity, options.node_delay_ms, options.result_bytes),
        clients=NEIGHBOURS,
        pattern=PatternName.PACED,
        pace=_NEIGHBOUR_PACE,
        settle_seconds=options.settle_seconds,
    )
    async with running_server((*options.scheduler_command, *flags)) as server:
        server.pin(server_cores, other_cores)
        own = WorkerSpec.from_json(spec.as_json() | {"port": server.port})
        async with running_load([own], other_cores) as load:
            await asyncio.sleep(options.warm_up_seconds)
            yield Neighbour(server, load, other_cores)


async def run_flood(options: BenchOptions) -> Row:
    """Let flooders and slow readers come at once."""
    row = Row(Scenario.FLOOD)
    crowd = {Attack.FLOOD: options.flooders, Attack.SLOW_READER: options.slow_readers}
    async with _running(options) as neighbour:
        quiet = await neighbour.watch(options.flood_seconds)
        flooded, counts = await neighbour.attacked(crowd, options.flood_seconds)
        row.figures = {
            "quiet_p50_ms": quiet.p50_ms,
            "quiet_p95_ms": quiet.p95_ms,
            "attacked_p50_ms": flooded.p50_ms,
            "attacked_p95_ms": flooded.p95_ms,
            "resident_before_mib": quiet.most_resident_mib,
            "resident_after_mib": flooded.most_resident_mib,
            "outcomes": float(flooded.outcomes),
        }
        row.notes.append(f"the attackers: {_counted(counts)}")
        row.problems = too_much(quiet, flooded, options) + await neighbour.close()
    return row


async def run_attacks(options: BenchOptions) -> Row:
    """Try each attack alone, with a few sockets."""
    row = Row(Scenario.ATTACKS)
    async with _running(options) as neighbour:
        for attack in (attack for attack in Attack if attack not in _CROWDS):
            quiet = await neighbour.watch(options.flood_seconds)
            harm, counts = await neighbour.attacked(
                {attack: SINGLE_ATTACKERS}, options.flood_seconds
            )
            row.figures |= {f"{attack}_p95_ms": harm.p95_ms, f"{attack}_quiet_p95_ms": quiet.p95_ms}
            row.notes.append(f"{_line(attack, quiet, harm)} ({_counted(counts)})")
        row.problems = await neighbour.close()
    return row


_CROWDS: Final = (Attack.FLOOD, Attack.SLOW_READER)


def _line(attack: Attack, quiet: Harm, harm: Harm) -> str:
    """Return a row of the table in docs/measured.md."""
    cells = (quiet.p50_ms, harm.p50_ms, quiet.p95_ms, harm.p95_ms, harm.worst_ms)
    times = " | ".join("-" if cell is None else f"{cell:.1f}" for cell in cells)
    return f"| {attack} | {times} | {harm.most_resident_mib or 0:.0f} |"


def _counted(counts: Mapping[str, Any]) -> str:
    names = ("opened", "attacking", "lost", "refused", "kilobytes")
    return ", ".join(f"{name} {counts.get(name, 0)}" for name in names)


def too_much(quiet: Harm, flooded: Harm, options: BenchOptions) -> list[str]:
    """Return which bounds did not hold."""
    problems = []
    resident = flooded.most_resident_mib
    if resident is not None and resident > MOST_RESIDENT_MIB:
        problems.append(f"{resident:.0f} MiB were resident: {MOST_RESIDENT_MIB} are the bound")
    if quiet.p95_ms is None or flooded.p95_ms is None:
        problems.append("the neighbour heard no result")
    elif flooded.p95_ms > options.most_times_slower * quiet.p95_ms:
        problems.append(
            f"the neighbour's results took {flooded.p95_ms:.1f} instead of {quiet.p95_ms:.1f} ms"
        )
    return problems
