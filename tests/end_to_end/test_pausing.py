"""A pause ends an utterance; playback, a cut and the next words do not."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

PAUSE = 0.4
"""Seconds."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags = ("--pause-ms", "400", "--max-duration-ms", "1000", "--session-grace-seconds", "0.5")
    with running_scheduler(*flags) as process:
        yield process
        process.wait_until_idle()


@pytest.fixture
def scheduler_of_long_grace() -> Iterator[SchedulerProcess]:
    """The end of a grace cuts, too: here it is far away."""
    with running_scheduler("--pause-ms=400", "--session-grace-seconds=20") as process:
        yield process


@asynccontextmanager
async def speaker_and_node(
    scheduler: SchedulerProcess, pair: Pair
) -> AsyncIterator[tuple[RawClient, RawNode]]:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        yield client, node


def playback(client: RawClient, kind: str) -> Message:
    field = "ts_start_ms" if kind == "tts_started" else "ts_end_ms"
    moment = {field: int(time.time() * 1000)}
    return client.own(kind, trace_id="t", group_id="group_x", **moment)


@over_sockets
async def test_a_pause_ends_an_utterance(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(200))
        await client.chunk(tone(200))
        said_at = time.monotonic()
        job = await node.job()
        assert PAUSE - 0.02 <= time.monotonic() - said_at < PAUSE + 1.0
        assert (job["is_manual_cut"], job["cut_reason"]) == (True, "pause")
        assert job["padding_ms"] == 220
        assert audio_of(job) == tone(400)
        await node.answer(job)
        await client.result()


@over_sockets
async def test_a_long_silence_takes_nothing_from_the_words_after_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """The first chunk after a pause begins an utterance; it is not one of its own."""
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(200))
        await node.answer(await node.job())
        await asyncio.sleep(2 * PAUSE)
        await client.chunk(tone(100))
        await client.fence()
        assert len(node.jobs) == 1
        await client.chunk(tone(100))
        await client.final()
        job = await node.job()
        assert audio_of(job) == tone(100) * 2
        await node.answer(job)
        await client.result()
        await client.result()


@over_sockets
async def test_who_goes_on_speaking_is_not_cut(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        for _ in range(5):
            await client.chunk(tone(100))
            await asyncio.sleep(PAUSE / 2)
        await client.final()
        job = await node.job()
        assert job["is_manual_cut"] is True
        assert audio_of(job) == tone(100) * 5
        await node.answer(job)
        await client.result()


@over_sockets
async def test_the_pause_clock_stands_still_during_playback(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(200))
        await client.say(playback(client, "tts_started"))
        await asyncio.sleep(3 * PAUSE)
        await client.fence()
        assert not node.jobs
        await client.say(playback(client, "tts_play_ended"))
        job = await node.job(seconds=PAUSE + 2)
        assert (job["is_manual_cut"], job["cut_reason"]) == (True, "pause")
        await node.answer(job)
        await client.result()


@over_sockets
async def test_speech_goes_on_after_playback_in_the_same_utterance(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(200))
        await client.say(playback(client, "tts_started"))
        await asyncio.sleep(2 * PAUSE)
        await client.say(playback(client, "tts_play_ended"))
        await client.chunk(tone(300))
        await client.final()
        job = await node.job()
        assert audio_of(job) == tone(200) + tone(300)
        await node.answer(job)
        await client.result()


@over_sockets
async def test_an_end_of_playback_that_never_began_changes_nothing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.say(playback(client, "tts_play_ended"))
        await client.chunk(tone(200))
        job = await node.job(seconds=PAUSE + 2)
        await node.answer(job)
        await client.result()


@over_sockets
async def test_a_pause_ends_a_turn_with_open_segments(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.chunk(tone(1000))
        first = await node.job()
        last = await node.job(seconds=PAUSE + 2)
        assert last["turn_id"] == first["turn_id"]
        assert (last["is_manual_cut"], last["cut_reason"]) == (True, "pause")
        assert audio_of(last) == bytes(200 * 32)
        await node.answer(last, "everything")
        assert (await client.missing())["reason"] == "merged"
        assert (await client.result())["text_asr"] == "everything"


@over_sockets
async def test_a_detached_speaker_is_cut_by_the_pause(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Without `resume` the clock runs on when the socket is lost."""
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        async with RawClient(scheduler.session_url) as client:
            await client.init(*pair)
            await client.chunk(tone(300))
            await client.fence()
            client.abort()
        job = await node.job(seconds=PAUSE + 2)
        assert (job["is_manual_cut"], job["cut_reason"]) == (True, "pause")
        await node.answer(job)


@over_sockets
async def test_who_is_gone_while_it_plays_is_cut_by_the_pause(
    scheduler_of_long_grace: SchedulerProcess, pair: Pair
) -> None:
    """Nobody will say any more that the playback has ended; what was said is not forgotten."""
    scheduler = scheduler_of_long_grace
    async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
        async with RawClient(scheduler.session_url) as client:
            await client.init(*pair)
            await client.chunk(tone(300))
            await client.say(playback(client, "tts_started"))
            await client.fence()
            client.abort()
        job = await node.job(seconds=PAUSE + 2)
        assert (job["is_manual_cut"], job["cut_reason"]) == (True, "pause")
        await node.answer(job)


@over_sockets
async def test_who_speaks_on_is_heard_though_the_end_of_playback_was_lost(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.say(playback(client, "tts_started"))
        await asyncio.sleep(1.1)  # what comes sooner was under way already
        await client.chunk(tone(300))
        job = await node.job(seconds=PAUSE + 2)
        assert (job["is_manual_cut"], job["cut_reason"]) == (True, "pause")
        await node.answer(job)
        await client.result()
