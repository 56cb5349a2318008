"""Instances that die, stand still or are cut off: nobody loses words that another could carry."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.chaos.faults.proxy import FaultProxy
from tests.end_to_end.support.processes.instances import (
    FLAGS,
    Instances,
    free_port,
    running_instances,
)
from tests.end_to_end.support.processes.redis_tap import RedisEyes
from tests.support.peers.raw_client import RawClient, noise, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import over_sockets
from tests.support.processes.redis_server import real_server
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import until

pytestmark = pytest.mark.takes(42)

WITHIN_SECONDS = 5.0
"""What a dead instance held is free, or elsewhere, by then."""
EN_ES = ("en", "es")


def able(capacity: int = 4, node_id: str | None = None) -> Ability:
    return Ability(capacity=capacity, node_id=node_id)


@dataclass
class Speakers:
    """Clients that go on speaking, each the next utterance when the last has its outcome."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    spoken: int = 0
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, client: RawClient) -> None:
        """Speak until told to stop; every utterance has exactly one outcome (the client checks)."""
        while not self.stop.is_set():
            await client.speak(tone(300))
            self.spoken += 1
            self.outcomes.append(await client.outcome(seconds=20))


@asynccontextmanager
async def speaking(url: str, count: int) -> AsyncIterator[Speakers]:
    """Let so many clients speak; at the end everyone has all their outcomes."""
    speakers = Speakers()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(raw_client(url)) for _ in range(count)]
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(speakers.run(client))
            yield speakers
            speakers.stop.set()
        assert len(speakers.outcomes) == speakers.spoken


@contextmanager
def nothing_is_stuck(store_url: str) -> Any:
    """When it is over, the store holds no open job, no waiting one and no slot."""
    yield
    eyes = RedisEyes(store_url)
    try:
        keys = eyes.all_keys()
        left = [key for key in keys if key.endswith((":slots", ":jobs", ":queued", "v1:qs"))]
        states = [f"lingua:v1:jobs:{state}" for state in ("assigned", "running", "queued")]
        open_jobs = [state for state in states if eyes.number("ZCARD", state)]
        assert not left, left
        assert not open_jobs, open_jobs
    finally:
        eyes.close()


def ends(result: dict[str, Any]) -> str:
    return "done" if result["type"] == "translation_result" else result["reason"]


def kill(process: SchedulerProcess) -> None:
    """End it as the machine's end does."""
    process.kill()


@over_sockets
async def test_the_death_of_an_instance_under_load_costs_nobody_elsewhere_a_word() -> None:
    with running_instances(2) as instances, nothing_is_stuck(instances.store_url):
        async with (
            raw_node(instances[0].node_url, able(capacity=8)) as near,
            RawNode(instances[1].node_url, able(capacity=8)) as far,
        ):
            await far.register()
            for node in (near, far):
                node.answers(after_seconds=0.03)
            async with speaking(instances[0].session_url, 12) as speakers:
                await until(lambda: len(far.jobs) > 20 and len(near.jobs) > 20)
                kill(instances[1])
                before = len(speakers.outcomes)
                await until(lambda: len(speakers.outcomes) > before + 100)
                await asyncio.sleep(WITHIN_SECONDS)
            assert {ends(outcome) for outcome in speakers.outcomes} == {"done"}
            assert near.peak <= 8
        await asyncio.to_thread(instances[0].wait_until_idle)


@over_sockets
async def test_jobs_at_a_node_of_a_dead_instance_are_elsewhere_within_five_seconds() -> None:
    with running_instances(2) as instances:
        async with (
            RawNode(instances[1].node_url, able()) as far,
            raw_client(instances[0].session_url) as client,
        ):
            await far.register()
            spoken = [tone(300) + noise(number, 3200) for number in range(3)]
            for audio in spoken:
                await client.speak(audio)
            for _ in spoken:
                await far.job()
            async with raw_node(instances[0].node_url, able()) as near:
                kill(instances[1])
                died_at = time.monotonic()
                jobs = [await near.job() for _ in spoken]
                assert time.monotonic() - died_at < WITHIN_SECONDS
                assert [audio_of(job) for job in jobs] == spoken
                assert [job["job_id"][-2:] for job in jobs] == ["~2"] * 3
                for job in jobs:
                    await near.answer(job)
                results = [await client.result() for _ in jobs]
                assert [result["utterance_index"] for result in results] == [0, 1, 2]


