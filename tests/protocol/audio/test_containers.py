"""Containers in whatever pieces they come; PCM and opus that only look like one."""

import io
import random
import wave
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio.containers import (
    Container,
    Undecided,
    WavError,
    WavFormat,
    WavUnwrapper,
    recognise,
)

WAVES = Path(__file__).parents[3] / "peers" / "data" / "speech"
PACKETS = Path(__file__).parents[2] / "data" / "speech"
MP3_FRAME = b"\xff\xf3\x48\xc4" + bytes(140)
"""MPEG 2, Layer III, 32 kbit/s at 16 kHz: 144 bytes."""
HEADS = {
    Container.WAV: b"RIFF\xff\xff\xff\xffWAVE",
    Container.OGG: b"OggS\x00\x02",
    Container.WEBM: b"\x1a\x45\xdf\xa3\x9f\x42",
    Container.MP4: b"\x00\x00\x00\x18ftypisom",
    Container.FLAC: b"fLaC\x00\x00",
    Container.MP3: b"ID3\x04\x00",
}


@pytest.mark.parametrize("container", list(HEADS))
def test_a_container_is_recognised_in_any_pieces(container: Container) -> None:
    head = HEADS[container]
    found = [recognise(head[:length]) for length in range(1, len(head) + 1)]
    decided = found.index(container)
    assert set(found[:decided]) <= {Undecided.MORE}
    assert set(found[decided:]) == {container}


def test_two_frames_of_mp3_are_recognised_and_one_is_not_yet() -> None:
    assert recognise(MP3_FRAME * 2) is Container.MP3
    assert recognise(MP3_FRAME) is Undecided.MORE
    assert recognise(MP3_FRAME + bytes(4)) is Undecided.NONE


@pytest.mark.parametrize("name", ["librivox-0870", "librivox-0880", "librivox-0930"])
def test_speech_is_no_container(name: str) -> None:
    with wave.open(str(WAVES / f"{name}.wav")) as recording:
        pcm = recording.readframes(recording.getnframes())
    packets = (PACKETS / f"{name}.opus").read_bytes()
    for start in range(0, len(pcm), 2):
        assert not isinstance(recognise(pcm[start : start + 3_200]), Container)
    assert recognise(packets) is Undecided.NONE


@pytest.mark.parametrize("loudness", [0, 1, 2, 5, 30, 1_000])
def test_quiet_samples_are_no_container(loudness: int) -> None:
    chance = random.Random(loudness)
    for _ in range(2_000):
        noise = array("h", [chance.randint(-loudness, loudness) for _ in range(1_600)]).tobytes()
        assert recognise(noise) in {Undecided.NONE, Undecided.MORE}


def test_zeros_are_decided_after_eight_bytes() -> None:
    assert recognise(bytes(8)) is Undecided.NONE


@given(st.binary(max_size=40))
def test_more_bytes_never_make_a_container_of_what_is_none(head: bytes) -> None:
    found = [recognise(head[:length]) for length in range(len(head) + 1)]
    if Undecided.NONE in found:
        assert set(found[found.index(Undecided.NONE) :]) == {Undecided.NONE}


# ---- WAV ----------------------------------------------------------------------------------------


def wav(samples: bytes, rate_hz: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(samples)
    return out.getvalue()


def unwrapped(data: bytes, size: int) -> tuple[bytes, WavFormat | None]:
    unwrapper = WavUnwrapper()
    pieces = [unwrapper.take(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join(pieces), unwrapper.format


@given(st.binary(max_size=300), st.integers(1, 400), st.sampled_from((8_000, 16_000, 44_100)))
def test_a_wav_is_its_samples_in_any_pieces(samples: bytes, size: int, rate_hz: int) -> None:
    samples = samples[: len(samples) // 2 * 2]
    assert unwrapped(wav(samples, rate_hz), size) == (samples, WavFormat(1, 1, rate_hz, 16))


def test_what_follows_the_samples_is_none_of_them() -> None:
    assert unwrapped(wav(b"abcd") + b"LIST\x04\x00\x00\x00info", 7)[0] == b"abcd"


def test_what_comes_before_the_samples_is_passed_over() -> None:
    data = wav(b"abcd")
    head = data[:36] + b"LIST\x05\x00\x00\x00infos\x00" + data[36:]
    assert unwrapped(head, 3)[0] == b"abcd"


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f"])
def test_a_streamed_wav_does_not_know_its_length(size: bytes) -> None:
    data = wav(b"")[:40] + size + b"abcdef"
    assert unwrapped(data, 5)[0] == b"abcdef"


def test_an_extensible_format_is_what_it_stands_for() -> None:
    head = wav(b"ab")
    chunk = (
        (b"\xfe\xff" + head[22:36]) + b"\x16\x00" + b"\x10\x00" + bytes(4) + b"\x01\x00" + bytes(14)
    )
    data = head[:16] + len(chunk).to_bytes(4, "little") + chunk + head[36:]
    samples, found = unwrapped(data, 9)
    assert (samples, found and found.is_mono_pcm16) == (b"ab", True)


@pytest.mark.parametrize(
    ("channels", "width", "text"),
    [
        (2, 2, "WAV of 16-bit PCM, 2 channels, 16000 Hz"),
        (1, 1, "WAV of 8-bit PCM, 1 channels, 16000 Hz"),
    ],
)
def test_other_samples_are_told_apart(channels: int, width: int, text: str) -> None:
    _, found = unwrapped(wav(b"abcd", channels=channels, width=width), 50)
    assert found is not None
    assert not found.is_mono_pcm16
    assert str(found) == text


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\x00\x00\x00\x00AVI LIST",
        b"RIFF\x00\x00\x00\x00WAVEdata\x04\x00\x00\x00abcd",
        b"RIFF\x00\x00\x00\x00WAVEfmt \x02\x00\x00\x00ab" + b"data" + bytes(8),
        b"RIFF\x00\x00\x00\x00WAVELIST\xff\xff\xff\x00" + bytes(70_000),
    ],
)
def test_what_only_begins_like_a_wav_is_refused(data: bytes) -> None:
    with pytest.raises(WavError):
        unwrapped(data, 1_000)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_no_bytes_break_it(data: bytes, size: int) -> None:
    try:
        unwrapped(HEADS[Container.WAV] + data, size)
    except WavError:
        return
