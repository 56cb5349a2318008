"""Speech without a pause that goes on at another instance, where nobody joins its parts."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.end_to_end.support.moving import FLAGS
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets

pytestmark = pytest.mark.takes(45)

SECOND_BYTES = 32_000


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS) as made:
        yield made


async def speak_on(client: ResumingClient, audio: bytes) -> None:
    for start in range(0, len(audio), SECOND_BYTES):
        await client.chunk(audio[start : start + SECOND_BYTES])


@over_sockets
async def test_who_falls_silent_after_a_crash_starts_no_job_of_silence(
    cluster: Cluster, pair: Pair
) -> None:
    """The part in hand needs no end of its turn: it is a whole job, at the other instance, too."""
    first, second = cluster.members
    ability = replace(Ability.of(pair, 20), joins_turns=False)
    part = tone(10_000)
    async with RawNode(first.node_url, ability) as node:
        await node.register()
        client = await ResumingClient.with_session(first, pair)
        await speak_on(client, part)
        before = await node.job()
        assert (before["is_manual_cut"], before["cut_reason"]) == (True, "max_duration")
        cluster.crash(first)
    async with raw_node(second.node_url, ability) as node:
        client = await client.resume_at(second)
        client.seq = client.ack["next_seq"]
        assert client.seq == 0
        await speak_on(client, part)
        again = await node.job()
        assert audio_of(again) == part
        assert again["job_id"] == f"{before['job_id']}~2"
        assert again["session_id"] == f"{before['session_id']}~2"
        assert again["speaker_key"] == before["speaker_key"]
        await client.final()
        await client.speak(tone(400))
        later = await node.job()
        assert audio_of(later) == tone(400)
        await node.answer(again, "the long part")
        await node.answer(later, "the short one")
        heard = [(await client.result())["text_asr"] for _ in range(2)]
        assert heard == ["the long part", "the short one"]
        assert len(node.jobs) == 2
        await client.leave()


@over_sockets
async def test_each_part_of_a_monologue_comes_once_though_its_instance_died_in_it(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    ability = replace(Ability.of(pair, 20), joins_turns=False)
    parts = [tone(10_000), tone(10_000), tone(2000)]
    async with raw_node(second.node_url, ability, answering=True) as node:
        client = await ResumingClient.with_session(first, pair)
        await speak_on(client, parts[0])
        assert (await client.result())["text_asr"] == "words 0"
        await client.hear("audio_ack", next_seq=client.seq)
        node.on_job = lambda _job: None
        await speak_on(client, parts[1])
        await node.job(nth=1)
        cluster.crash(first)
        node.answers()
        client = await client.resume_at(second)
        client.seq = client.ack["next_seq"]
        assert client.seq == 10
        await speak_on(client, parts[1])
        await speak_on(client, parts[2])
        await node.answer(node.jobs[1], "words 1")
        await client.final()
        heard = [await client.result() for _ in range(2)]
        assert [one["text_asr"] for one in heard] == ["words 1", "words 2"]
        assert [one["utterance_index"] for one in heard] == [1, 2]
        said = {job["nth"]: audio_of(job) for job in node.jobs}
        assert [said[number] for number in range(3)] == parts
        await client.leave()
