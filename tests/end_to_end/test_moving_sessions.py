"""Sessions that go on at another instance: after a crash, a freeze, a drain, or just so.

What the client may rely on: the same utterance indexes, the same cuts, audio that is the same byte
by byte, exactly one outcome per utterance, and `delivery_seq` without a gap or a repetition.
"""

import asyncio
from collections.abc import Iterator

import pytest

from tests.end_to_end.support.moving import FLAGS, replay
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.end_to_end.support.processes.redis_tap import RedisEyes
from tests.support.peers.raw_client import noise, recorded_chunks, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.takes(45)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS) as made:
        yield made


def wait_until_noted(cluster: Cluster, session_id: str) -> None:
    """Return when the store knows that older tokens are not good any more."""
    eyes = RedisEyes(cluster.url)
    try:
        record = f"lingua:v1:session:{session_id}"
        wait_until(lambda: eyes.ask("HGET", record, "tokens_from"), "the store was told")
    finally:
        eyes.close()


# ---- crash --------------------------------------------------------------------------------------


@over_sockets
async def test_an_utterance_goes_on_where_its_instance_died_in_the_middle(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    client = await ResumingClient.with_session(first, pair)
    chunks = recorded_chunks()[:12]
    for chunk in chunks[:7]:
        await client.chunk(chunk)
    await client.fence()
    cluster.crash(first)
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        client = await client.resume_at(second)
        assert client.ack["next_seq"] == 0
        for seq, chunk in enumerate(chunks):
            await client.chunk_at(seq, chunk)
        await client.final()
        job = await node.job()
        assert audio_of(job) == b"".join(chunks)
        assert job["nth"] == 0
        await node.answer(job, "one")
        assert (await client.result())["delivery_seq"] == 1
        await client.leave()


@over_sockets
async def test_what_was_heard_and_what_was_missed_are_told_apart(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with RawNode(first.node_url, Ability.of(pair, 20)) as node:
        await node.register()
        client = await ResumingClient.with_session(first, pair)
        for number in range(3):
            await client.speak(tone(300 + 100 * number))
            await node.answer(await node.job(), f"words {number}")
            await client.result()
        await client.hear("audio_ack", next_seq=client.seq)
        client.forget(1)  # the two latest were lost with the line
        cluster.crash(first)
    said = client.seq
    client = await client.resume_at(second)
    assert client.ack["next_seq"] == said
    for number in (1, 2):
        outcome = await client.result()
        assert outcome["delivery_seq"] == number + 1
        assert outcome["utterance_index"] == number
        assert outcome["text_asr"] == f"words {number}"
        assert outcome["text_translated"] == f"words {number} [{pair[1]}]"
        assert outcome["tts_audio"] == ""
        assert outcome["tts_lost"] is True
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        await client.speak(tone(300))
        job = await node.job()
        assert job["nth"] == 3
        await node.answer(job)
        assert (await client.result())["delivery_seq"] == 4
        await client.leave()


@over_sockets
async def test_words_that_wait_for_a_node_wait_on_at_another_instance(
    cluster: Cluster, pair: Pair
) -> None:
    """No node is there yet: the jobs are in the queue, their audio died with the instance."""
    first, second = cluster.members
    client = await ResumingClient.with_session(first, pair)
    said = [noise(number, 4000 + 2 * number) for number in range(3)]
    for audio in said:
        await client.speak(audio, size=1500)
        await client.hear("ui_event", event="QUEUED")
    cluster.crash(first)
    client = await client.resume_at(second)
    assert client.ack["next_seq"] == 0
    await replay(client, said)
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        for number, audio in enumerate(said):
            job = await node.job()
            assert audio_of(job) == audio
            assert job["nth"] == number
            await node.answer(job, f"words {number}")
        heard = [(await client.result())["utterance_index"] for _ in said]
        assert heard == [0, 1, 2]
        await client.leave()


@over_sockets
async def test_a_job_in_hand_at_a_node_that_died_with_its_instance_is_done_again(
    cluster: Cluster, pair: Pair
) -> None:
    """The node comes back at the other instance and does not know the job any more."""
    first, second = cluster.members
    async with RawNode(first.node_url, Ability.of(pair, 20, "roaming")) as node:
        await node.register()
        client = await ResumingClient.with_session(first, pair)
        await client.speak(tone(500))
        job = await node.job()
        cluster.crash(first)
    async with raw_node(second.node_url, Ability.of(pair, 20, "roaming")) as again:
        again.remember(node)
        client = await client.resume_at(second)
        assert client.ack["next_seq"] == 0
        await replay(client, [tone(500)], size=8192)
        repeated = await again.job()
        assert repeated["job_id"] == f"{job['job_id']}~2"
        assert audio_of(repeated) == audio_of(job) == tone(500)
        assert repeated["utterance_index"] == 0
        await again.answer(repeated, "once")
        assert (await client.result())["text_asr"] == "once"
        await client.leave()


@over_sockets
async def test_a_turn_goes_on_with_its_parts(cluster: Cluster, pair: Pair) -> None:
    """A long turn was cut for its length; its end comes after the crash."""
    first, second = cluster.members
    client = await ResumingClient.with_session(first, pair)
    parts = [tone(10_000), tone(3000)]
    for start in range(0, len(parts[0]), 32_000):
        await client.chunk(parts[0][start : start + 32_000])
    await client.hear("ui_event", event="QUEUED")
    cluster.crash(first)
    client = await client.resume_at(second)
    assert client.ack["next_seq"] == 0
    client.seq = 0
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        for part in parts:
            for start in range(0, len(part), 32_000):
                await client.chunk(part[start : start + 32_000])
        await client.final()
        jobs = [await node.job(), await node.job()]
        assert [audio_of(job) for job in jobs] == parts
        assert jobs[0]["turn_id"] == jobs[1]["turn_id"]
        assert [job["nth"] for job in jobs] == [0, 1]
        await node.answer(jobs[1], "all of it")
        assert (await client.missing())["reason"] == "merged"
        assert (await client.result())["utterance_index"] == 1
        await client.leave()


@over_sockets
async def test_silence_that_made_nothing_is_not_asked_for_again(
    cluster: Cluster, pair: Pair
) -> None:
    """The client was told that it may forget it."""
    first, second = cluster.members
    client = await ResumingClient.with_session(first, pair)
    await client.chunk(bytes(3200))
    await client.final()
    await client.hear("audio_ack", next_seq=2)
    cluster.crash(first)
    client = await client.resume_at(second)
    assert client.ack["next_seq"] == 2
    await client.leave()


@over_sockets
async def test_a_session_that_was_ending_ends_elsewhere(cluster: Cluster, pair: Pair) -> None:
    first, second = cluster.members
    client = await ResumingClient.with_session(first, pair)
    await client.chunk(tone(800))
    await client.say(client.own("session_close", reason="done"))
    await client.hear("ui_event", event="QUEUED")
    cluster.crash(first)
    client = await client.resume_at(second)
    async with raw_node(second.node_url, Ability.of(pair, 20)) as node:
        await client.chunk_at(0, tone(800))
        job = await node.job()
        assert audio_of(job) == tone(800)
        await node.answer(job)
        await client.result()
        await client.hear("session_close_ack")
    await client.aclose_all()


@over_sockets
async def test_a_session_that_is_over_is_refused_everywhere(cluster: Cluster, pair: Pair) -> None:
    first, second = cluster.members
    client = await ResumingClient.with_session(first, pair)
    await client.end()
    client.url = second.session_url
    await client.refused_resume()
    await client.aclose_all()


@over_sockets
async def test_a_token_is_good_elsewhere_until_its_successor_was_used(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    oldest = await ResumingClient.with_session(first, pair)
    older = await oldest.resume()
    await older.fence()  # it has read its token
    await asyncio.to_thread(wait_until_noted, cluster, older.session_id)
    client = older
    client.url = second.session_url
    for wrong in (oldest.token, "guess", "9.9.9", older.token[:-1] + "A"):
        await client.refused_resume(resume_token=wrong)
    client = await client.resume()
    assert client.token not in (oldest.token, older.token)
    await client.leave()


# ---- a live owner -------------------------------------------------------------------------------


@over_sockets
async def test_a_session_comes_and_goes_between_live_instances(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    async with raw_node(first.node_url, Ability.of(pair, 20)) as node:
        client = await ResumingClient.with_session(first, pair)
        for number in range(2):
            await client.speak(tone(400))
            await node.answer(await node.job(), f"words {number}")
            await client.result()
    for number, there in enumerate((second, first, second), 2):
        said = client.seq
        client = await client.resume_at(there)
        assert client.ack["next_seq"] == said
        async with raw_node(there.node_url, Ability.of(pair, 20)) as node:
            await client.speak(tone(400))
            job = await node.job()
            assert job["nth"] == number
            await node.answer(job)
            assert (await client.result())["delivery_seq"] == number + 1
    await client.leave()


# ---- two versions -------------------------------------------------------------------------------


def test_another_schema_of_the_keys_is_refused_in_one_line() -> None:
    with instances(1) as cluster:
        eyes = RedisEyes(cluster.url)
        eyes.ask("SET", "lingua:v1:schema", "0")
        eyes.close()
        refused = SchedulerProcess("--port", "0", "--redis-url", cluster.url)
        try:
            assert refused.wait() == 2
            lines = refused.log().strip().splitlines()
            assert len(lines) == 1, lines
            assert "schema 0" in lines[0]
        finally:
            refused.close()
