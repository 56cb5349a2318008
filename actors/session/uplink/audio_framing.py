"""Which format one session's chunks have, and how long each chunk is.

The format is what the client declared; if it declared nothing, it follows from the framing of
what comes. Must not: keep audio.

One chunk is not proof: PCM may look framed by accident, and the first opus chunk of a session
may be a broken one. So a format told from the framing becomes final with the second chunk that
fits; before that it may turn, and no session is stuck with the wrong one.
"""

import struct
from typing import Final

from protocol.audio import (
    MAX_PACKET_BYTES,
    AudioFormat,
    is_opus_framed,
    packet_ticks,
    pcm_ticks,
)
from protocol.errors import ErrorCode, ProtocolError

_OPUS: Final = AudioFormat.OPUS
"""Looked up once: getting a member from its enum takes 0.13 µs, and each chunk asks."""

_TICKS_BY_TOC: Final = tuple(packet_ticks(bytes((toc, 0))) for toc in range(256))
"""Length of a packet by its first byte; 0 where its second byte has the number of frames."""

_HEAD: Final = struct.Struct("<HB").unpack_from
"""A packet's length and its first byte. One call per packet: 0.13 µs, the cost of a chunk."""


def framed_ticks(data: bytes) -> int:
    """Return the length of framed opus packets in 1/48000 s; 0 when the framing is broken."""
    size = len(data)
    position = ticks = 0
    try:
        while position < size:
            length, toc = _HEAD(data, position)
            if not 0 < length <= MAX_PACKET_BYTES:
                return 0
            step = _TICKS_BY_TOC[toc] or packet_ticks(data[position + 2 : position + 2 + length])
            if not step:
                return 0
            ticks += step
            position += 2 + length
    except struct.error:
        return 0
    return ticks if position == size else 0


def measure(audio: bytes, audio_format: AudioFormat, sample_rate_hz: int) -> int:
    """Return the length of the audio in 1/48000 s; 0 for no audio at all.

    Raises:
        ProtocolError: the audio is not of this format.
    """
    if audio_format is _OPUS:
        ticks = framed_ticks(audio)
        if not ticks and audio:
            raise _misfit("audio is not opus packets, each behind its length")
        return ticks
    if len(audio) & 1:
        raise _misfit("audio is not whole 16-bit samples")
    return pcm_ticks(len(audio), sample_rate_hz)


def _misfit(message: str) -> ProtocolError:
    return ProtocolError(ErrorCode.INVALID_MESSAGE, message)


class AudioFraming:
    """The format of one session. It begins open or declared, and ends settled."""

    __slots__ = ("_misfits", "audio_format", "is_settled", "sample_rate_hz")

    def __init__(self, audio_format: AudioFormat | None, sample_rate_hz: int) -> None:
        self.audio_format = audio_format
        """None until the first chunk."""
        self.sample_rate_hz = sample_rate_hz
        """Hertz, of PCM16."""
        self.is_settled = audio_format is not None
        """True once the format stands for good; until then each chunk is weighed."""
        self._misfits = 0
        """Chunks in a row that would be PCM, after one that looked like opus."""

    def __repr__(self) -> str:
        name = self.audio_format or "undecided"
        return f"<AudioFraming {name}{'' if self.is_settled else ', not settled'}>"

    def declare(self, audio_format: AudioFormat, sample_rate_hz: int) -> None:
        """Settle what the client says, unless a chunk or an earlier word decided it."""
        if self.audio_format is None:
            self.audio_format = audio_format
            self.sample_rate_hz = sample_rate_hz
            self.is_settled = True

    def measure(self, audio: bytes) -> int:
        """Return the length of a chunk of the decided format in 1/48000 s.

        Raises:
            ProtocolError: the chunk does not fit the format.
        """
        return measure(audio, self.audio_format or AudioFormat.PCM16, self.sample_rate_hz)

    def weigh(self, audio: bytes) -> bool:
        """Let a chunk speak for a format; True when it turned what an earlier one had said.

        Raises:
            ProtocolError: the chunk fits no format, or it is the first that contradicts opus: a
                broken chunk is likelier than PCM that looked framed. The second turns it.
        """
        framed = is_opus_framed(audio)
        odd = bool(len(audio) & 1)
        if not framed and odd:
            raise _misfit("audio is neither opus packets behind their lengths nor 16-bit samples")
        before = self.audio_format
        if before is AudioFormat.OPUS and not framed:
            self._misfits += 1
            if self._misfits == 1:
                raise _misfit("audio is not opus packets, each behind its length")
        self._misfits = 0
        self.audio_format = AudioFormat.OPUS if framed else AudioFormat.PCM16
        turned = before is not None and self.audio_format is not before
        self.is_settled = (framed and odd) or (before is not None and not (turned and framed))
        return turned
