"""What is too much: queues, held audio, sessions, fast senders and slow readers."""

import asyncio
import base64
import time
from collections.abc import Iterator

import pytest

from tests.support.peers.raw_client import RawClient, raw_client, session_init, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

PER_SESSION = 3
QUEUED = 8
HELD_BYTES = 400_000
SESSIONS = 40
OUTBOX_BYTES = 300_000


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    bounds = {
        "max-queued-per-session": PER_SESSION,
        "max-queued-jobs": QUEUED,
        "max-held-audio-bytes": HELD_BYTES,
        "max-sessions": SESSIONS,
        "max-outbox-bytes": OUTBOX_BYTES,
        "ingest-rate": 20,
        "ingest-burst-ms": 4000,
        "max-duration-ms": 60_000,
        "max-turn-ms": 90_000,
        "close-flush-ms": 1000,
        "result-gap-ms": 300,
        "hangover-manual-ms": 5,
        "session-grace-seconds": 0.5,
    }
    with running_scheduler(*(f"--{name}={value}" for name, value in bounds.items())) as process:
        yield process
        process.wait_until_idle()


@over_sockets
async def test_a_session_may_have_so_many_waiting_and_no_more(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, 1)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        for index in range(PER_SESSION + 3):
            await client.utterance(index, tone(300), **languages)
        for index in range(PER_SESSION + 1, PER_SESSION + 3):
            event = await client.hear("ui_event", event="ERROR", utterance_index=index)
            assert event["error_code"] == "NODE_OVERLOADED"
        node.answers()
        await node.answer(node.jobs[0])
        outcomes = [await client.outcome() for _ in range(PER_SESSION + 3)]
        assert [outcome["utterance_index"] for outcome in outcomes] == [*range(PER_SESSION + 3)]
        reasons = [outcome.get("reason") for outcome in outcomes]
        assert reasons == [None] * (PER_SESSION + 1) + ["queue_full"] * 2
        assert not client.all_heard("error")
        await client.utterance(9, tone(300), **languages)
        await client.result()


@over_sockets
async def test_all_sessions_together_may_have_so_many_waiting(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    clients = [await RawClient(scheduler.session_url).open() for _ in range(4)]
    for client in clients:
        await client.init(*pair)
        for index in range(PER_SESSION):
            await client.utterance(index, tone(300), **languages)
        for index in range(PER_SESSION):
            await client.hear("ui_event", utterance_index=index)
    events = [event["event"] for client in clients for event in client.all_heard("ui_event")]
    assert events.count("QUEUED") == QUEUED
    assert events.count("ERROR") == PER_SESSION * len(clients) - QUEUED
    async with raw_node(scheduler.node_url, Ability.of(pair, 4), answering=True):
        for client in clients:
            for _ in range(PER_SESSION):
                await client.hear_any(("translation_result", "missing_result"))
    for client in clients:
        await client.end()
        await client.aclose()


@over_sockets
async def test_more_audio_than_may_be_held_is_refused_not_kept(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, 10)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        big = tone(7000)  # 224,000 bytes
        for _ in range(2):
            await client.speak(big, size=64_000)
        assert (await client.missing(seconds=15))["reason"] == "queue_full"
        await node.answer(await node.job())
        await client.result()
        await client.speak(tone(300))
        await node.answer(await node.job())
        await client.result()


@over_sockets
async def test_a_fast_sender_is_read_slowly_and_loses_nothing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """12 s of audio at once: 4 are the burst, the rest is read at 20 times real time."""
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, 10)) as node,
        raw_client(scheduler.session_url, *pair) as fast,
        raw_client(scheduler.session_url, *pair) as calm,
    ):
        audio = tone(12_000)
        began = time.monotonic()
        await fast.speak(audio, size=16_000)
        await calm.speak(tone(300))
        job = await node.job(speaker_key=calm.known_as)
        assert len(node.jobs) == 1  # nobody else waits for the fast one
        await node.answer(job)
        await calm.result()
        job = await node.job(speaker_key=fast.known_as)
        assert time.monotonic() - began > 0.3
        assert audio_of(job) == audio
        await node.answer(job)
        await fast.result()
        assert not fast.all_heard("backpressure")


@over_sockets
async def test_a_client_that_does_not_read_is_closed_and_the_others_do_not_notice(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    voice = base64.b64encode(bytes(60_000)).decode()
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, 10)) as node,
        raw_client(scheduler.session_url, *pair) as calm,
    ):
        deaf = await RawClient(scheduler.session_url).open()
        await deaf.init(*pair)
        deaf.socket.transport.pause_reading()
        for index in range(200):
            await deaf.utterance(index, tone(100), **languages)
            try:
                job = await node.job(speaker_key=deaf.known_as, seconds=0.5)
            except AssertionError:
                break  # it is closed: what it says is not heard any more
            await node.answer(job, tts_audio=voice)
            await calm.fence()
        deaf.socket.transport.resume_reading()
        assert await deaf.close_code() == 4008
        await calm.speak(tone(300))
        await node.answer(await node.job(speaker_key=calm.known_as))
        await calm.result()


@over_sockets
async def test_one_session_too_many_is_turned_away(scheduler: SchedulerProcess) -> None:
    clients = [await RawClient(scheduler.session_url).open() for _ in range(SESSIONS)]
    for client in clients:
        await client.init("en", "es")
    one_more = await RawClient(scheduler.session_url).open()
    await one_more.say(session_init("en", "es"))
    assert await one_more.close_code() == 1013
    assert not one_more.all_heard("session_init_ack")
    assert one_more.socket.close_reason
    await clients[0].end()
    async with RawClient(scheduler.session_url) as after:
        await after.init("en", "es")
        await after.end()
    detached = scheduler.log().count("session detached")
    clients[1].abort()  # detached sessions do not count
    await asyncio.to_thread(scheduler.wait_for_log, "session detached", detached + 1)
    async with RawClient(scheduler.session_url) as after:
        await after.init("en", "es")
        await after.end()
    for client in clients[2:]:
        await client.end()
        await client.aclose()
    await clients[0].aclose()
