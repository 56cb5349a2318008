"""The store dies under load, in every way: no socket closes, every utterance has its outcome.

What is here for each way: the process goes on and keeps no more than it had, nodes never get more
than fits, registrations are right again by themselves, and afterwards the store holds nothing.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.faults.proxy import Way
from tests.chaos.store import ChaosStore, Survives
from tests.end_to_end.support.steady_load import SteadyLoad, steady_load
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytestmark = pytest.mark.takes(85)

Death = Callable[[ChaosStore], Awaitable[None]]
HEARTBEAT_SECONDS = 15.0
"""Of an existing node: until then everything must be right again."""
MOST_GROWTH_KIB = 24 * 1024
FLAGS = (
    "--session-grace-seconds=0.5",
    "--hangover-manual-ms=5",
    "--node-timeout-ms=120000",  # these nodes send no heartbeats
    "--ping-interval-ms=5000",
    "--ping-timeout-ms=5000",
)


async def restart(store: ChaosStore) -> None:
    await store.restart(Survives.ALL)


async def restart_without_data(store: ChaosStore) -> None:
    await store.restart(Survives.NOTHING)


async def stop_for_ten_seconds(store: ChaosStore) -> None:
    await stopped(store, 10.0)


async def stopped(store: ChaosStore, seconds: float) -> None:
    """Keep the server's process from running."""
    assert store._process is not None
    store._process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    store._process.send_signal(signal.SIGCONT)


async def partition_for_thirty_seconds(store: ChaosStore) -> None:
    await partitioned(store, 30.0)


async def partitioned(store: ChaosStore, seconds: float) -> None:
    """Let everything vanish on the way, without a word to anybody."""
    store.proxy.is_partitioned = True
    for link in list(store.proxy.links):
        link.swallow()
    await asyncio.sleep(seconds)
    store.proxy.is_partitioned = False


async def lose_replies(store: ChaosStore) -> None:
    """Let scripts run whose replies are lost, again and again."""
    for _ in range(3):
        for link in list(store.proxy.links):
            link.swallow(Way.DOWN)
        await asyncio.sleep(0.1)
        for link in list(store.proxy.links):
            link.reset()
        await asyncio.sleep(0.5)


async def flush_scripts(store: ChaosStore) -> None:
    await store.command("SCRIPT", "FLUSH")


async def flush_all(store: ChaosStore) -> None:
    await store.command("FLUSHALL")


async def fail_over_to_an_empty_replica(store: ChaosStore) -> None:
    """Let another server, which knows nothing, stand behind the address."""
    await store.fail_over()


async def be_slow(store: ChaosStore) -> None:
    """Take 200 ms for every answer."""
    for link in store.proxy.links:
        for weather in link.weather():
            weather.delay_seconds = 0.1
    await asyncio.sleep(3)
    for link in store.proxy.links:
        for weather in link.weather():
            weather.delay_seconds = 0.0


@asynccontextmanager
async def scheduler_on(store: ChaosStore) -> AsyncIterator[SchedulerProcess]:
    """Run a scheduler on this store; the proxy lives on this loop, so nothing here may block."""
    await store.start()
    manager = running_scheduler("--redis-url", store.url, *FLAGS)
    scheduler = await asyncio.to_thread(manager.__enter__)
    try:
        yield scheduler
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
        await store.close()


def descriptors(scheduler: SchedulerProcess) -> int:
    return len(list(Path(f"/proc/{scheduler.process.pid}/fd").iterdir()))


def resident_kib(scheduler: SchedulerProcess) -> int:
    status = Path(f"/proc/{scheduler.process.pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


async def until_nothing_is_left(store: ChaosStore) -> None:
    """The scripts of the nodes that have just left may still be on their way."""
    deadline = time.monotonic() + 5
    while left := await store.leftovers():
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)


async def until_registered(scheduler: SchedulerProcess, load: SteadyLoad) -> None:
    """Return when the store knows all nodes as they are, and so says the scheduler."""
    deadline = time.monotonic() + HEARTBEAT_SECONDS
    while True:
        states = []
        for node in load.nodes:
            answer = await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{node.node_id}")
            states.append(answer.json["state"] if answer.status == 200 else answer.status)
        if states == ["online"] * len(load.nodes):
            return
        assert time.monotonic() < deadline, states
        await asyncio.sleep(0.1)


DEATHS = (
    restart,
    restart_without_data,
    stop_for_ten_seconds,
    partition_for_thirty_seconds,
    lose_replies,
    flush_scripts,
    flush_all,
    fail_over_to_an_empty_replica,
    be_slow,
)


@pytest.mark.parametrize("die", DEATHS, ids=lambda die: die.__name__)
@pytest.mark.timeout(240)
@over_sockets
async def test_words_sessions_and_registrations_survive(die: Death) -> None:
    store = ChaosStore()
    async with scheduler_on(store) as scheduler:
        async with steady_load(scheduler) as load, raw_client(scheduler.session_url) as quiet:
            await asyncio.sleep(1)
            files, memory = descriptors(scheduler), resident_kib(scheduler)
            await die(store)
            await until_registered(scheduler, load)
            await asyncio.sleep(1)
            outcomes = await load.stop()
            load.check()
            await quiet.speak(tone(200))  # it has been silent since it came
            assert (await quiet.result())["utterance_index"] == 0
            translated = sum(one["type"] == "translation_result" for one in outcomes)
            reasons = {one["reason"] for one in outcomes if "reason" in one}
            assert reasons <= {"store_unavailable", "queue_full", "no_available_node"}
            assert translated >= 6
            assert descriptors(scheduler) <= files + 1
            assert resident_kib(scheduler) - memory < MOST_GROWTH_KIB
            assert scheduler.process.poll() is None
        await asyncio.to_thread(scheduler.wait_until_idle)
        await until_nothing_is_left(store)
