"""The opus codec, with speech and with packets that a client made."""

from pathlib import Path

import pytest

from peers.engines import opus
from peers.pcm import duration_ms, loudness, silence
from peers.recordings import carried_recordings
from peers.wav import read_wav
from protocol.audio.framing import join_packets, opus_ticks, split_packets, ticks_to_ms

SENT = Path(__file__).parents[2] / "data" / "speech" / "librivox-0880.opus"
"""What a client of another make sent."""


def test_speech_survives_the_codec() -> None:
    pcm = read_wav(carried_recordings()[1].path)
    packets = opus.encode(pcm)
    assert ticks_to_ms(opus_ticks(join_packets(packets))) == -(-duration_ms(pcm) // 20) * 20
    heard = opus.decode(packets)
    assert abs(duration_ms(heard) - duration_ms(pcm)) <= 20
    assert loudness(heard) == pytest.approx(loudness(pcm), rel=0.1)


def test_packets_of_a_client_are_decoded() -> None:
    heard = opus.decode(split_packets(SENT.read_bytes()))
    assert loudness(heard) == pytest.approx(
        loudness(read_wav(carried_recordings()[1].path)), rel=0.1
    )


def test_speech_of_another_rate_is_brought_to_that_of_the_packets() -> None:
    half_a_second = b"\x00\x10" * 11_025
    packets = opus.encode(half_a_second, 22_050)
    assert len(packets) == 25
    assert opus.encode(b"", 22_050) == []


def test_what_does_not_fill_a_packet_waits_for_more_or_for_the_end() -> None:
    encoder = opus.OpusEncoder()
    assert len(encoder.encode(silence(256))) == 12
    assert len(encoder.encode(silence(4))) == 1
    assert encoder.flush() == []
    assert encoder.encode(silence(10)) == []
    assert len(encoder.flush()) == 1


def test_packets_are_found_behind_their_lengths_as_far_as_they_go() -> None:
    assert opus.unframed(b"\x02\x00ab\x00\x00\x01\x00c") == [b"ab", b"c"]
    assert opus.unframed(b"\x01\x00a\x05\x00bc") == [b"a"]
    assert opus.unframed(b"\x01\x20" + bytes(8193) + b"\x01\x00a") == [b"a"]
    assert opus.unframed(b"\x01") == []


def test_broken_packets_are_left_out_as_long_as_one_is_whole() -> None:
    good = opus.encode(silence(100))
    assert len(opus.decode([b"", b"\xff\xff\xff", *good])) == len(opus.decode(good))
    with pytest.raises(opus.OpusError, match="none of 2"):
        opus.decode([b"\xff\xff\xff", b""])
    assert opus.decode([]) == b""
