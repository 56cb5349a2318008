"""Binary frames of the session socket: audio without JSON. All numbers are little-endian.

    audio 0x01: type u8, id length u8, seq u32, timestamp u32, final u8, 0 u8, session id, audio
    final 0x02: type u8, id length u8, seq u32, timestamp u32, session id
    ping 0x10, pong 0x11: type u8

A client sends them only where the ack had `use_binary_frame`; the server takes them always.
"""

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from protocol.errors import ErrorCode, ProtocolError
from protocol.ids import SessionId

_AUDIO: Final = Struct("<BBIIBB")
_FINAL: Final = Struct("<BBII")
_U32: Final = 0xFFFF_FFFF
_MAX_ID_BYTES: Final = 255


class FrameType(IntEnum):
    """The first byte of a frame."""

    AUDIO = 0x01
    FINAL = 0x02
    PING = 0x10
    PONG = 0x11


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A piece of audio, as `audio_chunk` with a payload."""

    session_id: SessionId
    seq: int
    timestamp_ms: int
    """The client's clock modulo 2^32."""
    is_final: bool
    audio: bytes
    """Opus packets behind their lengths, or PCM16. Goes to the session."""


@dataclass(frozen=True, slots=True)
class FinalFrame:
    """The end of an utterance, as `audio_chunk` with `is_final` and no payload."""

    session_id: SessionId
    seq: int
    timestamp_ms: int
    """The client's clock modulo 2^32."""


@dataclass(frozen=True, slots=True)
class PingFrame:
    """Defined, but no client sends it."""


@dataclass(frozen=True, slots=True)
class PongFrame:
    """Defined, but no client sends it."""


Frame = AudioFrame | FinalFrame | PingFrame | PongFrame


def parse_frame(data: bytes) -> Frame:
    """Read one frame.

    Raises:
        ProtocolError: INVALID_MESSAGE for every other shape than the documented ones.
    """
    if not data:
        raise _malformed("is empty")
    match data[0]:
        case FrameType.AUDIO:
            return _parse_audio(data)
        case FrameType.FINAL:
            return _parse_final(data)
        case FrameType.PING:
            return PingFrame()
        case FrameType.PONG:
            return PongFrame()
        case _:
            raise _malformed("has an unknown type")


def encode_frame(frame: Frame) -> bytes:
    """Write one frame, as a client does.

    Raises:
        ValueError: the session id is longer than a frame can say.
    """
    match frame:
        case AudioFrame():
            name = _session_bytes(frame.session_id)
            head = _AUDIO.pack(
                FrameType.AUDIO,
                len(name),
                frame.seq & _U32,
                frame.timestamp_ms & _U32,
                frame.is_final,
                0,
            )
            return head + name + frame.audio
        case FinalFrame():
            name = _session_bytes(frame.session_id)
            head = _FINAL.pack(
                FrameType.FINAL, len(name), frame.seq & _U32, frame.timestamp_ms & _U32
            )
            return head + name
        case PingFrame():
            return bytes((FrameType.PING,))
        case PongFrame():
            return bytes((FrameType.PONG,))


def _parse_audio(data: bytes) -> AudioFrame:
    if len(data) < _AUDIO.size:
        raise _malformed("is shorter than its header")
    _, length, seq, timestamp_ms, final, _ = _AUDIO.unpack_from(data)
    if final > 1:
        raise _malformed("has a final mark other than 0 and 1")
    end = _AUDIO.size + length
    return AudioFrame(
        _session_id(data, _AUDIO.size, end), seq, timestamp_ms, final == 1, bytes(data[end:])
    )


def _parse_final(data: bytes) -> FinalFrame:
    if len(data) < _FINAL.size:
        raise _malformed("is shorter than its header")
    _, length, seq, timestamp_ms = _FINAL.unpack_from(data)
    end = _FINAL.size + length
    if len(data) > end:
        raise _malformed("goes on after its session id")
    return FinalFrame(_session_id(data, _FINAL.size, end), seq, timestamp_ms)


def _session_id(data: bytes, start: int, end: int) -> SessionId:
    if end > len(data):
        raise _malformed("ends within its session id")
    try:
        return SessionId(data[start:end].decode())
    except UnicodeDecodeError:
        raise _malformed("has a session id that is not UTF-8") from None


def _session_bytes(session_id: SessionId) -> bytes:
    name = session_id.encode()
    if len(name) > _MAX_ID_BYTES:
        raise ValueError("a session id has at most 255 bytes in a frame")
    return name


def _malformed(how: str) -> ProtocolError:
    return ProtocolError(ErrorCode.INVALID_MESSAGE, f"binary frame {how}")
