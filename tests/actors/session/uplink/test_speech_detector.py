"""Who speaks, by level and by packet; what no stream may do to a detector."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.session.uplink.speech_detector import (
    OpusSpeechDetector,
    PcmSpeechDetector,
    SpeechDetector,
    speech_detector,
)
from protocol.audio.framing import TICKS_PER_MS, AudioFormat, join_packets, pcm_ticks, split_packets
from tests.actors.support.speaker import pcm, silent_opus

PACKETS = Path(__file__).parents[3] / "data" / "speech"
SILK, CELT = 0x48, 0xF8
"""20 ms in one frame, each."""
PACKET_TICKS = 960


def packet(toc: int, first: int, size: int = 60) -> bytes:
    return bytes([toc, first]) + bytes(size - 2)


def hear_opus(detector: SpeechDetector, packets: list[bytes]) -> bool:
    detector.hear(join_packets(packets), PACKET_TICKS * len(packets))
    return detector.is_speech


def test_voice_is_heard_in_recorded_opus_and_its_silence_is_not() -> None:
    detector = OpusSpeechDetector(12)
    packets = split_packets((PACKETS / "librivox-0870.opus").read_bytes())
    heard = [hear_opus(detector, packets[at : at + 13]) for at in range(0, len(packets), 13)]
    assert sum(heard) > 0.8 * len(heard)
    before = detector.silent_ticks
    for _ in range(3):
        detector.hear(silent_opus(), 13 * PACKET_TICKS)
    assert not detector.is_speech
    assert detector.silent_ticks == before + 3 * 13 * PACKET_TICKS


def test_an_encoder_that_hears_no_voice_in_its_noise_is_believed() -> None:
    detector = OpusSpeechDetector(12)
    assert hear_opus(detector, [packet(SILK, 0x80)] * 5)
    assert not hear_opus(detector, [packet(SILK, 0x7F)] * 5)
    assert detector.is_quiet


def test_an_encoder_without_a_flag_is_not_taken_for_silent() -> None:
    detector = OpusSpeechDetector(12)
    for _ in range(600):
        hear_opus(detector, [packet(SILK, 0)] * 5)
        assert not detector.is_quiet
    hear_opus(detector, [packet(SILK, 0, 8)] * 5)
    assert detector.is_quiet


@pytest.mark.parametrize("size", [13, 80, 160])
def test_packets_of_one_size_are_never_taken_for_silence(size: int) -> None:
    detector = OpusSpeechDetector(12)
    assert all(hear_opus(detector, [packet(CELT, 1, size)] * 5) for _ in range(600))


def test_celt_packets_are_judged_by_their_size_among_the_recent_ones() -> None:
    detector = OpusSpeechDetector(12)
    for _ in range(20):
        assert hear_opus(detector, [packet(CELT, 1, 160)] * 5)
    assert not hear_opus(detector, [packet(CELT, 1, 40)] * 5)
    assert hear_opus(detector, [packet(CELT, 1, 120)] * 5)


def test_a_lone_packet_of_a_small_chunk_says_little() -> None:
    detector = OpusSpeechDetector(12)
    hear_opus(detector, [packet(SILK, 0x80)])
    assert not detector.is_speech
    assert not detector.is_quiet


def test_a_tone_is_heard_however_long_it_lasts() -> None:
    detector = PcmSpeechDetector(16_000, 0.003)
    for _ in range(600):
        detector.hear(pcm(100), 100 * TICKS_PER_MS)
        assert detector.is_speech


def test_who_speaks_from_the_first_chunk_on_is_heard() -> None:
    detector = PcmSpeechDetector(16_000, 0.003)
    detector.hear(pcm(20, sample=400), 20 * TICKS_PER_MS)
    assert detector.is_speech


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("chunk_ms", [5, 20, 100, 256, 1000])
def test_silence_is_counted_at_any_rate_and_in_any_pieces(rate_hz: int, chunk_ms: int) -> None:
    detector = PcmSpeechDetector(rate_hz, 0.003)
    samples = rate_hz * chunk_ms // 1000
    ticks = pcm_ticks(2 * samples, rate_hz)
    detector.hear(b"\x00\x20" * samples, ticks)
    assert detector.is_speech
    for _ in range(2_000 // chunk_ms):
        detector.hear(bytes(2 * samples), ticks)
    assert not detector.is_speech
    assert 1_700 * TICKS_PER_MS <= detector.silent_ticks <= 2_000 * TICKS_PER_MS


@given(st.lists(st.tuples(st.binary(max_size=400), st.integers(0, 60_000)), max_size=8))
def test_no_bytes_are_too_odd(chunks: list[tuple[bytes, int]]) -> None:
    for audio_format in AudioFormat:
        detector = speech_detector(audio_format, 16_000, 0.003, 12)
        for audio, ticks in chunks:
            detector.hear(audio, ticks)


def test_random_packets_never_raise() -> None:
    chance = random.Random(1)
    detector = OpusSpeechDetector(12)
    for _ in range(500):
        packets = [chance.randbytes(chance.randint(1, 90)) for _ in range(chance.randint(1, 20))]
        hear_opus(detector, packets)
