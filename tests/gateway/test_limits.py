"""What one peer may ask of an instance, attacked over a real socket."""

import asyncio
import base64
import json

import pytest

from actors.messages.node import NodeHeartbeatArrived
from actors.messages.session import ChunkArrived
from protocol.audio.framing import join_packets
from protocol.encode import encode_job_assign
from tests.gateway.support.example_assignment import ASSIGNMENT
from tests.gateway.support.limits import lives, options, reached
from tests.gateway.support.raw_peer import (
    CONTINUATION,
    make_frame,
)
from tests.gateway.support.running_gateway import RunningGateway, chunk, run_gateway


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


# ---- structure ------------------------------------------------------------------------------


@pytest.mark.parametrize("filler", [0, 10_000])
@pytest.mark.parametrize(
    "field", [nested(32), "[" + "0," * 2000 + "0]", '{"a":' * 100 + "1" + "}" * 100]
)
def test_a_text_that_is_built_beyond_the_limits_is_refused(field: str, filler: int) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        rest = json.dumps(chunk("s-1", 1, "", x="x" * filler))[1:]
        peer.frame(f'{{"extra":{field},{rest}'.encode())
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert reached(running, "message_structure")
        await lives(peer, actor)

    run_gateway(scenario)


def test_a_text_within_the_limits_is_taken() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for field in (nested(31), "[" + "0," * 1999 + "0]"):
            peer.frame(f'{{"extra":{field},{json.dumps(chunk("s-1", 1))[1:]}'.encode())
            assert isinstance(await actor.next(), ChunkArrived)

    run_gateway(scenario)


def test_a_registration_that_is_nested_too_deep_is_answered_as_a_registration() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        peer.frame(f'{{"type":"node_register","hardware":{nested(40)}}}'.encode())
        answer = await peer.hear()
        assert (answer["type"], answer["error"]["code"]) == ("node_register_ack", "INVALID_MESSAGE")

    run_gateway(scenario)


def test_a_heartbeat_of_two_million_objects_is_not_read() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        objects = "{}," * 2_000_000
        text = f'{{"type":"node_heartbeat","node_id":"n","installed_models":[{objects}{{}}]}}'
        peer.frame(text.encode())
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert reached(running, "node_max_message_bytes")

    run_gateway(scenario)


def test_a_chunk_of_very_many_packets_is_refused() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for packets, is_taken in ((500, True), (501, False), (180_000, False)):
            audio = join_packets([b"\x48"] * packets)
            peer.say(chunk("s-1", packets, base64.b64encode(audio).decode()))
            if is_taken:
                assert (await actor.next()).seq == packets
            else:
                assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        await lives(peer, actor)

    run_gateway(scenario)


@pytest.mark.parametrize("seq", [2**53, 2**63, 10**400, -1])
def test_a_number_that_others_do_not_hold_exactly_is_refused(seq: int) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.say(chunk("s-1", seq))
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        await lives(peer, actor)

    run_gateway(scenario)


# ---- size -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "long",
    [
        make_frame(b"x" * 2049),
        make_frame(b"x" * 100_000),
        make_frame(b"x" * 2000, fin=False) + make_frame(b"x" * 100, CONTINUATION),
    ],
    ids=["a little", "by far", "in fragments"],
)
def test_a_message_that_is_too_long_is_read_past(long: bytes) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.writer.write(long)
        answer = await peer.hear()
        assert (answer["code"], answer["message"]) == ("INVALID_MESSAGE", "message is too long")
        assert reached(running, "session_max_message_bytes")
        await lives(peer, actor)

    run_gateway(scenario, options=options(session_max_message_bytes=2048))


def test_a_registered_node_is_not_closed_for_long_messages() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        for _ in range(30):
            peer.frame(b"x" * 70_000)
            assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        peer.say({"type": "node_heartbeat", "node_id": "n-1"})
        assert isinstance(await actor.next(), NodeHeartbeatArrived)

    run_gateway(scenario, options=options(message_rate=10_000))


def test_who_registers_nothing_is_closed_for_long_messages() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        for _ in range(20):
            peer.frame(b"x" * 70_000)
            await peer.hear()
        peer.frame(b"x" * 70_000)
        assert await peer.hear_close() == 1008

    run_gateway(scenario, options=options(message_rate=10_000))


def test_what_is_read_past_is_paid_for() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/node")
        peer.frame(b"x" * (8 << 20))  # 128 units of work, of 20 that are there at once
        while not reached(running, "message_rate"):
            await asyncio.sleep(0.005)
        assert peer.writer.transport.get_write_buffer_size()

    run_gateway(scenario, options=options(message_rate=20, message_burst=20))


def test_a_node_may_send_long_messages_once_it_was_given_a_job() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        beat = {"type": "node_heartbeat", "node_id": "n-1", "note": "x" * 1_000_000}
        peer.say(beat)
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert running.reception.outboxes["n-1"].send(encode_job_assign(ASSIGNMENT))
        assert (await peer.hear())["type"] == "job_assign"
        peer.say(beat)
        assert isinstance(await actor.next(), NodeHeartbeatArrived)

    run_gateway(scenario)
