"""A node that answers every job with an error costs nobody an utterance."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.end_to_end.support.many_peers import clients_of, nodes_of
from tests.support.peers.raw_client import RawClient, tone
from tests.support.peers.raw_node import Ability, RawNode
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

LIMIT = 3
SUSPECT_S = 1.0


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler(
        "--hangover-manual-ms=5", "--ingest-rate=1000", f"--suspect-ms={int(SUSPECT_S * 1000)}"
    ) as process:
        yield process


def errs(node: RawNode) -> None:
    """Answer every job at once with an error from now on."""
    refusals: set[asyncio.Task[None]] = set()

    def begin(job: Message) -> None:
        task = asyncio.create_task(node.refuse(job, "PROCESSING_ERROR", "CUDA error"))
        refusals.add(task)
        task.add_done_callback(refusals.discard)

    node.on_job = begin


async def shown(scheduler: SchedulerProcess, node: RawNode) -> Message:
    path = f"/api/v1/nodes/{node.node_id}"
    answer: Message = (await asyncio.to_thread(scheduler.get, path)).json
    return answer


async def say(client: RawClient, times: int) -> None:
    for _ in range(times):
        await client.speak(tone(300))
        await client.result()


@pytest.mark.parametrize("sessions", [1, 2, 6])
@over_sockets
async def test_no_utterance_is_lost_beside_a_node_that_fails_everything(
    scheduler: SchedulerProcess, pair: Pair, sessions: int
) -> None:
    ability = Ability.of(pair, capacity=4)
    async with AsyncExitStack() as stack:
        bad, good = await nodes_of(stack, scheduler, ability, ability)
        errs(bad)
        good.answers(after_seconds=0.02)
        clients = await clients_of(stack, scheduler, pair, sessions)
        await asyncio.gather(*(say(client, 36 // sessions) for client in clients))
        assert len(bad.jobs) <= LIMIT
        assert all(job["attempt_id"] == 1 for job in bad.jobs)


@over_sockets
async def test_a_sick_node_says_so_gets_one_job_on_trial_and_is_trusted_again(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=2)
    async with AsyncExitStack() as stack:
        bad, good = await nodes_of(stack, scheduler, ability, ability)
        errs(bad)
        good.answers(after_seconds=0.02)
        clients = await clients_of(stack, scheduler, pair, 4)
        await asyncio.gather(*(say(client, 3) for client in clients))
        wasted = len(bad.jobs)
        row = await shown(scheduler, bad)
        assert row["why_not_chosen"][0].startswith("sick: ")
        route = f"/api/v1/route?src={pair[0]}&tgt={pair[1]}"
        rows = (await asyncio.to_thread(scheduler.get, route)).json["nodes"]
        assert [each["node_id"] for each in rows] == [good.node_id, bad.node_id]
        assert any(each.startswith("sick: ") for each in rows[1]["reasons"])
        assert scheduler.metrics()['lingua_nodes_by_state{state="sick"}'] >= 1
        scheduler.wait_for_log("node answers with errors only")
        bad.answers(after_seconds=0.02)
        good.answers(after_seconds=0.3)
        async with asyncio.timeout(10 * SUSPECT_S):
            while len(bad.jobs) <= wasted + 1:
                await asyncio.gather(*(say(client, 1) for client in clients))
        assert (await shown(scheduler, bad))["why_not_chosen"] == []


@over_sockets
async def test_a_node_that_alone_serves_a_pair_is_used_however_often_it_fails(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        (only,) = await nodes_of(stack, scheduler, Ability.of(pair, capacity=2))
        errs(only)
        clients = await clients_of(stack, scheduler, pair, 4)
        for client in clients:
            await client.speak(tone(300))
            assert (await client.missing())["reason"] == "processing_error"
        only.answers()
        for client in clients:
            await client.speak(tone(300))
            await client.result()


@over_sockets
async def test_what_no_node_can_do_makes_no_node_sick(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=2)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, ability, ability)
        for node in nodes:
            errs(node)
        (client,) = await clients_of(stack, scheduler, pair, 1)
        for _ in range(5):
            await client.speak(tone(300))
            assert (await client.missing())["reason"] == "processing_error"
        assert [len(node.jobs) for node in nodes] == [5, 5]
        for node in nodes:
            assert (await shown(scheduler, node))["why_not_chosen"] == []


@over_sockets
async def test_a_refused_utterance_whose_audio_is_not_kept_ends_as_refused(pair: Pair) -> None:
    with running_scheduler("--hangover-manual-ms=5", "--audio-hold=sent") as scheduler:
        async with AsyncExitStack() as stack:
            ability = Ability.of(pair)
            for node in await nodes_of(stack, scheduler, ability, ability):
                errs(node)
            (client,) = await clients_of(stack, scheduler, pair, 1)
            await client.speak(tone(300))
            assert (await client.missing())["reason"] == "processing_error"


@over_sockets
async def test_a_monologue_loses_nothing_beside_a_node_that_fails_everything(pair: Pair) -> None:
    with running_scheduler("--hangover-manual-ms=5", "--max-duration-ms=1000") as scheduler:
        async with AsyncExitStack() as stack:
            ability = replace(Ability.of(pair, capacity=4), joins_turns=False)
            bad, good = await nodes_of(stack, scheduler, ability, ability)
            errs(bad)
            good.answers(after_seconds=0.02)
            clients = await clients_of(stack, scheduler, pair, 2)
            for client in clients:
                for _ in range(3):
                    await client.chunk(tone(1000))
                await client.chunk(tone(500), final=True)
            for client in clients:
                for _ in range(4):
                    await client.result()
            assert bad.jobs
