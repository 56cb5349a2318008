"""A client on one instance and its session on another: what it hears when one of them goes."""

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.attaching import (
    FLAGS,
    attached,
    detached,
    naming,
    refused,
)
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import RawClient, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(45)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS) as made:
        yield made


@over_sockets
async def test_a_client_is_sent_away_when_the_instance_of_its_session_dies(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        client = await attached(second, await detached(first, pair))
        await client.speak(tone(300))
        await node.job()
        died = time.monotonic()
        first.kill()
        cluster.members.remove(first)
        assert await client.close_code() == 1001
        assert time.monotonic() - died < 1
        again = await naming(second, client)
        heard = await _code_or_close(again)
        while heard == 1013:  # until its lease has passed it may only be slow
            again = await naming(second, client)
            heard = await _code_or_close(again)
        assert heard == "INVALID_SESSION"
        assert await again.close_code() == 1011


async def _code_or_close(client: RawClient) -> str | int:
    code = await refused(client)
    if code == "INVALID_SESSION":
        return code
    assert code == "SCHEDULER_DEPENDENCY_DOWN"
    return await client.close_code()


@over_sockets
async def test_a_client_is_sent_away_when_the_instance_of_its_session_stands_still(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    client = await attached(second, await detached(first, pair))
    first.process.send_signal(signal.SIGSTOP)
    try:
        assert await client.close_code(seconds=6) == 1001
    finally:
        first.process.send_signal(signal.SIGCONT)
    await client.aclose()


@over_sockets
async def test_a_session_outlives_the_instance_that_its_client_was_connected_to(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with raw_node(first.node_url, Ability.of(pair, 20)) as node:
        client = await attached(second, await detached(first, pair))
        await client.speak(tone(300))
        job = await node.job()
        second.kill()
        cluster.members.remove(second)
        again = await attached(first, client)
        await node.answer(job, "heard elsewhere")
        assert (await again.result())["text_asr"] == "heard elsewhere"
        await again.end()
        await again.aclose()


@over_sockets
async def test_a_client_hears_the_last_of_what_it_said_before_its_instance_goes(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with raw_node(first.node_url, Ability.of(pair, 20)) as node:
        client = await attached(second, await detached(first, pair))
        await client.speak(tone(300))
        jobs = [await node.job()]
        await client.chunk(tone(500))  # no end of it is said
        await client.fence()
        second.terminate()
        assert (await client.hear("reconnect"))["reason"] == "shutdown"
        jobs.append(await node.job())
        assert audio_of(jobs[1]) == tone(500)
        for job in jobs:
            await node.answer(job)
            await client.result()
        assert await client.close_code() == 1001
        assert await asyncio.to_thread(second.wait, 3.0) == 0
        cluster.members.remove(second)
        again = await attached(first, client)
        await again.end()
        await again.aclose()


@over_sockets
async def test_an_instance_with_a_quiet_client_of_another_one_ends_at_once(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    client = await attached(second, await detached(first, pair))
    second.terminate()
    await client.hear("reconnect")
    assert await client.close_code(seconds=2) == 1001
    assert await asyncio.to_thread(second.wait, 2.0) == 0
    cluster.members.remove(second)
    again = await attached(first, client)
    await again.end()
    await again.aclose()


@over_sockets
async def test_a_client_elsewhere_hears_the_end_of_its_session_in_order(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        client = await attached(second, await detached(first, pair))
        await client.speak(tone(300))
        job = await node.job()
        first.terminate()
        assert (await client.hear("reconnect"))["reason"] == "shutdown"
        await node.answer(job, "the last words")
        assert (await client.result())["text_asr"] == "the last words"
        assert await client.close_code() == 1001
        assert await asyncio.to_thread(first.wait, 3.0) == 0
        cluster.members.remove(first)
