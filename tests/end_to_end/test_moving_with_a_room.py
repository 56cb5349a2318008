"""Members of a room move between instances: after a crash, a shutdown, or just so.

Who comes back within the grace is where it was: same seat, same name, same wishes, and the others
notice nothing. What others say meanwhile, or have said and is still being translated, reaches it
once and in its own order, without a gap in its numbers.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.peers.moving_page import moving_pages
from tests.end_to_end.support.peers.room_page import RoomPage
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(55)

GRACE = 4
FLAGS = (
    f"--session-grace-seconds={GRACE}",
    "--close-flush-ms=3000",
    "--audio-ack-interval-ms=50",
    "--instance-lease-ms=1000",
    "--drain-seconds=3",
    "--hangover-manual-ms=0",
)
HOWS = ("killed", "drained", "left")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(3, *FLAGS) as made:
        yield made


async def end(cluster: Cluster, member: SchedulerProcess, how: str) -> None:
    """Have an instance die, or go in order, or stay."""
    if how == "killed":
        member.kill()
        cluster.members.remove(member)
    elif how == "drained":
        member.terminate()
        cluster.members.remove(member)


def wants_no_voice_of(who: RoomPage, speaker: RoomPage, page: RoomPage, members: Message) -> bool:
    """Tell whether a page sees that a member does not want to hear a speaker's own voice."""
    [seat] = [one for one in members["members"] if one["session_id"] == page.name_of(who)]
    return bool(seat["raw_voice_preferences"] == {page.name_of(speaker): False})


def languages(pair: Pair) -> tuple[Pair, Pair]:
    return pair, (pair[1], pair[0])


@pytest.mark.parametrize("how", HOWS)
@over_sockets
async def test_a_listener_that_moves_is_still_in_the_room(
    cluster: Cluster, pair: Pair, how: str
) -> None:
    """Words that were open when it went, words from while it was away, and words from then on."""
    first, second, third = cluster.members
    own, other = languages(pair)
    async with (
        raw_node(third.node_url, Ability.among(*pair, "de")) as node,
        moving_pages(
            (second.session_url, own, {"display_name": "Ann"}),
            (first.session_url, other, {"display_name": "Bob"}),
            (third.session_url, ("de", own[0]), {"display_name": "Cyd"}),
        ) as pages,
    ):
        ann, bob, cyd = pages
        await bob.prefer(ann, raw_voice=False)
        for page in (ann, cyd):
            while not wants_no_voice_of(bob, ann, page, await page.hear("room_members")):
                pass  # who came before
        seen = {page.session_id: len(page.members_seen()) for page in (ann, cyd)}
        for number in range(2):
            await ann.say_something()
            for job in (await node.job(), await node.job()):
                await node.answer(job, f"before {number}")
            await bob.result()
            await cyd.result()
        await ann.say_something()  # being translated when its listener goes
        left = [await node.job(), await node.job()]
        await end(cluster, first, how)
        if how != "left":
            await bob.close_code()
        await ann.say_something()  # said, and answered, while it is away
        for job in (await node.job(), await node.job()):
            await node.answer(job, "while away")
        bob = await bob.move(third.session_url)
        members = await bob.hear("room_members")
        assert {one["display_name"] for one in members["members"]} == {"Ann", "Bob", "Cyd"}
        assert wants_no_voice_of(bob, ann, bob, members)
        for job in left:
            await node.answer(job, "was open")
        for listener in (bob, cyd):
            assert [(await listener.result())["text_asr"] for _ in range(2)] == [
                "was open",
                "while away",
            ]
        await ann.say_something()
        for job in (await node.job(), await node.job()):
            await node.answer(job, "from now on")
        assert (await bob.result(seconds=2))["delivery_seq"] == 5
        assert (await cyd.result())["delivery_seq"] == 5
        await bob.say_something()
        for job in (await node.job(), await node.job()):
            await node.answer(job, "and back")
        for listener in (ann, cyd):
            assert (await listener.result())["text_asr"] == "and back"
        for page in (ann, cyd):
            assert len(page.members_seen()) == seen[page.session_id], "nobody came or went"
        assert not ann.alerts + bob.alerts + cyd.alerts


