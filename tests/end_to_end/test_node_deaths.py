"""Nodes are killed, frozen and cut off as processes and connections are, with work in hand."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.chaos.faults.proxy import FaultProxy
from tests.end_to_end.support.processes.node_process import NodeProgram, node_processes
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import until

pytestmark = pytest.mark.takes(13)

NODE_TIMEOUT = 1.5
BEAT = 0.3
FROZEN = 5.0
"""Seconds."""


@pytest.fixture(scope="module")
def watchful() -> Iterator[SchedulerProcess]:
    """A scheduler that soon takes a silent node for lost, and waits long for an answer."""
    flags = (
        f"--node-timeout-ms={int(NODE_TIMEOUT * 1000)}",
        "--session-grace-seconds=0.5",
        "--hangover-manual-ms=5",
        "--node-probe-ms=300",
    )
    with running_scheduler(*flags) as process:
        yield process
        process.wait_until_idle()


async def crowd(stack: AsyncExitStack, url: str, pair: Pair, count: int) -> list[RawClient]:
    return [await stack.enter_async_context(raw_client(url, *pair)) for _ in range(count)]


async def translations(clients: list[RawClient]) -> None:
    """Each client gets one translation, and nothing else."""
    results = await asyncio.gather(*(client.result(seconds=20) for client in clients))
    assert len(results) == len(clients)
    await asyncio.gather(*(client.fence() for client in clients))
    assert [len(client.outcomes()) for client in clients] == [1] * len(clients)


def program(
    scheduler: SchedulerProcess, pair: Pair, work_seconds: float, beat_seconds: float = 15.0
) -> NodeProgram:
    return NodeProgram(scheduler.node_url, *pair, 20, work_seconds, beat_seconds)


@over_sockets
async def test_fifty_utterances_in_flight_survive_the_kill_of_one_of_three_nodes(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    with node_processes(program(scheduler, pair, work_seconds=1.0), 3) as nodes:
        async with AsyncExitStack() as stack:
            clients = await crowd(stack, scheduler.session_url, pair, 50)
            await asyncio.gather(*(client.speak(tone(300)) for client in clients))
            for client in clients:
                await client.hear("ui_event", event="DISPATCHED")
            held = await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{nodes[0].node_id}")
            assert held.json["slots"]["used"] >= 10
            nodes[0].process.kill()
            await translations(clients)
            moved = await asyncio.to_thread(_attempts, scheduler, clients)
            assert moved.count(2) == held.json["slots"]["used"]
            assert set(moved) == {1, 2}


def _attempts(scheduler: SchedulerProcess, clients: list[RawClient]) -> list[int]:
    jobs = [client.outcomes()[0]["job_id"] for client in clients]
    return [scheduler.get(f"/api/v1/jobs/{job}").json["attempt"] for job in jobs]


@over_sockets
async def test_a_node_that_stops_for_a_while_loses_its_jobs_and_is_used_again(
    watchful: SchedulerProcess, pair: Pair
) -> None:
    """What it says when it goes on is of attempts that were given up."""
    patient = program(watchful, pair, work_seconds=0.5, beat_seconds=BEAT)
    with node_processes(patient, 2) as nodes:
        async with AsyncExitStack() as stack:
            clients = await crowd(stack, watchful.session_url, pair, 10)
            await asyncio.gather(*(client.speak(tone(300)) for client in clients))
            for client in clients:
                await client.hear("ui_event", event="DISPATCHED")
            stopped = nodes[0]
            stopped.process.send_signal(signal.SIGSTOP)
            try:
                await translations(clients)
                await asyncio.sleep(FROZEN)
            finally:
                stopped.process.send_signal(signal.SIGCONT)
            await until_state(watchful, stopped.node_id, "online")
            nodes[1].process.kill()
            [late] = await crowd(stack, watchful.session_url, pair, 1)
            await late.speak(tone(300))
            await translations([late])
            await translations_stay(clients)


async def translations_stay(clients: list[RawClient]) -> None:
    await asyncio.gather(*(client.fence() for client in clients))
    assert [len(client.outcomes()) for client in clients] == [1] * len(clients)


async def until_state(scheduler: SchedulerProcess, node_id: str, state: str) -> None:
    async def is_so() -> bool:
        answer = await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{node_id}")
        return bool(answer.json["state"] == state)

    await until(is_so, state)


# ---- half-open connections ----------------------------------------------------------------------


@asynccontextmanager
async def beating(node: RawNode) -> AsyncIterator[None]:
    """Let a node be heard all the time."""

    async def beat() -> None:
        while node.is_open:
            await node.beat()
            await asyncio.sleep(BEAT)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def proxied(scheduler: SchedulerProcess) -> AsyncIterator[tuple[FaultProxy, str]]:
    """Yield a proxy in front of the scheduler and the URL for nodes behind it."""
    proxy = FaultProxy(("127.0.0.1", scheduler.port))
    await proxy.start()
    try:
        yield proxy, f"ws://127.0.0.1:{proxy.port}/ws/node"
    finally:
        await proxy.close()


@over_sockets
async def test_a_node_behind_a_dead_line_loses_its_job_when_it_is_not_heard(
    watchful: SchedulerProcess, pair: Pair
) -> None:
    """Neither end is told: bytes vanish, and so does the answer."""
    ability = Ability((pair[0],), (pair[1],))
    async with (
        proxied(watchful) as (proxy, url),
        raw_client(watchful.session_url, *pair) as client,
        raw_node(url, ability) as cut_off,
        beating(cut_off),
    ):
        await client.speak(tone(300))
        job = await cut_off.job()
        for link in proxy.links:
            link.swallow()
        async with raw_node(watchful.node_url, ability) as other, beating(other):
            await cut_off.answer(job, "lost words")
            again = await other.job()
            assert again["attempt_id"] == 2
            assert again["audio"] == job["audio"]
            await other.answer(again, "saved")
            assert (await client.result())["text_asr"] == "saved"
        cut_off.abort()  # a close would wait for an answer


@over_sockets
async def test_a_node_that_comes_back_beside_its_dead_line_answers_there(
    watchful: SchedulerProcess, pair: Pair
) -> None:
    """It noticed first; the scheduler still holds the old socket, which never says a word again."""
    async with (
        proxied(watchful) as (proxy, url),
        raw_client(watchful.session_url, *pair) as client,
        raw_node(url, Ability((pair[0],), (pair[1],))) as before,
    ):
        await client.speak(tone(300))
        job = await before.job()
        for link in proxy.links:
            link.swallow()
        same = Ability((pair[0],), (pair[1],), node_id=before.node_id)
        async with raw_node(watchful.node_url, same) as back, beating(back):
            back.remember(before)
            await back.answer(job, "heard all the same")
            result = await client.result()
            assert result["text_asr"] == "heard all the same"
            await asyncio.sleep(NODE_TIMEOUT + 0.5)
            await client.speak(tone(300))
            again = await back.job()
            assert again["attempt_id"] == 1
            await back.answer(again)
            await client.result()
        before.abort()
