"""Nodes that hear what is spoken and fail of it: nobody who speaks notices more than a gap."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.support.peers.raw_client import pieces, raw_client, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_streaming_node import raw_streaming_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytestmark = pytest.mark.takes(20)

JOB_SECONDS = 4.0
FLAGS = (
    f"--job-timeout-ms={int(JOB_SECONDS * 1000)}",
    "--stream-lag-ms=500",
    "--pause-ms=60000",
    "--message-rate=100000",
    "--message-burst=100000",
    "--ingest-rate=1000",
    "--max-turn-ms=600000",
)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler(*FLAGS) as process:
        yield process
        process.wait_until_idle()


@over_sockets
async def test_a_node_that_is_silent_after_the_end_is_waited_for_as_for_any_job(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_streaming_node(scheduler.node_url, Ability.of(pair, 2)) as mute,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        audio = tone(2_000)
        await client.chunks(audio[:32_000])
        job = await mute.job()
        await asyncio.sleep(JOB_SECONDS + 0.3)  # its deadline does not run while it is spoken
        assert not mute.unread("job_cancel")
        async with raw_node(scheduler.node_url, Ability.of(pair, 2)) as other:
            await client.chunks(audio[32_000:])
            await client.final()
            await mute.hear("job_end", job_id=job["job_id"])
            again = await other.job(seconds=JOB_SECONDS + 3)
            assert audio_of(again) == audio
            assert again["attempt_id"] == 2
            await mute.hear("job_cancel", job_id=job["job_id"])
            await other.answer(again, "in its place")
            assert (await client.result())["text_asr"] == "in its place"


@over_sockets
async def test_a_flood_of_partial_text_reaches_nobody(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_streaming_node(scheduler.node_url, Ability.of(pair, 2)) as node,
        raw_client(scheduler.session_url, *pair) as client,
        raw_client(scheduler.session_url, *pair) as neighbour,
    ):
        await client.chunks(tone(1_000))
        job = await node.job()
        began = asyncio.get_running_loop().time()
        for number in range(3_000):
            await node.partial(job, f"{number}")
        await neighbour.speak(tone(200))
        other = await node.job()
        await node.answer(other)
        await neighbour.result()
        shown = await client.hear("asr_partial", text="2999")
        took = asyncio.get_running_loop().time() - began
        texts = client.all_heard("asr_partial")
        assert shown in texts
        assert len(texts) <= took / 0.2 + 2
        await client.final()
        await node.hear("job_end", job_id=job["job_id"])
        await node.answer(job)
        await client.result()


@over_sockets
async def test_a_node_that_does_not_read_delays_only_those_whom_it_hears(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """What it has not taken for so long is taken from it, and no memory is filled meanwhile."""
    other_pair = (f"{pair[0]}x", f"{pair[1]}x")
    async with (
        raw_streaming_node(scheduler.node_url, Ability.of(pair, 2)) as frozen,
        raw_node(scheduler.node_url, Ability.of(other_pair, 2)) as sound,
        raw_client(scheduler.session_url, *pair) as client,
        raw_client(scheduler.session_url, *other_pair) as neighbour,
    ):
        audio = b"".join(tone(2_000) for _ in range(240))  # 15 MB: more than any buffer takes
        await client.chunks(audio[:32_000])
        job = await frozen.job()
        await frozen.heard_of(job, audio[:32_000])
        frozen.socket.transport.pause_reading()
        async with raw_node(scheduler.node_url, Ability.of(pair, 2)) as whole:
            for piece in pieces(audio[32_000:], 64_000):
                await client.chunk(piece)
            await client.fence()
            await neighbour.speak(tone(200))
            await sound.answer(await sound.job())
            await neighbour.result()
            await asyncio.sleep(0.7)
            await client.chunk(b"", final=True)
            said = b""
            while len(said) < len(audio):  # what is not streamed is cut where it gets too long
                part = await whole.job(seconds=10)
                said += audio_of(part)
                await whole.answer(part, "whole")
                assert (await client.result())["text_asr"] == "whole"
            assert said == audio
        frozen.socket.transport.resume_reading()


@over_sockets
async def test_answers_in_mid_speech_make_a_node_suspect(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_streaming_node(scheduler.node_url, Ability.of(pair, 8)) as node,
        AsyncExitStack() as stack,
    ):
        speakers = [
            await stack.enter_async_context(raw_client(scheduler.session_url, *pair))
            for _ in range(3)
        ]
        for speaker in speakers:
            await speaker.chunks(tone(1_000))
        jobs = [await node.job() for _ in speakers]
        for job in jobs:
            assert job["streaming"] is True
            await node.answer(job, "too early")
        async with asyncio.timeout(10):
            while "sick" not in await asyncio.to_thread(_why_not, scheduler, node.node_id):
                await asyncio.sleep(0.05)
        for speaker in speakers:  # a node that alone serves a pair is used as ever
            await speaker.final()
            whole = await node.job()
            assert "streaming" not in whole
            await node.answer(whole, "in time")
            assert (await speaker.result())["text_asr"] == "in time"


def _why_not(scheduler: SchedulerProcess, node_id: str) -> str:
    url = f"http://127.0.0.1:{scheduler.port}/api/v1/nodes/{node_id}"
    with urllib.request.urlopen(url) as answer:
        return json.dumps(json.load(answer)["why_not_chosen"])
