"""What a bench run is made of: its scenarios, sizes and rows, and who simulates what where.

Plain values and their arithmetic. It starts nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from peers.bench.clients import ClientShape
from peers.bench.load_pattern import Pace
from peers.bench.load_process import PatternName, WorkerSpec
from peers.bench.server import HOST
from peers.bench.simulated_node import NodeShape
from peers.child_module import module_command

MAX_CLIENT_PROCESSES: Final = 4
CORES_SHARED_BY_THE_LOAD: Final = 2
"""With so many cores or fewer, everything but the server shares one."""
SCHEDULER_COMMAND: Final = module_command("cli", "--log-level", "warning")
SCHEDULER_SETTINGS: Final = (
    *("--hangover-manual-ms", "0"),
    *("--ingest-rate", "1000000"),
    *("--pending-timeout-ms", "60000"),
    *("--drain-seconds", "1"),
)
"""No wait and no limit that would measure the setting instead of the scheduler: a closed loop
sends audio far faster than anybody speaks, and a burst on one node waits for its turn."""


class Scenario(StrEnum):
    """What can be measured."""

    CLOSED_LOOP = "closed-loop"
    RELAY = "relay"
    """The closed loop at the bare relay, right after the scheduler's: noise hits both."""
    INGEST_JSON = "ingest-json"
    INGEST_BINARY = "ingest-binary"
    INGEST_FEW = "ingest-few"
    """The same with fewer sessions: what a chunk costs when little is done at once."""
    SPOKEN = "spoken"
    """One-chunk utterances at a rate at which none waits for another."""
    IDLE = "idle"
    BURST = "burst"
    NEAR = "near"
    """Two instances, sessions and nodes on the same one."""
    CROSSING = "crossing"
    """Two instances, sessions on one and nodes on the other."""
    OVERLOAD = "overload"
    """More than the scheduler can do, for a while: what is left of its best rate."""
    WORKERS = "workers"
    """Several workers behind one port beside one, in turn under the same load."""
    FLOOD = "flood"
    """Flooders and slow readers at once: what a good neighbour and the memory suffer."""
    ATTACKS = "attacks"
    """Each attack alone, with a few sockets."""
    STREAMING = "streaming"
    """Nodes that hear what is spoken while it is, beside nodes that get whole utterances."""


ON_REQUEST: Final = frozenset({Scenario.FLOOD, Scenario.ATTACKS, Scenario.STREAMING})
"""They take minutes, and measure something of their own: run where they are named."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Sizes and times of a run."""

    sessions: int = 32
    """Sessions of the closed loops."""
    nodes: int = 10
    node_capacity: int = 4
    node_delay_ms: int = 0
    """How long a node takes for a job; 0: an answer at once, so that no node is ever busy."""
    result_bytes: int = 11_000
    active: int = 1000
    """Sessions that send chunks in the ingest scenarios."""
    few: int = 200
    """The same where they are few."""
    spoken_per_second: int = 20
    """Utterances per second of the spoken scenario, one per session."""
    pace: Pace = field(default_factory=Pace)
    idle: int = 1000
    """Sessions that send nothing, to see what one costs in memory."""
    burst: int = 200
    """Utterances finalised at the same instant."""
    overload_sessions: int = 2000
    """Sessions that speak in the overload scenario, at whatever rate makes up what is offered."""
    saturation: float | None = None
    """Utterances per second known to be all that the scheduler can do; None: look for it."""
    overload_factor: float = 1.3
    """What is offered, as a multiple of that."""
    overload_seconds: float = 30.0
    least_goodput_kept: float = 0.8
    """Share of the best goodput that an overload may not fall below."""
    workers: int = 2
    """How many are compared with one."""
    worker_load: float = 0.5
    """How busy one worker is to be under what both sides are offered, as a share of a core."""
    rounds: int = 5
    """How often each side has its turn."""
    flooders: int = 500
    slow_readers: int = 500
    flood_seconds: float = 20.0
    """How long the neighbour is watched, quiet and under attack."""
    most_times_slower: float = 3.0
    """What its 95th percentile may be under attack, as a multiple of the quiet one."""
    warm_up_seconds: float = 2.0
    seconds: float = 5.0
    """Length of the measured window."""
    settle_seconds: float = 15.0
    """How long open utterances may still take when the load falls silent."""
    redis_url: str | None = None
    server_args: tuple[str, ...] = ()
    """Further flags for the scheduler."""
    scheduler_command: tuple[str, ...] = SCHEDULER_COMMAND

    @property
    def utterances_per_second(self) -> float:
        """What the sessions of the ingest scenarios say together."""
        return self.active * self.pace.chunks_per_second / self.pace.utterance_chunks


