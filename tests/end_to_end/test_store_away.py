"""While the store is gone, hangs or has forgotten everything, nobody loses words or is cut off."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.support.peers.operator import operator_at
from tests.end_to_end.support.processes.mortal_store import MortalStore
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, next_job, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import until, wait_until

PENDING = 1.5
"""Seconds."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalStore]:
    mortal = MortalStore(tmp_path_factory.mktemp("store"))
    mortal.start()
    yield mortal
    mortal.kill()


@pytest.fixture(scope="module")
def scheduler(store: MortalStore) -> Iterator[SchedulerProcess]:
    flags = (
        "--session-grace-seconds=0.5",
        "--hangover-manual-ms=5",
        f"--pending-timeout-ms={int(PENDING * 1000)}",
    )
    with running_scheduler("--redis-url", store.url, *flags) as process:
        yield process
        process.wait_until_idle()


@pytest.fixture(autouse=True)
def healthy(store: MortalStore, scheduler: SchedulerProcess) -> Iterator[None]:
    """Begin and end each test with a store that answers."""
    yield
    store.start()
    wait_until_ready(scheduler)


def wait_until_ready(scheduler: SchedulerProcess) -> None:
    wait_until(lambda: scheduler.get("/ready").status == 200, "ready")


@contextmanager
def away(store: MortalStore) -> Iterator[None]:
    """Kill the store; afterwards it is there again and knows nothing."""
    store.kill()
    try:
        yield
    finally:
        store.start()


@contextmanager
def hanging(store: MortalStore) -> Iterator[None]:
    """Freeze the store; afterwards it goes on with everything it knew."""
    store.freeze()
    try:
        yield
    finally:
        store.thaw()


@over_sockets
async def test_ready_says_that_the_store_is_away(
    store: MortalStore, scheduler: SchedulerProcess
) -> None:
    with away(store):
        answer = await asyncio.to_thread(scheduler.get, "/ready")
        assert answer.status == 503
        assert answer.json["ready"] is False
        assert (await asyncio.to_thread(scheduler.get, "/health")).status == 200
        assert (await asyncio.to_thread(scheduler.get, "/metrics")).status == 200


@over_sockets
async def test_sessions_begin_and_live_on_while_the_store_is_away(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as before,
    ):
        with away(store):
            async with RawClient(scheduler.session_url) as during:
                await during.init(*pair)
                await during.fence()
                await before.fence()
                await during.speak(tone(300))
                await before.speak(tone(300))
                await asyncio.sleep(0.2)
                await asyncio.to_thread(store.start)
                for _ in range(2):
                    job = await node.job()
                    assert job["attempt_id"] == 1
                    await node.answer(job)
                await during.result()
                await before.result()
                await during.end()


