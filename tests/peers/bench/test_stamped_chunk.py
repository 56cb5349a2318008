"""Audio that carries the moment it was sent."""

import base64

import pytest

from peers.bench.stamped_chunk import CHUNK_BYTES, CHUNK_MS, chunk, chunk_base64, read_stamp
from protocol.audio.framing import AudioFormat, audio_ticks, is_opus_framed, ticks_to_ms
from protocol.audio.loudness import is_silent

STAMP_NS = 123_456_789_012_345


def test_a_chunk_is_opus_framing_of_260_ms_that_is_not_silent() -> None:
    audio = chunk(STAMP_NS)
    assert len(audio) == CHUNK_BYTES == 858
    assert is_opus_framed(audio)
    assert ticks_to_ms(audio_ticks(audio, AudioFormat.OPUS, 16000)) == CHUNK_MS == 260
    assert base64.b64decode(chunk_base64(STAMP_NS)) == audio


def test_the_stamp_of_the_last_chunk_is_found_in_joined_audio() -> None:
    joined = base64.b64encode(chunk(1) + chunk(2) + chunk(STAMP_NS)).decode()
    assert read_stamp(joined) == STAMP_NS


@pytest.mark.parametrize("audio", ["", "AAAA", base64.b64encode(bytes(CHUNK_BYTES)).decode()])
def test_audio_without_a_stamp_has_none(audio: str) -> None:
    assert read_stamp(audio) is None


def test_a_short_chunk_counts_as_speech() -> None:
    assert not is_silent(
        chunk(0), AudioFormat.OPUS, 16_000, silence_rms=0.003, silence_opus_bytes=12
    )
