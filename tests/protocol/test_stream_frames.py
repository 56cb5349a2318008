"""Binary frames of the node socket: the documented bytes, nothing else, and no copy of audio."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ErrorCode, ProtocolError
from protocol.stream_frames import parse_stream_frame, stream_frame_head

IDS = st.text(max_size=60).filter(lambda text: len(text.encode()) <= 255)
U32 = st.integers(0, 2**32 - 1)
FRAME = b"\x20\x04\x04\x03\x02\x01" + "j-Ä".encode() + b"\x01\x00\x48"


def test_a_frame_has_the_documented_bytes() -> None:
    assert stream_frame_head("j-Ä".encode(), 0x01020304) + b"\x01\x00\x48" == FRAME
    frame = parse_stream_frame(FRAME)
    assert (frame.job_id, frame.number, bytes(frame.audio)) == ("j-Ä", 0x01020304, b"\x01\x00\x48")


@settings(deadline=None)
@given(IDS, U32, st.binary(max_size=100))
def test_a_frame_survives_the_way(job_id: str, number: int, audio: bytes) -> None:
    frame = parse_stream_frame(stream_frame_head(job_id.encode(), number) + audio)
    assert (frame.job_id, frame.number, bytes(frame.audio)) == (job_id, number, audio)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    frame = None
    with suppress(ProtocolError):
        frame = parse_stream_frame(data)
    if frame is None:
        return
    head = stream_frame_head(frame.job_id.encode(), frame.number)
    assert head + bytes(frame.audio) == data


def test_audio_is_not_copied_when_it_is_read() -> None:
    data = bytearray(FRAME)
    frame = parse_stream_frame(memoryview(data))
    data[-1] = 0x7F
    assert frame.audio[-1] == 0x7F


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (b"", "shorter than its header"),
        (FRAME[:5], "shorter than its header"),
        (b"\x21" + FRAME[1:], "unknown type"),
        (FRAME[:8], "ends within its job id"),
        (b"\x20\x02\0\0\0\0\xff\xff", "not UTF-8"),
    ],
)
def test_another_shape_is_refused(data: bytes, how: str) -> None:
    with pytest.raises(ProtocolError, match=how) as caught:
        parse_stream_frame(data)
    assert caught.value.code is ErrorCode.INVALID_MESSAGE


def test_what_a_frame_cannot_say_is_not_written() -> None:
    with pytest.raises(ValueError, match="255 bytes"):
        stream_frame_head(b"j" * 256, 0)
    with pytest.raises(ValueError, match="32 bits"):
        stream_frame_head(b"j", 2**32)
    with pytest.raises(ValueError, match="32 bits"):
        stream_frame_head(b"j", -1)
