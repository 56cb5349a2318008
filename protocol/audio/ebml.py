"""WebM and Matroska: blocks to packets of the track that carries opus, in whatever pieces. Pure.

RFC 8794 section 4 (element ids and sizes), RFC 9559 sections 5.1.3.5 and 10 (blocks, lacing). A
recorder writes segments and clusters of unknown size, so what contains elements is entered, and
what follows is read as it comes; every other element is taken whole or passed over.
"""

from collections.abc import Iterator
from typing import Final

_EBML: Final = 0x1A45DFA3
_SEGMENT: Final = 0x18538067
_TRACKS: Final = 0x1654AE6B
_TRACK: Final = 0xAE
_TRACK_NUMBER: Final = 0xD7
_CODEC: Final = 0x86
_ENCODINGS: Final = 0x6D80
_CLUSTER: Final = 0x1F43B675
_SIMPLE_BLOCK: Final = 0xA3
_BLOCK_GROUP: Final = 0xA0
_BLOCK: Final = 0xA1
_ENTERED: Final = frozenset({_SEGMENT, _CLUSTER, _BLOCK_GROUP})
_OPUS: Final = b"A_OPUS"
_MOST_TAKEN_BYTES: Final = 1 << 17
"""A longer element is no packet of audio, nor a list of tracks."""
_LACING: Final = 0x06
_XIPH: Final = 0x02
_FIXED: Final = 0x04
_MORE: Final = 255


def _number(data: bytes | bytearray, at: int, *, is_id: bool = False) -> tuple[int, int] | None:
    """Return a number of variable length and where it ends; None: it is not whole.

    A size of which nobody knows is -1. Zero bytes at its begin are no number: length 1, value 0.
    """
    if at >= len(data):
        return None
    first = data[at]
    length = 9 - first.bit_length()
    if length > 8 or (is_id and length > 4):  # noqa: PLR2004 - ids have 4 bytes, sizes 8
        return 0, at + 1
    end = at + length
    if end > len(data):
        return None
    value = int.from_bytes(data[at:end], "big")
    if is_id:
        return value, end
    value &= (1 << 7 * length) - 1
    return (-1 if value == (1 << 7 * length) - 1 else value), end


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the whole elements of a list: id and content."""
    at = 0
    while (head := _number(data, at, is_id=True)) and (size := _number(data, head[1])):
        at = size[1] + max(0, size[0])
        if size[0] < 0 or at > len(data):
            return
        yield head[0], data[size[1] : at]


def _opus_track(tracks: bytes) -> int | None:
    """Return the number of the first track whose packets are opus as they are."""
    for name, track in _elements(tracks):
        fields = dict(_elements(track)) if name == _TRACK else {}
        codec = fields.get(_CODEC, b"").rstrip(b"\0")
        if codec == _OPUS and _ENCODINGS not in fields:
            return int.from_bytes(fields.get(_TRACK_NUMBER, b"\1"), "big")
    return None


def matroska_codec(head: bytes) -> bool | None:
    """Return whether a track is opus; None: not known yet."""
    at = 0
    while (name := _number(head, at, is_id=True)) and (size := _number(head, name[1])):
        if name[0] in {0, _CLUSTER}:
            return False
        if name[0] == _SEGMENT:
            at = size[1]
            continue
        at = size[1] + max(0, size[0])
        if name[0] == _TRACKS:
            if len(head) < at:
                return None
            return _opus_track(head[size[1] : at]) is not None
    return None


class MatroskaPackets:
    """One stream, from its first byte."""

    __slots__ = ("_buffer", "_needed", "_skip", "_track")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0
        """Bytes that the buffer must have before it is looked at again."""
        self._skip = 0
        """Bytes to come of an element that is passed over."""
        self._track: int | None = None

    def take(self, data: bytes) -> list[bytes]:
        """Return the packets that are whole now."""
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        buffer, packets = self._buffer, list[bytes]()
        buffer += data
        if len(buffer) < self._needed:
            return packets
        at = self._needed = 0
        while (name := _number(buffer, at, is_id=True)) and (size := _number(buffer, name[1])):
            if name[0] in _ENTERED or size[0] < 0:
                at = size[1]
                continue
            end = size[1] + size[0]
            is_taken = name[0] in {_SIMPLE_BLOCK, _BLOCK, _TRACKS}
            if not is_taken or size[0] > _MOST_TAKEN_BYTES:
                self._skip = max(0, end - len(buffer))
                at = min(end, len(buffer))
                continue
            if len(buffer) < end:
                self._needed = end - at
                break
            self._element(name[0], bytes(buffer[size[1] : end]), packets)
            at = end
        del buffer[:at]
        return packets

    def _element(self, name: int, content: bytes, packets: list[bytes]) -> None:
        if name == _TRACKS:
            self._track = _opus_track(content)
            return
        number = _number(content, 0)
        if number is not None and number[0] == self._track:
            packets += _frames(content, number[1])


def _frames(block: bytes, at: int) -> list[bytes]:
    """Return the frames of a block behind its track number: two bytes of time, flags, frames."""
    if len(block) < at + 4:
        return []
    lacing, at = block[at + 2] & _LACING, at + 3
    if not lacing:
        return [block[at:]]
    count, at = block[at] + 1, at + 1
    if lacing == _FIXED:
        size, rest = divmod(len(block) - at, count)
        return [] if rest else [block[at + n * size : at + (n + 1) * size] for n in range(count)]
    sizes, at = _xiph_sizes(block, at, count) if lacing == _XIPH else _ebml_sizes(block, at, count)
    sizes.append(len(block) - at - sum(sizes))
    if min(sizes) < 0:
        return []
    frames = []
    for size in sizes:
        frames.append(block[at : at + size])
        at += size
    return frames


def _xiph_sizes(block: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Return the sizes of all frames but the last: bytes are added up to one below 255."""
    sizes = []
    for _ in range(count - 1):
        size = 0
        while at < len(block):
            size, at = size + block[at], at + 1
            if block[at - 1] != _MORE:
                break
        sizes.append(size)
    return sizes, at


def _ebml_sizes(block: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Return the sizes of all frames but the last: one, then differences."""
    sizes: list[int] = []
    for _ in range(count - 1):
        number = _number(block, at)
        if number is None:
            return [-1], at
        value, end = number
        if sizes:
            bits = 7 * (end - at)
            value = sizes[-1] + value - ((1 << bits - 1) - 1)
        sizes.append(value)
        at = end
    return sizes, at