@pytest.mark.parametrize("how", HOWS)
@over_sockets
async def test_words_that_were_open_when_their_speaker_moved_reach_its_listeners(
    cluster: Cluster, pair: Pair, how: str
) -> None:
    first, second, third = cluster.members
    own, other = languages(pair)
    async with (
        raw_node(third.node_url, Ability.among(*pair, "de")) as node,
        moving_pages(
            (first.session_url, own, {}),
            (second.session_url, other, {}),
            (third.session_url, ("de", own[0]), {}),
        ) as pages,
    ):
        ann, bob, cyd = pages
        await ann.say_something()
        for job in (await node.job(), await node.job()):
            await node.answer(job, "before")
        for listener in (bob, cyd):
            await listener.result()
        await ann.say_something()
        left = [await node.job(), await node.job()]
        if how == "drained":  # it waits for what is open, but its client does not
            first.terminate()
            cluster.members.remove(first)
            await ann.hear("reconnect")
        else:
            await end(cluster, first, how)
        ann = await ann.move(second.session_url)
        await ann.fence()
        await asyncio.sleep(0.3)  # the node's instance has heard whose the jobs are now
        for job in left:
            await node.answer(job, "was open")
        for listener in (bob, cyd):
            heard = await listener.result()
            assert (heard["text_asr"], heard["delivery_seq"]) == ("was open", 2)
            assert heard["tts_audio"]
        await ann.say_something()
        for job in (await node.job(), await node.job()):
            assert "~" not in job["job_id"]
            await node.answer(job, "from now on")
        for listener in (bob, cyd):
            assert (await listener.result())["delivery_seq"] == 3


@over_sockets
async def test_a_speaker_and_a_listener_of_one_instance_may_lose_it_together(
    cluster: Cluster, pair: Pair
) -> None:
    first, second, third = cluster.members
    own, other = languages(pair)
    async with (
        raw_node(third.node_url, Ability.among(*pair, "de")) as node,
        moving_pages((first.session_url, own, {}), (first.session_url, other, {})) as pages,
    ):
        ann, bob = pages
        await ann.say_something()
        left = await node.job()
        await end(cluster, first, "killed")
        ann = await ann.move(second.session_url)
        bob = await bob.move(third.session_url)
        await ann.fence()
        await asyncio.sleep(0.3)  # the node's instance has heard whose the job is now
        await node.answer(left, "was open")
        assert (await bob.result())["text_asr"] == "was open"
        await bob.say_something()
        await node.answer(await node.job(), "back")
        assert (await ann.result())["text_asr"] == "back"


@over_sockets
async def test_words_whose_node_died_with_their_speakers_instance_are_said_again(
    cluster: Cluster, pair: Pair
) -> None:
    """Their audio is asked for once more, in all languages of the room."""
    first, second, third = cluster.members
    own, other = languages(pair)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(raw_node(first.node_url, Ability.among(*pair, "de")))
        places: list[tuple[str, Pair, dict[str, str]]] = [
            (first.session_url, own, {}),
            (second.session_url, other, {}),
            (third.session_url, ("de", own[0]), {}),
        ]
        ann, bob, cyd = await stack.enter_async_context(moving_pages(*places))
        await ann.say_something()
        told = [await node.job(), await node.job()]
        await end(cluster, first, "killed")
        again = await stack.enter_async_context(
            raw_node(second.node_url, Ability.among(*pair, "de"))
        )
        again.remember(node)
        ann = await ann.move(second.session_url)
        for _ in told:
            job = await again.job()
            assert job["job_id"].endswith("~2")
            await again.answer(job, "after all")
        for listener in (bob, cyd):
            assert (await listener.result())["text_asr"] == "after all"


