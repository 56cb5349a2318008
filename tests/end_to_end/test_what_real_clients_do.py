"""What the existing page, phone and gateway were seen to do, and what they get for it."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.existing_clients import ApiGateway, Phone
from tests.end_to_end.support.peers.room_page import guest, room_of
from tests.support.peers.raw_client import (
    SILENT_CHUNK,
    RawClient,
    raw_client,
    recorded_chunks,
    tone,
)
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytestmark = pytest.mark.takes(30)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags = ("--session-grace-seconds=0.3", "--gateway-grace-seconds=4", "--hangover-manual-ms=5")
    with running_scheduler(*flags) as process:
        yield process
        process.wait_until_idle()


# ---- page ---------------------------------------------------------------------------------------


@over_sockets
async def test_a_page_shows_what_is_said_after_its_line_was_cut(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """It shows each index once in its life, and its `seq` runs on into the next session."""
    shown: list[int] = []
    seq = 0
    async with raw_node(scheduler.node_url, Ability.of(pair, 4), answering=True):
        for _ in range(3):
            page = await RawClient(scheduler.session_url).open()
            await page.init(*pair)
            page.seq = seq
            await page.chunk(SILENT_CHUNK)
            for _ in range(2):
                for chunk in recorded_chunks()[:3]:
                    await page.chunk(chunk)
                await page.final()
                shown.append((await page.result())["utterance_index"])
            seq = page.seq
            page.abort()
    assert len(set(shown)) == 6, "the page shows no text twice, and none is lost"
    assert shown == [0, 1, 9, 10, 18, 19]


@pytest.mark.parametrize(("first_seq", "index"), [(48, 48), (2**31 - 1, 2**31 - 1), (2**31, 0)])
@over_sockets
async def test_the_first_index_of_a_page_is_the_first_number_that_is_heard_of_it(
    scheduler: SchedulerProcess, pair: Pair, first_seq: int, index: int
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair), answering=True):
        for platform, expected in (("web", index), ("android", 0)):
            async with raw_client(scheduler.session_url, *pair, platform=platform) as client:
                client.seq = first_seq
                await client.speak(tone(300))
                assert (await client.result())["utterance_index"] == expected


@over_sockets
async def test_a_page_prints_what_others_say_under_six_digits_and_never_twice(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    phone = guest(other, own, platform="ios", client_version="1.0.0")
    async with (
        raw_node(scheduler.node_url, Ability.among(own, other), answering=True),
        room_of(scheduler.session_url, guest(own, other), guest(other, own), phone) as people,
    ):
        ann, bob, zoe = people
        seconds = int(time.time()) % 86_400
        for _ in range(3):
            await ann.say_something()
            await bob.result()
            await zoe.result()
        pages = [one["utterance_index"] for one in bob.outcomes()]
        assert pages == sorted(set(pages))
        assert 0 <= pages[0] - 100_000 - seconds <= 30 or pages[0] < 100_030, "or midnight passed"
        assert [one["utterance_index"] for one in zoe.outcomes()] == [0, 1, 2]


# ---- phone --------------------------------------------------------------------------------------


@over_sockets
async def test_a_phone_ends_its_sentence_by_hand_and_the_last_piece_belongs_to_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    spoken = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with (
        raw_node(scheduler.node_url, Ability.of(pair), answering=True) as node,
        Phone(scheduler.session_url) as phone,
    ):
        await phone.call(*pair)
        for _ in range(2):
            await phone.talk(tone(600), *pair)
            await phone.utterance(phone.index, tone(200), manual_cut=True, **spoken)
            phone.index += 1
            await phone.result()
        assert [audio_of(job) for job in node.jobs] == [tone(200) * 4] * 2
        assert {job.get("is_manual_cut") for job in node.jobs} == {True}
        await phone.utterance(phone.index, tone(300), manual_cut=True, **spoken)
        await phone.result()
        assert audio_of(node.jobs[-1]) == tone(300), "nothing is to be ended: it stands alone"
        await phone.hang_up()


# ---- gateway ------------------------------------------------------------------------------------


async def gateway_session(scheduler: SchedulerProcess, pair: Pair) -> str:
    """Return the id of a session whose gateway has dropped its first socket."""
    return await ApiGateway(scheduler.session_url, *pair).open_session()


@over_sockets
async def test_a_gateway_sends_other_audio_under_the_index_of_what_failed(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    spoken = {"src_lang": pair[0], "tgt_lang": pair[1], "manual_cut": False}
    session_id = await gateway_session(scheduler, pair)
    async with raw_node(scheduler.node_url, Ability.of(pair, 4)) as node:
        first = await RawClient(scheduler.session_url).open()
        first.session_id = session_id
        await first.utterance(0, tone(1200), **spoken)
        await node.refuse(await node.job(), "PROCESSING_ERROR")
        assert (await first.missing())["reason"] == "processing_error"
        assert await first.close_code() == 1011
        second = await RawClient(scheduler.session_url).open()
        second.session_id = session_id
        await second.utterance(0, tone(1500), **spoken)
        await second.utterance(0, tone(1500), **spoken)  # the same, while it is open
        job = await node.job()
        assert audio_of(job) == tone(1500)
        await node.answer(job, "other words")
        heard = await second.hear("translation_result")
        assert (heard["text_asr"], heard["utterance_index"]) == ("other words", 0)
        await node.fence()
        assert len(node.jobs) == 2
        second.abort()


@over_sockets
async def test_a_stream_of_a_gateway_goes_on_after_a_long_silence(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Longer than others are waited for; the stream names its session for ever."""
    spoken = {"src_lang": pair[0], "tgt_lang": pair[1], "manual_cut": False}
    session_id = await gateway_session(scheduler, pair)
    async with raw_node(scheduler.node_url, Ability.of(pair), answering=True):
        for index in range(2):
            await asyncio.sleep(1.0)
            socket = await RawClient(scheduler.session_url).open()
            socket.session_id = session_id
            await socket.utterance(index, tone(1200), **spoken)
            await socket.hear("translation_result", utterance_index=index)
            socket.abort()


