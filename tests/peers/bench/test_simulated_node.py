"""The simulated node: valid messages, and a true count of what is open."""

import asyncio

from pydantic_core import to_json

from peers.bench.counts import Counts
from peers.bench.simulated_node import NodeShape, SimulatedNode
from peers.bench.stamped_chunk import chunk_base64
from protocol.codec import parse_node_message
from protocol.messages.node_inbound import JobResult, NodeHeartbeat, NodeRegister

STAMP_NS = 123_456_789_012_345
JOB = {
    "type": "job_assign",
    "job_id": "job-1",
    "attempt_id": 1,
    "session_id": "s-1",
    "utterance_index": 0,
    "audio": chunk_base64(STAMP_NS).decode(),
    "trace_id": "t-1",
}


def test_what_a_node_says_of_itself_is_valid() -> None:
    node = SimulatedNode("node-1", NodeShape(capacity=3), Counts())
    register = parse_node_message(to_json(node.register_message()))
    assert isinstance(register, NodeRegister)
    assert register.max_concurrent_jobs == 3
    assert isinstance(parse_node_message(to_json(node.heartbeat_message())), NodeHeartbeat)


def test_a_result_is_valid_and_of_the_size_asked_for() -> None:
    node = SimulatedNode("node-1", NodeShape(result_bytes=11_000), Counts())
    data = node.result_message(JOB, str(STAMP_NS))
    result = parse_node_message(data)
    assert isinstance(result, JobResult)
    assert (result.job_id, result.text_asr) == ("job-1", str(STAMP_NS))
    assert 10_000 < len(data) < 11_100


def test_a_node_tells_of_audio_that_is_not_what_was_sent() -> None:
    counts = Counts()
    node = SimulatedNode("node-1", NodeShape(), counts)
    node._on_message(to_json(JOB | {"audio": "AAAA"}))
    assert counts.problems == ["the audio of job-1 does not end in a stamped chunk"]


def test_a_slow_node_counts_what_is_open_and_forgets_cancelled_jobs() -> None:
    async def scenario() -> tuple[Counts, SimulatedNode]:
        counts = Counts()
        node = SimulatedNode("node-1", NodeShape(delay_ms=10_000), counts)
        for number in range(3):
            node._on_message(to_json(JOB | {"job_id": f"job-{number}"}))
        node._on_message(to_json({"type": "job_cancel", "job_id": "job-1"}))
        node._on_message(to_json(JOB | {"job_id": "job-2"}))
        return counts, node

    counts, node = asyncio.run(scenario())
    assert counts.most_open_at_a_node == 3
    assert node.open_jobs == {"job-0", "job-2"}
    assert counts.problems == ["node node-1 got job-2 while it was still open"]
