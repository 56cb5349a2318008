"""Recordings in a container, whose session goes on at another instance in their middle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.audio.framing import split_packets
from tests.end_to_end.support.moving import FLAGS
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import pieces, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(20)
pytest.importorskip("av", reason="without PyAV nothing is converted (extra `media`)")
AUDIO = Path(__file__).parents[1] / "data" / "audio"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS, "--max-turn-ms=1000") as made:
        yield made


@pytest.mark.parametrize("name", ["container.webm", "container.mp4"])
@over_sockets
async def test_a_recording_goes_on_where_its_instance_died_and_no_noise_is_heard(
    cluster: Cluster, pair: Pair, name: str
) -> None:
    """Whoever goes on has to hear it from its begin, so none of it may be forgotten before."""
    first, second = cluster.members
    said = list(pieces((AUDIO / name).read_bytes(), 1_000))
    async with RawNode(first.node_url, Ability.of(pair, 20)) as node:
        await node.register()
        client = await ResumingClient.with_session(first, pair)
        for piece in said[: len(said) * 2 // 3]:
            await client.chunk(piece)
        job = await node.job()
        await node.answer(job, "one")
        await client.result()
        before = [audio_of(job)]
        await client.fence()
        cluster.crash(first)
    async with raw_node(second.node_url, Ability.of(pair, 20), answering=True) as node:
        client = await client.resume_at(second)
        assert client.ack["next_seq"] == 0
        for seq, piece in enumerate(said):
            await client.chunk_at(seq, piece)
        await client.final()
        await client.speak(tone(200))
        while not node.jobs or audio_of(node.jobs[-1]) != tone(200):
            await client.result()
        heard = b"".join([*before, *(audio_of(each) for each in node.jobs[:-1])])
        if name.endswith("webm"):
            assert len(split_packets(heard)) == 150
        else:
            assert len(heard) / 32_000 == pytest.approx(3.0, abs=0.12)
        assert not client.all_heard("error")
        await client.leave()
