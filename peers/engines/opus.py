"""Opus packets to PCM16 and back (PyAV, which carries libopus; an extra of nodes and clients).

Owns the codec; the framing on the wire is `protocol.audio.framing`. Packets last 20 ms,
16 kHz mono, the kind that clients send. Runs in the caller's thread: 2 ms of work per second
decoded, 10 encoded.
"""

import importlib.util
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from peers.pcm import RATE_HZ
from protocol.audio.framing import MAX_PACKET_BYTES

PACKET_SAMPLES = RATE_HZ // 50
PACKET_BYTES = PACKET_SAMPLES * 2
BIT_RATE = 24_000
_DECODED_HZ = 48_000
"""What the decoder makes, whatever the packets were made from."""


class OpusError(Exception):
    """Not one of the packets could be decoded."""


@cache
def is_installed() -> bool:
    """Say whether this Python can decode and encode opus."""
    return importlib.util.find_spec("av") is not None


def _av() -> Any:
    """Return PyAV: an extra, imported where it is first needed."""
    import av  # noqa: PLC0415 - see above

    return av


def unframed(data: bytes) -> list[bytes]:
    """Return the packets of a job, each behind its length as two bytes, little-endian.

    As forgiving as the nodes that clients are used to: empty and impossible lengths are skipped, a
    packet that is cut off ends the audio.
    """
    packets = []
    position = 0
    while position + 2 <= len(data):
        length = data[position] | data[position + 1] << 8
        position += 2 + length
        if position > len(data):
            break
        if 0 < length <= MAX_PACKET_BYTES:
            packets.append(data[position - length : position])
    return packets


def decode(packets: Sequence[bytes]) -> bytes:
    """Return a run of packets as PCM16 16 kHz mono; what cannot be decoded is left out.

    Raises:
        OpusError: nothing at all can be decoded.
    """
    decoder = OpusDecoder()
    pcm = decoder.decode(packets)
    return pcm + decoder.flush()


class OpusDecoder:
    """Packets to PCM16 16 kHz mono, run by run."""

    def __init__(self) -> None:
        self._av = _av()
        self._decoder = self._av.CodecContext.create("libopus", "r")
        self._decoder.sample_rate = _DECODED_HZ
        self._decoder.layout, self._decoder.format = "mono", "s16"
        self._resampler = self._av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        self._packets = 0
        self._decoded = 0

    def decode(self, packets: Sequence[bytes]) -> bytes:
        """Return what these packets add; what cannot be decoded is left out."""
        pcm = bytearray()
        for packet in packets:
            self._packets += 1
            try:
                frames = self._decoder.decode(self._av.Packet(packet)) if packet else []
            except self._av.error.FFmpegError:
                continue
            self._decoded += len(frames)
            for frame in frames:
                pcm += _pcm_of(self._resampler.resample(frame))
        return bytes(pcm)

    def flush(self) -> bytes:
        """Return what is left at the end.

        Raises:
            OpusError: nothing at all could be decoded.
        """
        if self._packets and not self._decoded:
            raise OpusError(f"none of {self._packets} packets is opus")
        return _pcm_of(self._resampler.resample(None)) if self._decoded else b""


class OpusStream:
    """Framed packets that come in pieces cut anywhere, to PCM16 16 kHz mono.

    As forgiving as `unframed`; a packet whose rest is still to come waits.
    """

    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._rest = b""

    def decode(self, data: bytes) -> bytes:
        """Return what the packets that are complete now add."""
        data = self._rest + data
        packets = []
        position = 0
        while position + 2 <= len(data):
            length = data[position] | data[position + 1] << 8
            end = position + 2 + length
            if end > len(data):
                break
            if 0 < length <= MAX_PACKET_BYTES:
                packets.append(data[position + 2 : end])
            position = end
        self._rest = data[position:]
        return self._decoder.decode(packets)

    def flush(self) -> bytes:
        """Return what is left at the end; a packet that was cut off is not.

        Raises:
            OpusError: nothing at all could be decoded.
        """
        return self._decoder.flush()


def _pcm_of(frames: Sequence[Any]) -> bytes:
    return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


class OpusEncoder:
    """PCM16 16 kHz mono to packets; what does not fill a packet waits for the next call."""

    def __init__(self) -> None:
        self._av = _av()
        self._encoder = self._av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate, self._encoder.bit_rate = RATE_HZ, BIT_RATE
        self._encoder.layout, self._encoder.format = "mono", "s16"
        self._encoder.time_base = Fraction(1, RATE_HZ)
        self._encoder.options = {"application": "voip", "frame_duration": "20"}
        self._encoder.open()
        self._waiting = b""
        self._samples = 0

    def encode(self, pcm: bytes) -> list[bytes]:
        """Return the packets that are full now."""
        data = self._waiting + pcm
        usable = len(data) - len(data) % PACKET_BYTES
        self._waiting = data[usable:]
        packets: list[bytes] = []
        for start in range(0, usable, PACKET_BYTES):
            packets += self._encode_packet(data[start : start + PACKET_BYTES])
        return packets

    def flush(self) -> list[bytes]:
        """Return what waits, filled up with silence; the stream may go on afterwards."""
        if not self._waiting:
            return []
        return self.encode(bytes(PACKET_BYTES - len(self._waiting)))

    def _encode_packet(self, pcm: bytes) -> list[bytes]:
        frame = self._av.AudioFrame(format="s16", layout="mono", samples=PACKET_SAMPLES)
        frame.sample_rate, frame.pts = RATE_HZ, self._samples
        frame.planes[0].update(pcm)
        self._samples += PACKET_SAMPLES
        return [bytes(packet) for packet in self._encoder.encode(frame)]


def encode(pcm: bytes, rate_hz: int = RATE_HZ) -> list[bytes]:
    """Return a whole piece of mono PCM16 of any rate as packets."""
    encoder = OpusEncoder()
    return [*encoder.encode(_at_packet_rate(pcm, rate_hz)), *encoder.flush()]


def _at_packet_rate(pcm: bytes, rate_hz: int) -> bytes:
    """Return the sound at 16 kHz: PyAV needs a seventh of the time that `peers.pcm` takes."""
    samples = len(pcm) // 2
    if rate_hz == RATE_HZ or not samples:
        return pcm
    av = _av()
    frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
    frame.sample_rate = rate_hz
    frame.planes[0].update(pcm[: samples * 2])
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    return _pcm_of([*resampler.resample(frame), *resampler.resample(None)])
