"""`utterance` messages: whole ones, a mobile client's tiny ones, repeated ones."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.peers.raw_client import OUTCOMES, RawClient, raw_client, recorded_packets, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags = ("--session-grace-seconds=0.5", "--pause-ms=400", "--hangover-manual-ms=5")
    with running_scheduler(*flags) as process:
        yield process
        process.wait_until_idle()


@asynccontextmanager
async def speaker_and_node(
    scheduler: SchedulerProcess, pair: Pair, **init: Any
) -> AsyncIterator[tuple[RawClient, RawNode]]:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair, **init) as client,
    ):
        yield client, node


def languages(pair: Pair) -> dict[str, Any]:
    return {"src_lang": pair[0], "tgt_lang": pair[1]}


@pytest.mark.parametrize("manual_cut", [True, False])
@pytest.mark.parametrize("encoding", ["pcm16", "opus"])
@over_sockets
async def test_a_whole_utterance_is_a_manual_cut(
    scheduler: SchedulerProcess, pair: Pair, encoding: str, *, manual_cut: bool
) -> None:
    audio = tone(1500) if encoding == "pcm16" else b"".join(recorded_packets())
    async with speaker_and_node(scheduler, pair) as (client, node):
        fields = {**languages(pair), "audio_format": encoding, "manual_cut": manual_cut}
        await client.utterance(0, audio, **fields)
        job = await node.job()
        assert job["is_manual_cut"] is True
        assert job["audio_format"] == encoding
        assert audio_of(job) == audio
        await node.answer(job)
        assert (await client.result())["utterance_index"] == 0


@over_sockets
async def test_a_short_whole_utterance_that_was_cut_by_hand_is_one(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.utterance(7, tone(100), **languages(pair))
        job = await node.job()
        await node.answer(job)
        assert (await client.result())["utterance_index"] == 7


@over_sockets
async def test_a_mobile_clients_tiny_utterances_are_one_stream(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair, platform="ios") as (client, node):
        for index in range(8):
            await client.utterance(index, tone(200), manual_cut=False, **languages(pair))
        job = await node.job()  # after a pause
        assert audio_of(job) == tone(200) * 8
        assert (job["is_manual_cut"], job["cut_reason"]) == (True, "pause")
        await node.answer(job)
        first = await client.result()
        for index in range(8, 12):
            await client.utterance(index, tone(200), manual_cut=False, **languages(pair))
        job = await node.job()
        assert audio_of(job) == tone(200) * 4
        await node.answer(job)
        second = await client.result()
        assert second["utterance_index"] > first["utterance_index"]
        assert not client.all_heard("error")


@pytest.mark.parametrize("rate_hz", [8000, 48000])
@over_sockets
async def test_a_stream_of_tiny_utterances_has_the_rate_that_they_say(
    scheduler: SchedulerProcess, pair: Pair, rate_hz: int
) -> None:
    async with speaker_and_node(scheduler, pair, platform="android") as (client, node):
        for index in range(6):
            audio = tone(200, rate_hz)
            fields = {**languages(pair), "sample_rate": rate_hz, "manual_cut": False}
            await client.utterance(index, audio, **fields)
        job = await node.job()
        assert (job["audio_format"], job["sample_rate"]) == ("pcm16", rate_hz)
        assert audio_of(job) == tone(200, rate_hz) * 6
        await node.answer(job)
        await client.result()


@over_sockets
async def test_an_utterance_may_have_languages_of_its_own(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, "nobody", "serves") as client,
    ):
        await client.utterance(0, tone(1200), **languages(pair))
        job = await node.job()
        assert (job["src_lang"], job["tgt_lang"]) == pair
        await node.answer(job)
        await client.result()


@over_sockets
async def test_an_utterance_may_say_which_pair_it_is_spoken_in(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """`auto` with a pair needs a node that has both languages in both lists."""
    async with (
        raw_node(scheduler.node_url, Ability(asr=pair, semantic=pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        both = {"lang_a": pair[0], "lang_b": pair[1], "auto_langs": [*pair], "mode": "two_way_auto"}
        await client.utterance(0, tone(1200), src_lang="auto", tgt_lang=pair[1], **both)
        job = await node.job()
        assert {name: job[name] for name in both} == both
        await node.answer(job)
        await client.result()


@over_sockets
async def test_a_pipeline_without_translation_needs_no_target_language(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    wish = {"use_asr": True, "use_nmt": False, "use_tts": False}
    async with (
        raw_node(scheduler.node_url, Ability(asr=(pair[0],), semantic=("other",))) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.utterance(0, tone(1200), pipeline=wish, **languages(pair))
        job = await node.job()
        assert {name: job["pipeline"][name] for name in wish} == wish
        await node.answer(job, "subtitle", text_translated="", tts_audio="")
        result = await client.result()
        assert (result["text_asr"], result["text_translated"]) == ("subtitle", "")


@over_sockets
async def test_every_step_of_a_pipeline_is_passed_on(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    wish = {
        "use_asr": True,
        "use_nmt": True,
        "use_tts": True,
        "use_semantic": True,
        "use_tone": True,
        "use_phonetic": True,
        "use_lexicon": True,
    }
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.utterance(0, tone(1200), pipeline=wish, **languages(pair))
        job = await node.job()
        assert job["pipeline"] == wish
        await node.answer(job)
        await client.result()


# ---- indexes ------------------------------------------------------------------------------------


@over_sockets
async def test_the_servers_counter_goes_on_above_the_clients_indexes(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        node.answers()
        await client.utterance(5, tone(1200), **languages(pair))
        await client.result(utterance_index=5)
        await client.speak(tone(300))
        await client.result(utterance_index=6)
        await client.utterance(2, tone(1200), **languages(pair))
        await client.result(utterance_index=2)
        await client.speak(tone(300))
        await client.result(utterance_index=7)


@over_sockets
async def test_an_index_of_the_servers_own_is_refused(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        node.answers()
        await client.speak(tone(300))
        await client.result(utterance_index=0)
        await client.utterance(0, tone(1200), **languages(pair))
        assert (await client.error())["code"] == "INVALID_MESSAGE"
        await client.utterance(1, tone(1200), **languages(pair))
        await client.result(utterance_index=1)
        assert len(node.jobs) == 2


@over_sockets
async def test_a_repeated_utterance_makes_no_second_job_and_is_answered_again(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        client.may_repeat = True
        await client.utterance(0, tone(1200), **languages(pair))
        job = await node.job()
        await client.utterance(0, tone(1200), **languages(pair))
        await client.fence()
        await node.answer(job, "once")
        first = await client.result()
        await client.fence()
        assert len(client.outcomes()) == 1
        await client.utterance(0, tone(1200), **languages(pair))
        again = await client.result()
        assert {**again, "scheduler_sent_at_ms": 0} == {**first, "scheduler_sent_at_ms": 0}
        await client.utterance(1, tone(1200), **languages(pair))
        await node.answer(await node.job())
        assert (await client.result())["delivery_seq"] == 2
        assert len(node.jobs) == 2


@over_sockets
async def test_a_repeated_utterance_without_a_result_repeats_why(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        client.may_repeat = True
        await client.utterance(0, tone(1200), **languages(pair))
        await node.answer(await node.job(), "")
        assert (await client.missing())["reason"] == "silence_detected"
        await client.utterance(0, tone(1200), **languages(pair))
        again = await client.missing()
        assert (again["reason"], again["delivery_seq"]) == ("silence_detected", 1)


@over_sockets
async def test_the_same_index_in_another_language_is_not_left_without_an_answer(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A request is session, index and language: another language is another request."""
    async with (
        raw_node(scheduler.node_url, Ability(asr=(pair[0],), semantic=pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        client.may_repeat = True
        node.answers()
        await client.utterance(0, tone(1200), **languages(pair))
        await client.result()
        await client.utterance(0, tone(1200), src_lang=pair[0], tgt_lang=pair[0])
        await client.hear_any(("error", *OUTCOMES), seconds=3)


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"audio": ""},
        {"audio": "AAA"},
        {"audio": "AAAA", "audio_format": "opus"},
        {"audio": "AAEC"},  # three bytes are no whole samples
        {"audio_format": "mp3"},
        {"sample_rate": 0},
        {"sample_rate": 10**12},
        {"utterance_index": -1},
        {"utterance_index": 2**64},
        {"utterance_index": "0"},
        {"pipeline": {"use_asr": True}},
        {"src_lang": ""},
        {"tgt_lang": "a b"},
        {"tgt_lang": "x" * 300},
    ],
)
@over_sockets
async def test_an_utterance_that_cannot_be_used_is_refused_and_costs_nothing(
    scheduler: SchedulerProcess, pair: Pair, fault: dict[str, Any]
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        fields = {"manual_cut": True, **languages(pair), **fault}
        await client.say({**client.whole(0, tone(1200)), **fields})
        assert (await client.error())["code"] == "INVALID_MESSAGE"
        await client.utterance(0, tone(1200), **languages(pair))
        job = await node.job()
        assert job["nth"] == 0
        await node.answer(job)
        await client.result()


@over_sockets
async def test_chunks_and_whole_utterances_keep_the_order_of_their_cuts(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.utterance(0, tone(1200), **languages(pair))
        await client.speak(tone(300))
        spoken = await node.job(nth=1)
        await client.utterance(9, tone(1100), **languages(pair))
        last = await node.job(nth=2)
        first = await node.job(nth=0)
        for job in (last, spoken, first):
            await node.answer(job)
            await asyncio.sleep(0.02)
        order = [(await client.result())["utterance_index"] for _ in range(3)]
        assert order == [0, 1, 9]


@pytest.mark.parametrize("index", [2**52, 2**53 - 1, 2**53, 2**64 - 1])
@over_sockets
async def test_the_greatest_index_leaves_the_session_usable(
    scheduler: SchedulerProcess, pair: Pair, index: int
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        node.answers()
        await client.utterance(index, tone(1200), **languages(pair))
        await client.hear_any(("error", *OUTCOMES))
        for _ in range(2):
            await client.speak(tone(300))
            assert (await client.result())["utterance_index"] < 2**53


@over_sockets
async def test_a_silent_utterance_is_answered_without_a_job(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with speaker_and_node(scheduler, pair) as (client, node):
        await client.utterance(0, bytes(64_000), **languages(pair))
        assert (await client.missing(utterance_index=0))["reason"] == "silence_detected"
        await client.utterance(1, bytes(64_000) + tone(100), **languages(pair))
        await node.answer(await node.job())
        await client.result(utterance_index=1)
        assert len(node.jobs) == 1
