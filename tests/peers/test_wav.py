"""WAV files as people have them."""

import math
import wave
from pathlib import Path

import pytest

from peers.pcm import duration_ms, loudness
from peers.recordings import carried_recordings
from peers.wav import WavError, read_wav, write_wav


def write(path: Path, rate_hz: int, channels: int, width: int) -> Path:
    """Write half a second of a tone."""
    frames = bytearray()
    for index in range(rate_hz // 2):
        value = round(10_000 * math.sin(index * 0.1))
        sample = (
            bytes([(value >> 8) + 128])
            if width == 1
            else bytes(width - 2) + value.to_bytes(2, "little", signed=True)
        )
        frames += sample * channels
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(bytes(frames))
    return path


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1)])
def test_every_kind_of_file_becomes_16_khz_mono(
    tmp_path: Path, rate_hz: int, channels: int, width: int
) -> None:
    pcm = read_wav(write(tmp_path / "tone.wav", rate_hz, channels, width))
    assert abs(duration_ms(pcm) - 500) <= 1
    assert loudness(pcm) == pytest.approx(10_000 / 32_768 / math.sqrt(2), rel=0.05)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    pcm = b"\x01\x02" * 1600
    write_wav(tmp_path / "deep" / "down.wav", pcm)
    assert read_wav(tmp_path / "deep" / "down.wav") == pcm


def test_what_is_no_wav_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "song.wav"
    text.write_text("la la la")
    empty = tmp_path / "empty.wav"
    empty.touch()
    for path, why in [
        (text, "not a PCM WAV file"),
        (empty, "ends too early"),
        (tmp_path / "none.wav", "no such file"),
        (tmp_path, "irectory"),
    ]:
        with pytest.raises(WavError, match=why) as refusal:
            read_wav(path)
        assert "\n" not in str(refusal.value)


def test_the_carried_recordings_are_what_their_description_says() -> None:
    lengths = {r.name: round(duration_ms(read_wav(r.path)) / 1000, 1) for r in carried_recordings()}
    assert lengths == {"librivox-0870": 7.1, "librivox-0880": 3.0, "librivox-0930": 3.3}
