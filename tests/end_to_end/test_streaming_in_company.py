"""What is spoken in a room, or for several languages, while a node hears it."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.support.moving import FLAGS
from tests.end_to_end.support.peers.room_page import RoomPage, guest, room_of
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, audio_of
from tests.support.peers.raw_streaming_node import RawStreamingNode, raw_streaming_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

SPEECH = tone(2_000)
HALF = SPEECH[:32_000]


@pytest.fixture
def scheduler(scheduler_for_crowds: SchedulerProcess) -> SchedulerProcess:
    return scheduler_for_crowds


async def begin(client: RawClient, node: RawStreamingNode) -> Message:
    """Say the first half; return the job that its node hears."""
    await client.chunks(HALF)
    job = await node.job()
    assert job["streaming"] is True
    await node.heard_of(job, HALF)
    return job


async def end(client: RawClient) -> None:
    await client.chunks(SPEECH[32_000:])
    await client.final()


async def ended(node: RawStreamingNode, job: Message) -> None:
    """Return when the node has all of it."""
    await node.hear("job_end", job_id=job["job_id"])
    assert node.spoken(job) == SPEECH


@over_sockets
async def test_of_several_languages_the_first_is_heard_while_it_is_spoken(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, first = pair
    second = f"{first}x"
    able = Ability(asr=(own,), semantic=(first, second), capacity=8)
    async with (
        raw_streaming_node(scheduler.node_url, able) as node,
        raw_client(scheduler.session_url, own, first, tgt_langs=[first, second]) as client,
    ):
        for index in range(2):
            job = await begin(client, node)
            assert job["tgt_lang"] == first
            await node.partial(job, "so far", text_translated="hasta")
            assert (await client.hear("asr_partial"))["text"] == "so far"
            await end(client)
            await ended(node, job)
            other = await node.job()
            assert (other["tgt_lang"], other.get("streaming")) == (second, None)
            assert audio_of(other) == SPEECH
            for one in (other, job):
                await node.answer(one, "hello", text_translated=f"in {one['tgt_lang']}")
            found = [await client.result() for _ in range(2)]
            assert {one["tgt_lang"]: one["text_translated"] for one in found} == {
                first: f"in {first}",
                second: f"in {second}",
            }
            assert {one["utterance_index"] for one in found} == {index}


@over_sockets
async def test_who_understands_the_speaker_of_a_room_reads_along(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    able = Ability.among(own, other)
    async with (
        raw_streaming_node(scheduler.node_url, able) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own), guest(own, other)) as (
            ann,
            bob,
            cyd,
        ),
    ):
        for number in range(2):
            job = await begin(ann, node)
            assert job["tgt_lang"] == other
            await node.partial(job, f"so far {number}", text_translated="hasta", stable_chars=2)
            read = await cyd.hear("asr_partial")
            assert (read["text"], read["stable_chars"]) == (f"so far {number}", 2)
            assert "text_translated" not in read
            assert (read["session_id"], read["speaker_session_id"]) == (ann.alias,) * 2
            assert (await ann.hear("asr_partial"))["text"] == f"so far {number}"
            await end(ann)
            await ended(node, job)
            await node.answer(job, "all of it", text_translated="todo")
            for page, text in ((bob, "todo"), (cyd, "all of it")):
                heard = await page.result()
                assert heard["text_translated"] == text
                assert heard["speaker_utterance_index"] == read["speaker_utterance_index"]
            assert heard["utterance_index"] >= read["utterance_index"]
        assert not bob.all_heard("asr_partial")
        await ann.fence()
        assert not ann.outcomes()


@over_sockets
async def test_whoever_comes_and_goes_while_somebody_speaks_hears_what_is_theirs(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    third = f"{other}x"
    able = Ability.among(own, other, third)
    async with (
        raw_streaming_node(scheduler.node_url, able) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
        RoomPage(scheduler.session_url) as eve,
    ):
        await eve.init(third, own)
        job = await begin(ann, node)
        assert job["tgt_lang"] == other
        await eve.join(str(ann.room_code))
        await ann.meets(3)
        await bob.leave()
        await ann.meets(2)
        await end(ann)
        await node.hear("job_cancel", job_id=job["job_id"])  # nobody hears it any more
        whole = await node.job()
        assert (whole["tgt_lang"], whole.get("streaming")) == (third, None)
        assert audio_of(whole) == SPEECH
        await node.answer(whole, "for eve")
        assert (await eve.result())["text_asr"] == "for eve"
        await bob.fence()
        assert not bob.outcomes()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *FLAGS) as made:
        yield made


@pytest.mark.takes(15)
@over_sockets
async def test_a_member_at_another_instance_reads_along(cluster: Cluster, pair: Pair) -> None:
    first, second = cluster.members
    own, other = pair
    async with (
        raw_streaming_node(first.node_url, Ability.among(own, other)) as node,
        RoomPage(first.session_url) as ann,
        RoomPage(second.session_url) as bob,
        RoomPage(second.session_url) as cyd,
    ):
        await ann.init(own, other)
        code = await ann.create()
        await bob.init(other, own)
        await bob.join(code)
        await cyd.init(own, other)
        await cyd.join(code)
        await ann.meets(3)
        job = await begin(ann, node)
        await node.partial(job, "so far")
        read = await cyd.hear("asr_partial")
        assert (read["text"], read["speaker_session_id"]) == ("so far", ann.alias)
        await end(ann)
        await ended(node, job)
        await node.answer(job, "all of it", text_translated="todo")
        assert (await bob.result())["text_translated"] == "todo"
        assert (await cyd.result())["text_asr"] == "all of it"
