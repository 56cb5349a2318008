"""Sessions and their sockets: several in a row, foreign ones, closing."""

import time

import pytest

from protocol.ids import SessionId, speaker_key
from tests.end_to_end.support.short_grace import FLUSH, naming, typed
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


@pytest.fixture
def scheduler(scheduler_of_short_lives: SchedulerProcess) -> SchedulerProcess:
    return scheduler_of_short_lives


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
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        await client.say(typed(kind, naming("s-nobody", pair)[kind]))
        assert (await client.error())["code"] == "INVALID_SESSION"
        assert await client.close_code() == 1011
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
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
    async with RawClient(scheduler.session_url) as client:
        await client.init("en", "es")
        await client.say(create)
        await client.fence()
        await client.end()


@over_sockets
async def test_a_further_init_opens_another_session_and_closes_the_former(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        former = (await client.init(*pair))["session_id"]
        await client.chunk(tone(400))
        latter = (await client.init(*pair))["session_id"]
        assert latter != former
        job = await node.job(speaker_key=speaker_key(SessionId(former)))
        assert job["is_manual_cut"] is True
        assert audio_of(job) == tone(400)
        await client.speak(tone(200))
        other = await node.job(speaker_key=speaker_key(SessionId(latter)))
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


@over_sockets
async def test_nobody_speaks_for_the_session_of_another_socket(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as victim,
        RawClient(scheduler.session_url) as intruder,
    ):
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
        assert job["nth"] == 0
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
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
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
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
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
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        for _ in range(3):
            await client.init(*pair)
            first = client.seq  # a page's numbers run on, and so do its indexes
            await client.speak(tone(300))
            await node.answer(await node.job())
            result = await client.result()
            assert (result["utterance_index"], result["delivery_seq"]) == (first, 1)
            await client.end()


@over_sockets
async def test_a_session_that_begins_while_the_former_one_closes_is_its_own(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        RawClient(scheduler.session_url) as client,
    ):
        former = (await client.init(*pair))["session_id"]
        await client.chunk(tone(300))
        await client.say(client.own("session_close", reason="bye"))
        latter = (await client.init(*pair))["session_id"]
        await client.speak(tone(200))
        new, old = (
            await node.job(speaker_key=speaker_key(SessionId(latter))),
            await node.job(speaker_key=speaker_key(SessionId(former))),
        )
        await node.answer(new)
        await client.result(session_id=latter)
        await node.answer(old)
        await client.result(session_id=former)
        await client.hear("session_close_ack", session_id=former)
        await client.end()
