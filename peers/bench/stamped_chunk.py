"""Audio that carries the moment it was sent.

Every simulated chunk is 260 ms of well-formed opus framing (13 packets of 20 ms, each behind a
2-byte little-endian length), the size of a real browser's chunk. The body of its first packet
begins with a stamp: CLOCK_MONOTONIC in nanoseconds and a mark. The scheduler passes audio through
unchanged and that clock is one for all processes of a machine, so a node that reads the stamp of
an utterance's last chunk knows how long ago the client sent it. Nothing here decodes sound.

The chunk is a multiple of 3 bytes long and the stamp begins and ends at multiples of 3. So the
stamp is 12 whole base64 characters at a known place, in a chunk and in chunks joined together.
"""

import base64
import binascii
import time
from typing import Final

CHUNK_MS: Final = 260
_PACKETS: Final = 13
_PACKET_BYTES: Final = 64
_TOC_WIDEBAND_20_MS: Final = 0x48
"""RFC 6716 section 3.1: configuration 9 (SILK, wideband, 20 ms), mono, one frame."""
_STAMP_BEGIN: Final = 3
_TIME_BYTES: Final = 8
_MARK: Final = b"\xa5"
_STAMP_END: Final = _STAMP_BEGIN + _TIME_BYTES + len(_MARK)

_PACKET: Final = (
    _PACKET_BYTES.to_bytes(2, "little")
    + bytes((_TOC_WIDEBAND_20_MS,))
    + b"\x5a" * (_PACKET_BYTES - 1)
)
_CHUNK: Final = _PACKET * _PACKETS
_HEAD: Final = _CHUNK[:_STAMP_BEGIN]
_TAIL: Final = _CHUNK[_STAMP_END:]
_HEAD_BASE64: Final = base64.b64encode(_HEAD)
_TAIL_BASE64: Final = base64.b64encode(_TAIL)

CHUNK_BYTES: Final = len(_CHUNK)
_CHUNK_CHARACTERS: Final = CHUNK_BYTES // 3 * 4
_STAMP_CHARACTERS: Final = slice(
    -_CHUNK_CHARACTERS + _STAMP_BEGIN // 3 * 4, -_CHUNK_CHARACTERS + _STAMP_END // 3 * 4
)


def now_ns() -> int:
    """Return the clock that all processes of this machine share, in nanoseconds."""
    return time.monotonic_ns()


def chunk(stamp_ns: int) -> bytes:
    """Return one chunk of opus framing that carries `stamp_ns`."""
    return b"".join((_HEAD, stamp_ns.to_bytes(_TIME_BYTES, "little"), _MARK, _TAIL))


def chunk_base64(stamp_ns: int) -> bytes:
    """Return the same chunk in base64; only the stamp is encoded at the time of the call."""
    stamp = stamp_ns.to_bytes(_TIME_BYTES, "little") + _MARK
    return b"".join((_HEAD_BASE64, binascii.b2a_base64(stamp, newline=False), _TAIL_BASE64))


def read_stamp(audio_base64: str) -> int | None:
    """Return the stamp of the last chunk in an utterance's audio, None if there is none."""
    try:
        stamp = binascii.a2b_base64(audio_base64[_STAMP_CHARACTERS])
    except binascii.Error:
        return None
    if len(stamp) != _TIME_BYTES + len(_MARK) or not stamp.endswith(_MARK):
        return None
    return int.from_bytes(stamp[:_TIME_BYTES], "little")


def read_stamp_of(audio: bytes) -> int | None:
    """Return the stamp of the last chunk in audio that is not in base64, None if there is none."""
    begin = len(audio) - CHUNK_BYTES + _STAMP_BEGIN
    stamp = audio[begin : begin + _TIME_BYTES + len(_MARK)] if begin >= 0 else b""
    if not stamp.endswith(_MARK):
        return None
    return int.from_bytes(stamp[:_TIME_BYTES], "little")
