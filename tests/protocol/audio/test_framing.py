"""Framing, durations and silence, against recordings and the text of RFC 6716."""

import random
import wave
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.audio.framing import (
    MOST_CHUNK_PACKETS,
    AudioFormat,
    audio_ticks,
    framed_ticks,
    is_opus_framed,
    join_packets,
    opus_ticks,
    packet_ticks,
    pcm_ticks,
    silence,
    split_packets,
    ticks_to_ms,
    valid_packets,
)

SPEECH = Path(__file__).parents[2] / "data" / "speech"
WAVES = Path(__file__).parents[3] / "peers" / "data" / "speech"
RECORDINGS = ("librivox-0870", "librivox-0880", "librivox-0930")
TICKS_OF_20_MS = 960
SILK = 0x48
"""Wideband SILK, 20 ms, mono, one frame: what the clients send."""


def pcm_of(name: str) -> bytes:
    with wave.open(str(WAVES / f"{name}.wav")) as recording:
        assert (recording.getframerate(), recording.getnchannels()) == (16_000, 1)
        assert recording.getsampwidth() == 2
        pcm: bytes = recording.readframes(recording.getnframes())
        return pcm


def opus_of(name: str) -> bytes:
    return (SPEECH / f"{name}.opus").read_bytes()


def samples(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(2, "little", signed=True) for value in values)


# ---- what the recordings say ----------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_opus_lasts_as_long_as_the_same_words_in_pcm(name: str) -> None:
    opus, pcm = opus_of(name), pcm_of(name)
    difference = opus_ticks(opus) - pcm_ticks(len(pcm), 16_000)
    assert 0 <= difference < 2 * TICKS_OF_20_MS  # the last packet is padded, the encoder is late
    assert framed_ticks(opus) == opus_ticks(opus)


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_opus_is_packets_of_20_ms(name: str) -> None:
    packets = split_packets(opus_of(name))
    assert {packet_ticks(packet) for packet in packets} == {TICKS_OF_20_MS}
    assert join_packets(packets) == opus_of(name)


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_are_told_apart_by_their_framing(name: str) -> None:
    assert is_opus_framed(opus_of(name))
    assert not is_opus_framed(pcm_of(name))
    pcm = pcm_of(name)
    for start in range(0, len(pcm), 8192):
        assert not is_opus_framed(pcm[start : start + 8192])


# ---- durations ------------------------------------------------------------------------------


def table_2_of_the_rfc() -> list[tuple[str, float]]:
    """Return mode and frame length in ms for each configuration, as the RFC's rows say."""
    rows = [
        *[("SILK-only", (10, 20, 40, 60))] * 3,  # NB 0..3, MB 4..7, WB 8..11
        *[("Hybrid", (10, 20))] * 2,  # SWB 12..13, FB 14..15
        *[("CELT-only", (2.5, 5, 10, 20))] * 4,  # NB 16..19, WB 20..23, SWB 24..27, FB 28..31
    ]
    return [(mode, ms) for mode, sizes in rows for ms in sizes]


def slow_packet_ms(packet: bytes) -> float:
    """Follow RFC 6716 sections 3.1 and 3.2 word by word; 0 for what they do not allow."""
    if len(packet) < 1:
        return 0  # R1: at least one byte
    bits = f"{packet[0]:08b}"
    config, count_code = int(bits[:5], 2), int(bits[6:], 2)
    _, frame_ms = table_2_of_the_rfc()[config]
    if count_code == 0:
        frames = 1
    elif count_code in (1, 2):
        frames = 2
    else:
        if len(packet) < 2:
            return 0  # R6, R7: at least two bytes
        bits_of_count = slice(2, 8)  # after the marks of variable size and padding
        frames = int(f"{packet[1]:08b}"[bits_of_count], 2)
    total_ms = frames * frame_ms
    return total_ms if 0 < total_ms <= 120 else 0  # R5


def test_every_first_and_second_byte_lasts_what_the_rfc_says() -> None:
    for toc in range(256):
        assert packet_ticks(bytes([toc])) == slow_packet_ms(bytes([toc])) * 48
        for second in range(256):
            packet = bytes([toc, second, 0])
            assert packet_ticks(packet) == slow_packet_ms(packet) * 48, packet


def test_framed_and_tolerant_durations_agree_for_every_first_and_second_byte() -> None:
    for toc in range(256):
        for second in range(256):
            framed = join_packets([bytes([toc, second, 7])])
            expected = packet_ticks(bytes([toc, second, 7]))
            assert opus_ticks(framed) == framed_ticks(framed) == expected


def test_a_packet_has_at_most_48_frames() -> None:
    shortest = 0x83  # CELT, 2.5 ms, counted
    assert packet_ticks(bytes([shortest, 48])) == 5760
    assert packet_ticks(bytes([shortest, 49])) == 0
    assert packet_ticks(bytes([shortest, 0])) == 0


def test_half_a_sample_lasts_nothing() -> None:
    assert pcm_ticks(6401, 16_000) == pcm_ticks(6400, 16_000) == 200 * 48


@pytest.mark.parametrize("rate_hz", [8_000, 12_000, 16_000, 24_000, 48_000])
def test_one_second_of_pcm_is_one_second_at_every_usual_rate(rate_hz: int) -> None:
    assert ticks_to_ms(audio_ticks(bytes(2 * rate_hz), AudioFormat.PCM16, rate_hz)) == 1000


