"""Whole conversations between the existing browser page and the existing node agent.

Both are simulated with all their quirks; between them is the real scheduler. Audio comes faster
than it is spoken; everything else is as it would be.
"""

from collections.abc import Iterator

import pytest

from tests.end_to_end.support.peers.agent_node import agent_node
from tests.end_to_end.support.peers.browser import browser
from tests.end_to_end.support.spoken_conversation import (
    FLAGS,
    JOB_TIMEOUT,
    PACE,
    SEGMENT_WORDS,
    TURN_WORDS,
    Script,
    conversation,
)
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler
from tests.support.waiting import until

USUAL_HANGOVER = 0.06


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    with running_scheduler(*FLAGS) as process:
        yield process
        process.wait_until_idle()


@over_sockets
async def test_every_word_of_a_long_conversation_is_read_once_and_in_order(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with conversation(scheduler, pair) as (script, node):
        for round_ in range(12):
            await script.say(script.words(2 + round_ % 3))
            await script.send(script.words(1))
            if round_ % 3 == 0:
                await script.say(script.words(SEGMENT_WORDS + 2))
            if round_ % 4 == 1:
                await script.send(script.words(2 * TURN_WORDS + 3))
            if round_ % 2:
                await script.listen()
        await script.read_all()
        assert not node.refused
        assert script.page.spurious_finals > 100
        assert len(node.jobs) == script.cuts, "spurious finals made jobs"


@over_sockets
async def test_half_an_hour_without_a_pause_is_read_to_the_last_word(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """As many turns as make half an hour at 30 s each; the listener is never far behind."""
    async with conversation(scheduler, pair) as (script, node):
        for _ in range(60):
            await script.speak_on(script.words(TURN_WORDS))
            await script.read_all()
        await script.send(script.words(1))
        await script.read_all()
        assert len(node.jobs) == script.cuts == 181
        assert len({job["turn_id"] for job in node.jobs}) == 181
        assert len({job["session_id"] for job in node.jobs}) == 181
        assert len({job["speaker_key"] for job in node.jobs}) == 1
        scheduler.wait_for({"lingua_audio_bytes_held": 0.0, "lingua_open_slots": 0.0})


@over_sockets
async def test_who_answers_yes_twice_is_translated_twice(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A node says nothing to a text that it has just sent to the same session, and holds a slot."""
    async with conversation(scheduler, pair) as (script, node):
        for words in (["yes"], ["yes"], script.words(2), ["yes"]):
            await script.send(words)
            await script.read_all(JOB_TIMEOUT)  # nothing is asked for a second time
        assert not node.swallowed
        assert [job["attempt_id"] for job in node.jobs] == [1] * 4
        scheduler.wait_for({"lingua_open_slots": 0.0})


@over_sockets
async def test_a_node_that_loses_its_line_in_a_monologue_costs_no_word(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with conversation(scheduler, pair) as (script, node):
        words = script.words(SEGMENT_WORDS * 2 + 5)
        await script.page.say_words(words[:-5])
        await until(lambda: len(node.jobs) >= 2)
        node.lose_line()
        await script.page.press_send(words[-5:])
        script.note(words)
        await script.read_all()
        assert not node.refused
        assert {job["attempt_id"] for job in node.jobs} <= {1, 2}


@over_sockets
async def test_a_node_that_loses_its_line_between_words_takes_the_next_ones(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with conversation(scheduler, pair) as (script, node):
        await script.send(script.words(2))
        await script.read_all()
        known_as = node.node_id
        node.lose_line()
        await script.send(script.words(3))
        await script.read_all()
        assert node.node_id == known_as
        assert not node.refused


@over_sockets
async def test_a_page_that_loses_its_line_goes_on_in_another_session(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with conversation(scheduler, pair) as (script, _node):
        await script.send(script.words(2))
        await script.read_all()
        script.page.abort()
        async with browser(scheduler.session_url, *pair) as page:
            page.seq = script.page.seq  # it is never reset
            resumed = Script(page)
            await resumed.say(resumed.words(3))
            await resumed.read_all()
            assert page.session_id != script.page.session_id


@over_sockets
async def test_two_people_with_two_languages_share_a_page(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Face to face: who speaks which language is for the node to find out."""
    wishes = {"mode": "two_way_auto", "lang_a": pair[0], "lang_b": pair[1], "auto_langs": [*pair]}
    async with conversation(scheduler, pair, source="auto", **wishes) as (script, node):
        for _ in range(4):
            await script.say(script.words(3))
            await script.send(script.words(2))
            await script.listen()
        assert len(node.jobs) == script.cuts
        for job in node.jobs:
            assert (job["src_lang"], job["tgt_lang"]) == ("auto", pair[1])
            assert (job["lang_a"], job["lang_b"], job["mode"]) == (*pair, "two_way_auto")


@over_sockets
async def test_two_people_wait_for_a_node_that_has_both_of_their_languages(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A node's services come and go; its next heartbeat says so, and what waits goes on."""
    wishes = {"mode": "two_way_auto", "lang_a": pair[0], "lang_b": pair[1], "auto_langs": [*pair]}
    one = (pair[0],)
    async with conversation(scheduler, pair, source="auto", **wishes) as (script, node):
        both = node.ability
        node.ability = Ability(asr=one, semantic=one, tts=one)
        await node.beat()
        await node.fence()
        await script.send(script.words(2))
        await script.page.hear("ui_event", event="QUEUED")
        assert not node.jobs
        node.ability = both
        await node.beat()
        await script.read_all(2.0)


@over_sockets
async def test_who_names_no_pair_is_served_by_whoever_translates_into_the_target(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """`auto` alone: the node finds out what is spoken."""
    async with conversation(scheduler, pair, source="auto") as (script, node):
        await script.say(script.words(3))
        await script.read_all()
        (job,) = node.jobs
        assert (job["src_lang"], job["tgt_lang"]) == ("auto", pair[1])
        assert "lang_a" not in job


@over_sockets
async def test_a_monologue_goes_on_at_another_node_when_its_own_is_full(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """What was answered stays answered; what follows waits a little, and is taken bit by bit."""
    url = scheduler.node_url
    slow = Ability(asr=pair, semantic=pair, tts=pair, capacity=1)
    async with raw_node(url, slow) as own, browser(scheduler.session_url, *pair) as page:
        script = Script(page)
        words = script.words(2 * SEGMENT_WORDS + 3)
        await page.say_words(words[:SEGMENT_WORDS])
        await own.answer(await own.job(), "in full")
        script.expected.append("in full [" + pair[1] + "]")
        async with browser(scheduler.session_url, *pair) as rival:
            await rival.press_send(["rival"])
            await own.job()
            async with agent_node(url, pair, PACE) as other:
                await page.press_send(words[SEGMENT_WORDS:])
                script.note(words[SEGMENT_WORDS:])
                await page.hear("ui_event", event="QUEUED")
                await script.read_all()
                jobs = other.jobs[-2:]
                assert [(job["utterance_index"], job["is_manual_cut"]) for job in jobs] == [
                    (0, True)
                ] * 2
                assert len({job["session_id"] for job in jobs}) == 2


@over_sockets
async def test_words_overtaken_by_their_final_are_read_with_it(
    scheduler_of_short_turns: SchedulerProcess, pair: Pair
) -> None:
    async with conversation(scheduler_of_short_turns, pair) as (script, node):
        for _ in range(2):
            words = script.words(3)
            await script.page.say_words(words[:2])
            await script.page.final_before(words[2])
            await script.wait_for_cut(USUAL_HANGOVER)
            script.note(words)
        await script.read_all()
        assert len(node.jobs) == script.cuts == 2
