"""Several people in a room hear each other, each in their own language."""

from collections.abc import Callable

from tests.end_to_end.support.peers.room_page import RoomPage, guest, room_of
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

Fresh = Callable[[], Pair]


async def answered(node: RawNode, text: str, **fields: object) -> Message:
    """Answer the next job with these words, in its language."""
    job = await node.job()
    await node.answer(job, text, text_translated=f"{text} [{job['tgt_lang']}]", **fields)
    return job


@over_sockets
async def test_two_people_hear_each_other_in_their_own_languages(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    zh, en = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(zh, en)) as node,
        room_of(scheduler.session_url, guest(zh, en), guest(en, zh)) as (ann, bob),
    ):
        await ann.say_something()
        job = await answered(node, "ni hao")
        assert (job["src_lang"], job["tgt_lang"], job["speaker_key"]) == (zh, en, ann.known_as)
        heard = await bob.result()
        assert (heard["text_asr"], heard["text_translated"]) == ("ni hao", f"ni hao [{en}]")
        assert (heard["session_id"], heard["speaker_session_id"]) == (ann.alias,) * 2
        assert heard["speaker_utterance_index"] == job["nth"]
        await bob.say_something()
        assert (await answered(node, "hello"))["tgt_lang"] == zh
        assert (await ann.result())["text_translated"] == f"hello [{zh}]"
        await ann.fence()
        assert [message["text_asr"] for message in ann.outcomes()] == ["hello"]
        assert not ann.alerts
        assert not bob.alerts


