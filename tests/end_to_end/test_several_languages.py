"""One speaker, several languages at once: for a talk with an audience that reads along."""

from collections.abc import Callable, Iterator

import pytest

from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.peers.room_page import guest, room_of
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import RawClient, raw_client, session_init, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

Fresh = Callable[[], Pair]

pytestmark = pytest.mark.takes(30)

TWO_INSTANCES = (
    "--session-grace-seconds=8",
    "--audio-ack-interval-ms=50",
    "--instance-lease-ms=1000",
)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with instances(2, *TWO_INSTANCES) as made:
        yield made


def able(own: str, *others: str, capacity: int = 20) -> Ability:
    return Ability((own,), others, capacity=capacity)


async def jobs_by_language(node: RawNode, count: int) -> dict[str, Message]:
    """Return the next assignments by language; there is one for each."""
    jobs = [await node.job() for _ in range(count)]
    by_language = {job["tgt_lang"]: job for job in jobs}
    assert len(by_language) == count, "two jobs in one language"
    return by_language


async def heard(client: RawClient, count: int) -> list[tuple[int, str]]:
    """Return index and language of the next outcomes, as they come."""
    found = [await client.result() for _ in range(count)]
    return [(one["utterance_index"], one["tgt_lang"]) for one in found]


@over_sockets
async def test_each_language_has_its_own_translation(
    scheduler: SchedulerProcess, pair: Pair, fresh_pair: Fresh
) -> None:
    own, spanish = pair
    french, german = fresh_pair()
    targets = [spanish, french, german]
    async with (
        raw_node(scheduler.node_url, able(own, *targets)) as node,
        raw_client(scheduler.session_url, own, spanish, tgt_langs=targets) as client,
    ):
        assert [one["what"] for one in client.ack["unserved"]] == ["speech"] * 3
        for index in range(2):
            await client.speak(tone(300))
            jobs = await jobs_by_language(node, 3)
            assert len({job["session_id"] for job in jobs.values()}) == 3, "one node takes them"
            assert len({audio_of(job) for job in jobs.values()}) == 1
            for language, job in jobs.items():
                await node.answer(job, "hello", text_translated=f"hello in {language}")
            found = [await client.result() for _ in targets]
            assert {one["tgt_lang"]: one["text_translated"] for one in found} == {
                language: f"hello in {language}" for language in targets
            }
            assert {one["utterance_index"] for one in found} == {index}
            assert len({one["job_id"] for one in found}) == 3


@over_sockets
async def test_words_on_their_way_are_shown_once(scheduler: SchedulerProcess, pair: Pair) -> None:
    own, second = pair
    third = f"{second}x"
    async with (
        raw_node(scheduler.node_url, able(own, second, third)) as node,
        raw_client(scheduler.session_url, own, second, tgt_langs=[second, third]) as client,
    ):
        await client.speak(tone(300))
        jobs = await jobs_by_language(node, 2)
        for job in jobs.values():
            partial = {name: job[name] for name in ("job_id", "session_id", "utterance_index")}
            fields = {"node_id": node.node_id, "text": "hel", "is_final": False, "trace_id": "t"}
            await node.say({"type": "asr_partial", **partial, **fields})
        for job in jobs.values():
            await node.answer(job)
        await heard(client, 2)
        assert [one["text"] for one in client.all_heard("asr_partial")] == ["hel"]


