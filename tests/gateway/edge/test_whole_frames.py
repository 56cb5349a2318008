"""Whole messages are read and written as the library reads and writes them, only faster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import CLIENT, Protocol
from websockets.server import ServerProtocol

from gateway.edge.whole_frames import frame_of, take_messages

LIMIT = 70_000
_OPCODES = (Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.CONT, Opcode.CLOSE)


UPGRADE = b"""GET / HTTP/1.1\r
Host: localhost\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
Sec-WebSocket-Version: 13\r
\r
"""


def connected(limit: int = LIMIT) -> ServerProtocol:
    """Return the library's side of a connection, as the edge has it."""
    ws = ServerProtocol(max_size=limit)
    ws.receive_data(UPGRADE)
    [request] = ws.events_received()
    assert isinstance(request, Request)
    ws.send_response(ws.accept(request))
    ws.data_to_send()
    return ws


def from_client(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def read_by_the_library(ws: Protocol, data: bytes) -> list[object]:
    ws.receive_data(data)
    return list(ws.events_received())


def read_here(ws: Protocol, data: bytes) -> list[object]:
    frames, rest = take_messages(ws, data)
    return [*frames, *read_by_the_library(ws, rest)] if rest else [*frames]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1254, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_a_message_is_written_as_the_library_would(opcode: Opcode, size: int) -> None:
    data = b"x" * size

    assert frame_of(opcode, data) == Frame(opcode, data).serialize(mask=False)


@pytest.mark.parametrize("size", [0, 125, 126, 1254, 65_535])
def test_whole_messages_need_no_library(size: int) -> None:
    ws = connected()
    data = from_client(Opcode.TEXT, b"x" * size) + from_client(Opcode.BINARY, b"y" * size)

    frames, rest = take_messages(ws, data)

    assert [(frame.opcode, frame.data) for frame in frames] == [
        (Opcode.TEXT, b"x" * size),
        (Opcode.BINARY, b"y" * size),
    ]
    assert rest == b""


def test_after_a_frame_in_pieces_whole_messages_need_no_library_again() -> None:
    ws = connected()
    message = from_client(Opcode.BINARY, b"x" * 200)
    for piece in (message[:3], message[3:9], message[9:]):
        read_here(ws, piece)

    frames, rest = take_messages(ws, message)

    assert (len(frames), rest) == (1, b"")


def test_a_frame_of_which_the_library_has_a_part_is_left_to_it() -> None:
    ws = connected()
    data = from_client(Opcode.BINARY, b"x" * 200)
    read_here(ws, data[:4])  # the library has taken the head out of its buffer

    looks_like_a_message = from_client(Opcode.BINARY, b"y")

    assert take_messages(ws, looks_like_a_message) == ([], looks_like_a_message)


def test_a_message_above_the_limit_is_refused_by_the_library() -> None:
    ws = connected(100)
    data = from_client(Opcode.BINARY, b"x" * 101)

    assert take_messages(ws, data) == ([], data)


def test_a_message_that_is_not_masked_is_refused_by_the_library() -> None:
    ws = connected()
    data = frame_of(Opcode.BINARY, b"x" * 10)

    assert take_messages(ws, data) == ([], data)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Return what a client may send, broken or not, in the pieces in which it may arrive."""
    sizes = st.sampled_from([0, 1, 3, 124, 125, 126, 127, 300])
    written = b"".join(
        from_client(opcode, b"\x03\xe8" * (draw(sizes) // 2), fin=draw(st.booleans()))
        if opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
        else from_client(opcode, b"\x03\xe8")
        for opcode in draw(st.lists(st.sampled_from(_OPCODES), max_size=6))
    )
    written += draw(st.binary(max_size=8))
    cuts = sorted(draw(st.lists(st.integers(0, len(written)), max_size=6)))
    return [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]


@given(streams())
def test_any_stream_is_read_as_the_library_reads_it(pieces: list[bytes]) -> None:
    ours, theirs = connected(250), connected(250)
    for piece in pieces:
        assert read_here(ours, piece) == read_by_the_library(theirs, piece)
        assert ours.data_to_send() == theirs.data_to_send()
        assert ours.state is theirs.state


def test_what_is_written_here_the_library_reads() -> None:
    client = Protocol(CLIENT)
    written = frame_of(Opcode.TEXT, b"words") + frame_of(Opcode.BINARY, b"s" * 300)

    read = read_by_the_library(client, written)

    assert read == [Frame(Opcode.TEXT, b"words"), Frame(Opcode.BINARY, b"s" * 300)]
