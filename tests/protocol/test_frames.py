"""Binary frames: the documented bytes, and nothing else."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ErrorCode, ProtocolError
from protocol.frames import (
    AudioFrame,
    FinalFrame,
    Frame,
    PingFrame,
    PongFrame,
    encode_frame,
    parse_frame,
)
from protocol.ids import SessionId

U32 = st.integers(0, 2**32 - 1)
SESSION_IDS = st.text(max_size=60).filter(lambda text: len(text.encode()) <= 255).map(SessionId)
AUDIO = AudioFrame(SessionId("s-Ä"), 0x01020304, 0x0A0B0C0D, is_final=True, audio=b"\x01\x00\x48")
AUDIO_BYTES = b"\x01\x04\x04\x03\x02\x01\x0d\x0c\x0b\x0a\x01\x00" + "s-Ä".encode() + b"\x01\x00\x48"
FINAL = FinalFrame(SessionId("s-1"), 7, 9)
FINAL_BYTES = b"\x02\x03\x07\x00\x00\x00\x09\x00\x00\x00s-1"


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (AUDIO, AUDIO_BYTES),
        (FINAL, FINAL_BYTES),
        (PingFrame(), b"\x10"),
        (PongFrame(), b"\x11"),
    ],
)
def test_a_frame_has_the_documented_bytes(frame: Frame, data: bytes) -> None:
    assert encode_frame(frame) == data
    assert parse_frame(data) == frame


@settings(deadline=None)
@given(st.builds(AudioFrame, SESSION_IDS, U32, U32, st.booleans(), st.binary(max_size=100)))
def test_an_audio_frame_survives_the_way(frame: AudioFrame) -> None:
    assert parse_frame(encode_frame(frame)) == frame


@settings(deadline=None)
@given(st.builds(FinalFrame, SESSION_IDS, U32, U32))
def test_a_final_frame_survives_the_way(frame: FinalFrame) -> None:
    assert parse_frame(encode_frame(frame)) == frame


def test_audio_may_be_empty() -> None:
    frame = AudioFrame(SessionId("s-1"), 1, 2, is_final=False, audio=b"")
    assert parse_frame(encode_frame(frame)) == frame


def test_audio_is_handed_out_as_bytes() -> None:
    frame = parse_frame(AUDIO_BYTES)
    assert isinstance(frame, AudioFrame)
    assert type(frame.audio) is bytes


def test_the_reserved_byte_is_ignored() -> None:
    data = bytearray(AUDIO_BYTES)
    data[11] = 0xFF
    assert parse_frame(bytes(data)) == AUDIO


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (b"", "is empty"),
        (b"\x00", "unknown type"),
        (b"\x03" + FINAL_BYTES[1:], "unknown type"),
        (b"{}", "unknown type"),
        (AUDIO_BYTES[:11], "shorter than its header"),
        (AUDIO_BYTES[:14], "ends within its session id"),
        (AUDIO_BYTES[:1] + b"\xff" + AUDIO_BYTES[2:], "ends within its session id"),
        (AUDIO_BYTES[:10] + b"\x02" + AUDIO_BYTES[11:], "final mark"),
        (AUDIO_BYTES[:1] + b"\x03" + AUDIO_BYTES[2:], "not UTF-8"),
        (FINAL_BYTES[:9], "shorter than its header"),
        (FINAL_BYTES[:-1], "ends within its session id"),
        (FINAL_BYTES + b"\x00", "goes on after its session id"),
        (FINAL_BYTES[:-1] + b"\xff", "not UTF-8"),
    ],
)
def test_a_malformed_frame_is_refused(data: bytes, how: str) -> None:
    with pytest.raises(ProtocolError, match=how) as refused:
        parse_frame(data)
    assert refused.value.code is ErrorCode.INVALID_MESSAGE
    assert refused.value.close_code is None


@settings(deadline=None)
@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda data: b"\x01" + data))
def test_any_bytes_are_a_frame_or_a_protocol_error(data: bytes) -> None:
    with suppress(ProtocolError):
        parse_frame(data)


def test_a_session_id_that_no_frame_can_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="255 bytes"):
        encode_frame(FinalFrame(SessionId("s" * 256), 0, 0))