@over_sockets
async def test_what_waited_for_a_dead_instance_makes_room_for_others() -> None:
    """Its running job keeps its slot until the node answers; its waiting ones are gone."""
    with running_instances(2) as instances, nothing_is_stuck(instances.store_url):
        async with (
            raw_node(instances[0].node_url, able(capacity=1)) as node,
            RawClient(instances[1].session_url) as doomed,
            raw_client(instances[0].session_url) as client,
        ):
            await doomed.init(*EN_ES)
            for _ in range(3):
                await doomed.speak(tone(300))
            job = await node.job()
            kill(instances[1])
            died_at = time.monotonic()
            await client.speak(tone(300))
            await node.answer(job, "nobody hears this yet")
            ours = await node.job()
            assert time.monotonic() - died_at < WITHIN_SECONDS
            await node.answer(ours, "ours")
            assert (await client.result())["text_asr"] == "ours"
            assert node.peak == 1
            await until(lambda: asyncio.to_thread(lambda: len(_instances_known(instances)) == 1))


def _instances_known(instances: Instances) -> list[str]:
    cluster = instances[0].get("/api/v1/cluster").json
    return [one["instance_id"] for one in cluster["instances"]]


@over_sockets
async def test_a_node_of_a_dead_instance_goes_on_where_it_comes_back() -> None:
    with running_instances(2) as instances:
        async with (
            RawNode(instances[1].node_url, able()) as before,
            raw_client(instances[0].session_url) as client,
        ):
            await before.register()
            await client.speak(tone(300))
            job = await before.job()
            kill(instances[1])
            returning = able(node_id=before.node_id)
            async with RawNode(instances[0].node_url, returning) as after:
                after.remember(before)
                await after.register()
                await after.answer(job, "worked on all the time")
                assert (await client.result(seconds=3))["text_asr"] == "worked on all the time"
                await client.speak(tone(300))
                await after.answer(await after.job())
                await client.result()


@over_sockets
async def test_an_instance_that_stood_still_does_no_harm() -> None:
    """It is stopped for 6 s under load, and goes on: nothing is lost, doubled or stuck."""
    with running_instances(2) as instances, nothing_is_stuck(instances.store_url):
        async with (
            raw_node(instances[0].node_url, able(capacity=6)) as near,
            raw_node(instances[1].node_url, able(capacity=6)) as far,
        ):
            for node in (near, far):
                node.answers(after_seconds=0.03)
            async with (
                speaking(instances[0].session_url, 10) as speakers,
                speaking(instances[1].session_url, 4) as sleepers,
            ):
                await until(lambda: len(far.jobs) > 20 and len(near.jobs) > 20)
                os.kill(instances[1].process.pid, signal.SIGSTOP)
                await asyncio.sleep(6)
                during = len(near.jobs)
                os.kill(instances[1].process.pid, signal.SIGCONT)
                await until(lambda: len(near.jobs) > during + 50)
                far_before = len(far.jobs)
                await until(lambda: len(far.jobs) > far_before + 20, seconds=40)
            assert {ends(outcome) for outcome in speakers.outcomes} == {"done"}
            slept = [ends(outcome) for outcome in sleepers.outcomes]
            assert set(slept) <= {"done", "instance_lost"}, slept
            assert near.peak <= 6
            assert far.peak <= 6
        for process in instances.processes:
            await asyncio.to_thread(process.wait_until_idle)


