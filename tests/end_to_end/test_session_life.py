"""Sessions and their sockets: several in a row, foreign ones, closing, detaching, attaching."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.raw_client import RawClient, b64, raw_client, session_init, tone
from tests.support.raw_node import Ability, audio_of, raw_node
from tests.support.raw_wire import Message, over_sockets
from tests.support.scheduler_process import SchedulerProcess, running_scheduler

Pair = tuple[str, str]
GRACE = 1.0
FLUSH = 0.5
"""Seconds."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags = ("--session-grace-seconds", str(GRACE), "--close-flush-ms", str(int(FLUSH * 1000)))
    with running_scheduler("--hangover-manual-ms=5", *flags) as process:
        yield process
        process.wait_until_idle()


def ability(pair: Pair) -> Ability:
    return Ability(asr=(pair[0],), semantic=(pair[1],))


def naming(session_id: str, pair: Pair) -> dict[str, Message]:
    """Return every message that names a session, in the name of this one."""
    own = {"session_id": session_id}
    play = {**own, "trace_id": "t", "group_id": "g"}
    return {
        "audio_chunk": {**own, "seq": 0, "is_final": True, "payload": b64(tone(500))},
        "utterance": {
            **own,
            "utterance_index": 0,
            "manual_cut": True,
            "src_lang": pair[0],
            "tgt_lang": pair[1],
            "audio": b64(tone(1200)),
            "audio_format": "pcm16",
            "sample_rate": 16000,
        },
        "client_heartbeat": {**own, "timestamp": 1},
        "tts_started": {**play, "ts_start_ms": 1},
        "tts_play_ended": {**play, "ts_end_ms": 1},
        "session_close": {**own, "reason": "mischief"},
    }


def typed(kind: str, fields: Message) -> Message:
    return {"type": kind, **fields}


# ---- heartbeats ---------------------------------------------------------------------------------


@over_sockets
async def test_a_heartbeat_is_answered_at_once(scheduler: SchedulerProcess) -> None:
    async with raw_client(scheduler.session_url) as client:
        before = int(time.time() * 1000)
        await client.say(client.own("client_heartbeat", timestamp=123))
        beat = await client.hear("server_heartbeat")
        assert beat["session_id"] == client.session_id
        assert before - 1 <= beat["timestamp"] <= time.time() * 1000 + 1


# ---- before, between and after sessions ---------------------------------------------------------


