"""Nodes that hear an utterance while it is spoken."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_streaming_node import raw_streaming_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


@pytest.fixture
def scheduler(scheduler_for_crowds: SchedulerProcess) -> SchedulerProcess:
    return scheduler_for_crowds


@over_sockets
async def test_a_node_hears_what_is_spoken_while_it_is(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_streaming_node(scheduler.node_url, Ability.of(pair, capacity=2)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        audio = tone(2_000)
        await client.chunks(audio)
        job = await node.job()
        assert (job["streaming"], job["audio"]) == (True, "")
        await node.heard_of(job, audio)
        await node.partial(job, "good mor", stable_chars=4, text_translated="buen")
        shown = await client.hear("asr_partial", text="good mor")
        assert (shown["stable_chars"], shown["text_translated"]) == (4, "buen")
        assert not node.unread("job_end"), "nothing has ended"
        await client.final()
        ended = await node.hear("job_end", job_id=job["job_id"])
        assert ended["frames"] == len(node.frames[job["job_id"]])
        assert (ended["duration_ms"], ended["cut_reason"]) == (2_000, "manual")
        assert ended["is_manual_cut"] is True
        await node.answer(job, "good morning")
        result = await client.result()
        assert result["text_asr"] == "good morning"
        assert result["utterance_index"] == shown["utterance_index"]
        assert result["job_id"] == shown["job_id"]
        assert node.spoken(job) == audio


@over_sockets
async def test_a_monologue_is_one_utterance_until_its_turn_is_full(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_streaming_node(scheduler.node_url, Ability.of(pair, capacity=2)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        audio = tone(30_000)
        await client.chunks(audio[:64_000])
        job = await node.job()
        await node.heard_of(job, audio[:64_000])
        await client.chunks(audio[64_000:])
        ended = await node.hear("job_end")
        assert (ended["duration_ms"], ended["cut_reason"]) == (30_000, "max_turn")
        assert node.spoken(job) == audio
        await node.answer(job, "all of it")
        assert (await client.result())["text_asr"] == "all of it"


@over_sockets
async def test_a_node_that_dies_in_mid_speech_costs_no_word(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with AsyncExitStack() as stack:
        ability = Ability.of(pair, capacity=2)
        first = await stack.enter_async_context(raw_streaming_node(scheduler.node_url, ability))
        client = await stack.enter_async_context(raw_client(scheduler.session_url, *pair))
        audio = tone(3_000)
        await client.chunks(audio[:32_000])
        job = await first.job()
        await first.heard_of(job, audio[:32_000])
        second = await stack.enter_async_context(raw_streaming_node(scheduler.node_url, ability))
        first.abort()
        await asyncio.sleep(0.2)
        await client.chunks(audio[32_000:64_000])
        again = await second.job()
        assert again["streaming"] is True
        await second.heard_of(again, audio[:64_000])
        await client.chunks(audio[64_000:])
        await client.final()
        await second.hear("job_end")
        assert second.spoken(again) == audio
        await second.answer(again)
        assert (await client.result())["text_asr"] == "hello"


@over_sockets
async def test_without_another_node_that_streams_it_waits_for_its_cut(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=2)
    async with (
        raw_node(scheduler.node_url, ability) as whole,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        audio = tone(2_000)
        async with raw_streaming_node(scheduler.node_url, ability) as node:
            await client.chunks(audio[:32_000])
            job = await node.job()
            await node.heard_of(job, audio[:32_000])
            node.abort()
        await asyncio.sleep(0.2)
        await client.chunks(audio[32_000:])
        await client.final()
        job = await whole.job()
        assert audio_of(job) == audio
        await whole.answer(job)
        await client.result()


@over_sockets
async def test_an_answer_in_mid_speech_is_an_error_of_its_node(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability.of(pair, capacity=2)
    async with (
        raw_streaming_node(scheduler.node_url, ability) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        audio = tone(2_000)
        await client.chunks(audio[:32_000])
        job = await node.job()
        await node.answer(job, "too early")
        await client.chunks(audio[32_000:])
        await client.final()
        whole = await node.job()
        assert "streaming" not in whole
        assert audio_of(whole) == audio
        await node.answer(whole, "in time")
        assert (await client.result())["text_asr"] == "in time"


@over_sockets
async def test_a_whole_utterance_takes_the_slot_of_what_is_still_spoken(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_streaming_node(scheduler.node_url, Ability.of(pair, capacity=1)) as node,
        raw_client(scheduler.session_url, *pair) as speaker,
        raw_client(scheduler.session_url, *pair) as other,
    ):
        audio = tone(2_000)
        await speaker.chunks(audio[:32_000])
        job = await node.job()
        await other.speak(tone(200))  # too short to be streamed itself
        await node.hear("job_cancel", job_id=job["job_id"])
        whole = await node.job()
        assert audio_of(whole) == tone(200)
        await node.answer(whole)
        await other.result()
        await speaker.chunks(audio[32_000:])
        await speaker.final()
        again = await node.job()
        while again.get("streaming") is True and node.unread("job_cancel"):
            again = await node.job()
        if again.get("streaming") is True:
            await node.hear("job_end", job_id=again["job_id"])
            assert node.spoken(again) == audio
        else:
            assert audio_of(again) == audio
        await node.answer(again)
        await speaker.result()


@over_sockets
async def test_what_is_thrown_away_is_cancelled_without_an_outcome(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_streaming_node(scheduler.node_url, Ability.of(pair, capacity=2)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.chunks(tone(1_000))
        job = await node.job()
        await client.say(client.own("utterance_cancel"))
        await node.hear("job_cancel", job_id=job["job_id"])
        await client.speak(tone(200))
        short = await node.job()
        assert "streaming" not in short
        await node.answer(short)
        assert (await client.result())["utterance_index"] == 0, "no index was taken"
