"""Binary frames of the node socket: audio of a job while it is being spoken, without JSON.

    audio 0x20: type u8, id length u8, number u32, job id, audio

The number is little-endian and counts the frames of a job from 0, without a gap: a node that finds
one missing cannot have all that was said. The audio is neither copied when a frame is written nor
when it is read. Only nodes that registered with `streaming` get such frames.
"""

from struct import Struct
from typing import Final

from protocol.errors import ErrorCode, ProtocolError
from protocol.ids import NodeJobId
from protocol.value import value

STREAM_AUDIO: Final = 0x20
"""The first byte of a frame."""

_HEAD: Final = Struct("<BBI")
_MAX_ID_BYTES: Final = 255
_MOST_FRAMES: Final = 0xFFFF_FFFF


@value
class StreamFrame:
    """A piece of a job's audio."""

    job_id: NodeJobId
    """As in the `job_assign` that began it."""
    number: int
    """From 0 in each job."""
    audio: memoryview
    """In the job's `audio_format`; of what was read, so it lives as long as that."""


def stream_frame_head(job_id: bytes, number: int) -> bytes:
    """Return what stands before the audio.

    Args:
        job_id: As the node knows it, in UTF-8.
        number: How many frames of the job came before.

    Raises:
        ValueError: the id is longer, or the number higher, than a frame can say.
    """
    if len(job_id) > _MAX_ID_BYTES:
        raise ValueError("a job id has at most 255 bytes in a frame")
    if not 0 <= number <= _MOST_FRAMES:
        raise ValueError("a frame's number has 32 bits")
    return _HEAD.pack(STREAM_AUDIO, len(job_id), number) + job_id


def parse_stream_frame(data: bytes | memoryview) -> StreamFrame:
    """Read a frame.

    Raises:
        ProtocolError: INVALID_MESSAGE for every other shape than the documented one.
    """
    if len(data) < _HEAD.size:
        raise _malformed("is shorter than its header")
    kind, length, number = _HEAD.unpack_from(data)
    if kind != STREAM_AUDIO:
        raise _malformed("has an unknown type")
    end = _HEAD.size + length
    if end > len(data):
        raise _malformed("ends within its job id")
    view = memoryview(data)
    try:
        job_id = str(view[_HEAD.size : end], "utf-8")
    except UnicodeDecodeError:
        raise _malformed("has a job id that is not UTF-8") from None
    return StreamFrame(NodeJobId(job_id), number, view[end:])


def _malformed(how: str) -> ProtocolError:
    return ProtocolError(ErrorCode.INVALID_MESSAGE, f"binary frame {how}")
