"""How many jobs a node gets, and who waits how long."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.many_peers import clients_of, events_of, nodes_of
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

CROWD = 200
WORK_SECONDS = 0.02


@pytest.fixture
def scheduler(scheduler_for_crowds: SchedulerProcess) -> SchedulerProcess:
    return scheduler_for_crowds


# ---- many at the same instant -------------------------------------------------------------------


@over_sockets
async def test_two_hundred_utterances_at_one_instant_never_open_more_than_four(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        (node,) = await nodes_of(stack, scheduler, Ability.of(pair))
        node.answers(after_seconds=WORK_SECONDS)
        clients = await clients_of(stack, scheduler, pair, CROWD)
        for client in clients:
            await client.chunk(tone(300))
        await clients[-1].fence()
        await asyncio.gather(*(client.final() for client in clients))
        results = await asyncio.gather(*(client.result(seconds=20) for client in clients))
        assert [result["utterance_index"] for result in results] == [0] * CROWD
        assert node.peak_jobs == 4
        assert len(node.jobs) == CROWD
        assert len({job["speaker_key"] for job in node.jobs}) == CROWD
        queued = events_of(clients, "QUEUED")
        assert len(queued) >= CROWD - 10
        assert all(0 <= event["wait_ms_estimate"] <= 10_000 for event in queued)
        slots = (await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{node.node_id}")).json
        assert slots["slots"] == {"used": 0, "max": 4}


@over_sockets
async def test_a_crowd_survives_the_death_of_one_of_its_nodes(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=3)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, ability, ability)
        for node in nodes:
            node.answers(after_seconds=WORK_SECONDS)
        clients = await clients_of(stack, scheduler, pair, 60)
        for client in clients:
            await client.speak(tone(300))
        await nodes[0].hear("job_assign")
        await asyncio.sleep(3 * WORK_SECONDS)
        nodes[0].abort()
        results = await asyncio.gather(*(client.result(seconds=20) for client in clients))
        assert len(results) == 60
        assert [node.peak_jobs for node in nodes] == [3, 3]
        assert any(job["attempt_id"] == 2 for job in nodes[1].jobs)


@over_sockets
async def test_estimates_of_the_wait_fall_with_the_queue(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Once the pace is known, who is further back is told a longer wait."""
    async with AsyncExitStack() as stack:
        ability = Ability.of(pair, capacity=1)
        (node,) = await nodes_of(stack, scheduler, ability)
        node.answers(after_seconds=WORK_SECONDS)
        clients = await clients_of(stack, scheduler, pair, 25)
        for client in clients[:12]:
            await client.speak(tone(300))
        await asyncio.gather(*(client.result(seconds=20) for client in clients[:12]))
        node.on_job = lambda _job: None
        waits = []
        for client in clients[12:]:
            await client.speak(tone(300))
            event = await client.hear_any(("ui_event",))
            waits.append(event.get("wait_ms_estimate", 0))
        assert waits == sorted(waits)
        assert 0 < waits[-1] < 5000
        node.answers()
        for job in node.jobs[12:]:
            await node.answer(job)
        await asyncio.gather(*(client.result(seconds=20) for client in clients[12:]))


# ---- fairness -----------------------------------------------------------------------------------


@over_sockets
async def test_who_bursts_does_not_make_the_others_wait(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """One session has 40 utterances waiting when eight others come with one each."""
    async with AsyncExitStack() as stack:
        ability = Ability.of(pair, capacity=2)
        (node,) = await nodes_of(stack, scheduler, ability)
        (burst,) = await clients_of(stack, scheduler, pair, 1)
        others = await clients_of(stack, scheduler, pair, 8)
        languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
        for index in range(40):
            await burst.utterance(index, tone(1200), **languages)
        await burst.hear("ui_event", event="QUEUED", utterance_index=39)
        for client in others:
            await client.speak(tone(1200))
            await client.hear("ui_event", event="QUEUED")
        node.answers(after_seconds=0.005)
        for job in list(node.jobs):
            await node.answer(job)
        began = time.monotonic()
        await asyncio.gather(*(client.result() for client in others))
        waited = time.monotonic() - began
        served = [job["speaker_key"] for job in node.jobs]
        places = [served.index(client.known_as) for client in others]
        assert max(places) <= 2 + len(others) + 2, places
        for index in range(40):
            assert (await burst.result())["utterance_index"] == index
        assert waited < time.monotonic() - began
        assert [job["nth"] for job in node.jobs if job["speaker_key"] == served[0]] == [*range(40)]


@over_sockets
async def test_two_who_burst_share_a_node_evenly(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        ability = Ability.of(pair, capacity=1)
        (node,) = await nodes_of(stack, scheduler, ability)
        clients = await clients_of(stack, scheduler, pair, 2)
        languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
        for client in clients:
            for index in range(15):
                await client.utterance(index, tone(1200), **languages)
            await client.hear("ui_event", event="QUEUED", utterance_index=14)
        node.answers()
        await node.answer(node.jobs[0])
        for client in clients:
            for _ in range(15):
                await client.result()
        first_half = Counter(job["speaker_key"] for job in node.jobs[:16])
        assert min(first_half.values()) >= 7, first_half


@over_sockets
async def test_a_session_that_bursts_slowly_long_utterances_pays_for_their_length(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A cost is a length: who says four times as much per utterance gets a quarter as many."""
    async with AsyncExitStack() as stack:
        ability = Ability.of(pair, capacity=1)
        (node,) = await nodes_of(stack, scheduler, ability)
        long, short = await clients_of(stack, scheduler, pair, 2)
        languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
        for index in range(10):
            await long.utterance(index, tone(4000), **languages)
        await long.hear("ui_event", event="QUEUED", utterance_index=9)
        for index in range(16):
            await short.utterance(index, tone(1000), **languages)
        await short.hear("ui_event", event="QUEUED", utterance_index=15)
        node.answers()
        await node.answer(node.jobs[0])
        for _ in range(16):
            await short.result()
        begun = Counter(job["speaker_key"] for job in node.jobs[:20])
        assert begun[short.known_as] >= 13, begun
        for _ in range(10):
            await long.result()
