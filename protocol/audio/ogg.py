"""Ogg: pages to packets of the stream that carries opus, in whatever pieces they come. Pure.

RFC 3533 section 6: a page has up to 255 segments; a packet ends with the first segment shorter
than 255 bytes, and may go on over pages. RFC 7845 section 3: the first packet is `OpusHead`, the
second `OpusTags`. Check sums are not judged: what arrives over a socket is whole, and a damaged
packet says so itself.
"""

from typing import Final

_CAPTURE: Final = b"OggS"
_HEADER_BYTES: Final = 27
_FLAGS_AT: Final = 5
_SERIAL_AT: Final = 14
_SEGMENTS_AT: Final = 26
_CONTINUED: Final = 1
_FIRST: Final = 2
_LACED: Final = 255
_OPUS_HEAD: Final = b"OpusHead"
_OPUS_TAGS: Final = b"OpusTags"
_FAMILY_AT: Final = 18
_MOST_PACKET_BYTES: Final = 1 << 16


def _page_bytes(data: bytes | bytearray, at: int) -> int:
    """Return how long the page is that begins here, 0 when that is not known yet."""
    if len(data) < at + _HEADER_BYTES:
        return 0
    table = at + _HEADER_BYTES
    segments = data[at + _SEGMENTS_AT]
    if len(data) < table + segments:
        return 0
    return _HEADER_BYTES + segments + sum(data[table : table + segments])


def _is_plain_opus(payload: bytes | bytearray) -> bool:
    """Tell whether a stream begins like this whose packets any opus decoder takes."""
    is_opus = payload.startswith(_OPUS_HEAD) and len(payload) > _FAMILY_AT
    return is_opus and payload[_FAMILY_AT] == 0


def ogg_codec(head: bytes) -> bool | None:
    """Return whether one of the streams is opus, mono or stereo; None: not known yet.

    All first pages come before anything else.
    """
    at = 0
    while True:
        size = _page_bytes(head, at)
        if not size or len(head) < at + size:
            return None
        is_first = head[at : at + 4] == _CAPTURE and head[at + _FLAGS_AT] & _FIRST
        if not is_first:
            return False
        payload = head[at + _HEADER_BYTES + head[at + _SEGMENTS_AT] : at + size]
        if _is_plain_opus(payload):
            return True
        at += size


class OggPackets:
    """One physical stream; where several are chained, each of them."""

    __slots__ = ("_buffer", "_is_too_long", "_partial", "_serial")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._serial: bytes | None = None
        self._partial = bytearray()
        """A packet whose end is on a later page."""
        self._is_too_long = False

    def take(self, data: bytes) -> list[bytes]:
        """Return the packets of audio that are whole now."""
        buffer, packets, at = self._buffer, list[bytes](), 0
        buffer += data
        while True:
            if not buffer.startswith(_CAPTURE, at) and not _CAPTURE.startswith(buffer[at : at + 4]):
                found = buffer.find(_CAPTURE, at)
                at = len(buffer) - 3 if found < 0 else found
            size = _page_bytes(buffer, at)
            if not size or len(buffer) < at + size:
                break
            self._page(bytes(buffer[at : at + size]), packets)
            at += size
        del buffer[:at]
        return packets

    def _page(self, page: bytes, packets: list[bytes]) -> None:
        flags, serial = page[_FLAGS_AT], page[_SERIAL_AT : _SERIAL_AT + 4]
        table_end = _HEADER_BYTES + page[_SEGMENTS_AT]
        if flags & _FIRST and _is_plain_opus(page[table_end:]):
            self._serial = serial
            self._forget()
            return
        if serial != self._serial:
            return
        if not flags & _CONTINUED:
            self._forget()
        is_orphan = bool(flags & _CONTINUED) and not self._partial and not self._is_too_long
        at = table_end
        for length in page[_HEADER_BYTES:table_end]:
            if not self._is_too_long:
                self._partial += page[at : at + length]
                self._is_too_long = len(self._partial) > _MOST_PACKET_BYTES
            at += length
            if length == _LACED:
                continue
            packet = bytes(self._partial)
            if not (is_orphan or self._is_too_long or packet.startswith(_OPUS_TAGS)):
                packets.append(packet)
            is_orphan = False
            self._forget()

    def _forget(self) -> None:
        self._partial.clear()
        self._is_too_long = False
