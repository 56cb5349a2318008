"""A bug in one actor costs the words it is about at most, and whoever spoke them is told."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from actors.dispatcher.claims import Claims
from actors.dispatcher.failover import FailOver
from actors.dispatcher.job_driver import JobDriver
from actors.dispatcher.job_ends import JobEnds
from actors.instance.actor import InstanceActor
from actors.node.assignments import Assignments
from actors.node.registration import Registration
from actors.session.speech import Speech
from actors.verdict import judge
from tests.end_to_end.support.processes.scheduler_in_process import scheduler_here
from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, over_sockets
from tests.support.waiting import until

POISON = "poison"
Patch = pytest.MonkeyPatch


class BugError(Exception):
    """What the broken collaborators raise."""


def break_it(patch: Patch, owner: type, name: str, is_bad: Callable[..., bool]) -> list[Any]:
    """Let a method raise for some arguments; return the list of those it raised for."""
    sound, raised = getattr(owner, name), []

    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_bad(*args):
            raised.append(args)
            raise BugError
        return sound(self, *args, **kwargs)

    patch.setattr(owner, name, broken)
    return raised


def break_judgement(patch: Patch) -> None:
    """Let the dispatcher fail of a result with certain words, before it has asked the store."""

    def broken(result: Any, *rest: Any) -> Any:
        if result.text_asr == POISON:
            raise BugError
        return judge(result, *rest)

    patch.setattr("actors.dispatcher.job_driver.judge", broken)


def break_conclusion(patch: Patch) -> None:
    """Let the dispatcher fail of the same words when the store has taken them."""
    break_it(
        patch,
        JobEnds,
        "_tell",
        lambda ended: ended.result is not None and ended.result.text_asr == POISON,
    )


async def outcomes(client: RawClient, count: int) -> list[str | None]:
    """Return the text or the reason of the next outcomes."""
    heard = [await client.outcome() for _ in range(count)]
    return [one.get("text_asr", one.get("reason")) for one in heard]


async def speak(client: RawClient, node: RawNode, count: int) -> list[Message]:
    """Say so much; return the jobs."""
    for _ in range(count):
        await client.speak(tone(200))
    return [await node.job() for _ in range(count)]


# ---- the dispatcher -------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [break_judgement, break_conclusion])
@over_sockets
async def test_a_result_that_kills_the_dispatcher_costs_its_own_words_alone(
    monkeypatch: Patch, broken: Callable[[Patch], None]
) -> None:
    broken(monkeypatch)
    async with (
        scheduler_here() as here,
        raw_node(here.node_url, Ability(capacity=5)) as node,
        raw_client(here.session_url) as client,
        raw_client(here.session_url) as other,
    ):
        jobs = await speak(client, node, 4)
        [foreign] = await speak(other, node, 1)
        await other.speak(tone(200))  # it waits: no slot is free
        await other.hear("ui_event", event="QUEUED")
        for job, words in zip(jobs, ("zero", POISON, "two", "three"), strict=True):
            await node.answer(job, words)
        await node.answer(foreign, "foreign")
        waited = await node.job()
        await node.answer(waited, "waited")
        assert await outcomes(client, 4) == ["zero", "processing_error", "two", "three"]
        assert await outcomes(other, 2) == ["foreign", "waited"]
        assert {job["attempt_id"] for job in node.jobs} == {1}
        [again] = await speak(client, node, 1)
        await node.answer(again, "again")
        assert await outcomes(client, 1) == ["again"]
        await here.wait_for(open_slots=0, audio_bytes_held=0)
        assert not client.all_heard("error")
        ended = here.metrics()['lingua_jobs_total{outcome="processing_error"}']
        assert ended == 1
        assert not here.escalated


@over_sockets
async def test_words_that_kill_the_dispatcher_do_so_once(monkeypatch: Patch) -> None:
    """Their session tells a successor what is open: these words are not any more."""
    raised = break_it(
        monkeypatch, JobDriver, "cut", lambda message: message.spec.utterance_index == 1
    )
    async with (
        scheduler_here() as here,
        raw_node(here.node_url, Ability(capacity=4)) as node,
        raw_client(here.session_url) as client,
    ):
        for _ in range(3):
            await client.speak(tone(200))
        for index in (0, 2):
            await node.answer(await node.job(), f"words {index}")
        assert await outcomes(client, 3) == ["words 0", "processing_error", "words 2"]
        assert len(raised) == 1
        assert not here.escalated


@over_sockets
async def test_a_session_that_kills_the_dispatcher_is_ended_and_told(monkeypatch: Patch) -> None:
    raised = break_it(monkeypatch, Claims, "opened", lambda message: message.tenant_id == POISON)
    async with (
        scheduler_here() as here,
        raw_node(here.node_url) as node,
        raw_client(here.session_url) as well,
        RawClient(here.session_url) as ill,
    ):
        await ill.init("en", "es", tenant_id=POISON)
        assert (await ill.error())["code"] == "INTERNAL_ERROR"
        assert await ill.close_code() == 1011
        [job] = await speak(well, node, 1)
        await node.answer(job, "well")
        assert await outcomes(well, 1) == ["well"]
        assert len(raised) == 1
        await here.wait_for(sessions=1)


@over_sockets
async def test_a_loss_whose_handling_fails_of_one_job_still_moves_the_others(
    monkeypatch: Patch,
) -> None:
    break_it(
        monkeypatch,
        FailOver,
        "fail_over",
        lambda job, _reason: job.spec.utterance_index == 1,
    )
    async with (
        scheduler_here() as here,
        raw_node(here.node_url, Ability(capacity=4)) as lost,
        raw_client(here.session_url) as client,
    ):
        await speak(client, lost, 3)
        async with raw_node(here.node_url, Ability(capacity=4)) as other:
            lost.abort()
            for _ in range(2):
                job = await other.job()
                assert job["attempt_id"] == 2
                await other.answer(job, f"words {job['nth']}")
            assert await outcomes(client, 3) == ["words 0", "processing_error", "words 2"]
        assert not here.escalated


@over_sockets
async def test_a_dispatcher_that_fails_again_and_again_ends_the_process_and_tells_everybody(
    monkeypatch: Patch,
) -> None:
    break_judgement(monkeypatch)
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(scheduler_here())
        node = await stack.enter_async_context(raw_node(here.node_url, Ability(capacity=9)))
        client = await stack.enter_async_context(RawClient(here.session_url))
        await client.init("en", "es")
        jobs = await speak(client, node, 8)
        for job in jobs[:6]:
            await node.answer(job, POISON)
            await node.fence()
            await asyncio.sleep(0.02)
        await until(lambda: here.escalated)
        await here.stop()
        await client.hear("reconnect")
        reasons = await outcomes(client, 8)
        assert reasons[:5] == ["processing_error"] * 5
        assert set(reasons[5:]) == {"session_closed"}
        assert not client.all_heard("error")
        assert await client.close_code() == 1001
        assert await node.close_code() == 1012


# ---- a node's actor -------------------------------------------------------------------------


@over_sockets
async def test_the_jobs_of_a_failed_node_actor_move_at_once_and_its_socket_serves_on(
    monkeypatch: Patch,
) -> None:
    def is_bad(message: Any) -> bool:
        return bool(getattr(message, "text_asr", "") == POISON)

    break_it(monkeypatch, Assignments, "node_message", is_bad)
    async with (
        scheduler_here() as here,
        raw_node(here.node_url, Ability(capacity=3)) as node,
        raw_client(here.session_url) as client,
    ):
        jobs = await speak(client, node, 3)
        async with raw_node(here.node_url, Ability(capacity=3)) as other:
            await node.answer(jobs[0], POISON)
            for index in range(3):
                job = await other.job()
                assert (job["nth"], job["attempt_id"]) == (index, 2)
                await other.answer(job, f"words {index}")
            assert await outcomes(client, 3) == ["words 0", "words 1", "words 2"]
            cancelled = {(await node.hear("job_cancel"))["job_id"] for _ in range(3)}
            assert cancelled == {job["job_id"] for job in jobs}
            for job in jobs:  # fenced: the successor does not know them
                await node.say(node.result(job, "false words"))
        await here.wait_for(nodes=1)
        [again] = await speak(client, node, 1)  # on the socket that the failed actor had
        await node.answer(again, "again")
        assert await outcomes(client, 1) == ["again"]
        await node.beat()
        assert len(node.all_heard("node_register_ack")) == 1
        assert not here.escalated


@over_sockets
async def test_the_socket_of_a_failed_node_actor_ends_its_successor(monkeypatch: Patch) -> None:
    break_it(monkeypatch, Assignments, "node_message", lambda _message: True)
    async with scheduler_here() as here, raw_node(here.node_url) as node:
        await node.say({**node.result(_any_job()), "text_asr": POISON})
        await node.fence()
        await here.wait_for(nodes=1)
        node.abort()
        await here.wait_for(nodes=0)


@over_sockets
async def test_a_registration_that_fails_is_answered(monkeypatch: Patch) -> None:
    break_it(monkeypatch, Registration, "registered", lambda said, *_: said.version == POISON)
    async with scheduler_here() as here:
        async with RawNode(here.node_url, Ability(more={"version": POISON})) as node:
            ack = await node.register()
            assert ack["error"]["code"] == "INTERNAL_ERROR"
            node.ability = Ability()
            again = await node.register()
            assert again["status"] == "registered", again
        await here.wait_for(nodes=0)


def _any_job() -> Message:
    names = ("job_id", "session_id", "trace_id", "tgt_lang")
    return {**dict.fromkeys(names, "x"), "attempt_id": 1, "utterance_index": 0}


# ---- a session's actor ----------------------------------------------------------------------


@over_sockets
async def test_a_failed_session_is_told_and_holds_nothing(monkeypatch: Patch) -> None:
    break_it(
        monkeypatch,
        Speech,
        "while_spoken",
        lambda message, _: getattr(message, "text", "") == POISON,
    )
    async with (
        scheduler_here() as here,
        raw_node(here.node_url, Ability(capacity=2)) as node,
        RawClient(here.session_url) as client,
    ):
        await client.init("en", "es")
        jobs = await speak(client, node, 2)
        await client.speak(tone(200))
        await client.hear("ui_event", event="QUEUED")
        partial = {
            "type": "asr_partial",
            "node_id": node.node_id,
            "session_id": jobs[0]["session_id"],
            "utterance_index": 0,
            "job_id": jobs[0]["job_id"],
            "text": POISON,
            "is_final": False,
            "trace_id": jobs[0]["trace_id"],
        }
        await node.say(partial)
        assert await outcomes(client, 3) == ["processing_error"] * 3
        assert (await client.error())["code"] == "INTERNAL_ERROR"
        assert await client.close_code() == 1011
        await here.wait_for(sessions=0, open_slots=0, audio_bytes_held=0)
        async with raw_client(here.session_url) as other:
            await other.speak(tone(200))
            job = await node.job()
            await node.answer(job, "free")
            assert await outcomes(other, 1) == ["free"]
        assert not here.escalated


# ---- the instance's actor -------------------------------------------------------------------


@over_sockets
async def test_the_lease_goes_on_when_the_actor_that_renews_it_fails(monkeypatch: Patch) -> None:
    beats: list[Any] = []

    def is_third(_cell: Any, alive: Any) -> bool:
        beats.append(alive)
        return len(beats) == 3

    break_it(monkeypatch, InstanceActor, "_on_alive", is_third)
    async with (
        scheduler_here(instance_lease_ms=300) as here,
        raw_node(here.node_url) as node,
        raw_client(here.session_url) as client,
    ):
        await until(lambda: len(beats) >= 6)
        assert not any(alive.revived for alive in beats[1:])
        [job] = await speak(client, node, 1)
        await node.answer(job)
        await client.result()
        assert not here.escalated