@pytest.mark.parametrize("kind", list(naming("", ("", ""))))
@over_sockets
async def test_nothing_but_an_init_begins_a_session(
    scheduler: SchedulerProcess, pair: Pair, kind: str
) -> None:
    async with (
        raw_node(scheduler.node_url, ability(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        await client.say(typed(kind, naming("s-nobody", pair)[kind]))
        assert (await client.error())["code"] == "INVALID_SESSION"
        await client.init(*pair)
        await client.speak(tone(300))
        job = await node.job()
        assert audio_of(job) == tone(300)
        await node.answer(job)
        await client.result()
        await client.end()


@over_sockets
async def test_room_messages_before_and_in_a_session_are_answered_without_harm(
    scheduler: SchedulerProcess,
) -> None:
    create = {"type": "room_create", "client_ts": 1}
    async with RawClient(scheduler.session_url) as client:
        await client.say(create)
        await client.error()
        await client.init("en", "es")
        await client.say(create)
        await client.fence()
        await client.end()


@over_sockets
async def test_a_further_init_opens_another_session_and_closes_the_former(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, ability(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        former = (await client.init(*pair))["session_id"]
        await client.chunk(tone(400))
        latter = (await client.init(*pair))["session_id"]
        assert latter != former
        job = await node.job(session_id=former)
        assert job["is_manual_cut"] is True
        assert audio_of(job) == tone(400)
        await client.speak(tone(200))
        other = await node.job(session_id=latter)
        await node.answer(other, "new words")
        assert (await client.result(session_id=latter))["text_asr"] == "new words"
        await node.answer(job, "old words")
        assert (await client.result(session_id=former))["text_asr"] == "old words"
        await client.fence()
        assert not client.all_heard("session_close_ack")
        await client.end()


@over_sockets
async def test_the_ack_of_a_further_init_does_not_wait_for_the_former_session(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """No node is there: the former session's words take their flush time."""
    async with RawClient(scheduler.session_url) as client:
        former = (await client.init(*pair))["session_id"]
        await client.speak(tone(400))
        await client.hear("ui_event", event="QUEUED")
        before = time.monotonic()
        await client.init(*pair)
        assert time.monotonic() - before < FLUSH / 2
        outcome = await client.missing(session_id=former)
        assert outcome["reason"] == "session_closed"
        await client.end()


@over_sockets
async def test_the_former_session_is_not_the_sockets_own_any_more(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with RawClient(scheduler.session_url) as client:
        former = (await client.init(*pair))["session_id"]
        await client.init(*pair)
        for kind, fields in naming(former, pair).items():
            await client.say(typed(kind, fields))
            assert (await client.error())["code"] == "INVALID_SESSION"
        await client.end()
        assert not client.outcomes()


@pytest.mark.parametrize("has_init", [True, False], ids=["with a session", "without one"])
@over_sockets
async def test_nobody_speaks_for_the_session_of_another_socket(
    scheduler: SchedulerProcess, pair: Pair, *, has_init: bool
) -> None:
    async with (
        raw_node(scheduler.node_url, ability(pair)) as node,
        raw_client(scheduler.session_url, *pair) as victim,
        RawClient(scheduler.session_url) as intruder,
    ):
        if has_init:
            await intruder.init(*pair)
        await victim.chunk(tone(300))
        await victim.fence()
        for kind, fields in naming(victim.session_id, pair).items():
            await intruder.say(typed(kind, fields))
            assert (await intruder.error())["code"] == "INVALID_SESSION"
        intruder.session_id, own = victim.session_id, intruder.session_id
        await intruder.binary_chunk(tone(500))
        assert (await intruder.error())["code"] == "INVALID_SESSION"
        await intruder.binary_final()
        assert (await intruder.error())["code"] == "INVALID_SESSION"
        intruder.session_id = own
        await victim.final()
        job = await node.job()
        assert audio_of(job) == tone(300)
        assert job["utterance_index"] == 0
        await node.answer(job)
        await victim.result()
        assert len(node.jobs) == 1


# ---- closing ------------------------------------------------------------------------------------


@over_sockets
async def test_closing_a_session_without_audio_is_acknowledged_at_once(
    scheduler: SchedulerProcess,
) -> None:
    async with RawClient(scheduler.session_url) as client:
        await client.init("en", "es")
        before = time.monotonic()
        await client.end()
        assert time.monotonic() - before < FLUSH / 2
        assert not client.outcomes()
        await client.say(client.own("client_heartbeat", timestamp=1))
        assert (await client.error())["code"] == "INVALID_SESSION"
        await client.init("en", "es")
        await client.end()


@over_sockets
async def test_a_close_waits_for_what_is_open_but_not_for_ever(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, ability(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        await client.init(*pair)
        await client.speak(tone(300))
        job = await node.job()
        before = time.monotonic()
        await client.say(client.own("session_close", reason="bye"))
        outcome = await client.missing(seconds=FLUSH + 3)
        assert time.monotonic() - before >= FLUSH - 0.02
        assert outcome["reason"] == "session_closed"
        await client.hear("session_close_ack")
        assert (await node.hear("job_cancel"))["job_id"] == job["job_id"]
        await node.answer(job)  # as the existing agent does after a cancel
        await node.fence()
        assert len(client.outcomes()) == 1


@over_sockets
async def test_closing_again_while_closing_does_not_hurt(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, ability(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        await client.init(*pair)
        await client.chunk(tone(300))
        await client.say(client.own("session_close", reason="bye"))
        await client.say(client.own("session_close", reason="bye"))
        await client.chunk(tone(300))
        await node.answer(await node.job())
        await client.result()
        await client.hear("session_close_ack")
        assert len(node.jobs) == 1


@over_sockets
async def test_the_socket_of_a_closed_session_takes_another_one(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, ability(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        for _ in range(3):
            await client.init(*pair)
            await client.speak(tone(300))
            await node.answer(await node.job())
            result = await client.result()
            assert (result["utterance_index"], result["delivery_seq"]) == (0, 1)
            await client.end()


@over_sockets
async def test_a_session_that_begins_while_the_former_one_closes_is_its_own(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, ability(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        former = (await client.init(*pair))["session_id"]
        await client.chunk(tone(300))
        await client.say(client.own("session_close", reason="bye"))
        latter = (await client.init(*pair))["session_id"]
        await client.speak(tone(200))
        new, old = await node.job(session_id=latter), await node.job(session_id=former)
        await node.answer(new)
        await client.result(session_id=latter)
        await node.answer(old)
        await client.result(session_id=former)
        await client.hear("session_close_ack", session_id=former)
        await client.end()


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
    async with raw_node(scheduler.node_url, ability(pair)) as node:
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
    async with raw_node(scheduler.node_url, ability(pair)) as node:
        first = await RawClient(scheduler.session_url).open()
        await first.init(*pair)
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
            await first.init(*pair)
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
    await first.init(*pair)
    first.abort()
    async with RawClient(scheduler.session_url) as second:
        await second.say(typed(kind, naming(first.session_id, pair)[kind]))
        assert (await second.error())["code"] == "INVALID_SESSION"
        second.session_id = first.session_id
        await second.fence()
        await second.end()


@over_sockets
async def test_who_has_had_a_session_attaches_to_no_other(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    first = await RawClient(scheduler.session_url).open()
    await first.init(*pair)
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
    await first.init(*pair)
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
    one_at_a_time = Ability(asr=(pair[0],), semantic=(pair[1],), capacity=1)
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
        await first.init(*pair)
    async with RawClient(scheduler.session_url) as second:
        second.session_id = first.session_id
        await second.fence()
        await second.end()


@over_sockets
async def test_what_was_said_right_before_the_socket_closed_is_translated(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, ability(pair)) as node:
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
