"""Arithmetic on PCM: channels, sample width, rate, loudness.

Owns the one audio form that peers work with: signed 16-bit little-endian, mono, 16 kHz ("PCM16"
below, where no other rate is named). Pure: no files, no clocks.
"""

import math
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate

RATE_HZ = 16_000
"""Samples per second of all PCM that peers exchange."""
BYTES_PER_MS = RATE_HZ * 2 // 1000
FULL_SCALE = 32_768
_WIDTH_BYTES = 2
_STEREO = 2


def to_samples(pcm: bytes) -> "array[int]":
    """Return the samples of PCM16 bytes; a trailing odd byte is dropped."""
    samples = array("h", pcm[: len(pcm) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def to_bytes(samples: Sequence[int]) -> bytes:
    """Return samples as little-endian PCM16."""
    values = array("h", samples)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def duration_ms(pcm: bytes) -> int:
    """Return how long PCM16 of 16 kHz lasts, rounded down."""
    return len(pcm) // BYTES_PER_MS


def silence(length_ms: int) -> bytes:
    """Return so many milliseconds of digital silence."""
    return bytes(length_ms * BYTES_PER_MS)


def loudness(pcm: bytes) -> float:
    """Return the root mean square as a part of full scale, 0.0 to 1.0."""
    samples = to_samples(pcm)
    if not samples:
        return 0.0
    return math.sqrt(sum(s * s for s in samples) / len(samples)) / FULL_SCALE


def widen(data: bytes, width_bytes: int) -> "array[int]":
    """Return WAV samples of any integer width as 16-bit ones.

    Raises:
        ValueError: the width is none that a WAV file has.
    """
    if width_bytes == 1:
        return array("h", ((value - 128) << 8 for value in data))
    if width_bytes == _WIDTH_BYTES:
        return to_samples(data)
    if width_bytes in {3, 4}:
        usable = len(data) - len(data) % width_bytes
        high = bytearray(usable // width_bytes * 2)
        high[0::2] = data[width_bytes - 2 : usable : width_bytes]
        high[1::2] = data[width_bytes - 1 : usable : width_bytes]
        return to_samples(bytes(high))
    raise ValueError(f"samples of {width_bytes} bytes are not supported")


def mix_down(samples: "array[int]", channels: int) -> "array[int]":
    """Return one channel: the mean of all."""
    if channels == 1:
        return samples
    frames = len(samples) // channels
    if channels == _STEREO:
        left, right = samples[0 : frames * 2 : 2], samples[1 : frames * 2 : 2]
        return array("h", ((a + b) >> 1 for a, b in zip(left, right, strict=True)))
    return array(
        "h",
        (sum(samples[i * channels : (i + 1) * channels]) // channels for i in range(frames)),
    )


def resample(samples: "array[int]", from_hz: int, to_hz: int) -> "array[int]":
    """Return the same sound at another rate.

    Downwards each new sample is the mean of the stretch it replaces (which keeps most of what
    cannot be represented from folding back as noise), upwards it lies on the line between its
    neighbours. Good enough for speech; about 15 ms of work per second of sound.
    """
    if from_hz == to_hz or not samples:
        return samples
    count = len(samples) * to_hz // from_hz
    if from_hz > to_hz:
        return _average(samples, from_hz / to_hz, count)
    return _interpolate(samples, from_hz / to_hz, count)


def _average(samples: "array[int]", ratio: float, count: int) -> "array[int]":
    sums = [0, *accumulate(samples)]
    sums.append(sums[-1])

    def area(position: float) -> float:
        """Return the sum of all sound before this fractional position."""
        whole = int(position)
        return sums[whole] + (position - whole) * (sums[whole + 1] - sums[whole])

    last = len(samples)
    edges = [area(min(index * ratio, last)) for index in range(count + 1)]
    return array("h", (round((edges[i + 1] - edges[i]) / ratio) for i in range(count)))


def _interpolate(samples: "array[int]", ratio: float, count: int) -> "array[int]":
    padded = [*samples, samples[-1]]
    result = array("h")
    for index in range(count):
        position = index * ratio
        whole = int(position)
        step = padded[whole + 1] - padded[whole]
        result.append(round(padded[whole] + (position - whole) * step))
    return result
