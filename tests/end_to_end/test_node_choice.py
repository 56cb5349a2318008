"""Which of several nodes gets a job: by load, by languages, by what they say of themselves."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.many_peers import (
    HOLD,
    SWEEP,
    clients_of,
    events_of,
    nodes_of,
    speak_in_turn,
)
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess
from tests.support.waiting import until


@pytest.fixture
def scheduler(scheduler_for_crowds: SchedulerProcess) -> SchedulerProcess:
    return scheduler_for_crowds


# ---- the choice ---------------------------------------------------------------------------------


@over_sockets
async def test_the_least_loaded_node_is_chosen(scheduler: SchedulerProcess, pair: Pair) -> None:
    ability = Ability.of(pair)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, ability, ability, ability)
        clients = await clients_of(stack, scheduler, pair, 9)
        for spoken in range(3, 10, 3):
            await speak_in_turn(clients[spoken - 3 : spoken])
            assert [node.open_jobs for node in nodes] == [spoken // 3] * 3
        for node in nodes:
            for job in node.jobs:
                await node.answer(job)
        await asyncio.gather(*(client.result() for client in clients))


@over_sockets
async def test_load_is_a_share_of_what_a_node_can_take(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    big = Ability.of(pair, capacity=8)
    small = Ability.of(pair, capacity=2)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, big, small)
        clients = await clients_of(stack, scheduler, pair, 10)
        await speak_in_turn(clients[:5])
        assert [node.open_jobs for node in nodes] == [4, 1]
        await speak_in_turn(clients[5:])
        assert [node.open_jobs for node in nodes] == [8, 2]
        for node in nodes:
            for job in node.jobs:
                await node.answer(job)
        await asyncio.gather(*(client.result() for client in clients))


@over_sockets
async def test_a_session_stays_with_its_node_while_that_has_a_free_slot(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=2)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, ability, ability, ability)
        for node in nodes:
            node.answers()
        clients = await clients_of(stack, scheduler, pair, 2)
        for _ in range(4):
            for client in clients:
                await client.speak(tone(300))
                await client.result()
        served = [Counter(job["speaker_key"] for job in node.jobs) for node in nodes]
        for client in clients:
            assert sorted(count[client.known_as] for count in served) == [0, 0, 4]


@over_sockets
async def test_a_session_goes_elsewhere_when_its_node_is_full(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=1)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, ability, ability)
        (client,) = await clients_of(stack, scheduler, pair, 1)
        await speak_in_turn([client, client])
        assert [node.open_jobs for node in nodes] == [1, 1]
        for node in nodes:
            await node.answer(node.jobs[0])
        await client.result()
        await client.result()


@pytest.mark.parametrize("capacity", [1, 2, 7])
@over_sockets
async def test_a_node_gets_as_many_jobs_as_it_says(
    scheduler: SchedulerProcess, pair: Pair, capacity: int
) -> None:
    async with AsyncExitStack() as stack:
        ability = Ability.of(pair, capacity=capacity)
        (node,) = await nodes_of(stack, scheduler, ability)
        clients = await clients_of(stack, scheduler, pair, capacity + 2)
        for client in clients:
            await client.speak(tone(300))
        for client in clients:
            await client.hear_any(("ui_event",))
        assert len(events_of(clients, "QUEUED")) == 2
        await until(lambda: node.open_jobs == capacity, "the node has not got all jobs")
        node.answers()
        for job in list(node.jobs):
            await node.answer(job)
        await asyncio.gather(*(client.result() for client in clients))
        assert node.peak_jobs == capacity


# ---- languages ----------------------------------------------------------------------------------


@over_sockets
async def test_a_node_gets_only_the_pairs_it_serves(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    source, target = pair
    other = f"{target}o"
    abilities = [
        Ability(asr=(source,), semantic=(target,)),
        Ability(asr=(source,), semantic=(other,)),
        Ability(asr=(other,), semantic=(target, source)),
    ]
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, *abilities)
        wanted = [(source, target), (source, other), (other, target), (other, source)]
        for asked in wanted * 2:
            (client,) = await clients_of(stack, scheduler, asked, 1)
            await client.speak(tone(300))
            await client.hear("ui_event", event="DISPATCHED")
        served = [{(job["src_lang"], job["tgt_lang"]) for job in node.jobs} for node in nodes]
        assert served == [
            {(source, target)},
            {(source, other)},
            {(other, target), (other, source)},
        ]
        for node in nodes:
            for job in node.jobs:
                await node.answer(job)


@over_sockets
async def test_auto_with_a_pair_needs_both_languages_in_both_lists(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    half = [
        Ability(asr=pair, semantic=(pair[1],)),
        Ability(asr=(pair[0],), semantic=pair),
        Ability(asr=pair, semantic=pair),
    ]
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, *half)
        wish = {"mode": "two_way_auto", "lang_a": pair[0], "lang_b": pair[1]}
        async with raw_client(scheduler.session_url, "auto", pair[1], **wish) as client:
            for _ in range(3):
                await client.speak(tone(300))
                await client.hear("ui_event", event="DISPATCHED")
            assert [len(node.jobs) for node in nodes] == [0, 0, 3]
            for job in nodes[2].jobs:
                await nodes[2].answer(job)
            for _ in range(3):
                await client.result()


@over_sockets
async def test_auto_alone_needs_the_target_language(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(
            stack,
            scheduler,
            Ability(asr=("other",), semantic=(pair[1],)),
            Ability(asr=(pair[1],), semantic=("other",)),
        )
        async with raw_client(scheduler.session_url, "auto", pair[1]) as client:
            await client.speak(tone(300))
            await nodes[0].answer(await nodes[0].job())
            await client.result()


@over_sockets
async def test_a_node_that_speaks_the_target_language_is_preferred(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    mute = Ability.of(pair, capacity=2)
    speaks = Ability(asr=pair[:1], semantic=pair[1:], tts=pair[1:], capacity=2)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, mute, speaks)
        clients = await clients_of(stack, scheduler, pair, 3)
        await speak_in_turn(clients)
        assert [node.open_jobs for node in nodes] == [1, 2]
        for node in nodes:
            for job in node.jobs:
                await node.answer(job)
        await asyncio.gather(*(client.result() for client in clients))


# ---- load that nodes report ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "load",
    [
        {"gpu_queue_length": 1},
        {"cpu_percent": 95.5},
        {"gpu_percent": 99},
        {"gpu_mem_percent": 97},
        {"mem_percent": 100},
    ],
    ids=str,
)
@over_sockets
async def test_an_overloaded_node_is_chosen_only_when_no_other_has_room(
    scheduler: SchedulerProcess, pair: Pair, load: Message
) -> None:
    ability = Ability.of(pair, capacity=2)
    async with AsyncExitStack() as stack:
        busy, idle = await nodes_of(stack, scheduler, ability, ability)
        usage = {"cpu_percent": 1, "gpu_percent": 1, "mem_percent": 1, "running_jobs": 0, **load}
        await busy.beat(resource_usage=usage)
        await busy.fence()
        clients = await clients_of(stack, scheduler, pair, 3)
        await speak_in_turn(clients[:2])
        assert (busy.open_jobs, idle.open_jobs) == (0, 2)
        await speak_in_turn(clients[2:])
        assert (busy.open_jobs, idle.open_jobs) == (1, 2)
        for node in (busy, idle):
            for job in node.jobs:
                await node.answer(job)
        await asyncio.gather(*(client.result() for client in clients))


@pytest.mark.parametrize("load", [{"gpu_queue_length": 0}, {"cpu_percent": 95}, {}], ids=str)
@over_sockets
async def test_a_node_at_the_threshold_is_like_any_other(
    scheduler: SchedulerProcess, pair: Pair, load: Message
) -> None:
    ability = Ability.of(pair, capacity=2)
    async with AsyncExitStack() as stack:
        loaded, idle = await nodes_of(stack, scheduler, ability, ability)
        await loaded.beat(resource_usage=load)
        await loaded.fence()
        clients = await clients_of(stack, scheduler, pair, 2)
        await speak_in_turn(clients)
        assert (loaded.open_jobs, idle.open_jobs) == (1, 1)
        for node in (loaded, idle):
            await node.answer(node.jobs[0])
        await asyncio.gather(*(client.result() for client in clients))


@over_sockets
async def test_the_next_heartbeat_takes_the_mark_away(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=4)
    async with AsyncExitStack() as stack:
        busy, idle = await nodes_of(stack, scheduler, ability, ability)
        await busy.beat(resource_usage={"gpu_queue_length": 3})
        await busy.fence()
        clients = await clients_of(stack, scheduler, pair, 3)
        await speak_in_turn(clients[:1])
        assert (busy.open_jobs, idle.open_jobs) == (0, 1)
        await busy.beat()
        await busy.fence()
        await speak_in_turn(clients[1:2])
        assert (busy.open_jobs, idle.open_jobs) == (1, 1)
        await speak_in_turn(clients[2:])
        for node in (busy, idle):
            for job in node.jobs:
                await node.answer(job)
        await asyncio.gather(*(client.result() for client in clients))


@over_sockets
async def test_a_session_leaves_its_node_when_that_is_overloaded(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, ability, ability)
        (client,) = await clients_of(stack, scheduler, pair, 1)
        await speak_in_turn([client])
        last, other = sorted(nodes, key=lambda node: -node.open_jobs)
        await last.beat(resource_usage={"gpu_queue_length": 3})
        await last.fence()
        await speak_in_turn([client])
        assert (last.open_jobs, other.open_jobs) == (1, 1)
        for node in nodes:
            await node.answer(node.jobs[0])
        await client.result()
        await client.result()


@over_sockets
async def test_the_mark_of_an_overloaded_node_lapses_by_itself(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair)
    async with AsyncExitStack() as stack:
        busy, idle = await nodes_of(stack, scheduler, ability, ability)
        clients = await clients_of(stack, scheduler, pair, 3)
        await busy.beat(resource_usage={"gpu_queue_length": 2})
        await busy.fence()
        await speak_in_turn(clients[:2])
        assert (busy.open_jobs, idle.open_jobs) == (0, 2)
        await asyncio.sleep(HOLD + SWEEP)
        await speak_in_turn(clients[2:])
        assert (busy.open_jobs, idle.open_jobs) == (1, 2)
        for node in (busy, idle):
            for job in node.jobs:
                await node.answer(job)
        await asyncio.gather(*(client.result() for client in clients))
