"""Rooms come and go: codes, limits, wishes, lost sockets, silence, rooms without a store."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.peers.room_page import RoomPage, guest, room_of
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

GRACE = 0.5
EXPIRY = 1.2
"""Seconds."""


@pytest.fixture(scope="module")
def forgetful() -> Iterator[SchedulerProcess]:
    """Rooms are over soon."""
    flags = (f"--room-expiry-ms={int(EXPIRY * 1000)}", "--hangover-manual-ms=5")
    with running_scheduler(*flags, "--session-grace-seconds=0.5") as process:
        yield process
        process.wait_until_idle()


@pytest.fixture(scope="module")
def patient() -> Iterator[SchedulerProcess]:
    """A lost client has all the time it needs; the test closes its sessions itself."""
    with running_scheduler("--hangover-manual-ms=5", "--session-grace-seconds=60") as process:
        yield process
        process.wait_until_idle()


@over_sockets
async def test_codes_are_six_digits_and_differ(scheduler: SchedulerProcess, pair: Pair) -> None:
    codes = set()
    async with AsyncExitStack() as stack:
        for _ in range(20):
            page = await stack.enter_async_context(RoomPage(scheduler.session_url))
            await page.init(*pair)
            codes.add(await page.create())
    assert len(codes) == 20
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    numbers = sorted(int(code) for code in codes)
    assert numbers[-1] - numbers[0] > 1000, "codes that can be counted up can be guessed"


@over_sockets
async def test_a_code_that_is_none_is_refused_and_the_session_lives_on(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with RoomPage(scheduler.session_url) as page:
        await page.init(*pair)
        for code, why in (("100000", "ROOM_NOT_FOUND"), ("12345", "INVALID_ROOM_CODE")):
            await page.say({"type": "room_join", "room_code": code})
            assert (await page.hear("room_error"))["code"] == why
        await page.create()
        await page.leave()
        await page.fence()
        assert not page.alerts


@over_sockets
async def test_after_ten_wrong_codes_in_a_minute_no_further_one_is_tried(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair)) as (host,):
        async with RoomPage(scheduler.session_url) as page:
            await page.init(*pair)
            for number in range(10):
                await page.say({"type": "room_join", "room_code": f"00000{number}"})
                assert (await page.hear("room_error"))["code"] == "ROOM_NOT_FOUND"
            await page.say({"type": "room_join", "room_code": host.room_code})
            assert (await page.hear("room_error"))["code"] == "RATE_LIMITED"
            await page.init(*pair)
            await page.say({"type": "room_join", "room_code": host.room_code})
            assert (await page.hear("room_error"))["code"] == "RATE_LIMITED"
        async with RoomPage(scheduler.session_url) as another:
            await another.init(*pair)
            await another.join(str(host.room_code))


@over_sockets
async def test_codes_cannot_be_tried_faster_by_not_waiting_for_the_answers(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with RoomPage(scheduler.session_url) as page:
        await page.init(*pair)
        for number in range(40):
            await page.say({"type": "room_join", "room_code": f"0000{number:02}"})
        codes = [(await page.hear("room_error"))["code"] for _ in range(40)]
        assert codes.count("ROOM_NOT_FOUND") <= 10
        assert set(codes) == {"ROOM_NOT_FOUND", "RATE_LIMITED"}


@over_sockets
async def test_who_is_in_a_room_enters_no_other_before_it_leaves(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair)) as (page,):
        first = str(page.room_code)
        for message in (
            {"type": "room_create", "client_ts": 1},
            {"type": "room_join", "room_code": first},
        ):
            await page.say(message)
            assert (await page.hear("room_error"))["code"] == "ALREADY_IN_ROOM"
        await page.leave()
        assert await page.create() != first
        await page.say({"type": "room_leave", "room_code": first})
        await page.fence()
        assert not page.unread("room_error"), "leaving a room that is gone is usual"


@over_sockets
async def test_wishes_are_taken_in_their_order_without_waiting_for_answers(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        room_of(scheduler.session_url, guest(*pair)) as (host,),
        RoomPage(scheduler.session_url) as page,
    ):
        await page.init(*pair)
        code = host.room_code
        for message in (
            {"type": "room_join", "room_code": "000001"},
            {"type": "room_join", "room_code": code},
            {"type": "room_leave", "room_code": code},
            {"type": "room_join", "room_code": code, "display_name": "again"},
        ):
            await page.say(message)
        await page.hear("room_error")
        await page.hear("room_create_ack")
        await page.hear("room_create_ack")
        while True:
            members = (await host.hear("room_members"))["members"]
            if members[-1].get("display_name") == "again":
                break


@over_sockets
async def test_thirty_two_are_let_in_and_no_more(scheduler: SchedulerProcess, pair: Pair) -> None:
    own, other = pair
    people = [guest(own, other), *[guest(other, own)] * 31]
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, *people) as (ann, *others),
        RoomPage(scheduler.session_url) as late,
    ):
        await late.init(*pair)
        await late.say({"type": "room_join", "room_code": ann.room_code})
        assert (await late.hear("room_error"))["code"] == "ROOM_FULL"
        node.answers()
        for _ in range(3):
            await ann.say_something()
            await node.job()
            for page in others:
                assert (await page.result())["speaker_session_id"] == ann.alias
        assert len(node.jobs) == 3
        await others[0].leave()
        await late.join(str(ann.room_code))


@over_sockets
async def test_a_cut_line_leaves_the_room_when_its_grace_is_over(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
    ):
        bob.abort()
        lost_at = time.monotonic()
        await ann.meets(1)
        assert GRACE - 0.05 <= time.monotonic() - lost_at < GRACE + 2
        await ann.say_something()
        job = await node.job()
        assert job["tgt_lang"] == other, "it is alone now"
        await node.answer(job)
        await ann.result()


@over_sockets
async def test_nobody_works_for_a_member_whose_line_is_cut_and_who_cannot_come_back(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (guest(own, own), guest(other, own))
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, *people) as (ann, bob),
    ):
        members = len(ann.all_heard("room_members"))
        bob.abort()
        await asyncio.sleep(GRACE / 3)
        await ann.say_something()
        job = await node.job()
        assert job["tgt_lang"] == own
        await node.answer(job)
        await ann.result()
        assert len(ann.all_heard("room_members")) == members, "it has not left yet"


@over_sockets
async def test_who_may_come_back_hears_what_was_said_meanwhile(
    patient: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (guest(own, other), guest(other, own, resume=True))
    async with (
        raw_node(patient.node_url, Ability.among(*pair)) as node,
        room_of(patient.session_url, *people) as (ann, bob),
        RoomPage(patient.session_url) as back,
    ):
        bob.abort()
        await ann.say_something()
        job = await node.job()
        assert job["tgt_lang"] == other
        await node.answer(job, "while you were away")
        await ann.fence()
        token = {"session_id": bob.session_id, "resume_token": bob.ack["resume_token"]}
        back.session_id = bob.session_id  # what was missed comes with the ack
        await back.init(other, own, resume=True, last_delivery_seq=0, **token)
        heard = await back.result()
        assert (heard["text_asr"], heard["delivery_seq"]) == ("while you were away", 1)
        await ann.say_something()
        await node.answer(await node.job(), "and now")
        assert (await back.result())["text_asr"] == "and now"
        for page in (ann, back):
            await page.end()


@over_sockets
async def test_another_session_init_leaves_the_room(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair), guest(*pair)) as (ann, bob):
        former = bob.alias
        await bob.init(*pair)
        members = (await ann.meets(1))["members"]
        assert former not in [member["session_id"] for member in members]
        await bob.join(str(ann.room_code))


@over_sockets
async def test_a_room_without_speech_is_over_and_its_code_opens_nothing(
    forgetful: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    async with (
        raw_node(forgetful.node_url, Ability.among(*pair)) as node,
        room_of(forgetful.session_url, guest(own, other), guest(other, own)) as (ann, bob),
    ):
        code = str(ann.room_code)
        node.answers()
        for _ in range(3):
            await asyncio.sleep(EXPIRY * 0.7)
            await ann.say_something()
            spoke_at = time.monotonic()
            await bob.result()
        for page in (ann, bob):
            assert (await page.hear("room_expired"))["room_code"] == code
        assert EXPIRY - 0.3 <= time.monotonic() - spoke_at < EXPIRY + 1
        await ann.leave()
        await bob.say({"type": "room_join", "room_code": code})
        assert (await bob.hear("room_error"))["code"] == "ROOM_NOT_FOUND"
        await ann.create()


@over_sockets
async def test_a_preferred_language_counts_before_ones_own(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (guest(own, other), guest(own, other, prefers=other))
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, *people) as (ann, bob),
    ):
        await ann.say_something()
        job = await node.job()
        assert job["tgt_lang"] == other
        await node.answer(job, "x")
        assert (await bob.result())["text_translated"] == f"x [{other}]"


BAD: tuple[Message, ...] = (
    {"type": "room_create"},
    {"type": "room_create", "display_name": 5},
    {"type": "room_create", "client_ts": 1, "preferred_lang": "no such, language"},
    {"type": "room_create", "client_ts": 1, "display_name": "x" * 300},
    {"type": "room_join"},
    {"type": "room_join", "room_code": 123456},
    {"type": "room_join", "room_code": "123456", "display_name": ["Ann"]},
    {"type": "room_leave", "room_code": None},
    {"type": "room_raw_voice_preference", "room_code": "1", "target_session_id": "s"},
    {"type": "webrtc_offer", "room_code": "123456", "to": "s-1", "sdp": "v=0"},
    {"type": "webrtc_answer", "room_code": "123456", "to": "s-1"},
    {"type": "webrtc_ice", "room_code": "123456", "to": None, "candidate": {}},
)


@over_sockets
async def test_what_cannot_be_read_costs_nobody_the_room(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair), guest(*pair)) as (ann, bob):
        for message in BAD:
            await ann.say_raw(json.dumps(message))
            error = await ann.error()
            assert error["code"] == "INVALID_MESSAGE", message
            assert error["message"].startswith(str(message["type"])), error
        await ann.fence()
        await bob.fence()
        assert len(ann.members) == len(bob.members) == 2


@over_sockets
async def test_without_a_session_there_is_no_room(scheduler: SchedulerProcess) -> None:
    async with RoomPage(scheduler.session_url) as page:
        await page.say({"type": "room_create", "client_ts": 1})
        assert (await page.error())["code"] == "INVALID_SESSION"


@over_sockets
async def test_a_long_speech_is_translated_to_its_end_for_those_who_began_to_hear_it(
    scheduler_of_short_turns: SchedulerProcess, pair: Pair
) -> None:
    """A turn of several segments; one listener leaves in the middle, another one comes."""
    own, other = pair
    third = f"{other}x"
    scheduler = scheduler_of_short_turns
    languages = (own, other, third)
    async with (
        raw_node(
            scheduler.node_url, Ability(asr=languages, semantic=languages, capacity=9)
        ) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
        RoomPage(scheduler.session_url) as eve,
    ):
        first = await cut_by_length(ann, node)
        assert [job["tgt_lang"] for job in first] == [other]
        await eve.init(third, own)
        await eve.join(str(ann.room_code))
        await bob.leave()
        await ann.final()
        last = [await node.job(), await node.job()]
        assert sorted(job["tgt_lang"] for job in last) == [other, third]
        assert len({job["turn_id"] for job in (*first, *last)}) == 1
        for job in last:
            await node.answer(job, "to the end")
        assert (await eve.result())["text_asr"] == "to the end"
        await ann.fence()
        assert not ann.outcomes()


async def cut_by_length(page: RoomPage, node: RawNode) -> list[Message]:
    """Speak until a segment is cut for its length; return its job."""
    while True:
        await page.chunk(tone(100))
        await page.fence()
        await asyncio.sleep(0.02)  # for the job to get to the node
        job = node.pick("job_assign")
        if job is not None:
            assert job["is_max_duration_triggered"]
            return [job]
