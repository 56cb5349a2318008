"""OpusStream: opus packets out of Ogg or WebM, as they are, in whatever pieces the bytes come.

Pure. Nothing is decoded: a packet leaves as it came, behind its length. What is not valid is left
out, and its neighbours count; nothing is kept but what the next packet needs. RFC 3533 (Ogg), RFC
7845 (opus in Ogg), RFC 8794 and 9559 (EBML, Matroska).
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from protocol.audio.containers import Container
from protocol.audio.ebml import MatroskaPackets, matroska_codec
from protocol.audio.framing import MAX_PACKET_BYTES, packet_ticks
from protocol.audio.ogg import OggPackets, ogg_codec

MOST_HEAD_BYTES: Final = 1 << 16
"""Where so many bytes do not say what is inside, it is nothing that is taken apart here."""


class Inside(StrEnum):
    """What a container carries."""

    OPUS = "opus"
    OTHER = "other"
    UNKNOWN = "unknown"
    """More bytes are needed."""


_CodecOf = Callable[[bytes], bool | None]


class _Packets(Protocol):
    def __init__(self) -> None: ...

    def take(self, data: bytes) -> list[bytes]:
        """Return the packets that are whole now."""


_PARSERS: Final[dict[Container, tuple[_CodecOf, type[_Packets]]]] = {
    Container.OGG: (ogg_codec, OggPackets),
    Container.WEBM: (matroska_codec, MatroskaPackets),
}


def inside(container: Container, head: bytes) -> Inside:
    """Return what a stream that begins like this carries."""
    if container not in _PARSERS:
        return Inside.OTHER
    is_opus = _PARSERS[container][0](head)
    if is_opus is None:
        return Inside.UNKNOWN if len(head) <= MOST_HEAD_BYTES else Inside.OTHER
    return Inside.OPUS if is_opus else Inside.OTHER


class OpusStream:
    """One stream, from its first byte."""

    __slots__ = ("_packets",)

    def __init__(self, container: Container) -> None:
        self._packets: _Packets = _PARSERS[container][1]()

    def take(self, data: bytes) -> tuple[bytes, int]:
        """Return the packets that are whole now, each behind its length, and their length in ticks.

        Ticks are 1/48000 s.
        """
        framed, ticks = bytearray(), 0
        for packet in self._packets.take(data):
            of_packet = packet_ticks(packet) if len(packet) <= MAX_PACKET_BYTES else 0
            if of_packet:
                framed += len(packet).to_bytes(2, "little") + packet
                ticks += of_packet
        return bytes(framed), ticks
