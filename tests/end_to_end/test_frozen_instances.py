"""Instances that stand still for longer than their lease, and wake."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.moving import FLAGS, replay
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(45)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS) as made:
        yield made


@over_sockets
async def test_an_instance_that_was_frozen_says_nothing_when_it_wakes(
    cluster: Cluster, pair: Pair
) -> None:
    """It has an answer in its socket, a pause to cut and outcomes to send: others did that."""
    first, second = cluster.members
    frozen = await ResumingClient.with_session(first, pair)
    await frozen.speak(tone(600))
    await frozen.hear("ui_event", event="QUEUED")
    first.process.send_signal(signal.SIGSTOP)
    try:
        await frozen.say(frozen.own("client_heartbeat", timestamp=1))  # it would be answered
        client = await frozen.resume_at(second)
        await replay(client, [tone(600)], size=8192)
        async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
            await node.answer(await node.job())
            await client.result()
        await asyncio.sleep(1.2)  # longer than the lease
        frozen.look()
        heard = len(frozen.heard)
    finally:
        first.process.send_signal(signal.SIGCONT)
    first.wait_for_log("session released to another instance")
    frozen.look()
    assert len(frozen.heard) == heard
    assert await frozen.close_code() == 4001
    await client.leave()


@over_sockets
async def test_a_frozen_instance_goes_on_with_what_is_still_its_own(
    cluster: Cluster, pair: Pair
) -> None:
    first, _ = cluster.members
    client = await ResumingClient.with_session(first, pair)
    await client.chunk(tone(600))
    await client.fence()
    first.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(1.5)
    first.process.send_signal(signal.SIGCONT)
    await client.final()
    async with raw_node(first.node_url, Ability.of(pair, 20)) as node:
        job = await node.job()
        assert audio_of(job) == tone(600)
        await node.answer(job)
        await client.result()
        await client.leave()


@over_sockets
async def test_a_session_without_resume_goes_on_after_its_instance_was_frozen(
    cluster: Cluster, pair: Pair
) -> None:
    first, _ = cluster.members
    async with raw_client(first.session_url, *pair) as client:
        await client.chunk(tone(600))
        await client.fence()
        first.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1.5)  # longer than the lease
        first.process.send_signal(signal.SIGCONT)
        await client.final()
        async with raw_node(first.node_url, Ability.of(pair, 20)) as node:
            job = await node.job()
            assert audio_of(job) == tone(600)
            await node.answer(job)
            await client.result()
            await client.end()
