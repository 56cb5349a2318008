"""Instances that are drained leave their sessions to others, or end them with outcomes."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.moving import FLAGS
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(45)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS) as made:
        yield made


@over_sockets
async def test_a_drained_instance_leaves_its_sessions_to_another(
    cluster: Cluster, pair: Pair
) -> None:
    """What is running ends there; what is said in the middle of it is cut nowhere."""
    first, second = cluster.members
    async with RawNode(first.node_url, Ability.of(pair, 20)) as node:
        await node.register()
        client = await ResumingClient.with_session(first, pair)
        await client.speak(tone(500))
        job = await node.job()
        await client.chunk(tone(300))
        await client.fence()
        first.terminate()
        assert (await client.hear("reconnect"))["after_ms"] == 1000
        await client.chunk(tone(300))  # not taken any more
        await node.answer(job, "in time")
        assert (await client.result())["text_asr"] == "in time"
        assert await client.close_code() == 1001
    assert first.wait() == 0
    said = 3  # two chunks and the final of the first utterance
    client = await client.resume_at(second)
    assert client.ack["next_seq"] == said
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        client.seq = said
        await client.chunk(tone(300))
        await client.chunk(tone(300))
        await client.final()
        job = await node.job()
        assert audio_of(job) == 2 * tone(300)
        assert job["nth"] == 1
        await node.answer(job)
        assert (await client.result())["delivery_seq"] == 2
        await client.leave()


@over_sockets
async def test_a_drained_instance_does_not_wait_for_who_says_nothing(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    client = await ResumingClient.with_session(first, pair)
    first.terminate()
    assert await client.close_code() == 1001
    assert first.wait(2.5) == 0
    client = await client.resume_at(second)
    await client.leave()


@over_sockets
async def test_the_last_instance_ends_its_sessions_with_outcomes(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    cluster.crash(second)
    await asyncio.sleep(1.1)  # its lease
    client = await ResumingClient.with_session(first, pair)
    await client.chunk(tone(900))
    await client.fence()
    first.terminate()
    await client.hear("reconnect")
    assert (await client.missing(seconds=10.0))["reason"] in ("session_closed", "no_available_node")
    assert first.wait() == 0
    await client.aclose_all()