@over_sockets
async def test_thirty_seconds_at_48_khz_fit_into_one_message(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    spoken = {"src_lang": pair[0], "tgt_lang": pair[1], "sample_rate": 48_000}
    said = tone(30_000, 48_000)
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.utterance(0, said, **spoken)
        job = await node.job()
        assert abs(len(audio_of(job)) / 2 / job["sample_rate"] - 30.0) < 0.1
        await node.answer(job)
        heard = await client.result()
        assert heard["speech_start_ms"] == 0
        assert abs(heard["speech_end_ms"] - 30_000) < 100


@over_sockets
async def test_only_a_session_of_a_gateway_is_had_by_its_name(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    page = await RawClient(scheduler.session_url).open()
    await page.init(*pair)
    page.abort()
    other = await RawClient(scheduler.session_url).open()
    other.session_id = page.session_id
    await other.say(other.own("client_heartbeat", timestamp=1))
    assert (await other.error())["code"] == "INVALID_SESSION"
    assert await other.close_code() == 1011


@pytest.mark.parametrize("kind", ["audio_chunk", "session_close", "utterance", "utterance_cancel"])
@over_sockets
async def test_who_only_names_sessions_is_not_left_waiting(
    scheduler: SchedulerProcess, pair: Pair, kind: str
) -> None:
    socket = await RawClient(scheduler.session_url).open()
    socket.session_id = "s-00000000000000000000000000000000"
    spoken = {"src_lang": pair[0], "tgt_lang": pair[1]}
    messages = {
        "audio_chunk": socket.own("audio_chunk", seq=0, is_final=True),
        "session_close": socket.own("session_close", reason="x"),
        "utterance": socket.whole(0, tone(1200), **spoken),
        "utterance_cancel": socket.own("utterance_cancel"),
    }
    await socket.say(messages[kind])
    assert (await socket.error())["code"] == "INVALID_SESSION"
    assert await socket.close_code() == 1011
