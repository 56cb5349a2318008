"""One chaos run, from a scheduler and a store of its own to the verdict."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.faults.clocks import OFFSET_FILE, WallClock
from tests.chaos.faults.fault import Targets
from tests.chaos.faults.faults import chosen
from tests.chaos.faults.proxy import FaultProxy
from tests.chaos.log import EVERYBODY, Complaint, Disturbed, Event, Tick
from tests.chaos.machine import MachineWatch
from tests.chaos.peers.client import ChaosClient
from tests.chaos.peers.node import ChaosNode
from tests.chaos.plan import MAX_DURATION_MS, ChaosOptions, ChaosPlan, make_plan
from tests.chaos.rules.oracle import Limits, Oracle
from tests.chaos.store import ChaosStore
from tests.chaos.world import World
from tests.support.processes.scheduler_process import SchedulerProcess

_SETTINGS = {
    "pause-ms": 60_000,
    "hangover-manual-ms": 0,
    "max-duration-ms": MAX_DURATION_MS,
    "pending-timeout-ms": 8000,
    "job-timeout-ms": 3000,
    "turn-wait-ms": 500,
    "model-penalty-ms": 2000,
    "node-timeout-ms": 2500,
    "session-grace-seconds": 3,
    "close-flush-ms": 5000,
    "result-gap-ms": 2000,
    "ping-interval-ms": 2000,
    "ping-timeout-ms": 3000,
}
"""Short times, so that everything that takes time happens often; and no cut that only the clock
decides, so that it is known beforehand what an utterance is."""

LIMITS = Limits(
    outcome_seconds=8.0 + 3 * 3.0 + 2.0 + 3.0,
    stall_seconds=5.0,
    max_attempts=3,
    job_seconds=3.0,
    grace_seconds=2.5,
)
"""The rules that follow from these settings, with some slack for a busy machine."""

_PROGRAM = ("-m", "tests.chaos.scheduler")
_TICK_SECONDS = 0.25
_QUIET_SECONDS = 25.0
_GAUGES = ("sessions", "open_slots", "audio_bytes_held")


@dataclass(slots=True)
class Result:
    """What came of a run."""

    seed: int
    oracle: Oracle
    faults: Counter[str] = field(default_factory=Counter)
    leftovers: list[str] = field(default_factory=list)
    """What was still there after everybody had left."""
    log_lines: list[str] = field(default_factory=list)
    """Lines of the scheduler's log that speak of a bug."""
    log: str = ""
    """All of that log."""
    resident_mib: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start and resident memory of the scheduler, over the run."""
    descriptors: tuple[int, int] = (0, 0)
    """Open files of the scheduler before and after."""
    seconds: float = 0.0
    slow_seconds: float = 0.0
    """For how long the machine was too slow to expect anything in time."""
    resumes: int = 0
    streams: int = 0
    """Utterances that a node heard while they were spoken, to their end."""

    @property
    def problems(self) -> list[str]:
        """All that is wrong; empty if the run was good."""
        found = [str(breach) for breach in self.oracle.breaches]
        found += [f"left over: {text}" for text in self.leftovers]
        found += [f"scheduler's log: {line[:300]}" for line in self.log_lines]
        if self.descriptors[1] > self.descriptors[0] + _DESCRIPTOR_SLACK:
            found.append(f"open files grew from {self.descriptors[0]} to {self.descriptors[1]}")
        return found


_DESCRIPTOR_SLACK = 2
"""Connections to the store come and go."""


class _Sampler:
    """Watches the scheduler's process."""

    def __init__(self, pid: int, world: World) -> None:
        self._proc = Path(f"/proc/{pid}")
        self._world = world
        self.resident_mib: list[tuple[float, float]] = []

    def sample(self) -> None:
        """Note the resident memory."""
        pages = int((self._proc / "statm").read_text().split()[1])
        mib = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        self.resident_mib.append((self._world.now(), mib))

    def descriptors(self) -> int:
        """Return how many files the process has open."""
        return len(os.listdir(self._proc / "fd"))  # noqa: PTH208 - only their number counts


