"""Speech whose words can be read back: what a microphone records and a simulated node recognises.

A word is one browser chunk, 13 packets of 20 ms, and each packet carries the word where a real
one carries sound. Nothing here decodes opus; lengths and framing are those of the real thing.
"""

from collections.abc import Iterator

PACKETS_PER_CHUNK = 13
"""What a browser puts into a chunk of 256 ms; they last 260."""
PACKET_MS = 20
WORD_MS = PACKETS_PER_CHUNK * PACKET_MS

_TOC_20_MS = 0x48
_PACKET_BYTES = 64
_MARK = b"\x01word:"


def word_chunk(word: str) -> bytes:
    """Return the chunk in which this word is spoken."""
    said = _MARK + word.encode() + b"\x00"
    packet = bytes([_TOC_20_MS]) + said.ljust(_PACKET_BYTES - 1, b"\x55")
    return (len(packet).to_bytes(2, "little") + packet) * PACKETS_PER_CHUNK


def packets_of(audio: bytes) -> Iterator[bytes]:
    """Yield opus packets as a node reads them: it stops where the framing breaks."""
    position = 0
    while position + 2 <= len(audio):
        start = position + 2
        position = start + int.from_bytes(audio[position:start], "little")
        if position > len(audio):
            return
        yield audio[start:position]


def length_ms(audio: bytes, audio_format: str) -> float:
    """Return how long audio at 16 kHz is."""
    if audio_format == "opus":
        return float(sum(PACKET_MS for _ in packets_of(audio)))
    return len(audio) / 32


def words_in(audio: bytes, audio_format: str) -> list[str]:
    """Return the words in opus; PCM that is not silent is one word that says how long it is."""
    if audio_format != "opus":
        return [f"tone{len(audio) // 32}"] if any(audio) else []
    words = []
    for position, packet in enumerate(packets_of(audio)):
        if position % PACKETS_PER_CHUNK == 0 and _MARK in packet:
            words.append(packet.partition(_MARK)[2].partition(b"\x00")[0].decode())
    return words