@dataclass(slots=True)
class Row:
    """What one scenario measured."""

    scenario: Scenario
    figures: dict[str, float | None] = field(default_factory=dict)
    """By name with its unit; None where the machine or the server does not tell."""
    scripts: Mapping[str, float] = field(default_factory=dict)
    """Script runs per utterance, by script."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What one has to know to read the figures."""


def scheduler_command(options: BenchOptions) -> tuple[str, ...]:
    """Return the command line of the scheduler under measure, without its port."""
    store = ("--redis-url", options.redis_url) if options.redis_url is not None else ()
    return (*options.scheduler_command, *SCHEDULER_SETTINGS, *store, *options.server_args)


def split_cores(cores: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the server's cores and everybody else's; nothing is pinned on a single core."""
    return ([cores[0]], list(cores[1:])) if len(cores) > 1 else ([], [])


def cores_for_workers(cores: Sequence[int], workers: int) -> tuple[list[int], list[int]]:
    """Return the cores of several workers and everybody else's: one each where there are enough.

    Where there are fewer they share the core that one worker would have to itself.
    """
    if len(cores) < workers + CORES_SHARED_BY_THE_LOAD:
        return split_cores(cores)
    return list(cores[:workers]), list(cores[workers:])


def _sessions_and_pace(scenario: Scenario, options: BenchOptions) -> tuple[int, Pace | None]:
    """Return how many sessions send, and how fast; None: each when it has its outcome."""
    match scenario:
        case Scenario.OVERLOAD | Scenario.WORKERS:
            return options.overload_sessions, options.pace
        case Scenario.INGEST_JSON | Scenario.INGEST_BINARY:
            return options.active, options.pace
        case Scenario.INGEST_FEW:
            return options.few, options.pace
        case Scenario.SPOKEN:
            return options.spoken_per_second, Pace(chunks_per_second=1.0, utterance_chunks=1)
        case _:
            return options.sessions, None


def worker_specs(
    scenario: Scenario, options: BenchOptions, port: int, cores: int
) -> list[WorkerSpec]:
    """Return the load processes of a steady scenario.

    One process holds nodes and clients where they share one core anyway; with more cores the
    nodes come first, in a process of their own, and the clients are spread over several.
    """
    node = NodeShape(options.node_capacity, options.node_delay_ms, options.result_bytes)
    sessions, pace = _sessions_and_pace(scenario, options)
    spec = WorkerSpec(
        host=HOST,
        port=port,
        name="bench",
        client=ClientShape(is_binary=scenario is Scenario.INGEST_BINARY),
        pattern=PatternName.CLOSED_LOOP if pace is None else PatternName.PACED,
        pace=pace or options.pace,
        settle_seconds=options.settle_seconds,
    )
    nodes = replace(spec, nodes=options.nodes, node=node)
    if cores <= CORES_SHARED_BY_THE_LOAD:
        return [replace(nodes, clients=sessions)]
    count = min(cores - 2, MAX_CLIENT_PROCESSES, sessions)
    shares = [sessions // count + (number < sessions % count) for number in range(count)]
    return [nodes, *(replace(spec, clients=share) for share in shares)]
