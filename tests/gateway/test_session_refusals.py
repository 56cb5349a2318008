"""What a client gets wrong on the session socket, and what comes of it."""

from typing import Any

import pytest

from actors.messages.session import ClientBeat, SocketLost
from gateway.options import GatewayOptions
from protocol.frames import FinalFrame, encode_frame
from protocol.ids import SessionId
from tests.gateway.support.raw_peer import BINARY
from tests.gateway.support.running_gateway import RunningGateway, run_gateway, session_init


def heartbeat(session_id: str = "s-1") -> dict[str, Any]:
    return {"type": "client_heartbeat", "session_id": session_id, "timestamp": 5}


BAD = [
    (b"not json", "not valid JSON text"),
    (b"[1, 2]", "must be a JSON object"),
    (b'{"session_id": "s-1"}', "type is missing"),
    (b'{"type": "unheard_of"}', "type is not one of"),
    (b'{"type": "audio_chunk", "session_id": "s-1", "is_final": true}', "audio_chunk.seq"),
    (
        b'{"type":"audio_chunk","session_id":"s-1","seq":"1","is_final":true}',
        "audio_chunk.seq",
    ),
    (
        b'{"type":"audio_chunk","session_id":"s-1","seq":1,"is_final":true,"payload":"%%%"}',
        "audio_chunk.payload",
    ),
]


@pytest.mark.parametrize(("data", "text"), BAD)
def test_bad_input_is_answered_and_the_session_lives_on(data: bytes, text: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.frame(data)
        error = await peer.hear()
        assert (error["type"], error["code"]) == ("error", "INVALID_MESSAGE")
        assert text in error["message"]
        peer.say(heartbeat())
        assert await actor.next() == ClientBeat()
        assert b'lingua_bad_messages_total{socket="session"} 1.0' in running.metrics.text()

    run_gateway(scenario)


@pytest.mark.parametrize("size", range(1, 16))
def test_every_truncation_of_a_binary_frame_is_refused(size: int) -> None:
    async def scenario(running: RunningGateway) -> None:
        frame = encode_frame(FinalFrame(SessionId("s-1234"), 0, 0))
        peer, actor = await running.session()
        peer.frame(frame[:size], BINARY)
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert actor.messages == []

    run_gateway(scenario)


def test_an_error_never_overtakes_the_ack() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        peer.say(session_init())
        peer.frame(b"nonsense")
        peer.say(heartbeat("s-2"))
        types = [(await peer.hear())["type"] for _ in range(3)]
        assert types == ["session_init_ack", "error", "error"]

    run_gateway(scenario)


def test_too_many_bad_messages_in_a_row_close_the_socket_and_detach_the_session() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for _ in range(5):
            peer.frame(b"nonsense")
        for _ in range(4):
            assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        assert await peer.hear_close() == 1008
        peer.abort()
        assert isinstance(await actor.next(), SocketLost)

    run_gateway(scenario, options=GatewayOptions(port=0, max_bad_messages=4))


def test_a_good_message_ends_a_row_of_bad_ones() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for _ in range(3):
            for _ in range(4):
                peer.frame(b"nonsense", BINARY)
            peer.say(heartbeat())
        for _ in range(12):
            assert (await peer.hear())["code"] == "INVALID_MESSAGE"
        await actor.count(3)

    run_gateway(scenario, options=GatewayOptions(port=0, max_bad_messages=4))


def test_messages_for_another_session_do_not_close_the_socket() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for _ in range(30):
            peer.say(heartbeat("s-9"))
        for _ in range(30):
            assert (await peer.hear())["code"] == "INVALID_SESSION"
        peer.say(heartbeat())
        assert await actor.next() == ClientBeat()

    run_gateway(scenario, options=GatewayOptions(port=0, max_bad_messages=4))
