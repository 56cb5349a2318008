"""Speech to chunks and back."""

import base64

import pytest

from peers.client.speech import ChunkEncoder, SpeechFormatError, best_format, spoken_pcm
from peers.engines import opus
from peers.pcm import duration_ms, silence
from protocol.audio.framing import AudioFormat, join_packets
from protocol.ids import SessionId
from protocol.messages.session_outbound import TranslationResult


def result(audio: bytes | str, tts_format: str) -> TranslationResult:
    text = audio if isinstance(audio, str) else base64.b64encode(audio).decode()
    return TranslationResult(
        session_id=SessionId("s"),
        utterance_index=0,
        job_id="j",
        tts_audio=text,
        tts_format=tts_format,
    )


def test_speech_of_both_formats_becomes_pcm() -> None:
    framed = join_packets(opus.encode(silence(100)))
    assert duration_ms(spoken_pcm(result(framed, "opus"))) == 100
    assert spoken_pcm(result(b"\x01\x02", "pcm16")) == b"\x01\x02"
    assert spoken_pcm(result("", "opus")) == b""


@pytest.mark.parametrize(("audio", "tts_format"), [("not base64!", "pcm16"), (b"\x01\x00", "opus")])
def test_broken_speech_is_named(audio: bytes | str, tts_format: str) -> None:
    with pytest.raises(SpeechFormatError, match="cannot be decoded"):
        spoken_pcm(result(audio, tts_format))


def test_without_opus_pcm_is_sent_and_opus_speech_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    framed = join_packets(opus.encode(silence(20)))
    assert best_format() is AudioFormat.OPUS
    monkeypatch.setattr(opus, "is_installed", lambda: False)
    assert best_format() is AudioFormat.PCM16
    with pytest.raises(SpeechFormatError, match="PyAV"):
        spoken_pcm(result(framed, "opus"))


def test_pcm_chunks_keep_nothing_back() -> None:
    encoder = ChunkEncoder(AudioFormat.PCM16)
    assert encoder.encode(b"\x01\x02\x03\x04") == b"\x01\x02\x03\x04"
    assert encoder.flush() == b""
