"""Instances show each other, and talk only with the same secret."""

import asyncio
import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.support.processes.instances import Instances, running_instances
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(12)


@pytest.fixture(scope="module")
def instances() -> Iterator[Instances]:
    """Instances a and b; every test has languages of its own."""
    with running_instances(2, "--close-flush-ms", "300") as running:
        yield running
        for process in running.processes:
            process.wait_until_idle()


def test_every_instance_shows_all_of_them(instances: Instances) -> None:
    seen = [process.get("/api/v1/cluster").json for process in instances.processes]
    for cluster, own in zip(seen, "ab", strict=True):
        assert cluster["instance_id"] == own
        listed = {one["instance_id"]: one for one in cluster["instances"]}
        assert set(listed) == {"a", "b"}
        assert cluster["online_instances"] == cluster["total_instances"] == 2
        for process, name in zip(instances.processes, "ab", strict=True):
            assert listed[name]["pid"] == process.process.pid
            assert listed[name]["version"]
            assert listed[name]["is_online"]


@over_sockets
async def test_the_cluster_shows_nodes_with_their_instance(
    instances: Instances, pair: Pair
) -> None:
    async with raw_node(instances[1].node_url, Ability.of(pair, capacity=3)) as node:
        cluster = (await asyncio.to_thread(instances[0].get, "/api/v1/cluster")).json
        [listed] = [one for one in cluster["nodes"] if one["node_id"] == node.node_id]
        assert (listed["instance_id"], listed["max_concurrent_jobs"]) == ("b", 3)
        assert listed["online"]


def call_as_peer(instances: Instances, **headers: str) -> int:
    """Ask to be let in where instance a listens for others; return the status."""
    cluster = instances[0].get("/api/v1/cluster").json
    [url] = [one["peer_url"] for one in cluster["instances"] if one["instance_id"] == "a"]
    place = urlsplit(url)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=5)
    usual = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "X-Lingua-Instance": "z",
        "X-Lingua-To": "a",
        "X-Lingua-Link": "l",
        "X-Lingua-Version": "1",
    }
    try:
        connection.request("GET", place.path, headers={**usual, **headers})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer wrong", "Basic d3Jvbmc="])
def test_who_does_not_know_the_secret_is_refused_before_the_upgrade(
    instances: Instances, shown: str
) -> None:
    assert call_as_peer(instances, Authorization=shown) == 401


@over_sockets
async def test_instances_with_different_secrets_do_not_talk(pair: Pair) -> None:
    """The only node is out of reach, so the utterance ends with a reason."""
    secrets = [["--cluster-secret", "one"], ["--cluster-secret", "two"]]
    patience = ("--instance-lease-ms", "600", "--max-attempts", "1")
    with running_instances(2, *patience, own=secrets) as running:
        async with (
            raw_node(running[1].node_url, Ability.of(pair)) as node,
            raw_client(running[0].session_url, *pair) as client,
        ):
            await client.speak(tone(400))
            assert (await client.missing())["reason"] == "node_lost"
            assert not node.jobs
        assert "without the cluster's secret" in running[1].log()


@over_sockets
async def test_instances_with_the_same_given_secret_talk(pair: Pair) -> None:
    with running_instances(2, "--cluster-secret", "one and the same") as running:
        async with (
            raw_node(running[1].node_url, Ability.of(pair), answering=True),
            raw_client(running[0].session_url, *pair) as client,
        ):
            await client.speak(tone(400))
            await client.result()


@over_sockets
async def test_links_are_counted(instances: Instances, pair: Pair) -> None:
    names = [f'lingua_link_frames_total{{what="{what}"}}' for what in ("sent", "received")]
    before = await asyncio.to_thread(instances[0].metrics)
    async with (
        raw_node(instances[1].node_url, Ability.of(pair), answering=True),
        RawClient(instances[0].session_url) as client,
    ):
        await client.init(*pair)
        await client.speak(tone(400))
        await client.result()
        await client.end()
    after = await asyncio.to_thread(instances[0].metrics)
    assert [after[name] - before[name] for name in names] == [1, 1]
    sent = 'lingua_link_bytes_total{what="sent"}'
    assert after[sent] - before[sent] > len(tone(400))


@over_sockets
async def test_a_node_id_is_in_use_on_whichever_instance_its_node_is(
    instances: Instances, pair: Pair
) -> None:
    """The second one is refused while the first is alive, and takes over when it is not."""
    near, far = instances[0], instances[1]
    ability = Ability.of(pair, node_id="wanted-twice")
    async with RawNode(near.node_url, ability) as first:
        await first.register()
        async with RawNode(far.node_url, ability) as second:
            ack = await second.register()
            assert ack["error"]["code"] == "NODE_ID_IN_USE"
    async with RawNode(far.node_url, ability) as third:
        assert (await third.register())["status"] == "registered"