@over_sockets
async def test_who_heard_words_and_lost_them_with_the_line_gets_them_again_as_text(
    cluster: Cluster, pair: Pair
) -> None:
    first, second, third = cluster.members
    own, other = languages(pair)
    async with (
        raw_node(third.node_url, Ability.among(*pair, "de")) as node,
        moving_pages((second.session_url, own, {}), (first.session_url, other, {})) as pages,
    ):
        ann, bob = pages
        for number in range(3):
            await ann.say_something()
            await node.answer(await node.job(), f"words {number}")
            await bob.result()
        bob.forget(1)
        bob.shown.clear()
        await end(cluster, first, "killed")
        bob = await bob.move(third.session_url)
        for number in (1, 2):
            heard = await bob.result()
            assert (heard["text_asr"], heard["tts_lost"]) == (f"words {number}", True)
            assert heard["speaker_session_id"] == ann.alias
        await ann.say_something()
        await node.answer(await node.job(), "more")
        assert (await bob.result())["delivery_seq"] == 4


@over_sockets
async def test_who_comes_back_after_its_grace_is_out_and_everybody_is_told_once(
    cluster: Cluster, pair: Pair
) -> None:
    first, second, third = cluster.members
    own, other = languages(pair)
    async with (
        moving_pages(
            (first.session_url, other, {}),
            (second.session_url, own, {}),
            (third.session_url, own, {}),
        ) as pages,
    ):
        bob, ann, cyd = pages
        await asyncio.gather(*(page.fence() for page in (ann, cyd)))
        seen = {page.session_id: len(page.members_seen()) for page in (ann, cyd)}
        await end(cluster, first, "killed")
        for page in (ann, cyd):
            await page.hear("room_members", seconds=GRACE + 15)
        await asyncio.sleep(6)  # nothing more is told at the next look
        for page in (ann, cyd):
            told = page.members_seen()[seen[page.session_id] :]
            assert [set(members) for members in told] == [{page.name_of(ann), page.name_of(cyd)}]
        async with RoomPage(third.session_url) as back:
            await back.say({**bob.returning(), "type": "session_init"})
            assert (await back.error())["code"] == "INVALID_SESSION"
            await back.init(*other)
            await back.join(str(ann.room_code))
            await ann.meets(3)


@over_sockets
async def test_an_instance_that_comes_back_under_its_name_is_another_place(pair: Pair) -> None:
    """Others see that who was there has to be told again, though the name has not changed."""
    with instances(1, *FLAGS, "--session-grace-seconds=40") as cluster:
        [second] = cluster.members
        first = cluster.start("--instance-id=named")
        own, other = languages(pair)
        async with (
            raw_node(second.node_url, Ability.among(*pair, "de")) as node,
            moving_pages((second.session_url, own, {}), (first.session_url, other, {})) as pages,
        ):
            ann, bob = pages
            await ann.say_something()
            left = await node.job()
            await end(cluster, first, "killed")
            await node.answer(left, "while away")
            again = cluster.start("--instance-id=named")
            bob = await bob.move(again.session_url)
            heard = await bob.result()
            assert (heard["text_asr"], heard["delivery_seq"]) == ("while away", 1)


@over_sockets
async def test_a_listener_whose_speaker_has_left_meanwhile_hears_that_words_are_missing(
    cluster: Cluster, pair: Pair
) -> None:
    first, second, third = cluster.members
    own, other = languages(pair)
    async with (
        raw_node(third.node_url, Ability.among(*pair, "de")) as node,
        moving_pages((second.session_url, own, {}), (first.session_url, other, {})) as pages,
    ):
        ann, bob = pages
        await ann.say_something()
        left = await node.job()
        await bob.say_something()  # with its own words the store learns of those that wait
        await node.answer(await node.job(), "here")
        await ann.result()
        await end(cluster, first, "killed")
        await ann.leave()
        await ann.fence()
        bob = await bob.move(third.session_url)
        missing = await bob.missing()
        assert missing["reason"] == "instance_lost"
        assert missing["speaker_session_id"] == ann.alias
        await node.answer(left, "too late")
