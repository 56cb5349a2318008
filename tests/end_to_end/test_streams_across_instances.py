"""What is being spoken at one instance and heard at a node of another, and what becomes of it.

Nobody who speaks or listens notices where anything is, or which machine has died.
"""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.moving import FLAGS
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_streaming_node import raw_streaming_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(45)

PIECE = 3200
"""Bytes of 100 ms."""
SPEECH = tone(4_000)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS, "--max-turn-ms=60000") as made:
        yield made


async def served(at: SchedulerProcess, pair: Pair) -> None:
    """Return when an instance knows the nodes of this pair, wherever they are."""
    async with asyncio.timeout(10):
        while True:
            async with RawClient(at.session_url) as client:
                ack = await client.init(*pair)
                await client.end()
            if "translation" not in {one["what"] for one in ack.get("unserved", ())}:
                return
            await asyncio.sleep(0.1)


@over_sockets
async def test_a_node_elsewhere_hears_what_is_spoken_here(cluster: Cluster, pair: Pair) -> None:
    first, second = cluster.members
    async with raw_streaming_node(second.node_url, Ability.of(pair, 4)) as node:
        await served(first, pair)
        async with raw_client(first.session_url, *pair) as client:
            await client.chunks(SPEECH[:64_000])
            job = await node.job()
            assert job["streaming"] is True
            await node.heard_of(job, SPEECH[:64_000])
            await node.partial(job, "so far", stable_chars=2)
            assert (await client.hear("asr_partial", text="so far"))["stable_chars"] == 2
            await client.chunks(SPEECH[64_000:])
            await client.final()
            ended = await node.hear("job_end", job_id=job["job_id"])
            assert ended["frames"] == len(node.frames[job["job_id"]])
            assert node.spoken(job) == SPEECH
            await node.answer(job, "all of it")
            assert (await client.result())["text_asr"] == "all of it"


@pytest.mark.parametrize("how", ["killed", "stopped"])
@over_sockets
async def test_an_instance_whose_node_hears_somebody_may_go(
    cluster: Cluster, pair: Pair, how: str
) -> None:
    first, second = cluster.members
    async with (
        raw_streaming_node(second.node_url, Ability.of(pair, 4)) as lost,
        raw_client(first.session_url, *pair) as client,
    ):
        await served(first, pair)
        await client.chunks(SPEECH[:64_000])
        job = await lost.job()
        await lost.heard_of(job, SPEECH[:64_000])
        async with raw_streaming_node(first.node_url, Ability.of(pair, 4)) as other:
            if how == "killed":
                cluster.crash(second)
            else:
                second.process.send_signal(signal.SIGSTOP)
            try:
                said = 64_000
                while not other.unread("job_assign") and said < len(SPEECH):
                    await client.chunks(SPEECH[said : said + PIECE])
                    said += PIECE
                    await asyncio.sleep(0.1)
                await client.chunks(SPEECH[said:])
                await client.final()
                again = await other.job()
                if again.get("streaming"):
                    await other.hear("job_end", job_id=again["job_id"])
                    assert other.spoken(again) == SPEECH
                else:
                    assert audio_of(again) == SPEECH
                await other.answer(again, "nothing lost")
                assert (await client.result())["text_asr"] == "nothing lost"
            finally:
                if how == "stopped":
                    second.process.send_signal(signal.SIGCONT)


@over_sockets
async def test_a_speaker_goes_on_elsewhere_when_its_instance_dies_in_mid_speech(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with raw_streaming_node(second.node_url, Ability.of(pair, 1)) as node:
        await served(first, pair)
        client = await ResumingClient.with_session(first, pair)
        await client.chunks(SPEECH[:64_000])
        job = await node.job()
        await node.heard_of(job, SPEECH[:64_000])
        cluster.crash(first)
        client = await client.resume_at(second)
        assert client.ack["next_seq"] == 0
        client.seq = 0
        await client.chunks(SPEECH)
        await client.final()
        await node.hear("job_cancel", job_id=job["job_id"])  # its only slot is free again
        again = await node.job()
        assert again["job_id"] != job["job_id"]
        if again.get("streaming"):
            await node.hear("job_end", job_id=again["job_id"])
            assert node.spoken(again) == SPEECH
        else:
            assert audio_of(again) == SPEECH
        await node.answer(again, "said once")
        result = await client.result()
        assert (result["text_asr"], result["delivery_seq"]) == ("said once", 1)
        await client.leave()


@over_sockets
async def test_a_speaker_who_moves_in_mid_speech_is_heard_whole(
    cluster: Cluster, pair: Pair
) -> None:
    """Its former instance lives, and lets go of what its node was hearing."""
    first, second = cluster.members
    async with raw_streaming_node(first.node_url, Ability.of(pair, 1)) as node:
        await served(second, pair)
        client = await ResumingClient.with_session(first, pair)
        await client.chunks(SPEECH[:64_000])
        job = await node.job()
        await node.heard_of(job, SPEECH[:64_000])
        client = await client.resume_at(second)
        taken = client.ack["next_seq"]
        client.seq = 0
        await client.chunks(SPEECH)
        await client.final()
        assert taken in (0, 20)
        await node.hear("job_cancel", job_id=job["job_id"])
        again = await node.job()
        if again.get("streaming"):
            await node.hear("job_end", job_id=again["job_id"])
            assert node.spoken(again) == SPEECH
        else:
            assert audio_of(again) == SPEECH
        await node.answer(again, "said once")
        result = await client.result()
        assert (result["text_asr"], result["delivery_seq"]) == ("said once", 1)
        await client.leave()


@over_sockets
async def test_a_line_that_is_cut_in_mid_speech_leaves_its_stream_as_it_was(
    cluster: Cluster, pair: Pair
) -> None:
    first, _second = cluster.members
    async with raw_streaming_node(first.node_url, Ability.of(pair, 1)) as node:
        client = await ResumingClient.with_session(first, pair)
        await client.chunks(SPEECH[:64_000])
        job = await node.job()
        await node.heard_of(job, SPEECH[:64_000])
        client.abort()
        await asyncio.sleep(0.3)
        client = await client.resume()
        client.seq = client.ack["next_seq"]
        assert client.seq == 20
        await client.chunks(SPEECH[64_000:])
        await client.final()
        await node.hear("job_end", job_id=job["job_id"])
        assert node.spoken(job) == SPEECH
        await node.answer(job, "in one piece")
        assert (await client.result())["text_asr"] == "in one piece"
        await client.leave()


@over_sockets
async def test_a_frozen_instance_costs_its_node_and_not_the_words(
    cluster: Cluster, pair: Pair
) -> None:
    """Without another node that streams the whole utterance goes to one that does not."""
    first, second = cluster.members
    async with (
        raw_streaming_node(second.node_url, Ability.of(pair, 4)) as lost,
        raw_client(first.session_url, *pair) as client,
    ):
        await served(first, pair)
        await client.chunks(SPEECH[:64_000])
        job = await lost.job()
        await lost.heard_of(job, SPEECH[:64_000])
        async with raw_node(first.node_url, Ability.of(pair, 4)) as whole:
            second.process.send_signal(signal.SIGSTOP)
            try:
                await client.chunks(SPEECH[64_000:])
                await client.final()
                again = await whole.job(seconds=20)
                assert audio_of(again) == SPEECH
                await whole.answer(again, "whole")
                assert (await client.result())["text_asr"] == "whole"
            finally:
                second.process.send_signal(signal.SIGCONT)
