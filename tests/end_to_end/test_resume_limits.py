"""Coming back where something is full, slow or about to end."""

import asyncio
import base64
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.support.peers.raw_client import RawClient, session_init, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

OUTBOX_BYTES = 250_000
REPLAY_BYTES = 1_200_000
OUTCOMES = 12
SESSIONS = 3
VOICE = base64.b64encode(bytes(60_000)).decode()
"""80,000 bytes on the wire."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    bounds = {
        "max-outbox-bytes": OUTBOX_BYTES,
        "replay-max-bytes": REPLAY_BYTES,
        "replay-max-outcomes": OUTCOMES,
        "max-sessions": SESSIONS,
        "ingest-rate": 2,
        "ingest-burst-ms": 2000,
        "max-duration-ms": 60_000,
        "max-turn-ms": 90_000,
        "close-flush-ms": 500,
        "session-grace-seconds": 3,
    }
    with running_scheduler(*(f"--{name}={value}" for name, value in bounds.items())) as process:
        yield process
        process.wait_until_idle()


@over_sockets
async def test_a_replay_is_no_faster_than_its_reader_and_comes_whole(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """What was missed is four times what may wait for one socket."""
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        for index in range(OUTCOMES):
            await first.utterance(index, tone(100), **languages)
        jobs = [await node.job() for _ in range(OUTCOMES)]
        first.abort()
        await asyncio.sleep(0.1)
        for job in jobs:
            await node.answer(job, tts_audio=VOICE)
        await node.fence()
        second = await first.resume()
        for seq in range(1, OUTCOMES + 1):
            result = await second.result()
            assert (result["delivery_seq"], result["tts_audio"]) == (seq, VOICE)
        await second.fence()
        await second.leave()


@over_sockets
async def test_a_client_that_reads_may_get_more_at_once_than_may_wait_for_one_that_does_not(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """What was missed, and what became ready while it came back, in one burst."""
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        for index in range(OUTCOMES):
            await first.utterance(index, tone(100), **languages)
        jobs = [await node.job() for _ in range(OUTCOMES)]
        first.abort()
        for job in jobs[: OUTCOMES // 2]:
            await node.answer(job, tts_audio=VOICE)
        resuming = asyncio.create_task(first.resume())
        for job in jobs[OUTCOMES // 2 :]:
            await node.answer(job, tts_audio=VOICE)
        second = await resuming
        for seq in range(1, OUTCOMES + 1):
            assert (await second.result())["delivery_seq"] == seq
        await second.leave()


@over_sockets
async def test_a_client_that_was_closed_for_not_reading_comes_back_for_the_rest(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        deaf = await ResumingClient.with_session(scheduler, pair)
        deaf.socket.transport.pause_reading()
        sent = 0
        while sent < 200:
            await deaf.utterance(sent, tone(100), **languages)
            try:
                job = await node.job(speaker_key=deaf.known_as, seconds=0.5)
            except AssertionError:
                break  # it is closed: what it says is not heard any more
            await node.answer(job, tts_audio=VOICE)
            sent += 1
        deaf.socket.transport.resume_reading()
        assert await deaf.close_code() == 4008
        back = await deaf.resume()
        await back.utterance(sent, tone(100), **languages)
        await node.answer(await node.job())
        while back.last_delivery_seq < sent + 1:
            await back.outcome()
        await back.leave()


@over_sockets
async def test_of_too_many_missed_outcomes_the_latest_come_and_words_before_voices(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
    voice = base64.b64encode(bytes(90_000)).decode()  # nine of them fit
    said = OUTCOMES + 3
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        for index in range(said):
            await first.utterance(index, tone(100), **languages)
        jobs = [await node.job() for _ in range(said)]
        first.abort()
        await asyncio.sleep(0.1)
        for job in jobs:
            await node.answer(job, tts_audio=voice)
        await asyncio.to_thread(scheduler.wait_for, {"lingua_audio_bytes_held": 0.0})
        first.forget(3)
        second = await first.resume()
        results = [await second.result() for _ in range(OUTCOMES)]
        assert [result["delivery_seq"] for result in results] == [*range(4, said + 1)]
        assert all(result["text_translated"] for result in results)
        lost = [result.get("tts_lost", False) for result in results]
        assert lost == [not result["tts_audio"] for result in results]
        assert lost == [True] * 3 + [False] * 9
        await second.leave()


@over_sockets
async def test_what_is_sent_again_is_read_as_fast_as_it_comes(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """12 s of audio would take 5 s beyond the burst."""
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        first = await ResumingClient.with_session(scheduler, pair)
        first.abort()
        second = await first.resume()
        began = time.monotonic()
        await second.speak(tone(12_000), size=16_000)
        job = await node.job()
        assert time.monotonic() - began < 2
        assert audio_of(job) == tone(12_000)
        assert not second.all_heard("backpressure")
        await node.answer(job)
        await second.result()
        await second.leave()


@over_sockets
async def test_who_may_resume_hears_that_it_is_too_fast(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
        client = await ResumingClient.with_session(scheduler, pair)
        await client.speak(tone(4000), size=16_000)
        pause = await client.hear("backpressure")
        assert pause["action"] == "PAUSE"
        assert pause["resume_after_ms"] > 0
        await node.answer(await node.job())
        await client.result()
        await client.leave()


@over_sockets
async def test_a_detached_session_takes_no_place_and_comes_back_all_the_same(
    scheduler: SchedulerProcess,
) -> None:
    lost = await ResumingClient.with_session(scheduler, ("en", "es"))
    lost.abort()
    await asyncio.sleep(0.1)
    others = [await ResumingClient.with_session(scheduler, ("en", "es")) for _ in range(SESSIONS)]
    one_more = await RawClient(scheduler.session_url).open()
    await one_more.say(session_init("en", "es", resume=True))
    assert await one_more.close_code() == 1013
    back = await lost.resume()
    await back.fence()
    for client in (*others, back):
        await client.leave()
    await one_more.aclose()


def test_while_the_process_shuts_down_clients_are_told_to_reconnect_and_may_fetch_the_rest(
    pair: Pair,
) -> None:
    with running_scheduler("--drain-seconds", "5") as scheduler:

        @over_sockets
        async def scenario() -> None:
            async with raw_node(scheduler.node_url, Ability.of(pair, 20)) as node:
                first = await ResumingClient.with_session(scheduler, pair)
                await first.chunk(tone(300))
                await first.fence()
                door = await ResumingClient(scheduler.session_url).open()  # none opens any more
                scheduler.terminate()
                await first.hear("reconnect")
                job = await node.job()
                assert audio_of(job) == tone(300)
                await door.say(first.returning())
                door.session_id = first.session_id
                await door.hear("session_init_ack")
                await door.hear("reconnect")
                await node.answer(job)
                assert (await door.result())["delivery_seq"] == 1
                assert await door.close_code() == 1001
                await door.aclose()
                await first.aclose()

        scenario()
        assert scheduler.wait() == 0
