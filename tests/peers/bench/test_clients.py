"""The load generator: what it says is valid, what it hears is checked, what it counts is true."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic_core import from_json, to_json
from websockets.asyncio.server import ServerConnection, serve

from peers.bench.bare_relay import HOST, serve_relay
from peers.bench.clients import ClientShape, SimulatedClient, close_clients, open_clients
from peers.bench.counts import Counts, percentile_ms
from peers.bench.load_pattern import Burst, ClosedLoop, Pace, Paced
from peers.bench.simulated_node import NodeShape, SimulatedNode
from peers.bench.stamped_chunk import chunk, read_stamp
from protocol.codec import parse_session_message
from protocol.frames import AudioFrame, parse_frame
from protocol.messages.session_inbound import AudioChunk, SessionInit
from tests.support.waiting import until

STAMP_NS = 123_456_789_012_345


def talking_client(shape: ClientShape | None = None) -> SimulatedClient:
    client = SimulatedClient(shape or ClientShape(), Counts())
    client.adopt("s-0123456789abcdef")
    return client


@asynccontextmanager
async def answering(
    respond: Callable[[dict[str, Any]], list[bytes]],
) -> AsyncIterator[int]:
    """Serve sessions with the websockets library; `respond` gives the answers to a message."""

    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            for answer in respond(from_json(message)):
                await connection.send(answer, text=True)

    async with serve(handle, HOST, 0) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@pytest.mark.parametrize("is_final", [True, False])
def test_a_json_chunk_is_valid_on_the_session_socket(*, is_final: bool) -> None:
    client = talking_client()
    message = parse_session_message(client.chunk_text(STAMP_NS, is_final=is_final))
    assert isinstance(message, AudioChunk)
    assert (message.session_id, message.seq, message.is_final) == (client.session_id, 0, is_final)
    assert message.payload == chunk(STAMP_NS)


@pytest.mark.parametrize("is_final", [True, False])
def test_a_binary_chunk_is_a_valid_frame(*, is_final: bool) -> None:
    client = talking_client(ClientShape(is_binary=True))
    message = parse_frame(client.chunk_frame(STAMP_NS, is_final=is_final))
    assert isinstance(message, AudioFrame)
    assert (message.session_id, message.seq, message.is_final) == (client.session_id, 0, is_final)
    assert message.audio == chunk(STAMP_NS)


def test_session_init_is_valid() -> None:
    message = parse_session_message(to_json(talking_client().init_message()))
    assert isinstance(message, SessionInit)


async def relayed(
    shape: ClientShape,
    work: Callable[[list[SimulatedClient], Counts], Awaitable[None]],
    nodes: int = 2,
) -> Counts:
    """Run `work` with four clients and so many nodes at a relay; return what was counted."""
    counts = Counts()
    async with serve_relay() as port:
        staff = [SimulatedNode(f"node-{n}", NodeShape(), counts) for n in range(nodes)]
        for node in staff:
            await node.open(HOST, port)
        clients = await open_clients(4, (HOST, port), shape, counts)
        await work(clients, counts)
        await until(lambda: not counts.open_utterances)
        await close_clients(clients)
        for node in staff:
            node.close()
        assert sum(node.jobs_answered for node in staff) == counts.utterances
    return counts


@pytest.mark.parametrize("is_binary", [True, False])
def test_a_closed_loop_gets_the_right_result_for_every_utterance(*, is_binary: bool) -> None:
    async def work(clients: list[SimulatedClient], counts: Counts) -> None:
        loop = ClosedLoop(clients)
        counts.mark()
        loop.start()
        await until(lambda: counts.results >= 40)
        loop.stop()
        counts.freeze()

    counts = asyncio.run(relayed(ClientShape(is_binary=is_binary), work))
    assert counts.problems == []
    assert counts.results == counts.utterances == counts.chunks == counts.jobs
    assert counts.window_outcomes >= 40
    assert counts.window_ns > 0
    assigned, answered = percentile_ms(counts.assign_us, 50), percentile_ms(counts.result_us, 50)
    assert assigned is not None
    assert answered is not None
    assert 0 < assigned < answered


def test_paced_clients_end_every_utterance_they_began() -> None:
    async def work(clients: list[SimulatedClient], counts: Counts) -> None:
        paced = Paced(clients, Pace(chunks_per_second=100, utterance_chunks=5), counts)
        paced.start()
        await until(lambda: counts.chunks >= 50)
        paced.stop()

    # Two nodes would answer in any order, and a relay, unlike the scheduler, puts nothing right.
    counts = asyncio.run(relayed(ClientShape(), work, nodes=1))
    assert counts.problems == []
    assert counts.results == counts.utterances
    assert 50 / 5 <= counts.utterances <= 50 / 5 + 8


def test_a_burst_is_one_utterance_of_each_client() -> None:
    async def work(clients: list[SimulatedClient], counts: Counts) -> None:
        Burst(clients).start()

    counts = asyncio.run(relayed(ClientShape(), work))
    assert (counts.results, counts.problems) == (4, [])


def outcome(index: int, text: str) -> bytes:
    return to_json({"type": "translation_result", "utterance_index": index, "text_asr": text})


def heard_by_a_client(answers: Callable[[int], list[bytes]]) -> Counts:
    """Return what a client counts that says one utterance; `answers` gets the stamp it sent."""
    counts = Counts()

    def respond(message: dict[str, Any]) -> list[bytes]:
        match message["type"]:
            case "session_init":
                return [to_json({"type": "session_init_ack", "session_id": "s-1"})]
            case "audio_chunk":
                stamp_ns = read_stamp(message["payload"])
                assert stamp_ns is not None
                return answers(stamp_ns)
            case _:
                return [to_json({"type": "session_close_ack", "session_id": "s-1"})]

    async def scenario() -> None:
        async with answering(respond) as port:
            clients = await open_clients(1, (HOST, port), ClientShape(), counts)
            Burst(clients).start()
            await close_clients(clients)

    asyncio.run(scenario())
    return counts


def test_a_missing_result_is_an_outcome_with_a_reason() -> None:
    missing = {"type": "missing_result", "utterance_index": 0, "reason": "queue_full"}
    counts = heard_by_a_client(lambda _: [to_json(missing)])
    assert (counts.open_utterances, counts.results) == (0, 0)
    assert counts.refusals == {"queue_full": 1}
    assert counts.problems == []


def test_a_second_outcome_for_an_utterance_is_a_problem() -> None:
    counts = heard_by_a_client(lambda stamp: [outcome(0, str(stamp))] * 2)
    assert counts.results == 1
    assert "outcome for utterance 0 while 1 was the next" in counts.problems[0]


def test_an_outcome_out_of_order_is_a_problem() -> None:
    counts = heard_by_a_client(lambda stamp: [outcome(1, str(stamp))])
    assert counts.open_utterances == 1
    assert "outcome for utterance 1 while 0 was the next" in counts.problems[0]


def test_the_result_of_another_utterance_is_a_problem() -> None:
    counts = heard_by_a_client(lambda stamp: [outcome(0, str(stamp + 1))])
    assert "another utterance's result" in counts.problems[0]


def test_an_error_message_is_a_problem() -> None:
    error = {"type": "error", "code": "INVALID_MESSAGE", "message": "seq is missing"}
    counts = heard_by_a_client(lambda _: [to_json(error)])
    assert counts.problems == ["session s-1: INVALID_MESSAGE: seq is missing"]