def test_milliseconds_are_rounded_down() -> None:
    assert [ticks_to_ms(ticks) for ticks in (0, 47, 48, 95, 96)] == [0, 0, 1, 1, 2]


def test_broken_framing_counts_up_to_the_break() -> None:
    whole = join_packets([bytes([SILK, 1, 2])] * 3)
    assert opus_ticks(whole) == 3 * TICKS_OF_20_MS
    assert opus_ticks(whole[:-1]) == 2 * TICKS_OF_20_MS
    assert opus_ticks(whole + b"\x00\x00") == 3 * TICKS_OF_20_MS
    assert framed_ticks(whole[:-1]) == 0


# ---- framing --------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=20))
def test_packets_with_a_plain_first_byte_are_recognised(bodies: list[bytes]) -> None:
    packets = [bytes([SILK]) + body for body in bodies]
    framed = join_packets(packets)
    assert is_opus_framed(framed)
    assert split_packets(framed) == packets
    assert audio_ticks(framed, AudioFormat.OPUS, 16_000) == len(packets) * TICKS_OF_20_MS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01\x00",
        b"\x00\x00",
        b"\x02\x00\x48",
        b"\x01\x00\x48\x00",
        b"\x01\x00\x48\x00\x00",
        b"\x01\x00\x4b",
        b"\x02\x00\x4b\x00",
        b"\x02\x00\x4b\x3f",
        (4097).to_bytes(2, "little") + bytes([SILK]) * 4097,
    ],
    ids=[
        "nothing",
        "half a length",
        "a length alone",
        "an empty packet",
        "a truncated packet",
        "half a length at the end",
        "an empty packet at the end",
        "a missing frame count",
        "no frames",
        "63 frames",
        "a packet too long for nodes",
    ],
)
def test_what_breaks_the_framing_is_not_opus(data: bytes) -> None:
    assert not is_opus_framed(data)
    assert not is_opus_framed(data)


def test_the_longest_packet_that_nodes_take_is_opus() -> None:
    assert is_opus_framed(join_packets([bytes([SILK]) * 4096]))


def test_splitting_what_is_not_framed_is_refused() -> None:
    with pytest.raises(ValueError, match="not opus packets"):
        split_packets(b"\x05\x00\x48")
    assert split_packets(b"") == []


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_measured(data: bytes) -> None:
    assert opus_ticks(data) >= framed_ticks(data) >= 0
    assert is_opus_framed(data) == (framed_ticks(data) > 0)
    for audio_format in AudioFormat:
        assert audio_ticks(data, audio_format, 16_000) >= 0


@pytest.mark.parametrize("loudness", [0, 1, 2, 5, 10, 30, 100, 1_000, 20_000])
def test_noise_in_pcm_is_never_taken_for_opus(loudness: int) -> None:
    chance = random.Random(loudness)
    for _ in range(20):
        noise = samples([chance.randint(-loudness, loudness) for _ in range(1_600)])
        assert not is_opus_framed(noise)


def test_random_bytes_are_never_taken_for_opus() -> None:
    chance = random.Random(1)
    assert not any(is_opus_framed(chance.randbytes(3_200)) for _ in range(2_000))


# ---- silence --------------------------------------------------------------------------------


@pytest.mark.parametrize("audio_format", list(AudioFormat))
@pytest.mark.parametrize("duration_ms", [20, 200, 280])
def test_made_silence_has_its_format_and_length(
    audio_format: AudioFormat, duration_ms: int
) -> None:
    made = silence(audio_format, duration_ms, 16_000)
    assert is_opus_framed(made) == (audio_format is AudioFormat.OPUS)
    assert ticks_to_ms(audio_ticks(made, audio_format, 16_000)) == duration_ms


def test_opus_silence_comes_in_whole_packets() -> None:
    assert ticks_to_ms(opus_ticks(silence(AudioFormat.OPUS, 201, 16_000))) == 220


def decoded_peaks(packets: list[bytes]) -> list[int]:
    """Return the loudest sample of each packet as libopus decodes them, 20 ms each."""
    av = pytest.importorskip("av", reason="PyAV is missing: opus packets were NOT decoded")
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    peaks = []
    for packet in packets:
        for frame in decoder.decode(av.Packet(packet)):
            assert frame.samples == TICKS_OF_20_MS
            pcm = array("h")
            pcm.frombytes(bytes(frame.planes[0])[: 2 * frame.samples])
            peaks.append(max(abs(sample) for sample in pcm))
    return peaks


def test_libopus_decodes_made_silence_to_silence() -> None:
    peaks = decoded_peaks(split_packets(silence(AudioFormat.OPUS, 200, 16_000)))
    assert len(peaks) == 10
    assert max(peaks) <= 1


def test_made_silence_can_follow_speech_in_one_stream() -> None:
    speech = split_packets(opus_of("librivox-0880"))
    peaks = decoded_peaks(speech + split_packets(silence(AudioFormat.OPUS, 200, 16_000)))
    assert len(peaks) == len(speech) + 10
    assert max(peaks[: len(speech)]) > 3_000
    assert max(peaks[-8:]) <= 1


def test_an_empty_packet_before_very_many_does_not_make_them_be_looked_at_one_by_one() -> None:
    packet = b"\x01\x00\x08"
    assert valid_packets(b"\x00\x00" + packet * (MOST_CHUNK_PACKETS - 1), is_opus=True)
    assert valid_packets(b"\x00\x00" + packet * MOST_CHUNK_PACKETS, is_opus=True) is None
