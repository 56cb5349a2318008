"""Nodes whose engines put odd values into their JSON: no sentence and no node is lost for that."""

import json
from typing import Any

import pytest

from tests.support.peers.raw_client import raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

NAN = float("nan")


@pytest.mark.parametrize(
    "odd",
    [
        {"quality_score": NAN, "rerun_count": 1.0, "reason_codes": [None]},
        {"text_asr": "nice \ud83d", "segments_meta": [{"start": 0.0}]},
        {"extra": {"language_probability": NAN, "avg_logprob": -float("inf")}},
    ],
    ids=["numbers", "half an emoji", "diagnostics"],
)
@over_sockets
async def test_a_translation_arrives_whatever_stands_beside_it(
    scheduler: SchedulerProcess, pair: Pair, odd: dict[str, Any]
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        job = await node.job()
        await node.say_raw(json.dumps(node.result(job) | odd))
        outcome = await client.result()
        assert outcome["job_id"] == job["job_id"]
        json.loads(json.dumps(outcome), parse_constant=pytest.fail)
        node.open_slots.clear()


@over_sockets
async def test_a_result_that_cannot_be_read_goes_to_another_node_or_ends_at_once(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    ability = Ability(asr=(pair[0],), semantic=(pair[1],))
    async with (
        raw_node(scheduler.node_url, ability) as node,
        raw_client(scheduler.session_url, *pair) as client,
    ):
        await client.speak(tone(300))
        job = await node.job()
        await node.say_raw(json.dumps(node.result(job) | {"text_asr": [{"text": "hello"}]}))
        missing = await client.missing()
        assert missing["reason"] == "processing_error"
        assert not node.all_heard("error")
        node.open_slots.clear()
