"""Direct voice links between members of a room: what is relayed, to whom, and when."""

import asyncio
import time

from tests.end_to_end.support.peers.room_page import RoomPage, guest, room_of
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

HOLD = 0.3
"""Seconds."""
SIGNALS = ("webrtc_offer", "webrtc_answer", "webrtc_ice")


def sdp(kind: str, text: str = "v=0") -> Message:
    return {"sdp": {"type": kind, "sdp": text}}


def candidate(number: int) -> Message:
    return {"candidate": {"candidate": f"candidate:{number}", "sdpMid": "0", "sdpMLineIndex": 0}}


def in_order(*pages: RoomPage) -> list[RoomPage]:
    """Return the pages by their session ids, the smaller one first."""
    return sorted(pages, key=lambda page: page.session_id)


async def settled(*pages: RoomPage) -> None:
    """Wait until nothing that was said is held back any more."""
    await asyncio.sleep(HOLD + 0.15)
    for page in pages:
        await page.fence()


@over_sockets
async def test_an_offer_and_its_answer_arrive_with_their_sender_in_to(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair), guest(*pair)) as pages:
        for caller, callee in (pages, reversed(pages)):
            await caller.signal("offer", callee, **sdp("offer", "v=0 of the caller"))
            offer = await callee.hear("webrtc_offer")
            assert offer == {
                "type": "webrtc_offer",
                "room_code": caller.room_code,
                "to": caller.alias,
                "sdp": {"type": "offer", "sdp": "v=0 of the caller"},
            }
            await callee.signal("answer", caller, **sdp("answer"))
            answer = await caller.hear("webrtc_answer")
            assert (answer["to"], answer["sdp"]["type"]) == (callee.alias, "answer")


@over_sockets
async def test_of_two_crossing_offers_one_arrives_whoever_was_first(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    for is_small_first in (True, False):
        async with room_of(scheduler.session_url, guest(*pair), guest(*pair)) as pages:
            small, large = in_order(*pages)
            for page in (small, large) if is_small_first else (large, small):
                other = large if page is small else small
                await page.signal("offer", other, **sdp("offer"))
            assert (await large.hear("webrtc_offer"))["to"] == small.alias
            await settled(small, large)
            assert not small.all_heard(*SIGNALS)
            await large.signal("answer", small, **sdp("answer"))
            await small.hear("webrtc_answer")


@over_sockets
async def test_candidates_come_after_the_answer_all_of_them_and_in_order(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair), guest(*pair)) as pages:
        caller, callee = in_order(*pages)
        await caller.signal("offer", callee, **sdp("offer"))
        for number in range(5):
            await caller.signal("ice", callee, **candidate(number))
            await callee.signal("ice", caller, **candidate(number + 10))
        await callee.hear("webrtc_offer")
        await settled(caller, callee)
        assert not caller.all_heard("webrtc_ice")
        assert not callee.all_heard("webrtc_ice")
        await callee.signal("answer", caller, **sdp("answer"))
        await caller.hear("webrtc_answer")
        answered_at = time.monotonic()
        await caller.signal("ice", callee, **candidate(5))
        first = await callee.hear("webrtc_ice")
        assert time.monotonic() - answered_at >= HOLD - 0.05
        rest = [await callee.hear("webrtc_ice") for _ in range(5)]
        numbers = [message["candidate"]["candidate"] for message in (first, *rest)]
        assert numbers == [f"candidate:{number}" for number in range(6)]
        there = [await caller.hear("webrtc_ice") for _ in range(5)]
        assert [message["to"] for message in there] == [callee.alias] * 5
        await callee.signal("ice", caller, **candidate(99))
        late = await caller.hear("webrtc_ice", seconds=HOLD / 2)
        assert late["candidate"]["candidate"] == "candidate:99"


