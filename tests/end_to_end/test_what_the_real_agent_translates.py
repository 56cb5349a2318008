"""What people read of what they said, where the existing agent recognises and translates it.

It answers a repeated text of a session with nothing, translates a session's utterances in rising
order only, loses what follows the last whole 5 s of a segment whose turn goes on, and waits for
more behind a short text that a time-out ended.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.end_to_end.support.peers.agent_node import AgentPace, agent_node
from tests.end_to_end.support.peers.browser import browser
from tests.end_to_end.support.peers.existing_clients import Phone
from tests.end_to_end.support.spoken_words import WORD_MS
from tests.support.peers.raw_client import SILENT_CHUNK, RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

pytestmark = pytest.mark.takes(30)

PAUSE = 0.4
HANGOVER = 0.01
"""Seconds."""
SEGMENT_WORDS = 39
"""So many make `max_duration_ms`: 10.14 s."""
BUSY = AgentPace(work_seconds=0.1)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags = (
        f"--pause-ms={int(PAUSE * 1000)}",
        "--ingest-rate=100000",
        f"--hangover-manual-ms={int(HANGOVER * 1000)}",
        "--session-grace-seconds=0.5",
    )
    with running_scheduler(*flags) as process:
        yield process
        process.wait_until_idle()


def words(count: int, name: str = "w") -> list[str]:
    return [f"{name}{position}" for position in range(count)]


async def read(page: RawClient, count: int, seconds: float = 10.0) -> list[str]:
    """Return so many translations, in the order in which they come."""
    return [(await page.result(seconds=seconds))["text_translated"] for _ in range(count)]


@over_sockets
async def test_yes_said_six_times_is_translated_six_times_and_holds_up_nobody(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """More often than a node has slots: none of them is kept for an answer that never comes."""
    async with (
        agent_node(scheduler.node_url, pair) as node,
        browser(scheduler.session_url, *pair) as page,
        browser(scheduler.session_url, *pair) as other,
    ):
        began = time.monotonic()
        for _ in range(6):
            await page.press_send(["yes"])
            await asyncio.sleep(3 * HANGOVER)  # what comes within it is of the same utterance
        assert await read(page, 6) == ["<yes>"] * 6
        await other.press_send(["no"])
        assert await read(other, 1) == ["<no>"]
        assert time.monotonic() - began < 10  # a slot would be kept for 30 s
        assert not node.swallowed
        assert {job["attempt_id"] for job in node.jobs} == {1}


@over_sockets
async def test_a_short_sentence_behind_a_long_one_costs_neither_its_translation(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """The agent recognises the long one in several batches, and the short one comes in between."""
    long = words(SEGMENT_WORDS - 2)
    async with (
        agent_node(scheduler.node_url, pair, BUSY) as node,
        browser(scheduler.session_url, *pair) as page,
    ):
        await page.press_send(["first"])
        await asyncio.sleep(3 * HANGOVER)
        await page.press_send(long)
        await asyncio.sleep(3 * HANGOVER)
        await page.press_send(["short"])
        assert await read(page, 3) == ["<first>", f"<{' '.join(long)}>", "<short>"]
        assert len({job["session_id"] for job in node.jobs}) == 3
        assert {job["utterance_index"] for job in node.jobs} == {0}
        assert {job["speaker_key"] for job in node.jobs} == {page.known_as}


@over_sockets
async def test_twenty_five_seconds_without_a_pause_are_read_to_the_last_word_as_they_are_said(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    spoken = words(96)
    parts = [spoken[:SEGMENT_WORDS], spoken[SEGMENT_WORDS : 2 * SEGMENT_WORDS], spoken[78:]]
    async with (
        agent_node(scheduler.node_url, pair) as node,
        browser(scheduler.session_url, *pair) as page,
    ):
        for part in parts[:2]:
            await page.say_words(part)
            assert await read(page, 1) == [f"<{' '.join(part)}>"], "before all was said"
        await page.press_send(parts[2])
        assert await read(page, 1) == [f"<{' '.join(parts[2])}>"]
        assert [job["is_manual_cut"] for job in node.jobs] == [True] * 3
        assert [job["cut_reason"] for job in node.jobs] == [*["max_duration"] * 2, "manual"]
        assert len({job["turn_id"] for job in node.jobs}) == 3
        assert not page.all_heard("missing_result")


@pytest.mark.parametrize("silent_chunks", [0, 1, 8])
@over_sockets
async def test_who_falls_silent_right_after_a_cut_loses_nothing_and_starts_no_job(
    scheduler: SchedulerProcess, pair: Pair, silent_chunks: int
) -> None:
    """The agent drops a turn whose last part is quiet; here that part makes nothing."""
    spoken = words(SEGMENT_WORDS)
    async with (
        agent_node(scheduler.node_url, pair, BUSY) as node,
        browser(scheduler.session_url, *pair) as page,
    ):
        await page.say_words(spoken)
        for _ in range(silent_chunks):
            await page.chunk(SILENT_CHUNK)
        await page.final()  # the segment is still at the agent
        assert await read(page, 1) == [f"<{' '.join(spoken)}>"]
        await page.press_send(["later"])
        assert await read(page, 1) == ["<later>"]
        assert len(node.jobs) == 2


@over_sockets
async def test_a_short_sentence_on_a_phone_is_translated_when_a_pause_ends_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        agent_node(scheduler.node_url, pair) as node,
        Phone(scheduler.session_url) as phone,
    ):
        await phone.call(*pair)
        await phone.talk(tone(1000), *pair)
        assert await read(phone, 1) == ["<tone1000>"]
        await phone.talk(tone(1000), *pair)
        assert await read(phone, 1) == ["<tone1000>"]
        assert [job["cut_reason"] for job in node.jobs] == ["pause"] * 2
        assert "is_timeout_triggered" not in node.jobs[0]


@over_sockets
async def test_a_monologue_leaves_its_slot_to_others_between_its_parts(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    one_slot = replace(Ability.of(pair, 1), joins_turns=False)
    async with (
        raw_node(scheduler.node_url, one_slot) as node,
        raw_client(scheduler.session_url) as speaker,
        raw_client(scheduler.session_url) as other,
    ):
        await speaker.init(*pair)
        await other.init(*pair)
        await speaker.chunk(tone(10_000))
        part = await node.job()
        await other.speak(tone(300))
        await other.hear("ui_event", event="QUEUED")
        await node.answer(part, "first part")
        assert (await speaker.result())["text_asr"] == "first part"
        await node.answer(await node.job(speaker_key=other.known_as), "in between")
        assert (await other.result())["text_asr"] == "in between"
        await speaker.speak(tone(500))
        await node.answer(await node.job(), "the rest")
        assert (await speaker.result())["text_asr"] == "the rest"
        assert node.peak_jobs == 1


@over_sockets
async def test_a_turn_whose_node_is_lost_is_read_in_parts_where_nobody_joins_them(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Its first part lay with a node that joins turns; the agent takes each as a whole."""
    parts = [words(SEGMENT_WORDS, "a"), words(5, "b")]
    async with (
        browser(scheduler.session_url, *pair) as page,
        raw_node(scheduler.node_url, Ability.of(pair, 4)) as joins,
    ):
        await page.say_words(parts[0])
        first = await joins.job()
        assert first["is_max_duration_triggered"] is True
        async with agent_node(scheduler.node_url, pair) as agent:
            await page.press_send(parts[1])
            last = await joins.job()
            assert (last["turn_id"], last["utterance_index"]) == (first["turn_id"], 1)
            joins.abort()
            assert await read(page, 2) == [f"<{' '.join(part)}>" for part in parts]
            assert {job["attempt_id"] for job in agent.jobs} == {2}
            assert [job["is_manual_cut"] for job in agent.jobs] == [True, True]
            assert all(job["session_id"].endswith("~2") for job in agent.jobs)
            assert not page.all_heard("missing_result")


@over_sockets
async def test_a_turn_that_ends_in_silence_at_nodes_that_join_it_ends_with_what_it_brought(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair, 4)) as node,
        browser(scheduler.session_url, *pair) as page,
    ):
        await page.say_words(words(SEGMENT_WORDS))
        first = await node.job()
        await node.answer(first, "what was said", text_translated="", tts_audio="")
        assert (await page.hear("asr_partial"))["text"] == "what was said"
        await page.final()
        closing = await node.job()
        assert closing["is_manual_cut"] is True
        assert audio_of(closing)
        await node.answer(closing, "", extra={"reason": "ASR_EMPTY"})
        assert (await page.result())["text_asr"] == "what was said"
        assert not [one for one in page.all_heard("missing_result") if one["reason"] == "merged"]


def test_the_words_of_these_tests_are_as_long_as_they_say() -> None:
    assert SEGMENT_WORDS * WORD_MS >= 10_000 > (SEGMENT_WORDS - 1) * WORD_MS