@over_sockets
async def test_a_result_that_comes_while_the_store_is_away_is_delivered(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        job = await node.job()
        with away(store):
            await node.answer(job, "kept words")
            await node.fence()
            await client.fence()
        assert (await client.result())["text_asr"] == "kept words"
        await client.speak(tone(300))
        again = await node.job()
        await node.answer(again)
        await client.result()
        assert [message["attempt_id"] for message in node.jobs] == [1, 1]


@over_sockets
async def test_a_result_for_a_job_that_the_store_has_forgotten_is_delivered(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        job = await node.job()
        assert store.ask(b"FLUSHALL") == b"+OK\r\n"
        await node.answer(job, "kept words")
        assert (await client.result())["text_asr"] == "kept words"


@over_sockets
async def test_after_the_store_has_forgotten_everything_work_goes_on_by_itself(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Nodes send nothing again by themselves: the scheduler tells the store what it knows."""
    ability_of_two = Ability.of(pair, capacity=2)
    async with (
        raw_node(scheduler.node_url, ability_of_two) as node,
        raw_client(scheduler.session_url, *pair) as client,
        raw_client(scheduler.session_url, *pair) as other,
        raw_client(scheduler.session_url, *pair) as third,
    ):
        await client.speak(tone(300))
        job = await node.job()
        assert store.ask(b"FLUSHALL") == b"+OK\r\n"
        await asyncio.sleep(1.5)  # a beat or two: the open job is in the store again
        await other.speak(tone(300))
        second = await node.job()
        await third.speak(tone(300))
        await third.hear("ui_event", event="QUEUED")
        assert node.peak == 2
        await node.answer(job, "first")
        assert (await client.result())["text_asr"] == "first"
        await node.answer(await node.job())
        await third.result()
        await node.answer(second)
        await other.result()
        assert [message["attempt_id"] for message in node.jobs] == [1, 1, 1]


@over_sockets
async def test_words_that_wait_survive_a_store_that_forgets(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        await client.speak(tone(300))
        await client.hear("ui_event", event="QUEUED")
        assert store.ask(b"FLUSHALL") == b"+OK\r\n"
        async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
            await node.answer(await node.job())
            await client.result()


@over_sockets
async def test_words_that_cannot_wait_any_longer_end_as_store_unavailable(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        with away(store):
            began = time.monotonic()
            await client.speak(tone(300))
            outcome = await client.missing()
            assert outcome["reason"] == "store_unavailable"
            assert PENDING - 0.1 <= time.monotonic() - began < PENDING + 1.5
            assert not client.all_heard("error")
        await client.speak(tone(200))
        job = await node.job()
        await node.answer(job)
        assert (await client.result())["utterance_index"] == 1
        assert len(node.jobs) == 1


@over_sockets
async def test_a_store_that_hangs_costs_no_attempt_and_no_words(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as one,
        raw_node(scheduler.node_url, Ability.of(pair)) as two,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        node, job = await next_job([one, two])
        with hanging(store):
            await node.answer(job, "first")
            await client.speak(tone(300))
            await client.fence()
            await asyncio.sleep(0.7)
            assert not client.outcomes()
        assert (await client.result())["text_asr"] == "first"
        node, job = await next_job([one, two])
        await node.answer(job, "second")
        assert (await client.result())["text_asr"] == "second"
        assert [message["attempt_id"] for each in (one, two) for message in each.jobs] == [1, 1]


@over_sockets
async def test_a_node_that_comes_while_the_store_is_away_is_acknowledged_later(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        RawNode(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        with away(store):
            await node.say(node.ability.registration())
            await node.fence()
        ack = await node.hear("node_register_ack")
        assert ack["node_id"]
        await client.speak(tone(300))
        await node.answer(await node.job())
        await client.result()


@over_sockets
async def test_a_node_lost_while_the_store_is_away_loses_no_words(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as one,
        raw_node(scheduler.node_url, Ability.of(pair)) as two,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        lost, job = await next_job([one, two])
        with away(store):
            lost.abort()
            await client.fence()
        other = two if lost is one else one
        again = await other.job()
        assert again["audio"] == job["audio"]
        await other.answer(again, "saved")
        assert (await client.result())["text_asr"] == "saved"


def test_a_scheduler_waits_at_its_start_for_a_store_that_is_late(tmp_path: Path) -> None:
    late = MortalStore(tmp_path)
    opener = threading.Timer(0.5, late.start)
    opener.start()
    try:
        with running_scheduler("--redis-url", late.url, "--start-wait-ms", "10000") as early:
            wait_until_ready(early)
    finally:
        opener.join()
        late.kill()


@over_sockets
async def test_operators_see_that_the_store_is_away_and_a_drain_outlives_its_loss(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        operator_at(scheduler.port) as operator,
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        assert (await operator.do("drain_node", node_id=node.node_id))["ok"]
        await node.hear("node_control")
        await operator.do("subscribe")
        assert (await operator.update())["stats"]["store"] == {"ok": True}
        with away(store):
            update = await operator.update()
            while update["stats"]["store"]["ok"]:
                update = await operator.update()
            assert update["stats"]["web_clients"]["active_users"] >= 1
            answer = await operator.do("drain_node", node_id=node.node_id)
            assert answer["error"] == "the store does not answer"
        while not update["stats"]["store"]["ok"]:
            update = await operator.update()

        async def state() -> bool:
            listed = (await operator.do("list_nodes"))["data"]["nodes"]
            return [one["state"] for one in listed if one["node_id"] == node.node_id] == [
                "draining"
            ]

        await until(state, "the node is registered again")
        await client.speak(tone(300))
        await client.hear("ui_event", event="QUEUED")
        await operator.do("undrain_node", node_id=node.node_id)
        await node.answer(await node.job())
        await client.result()
