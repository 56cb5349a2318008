"""Whole messages from frames, control frames, and frames that break the rules."""

import pytest

from actors.messages.session import ChunkArrived, SocketLost
from gateway.options import GatewayOptions
from tests.gateway.support.raw_peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    make_frame,
    upgrade_request,
)
from tests.gateway.support.running_gateway import (
    LOOPS,
    RunningGateway,
    chunk,
    run_gateway,
    session_init,
)

SMALL = GatewayOptions(port=0, session_max_message_bytes=2048)

pytestmark = pytest.mark.parametrize("loop", LOOPS)


def test_a_message_in_fragments_arrives_whole(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        text = b'{"type":"audio_chunk","session_id":"s-1","seq":7,"is_final":true}'
        peer.frame(text[:10], TEXT, fin=False)
        peer.frame(b"", CONTINUATION, fin=False)
        peer.frame(b"in between", PING)
        peer.frame(text[10:30], CONTINUATION, fin=False)
        peer.frame(text[30:], CONTINUATION)
        assert await peer.hear_frame() == (PONG, b"in between")
        assert await actor.next() == ChunkArrived(b"", 7, is_final=True)

    run_gateway(scenario, loop=loop)


def test_a_message_split_over_many_segments_arrives_whole(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        data = make_frame(b'{"type":"audio_chunk","session_id":"s-1","seq":1,"is_final":false}')
        for position in range(len(data)):
            peer.writer.write(data[position : position + 1])
            await peer.writer.drain()
        assert await actor.next() == ChunkArrived(b"", 1, is_final=False)

    run_gateway(scenario, loop=loop)


def test_frames_in_the_segment_of_the_request_are_not_lost(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.dial()
        init = make_frame(str(session_init()).replace("'", '"').encode())
        peer.writer.write(upgrade_request("/ws/session?token=x") + init)
        await peer.reader.readuntil(b"\r\n\r\n")
        assert (await peer.hear())["type"] == "session_init_ack"

    run_gateway(scenario, loop=loop)


@pytest.mark.parametrize(
    ("bytes_sent", "code"),
    [
        (make_frame(b"{}", mask=False), 1002),
        (make_frame(b"{}", opcode=3), 1002),
        (make_frame(b"{}", opcode=11), 1002),
        (bytes([0xC1]) + make_frame(b"{}")[1:], 1002),
        (make_frame(b"x", CONTINUATION), 1002),
        (make_frame(b"{", TEXT, fin=False) + make_frame(b"}", TEXT), 1002),
        (make_frame(b"x" * 126, PING), 1002),
        (make_frame(b"x", PING, fin=False), 1002),
        (make_frame(b'{"type": "\xff"}'), 1007),
        (make_frame(b'"\xc3', TEXT, fin=False) + make_frame(b'x"', CONTINUATION), 1007),
        (bytes([0x81, 0xFF]) + (1 << 40).to_bytes(8, "big"), 1009),
    ],
    ids=[
        "no mask",
        "reserved opcode",
        "reserved control opcode",
        "reserved bit",
        "continuation of nothing",
        "new message inside another",
        "long control frame",
        "fragmented control frame",
        "text that is not UTF-8",
        "fragments that are not UTF-8",
        "huge length",
    ],
)
def test_a_frame_against_the_rules_closes_the_socket_and_detaches_the_session(
    loop: str, bytes_sent: bytes, code: int
) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.writer.write(bytes_sent)
        assert await peer.hear_close() == code
        peer.abort()
        assert isinstance(await actor.next(), SocketLost)

    run_gateway(scenario, loop=loop, options=SMALL)


def test_a_sequence_of_characters_may_be_split_between_fragments(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        data = '{"type": "Grüße"}'.encode()
        cut = data.index(b"\xc3") + 1
        peer.frame(data[:cut], TEXT, fin=False)
        peer.frame(data[cut:], CONTINUATION)
        assert (await peer.hear())["code"] == "INVALID_MESSAGE"

    run_gateway(scenario, loop=loop)


def test_a_close_is_echoed_and_what_came_before_it_is_taken(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.say(chunk("s-1", 4))
        peer.frame(b"\x03\xe8bye", CLOSE)
        assert await peer.hear_frame() == (CLOSE, b"\x03\xe8bye")
        assert await peer.hear_end() == b""
        peer.abort()
        first, last = await actor.count(2)
        assert isinstance(first, ChunkArrived)
        assert isinstance(last, SocketLost)

    run_gateway(scenario, loop=loop)


def test_a_close_without_a_code_is_echoed_without_one(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        peer.frame(b"", CLOSE)
        assert await peer.hear_frame() == (CLOSE, b"")
        assert await peer.hear_end() == b""

    run_gateway(scenario, loop=loop)


@pytest.mark.parametrize("path", ["/ws/session", "/ws/node"])
def test_a_reset_in_the_middle_of_a_frame_harms_nobody(loop: str, path: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        other, actor = await running.session()
        for _ in range(20):
            peer = await running.connect(path)
            peer.writer.write(make_frame(b"x" * 500)[:100])
            await peer.writer.drain()
            peer.abort()
        other.say(chunk("s-1", 1))
        assert isinstance(await actor.next(), ChunkArrived)

    run_gateway(scenario, loop=loop)


def test_a_bug_in_a_handler_closes_its_socket_alone(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        def broken(*_: object) -> None:
            raise KeyError("bug")

        other, actor = await running.session()
        running.reception.open_session = broken  # type: ignore[method-assign,assignment] # the bug
        peer = await running.connect("/ws/session")
        peer.say(session_init())
        assert await peer.hear_close() == 1011
        other.say(chunk("s-1", 1))
        assert isinstance(await actor.next(), ChunkArrived)

    run_gateway(scenario, loop=loop)


def test_a_binary_frame_of_the_longest_size_arrives(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        head = bytes([1, 3]) + bytes(8) + b"\x00\x00" + b"s-1"
        audio = bytes(SMALL.session_max_message_bytes - len(head))
        peer.frame(head + audio, BINARY)
        assert await actor.next() == ChunkArrived(audio, 0, is_final=False, opus_ticks=0)

    run_gateway(scenario, loop=loop, options=SMALL)
