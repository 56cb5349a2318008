"""Members of one room whose sessions are on different instances notice nothing of it."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from actors.room.options import RoomOptions
from actors.session.options import SegmenterOptions, SessionOptions
from cli.settings.settings import Settings
from storage.store import StorageUnavailable, open_store
from tests.end_to_end.support.peers.room_page import RoomPage
from tests.end_to_end.support.two_instances import Instance, two_instances
from tests.support.peers.raw_client import recorded_packets
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.redis_server import real_server
from tests.support.waiting import until

pytestmark = pytest.mark.takes(23)

GRACE = 0.6
EXPIRY_MS = 60_000


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with real_server() as url:
        yield url


@asynccontextmanager
async def cluster(store_url: str, expiry_ms: int = EXPIRY_MS) -> AsyncIterator[list[Instance]]:
    settings = Settings(
        session=SessionOptions(session_grace_seconds=GRACE),
        segmenter=SegmenterOptions(hangover_manual_ms=5),
        room=RoomOptions(room_expiry_ms=expiry_ms),
    )
    async with two_instances(store_url, settings) as instances:
        yield instances


@asynccontextmanager
async def meeting(
    here: Instance, there: Instance, pair: Pair
) -> AsyncIterator[tuple[RoomPage, RoomPage]]:
    """Let one page here and one there be in a room."""
    async with RoomPage(here.session_url) as ann, RoomPage(there.session_url) as bob:
        await ann.init(*pair)
        await bob.init(pair[1], pair[0])
        await bob.join(await ann.create())
        await ann.meets(2)
        yield ann, bob


async def spoken(node: RawNode, text: str) -> None:
    """Answer the next job with these words and a real voice."""
    job = await node.job()
    voice = base64.b64encode(b"".join(recorded_packets()[:25])).decode()
    await node.answer(job, text, tts_audio=voice)


@over_sockets
async def test_they_see_and_hear_each_other(store_url: str, pair: Pair) -> None:
    async with (
        cluster(store_url) as (here, there),
        raw_node(here.node_url, Ability.among(*pair)) as node,
        meeting(here, there, pair) as (ann, bob),
    ):
        for number in range(3):
            await ann.say_something()
            await spoken(node, f"words {number}")
            heard = await bob.result()
            assert (heard["text_asr"], heard["tts_format"]) == (f"words {number}", "pcm16")
            assert heard["speaker_session_id"] == ann.alias
        await bob.leave()
        await ann.meets(1)
        assert not ann.outcomes()
        assert here.link.crossed > 0


@over_sockets
async def test_a_wish_of_one_reaches_the_other(store_url: str, pair: Pair) -> None:
    async with (
        cluster(store_url) as (here, there),
        meeting(here, there, pair) as (ann, bob),
    ):
        await bob.prefer(ann, raw_voice=False)
        while True:
            members = {m["session_id"]: m for m in (await ann.hear("room_members"))["members"]}
            if members[bob.alias]["raw_voice_preferences"] == {ann.session_id: False}:
                break


@over_sockets
async def test_their_voice_link_is_relayed_whichever_instance_has_the_smaller_id(
    store_url: str, pair: Pair
) -> None:
    smaller: set[bool] = set()
    async with cluster(store_url) as (here, there):
        while len(smaller) < 2:
            async with meeting(here, there, pair) as (ann, bob):
                first, second = sorted((ann, bob), key=lambda page: page.session_id)
                smaller.add(first is ann)
                for page, other in ((second, first), (first, second)):
                    await page.signal("offer", other, sdp={"type": "offer"})
                    await page.signal("ice", other, candidate={"candidate": page.session_id})
                assert (await second.hear("webrtc_offer"))["to"] == first.alias
                await second.signal("answer", first, sdp={"type": "answer"})
                await first.hear("webrtc_answer")
                for page, other in ((second, first), (first, second)):
                    candidate = await page.hear("webrtc_ice")
                    assert candidate["candidate"]["candidate"] == other.session_id
                assert not first.all_heard("webrtc_offer")


@over_sockets
async def test_a_lost_note_is_made_up_for(store_url: str, pair: Pair) -> None:
    async with cluster(store_url) as (here, there), meeting(here, there, pair) as (ann, bob):
        there.link.is_cut = here.link.is_cut = True
        await bob.leave()
        await ann.meets(1)


@over_sockets
async def test_members_of_an_instance_that_died_leave_after_their_grace(
    store_url: str, pair: Pair
) -> None:
    async with cluster(store_url) as (here, there), meeting(here, there, pair) as (ann, bob):
        there.link.is_cut = here.link.is_cut = True
        await there.scheduler._actors[1].stop(block=False)  # it beats no more
        there.scheduler._store.run = _away  # type: ignore[method-assign,assignment]
        bob.abort()
        await ann.hear("room_members", seconds=20)
        assert ann.members == [ann.session_id]


async def _away(_calls: object) -> list[object]:
    raise StorageUnavailable("it died")


@over_sockets
async def test_a_room_without_speech_is_over_everywhere(store_url: str, pair: Pair) -> None:
    async with cluster(store_url, 1500) as (here, there), meeting(here, there, pair) as (ann, bob):
        for page in (ann, bob):
            await page.hear("room_expired")
        await ann.say({"type": "room_join", "room_code": bob.room_code})
        assert (await ann.hear("room_error"))["code"] == "ROOM_NOT_FOUND"


@over_sockets
async def test_a_store_that_lost_its_data_costs_nobody_the_room(store_url: str, pair: Pair) -> None:
    async with (
        cluster(store_url) as (here, there),
        raw_node(here.node_url, Ability.among(*pair)) as node,
        meeting(here, there, pair) as (ann, bob),
    ):
        store = open_store(store_url)
        seats = ("HLEN", f"{store.prefix}room:{ann.room_code}:seats")

        async def both_are_back() -> bool:
            return bool(await store.read([seats]) == [2])

        await store.read([("FLUSHALL",)])
        await until(both_are_back)
        await store.close()
        await ann.say_something()
        await spoken(node, "after all")
        assert (await bob.result())["text_asr"] == "after all"
        assert not ann.alerts
        assert not bob.alerts
        assert len(ann.members) == 2