@over_sockets
async def test_a_slow_language_keeps_no_other_waiting_and_its_own_order(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, quick = pair
    slow = f"{quick}x"
    async with (
        raw_node(scheduler.node_url, able(own, quick, slow)) as node,
        raw_client(scheduler.session_url, own, quick, tgt_langs=[quick, slow]) as client,
    ):
        waiting = []
        for index in range(3):
            await client.speak(tone(300))
            jobs = await jobs_by_language(node, 2)
            await node.answer(jobs[quick])
            assert await heard(client, 1) == [(index, quick)]
            waiting.append(jobs[slow])
        for job in reversed(waiting):
            await node.answer(job)
        assert await heard(client, 3) == [(0, slow), (1, slow), (2, slow)]
        assert not any(one.get("late") for one in client.outcomes())


@over_sockets
async def test_a_language_that_fails_costs_no_other(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, good = pair
    bad = f"{good}x"
    async with (
        raw_node(scheduler.node_url, able(own, good, bad)) as node,
        raw_client(scheduler.session_url, own, good, tgt_langs=[bad, good]) as client,
    ):
        await client.speak(tone(300))
        jobs = await jobs_by_language(node, 2)
        await node.refuse(jobs[bad], "PROCESSING_ERROR")
        lost = await client.missing()
        assert (lost["reason"], lost["tgt_lang"]) == ("processing_error", bad)
        await node.answer(jobs[good])
        assert await heard(client, 1) == [(0, good)]


@over_sockets
async def test_a_lost_node_costs_no_language(scheduler: SchedulerProcess, pair: Pair) -> None:
    own, second = pair
    third = f"{second}x"
    ability = able(own, second, third)
    async with raw_client(scheduler.session_url, own, second, tgt_langs=[second, third]) as client:
        async with raw_node(scheduler.node_url, ability) as lost:
            await client.speak(tone(300))
            await jobs_by_language(lost, 2)
        async with raw_node(scheduler.node_url, ability) as node:
            jobs = await jobs_by_language(node, 2)
            assert {job["attempt_id"] for job in jobs.values()} == {2}
            for job in jobs.values():
                await node.answer(job)
            assert sorted(await heard(client, 2)) == sorted([(0, second), (0, third)])


@over_sockets
async def test_a_whole_utterance_and_its_repetition_are_in_every_language(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, second = pair
    third, other = f"{second}x", f"{second}y"
    spoken = {"src_lang": own, "tgt_lang": second}
    async with (
        raw_node(scheduler.node_url, able(own, second, third, other), answering=True) as node,
        raw_client(scheduler.session_url, own, second, tgt_langs=[second, third]) as client,
    ):
        await client.utterance(0, tone(1200), **spoken)
        both = [(0, second), (0, third)]
        assert sorted(await heard(client, 2)) == both
        client.may_repeat = True
        await client.utterance(0, tone(1200), **spoken)
        assert sorted(await heard(client, 2)) == both
        assert len(node.jobs) == 2
        await client.utterance(1, tone(1200), **spoken | {"tgt_lang": other})
        assert await heard(client, 1) == [(1, other)], "what a message asks for counts"


@over_sockets
async def test_each_language_counts_in_what_may_wait(pair: Pair) -> None:
    own, second = pair
    targets = [f"{second}{letter}" for letter in "abc"]
    with running_scheduler("--max-queued-per-session=4") as scheduler:
        async with raw_client(scheduler.session_url, own, second, tgt_langs=targets) as client:
            await client.speak(tone(300))
            for _ in targets:
                await client.hear("ui_event", event="QUEUED")
            await client.speak(tone(300))
            refused = [await client.missing() for _ in range(2)]
            assert {one["reason"] for one in refused} == {"queue_full"}
            async with raw_node(scheduler.node_url, able(own, *targets), answering=True):
                assert len(await heard(client, 4)) == 4


@over_sockets
async def test_in_a_room_everybody_is_heard_in_the_languages_of_the_others(
    scheduler: SchedulerProcess, pair: Pair, fresh_pair: Fresh
) -> None:
    own, other = pair
    third, fourth = fresh_pair()
    speaker = guest(own, other, tgt_langs=[third, fourth])
    async with (
        raw_node(scheduler.node_url, able(own, other, third, fourth)) as node,
        room_of(scheduler.session_url, speaker, guest(other, own)) as (ann, bob),
    ):
        await ann.say_something()
        job = await node.job()
        assert job["tgt_lang"] == other
        await node.answer(job)
        assert (await bob.result())["tgt_lang"] == other
        await bob.leave()
        await ann.meets(1)
        await ann.say_something()
        alone = await node.job()
        assert alone["tgt_lang"] == other, "alone in a room: its one language"
        await node.answer(alone)
        await ann.result()
        await ann.leave()
        await ann.say_something()
        for job in (await jobs_by_language(node, 2)).values():
            await node.answer(job)
        assert {language for _, language in await heard(ann, 2)} == {third, fourth}


@pytest.mark.parametrize("targets", [["de"] * 9, "de", ["de", 5], ["no such language!"]])
@over_sockets
async def test_more_than_eight_or_no_languages_are_refused(
    scheduler: SchedulerProcess, targets: object
) -> None:
    async with RawClient(scheduler.session_url) as client:
        await client.say(session_init("en", "de", tgt_langs=targets))
        assert (await client.error())["code"] == "INVALID_MESSAGE"
        await client.init("en", "de", tgt_langs=["de", "DE", "de"])
        await client.end()


# ---- another instance ---------------------------------------------------------------------------


@over_sockets
async def test_every_language_goes_on_where_its_instance_died(cluster: Cluster, pair: Pair) -> None:
    """One language is ahead of the other when the instance dies; both keep their order."""
    first, second = cluster.members
    own, quick = pair
    slow = f"{quick}x"
    client = ResumingClient(first.session_url)
    await client.open()
    await client.init(own, quick, tgt_langs=[quick, slow])
    said = [tone(300), tone(400), tone(500)]
    async with RawNode(first.node_url, able(own, quick, slow)) as node:
        await node.register()
        for index, audio in enumerate(said[:2]):
            await client.speak(audio, size=4000)
            jobs = await jobs_by_language(node, 2)
            await node.answer(jobs[quick])
            assert await heard(client, 1) == [(index, quick)]
        await client.speak(said[2], size=4000)
        await jobs_by_language(node, 2)
        sent = client.seq
        cluster.crash(first)
    client = await client.resume_at(second)
    assert client.ack["next_seq"] == 0
    client.seq = 0
    for audio in said:
        await client.speak(audio, size=4000)
    assert client.seq == sent
    async with raw_node(second.node_url, able(own, quick, slow)) as node:
        again = [await node.job() for _ in range(4)]
        for job in again:
            assert audio_of(job) == said[job["nth"]]
        for job in reversed(again):
            await node.answer(job)
        found = await heard(client, 4)
        assert [index for index, language in found if language == slow] == [0, 1, 2]
        assert [index for index, language in found if language == quick] == [2]
        assert not any(one.get("late") for one in client.outcomes())
        await client.speak(tone(300))
        assert set(await jobs_by_language(node, 2)) == {quick, slow}
        for job in node.jobs[-2:]:
            await node.answer(job)
        await heard(client, 2)
        await client.leave()


@over_sockets
async def test_outcomes_that_were_missed_come_again_in_every_language(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    own, quick = pair
    slow = f"{quick}x"
    client = ResumingClient(first.session_url)
    await client.open()
    await client.init(own, quick, tgt_langs=[quick, slow])
    async with RawNode(first.node_url, able(own, quick, slow)) as node:
        await node.register()
        for index in range(2):
            await client.speak(tone(300))
            jobs = await jobs_by_language(node, 2)
            await node.answer(jobs[slow], f"words {index}")
            await heard(client, 1)
            await node.answer(jobs[quick], f"words {index}")
            await heard(client, 1)
        before = [
            (one["delivery_seq"], one["utterance_index"], one["tgt_lang"], one["speech_start_ms"])
            for one in client.outcomes()
        ]
        await client.hear("audio_ack", next_seq=client.seq)
        client.forget(0)
        cluster.crash(first)
    client = await client.resume_at(second)
    again = [await client.result() for _ in range(4)]
    assert [
        (one["delivery_seq"], one["utterance_index"], one["tgt_lang"], one["speech_start_ms"])
        for one in again
    ] == before
    assert not any("late" in one for one in again)
    await client.leave()
