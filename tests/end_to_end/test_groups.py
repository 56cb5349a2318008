"""Groups: which results belong together, and what a node is told of what was said before."""

import asyncio
import time

import pytest

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

WINDOW = 2.0
"""Seconds."""


async def say(client: RawClient, node: RawNode, text: str, **fields: object) -> Message:
    """Say something that the node understands at once; return the result, with its job."""
    await client.speak(tone(300))
    job = await node.job()
    await node.answer(job, text, **fields)
    return {**await client.result(), "job": job}


def place(message: Message) -> tuple[str | None, int | None]:
    return message.get("group_id"), message.get("part_index")


async def hear_it_played(client: RawClient, last: Message) -> None:
    """Play a result, as a browser does."""
    named = {name: last[name] for name in ("trace_id", "group_id")}
    now_ms = int(time.time() * 1000)
    await client.say(client.own("tts_started", **named, ts_start_ms=now_ms))
    await client.say(client.own("tts_play_ended", **named, ts_end_ms=now_ms + 1))


@over_sockets
async def test_a_node_is_told_what_was_said_before(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        first = await say(client, node, "good morning", text_translated="buenos días")
        assert "context_text" not in first["job"]
        assert "group_id" not in first["job"]
        assert first["part_index"] == 0
        second = await say(client, node, "how are you", text_translated="qué tal")
        assert second["job"]["context_text"] == "User: good morning\nTarget: buenos días\n"
        assert place(second["job"]) == place(second) == (first["group_id"], 1)
        third = await say(client, node, "fine", text_translated="bien")
        context = third["job"]["context_text"]
        assert context == (
            "User: good morning\nTarget: buenos días\nUser: how are you\nTarget: qué tal\n"
        )
        assert place(third["job"]) == place(third) == (first["group_id"], 2)


@over_sockets
async def test_of_much_that_was_said_a_node_is_told_the_latest(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """At most eight parts and 800 characters, however many bytes those are."""
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        last: Message = {}
        for number in range(11):
            last = await say(client, node, f"n{number}", text_translated="x")
            await hear_it_played(client, last)
        parts = last["job"]["context_text"].split("User: ")[1:]
        assert [part.split("\n")[0] for part in parts] == [f"n{n}" for n in range(2, 10)]
        assert place(last["job"]) == place(last) == (last["group_id"], 10)
        for letter in "語言學文":
            last = await say(client, node, letter * 300, text_translated=letter * 10)
            await hear_it_played(client, last)
        context = last["job"]["context_text"]
        assert len(context) <= 800
        assert context == "".join(f"User: {c * 300}\nTarget: {c * 10}\n" for c in "言學")


@over_sockets
async def test_after_two_seconds_of_silence_a_group_is_over(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        first = await say(client, node, "one")
        await asyncio.sleep(WINDOW + 0.2)
        second = await say(client, node, "two")
        assert not {"group_id", "part_index", "context_text"} & second["job"].keys()
        assert second["group_id"] != first["group_id"]
        assert second["part_index"] == 0
        third = await say(client, node, "three")
        assert third["job"]["context_text"].startswith("User: two\n")


@over_sockets
async def test_who_listens_to_the_end_and_goes_on_is_in_the_same_group(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        first = await say(client, node, "one")
        await asyncio.sleep(WINDOW + 0.2)
        await hear_it_played(client, first)
        second = await say(client, node, "two")
        assert second["job"]["context_text"].startswith("User: one\n")
        assert place(second) == (first["group_id"], 1)


@over_sockets
async def test_words_begun_in_time_stay_in_the_group_that_their_node_was_told(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    """A long answer to a question belongs to it, and so does a slow node's result."""
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        first = await say(client, node, "one")
        await client.chunk(tone(300))
        await asyncio.sleep(WINDOW + 0.2)
        await client.final()
        job = await node.job()
        assert place(job) == (first["group_id"], 1)
        await node.answer(job, "two")
        assert place(await client.result()) == (first["group_id"], 1)


@over_sockets
async def test_parts_are_numbered_in_the_order_of_the_words(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        first = await say(client, node, "zero")
        jobs = []
        for _ in range(3):
            await client.speak(tone(300))
            jobs.append(await node.job())
        assert [job["part_index"] for job in jobs] == [1, 2, 3]
        for job in reversed(jobs):
            await node.answer(job, f"words {job['nth']}")
        results = [await client.result() for _ in range(3)]
        assert [place(result) for result in results] == [
            (first["group_id"], part) for part in (1, 2, 3)
        ]
        await client.speak(tone(300))
        job = await node.job()
        said = [line for line in job["context_text"].split("\n") if line.startswith("User: ")]
        assert said == ["User: zero", "User: words 1", "User: words 2", "User: words 3"]
        await node.answer(job)
        await client.result()


@pytest.mark.parametrize("text", ["", "words"])
@over_sockets
async def test_every_result_names_what_playback_is_told_of(
    scheduler: SchedulerProcess, pair: Pair, text: str
) -> None:
    """A browser says nothing of its playback after a result without trace or group."""
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        result = await say(client, node, text, text_translated="palabras", tts_audio="AAAA")
        assert result["trace_id"]
        assert result["group_id"]
        assert result["part_index"] == 0


@over_sockets
async def test_a_moved_job_is_told_the_same_as_before(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with raw_client(scheduler.session_url, *pair) as client:
        async with raw_node(scheduler.node_url, Ability.of(pair)) as lost:
            await say(client, lost, "one")
            await client.speak(tone(300))
            before = await lost.job()
            lost.abort()
        async with raw_node(scheduler.node_url, Ability.of(pair)) as node:
            job = await node.job()
            assert job["attempt_id"] == 2
            told = ("group_id", "part_index", "context_text")
            assert [job[name] for name in told] == [before[name] for name in told]
            await node.answer(job, "two")
            assert place(await client.result()) == place(job)
