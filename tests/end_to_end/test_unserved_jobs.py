"""What becomes of a job that nodes refuse, find empty, or cannot take."""

import time
from contextlib import AsyncExitStack

import pytest

from tests.end_to_end.support.short_deadlines import (
    JOB_TIMEOUT,
    PENALTY,
    PENDING,
    TURN_WAIT,
    is_next_attempt,
    others,
    session_and_nodes,
)
from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, next_job, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess


@pytest.fixture
def scheduler(impatient_scheduler: SchedulerProcess) -> SchedulerProcess:
    return impatient_scheduler


# ---- nodes that refuse --------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["PROCESSING_ERROR", "GPU_OOM", ""])
@over_sockets
async def test_a_refusal_by_all_nodes_ends_the_job_without_an_alert(
    scheduler: SchedulerProcess, pair: Pair, code: str
) -> None:
    """`error` makes a browser show a dialog: it never speaks of one utterance."""
    async with session_and_nodes(scheduler, pair, 2) as (client, nodes):
        await client.speak(tone(300))
        node, job = await next_job(nodes)
        await node.refuse(job, code, "DUPLICATE_JOB_ID job-x")
        other, again = await next_job(others(nodes, node))
        assert is_next_attempt(again, job)
        await other.refuse(again, code, "DUPLICATE_JOB_ID job-x")
        outcome = await client.missing()
        assert (outcome["reason"], outcome["utterance_index"]) == ("processing_error", 0)
        event = await client.hear("ui_event", event="ERROR")
        assert event["error_code"] == "PROCESSING_ERROR"
        assert not client.all_heard("error")
        assert len([job for node in nodes for job in node.jobs]) == 2


@over_sockets
async def test_a_failure_without_an_error_is_a_failure(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1) as (client, nodes):
        await client.speak(tone(300))
        job = await nodes[0].job()
        await nodes[0].answer(job, success=False)
        assert (await client.missing())["reason"] == "processing_error"


@over_sockets
async def test_a_monologue_whose_end_is_refused_is_over_at_once(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """The node holds the earlier words until a segment ends the turn; none will come."""
    async with session_and_nodes(scheduler, pair, 2) as (client, nodes):
        for _ in range(2):
            await client.chunk(tone(1000))
        await client.chunk(tone(200), final=True)
        node, first = await next_job(nodes)
        jobs = [first, await node.job(), await node.job()]
        await node.refuse(jobs[2], "PROCESSING_ERROR", "Opus decoding failed")
        refused_at = time.monotonic()
        outcomes = [await client.missing() for _ in jobs]
        assert time.monotonic() - refused_at < JOB_TIMEOUT / 2
        assert [outcome["utterance_index"] for outcome in outcomes] == [0, 1, 2]
        assert {outcome["reason"] for outcome in outcomes} == {"processing_error"}
        for job in jobs[:2]:
            await node.hear("job_cancel", job_id=job["job_id"])
        await client.fence()
        assert len([job for node in nodes for job in node.jobs]) == 3


@over_sockets
async def test_a_segment_that_is_refused_takes_nothing_else_of_its_turn_along(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1) as (client, nodes):
        for _ in range(2):
            await client.chunk(tone(1000))
        await client.chunk(tone(200), final=True)
        first, second, third = [await nodes[0].job() for _ in range(3)]
        await nodes[0].refuse(second, "PROCESSING_ERROR", "Opus decoding failed")
        await nodes[0].answer(third, "the rest")
        outcomes = [await client.outcome() for _ in range(3)]
        assert [outcome.get("reason") for outcome in outcomes] == [
            "merged",
            "processing_error",
            None,
        ]
        assert first["turn_id"] == third["turn_id"]


@over_sockets
async def test_a_missing_model_moves_the_job_and_spares_the_node_that_pair(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 2) as (client, nodes):
        await client.speak(tone(300))
        lacking, job = await next_job(nodes)
        await lacking.refuse(job, "MODEL_NOT_AVAILABLE")
        having, again = await next_job(others(nodes, lacking))
        assert is_next_attempt(again, job)
        await having.answer(again)
        await client.result()
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(raw_client(scheduler.session_url, *pair))
                for _ in range(3)
            ]
            for other in clients:
                await other.speak(tone(300))
                await having.answer(await having.job())
                await other.result()
        assert len(lacking.jobs) == 1


@over_sockets
async def test_the_penalty_of_a_missing_model_lapses(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1) as (client, nodes):
        await client.speak(tone(300))
        job = await nodes[0].job()
        await nodes[0].refuse(job, "MODEL_NOT_AVAILABLE")
        refused_at = time.monotonic()
        again = await nodes[0].job()
        assert time.monotonic() - refused_at >= PENALTY - 0.05
        assert is_next_attempt(again, job)
        await nodes[0].answer(again)
        await client.result()


