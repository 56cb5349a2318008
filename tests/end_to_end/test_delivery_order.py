"""Outcomes come in the order of cuts, are numbered, and wait for each other only so long."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

GAP = 0.4
"""Seconds."""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags = ("--result-gap-ms", str(int(GAP * 1000)), "--close-flush-ms", "1000")
    with running_scheduler("--session-grace-seconds", "0.5", *flags) as process:
        yield process
        process.wait_until_idle()


@asynccontextmanager
async def said(
    scheduler: SchedulerProcess, pair: Pair, count: int
) -> AsyncIterator[tuple[RawClient, RawNode, list[Message]]]:
    """Say several utterances and yield the jobs that came of them, in the order of cuts."""
    ability = Ability.of(pair, capacity=50)
    async with (
        raw_node(scheduler.node_url, ability) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        languages = {"src_lang": pair[0], "tgt_lang": pair[1]}
        for index in range(count):
            await client.utterance(index, tone(300), **languages)
        yield client, node, [await node.job(nth=index) for index in range(count)]


def numbers(outcomes: list[Message]) -> list[tuple[int, int, bool]]:
    return [
        (outcome["utterance_index"], outcome["delivery_seq"], outcome.get("late", False))
        for outcome in outcomes
    ]


@over_sockets
async def test_answers_in_reverse_come_in_the_order_of_cuts(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with said(scheduler, pair, 8) as (client, node, jobs):
        for job in reversed(jobs):
            await node.answer(job, f"words {job['nth']}")
        outcomes = [await client.result() for _ in jobs]
        assert numbers(outcomes) == [(index, index + 1, False) for index in range(8)]
        assert [outcome["text_asr"] for outcome in outcomes] == [
            f"words {index}" for index in range(8)
        ]


@over_sockets
async def test_a_gap_is_passed_after_its_time_and_what_comes_then_is_late(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with said(scheduler, pair, 3) as (client, node, jobs):
        await node.answer(jobs[1])
        ready_at = time.monotonic()
        await node.answer(jobs[2])
        first = await client.outcome()
        assert GAP - 0.02 <= time.monotonic() - ready_at < GAP + 0.5
        second = await client.outcome()
        assert numbers([first, second]) == [(1, 1, False), (2, 2, False)]
        await node.answer(jobs[0], "at last")
        await node.answer(jobs[0], "again")
        third = await client.result()
        assert third["text_asr"] == "at last"
        assert numbers([third]) == [(0, 3, True)]
        await node.fence()
        await client.fence()
        assert len(client.outcomes()) == 3


@over_sockets
async def test_several_gaps_are_passed_one_by_one(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with said(scheduler, pair, 6) as (client, node, jobs):
        for index in (1, 3, 5):
            await node.answer(jobs[index])
            await asyncio.sleep(GAP / 4)
        outcomes = [await client.outcome() for _ in range(3)]
        assert numbers(outcomes) == [(1, 1, False), (3, 2, False), (5, 3, False)]
        for index in (4, 0, 2):
            await node.answer(jobs[index])
        late = [await client.outcome() for _ in range(3)]
        assert numbers(late) == [(4, 4, True), (0, 5, True), (2, 6, True)]


@over_sockets
async def test_nothing_waits_longer_than_for_the_gap_before_it(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with said(scheduler, pair, 3) as (client, node, jobs):
        await node.answer(jobs[2])
        await node.fence()
        await client.fence()
        assert not client.outcomes()
        await node.answer(jobs[0])
        assert (await client.result())["utterance_index"] == 0
        await node.answer(jobs[1])
        outcomes = [await client.outcome(seconds=GAP / 2) for _ in range(2)]
        assert numbers(outcomes) == [(1, 2, False), (2, 3, False)]


@over_sockets
async def test_missing_outcomes_have_their_place_in_the_order(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with said(scheduler, pair, 4) as (client, node, jobs):
        await node.refuse(jobs[3], "PROCESSING_ERROR")
        await node.answer(jobs[2], "")
        await node.answer(jobs[1])
        await node.refuse(jobs[0], "PROCESSING_ERROR")
        outcomes = [await client.outcome() for _ in range(4)]
        assert numbers(outcomes) == [(index, index + 1, False) for index in range(4)]
        assert [outcome.get("reason") for outcome in outcomes] == [
            "processing_error",
            None,
            "silence_detected",
            "processing_error",
        ]


@over_sockets
async def test_a_gap_of_one_session_holds_up_no_other(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        said(scheduler, pair, 2) as (client, node, jobs),
        raw_client(scheduler.session_url, *pair) as other,
    ):
        await node.answer(jobs[1])
        await other.speak(tone(300))
        await node.answer(await node.job())
        await other.result(seconds=GAP / 2)
        await node.answer(jobs[0])
        assert (await client.result())["utterance_index"] == 0
        assert (await client.result())["utterance_index"] == 1


@over_sockets
async def test_a_full_result_takes_the_place_of_an_empty_one_that_still_waits(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with said(scheduler, pair, 2) as (client, node, jobs):
        await node.answer(jobs[1], "")
        await node.answer(jobs[1], "words after all")
        await node.answer(jobs[0], "first")
        assert (await client.result())["text_asr"] == "first"
        second = await client.result()
        assert second["text_asr"] == "words after all"
        assert len(client.outcomes()) == 2


@over_sockets
async def test_a_full_result_after_an_empty_one_was_delivered_reaches_nobody(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with said(scheduler, pair, 1) as (client, node, jobs):
        await node.answer(jobs[0], "")
        assert (await client.missing())["reason"] == "silence_detected"
        await node.answer(jobs[0], "words after all")
        await node.fence()
        await client.fence()
        assert len(client.outcomes()) == 1


@over_sockets
async def test_a_closing_session_delivers_everything_before_its_ack(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with said(scheduler, pair, 3) as (client, node, jobs):
        await node.answer(jobs[2])
        await client.say(client.own("session_close", reason="bye"))
        await node.answer(jobs[0])
        await client.hear("session_close_ack", seconds=3)
        outcomes = client.outcomes()
        assert [outcome["utterance_index"] for outcome in outcomes if "late" not in outcome] in (
            [0, 2],
            [0, 1, 2],
        )
        assert {outcome["utterance_index"] for outcome in outcomes} == {0, 1, 2}
        assert client.heard[-1]["type"] == "session_close_ack"


@over_sockets
async def test_results_of_a_turn_and_of_utterances_mix_in_order(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Twenty utterances, answered in a shuffled order that is always the same."""
    async with said(scheduler, pair, 20) as (client, node, jobs):
        for position in range(20):
            await node.answer(jobs[position * 7 % 20])
        outcomes = [await client.result() for _ in range(20)]
        assert numbers(outcomes) == [(index, index + 1, False) for index in range(20)]