class ChaosRun:
    """One run. Life: `run`, once."""

    def __init__(
        self, options: ChaosOptions, on_event: Callable[[Event], None] | None = None
    ) -> None:
        self.plan: ChaosPlan = make_plan(options)
        self.oracle = Oracle(LIMITS)
        self.result = Result(options.seed, self.oracle)
        self._options = options
        self._on_event = on_event
        self._load_is_over = asyncio.Event()
        self._clock = WallClock()
        self._clients: list[ChaosClient] = []
        self._nodes: list[ChaosNode] = []

    async def run(self) -> Result:
        """Run it all, and leave nothing behind."""
        started = time.monotonic()
        store = ChaosStore()
        await store.start()
        try:
            scheduler = await asyncio.to_thread(self._start_scheduler, store)
            try:
                await self._with_scheduler(scheduler, store)
                await asyncio.to_thread(self._end_scheduler, scheduler)
            finally:
                scheduler.kill()
                scheduler.close()
        finally:
            await store.close()
            self._clock.close()
        self.result.seconds = time.monotonic() - started
        return self.result

    def _end_scheduler(self, scheduler: SchedulerProcess) -> None:
        scheduler.terminate()
        try:
            status = scheduler.wait()
            if status != 0:
                self.result.leftovers.append(f"the scheduler ended with status {status}")
        except subprocess.TimeoutExpired:
            status_text = Path(f"/proc/{scheduler.process.pid}/status").read_text()
            state = status_text.partition("State:")[2].partition("\n")[0].strip()
            self.result.leftovers.append(f"the scheduler does not end on SIGTERM: {state}")
        self.result.log_lines = scheduler.complaints()
        self.result.log = scheduler.log()

    def _start_scheduler(self, store: ChaosStore) -> SchedulerProcess:
        flags = [text for name, value in _SETTINGS.items() for text in (f"--{name}", str(value))]
        env = {"LINGUA_REDIS_URL": store.url, OFFSET_FILE: self._clock.path}
        return SchedulerProcess("--port", "0", *flags, env=env, program=_PROGRAM)

    async def _with_scheduler(self, scheduler: SchedulerProcess, store: ChaosStore) -> None:
        target = ("127.0.0.1", scheduler.port)
        client_proxy, node_proxy = FaultProxy(target), FaultProxy(target)
        await client_proxy.start()
        await node_proxy.start()
        world = World(
            self._options,
            store,
            client_proxy,
            node_proxy,
            scheduler.process.pid,
            self._clock,
            self._take,
        )
        try:
            await self._with_world(world, scheduler)
        finally:
            await client_proxy.close()
            await node_proxy.close()

    def _take(self, event: Event) -> None:
        self.oracle.take(event)
        if self._on_event is not None:
            self._on_event(event)

    async def _with_world(self, world: World, scheduler: SchedulerProcess) -> None:
        sampler = _Sampler(scheduler.process.pid, world)
        before = await asyncio.to_thread(sampler.descriptors)
        self._nodes = [ChaosNode(plan, world) for plan in self.plan.nodes]
        self._clients = [ChaosClient(plan, world) for plan in self.plan.sessions]
        nodes = [asyncio.create_task(node.run()) for node in self._nodes]
        ticker = asyncio.create_task(self._tick(world, sampler))
        try:
            await self._load(world)
            world.log(Disturbed, subject=EVERYBODY)  # what follows is no load
            await self._wait_for_quiet(scheduler, dict.fromkeys(_GAUGES, 0.0))
            for node in self._nodes:
                await node.leave()
            await self._wait_for_quiet(scheduler, {"nodes": 0.0})
            self.result.leftovers += await self._store_leftovers(world)
        finally:
            ticker.cancel()
            for task in nodes:
                task.cancel()
            await asyncio.gather(ticker, *nodes, return_exceptions=True)
        self.result.descriptors = before, await asyncio.to_thread(sampler.descriptors)
        self.result.resident_mib = sampler.resident_mib
        self.result.resumes = sum(client.resumes for client in self._clients)
        self.result.streams = sum(node.streams.ended for node in self._nodes)

    async def _tick(self, world: World, sampler: _Sampler) -> None:
        count = 0
        machine = MachineWatch(world, _TICK_SECONDS)
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            machine.look()
            world.log(Tick)
            self.result.slow_seconds = machine.slow_seconds
            if count % 4 == 0:
                sampler.sample()
            count += 1

    # ---- load and faults --------------------------------------------------------------------

    async def _load(self, world: World) -> None:
        """Let all clients say what they have, while things break."""
        talk = [asyncio.create_task(client.run()) for client in self._clients]
        faults = asyncio.create_task(self._inject(world))
        try:
            done, late = await asyncio.wait(talk, timeout=self._options.seconds * 5 + 120)
            for task in done:
                task.result()
            for client, task in zip(self._clients, talk, strict=True):
                if task in late:
                    world.log(Complaint, text=f"{client} never came to its end")
        finally:
            for task in talk:
                task.cancel()
            self._load_is_over.set()
            await asyncio.gather(faults, *talk, return_exceptions=True)
        faults.result()  # each has taken its harm back; one that could not is a mistake of ours

    async def _inject(self, world: World) -> None:
        """Let one fault after the other strike, as long as there is load."""
        rng = Random(self.plan.faults_seed)
        kinds = chosen(self._options.only)
        weights = [kind.weight for kind in kinds]
        targets = Targets(world, self._clients, self._nodes)
        rate = self._options.faults_per_second
        if not rate or not kinds:
            return
        async with asyncio.TaskGroup() as group:
            while world.now() < self._options.seconds and not self._load_is_over.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._load_is_over.wait(), rng.expovariate(rate))
                kind = rng.choices(kinds, weights)[0]
                self.result.faults[kind.__name__] += 1
                own = Random(rng.getrandbits(64))
                group.create_task(kind(own).strike(targets))

    # ---- afterwards -------------------------------------------------------------------------

    async def _wait_for_quiet(self, scheduler: SchedulerProcess, figures: dict[str, float]) -> None:
        wanted = {f"lingua_{name}": value for name, value in figures.items()}
        try:
            await asyncio.to_thread(scheduler.wait_for, wanted, _QUIET_SECONDS)
        except (AssertionError, OSError) as error:
            self.result.leftovers.append(str(error))

    async def _store_leftovers(self, world: World) -> list[str]:
        """Return what stays in the store although everybody has had time to go."""
        deadline = time.monotonic() + _QUIET_SECONDS
        while left := await world.store.leftovers():
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        return left


def run_chaos(options: ChaosOptions, on_event: Callable[[Event], None] | None = None) -> Result:
    """Run it, and say the seed first: a run that hangs must be replayable, too."""
    sys.stderr.write(f"chaos: seed {options.seed}\n")
    return asyncio.run(ChaosRun(options, on_event).run())
