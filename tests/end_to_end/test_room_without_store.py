"""Rooms while the store is away, and when it comes back without its memory."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.room_page import RoomPage, guest, room_of
from tests.end_to_end.support.processes.mortal_store import MortalStore, mortal_store
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import PATIENCE_S, until


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalStore]:
    with mortal_store(tmp_path_factory.mktemp("rooms")) as mortal:
        yield mortal


@pytest.fixture(scope="module")
def scheduler(store: MortalStore) -> Iterator[SchedulerProcess]:
    flags = ("--session-grace-seconds=0.5", "--hangover-manual-ms=5")
    with running_scheduler("--redis-url", store.url, *flags) as process:
        yield process
        process.wait_until_idle()


async def ready(scheduler: SchedulerProcess) -> None:
    await until(lambda: scheduler.get("/ready").status == 200, "ready")


@over_sockets
async def test_without_a_store_nobody_gets_in_and_nobody_is_cut_off(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        room_of(scheduler.session_url, guest(*pair)) as (host,),
        RoomPage(scheduler.session_url) as page,
    ):
        await page.init(*pair)
        store.kill()
        for message in (
            {"type": "room_create", "client_ts": 1},
            {"type": "room_join", "room_code": host.room_code},
        ):
            await page.say(message)
            assert (await page.hear("room_error"))["code"] == "SCHEDULER_DEPENDENCY_DOWN"
        store.start()
        await ready(scheduler)
        await page.create()
        assert host.is_open


@over_sockets
async def test_a_room_goes_on_when_the_store_comes_back_without_its_memory(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (guest(own, other), guest(other, own), guest(other, own))
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, *people) as (ann, bob, eve),
    ):
        store.kill()
        await eve.leave()
        await bob.meets(2)
        await ann.say_something()
        await asyncio.sleep(0.3)
        store.start()
        await ready(scheduler)
        job = await node.job()
        await node.answer(job, "said while nobody kept books")
        assert (await bob.result())["text_asr"] == "said while nobody kept books"
        await joined(eve, str(ann.room_code))
        seen = await ann.meets(3)
        assert [member["session_id"] for member in seen["members"]] == [
            ann.name_of(page) for page in (ann, bob, eve)
        ]
        assert not ann.alerts
        assert not bob.alerts


@over_sockets
async def test_who_closes_without_a_store_has_left_when_it_is_back(
    store: MortalStore, scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair), guest(*pair)) as (ann, bob):
        store.kill()
        await bob.say(bob.own("session_close", reason="done"))
        await ann.meets(1)
        store.start()
        await ready(scheduler)
        async with RoomPage(scheduler.session_url) as page:
            await page.init(*pair)
            await joined(page, str(ann.room_code))
            members = (await ann.meets(2))["members"]
            assert [member["session_id"] for member in members] == [
                ann.session_id,
                page.alias,
            ]


async def joined(page: RoomPage, code: str) -> None:
    """Enter as soon as the room is in the store again."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        await page.say({"type": "room_join", "room_code": code})
        answer = await page.hear_any(("room_create_ack", "room_error"))
        if answer["type"] == "room_create_ack":
            return
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.2)
