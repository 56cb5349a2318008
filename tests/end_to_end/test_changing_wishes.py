"""A client changes its mind: other languages, no speech, another voice, an utterance less."""

from collections.abc import Callable, Iterator

import pytest

from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.peers.room_page import RoomPage, guest, room_of
from tests.end_to_end.support.processes.cluster import Cluster, instances
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

Fresh = Callable[[], Pair]

pytestmark = pytest.mark.takes(30)

SUBTITLES = {"use_asr": True, "use_nmt": True, "use_tts": False}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    flags = ("--session-grace-seconds=8", "--audio-ack-interval-ms=50", "--instance-lease-ms=1000")
    with instances(2, *flags) as made:
        yield made


async def update(client: RawClient, **fields: object) -> Message:
    """Ask for something else; return the answer."""
    await client.say(client.own("session_update", **fields))
    return await client.hear("session_updated")


async def see_languages(page: RoomPage, languages: set[str]) -> None:
    """Return when the members of the room want to hear these."""
    seen: set[str] = set()
    while seen != languages:
        members = (await page.hear("room_members"))["members"]
        seen = {one["preferred_lang"] for one in members}


async def cancel(client: RawClient, **fields: object) -> None:
    await client.say(client.own("utterance_cancel", **fields))
    await client.fence()


async def answered(node: RawNode, text: str = "hello") -> Message:
    job = await node.job()
    await node.answer(job, text)
    return job


# ---- session_update -----------------------------------------------------------------------------


@over_sockets
async def test_words_keep_the_language_they_were_said_in(
    scheduler: SchedulerProcess, pair: Pair, fresh_pair: Fresh
) -> None:
    zh, en = pair
    fr, de = fresh_pair()
    async with (
        raw_node(scheduler.node_url, Ability.among(zh, en, fr, de)) as node,
        raw_client(scheduler.session_url, zh, en) as client,
    ):
        await client.chunk(tone(300))
        updated = await update(client, src_lang=fr, tgt_lang=de)
        assert (updated["src_lang"], updated["tgt_lang"]) == (fr, de)
        assert [one["what"] for one in updated["unserved"]] == ["speech"]
        before = await answered(node)
        assert (before["src_lang"], before["tgt_lang"]) == (zh, en)
        assert audio_of(before) == tone(300)
        await client.speak(tone(400))
        after = await answered(node)
        assert (after["src_lang"], after["tgt_lang"]) == (fr, de)
        assert audio_of(after) == tone(400)
        assert [(await client.result())["tgt_lang"] for _ in range(2)] == [en, de]


