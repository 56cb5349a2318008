"""What a node sends, and what its actor gets."""

import json
from typing import Any

import pytest

from actors.messages.node import NodeHeartbeatArrived, NodeMessageArrived, NodeSocketLost
from gateway.options import GatewayOptions
from protocol.encode import encode_job_assign
from protocol.errors import ErrorCode
from protocol.messages.node_inbound import JobResult
from tests.gateway.support.example_assignment import ASSIGNMENT
from tests.gateway.support.raw_peer import BINARY
from tests.gateway.support.running_gateway import LOOPS, RunningGateway, refused, run_gateway

RESULT = {"type": "job_result", "job_id": "j-1", "success": True, "text_asr": "yes"}
BEAT = {"type": "node_heartbeat", "node_id": "n-1", "timestamp": 1}
OTHERS: list[dict[str, Any]] = [
    RESULT,
    {"type": "asr_partial", "job_id": "j-1", "text": "ye", "is_final": False},
    {"type": "job_ack", "job_id": "j-1"},
    {"type": "job_started", "job_id": "j-1"},
    {"type": "node_error", "code": "OOPS"},
]


@pytest.mark.parametrize("loop", LOOPS)
def test_each_message_is_told_to_the_node(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        for message in OTHERS:
            peer.say(message)
            arrived = await actor.next()
            assert isinstance(arrived, NodeMessageArrived)
            assert arrived.message.model_dump()["type"] == message["type"]
        peer.say({**BEAT, "node_id": "some-other"})
        assert isinstance(await actor.next(), NodeHeartbeatArrived)
        peer.abort()
        assert isinstance(await actor.next(), NodeSocketLost)

    run_gateway(scenario, loop=loop)


def test_json_in_a_binary_frame_is_taken() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        peer.frame(json.dumps(RESULT).encode(), BINARY)
        arrived = await actor.next()
        assert isinstance(arrived.message, JobResult)

    run_gateway(scenario)


def test_a_result_of_several_megabytes_arrives() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        assert running.reception.outboxes["n-1"].send(encode_job_assign(ASSIGNMENT))
        assert (await peer.hear())["type"] == "job_assign"
        peer.say({**RESULT, "tts_audio": "A" * 8_000_000})
        arrived = await actor.next()
        assert len(arrived.message.tts_audio) == 8_000_000

    run_gateway(scenario)


def test_a_node_without_an_id_is_given_one() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id=None)
        peer.say(BEAT)
        assert isinstance(await actor.next(), NodeHeartbeatArrived)

    run_gateway(scenario)


def test_a_heartbeat_before_the_registration_is_kept_for_it() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        peer.say({**BEAT, "timestamp": 1})
        peer.say({**BEAT, "timestamp": 2})
        peer.say({"type": "node_register", "node_id": "n-1"})
        assert (await peer.hear())["type"] == "node_register_ack"
        beat = await running.reception.actors["n-1"].next()
        assert isinstance(beat, NodeHeartbeatArrived)
        assert beat.message.timestamp == 2

    run_gateway(scenario)


@pytest.mark.parametrize("message", OTHERS, ids=lambda message: str(message["type"]))
def test_a_socket_without_a_node_is_asked_to_register(message: dict[str, Any]) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        peer.say(message)
        error = await peer.hear()
        assert (error["type"], error["code"]) == ("error", "INVALID_MESSAGE")
        peer.say({"type": "node_register"})
        assert (await peer.hear())["node_id"] == "node-1"

    run_gateway(scenario)


def test_a_refused_registration_is_answered_and_the_socket_stays() -> None:
    async def scenario(running: RunningGateway) -> None:
        running.reception.refusal = refused(ErrorCode.NODE_ID_CONFLICT)
        peer = await running.connect("/ws/node")
        peer.say({"type": "node_register", "node_id": "n-1"})
        ack = await peer.hear()
        assert ack["type"] == "node_register_ack"
        assert ack["error"] == {"code": "NODE_ID_CONFLICT", "message": "no"}
        assert "node_id" not in ack
        running.reception.refusal = None
        peer.say({"type": "node_register", "node_id": "n-1"})
        assert (await peer.hear())["node_id"] == "n-1"

    run_gateway(scenario)


def test_after_a_refused_registration_the_socket_is_as_before_it() -> None:
    async def scenario(running: RunningGateway) -> None:
        running.reception.refusal = refused(ErrorCode.NODE_ID_CONFLICT)
        peer = await running.connect("/ws/node")
        peer.say({"type": "node_register", "node_id": "n-1"})
        assert (await peer.hear())["error"]["code"] == "NODE_ID_CONFLICT"
        peer.say({"type": "job_ack", "job_id": "j-1"})
        assert (await peer.hear())["type"] == "error"
        running.reception.refusal = None
        peer.say({"type": "node_register", "node_id": "n-1"})
        assert (await peer.hear())["node_id"] == "n-1"
        assert 'lingua_ownership_refused_total{what="node_id"} 1.0' in (
            running.metrics.text().decode()
        )

    run_gateway(scenario)


def test_a_registration_that_cannot_be_read_is_answered_as_one() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        peer.say({"type": "node_register", "node_id": 5})
        ack = await peer.hear()
        assert ack["type"] == "node_register_ack"
        assert ack["error"]["code"] == "INVALID_MESSAGE"
        assert "node_id" in ack["error"]["message"]

    run_gateway(scenario)


def test_a_node_whose_actor_is_gone_is_registered_again_in_its_name() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, first = await running.node(node_id=None, version="2.0.0")
        await running.reception.refs["node-1"].stop(block=False)
        peer.say(RESULT)
        assert (await peer.hear())["node_id"] == "node-1"
        again = running.reception.registrations[-1]
        assert (again.node_id, again.version) == ("node-1", "2.0.0")
        second = running.reception.actors["node-1"]
        assert second is not first
        assert isinstance(await second.next(), NodeMessageArrived)

    run_gateway(scenario)


@pytest.mark.parametrize(
    "data", [b"nonsense", b"[]", b'{"type":"what"}', b'{"type":"job_result"}', b'"\xff\xfe"', b""]
)
def test_bad_messages_are_answered_and_forgotten(data: bytes) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        for _ in range(3):
            for _ in range(4):
                peer.frame(data)
                assert (await peer.hear())["code"] == "INVALID_MESSAGE"
            peer.say(BEAT)
        await actor.count(3)
        assert b'lingua_bad_messages_total{socket="node"} 12.0' in running.metrics.text()

    run_gateway(scenario, options=GatewayOptions(port=0, max_bad_messages=4))


def test_only_abuse_closes_a_node_socket() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        for _ in range(5):
            peer.frame(b"nonsense")
        for _ in range(4):
            assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert await peer.hear_close() == 1008
        peer.abort()
        assert isinstance(await actor.next(), NodeSocketLost)

    run_gateway(scenario, options=GatewayOptions(port=0, max_bad_messages=4))


def test_a_socket_has_one_id_for_life() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, _ = await running.node(node_id="n-1")
        peer.say({"type": "node_register", "node_id": "n-2"})
        answer = await peer.hear()
        assert (answer["type"], answer["status"]) == ("node_register_ack", "refused")
        assert answer["error"]["code"] == ErrorCode.INVALID_MESSAGE
        assert list(running.reception.actors) == ["n-1"]
        peer.say({"type": "node_register"})
        assert (await peer.hear())["node_id"] == "n-1"
        peer.say(RESULT)
        assert isinstance(await running.reception.actors["n-1"].next(), NodeMessageArrived)

    run_gateway(scenario)
