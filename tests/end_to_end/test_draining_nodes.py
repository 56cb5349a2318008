"""An instance that goes away gives its nodes back when they have finished, not before."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(13)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, "--drain-seconds=8", "--instance-lease-ms=1000") as made:
        yield made


@over_sockets
async def test_a_node_finishes_for_sessions_elsewhere_before_its_instance_goes(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with (
        raw_node(first.node_url, Ability.of(pair, 4)) as node,
        raw_client(second.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        job = await node.job()
        first.terminate()
        await asyncio.sleep(1.0)
        await client.speak(tone(400))
        await client.hear("ui_event", event="QUEUED")
        assert node.is_open
        await node.answer(job, "in time")
        assert (await client.result())["text_asr"] == "in time"
        assert await node.close_code() == 1012
        assert await asyncio.to_thread(first.wait) == 0
        cluster.members.remove(first)
        assert [job["job_id"] for job in node.jobs] == [job["job_id"]]
        same = replace(Ability.of(pair, 4), node_id=node.node_id)
        async with raw_node(second.node_url, same) as back:
            await back.answer(await back.job(), "at the other one")
            assert (await client.result())["text_asr"] == "at the other one"


@over_sockets
async def test_a_node_that_does_not_finish_is_not_waited_for_longer_than_the_drain(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with (
        raw_node(first.node_url, Ability.of(pair, 4)) as node,
        raw_client(second.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        await node.job()
        first.terminate()
        assert await asyncio.to_thread(first.wait, 12) == 0
        cluster.members.remove(first)
        assert await node.close_code() == 1012
        async with raw_node(second.node_url, Ability.of(pair, 4)) as other:
            again = await other.job()
            assert again["job_id"].endswith("~2")
            await other.answer(again, "by another one")
            assert (await client.result())["text_asr"] == "by another one"