@over_sockets
async def test_instances_that_cannot_reach_each_other_find_other_nodes() -> None:
    """The line between them is dead and nobody is told; later it is there again."""
    async with (
        cut_off_by_proxies() as (instances, proxies),
        AsyncExitStack() as stack,
    ):
        near, far = [
            await stack.enter_async_context(raw_node(process.node_url, able(capacity=6)))
            for process in instances.processes
        ]
        for node in (near, far):
            node.answers(after_seconds=0.1)
        async with speaking(instances[0].session_url, 10) as speakers:
            await until(lambda: len(far.jobs) > 20)
            for proxy in proxies:
                proxy.is_partitioned = True
                for link in list(proxy.links):
                    link.swallow()
            await asyncio.sleep(4.5)
            during = len(near.jobs)
            await until(lambda: len(near.jobs) > during + 50)
            for proxy in proxies:
                proxy.is_partitioned = False
                for link in list(proxy.links):
                    link.reset()
            again = len(far.jobs)
            await until(lambda: len(far.jobs) > again + 20)
        assert {ends(outcome) for outcome in speakers.outcomes} == {"done"}
        assert near.peak <= 6
        assert far.peak <= 6


@asynccontextmanager
async def cut_off_by_proxies() -> AsyncIterator[tuple[Instances, list[FaultProxy]]]:
    """Two instances; what they send to each other passes through a proxy each."""
    proxies, own = [], []
    for _ in range(2):
        port = free_port()
        proxy = FaultProxy(("127.0.0.1", port))
        await proxy.start()
        proxies.append(proxy)
        url = f"ws://127.0.0.1:{proxy.port}/ws/peer"
        own.append(("--peer-port", str(port), "--peer-url", url))
    try:
        with running_instances(2, own=own) as instances, nothing_is_stuck(instances.store_url):
            yield instances, proxies
            for process in instances.processes:
                await asyncio.to_thread(process.wait_until_idle)
    finally:
        for proxy in proxies:
            await proxy.close()


@over_sockets
async def test_an_instance_that_is_cut_off_from_the_store_does_no_harm() -> None:
    """It reaches its node and the other instance, but not the store: others take it for dead."""
    with real_server() as url:
        proxy = FaultProxy(Path(urlsplit(url).path))
        await proxy.start()
        cut = f"redis://127.0.0.1:{proxy.port}/0"
        async with AsyncExitStack() as stack:
            stack.push_async_callback(proxy.close)
            a = await _started(stack, "--redis-url", url, "--instance-id", "a")
            b = await _started(stack, "--redis-url", cut, "--instance-id", "b")
            stack.enter_context(nothing_is_stuck(url))
            near, far = [
                await stack.enter_async_context(raw_node(process.node_url, able(capacity=6)))
                for process in (a, b)
            ]
            for node in (near, far):
                node.answers(after_seconds=0.03)
            async with speaking(a.session_url, 10) as speakers:
                await until(lambda: len(far.jobs) > 20)
                for link in list(proxy.links):
                    link.stall()
                await asyncio.sleep(6)
                during = len(near.jobs)
                await until(lambda: len(near.jobs) > during + 50)
                for link in list(proxy.links):
                    link.release()
                again = len(far.jobs)
                await until(lambda: len(far.jobs) > again + 20)
            assert {ends(outcome) for outcome in speakers.outcomes} == {"done"}
            assert near.peak <= 6
            assert far.peak <= 6
            for node in (near, far):
                await node.aclose()
            for process in (a, b):
                await asyncio.to_thread(process.wait_until_idle)


async def _started(stack: AsyncExitStack, *flags: str) -> SchedulerProcess:
    """Start a scheduler without stopping the loop: what it needs may run there."""
    running = running_scheduler(*FLAGS, *flags)
    process = await asyncio.to_thread(running.__enter__)

    async def stop() -> None:
        await asyncio.to_thread(running.__exit__, None, None, None)

    stack.push_async_callback(stop)
    return process
