"""The scenarios of a bench: what is started, what is measured, what must hold.

Each scenario starts a server of its own, so that none sees another's memory or queues, verifies
every outcome, and returns a row of figures with the sentences about what went wrong.
"""

import asyncio
from dataclasses import replace
from typing import Final

from peers.bench import process_usage
from peers.bench.figures import (
    Reading,
    audio_problems,
    latency_figures,
    mebibytes,
    metrics_when_freed,
    outcome_problems,
    scripts_per_utterance,
    steady_figures,
)
from peers.bench.flood import run_attacks, run_flood
from peers.bench.load import running_load
from peers.bench.load_process import PatternName, WorkerSpec
from peers.bench.overload import run_overload
from peers.bench.pair import PairPlan, measure_pair
from peers.bench.plan import (
    BenchOptions,
    Row,
    Scenario,
    scheduler_command,
    split_cores,
    worker_specs,
)
from peers.bench.server import HOST, BenchError, Metrics, running_server
from peers.bench.simulated_node import NodeShape
from peers.bench.streaming import run_streaming
from peers.bench.workers import run_workers
from peers.child_module import module_command

BURST_NODE_DELAY_MS: Final = 10
BURST_NODE_CAPACITY: Final = 4
IDLE_WARM_UP_SESSIONS: Final = 50
IDLE_SETTLE_SECONDS: Final = 1.0
LONG_QUEUE: Final = ("--max-queued-jobs", "100000")
"""When paced sessions fall silent, all of them end an utterance in the same instant."""
RELAY_COMMAND: Final = module_command("peers.bench.bare_relay")


async def run_scenario(scenario: Scenario, options: BenchOptions) -> Row:
    """Run one scenario.

    Raises:
        BenchError: the server or the load could not be started, or broke off.
    """
    match scenario:
        case Scenario.IDLE:
            return await _run_idle(options)
        case Scenario.BURST:
            return await _run_burst(options)
        case Scenario.NEAR | Scenario.CROSSING:
            return await _run_pair(scenario, options)
        case Scenario.OVERLOAD:
            return await run_overload(options)
        case Scenario.WORKERS:
            return await run_workers(options)
        case Scenario.FLOOD:
            return await run_flood(options)
        case Scenario.ATTACKS:
            return await run_attacks(options)
        case Scenario.STREAMING:
            return await run_streaming(options)
        case _:
            return await _run_steady(scenario, options)


async def _run_steady(scenario: Scenario, options: BenchOptions) -> Row:
    """Measure a window of a load that goes on: a closed loop or paced chunks."""
    is_relay = scenario is Scenario.RELAY
    cores = process_usage.available_cores()
    server_cores, other_cores = split_cores(cores)
    patient = replace(options, server_args=(*LONG_QUEUE, *options.server_args))
    command = RELAY_COMMAND if is_relay else scheduler_command(patient)
    row = Row(scenario)
    async with running_server(command) as server:
        server.pin(server_cores, other_cores)
        specs = worker_specs(scenario, options, server.port, len(cores))
        async with running_load(specs, other_cores) as load:
            metrics_before = Metrics("") if is_relay else await server.metrics()
            await load.ask("start")
            await asyncio.sleep(options.warm_up_seconds)
            await load.ask("mark")
            before, load_before = server.usage(), load.cpu_seconds()
            await asyncio.sleep(options.seconds)
            after, load_after = server.usage(), load.cpu_seconds()
            counts = await load.stop()
            metrics_after = Metrics("") if is_relay else await metrics_when_freed(server)
            spent = None if load_before is None else (load_after or 0.0) - load_before
            reading = Reading(before, after, spent, metrics_before, metrics_after)
            row.figures = steady_figures(counts, reading)
            row.scripts = scripts_per_utterance(counts, reading)
            row.problems = outcome_problems(counts) + await load.close()
            if not is_relay:
                row.problems += audio_problems(metrics_after)
    if not counts.window_outcomes:
        row.problems.append("no outcome arrived in the measured window")
    return row


async def _run_pair(scenario: Scenario, options: BenchOptions) -> Row:
    """Measure a window of two instances on one store."""
    if options.redis_url is None:
        raise BenchError("two instances need a store that both can reach")
    plan = PairPlan(
        command=scheduler_command(options),
        cores=split_cores(process_usage.available_cores()),
        node=NodeShape(options.node_capacity, options.node_delay_ms, options.result_bytes),
        nodes=options.nodes,
        warm_up_seconds=options.warm_up_seconds,
        seconds=options.seconds,
        settle_seconds=options.settle_seconds,
        is_crossing=scenario is Scenario.CROSSING,
    )
    figures, problems = await measure_pair(plan)
    return Row(scenario, figures, problems=problems)


async def _run_idle(options: BenchOptions) -> Row:
    """Measure the resident memory that sessions without any audio cost.

    A few sessions come first, so that code and pools that all sessions share are not counted.
    """
    row = Row(Scenario.IDLE)
    _, other_cores = split_cores(process_usage.available_cores())
    async with running_server(scheduler_command(options)) as server:
        first = WorkerSpec(HOST, server.port, "first", clients=IDLE_WARM_UP_SESSIONS)
        idle = WorkerSpec(HOST, server.port, "idle", clients=options.idle)
        async with running_load([first], other_cores):
            before = server.usage()
            async with running_load([idle], other_cores) as load:
                await asyncio.sleep(IDLE_SETTLE_SECONDS)
                after = server.usage()
                sessions = (await server.metrics()).total("lingua_sessions")
                row.problems = await load.close()
    row.figures = {
        "resident_before_mib": mebibytes(before),
        "resident_after_mib": mebibytes(after),
    }
    if before.resident_kb is not None and after.resident_kb is not None:
        grown_kb = after.resident_kb - before.resident_kb
        row.figures["idle_kb_per_session"] = grown_kb / options.idle
    expected = options.idle + IDLE_WARM_UP_SESSIONS
    if sessions != expected:
        row.problems.append(f"lingua_sessions is {sessions} with {expected} sessions open")
    return row


async def _run_burst(options: BenchOptions) -> Row:
    """Finalise many utterances at once on one small node: it is never given more than it takes."""
    row = Row(Scenario.BURST)
    _, other_cores = split_cores(process_usage.available_cores())
    node = NodeShape(BURST_NODE_CAPACITY, BURST_NODE_DELAY_MS, options.result_bytes)
    async with running_server(scheduler_command(options)) as server:
        spec = WorkerSpec(
            host=HOST,
            port=server.port,
            name="burst",
            nodes=1,
            node=node,
            clients=options.burst,
            pattern=PatternName.BURST,
            settle_seconds=options.settle_seconds,
        )
        async with running_load([spec], other_cores) as load:
            await load.ask("mark")
            await load.ask("start")
            counts = await load.finish()
            row.problems = outcome_problems(counts) + await load.close()
            metrics = await metrics_when_freed(server)
    row.problems += audio_problems(metrics)
    row.figures = latency_figures(counts) | {
        "outcomes": counts.results + sum(counts.refusals.values()),
        "audio_bytes_held_after": metrics.total("lingua_audio_bytes_held"),
        "most_open_at_a_node": counts.most_open_at_a_node,
    }
    if counts.most_open_at_a_node > BURST_NODE_CAPACITY:
        row.problems.append(
            f"a node of capacity {BURST_NODE_CAPACITY} had {counts.most_open_at_a_node} jobs open"
        )
    return row
