"""Sessions whose socket is lost: who may go on with them, and for how long."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.support.short_grace import FLUSH, GRACE, naming, typed
from tests.support.peers.raw_client import RawClient, raw_client, session_init, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(16)


@pytest.fixture
def scheduler(scheduler_of_short_lives: SchedulerProcess) -> SchedulerProcess:
    return scheduler_of_short_lives


# ---- losing the socket --------------------------------------------------------------------------


@over_sockets
async def test_a_gateway_speaks_on_a_second_connection(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Connection 1 takes the first frame for the ack and drops; connection 2 has the words."""
    init: Message = {
        "platform": "api-gateway",
        "tenant_id": "tenant-1",
        "features": None,
        "mode": None,
    }
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        first = await RawClient(scheduler.session_url).open()
        await first.init(*pair, **init)
        first.abort()
        async with RawClient(scheduler.session_url) as second:
            second.session_id = first.session_id
            languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
            await second.utterance(0, tone(600), manual_cut=False, **languages)
            job = await node.job()
            assert job["is_manual_cut"] is True
            assert audio_of(job) == tone(600)
            await node.answer(job, "gateway words")
            result = await second.result()
            assert result["text_asr"] == "gateway words"
            assert not second.all_heard("session_init_ack")
            await second.utterance(1, tone(300), manual_cut=False, **languages)
            await node.answer(await node.job())
            assert (await second.result())["utterance_index"] == 1
            await second.end()


@over_sockets
async def test_a_heartbeat_attaches_to_a_detached_session(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        first = await RawClient(scheduler.session_url).open()
        await first.init(*pair, platform="api-gateway")
        await first.speak(tone(300))
        job = await node.job()
        first.abort()
        async with RawClient(scheduler.session_url) as second:
            second.session_id = first.session_id
            await second.fence()
            await node.answer(job)
            assert (await second.result())["session_id"] == first.session_id
            await second.speak(tone(300))
            await node.answer(await node.job())
            await second.result()
            await second.end()


@over_sockets
async def test_of_several_sockets_that_name_a_detached_session_one_gets_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    for _ in range(15):
        async with RawClient(scheduler.session_url) as first:
            await first.init(*pair, platform="api-gateway")
        sockets = [await RawClient(scheduler.session_url).open() for _ in range(4)]
        for socket in sockets:
            socket.session_id = first.session_id
        beat = sockets[0].own("client_heartbeat", timestamp=1)
        await asyncio.gather(*(socket.say(beat) for socket in sockets))
        heard = [await socket.hear_any(("server_heartbeat", "error")) for socket in sockets]
        assert sorted(message["type"] for message in heard) == ["error"] * 3 + ["server_heartbeat"]
        for socket in sockets:
            await socket.aclose()


@pytest.mark.parametrize("kind", ["audio_chunk", "tts_started", "tts_play_ended", "session_close"])
@over_sockets
async def test_only_an_utterance_or_a_heartbeat_attaches(
    scheduler: SchedulerProcess, pair: Pair, kind: str
) -> None:
    first = await RawClient(scheduler.session_url).open()
    await first.init(*pair, platform="api-gateway")
    first.abort()
    async with RawClient(scheduler.session_url) as second:
        await second.say(typed(kind, naming(first.session_id, pair)[kind]))
        assert (await second.error())["code"] == "INVALID_SESSION"
        assert await second.close_code() == 1011
    async with RawClient(scheduler.session_url) as third:
        third.session_id = first.session_id
        await third.fence()
        await third.end()


@over_sockets
async def test_who_has_had_a_session_attaches_to_no_other(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    first = await RawClient(scheduler.session_url).open()
    await first.init(*pair, platform="api-gateway")
    first.abort()
    async with RawClient(scheduler.session_url) as second:
        await second.init(*pair)
        await second.end()
        second.session_id = first.session_id
        await second.say(second.own("client_heartbeat", timestamp=1))
        assert (await second.error())["code"] == "INVALID_SESSION"


@over_sockets
async def test_a_detached_session_is_over_when_its_grace_has_passed(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    first = await RawClient(scheduler.session_url).open()
    await first.init(*pair, platform="api-gateway")
    first.abort()
    await asyncio.sleep(GRACE + 0.3)
    async with RawClient(scheduler.session_url) as second:
        second.session_id = first.session_id
        await second.say(second.own("client_heartbeat", timestamp=1))
        assert (await second.error())["code"] == "INVALID_SESSION"


@over_sockets
async def test_words_of_a_lost_client_free_their_node(
    scheduler: SchedulerProcess, fresh_pair: Callable[[], Pair]
) -> None:
    """The grace and the flush pass, the job is cancelled, and the slot goes to the next."""
    pair = fresh_pair()
    one_at_a_time = Ability.of(pair, capacity=1)
    async with (
        raw_node(scheduler.node_url, one_at_a_time) as node,
        raw_client(scheduler.session_url, *pair) as waiting,
    ):
        lost = await RawClient(scheduler.session_url).open()
        await lost.init(*pair)
        await lost.speak(tone(300))
        first = await node.job()
        lost.abort()
        await waiting.speak(tone(200))
        await waiting.hear("ui_event", event="QUEUED")
        job = await node.job(seconds=GRACE + FLUSH + 3)
        assert audio_of(job) == tone(200)
        assert (await node.hear("job_cancel"))["job_id"] == first["job_id"]
        assert node.peak == 1
        await node.answer(job)
        await waiting.result()


@over_sockets
async def test_a_socket_that_closes_in_order_detaches_like_one_that_breaks(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Browsers close without a status and without `session_close`."""
    async with RawClient(scheduler.session_url) as first:
        await first.init(*pair, platform="api-gateway")
    async with RawClient(scheduler.session_url) as second:
        second.session_id = first.session_id
        await second.fence()
        await second.end()


@over_sockets
async def test_what_was_said_right_before_the_socket_closed_is_translated(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        async with RawClient(scheduler.session_url) as client:
            await client.init(*pair)
            await client.speak(tone(300))
        job = await node.job()
        assert audio_of(job) == tone(300)
        await node.answer(job)


@pytest.mark.parametrize("wish", [{"mode": "two_way_auto"}, {"lang_a": None}, {"auto_langs": []}])
@over_sockets
async def test_wishes_of_a_session_reach_the_node(
    scheduler: SchedulerProcess, pair: Pair, wish: dict[str, Any]
) -> None:
    asked = {"mode": "two_way_auto", "lang_a": pair[0], "lang_b": pair[1], "auto_langs": [*pair]}
    both = Ability(asr=pair, semantic=pair)
    features = {"emotion_detection": True}
    async with (
        raw_node(scheduler.node_url, both) as node,
        RawClient(scheduler.session_url) as client,
    ):
        fields = {**asked, "dialect": "north", "features": features, **wish}
        await client.say(session_init("auto", pair[1], **fields))
        client.session_id = (await client.hear("session_init_ack"))["session_id"]
        await client.speak(tone(300))
        job = await node.job()
        assert (job["src_lang"], job["tgt_lang"]) == ("auto", pair[1])
        assert job["dialect"] == "north"
        assert job["features"]["emotion_detection"] is True
        for name in ("mode", "lang_a", "lang_b", "auto_langs"):
            assert (job.get(name) or None) == (fields[name] or None)
        await node.answer(job)
        await client.result()
        await client.end()
