"""What becomes of a job when its node dies or hangs."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.short_deadlines import (
    JOB_TIMEOUT,
    is_next_attempt,
    others,
    session_and_nodes,
)
from tests.support.peers.raw_client import raw_client, recorded_chunks, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, next_job, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


@pytest.fixture
def scheduler(impatient_scheduler: SchedulerProcess) -> SchedulerProcess:
    return impatient_scheduler


# ---- nodes that die -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["breaks", "closes"])
@over_sockets
async def test_the_job_of_a_lost_node_goes_to_another_with_the_same_audio(
    scheduler: SchedulerProcess, pair: Pair, how: str
) -> None:
    chunks = recorded_chunks()[:3]
    async with session_and_nodes(scheduler, pair, 2) as (client, nodes):
        for chunk in chunks:
            await client.chunk(chunk)
        await client.final()
        first, job = await next_job(nodes)
        if how == "breaks":
            first.abort()
        else:
            await first.aclose()
        second, again = await next_job(others(nodes, first))
        assert is_next_attempt(again, job)
        assert audio_of(again) == b"".join(chunks)
        await second.answer(again, "saved")
        result = await client.result()
        assert result["text_asr"] == "saved"
        assert result["job_id"] == job["job_id"]
        record = (await asyncio.to_thread(scheduler.get, f"/api/v1/jobs/{job['job_id']}")).json
        assert (record["state"], record["attempt"]) == ("done", 2)
        assert record["node"] == second.node_id


@over_sockets
async def test_a_late_answer_of_a_lost_attempt_changes_nothing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """The node comes back under its id and answers what was taken from it; so does a stranger."""
    async with session_and_nodes(scheduler, pair, 2) as (client, nodes):
        await client.speak(tone(300))
        first, job = await next_job(nodes)
        first.abort()
        second, again = await next_job(others(nodes, first))
        async with raw_node(scheduler.node_url, Ability.of(pair, node_id=first.node_id)) as back:
            assert back.node_id == first.node_id
            for late in (job, again):
                await back.say(back.result(late, "false words"))
            await second.say(second.result(job, "false words"))
            await second.say({**second.result(job, "false words"), "attempt_id": 2})
            await back.fence()
            await second.fence()
            await second.answer(again, "true words")
            assert (await client.result())["text_asr"] == "true words"
            await back.say(back.result(job, "false words"))
            await back.fence()
            await client.fence()
            assert len(client.outcomes()) == 1


@over_sockets
async def test_a_job_that_loses_every_node_ends_as_node_lost(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 4) as (client, nodes):
        await client.speak(tone(300))
        gone: list[RawNode] = []
        for attempt in (1, 2, 3):
            node, job = await next_job(others(nodes, *gone))
            assert job["attempt_id"] == attempt
            node.abort()
            gone.append(node)
        outcome = await client.missing()
        assert outcome["reason"] == "node_lost"
        event = await client.hear("ui_event", event="ERROR")
        assert event["error_code"] == "NODE_UNAVAILABLE"
        assert not client.all_heard("error")
        assert not others(nodes, *gone)[0].jobs


@over_sockets
async def test_the_job_of_the_only_node_waits_for_another_one(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1) as (client, nodes):
        await client.speak(tone(300))
        job = await nodes[0].job()
        nodes[0].abort()
        await client.hear("ui_event", event="QUEUED")
        async with raw_node(scheduler.node_url, Ability.of(pair)) as late:
            again = await late.job()
            assert is_next_attempt(again, job)
            await late.answer(again)
            await client.result()


@over_sockets
async def test_all_jobs_of_a_lost_node_move_in_the_order_of_their_words(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1, capacity=4) as (client, nodes):
        for _ in range(4):
            await client.speak(tone(200))
            await client.hear("ui_event", event="DISPATCHED")
        async with raw_node(scheduler.node_url, Ability.of(pair, 4)) as other:
            nodes[0].abort()
            jobs = [await other.job() for _ in range(4)]
            assert [job["nth"] for job in jobs] == [0, 1, 2, 3]
            for job in jobs:
                await other.answer(job)
            for index in range(4):
                assert (await client.result())["utterance_index"] == index


@over_sockets
async def test_the_open_segments_of_a_turn_move_together_and_in_order(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 2, capacity=1) as (client, nodes):
        await client.chunk(tone(1000))
        await client.chunk(tone(1000))
        first, one = await next_job(nodes)
        two = await first.job()
        first.abort()
        second = others(nodes, first)[0]
        moved = [await second.job(), await second.job()]
        assert [is_next_attempt(*both) for both in zip(moved, (one, two), strict=True)] == [
            True,
            True,
        ]
        assert second.peak == 1
        await client.chunk(tone(300), final=True)
        three = await second.job()
        assert three["turn_id"].partition("~")[0] == one["turn_id"]
        await second.answer(three, "all of it")
        outcomes = [await client.outcome() for _ in range(3)]
        assert [outcome.get("reason") for outcome in outcomes] == ["merged", "merged", None]


@over_sockets
async def test_a_missing_model_moves_all_open_segments_of_the_turn(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Only together are they whole: what stays behind would end as merged, and be in no result."""
    async with session_and_nodes(scheduler, pair, 2) as (client, nodes):
        await client.chunk(tone(1000))
        await client.chunk(tone(1000))
        first, one = await next_job(nodes)
        two = await first.job()
        await first.refuse(one, "MODEL_NOT_AVAILABLE")
        second = others(nodes, first)[0]
        moved = [await second.job(), await second.job()]
        assert [is_next_attempt(*both) for both in zip(moved, (one, two), strict=True)] == [
            True,
            True,
        ]
        assert (await first.hear("job_cancel"))["job_id"] == two["job_id"]
        for job in moved:
            await second.answer(job)
            await client.result()


