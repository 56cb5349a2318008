"""What is silent throughout, against recordings and literal samples."""

import random
import wave
from array import array
from math import pi, sin
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio.framing import AudioFormat, join_packets, silence
from protocol.audio.loudness import is_silent, rms

SPEECH = Path(__file__).parents[2] / "data" / "speech"
WAVES = Path(__file__).parents[3] / "peers" / "data" / "speech"
RECORDINGS = ("librivox-0870", "librivox-0880", "librivox-0930")
SILK = 0x48
"""Wideband SILK, 20 ms, mono, one frame: what the clients send."""
RATE_HZ = 16_000
LIMITS = {"silence_rms": 0.003, "silence_opus_bytes": 12}


def is_silent_pcm(data: bytes) -> bool:
    return is_silent(data, AudioFormat.PCM16, RATE_HZ, **LIMITS)


def is_silent_opus(data: bytes) -> bool:
    return is_silent(data, AudioFormat.OPUS, RATE_HZ, **LIMITS)


def samples(values: list[int]) -> bytes:
    return array("h", values).tobytes()


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_speech_is_not_silent(name: str) -> None:
    with wave.open(str(WAVES / f"{name}.wav")) as recording:
        pcm = recording.readframes(recording.getnframes())
    assert not is_silent_pcm(pcm)
    assert not is_silent_opus((SPEECH / f"{name}.opus").read_bytes())


def test_digital_silence_of_a_browser_is_silent() -> None:
    chunk = join_packets([bytes([SILK]) + bytes(7)] * 12 + [bytes([SILK]) + bytes(9)])
    assert len(chunk) == 132
    assert is_silent_opus(chunk)


def test_opus_is_silent_when_no_packet_is_longer_than_the_limit() -> None:
    quiet, loud = bytes([SILK]) * 12, bytes([SILK]) * 13
    assert is_silent_opus(join_packets([quiet] * 500))
    assert not is_silent_opus(join_packets([quiet] * 500 + [loud]))


def test_pcm_is_silent_below_the_share_of_full_scale() -> None:
    assert is_silent_pcm(samples([98, -98] * 800))
    assert not is_silent_pcm(samples([99, -99] * 800))


@pytest.mark.parametrize("seconds", [0.1, 0.5, 60])
def test_zeros_are_silent_however_long_they_last(seconds: float) -> None:
    assert is_silent_pcm(bytes(int(seconds * 32_000)))


def test_twenty_audible_milliseconds_are_enough_in_a_minute_of_silence() -> None:
    minute, word = bytes(60 * 32_000), samples([200, -200] * 160)
    assert is_silent_pcm(minute)
    assert not is_silent_pcm(minute + word)
    assert not is_silent_pcm(word + minute)


def test_a_click_is_no_speech() -> None:
    assert is_silent_pcm(bytes(6_400) + samples([1_500]) + bytes(6_400))


def test_loudness_is_the_root_of_the_mean_square() -> None:
    tone = samples([round(16_384 * sin(2 * pi * n / 160)) for n in range(1_600)])
    assert rms(tone) == pytest.approx(0.35355, abs=0.0001)
    assert rms(b"") == 0


def test_an_odd_byte_at_the_end_is_not_heard() -> None:
    assert is_silent_pcm(bytes(3_200) + b"\x7f")
    assert is_silent_pcm(b"\x7f")


def test_nothing_is_silent() -> None:
    assert is_silent_pcm(b"")
    assert is_silent_opus(b"")


@pytest.mark.parametrize("audio_format", list(AudioFormat))
def test_made_silence_is_silent(audio_format: AudioFormat) -> None:
    made = silence(audio_format, 280, RATE_HZ)
    assert is_silent(made, audio_format, RATE_HZ, **LIMITS)


@given(st.binary(max_size=2_000))
def test_any_bytes_are_silent_or_not(data: bytes) -> None:
    for audio_format in AudioFormat:
        is_silent(data, audio_format, RATE_HZ, **LIMITS)


@given(st.integers(0, 400), st.integers(1, 4_000), st.randoms(use_true_random=False))
def test_noise_is_silent_as_each_20_ms_of_it_are(
    loudness: int, length: int, chance: random.Random
) -> None:
    noise = samples([chance.randint(-loudness, loudness) for _ in range(length)])
    blocks = [noise[start : start + 640] for start in range(0, len(noise), 640)]
    assert is_silent_pcm(noise) == all(rms(block) < LIMITS["silence_rms"] for block in blocks)
