"""Speech for chaos runs: bytes that belong to one utterance and to no other, made from its name.

Nothing is kept: whoever knows the name can make the audio, or the beginning of it, again.
"""

import hashlib
from dataclasses import dataclass

PCM_BYTES_PER_MS = 32
"""PCM16 at 16 kHz, mono."""
_PACKET_MS = 20
_PACKET = 60
_HEAD = bytes([_PACKET, 0, 0x48])
"""Length in two bytes, then a TOC byte that says 20 ms (RFC 6716 section 3.1)."""
_BODY = _PACKET - 1


@dataclass(frozen=True, slots=True)
class Speech:
    """The audio of one utterance, by its name."""

    name: str
    audio_format: str
    """`pcm16` or `opus`."""
    duration_ms: int
    """A multiple of 20."""

    @property
    def size_bytes(self) -> int:
        """How long it is on the wire."""
        if self.audio_format == "pcm16":
            return self.duration_ms * PCM_BYTES_PER_MS
        return self.duration_ms // _PACKET_MS * (2 + _PACKET)

    def audio(self) -> bytes:
        """Return all of it."""
        source = hashlib.shake_128(self.name.encode())
        if self.audio_format == "pcm16":
            return source.digest(self.size_bytes)
        packets = self.duration_ms // _PACKET_MS
        noise = source.digest(packets * _BODY)
        return b"".join(_HEAD + noise[at : at + _BODY] for at in range(0, len(noise), _BODY))

    def digest(self, size_bytes: int | None = None) -> str:
        """Return the digest of the audio, or of its first bytes."""
        return digest_of(self.audio()[:size_bytes])

    def chunks(self, chunk_ms: int) -> list[bytes]:
        """Return it in pieces of this length (a multiple of 20 ms)."""
        audio, size = self.audio(), Speech("", self.audio_format, chunk_ms).size_bytes
        return [audio[at : at + size] for at in range(0, len(audio), size)]


def digest_of(audio: bytes) -> str:
    """Return what two pieces of audio are compared by."""
    return hashlib.sha256(audio).hexdigest()[:16]
