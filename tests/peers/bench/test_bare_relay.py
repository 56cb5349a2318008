"""The bare relay says what the scheduler would say, only without deciding anything."""

import asyncio
from typing import Any

from pydantic_core import to_json

from peers.bench.bare_relay import HOST, serve_relay
from peers.bench.clients import ClientShape, SimulatedClient
from peers.bench.counts import Counts
from peers.bench.raw_socket import Address, open_socket
from peers.bench.simulated_node import NodeShape, SimulatedNode
from peers.bench.stamped_chunk import chunk
from protocol.codec import parse_node_command, parse_session_reply
from protocol.messages.node_outbound import JobAssign, NodeRegisterAck
from protocol.messages.session_outbound import SessionCloseAck, SessionInitAck, TranslationResult


async def conversation() -> tuple[list[Any], list[Any]]:
    """Say one utterance of two chunks; return what the node and the client heard, parsed."""
    at_node: asyncio.Queue[bytes] = asyncio.Queue()
    at_client: asyncio.Queue[bytes] = asyncio.Queue()
    to_node: list[Any] = []
    to_client: list[Any] = []
    node = SimulatedNode("node-1", NodeShape(), Counts())
    client = SimulatedClient(ClientShape(), Counts())
    async with serve_relay() as port:
        node_socket = await open_socket(Address(HOST, port, "/ws/node"), at_node.put_nowait)
        node_socket.send_text(to_json(node.register_message()))
        to_node.append(parse_node_command(await at_node.get()))
        client_socket = await open_socket(Address(HOST, port, "/ws/session"), at_client.put_nowait)
        client_socket.send_text(to_json(client.init_message()))
        opened = parse_session_reply(await at_client.get())
        assert isinstance(opened, SessionInitAck)
        client.adopt(opened.session_id)
        to_client.append(opened)
        client_socket.send_text(client.chunk_text(1, is_final=False))
        client_socket.send_text(client.chunk_text(2, is_final=True))
        job = parse_node_command(await at_node.get())
        to_node.append(job)
        node_socket.send_text(node.result_message(job.model_dump(), "hello"))
        to_client.append(parse_session_reply(await at_client.get()))
        close = {"type": "session_close", "session_id": client.session_id, "reason": "done"}
        client_socket.send_text(to_json(close))
        to_client.append(parse_session_reply(await at_client.get()))
        for socket in (node_socket, client_socket):
            socket.close()
            await socket.closed
    return to_node, to_client


def test_every_message_of_the_relay_is_valid_and_carries_what_was_said() -> None:
    (registered, job), (opened, outcome, closed) = asyncio.run(conversation())
    assert isinstance(registered, NodeRegisterAck)
    assert isinstance(job, JobAssign)
    assert job.audio == chunk(1) + chunk(2)
    assert isinstance(opened, SessionInitAck)
    assert isinstance(outcome, TranslationResult)
    assert (outcome.session_id, outcome.utterance_index) == (opened.session_id, 0)
    assert outcome.text_asr == "hello"
    assert isinstance(closed, SessionCloseAck)
