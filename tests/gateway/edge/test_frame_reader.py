"""Messages are read as the library reads them; long ones are read past, many frames take turns."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from gateway.edge.frame_reader import (
    BINARY,
    CLOSE,
    FAILED,
    FRAMES_AT_ONCE,
    NOT_TAKEN,
    PING,
    TEXT,
    FrameReader,
    Kind,
)
from gateway.edge.framing import frame_of

LIMIT = 70_000
_OPCODES = (Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG, Opcode.CONT, Opcode.CLOSE)

Told = tuple[Kind, bytes]


def from_client(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def read_here(reader: FrameReader, *pieces: bytes) -> list[Told]:
    found: list[Told] = []
    for piece in pieces:
        found += [(one.kind, one.data) for one in reader.feed(piece)]
        while reader.has_more:
            found += [(one.kind, one.data) for one in reader.feed(b"")]
    return found


def read_by_the_library(*pieces: bytes) -> list[Told]:
    """Return what the library makes of a client's bytes, its frames put together to messages."""
    ws = Protocol(SERVER, max_size=None)
    found: list[Told] = []
    kind, parts = TEXT, list[bytes]()
    for piece in pieces:
        ws.receive_data(piece)
    for frame in ws.events_received():
        assert isinstance(frame, Frame)
        data = bytes(frame.data)
        if frame.opcode is Opcode.PING:
            found.append((PING, data))
        elif frame.opcode is Opcode.CLOSE:
            found.append((CLOSE, data))
        elif frame.opcode is not Opcode.PONG:
            if frame.opcode is not Opcode.CONT:
                kind, parts = Kind(frame.opcode), []
            parts.append(data)
            if frame.fin:
                found.append((kind, b"".join(parts)))
    if ws.parser_exc is not None:
        found.append((FAILED, b""))
    return found


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
    return [written[a:b] for a, b in pairwise([0, *cuts, len(written)])]


@settings(max_examples=1000)
@example([b"\x01\x80", b"\xe3\xca5\x95\x00", b"\x00"])
@given(streams())
def test_any_stream_is_read_as_the_library_reads_it(pieces: list[bytes]) -> None:
    ours = read_here(FrameReader(LIMIT), *pieces)
    theirs = read_by_the_library(*pieces)
    if ours and ours[-1][0] is FAILED and (not theirs or theirs[-1][0] is not FAILED):
        ours.pop()  # it is seen at the head; the library waits for the rest of the frame
    assert [one if one[0] is not FAILED else (FAILED, b"") for one in ours] == theirs


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1254, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_a_message_is_written_as_the_library_would(opcode: Opcode, size: int) -> None:
    data = b"x" * size
    assert frame_of(opcode, data) == Frame(opcode, data).serialize(mask=False)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, LIMIT])
def test_messages_up_to_the_limit_are_taken(size: int) -> None:
    data = from_client(Opcode.TEXT, b"x" * size) + from_client(Opcode.BINARY, b"y" * size)
    assert read_here(FrameReader(LIMIT), data) == [(TEXT, b"x" * size), (BINARY, b"y" * size)]


@pytest.mark.parametrize("in_fragments", [False, True])
@given(size=st.integers(101, 5_000), piece_bytes=st.integers(1, 400))
def test_a_longer_message_is_read_past_and_not_kept(
    size: int, piece_bytes: int, *, in_fragments: bool
) -> None:
    long = from_client(Opcode.TEXT, b"x" * size, fin=not in_fragments)
    if in_fragments:
        long += from_client(Opcode.CONT, b"x" * size, fin=False) + from_client(Opcode.CONT, b"x")
    data = long + from_client(Opcode.PING, b"?") + from_client(Opcode.TEXT, b"short")
    reader, found = FrameReader(100), []
    for start in range(0, len(data), piece_bytes):
        found += read_here(reader, data[start : start + piece_bytes])
        assert reader.held_bytes <= 120
    assert [kind for kind, _ in found] == [NOT_TAKEN, PING, TEXT]
    assert found[-1] == (TEXT, b"short")
    assert reader.held_bytes == 0


def test_fragments_that_are_short_add_up_to_a_long_message() -> None:
    reader = FrameReader(100)
    first = from_client(Opcode.BINARY, b"x" * 90, fin=False)
    assert read_here(reader, first) == []
    rest = from_client(Opcode.CONT, b"x" * 90, fin=False) + from_client(Opcode.CONT, b"x" * 90)
    [(kind, _)] = read_here(reader, rest)
    assert kind is NOT_TAKEN
    assert read_here(reader, from_client(Opcode.TEXT, b"next")) == [(TEXT, b"next")]


def test_how_long_a_message_may_be_is_asked_when_it_comes() -> None:
    limits = [150]
    reader = FrameReader(100, lambda: limits[0])
    assert read_here(reader, from_client(Opcode.TEXT, b"x" * 150)) == [(TEXT, b"x" * 150)]
    limits[0] = 100
    assert read_here(reader, from_client(Opcode.TEXT, b"x" * 150))[0][0] is NOT_TAKEN


@pytest.mark.parametrize("size", [0, 1, 1023])
def test_a_message_in_many_small_fragments_is_read_past(size: int) -> None:
    reader = FrameReader(1 << 20)
    begin = from_client(Opcode.TEXT, b"", fin=False)
    piece = from_client(Opcode.CONT, b"x" * size, fin=False)
    end = from_client(Opcode.CONT, b"")
    assert read_here(reader, begin + piece * 63 + end) == [(TEXT, b"x" * size * 63)]
    [(kind, _)] = read_here(reader, begin + piece * 1_000 + end)
    assert kind is NOT_TAKEN
    assert reader.held_bytes == 0


def test_large_fragments_may_be_many() -> None:
    pieces = from_client(Opcode.CONT, b"x" * 1024, fin=False) * 200
    data = from_client(Opcode.TEXT, b"", fin=False) + pieces + from_client(Opcode.CONT, b"")
    assert read_here(FrameReader(1 << 20), data) == [(TEXT, b"x" * 1024 * 200)]


def test_very_many_frames_take_turns() -> None:
    data = from_client(Opcode.PONG, b"") * 3 * FRAMES_AT_ONCE + from_client(Opcode.TEXT, b"end")
    reader = FrameReader(LIMIT)
    assert reader.feed(data) == []
    assert (reader.frames, reader.has_more) == (FRAMES_AT_ONCE, True)
    assert read_here(reader, b"") == [(TEXT, b"end")]


def test_a_frame_that_will_never_end_is_not_waited_for() -> None:
    [(kind, _)] = read_here(FrameReader(100), bytes([0x81, 0xFF]) + (1 << 40).to_bytes(8, "big"))
    assert kind is FAILED


def test_the_first_byte_of_a_frame_behind_a_long_one_holds_nothing_up() -> None:
    reader = FrameReader(LIMIT)
    long, short = from_client(Opcode.TEXT, b"x" * 5_000), from_client(Opcode.TEXT, b"y")
    read_here(reader, long[:10])
    assert read_here(reader, long[10:] + short[:1]) == [(TEXT, b"x" * 5_000)]
    assert read_here(reader, short[1:]) == [(TEXT, b"y")]


def test_nothing_is_read_after_a_broken_rule_or_the_close() -> None:
    good = from_client(Opcode.TEXT, b"x")
    for last in (from_client(Opcode.CLOSE, b""), frame_of(Opcode.TEXT, b"no mask")):
        reader = FrameReader(LIMIT)
        assert len(read_here(reader, good + last + good, good)) == 2
