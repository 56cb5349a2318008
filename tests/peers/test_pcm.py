"""PCM arithmetic: widths, channels, rates, loudness."""

import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.pcm import (
    duration_ms,
    loudness,
    mix_down,
    resample,
    silence,
    to_bytes,
    to_samples,
    widen,
)


def tone(rate_hz: int, seconds: float = 0.5, pitch_hz: float = 440.0) -> "array[int]":
    step = 2 * math.pi * pitch_hz / rate_hz
    return array("h", (round(10_000 * math.sin(i * step)) for i in range(int(rate_hz * seconds))))


def pitch_hz(samples: "array[int]", rate_hz: int) -> float:
    """Count how often the wave rises through zero."""
    rises = sum(1 for a, b in pairwise(samples) if a < 0 <= b)
    return rises * rate_hz / len(samples)


@pytest.mark.parametrize("from_hz", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000])
def test_a_tone_keeps_its_pitch_length_and_loudness_at_another_rate(from_hz: int) -> None:
    before = tone(from_hz)
    after = resample(before, from_hz, 16_000)
    assert abs(len(after) - 8_000) <= 1
    assert abs(pitch_hz(after, 16_000) - 440) <= 4
    assert loudness(to_bytes(after)) == pytest.approx(loudness(to_bytes(before)), rel=0.05)


def test_the_same_rate_changes_nothing() -> None:
    samples = tone(16_000)
    assert resample(samples, 16_000, 16_000) is samples
    assert resample(array("h"), 8_000, 16_000) == array("h")


@given(
    st.lists(st.integers(-32_768, 32_767), max_size=200),
    st.sampled_from([8_000, 22_050, 44_100, 48_000]),
)
def test_resampling_never_leaves_the_range_of_its_input(values: list[int], from_hz: int) -> None:
    after = resample(array("h", values), from_hz, 16_000)
    assert len(after) == len(values) * 16_000 // from_hz
    assert all(min(values) <= sample <= max(values) for sample in after)


def test_each_width_of_a_sample_becomes_sixteen_bits() -> None:
    assert list(widen(bytes([0, 128, 255]), 1)) == [-32_768, 0, 32_512]
    assert list(widen(b"\x01\x02", 2)) == [0x0201]
    assert list(widen(b"\xff\x01\x02\xff\x00\x80", 3)) == [0x0201, -32_768]
    assert list(widen(b"\xff\xff\x01\x02", 4)) == [0x0201]
    with pytest.raises(ValueError, match="5 bytes"):
        widen(b"12345", 5)


def test_channels_are_averaged() -> None:
    assert list(mix_down(array("h", [100, 300, -100, -300]), 2)) == [200, -200]
    assert list(mix_down(array("h", [3, 6, 9, 1, 1, 1]), 3)) == [6, 1]
    assert list(mix_down(array("h", [5, 6]), 1)) == [5, 6]


def test_durations_and_loudness_are_those_of_the_samples() -> None:
    assert duration_ms(silence(256)) == 256
    assert loudness(silence(100)) == 0.0
    assert loudness(b"") == 0.0
    assert loudness(b"\x00\x80" * 100) == 1.0
    assert list(to_samples(b"\x01\x00\x02")) == [1]
