"""A job's life in the log: each step at DEBUG, its failure at INFO, readable and as JSON."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import running_scheduler

pytestmark = pytest.mark.takes(8)


@over_sockets
async def test_a_job_can_be_followed_line_by_line(pair: Pair) -> None:
    with running_scheduler("--log-level", "DEBUG", "--log-json") as scheduler:
        async with raw_client(scheduler.session_url, *pair) as client:
            await client.speak(tone(500))
            queued = await client.hear("ui_event", event="QUEUED")
            ability = Ability.of(pair)
            async with raw_node(scheduler.node_url, ability) as lost:
                await lost.job()
            async with raw_node(scheduler.node_url, ability) as node:
                await node.answer(await node.job(), "good morning")
                await client.result()
            ref = client.ack["session_ref"]
        await asyncio.to_thread(scheduler.wait_for_log, "utterance translated")
        log = scheduler.log()
    lines = [json.loads(line) for line in log.splitlines()]
    life = [line for line in lines if line.get("job_id") == queued["job_id"]]
    messages = [line["message"] for line in life if line["level"] == "DEBUG"]
    assert messages[:3] == ["utterance cut", "job waits", "job assigned"]
    assert messages[-2:] == ["job assigned", "utterance translated"]
    end: dict[str, Any] = life[-1]
    assert (end["node_id"], end["attempt"], end["session_ref"]) == (node.node_id, 2, ref)
    assert end["after_ms"] > 0
    assert "good morning" not in log


@over_sockets
async def test_a_failure_says_why_where_and_after_how_long(pair: Pair) -> None:
    with running_scheduler("--pending-timeout-ms", "300") as scheduler:
        async with raw_client(scheduler.session_url, *pair) as client:
            await client.speak(tone(500))
            missing = await client.hear("missing_result")
            assert missing["reason"] == "no_available_node"
            ref = client.ack["session_ref"]
        text = "utterance ends without a translation"
        await asyncio.to_thread(scheduler.wait_for_log, text)
        [line] = [line for line in scheduler.log().splitlines() if text in line]
    assert "INFO" in line
    words = dict(word.split("=", 1) for word in line.split() if "=" in word)
    assert words["session_ref"] == ref
    assert words["reason"] == "no_available_node"
    assert words["waited_for"] == f"a:{pair[0]},f:pcm16,s:{pair[1]}"
    assert 300 <= int(words["waited_ms"]) <= int(words["total_ms"])