# ---- nodes that hang ----------------------------------------------------------------------------


@over_sockets
async def test_a_job_that_is_not_answered_in_time_is_cancelled_and_moves(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 2) as (client, nodes):
        await client.speak(tone(300))
        frozen, job = await next_job(nodes)
        given_at = time.monotonic()
        other, again = await next_job(others(nodes, frozen))
        assert JOB_TIMEOUT - 0.05 <= time.monotonic() - given_at < JOB_TIMEOUT + 1
        assert is_next_attempt(again, job)
        cancel = await frozen.hear("job_cancel")
        assert (cancel["job_id"], cancel["reason"]) == (job["job_id"], "job_timeout")
        await frozen.answer(job, "too late")
        await frozen.fence()
        await other.answer(again, "in time")
        assert (await client.result())["text_asr"] == "in time"


@over_sockets
async def test_a_node_that_hung_is_chosen_last_until_it_finishes_something(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 2, capacity=1) as (client, nodes):
        await client.speak(tone(300))
        frozen, _ = await next_job(nodes)
        other, again = await next_job(others(nodes, frozen))
        await other.answer(again)
        await client.result()
        async with raw_client(scheduler.session_url, *pair) as second:
            await second.speak(tone(300))
            job = await other.job()  # the frozen one was least recently used
            await client.speak(tone(300))
            last_choice = await frozen.job()
            await frozen.answer(last_choice)
            await client.result()
            await other.answer(job)
            await second.result()


@over_sockets
async def test_the_only_node_gets_a_job_again_and_a_job_ends_after_three_attempts(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1) as (client, nodes):
        await client.speak(tone(300))
        jobs = [await nodes[0].job() for _ in range(3)]
        assert is_next_attempt(jobs[1], jobs[0])
        assert is_next_attempt(jobs[2], jobs[1])
        outcome = await client.missing()
        assert outcome["reason"] == "job_timeout"
        assert (await client.hear("ui_event", event="ERROR"))["error_code"] == "JOB_TIMEOUT"
        cancelled = [(await nodes[0].hear("job_cancel"))["job_id"] for _ in range(3)]
        assert cancelled == [job["job_id"] for job in jobs]
        for job in jobs:
            await nodes[0].answer(job, "too late")
        await nodes[0].fence()
        await client.fence()
        assert len(client.outcomes()) == 1
        assert not client.all_heard("error")


@over_sockets
async def test_a_node_that_answers_under_the_new_id_is_heard(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1) as (client, nodes):
        await client.speak(tone(300))
        await nodes[0].job()
        again = await nodes[0].job()
        await nodes[0].answer(again, "second try")
        assert (await client.result())["text_asr"] == "second try"


@over_sockets
async def test_hanging_jobs_never_take_more_slots_than_there_are(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """Ten sessions on two hanging nodes of capacity two: every outcome comes, nothing overflows."""
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(raw_node(scheduler.node_url, Ability.of(pair, 2)))
            for _ in range(2)
        ]
        clients = [
            await stack.enter_async_context(raw_client(scheduler.session_url, *pair))
            for _ in range(10)
        ]
        for client in clients:
            await client.speak(tone(300))
        outcomes = await asyncio.gather(*(client.missing(seconds=15) for client in clients))
        assert {outcome["reason"] for outcome in outcomes} <= {"job_timeout", "no_available_node"}
        assert [node.peak <= 2 for node in nodes] == [True, True]