@over_sockets
async def test_everything_may_change_and_what_is_not_named_stays(
    scheduler: SchedulerProcess, pair: Pair, fresh_pair: Fresh
) -> None:
    own, target = pair
    second, third = fresh_pair()
    voices = {"tts_voices": {second: ["ana"]}}
    ability = Ability((own,), (target, second, third), (target, second), more=voices)
    async with (
        raw_node(scheduler.node_url, ability, answering=True) as node,
        raw_client(scheduler.session_url, own, target) as client,
    ):
        assert "unserved" not in client.ack
        wishes = {
            "tgt_langs": [second, third],
            "pipeline": SUBTITLES,
            "hints": ["Ana Martí"],
            "voice": "ana",
            "preferred_lang": second,
        }
        updated = await update(client, **wishes)
        assert {name: updated[name] for name in wishes} == {
            **wishes, "pipeline": updated["pipeline"]
        }  # fmt: skip
        assert updated["pipeline"]["use_tts"] is False
        assert updated["unserved"] == []
        assert (updated["src_lang"], updated["tgt_lang"]) == (own, target)
        await client.speak(tone(300))
        await client.result()
        await client.result()
        by_language = {job["tgt_lang"]: job for job in node.jobs}
        assert by_language.keys() == {second, third}
        assert {job["pipeline"]["use_tts"] for job in node.jobs} == {False}
        assert {tuple(job["hints"]) for job in node.jobs} == {("Ana Martí",)}
        assert by_language[second]["voice_id"] == "ana"
        assert "voice_id" not in by_language[third], "the node does not list it there"
        back = await update(client, tgt_langs=[], hints=[], voice="")
        assert (back["tgt_langs"], back["hints"]) == ([], [])
        assert "voice" not in back
        await client.speak(tone(300))
        assert (await client.result())["tgt_lang"] == target
        assert "hints" not in node.jobs[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"src_lang": "no such!"},
        {"tgt_langs": ["de"] * 9},
        {"hints": ["x"] * 101},
        {"hints": ["x" * 65]},
        {"pipeline": {"use_asr": True}},
        {"voice": 5},
    ],
)
@over_sockets
async def test_a_bad_value_changes_nothing_and_cuts_nothing(
    scheduler: SchedulerProcess, pair: Pair, wrong: Message
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.chunk(tone(300))
        await client.say(client.own("session_update", **{"tgt_lang": "is", **wrong}))
        assert (await client.error())["code"] == "INVALID_MESSAGE"
        await client.speak(tone(200))
        job = await answered(node)
        assert (job["tgt_lang"], audio_of(job)) == (pair[1], tone(300) + tone(200))
        await client.result()


@over_sockets
async def test_a_member_hears_and_speaks_other_languages_from_now_on(
    scheduler: SchedulerProcess, pair: Pair, fresh_pair: Fresh
) -> None:
    zh, en = pair
    fr, _ = fresh_pair()
    async with (
        raw_node(scheduler.node_url, Ability.among(zh, en, fr)) as node,
        room_of(scheduler.session_url, guest(zh, en), guest(en, zh)) as (ann, bob),
    ):
        await update(bob, preferred_lang=fr)
        await see_languages(ann, {zh, fr})
        await ann.say_something()
        assert (await answered(node))["tgt_lang"] == fr
        assert (await bob.result())["tgt_lang"] == fr
        await bob.chunk(tone(300))
        await update(bob, src_lang=fr)
        assert (await answered(node))["src_lang"] == en, "it was said before"
        await bob.say_something()
        assert (await answered(node))["src_lang"] == fr
        assert [(await ann.result())["tgt_lang"] for _ in range(2)] == [zh, zh]


@over_sockets
async def test_a_change_outlives_the_line_and_the_instance(
    cluster: Cluster, pair: Pair, fresh_pair: Fresh
) -> None:
    """What waits was said before the change, and keeps its language wherever it goes on."""
    first, second = cluster.members
    zh, en = pair
    fr, de = fresh_pair()
    client = await ResumingClient.with_session(first, pair)
    await client.speak(tone(300))
    await client.hear("ui_event", event="QUEUED")
    await client.chunk(tone(400))
    await update(client, src_lang=fr, tgt_langs=[de, en], pipeline=SUBTITLES, hints=["Ana"])
    await client.hear("ui_event", event="QUEUED")
    sent = client.seq
    cluster.crash(first)
    client = await client.resume_at(second)
    client.seq = 0
    await client.speak(tone(300))
    await client.chunk(tone(400))
    assert client.seq == sent
    async with raw_node(second.node_url, Ability.among(zh, en, fr, de)) as node:
        for length_ms in (300, 400):
            job = await answered(node)
            assert (job["src_lang"], job["tgt_lang"]) == (zh, en)
            assert job["pipeline"]["use_tts"] is True
            assert audio_of(job) == tone(length_ms)
            await client.result()
        await client.speak(tone(500))
        jobs = [await answered(node) for _ in range(2)]
        assert {job["tgt_lang"] for job in jobs} == {de, en}
        assert {job["src_lang"] for job in jobs} == {fr}
        assert {job["pipeline"]["use_tts"] for job in jobs} == {False}
        assert {tuple(job["hints"]) for job in jobs} == {("Ana",)}
        assert {audio_of(job) for job in jobs} == {tone(500)}
        for _ in jobs:
            await client.result()
        await client.leave()


# ---- utterance_cancel ---------------------------------------------------------------------------


@over_sockets
async def test_what_was_said_since_the_last_cut_is_thrown_away(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair), answering=True) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.chunk(tone(300))
        await cancel(client)
        await client.speak(tone(400))
        heard = await client.result()
        assert heard["utterance_index"] == 0
        assert [audio_of(job) for job in node.jobs] == [tone(400)]
        assert (heard["speech_start_ms"], heard["speech_end_ms"]) == (300, 700)
        await cancel(client)
        assert not client.all_heard("missing_result")


@over_sockets
async def test_an_utterance_that_is_not_wanted_ends_in_every_language(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, second = pair
    third = f"{second}x"
    ability = Ability((own,), (second, third), capacity=2)
    async with (
        raw_node(scheduler.node_url, ability) as node,
        raw_client(scheduler.session_url, own, second, tgt_langs=[second, third]) as client,
    ):
        await client.speak(tone(300))
        jobs = [await node.job() for _ in range(2)]
        await client.speak(tone(300))
        await client.hear("ui_event", event="QUEUED")
        await cancel(client, utterance_index=0)
        lost = [await client.missing() for _ in range(2)]
        assert {one["reason"] for one in lost} == {"cancelled"}
        assert {one["tgt_lang"] for one in lost} == {second, third}
        for job in jobs:
            await node.hear("job_cancel", job_id=job["job_id"])
        for _ in range(2):
            await answered(node)
            assert (await client.result())["utterance_index"] == 1
        await node.say(node.result(jobs[0]))  # too late
        await cancel(client, utterance_index=0)
        await cancel(client, utterance_index=1)
        await cancel(client, utterance_index=77)
        assert len(client.outcomes()) == 4


@over_sockets
async def test_listeners_hear_that_an_utterance_does_not_come(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    zh, en = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(zh, en)) as node,
        room_of(scheduler.session_url, guest(zh, en), guest(en, zh)) as (ann, bob),
    ):
        await ann.say_something()
        job = await node.job()
        await cancel(ann, utterance_index=job["nth"])
        assert (await bob.missing())["reason"] == "cancelled"
        await ann.say_something()
        await answered(node, "again")
        assert (await bob.result())["text_asr"] == "again"


@over_sockets
async def test_what_was_thrown_away_does_not_come_again_elsewhere(
    cluster: Cluster, pair: Pair
) -> None:
    first, second = cluster.members
    client = await ResumingClient.with_session(first, pair)
    await client.chunk(tone(300))
    await cancel(client)
    await client.chunk(tone(400))
    await client.fence()
    sent = client.seq
    cluster.crash(first)
    client = await client.resume_at(second)
    client.seq = client.ack["next_seq"]
    said = [tone(300), tone(400)]
    for audio in said[client.seq :]:
        await client.chunk(audio)
    assert client.seq == sent
    await client.final()
    async with raw_node(second.node_url, Ability.of(pair)) as node:
        assert audio_of(await answered(node)) == tone(400)
        await client.result()
        await client.leave()
