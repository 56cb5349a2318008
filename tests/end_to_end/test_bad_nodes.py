"""What a node must not say, and what it may say although nobody expects it."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.peers.raw_client import RawClient, raw_client, tone
from tests.support.peers.raw_node import Ability, RawNode, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

MIB = 1024 * 1024

NO_MESSAGES = {
    "nothing": "",
    "no JSON": "{nonsense",
    "a list": "[]",
    "no type": "{}",
    "an unknown type": '{"type": "register"}',
    "a client's message": '{"type": "session_close", "session_id": "s"}',
    "our own message": '{"type": "job_assign", "job_id": "j"}',
    "deep nesting": "[" * 200_000,
    "a result without success": '{"type": "job_result", "job_id": "j"}',
    "a result without a job": '{"type": "job_result", "success": true}',
    "a result of a number": '{"type": "job_result", "job_id": 5, "success": true}',
    "a heartbeat of nobody": '{"type": "node_heartbeat"}',
    "a load of strings": '{"type": "node_heartbeat", "node_id": "n", "resource_usage": "high"}',
}

STRANGE_RESULTS: dict[str, Message] = {
    "null texts": {"text_asr": None, "tts_audio": None, "tts_format": None},
    "timings of strings": {"extra": {"service_timings": {"asr_ms": "fast", "total_ms": "1"}}},
    "timings below zero": {"extra": {"service_timings": {"asr_ms": -5.5, "nmt_ms": -1}}},
    "timings beyond all": {"extra": {"service_timings": {"asr_ms": 1e308, "total_ms": 10**30}}},
    "timings of truth": {"extra": {"service_timings": {"asr_ms": True, "nmt_ms": None}}},
    "timings that are a list": {"extra": {"service_timings": [1, 2, 3]}},
    "a reason that is a number": {"extra": {"reason": 5}},
    "a reason that is a list": {"extra": {"reason": ["NO_TEXT_ASSIGNED"]}},
    "no extra": {"extra": None},
    "a time below zero": {"processing_time_ms": -7},
    "a time beyond all": {"processing_time_ms": 1e300},
    "a time in fractions": {"processing_time_ms": 12.75},
    "no echo": {"attempt_id": None, "session_id": None, "utterance_index": None, "node_id": None},
    "the echo of another": {"session_id": "s-else", "utterance_index": 99, "node_id": "n-else"},
    "another attempt": {"attempt_id": 7},
    "controls in the text": {"text_asr": "a\x00b\u2028c", "text_translated": "\U0001f600"},
    "unknown fields": {"future": {"a": 1}, "type_of": "x"},
}


@asynccontextmanager
async def pair_of_peers(
    scheduler: SchedulerProcess, pair: Pair
) -> AsyncIterator[tuple[RawNode, RawClient]]:
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        yield node, client


@pytest.mark.parametrize("text", NO_MESSAGES.values(), ids=NO_MESSAGES.keys())
@over_sockets
async def test_nonsense_of_a_node_costs_no_job(
    scheduler: SchedulerProcess, pair: Pair, text: str
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        job = await node.job()
        await node.say_raw(text)
        await node.answer(job)
        await client.result()


@pytest.mark.parametrize("strange", STRANGE_RESULTS.values(), ids=STRANGE_RESULTS.keys())
@over_sockets
async def test_a_strange_result_is_still_a_result(
    scheduler: SchedulerProcess, pair: Pair, strange: Message
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        job = await node.job()
        await node.answer(job, **strange)
        result = await client.result()
        assert result["session_id"] == client.session_id
        assert result["utterance_index"] == 0
        assert result["text_translated"]
        await client.speak(tone(300))
        await node.answer(await node.job())
        await client.result()


@pytest.mark.parametrize(
    "fault",
    [
        {"node_id": 5},
        {"node_id": "a b"},
        {"node_id": "x" * 500},
        {"node_id": "{n}"},
        {"node_id": ""},
        {"hardware": "big"},
        {"max_concurrent_jobs": 0},
        {"max_concurrent_jobs": -4},
        {"max_concurrent_jobs": "4"},
        {"max_concurrent_jobs": 10**9},
        {"language_capabilities": []},
        {"language_capabilities": {"asr_languages": "en"}},
        {"language_capabilities": {"asr_languages": ["e n"]}},
        {"language_capabilities": {"asr_languages": ["en"] * 10_000}},
    ],
    ids=lambda fault: str(fault)[:50],
)
@over_sockets
async def test_a_registration_with_a_fault_is_answered_so_that_the_node_may_try_again(
    scheduler: SchedulerProcess, pair: Pair, fault: Message
) -> None:
    async with RawNode(scheduler.node_url, Ability.of(pair)) as node:
        await node.say({**node.ability.registration(), **fault})
        ack = await node.hear("node_register_ack")
        assert ack["status"] == "refused"
        assert ack["error"]["code"]
        assert "node_id" not in ack or ack["node_id"]
        assert (await node.register())["status"] == "registered"


@over_sockets
async def test_json_in_a_binary_frame_is_a_message(scheduler: SchedulerProcess, pair: Pair) -> None:
    async with RawNode(scheduler.node_url, Ability.of(pair)) as node:
        await node.say_raw(json.dumps(node.ability.registration()).encode())
        assert (await node.hear("node_register_ack"))["node_id"]


@over_sockets
async def test_messages_before_the_registration_change_nothing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        job = await node.job()
        async with RawNode(scheduler.node_url, Ability.of(pair)) as stranger:
            await stranger.say(node.result(job, "false words"))
            notice = {"job_id": job["job_id"], "attempt_id": 1, "node_id": node.node_id}
            await stranger.say({"type": "job_ack", **notice})
            await stranger.fence()
        assert not client.outcomes()
        await node.answer(job, "true words")
        assert (await client.result())["text_asr"] == "true words"


@over_sockets
async def test_too_many_bad_messages_in_a_row_are_abuse(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        for _ in range(20):
            await node.say_raw("bad")
        await client.speak(tone(300))
        await node.answer(await node.job())
        await client.result()
        other = await RawNode(scheduler.node_url, Ability.of(("x", "y"))).open()
        await other.register()
        for _ in range(21):
            await other.say_raw("bad")
        assert await other.close_code() == 1008


@over_sockets
async def test_what_a_node_says_beyond_its_bound_is_refused_and_its_job_goes_on(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        job = await node.job()
        await node.say_raw("x" * (17 * MIB))
        await node.answer(job)
        await client.result()


@pytest.mark.parametrize("mebibytes", [1, 5])
@over_sockets
async def test_a_long_voice_reaches_a_client_that_reads(
    scheduler: SchedulerProcess, pair: Pair, mebibytes: int
) -> None:
    voice = base64.b64encode(bytes(mebibytes * MIB)).decode()
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        await node.answer(await node.job(), tts_audio=voice)
        assert (await client.result())["tts_audio"] == voice
        await client.fence()


@over_sockets
async def test_a_result_of_another_nodes_job_reaches_nobody(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        job = await node.job()
        async with raw_node(scheduler.node_url, Ability.of(("x", "y"))) as other:
            await other.say(node.result(job, "false words"))
            await other.say({**node.result(job, "false words"), "node_id": node.node_id})
            await other.fence()
        await node.answer(job, "true words")
        assert (await client.result())["text_asr"] == "true words"
        await client.fence()
        assert len(client.outcomes()) == 1


@pytest.mark.parametrize("job_id", ["job-none", "", "~2", "x" * 100_000, "job-\x00"])
@over_sockets
async def test_a_result_of_no_job_reaches_nobody(
    scheduler: SchedulerProcess, pair: Pair, job_id: str
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        job = await node.job()
        await node.say({**node.result(job, "false words"), "job_id": job_id})
        await node.answer(job, "true words")
        assert (await client.result())["text_asr"] == "true words"


@over_sockets
async def test_a_repeated_result_reaches_the_client_once(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        job = await node.job()
        for text in ("first", "second", "", "third"):
            await node.answer(job, text)
        await node.refuse(job, "PROCESSING_ERROR")
        assert (await client.result())["text_asr"] == "first"
        await node.fence()
        await client.fence()
        assert len(client.outcomes()) == 1
        assert not [event for event in client.all_heard("ui_event") if event["event"] == "ERROR"]


@over_sockets
async def test_errors_that_belong_to_no_job_change_nothing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with pair_of_peers(scheduler, pair) as (node, client):
        await client.speak(tone(300))
        job = await node.job()
        await node.say({"type": "node_error", "node_id": "n", "code": "X", "message": "m"})
        await node.answer(job)
        await client.result()
