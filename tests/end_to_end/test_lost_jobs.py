"""What becomes of a job when its node dies, hangs, refuses or says nothing useful."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.support.raw_client import RawClient, raw_client, recorded_chunks, tone
from tests.support.raw_node import Ability, RawNode, audio_of, next_job, raw_node
from tests.support.raw_wire import Message, over_sockets
from tests.support.scheduler_process import SchedulerProcess, running_scheduler

Pair = tuple[str, str]
JOB_TIMEOUT = 0.6
PENDING = 0.9
PENALTY = 0.5
TURN_WAIT = 0.5
"""Seconds."""


def flag(name: str, seconds: float) -> tuple[str, str]:
    return f"--{name}-ms", str(int(seconds * 1000))


@pytest.fixture(scope="module")
def scheduler() -> Iterator[SchedulerProcess]:
    flags = (
        *flag("job-timeout", JOB_TIMEOUT),
        *flag("pending-timeout", PENDING),
        *flag("model-penalty", PENALTY),
        *flag("turn-wait", TURN_WAIT),
        *flag("max-duration", 1),
        *flag("result-gap", 0.5),
        "--hangover-manual-ms=5",
    )
    with running_scheduler("--session-grace-seconds", "0.5", *flags) as process:
        yield process
        process.wait_until_idle()


def ability(pair: Pair, capacity: int | None = None, node_id: str | None = None) -> Ability:
    return Ability(asr=(pair[0],), semantic=(pair[1],), capacity=capacity, node_id=node_id)


@asynccontextmanager
async def crew(
    scheduler: SchedulerProcess, pair: Pair, nodes: int, capacity: int | None = None
) -> AsyncIterator[tuple[RawClient, list[RawNode]]]:
    """Yield a session and this many nodes."""
    async with AsyncExitStack() as stack:
        staff = [
            await stack.enter_async_context(raw_node(scheduler.node_url, ability(pair, capacity)))
            for _ in range(nodes)
        ]
        yield await stack.enter_async_context(raw_client(scheduler.session_url, *pair)), staff


def others(nodes: list[RawNode], *gone: RawNode) -> list[RawNode]:
    return [node for node in nodes if node not in gone]


def is_next_attempt(again: Message, before: Message) -> bool:
    """Whether a job is the same work under ids that no node has seen."""
    attempt = again["attempt_id"]
    plain = {name: before[name].partition("~")[0] for name in ("job_id", "session_id", "turn_id")}
    same = ("audio", "audio_format", "utterance_index", "src_lang", "tgt_lang", "trace_id")
    return (
        attempt == before["attempt_id"] + 1
        and all(again[name] == f"{plain[name]}~{attempt}" for name in plain)
        and all(again[name] == before[name] for name in same)
    )


# ---- nodes that die -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["breaks", "closes"])
@over_sockets
async def test_the_job_of_a_lost_node_goes_to_another_with_the_same_audio(
    scheduler: SchedulerProcess, pair: Pair, how: str
) -> None:
    chunks = recorded_chunks()[:3]
    async with crew(scheduler, pair, 2) as (client, nodes):
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
    async with crew(scheduler, pair, 2) as (client, nodes):
        await client.speak(tone(300))
        first, job = await next_job(nodes)
        first.abort()
        second, again = await next_job(others(nodes, first))
        async with raw_node(scheduler.node_url, ability(pair, node_id=first.node_id)) as back:
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
    async with crew(scheduler, pair, 4) as (client, nodes):
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
    async with crew(scheduler, pair, 1) as (client, nodes):
        await client.speak(tone(300))
        job = await nodes[0].job()
        nodes[0].abort()
        await client.hear("ui_event", event="QUEUED")
        async with raw_node(scheduler.node_url, ability(pair)) as late:
            again = await late.job()
            assert is_next_attempt(again, job)
            await late.answer(again)
            await client.result()


@over_sockets
async def test_all_jobs_of_a_lost_node_move_in_the_order_of_their_words(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with crew(scheduler, pair, 1, capacity=4) as (client, nodes):
        for _ in range(4):
            await client.speak(tone(200))
            await client.hear("ui_event", event="DISPATCHED")
        async with raw_node(scheduler.node_url, ability(pair, 4)) as other:
            nodes[0].abort()
            jobs = [await other.job() for _ in range(4)]
            assert [job["utterance_index"] for job in jobs] == [0, 1, 2, 3]
            for job in jobs:
                await other.answer(job)
            for index in range(4):
                assert (await client.result())["utterance_index"] == index


@over_sockets
async def test_the_open_segments_of_a_turn_move_together_and_in_order(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with crew(scheduler, pair, 2, capacity=1) as (client, nodes):
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
    async with crew(scheduler, pair, 2) as (client, nodes):
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
    async with crew(scheduler, pair, 2) as (client, nodes):
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
    async with crew(scheduler, pair, 2, capacity=1) as (client, nodes):
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
    async with crew(scheduler, pair, 1) as (client, nodes):
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
    async with crew(scheduler, pair, 1) as (client, nodes):
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
            await stack.enter_async_context(raw_node(scheduler.node_url, ability(pair, 2)))
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


# ---- nodes that refuse --------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["PROCESSING_ERROR", "GPU_OOM", ""])
@over_sockets
async def test_a_refusal_ends_the_job_without_an_alert(
    scheduler: SchedulerProcess, pair: Pair, code: str
) -> None:
    """`error` makes a browser show a dialog: it never speaks of one utterance."""
    async with crew(scheduler, pair, 2) as (client, nodes):
        await client.speak(tone(300))
        node, job = await next_job(nodes)
        await node.refuse(job, code, "DUPLICATE_JOB_ID job-x")
        outcome = await client.missing()
        assert (outcome["reason"], outcome["utterance_index"]) == ("processing_error", 0)
        event = await client.hear("ui_event", event="ERROR")
        assert event["error_code"] == "PROCESSING_ERROR"
        assert not client.all_heard("error")
        assert len([job for node in nodes for job in node.jobs]) == 1


@over_sockets
async def test_a_failure_without_an_error_is_a_failure(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with crew(scheduler, pair, 1) as (client, nodes):
        await client.speak(tone(300))
        job = await nodes[0].job()
        await nodes[0].answer(job, success=False)
        assert (await client.missing())["reason"] == "processing_error"


@over_sockets
async def test_a_missing_model_moves_the_job_and_spares_the_node_that_pair(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with crew(scheduler, pair, 2) as (client, nodes):
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
    async with crew(scheduler, pair, 1) as (client, nodes):
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
    async with crew(scheduler, pair, 3) as (client, nodes):
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
    async with crew(scheduler, pair, 1) as (client, nodes):
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
        assert 0 < event["wait_ms_estimate"] <= PENDING * 1000
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
        async with raw_node(scheduler.node_url, ability(pair)) as node:
            jobs = [await node.job(seconds=0.5) for _ in range(3)]
            assert [job["utterance_index"] for job in jobs] == [0, 1, 2]
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
        async with raw_node(scheduler.node_url, ability(pair)) as node:
            await client.speak(tone(200))
            job = await node.job()
            assert job["utterance_index"] == 1
            await node.answer(job)
            await client.result()
            assert len(node.jobs) == 1


# ---- turns that must wait -----------------------------------------------------------------------


@over_sockets
async def test_a_turn_waits_for_its_node_and_then_moves(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with crew(scheduler, pair, 1, capacity=1) as (client, nodes):
        await client.chunk(tone(1000))
        await nodes[0].answer(await nodes[0].job())
        await client.result()
        async with (
            raw_client(scheduler.session_url, *pair) as other,
            raw_node(scheduler.node_url, ability(pair, 1)) as free,
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
    async with crew(scheduler, pair, 1, capacity=1) as (client, nodes):
        await client.chunk(tone(1000))
        first = await nodes[0].job()
        await nodes[0].answer(first)
        await client.result()
        async with raw_client(scheduler.session_url, *pair) as other:
            await other.speak(tone(200))
            held = await nodes[0].job()
            async with raw_node(scheduler.node_url, ability(pair, 1)) as free:
                await client.chunk(tone(200), final=True)
                await client.hear("ui_event", event="QUEUED")
                await nodes[0].answer(held)
                last = await nodes[0].job()
                assert last["turn_id"] == first["turn_id"]
                await nodes[0].answer(last)
                await client.result()
                assert not free.jobs
            await other.result()