@over_sockets
async def test_links_of_three_do_not_disturb_each_other(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, *[guest(*pair)] * 3) as pages:
        for page in pages:
            for other in pages:
                if other is not page:
                    await page.signal("offer", other, **sdp("offer"))
        await settled(*pages)
        first, second, third = in_order(*pages)
        heard = {
            page.session_id: [message["to"] for message in page.all_heard("webrtc_offer")]
            for page in pages
        }
        assert heard[first.session_id] == []
        assert heard[second.session_id] == [first.alias]
        assert sorted(heard[third.session_id]) == sorted([first.alias, second.alias])


@over_sockets
async def test_who_does_not_want_anothers_voice_is_not_called_by_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair), guest(*pair)) as pages:
        for ann, bob in (pages, reversed(pages)):
            await bob.prefer(ann, raw_voice=False)
            await sees_wish(ann, bob, raw_voice=False)
            before = len(bob.all_heard(*SIGNALS))
            for kind in ("offer", "answer"):
                await ann.signal(kind, bob, **sdp(kind))
            await ann.signal("ice", bob, **candidate(1))
            await settled(ann, bob)
            assert len(bob.all_heard(*SIGNALS)) == before
            assert not ann.unread("room_error"), "whom one does not want to hear needs no excuse"
            await bob.prefer(ann, raw_voice=True)
            await sees_wish(ann, bob, raw_voice=True)
            await bob.signal("offer", ann, **sdp("offer", "again"))
            assert (await ann.hear("webrtc_offer"))["sdp"]["sdp"] == "again"
            await ann.signal("answer", bob, **sdp("answer"))
            await bob.hear("webrtc_answer")


async def sees_wish(page: RoomPage, other: RoomPage, *, raw_voice: bool) -> None:
    """Wait until a page knows whether another member wants its voice."""
    while True:
        members = {m["session_id"]: m for m in (await page.hear("room_members"))["members"]}
        wishes = members[other.alias]["raw_voice_preferences"]
        if wishes.get(page.session_id) is raw_voice:
            return


@over_sockets
async def test_only_members_are_called_and_only_by_members(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        room_of(scheduler.session_url, guest(*pair), guest(*pair)) as (ann, bob),
        RoomPage(scheduler.session_url) as stranger,
    ):
        await stranger.init(*pair)
        stranger.room_code = ann.room_code
        await stranger.signal("offer", ann, **sdp("offer"))
        assert (await stranger.hear("room_error"))["code"] == "ROOM_NOT_FOUND"
        await ann.signal("offer", stranger, **sdp("offer"))
        assert (await ann.hear("room_error"))["code"] == "INVALID_SESSION"
        await ann.signal("offer", ann, **sdp("offer"))
        assert (await ann.hear("room_error"))["code"] == "INVALID_SESSION"
        await bob.leave()
        await ann.meets(1)
        await ann.signal("offer", bob, **sdp("offer"))
        assert (await ann.hear("room_error"))["code"] == "INVALID_SESSION"
        await settled(ann, bob, stranger)
        for page in (ann, bob, stranger):
            assert not page.all_heard(*SIGNALS)


@over_sockets
async def test_a_wish_about_somebody_who_is_not_there_is_refused(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        room_of(scheduler.session_url, guest(*pair)) as (ann,),
        RoomPage(scheduler.session_url) as stranger,
    ):
        await stranger.init(*pair)
        await ann.prefer(stranger, raw_voice=False)
        assert (await ann.hear("room_error"))["code"] == "INVALID_SESSION"
        stranger.room_code = ann.room_code
        await stranger.prefer(ann, raw_voice=False)
        assert (await stranger.hear("room_error"))["code"] == "ROOM_NOT_FOUND"


@over_sockets
async def test_a_member_who_comes_back_can_be_called_again(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with room_of(scheduler.session_url, guest(*pair), guest(*pair)) as pages:
        small, large = in_order(*pages)
        await small.signal("offer", large, **sdp("offer"))
        await large.hear("webrtc_offer")
        code = str(small.room_code)
        await small.leave()
        await small.join(code)
        await large.meets(2)
        await large.signal("offer", small, **sdp("offer", "from the other side"))
        assert (await small.hear("webrtc_offer"))["sdp"]["sdp"] == "from the other side"
