"""Recordings of every kind: read from files and through pipes."""

import io
from pathlib import Path

import pytest

from peers.media import MediaError, piped, read_audio
from peers.pcm import duration_ms
from tests.support.encoded import encoded

pytest.importorskip("av", reason="without PyAV only WAV is read")

NAMES = ["song.mp3", "disc.flac", "voice-memo.m4a", "disc.ogg", "phone.webm", "radio.aac"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_kind_is_pcm_of_16_khz(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(name))
    assert duration_ms(read_audio(path)) == pytest.approx(2_990, abs=100)


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_may_bring_any_of_them(name: str) -> None:
    pieces = list(piped(io.BytesIO(encoded(name)), 8_192))
    assert {len(piece) for piece in pieces[:-1]} == {8_192}
    assert duration_ms(b"".join(pieces)) == pytest.approx(2_990, abs=100)


@pytest.mark.parametrize("pcm", [b"", b"\1", bytes(20_000), bytes(range(256)) * 100])
def test_a_pipe_of_raw_samples_is_passed_on_as_it_is(pcm: bytes) -> None:
    assert b"".join(piped(io.BytesIO(pcm), 8_192)) == pcm


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("notes.txt", b"a shopping list", "not audio"),
        ("broken.mp3", b"ID3" + bytes(900), "not audio"),
        ("empty.wav", b"", "not audio"),
    ],
)
def test_what_is_no_recording_is_one_line_that_names_it(
    name: str, data: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(MediaError) as refused:
        read_audio(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert says in str(refused.value)
    with pytest.raises(MediaError, match="no such file"):
        read_audio(tmp_path / "missing.mp3")
