"""A session moves while its words are at a node that is connected to none of its owners, or one.

The node goes on with them: whoever drove the job when it was given away, its answer comes to who
drives it now, once.
"""

import asyncio
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(30)

FLAGS = (
    "--session-grace-seconds=8",
    "--close-flush-ms=3000",
    "--audio-ack-interval-ms=50",
    "--instance-lease-ms=1000",
)
WITHOUT = "before its audio comes again"
AFTER = "after its audio came again"
CASES = list(product((1, 2), ("alive", "dead"), (WITHOUT, AFTER)))
"""Where the node is, what the former owner is, when the node answers."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(3, *FLAGS) as made:
        yield made


async def spoken(cluster: Cluster, node: RawNode, pair: Pair) -> tuple[ResumingClient, Any]:
    """Speak at the first instance; return when the node has the job."""
    client = await ResumingClient(cluster.members[0].session_url).open()
    await client.init(*pair)
    await client.speak(tone(500))
    return client, await node.job()


async def say_one_more(client: ResumingClient, node: RawNode) -> None:
    """The next thing the node hears is the next utterance; so is what the client hears next."""
    client.seq = max(client.seq, 2)
    await client.speak(tone(700))
    job = await node.job()
    assert "~" not in job["job_id"]
    assert job["nth"] == 1
    await node.answer(job, "more")
    outcome = await client.outcome()
    assert (outcome["text_asr"], outcome["delivery_seq"]) == ("more", 2)


@pytest.mark.parametrize(("place", "owner", "when"), CASES)
@over_sockets
async def test_words_at_a_node_elsewhere_come_to_the_new_owner_once(
    cluster: Cluster, pair: Pair, place: int, owner: str, when: str
) -> None:
    first, second, _ = members = list(cluster.members)
    async with raw_node(members[place].node_url, Ability.of(pair, 20)) as node:
        client, job = await spoken(cluster, node, pair)
        if owner == "dead":
            first.kill()
            cluster.members.remove(first)
        client.url = second.session_url
        client = await client.resume()
        said = client.seq
        assert client.ack["next_seq"] == 0
        if when == AFTER:
            client.seq = 0
            await client.speak(tone(500))
            await client.fence()
            await asyncio.sleep(0.3)  # the node's instance has heard whose the job is now
        await node.answer(job, "once")
        outcome = await client.outcome()
        assert (outcome["text_asr"], outcome["delivery_seq"]) == ("once", 1)
        assert outcome["tts_audio"]
        client.seq = said
        await say_one_more(client, node)
        await client.end()
        await client.aclose_all()


@over_sockets
async def test_an_answer_that_comes_while_nobody_drives_the_job_is_kept_without_its_speech(
    cluster: Cluster, pair: Pair
) -> None:
    first, second, third = cluster.members
    async with raw_node(third.node_url, Ability.of(pair, 20)) as node:
        client, job = await spoken(cluster, node, pair)
        first.kill()
        cluster.members.remove(first)
        await node.answer(job, "once")
        await asyncio.sleep(2.5)  # the lease has lapsed: there is no way to the former owner
        client.url = second.session_url
        client = await client.resume()
        outcome = await client.outcome()
        assert (outcome["text_asr"], outcome["tts_lost"]) == ("once", True)
        await say_one_more(client, node)
        await client.end()
        await client.aclose_all()