@over_sockets
async def test_a_model_that_nobody_has_ends_the_job(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 3) as (client, nodes):
        await client.speak(tone(300))
        gone: list[RawNode] = []
        for _ in range(3):
            node, job = await next_job(others(nodes, *gone))
            await node.refuse(job, "MODEL_NOT_AVAILABLE")
            gone.append(node)
        assert (await client.missing())["reason"] == "model_not_available"
        assert not client.all_heard("error")


# ---- nodes that found nothing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "silence_detected"),
        ({"text_asr": "  \n", "text_translated": " "}, "silence_detected"),
        ({"extra": {"reason": "ASR_EMPTY"}}, "silence_detected"),
        ({"extra": {"reason": "NO_TEXT_ASSIGNED"}}, "merged"),
    ],
    ids=str,
)
@over_sockets
async def test_an_empty_result_is_a_missing_one_and_no_error(
    scheduler: SchedulerProcess, pair: Pair, said: Message, reason: str
) -> None:
    async with session_and_nodes(scheduler, pair, 1) as (client, nodes):
        await client.speak(tone(300))
        await nodes[0].answer(await nodes[0].job(), "", **said)
        assert (await client.missing())["reason"] == reason
        await client.fence()
        events = [event["event"] for event in client.all_heard("ui_event")]
        assert "ERROR" not in events


# ---- no node ------------------------------------------------------------------------------------


@over_sockets
async def test_without_a_node_an_utterance_waits_and_then_ends(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        await client.speak(tone(300))
        event = await client.hear("ui_event", event="QUEUED")
        queued_at = time.monotonic()
        assert (event["wait_ms_estimate"], event["reason"]) == (None, "no_node")
        outcome = await client.missing()
        assert PENDING - 0.1 <= time.monotonic() - queued_at < PENDING + 1
        assert outcome["reason"] == "no_available_node"
        error = await client.hear("ui_event", event="ERROR")
        assert error["error_code"] == "NO_AVAILABLE_NODE"
        assert not client.all_heard("error")


@over_sockets
async def test_a_node_that_arrives_gets_at_once_what_waits(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        for _ in range(3):
            await client.speak(tone(300))
            await client.hear("ui_event", event="QUEUED")
        async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
            jobs = [await node.job(seconds=0.5) for _ in range(3)]
            assert [job["nth"] for job in jobs] == [0, 1, 2]
            assert [job["attempt_id"] for job in jobs] == [1, 1, 1]
            for job in jobs:
                await node.answer(job)
            for _ in range(3):
                await client.result()


@over_sockets
async def test_what_waited_too_long_is_not_given_to_a_late_node(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        await client.speak(tone(300))
        assert (await client.missing())["reason"] == "no_available_node"
        async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
            await client.speak(tone(200))
            job = await node.job()
            await node.answer(job)
            assert (await client.result())["utterance_index"] == 1
            assert len(node.jobs) == 1


# ---- turns that must wait -----------------------------------------------------------------------


@over_sockets
async def test_a_turn_waits_for_its_node_and_then_moves(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1, capacity=1) as (client, nodes):
        await client.chunk(tone(1000))
        await nodes[0].answer(await nodes[0].job())
        await client.result()
        async with (
            raw_client(scheduler.session_url, *pair) as other,
            raw_node(scheduler.node_url, Ability.of(pair, 1)) as free,
        ):
            await other.speak(tone(200))
            holder, held = await next_job([nodes[0], free])
            if holder is free:  # then the turn's own node has room, and gets it
                await client.chunk(tone(200), final=True)
                job = await nodes[0].job()
                await nodes[0].answer(job)
            else:
                await client.chunk(tone(200), final=True)
                await client.hear("ui_event", event="QUEUED")
                waits_from = time.monotonic()
                job = await free.job()
                assert time.monotonic() - waits_from >= TURN_WAIT - 0.1
                await free.answer(job)
            await client.result()
            await holder.answer(held)
            await other.result()


@over_sockets
async def test_a_turn_goes_to_its_node_when_that_is_free_in_time(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with session_and_nodes(scheduler, pair, 1, capacity=1) as (client, nodes):
        await client.chunk(tone(1000))
        first = await nodes[0].job()
        await nodes[0].answer(first)
        await client.result()
        async with raw_client(scheduler.session_url, *pair) as other:
            await other.speak(tone(200))
            held = await nodes[0].job()
            async with raw_node(scheduler.node_url, Ability.of(pair, 1)) as free:
                await client.chunk(tone(200), final=True)
                await client.hear("ui_event", event="QUEUED")
                await nodes[0].answer(held)
                last = await nodes[0].job()
                assert last["turn_id"] == first["turn_id"]
                await nodes[0].answer(last)
                await client.result()
                assert not free.jobs
            await other.result()