@over_sockets
async def test_who_enters_is_told_so_first_and_all_see_who_is_there(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with RoomPage(scheduler.session_url) as ann, RoomPage(scheduler.session_url) as bob:
        await ann.init(*pair)
        await bob.init(*reversed(pair))
        code = await ann.create(display_name="Ann")
        await bob.join(code, display_name="Bob", preferred_lang="fr")
        kinds = [message["type"] for message in bob.heard]
        assert kinds == ["session_init_ack", "room_create_ack", "room_members"]
        seen = await ann.meets(2)
        names = [(one["display_name"], one["preferred_lang"]) for one in seen["members"]]
        assert names == [("Ann", pair[0]), ("Bob", "fr")]
        await bob.leave()
        assert [one["display_name"] for one in (await ann.meets(1))["members"]] == ["Ann"]


@over_sockets
async def test_one_job_per_language_however_many_listen(
    scheduler: SchedulerProcess, pair: Pair, fresh_pair: Fresh
) -> None:
    own, second = pair
    third, fourth = fresh_pair()
    listeners = [guest(second, own), guest(third, own), guest(third, own), guest(fourth, own)]
    async with (
        raw_node(scheduler.node_url, Ability.among(own, second, third, fourth)) as node,
        room_of(scheduler.session_url, guest(own, second), *listeners) as (ann, *others),
    ):
        for turn in range(3):
            await ann.say_something()
            jobs = [await answered(node, f"words {turn}") for _ in range(3)]
            assert sorted(job["tgt_lang"] for job in jobs) == sorted([second, third, fourth])
            assert len({job["session_id"] for job in jobs}) == 3, "one node takes them all"
            assert len({job["audio"] for job in jobs}) == 1
            texts = [(await page.result())["text_translated"] for page in others]
            languages = (second, third, third, fourth)
            assert texts == [f"words {turn} [{language}]" for language in languages]
        await node.fence()
        assert len(node.jobs) == 9
        assert not ann.outcomes()
        scheduler.wait_for({"lingua_audio_bytes_held": 0.0, "lingua_open_slots": 0.0})


@over_sockets
async def test_who_understands_the_speaker_reads_the_words_and_costs_no_job(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    phone = guest(own, other, platform="ios", client_version="1.0.0")
    people = (guest(own, other), guest(own, other), phone, guest(other, own))
    async with (
        raw_node(scheduler.node_url, Ability.among(own, other)) as node,
        room_of(scheduler.session_url, *people) as (ann, bob, zoe, eve),
    ):
        await ann.say_something()
        job = await answered(node, "as it was said")
        assert job["tgt_lang"] == other
        for page, speech in ((bob, "AA=="), (zoe, "")):
            heard = await page.result()
            assert (heard["text_asr"], heard["text_translated"]) == ("as it was said",) * 2
            assert (heard["tts_audio"], heard["tgt_lang"]) == (speech, own)
        assert bob.outcomes()[0]["tts_format"] == "pcm16"
        assert (await eve.result())["text_translated"] == f"as it was said [{other}]"
        await node.fence()
        assert len(node.jobs) == 1


@over_sockets
async def test_where_all_speak_one_language_the_words_are_only_recognised(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    async with (
        raw_node(scheduler.node_url, Ability(asr=(own,), semantic=(), capacity=3)) as node,
        room_of(scheduler.session_url, guest(own, other), guest(own, other)) as (ann, bob),
    ):
        await ann.say_something()
        job = await node.job()
        assert (job["src_lang"], job["tgt_lang"]) == (own, own)
        pipeline = job["pipeline"]
        steps = (pipeline["use_asr"], pipeline["use_nmt"], pipeline["use_tts"])
        assert steps == (True, False, False)
        await node.answer(job, "just so", text_translated="", tts_audio="")
        assert (await bob.result())["text_asr"] == "just so"


@over_sockets
async def test_who_is_alone_in_a_room_hears_a_translation_as_ever(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.among(*pair)) as node,
        room_of(scheduler.session_url, guest(*pair)) as (ann,),
    ):
        await ann.say_something()
        assert (await answered(node, "anybody?"))["tgt_lang"] == pair[1]
        heard = await ann.result()
        assert heard["text_translated"] == f"anybody? [{pair[1]}]"
        assert "speaker_session_id" not in heard


@over_sockets
async def test_every_listener_has_an_outcome_when_there_is_none(
    scheduler: SchedulerProcess, pair: Pair, fresh_pair: Fresh
) -> None:
    own, second = pair
    third, _ = fresh_pair()
    people = (guest(own, second), guest(second, own), guest(third, own), guest(own, second))
    async with (
        raw_node(scheduler.node_url, Ability.among(own, second, third)) as node,
        room_of(scheduler.session_url, *people) as (ann, bob, eve, reader),
    ):
        await ann.say_something()
        jobs = {job["tgt_lang"]: job for job in [await node.job(), await node.job()]}
        await node.refuse(jobs[second], "PROCESSING_ERROR")
        assert (await bob.missing())["reason"] == "processing_error"
        await node.fence()
        await reader.fence()
        assert not reader.outcomes(), "another job may still bring the words"
        await node.answer(jobs[third], "", text_translated="", tts_audio="")
        assert (await eve.missing())["reason"] == "silence_detected"
        assert (await reader.missing())["reason"] == "silence_detected"
        assert not ann.alerts


@over_sockets
async def test_no_two_texts_come_under_one_index_whoever_spoke(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (guest(own, other), guest(own, other), guest(other, own))
    async with (
        raw_node(scheduler.node_url, Ability.among(own, other)) as node,
        room_of(scheduler.session_url, *people) as (ann, bob, eve),
    ):
        node.answers()
        for _ in range(4):
            for speaker in (ann, bob, eve):
                await speaker.say_something()
                await node.job()
        for page in (ann, bob, eve):
            for _ in range(8):
                await page.result()
            assert len(page.shown) == 8
            numbers = [message["delivery_seq"] for message in page.outcomes()]
            assert numbers == list(range(1, 9))


@over_sockets
async def test_words_come_in_the_order_in_which_they_were_said(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (guest(own, other), guest(own, other), guest(other, own))
    async with (
        raw_node(scheduler.node_url, Ability.among(own, other)) as node,
        room_of(scheduler.session_url, *people) as (ann, bob, eve),
    ):
        jobs = []
        for speaker in (ann, bob, ann, bob):
            await speaker.say_something()
            jobs.append(await node.job())
        for number in (3, 1, 2, 0):
            await node.answer(jobs[number], f"words {number}")
        texts = [(await eve.result())["text_asr"] for _ in jobs]
        assert texts == [f"words {number}" for number in range(4)]


@over_sockets
async def test_who_comes_later_does_not_hear_what_was_said_before(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(own, other)) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
        RoomPage(scheduler.session_url) as late,
    ):
        await ann.say_something()
        before = await node.job()
        await late.init(other, own)
        await late.join(str(ann.room_code))
        await ann.meets(3)
        await node.answer(before, "before")
        assert (await bob.result())["text_asr"] == "before"
        await ann.say_something()
        await answered(node, "after")
        assert (await late.result())["text_asr"] == "after"
        assert len(late.outcomes()) == 1


@over_sockets
async def test_who_leaves_hears_no_more_and_knows_what_is_missing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    people = (guest(own, other), guest(other, own), guest(other, own))
    async with (
        raw_node(scheduler.node_url, Ability.among(own, other)) as node,
        room_of(scheduler.session_url, *people) as (ann, bob, eve),
    ):
        await ann.say_something()
        job = await node.job()
        await bob.leave()
        assert (await bob.missing())["reason"] == "session_closed"
        await node.answer(job, "to those who stay")
        assert (await eve.result())["text_asr"] == "to those who stay"
        await bob.fence()
        assert len(bob.outcomes()) == 1


@over_sockets
async def test_a_speaker_who_leaves_is_heard_to_the_end(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(own, other)) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
    ):
        await ann.say_something()
        job = await node.job()
        await ann.leave()
        await bob.meets(1)
        await node.answer(job, "goodbye")
        assert (await bob.result())["text_asr"] == "goodbye"


@over_sockets
async def test_a_session_that_ends_says_its_last_words_to_the_room(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    own, other = pair
    async with (
        raw_node(scheduler.node_url, Ability.among(own, other)) as node,
        room_of(scheduler.session_url, guest(own, other), guest(other, own)) as (ann, bob),
    ):
        await ann.chunk(tone(500))
        await ann.say(ann.own("session_close", reason="done"))
        await answered(node, "the last words")
        assert (await bob.result())["text_asr"] == "the last words"
        await bob.meets(1)
        await ann.hear("session_close_ack")
