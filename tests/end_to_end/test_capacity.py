"""Which node gets a job, how many it gets, and who waits how long."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.support.raw_client import RawClient, raw_client, tone
from tests.support.raw_node import Ability, RawNode, raw_node
from tests.support.raw_wire import Message, over_sockets
from tests.support.scheduler_process import SchedulerProcess, running_scheduler

Pair = tuple[str, str]
CROWD = 200
WORK_SECONDS = 0.02
HOLD = 1.0
SWEEP = 1.1
"""Seconds: how long a node stays marked, and how late the mark may go."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    bursts = ("--hangover-manual-ms=5", "--max-queued-per-session=100", "--ingest-rate=1000")
    hold = f"--overload-hold-ms={int(HOLD * 1000)}"
    with running_scheduler("--session-grace-seconds=0.5", hold, *bursts) as process:
        yield process
        process.wait_until_idle()


async def nodes_of(
    stack: AsyncExitStack, scheduler: SchedulerProcess, *abilities: Ability
) -> list[RawNode]:
    return [
        await stack.enter_async_context(raw_node(scheduler.node_url, ability))
        for ability in abilities
    ]


async def clients_of(
    stack: AsyncExitStack, scheduler: SchedulerProcess, pair: Pair, count: int
) -> list[RawClient]:
    return [
        await stack.enter_async_context(raw_client(scheduler.session_url, *pair))
        for _ in range(count)
    ]


def events_of(clients: list[RawClient], event: str) -> list[Message]:
    """Return the `ui_event`s of this kind that any of them heard."""
    heard = (message for client in clients for message in client.all_heard("ui_event"))
    return [message for message in heard if message["event"] == event]


async def speak_in_turn(clients: list[RawClient]) -> None:
    """Let them speak one after the other, each when the one before is with a node."""
    for client in clients:
        await client.speak(tone(300))
        await client.hear("ui_event", event="DISPATCHED")


# ---- many at the same instant -------------------------------------------------------------------


@over_sockets
async def test_two_hundred_utterances_at_one_instant_never_open_more_than_four(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        (node,) = await nodes_of(stack, scheduler, Ability(asr=(pair[0],), semantic=(pair[1],)))
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
        assert len({job["session_id"] for job in node.jobs}) == CROWD
        queued = events_of(clients, "QUEUED")
        assert len(queued) >= CROWD - 10
        assert all(0 <= event["wait_ms_estimate"] <= 10_000 for event in queued)
        slots = (await asyncio.to_thread(scheduler.get, f"/api/v1/nodes/{node.node_id}")).json
        assert slots["slots"] == {"used": 0, "max": 4}


@over_sockets
async def test_a_crowd_survives_the_death_of_one_of_its_nodes(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=3)
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
        ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=1)
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


# ---- the choice ---------------------------------------------------------------------------------


@over_sockets
async def test_the_least_loaded_node_is_chosen(scheduler: SchedulerProcess, pair: Pair) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
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
    big = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=8)
    small = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=2)
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
    ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=2)
    async with AsyncExitStack() as stack:
        nodes = await nodes_of(stack, scheduler, ability, ability, ability)
        for node in nodes:
            node.answers()
        clients = await clients_of(stack, scheduler, pair, 2)
        for _ in range(4):
            for client in clients:
                await client.speak(tone(300))
                await client.result()
        served = [Counter(job["session_id"] for job in node.jobs) for node in nodes]
        for client in clients:
            assert sorted(count[client.session_id] for count in served) == [0, 0, 4]


@over_sockets
async def test_a_session_goes_elsewhere_when_its_node_is_full(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=1)
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
        ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=capacity)
        (node,) = await nodes_of(stack, scheduler, ability)
        clients = await clients_of(stack, scheduler, pair, capacity + 2)
        for client in clients:
            await client.speak(tone(300))
        for client in clients:
            await client.hear_any(("ui_event",))
        assert len(events_of(clients, "QUEUED")) == 2
        assert node.open_jobs == capacity
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
    other = f"{target}-o"
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
    mute = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=2)
    speaks = Ability(asr=(pair[0],), semantic=(pair[1],), tts=(pair[1],), capacity=2)
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
    ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=2)
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
    ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=2)
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
    ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=4)
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
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
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
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
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


# ---- fairness -----------------------------------------------------------------------------------


@over_sockets
async def test_who_bursts_does_not_make_the_others_wait(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """One session has 40 utterances waiting when eight others come with one each."""
    async with AsyncExitStack() as stack:
        ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=2)
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
        served = [job["session_id"] for job in node.jobs]
        places = [served.index(client.session_id) for client in others]
        assert max(places) <= 2 + len(others) + 2, places
        for index in range(40):
            assert (await burst.result())["utterance_index"] == index
        assert waited < time.monotonic() - began
        assert [job["utterance_index"] for job in node.jobs if job["session_id"] == served[0]] == [
            *range(40)
        ]


@over_sockets
async def test_two_who_burst_share_a_node_evenly(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=1)
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
        first_half = Counter(job["session_id"] for job in node.jobs[:16])
        assert min(first_half.values()) >= 7, first_half


@over_sockets
async def test_a_session_that_bursts_slowly_long_utterances_pays_for_their_length(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A cost is a length: who says four times as much per utterance gets a quarter as many."""
    async with AsyncExitStack() as stack:
        ability = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=1)
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
        begun = Counter(job["session_id"] for job in node.jobs[:20])
        assert begun[short.session_id] >= 13, begun
        for _ in range(10):
            await long.result()
