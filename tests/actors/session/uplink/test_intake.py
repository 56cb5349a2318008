"""From what clients send to packets or samples: containers, odd pieces, odd packets."""

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.session.uplink.intake import AudioIntake, Taken, whole_audio
from protocol.audio.framing import AudioFormat, framed_ticks, join_packets
from protocol.errors import ErrorCode, ProtocolError
from tests.actors.support.speaker import SPEECH, opus, pcm

PCM, OPUS = AudioFormat.PCM16, AudioFormat.OPUS
WEBM = b"\x1a\x45\xdf\xa3" + bytes(300)
PACKET = bytes([0x48]) + bytes(range(1, 60))


def wav(samples: bytes, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples)
    return out.getvalue()


def take_all(
    intake: AudioIntake, data: bytes, size: int, audio_format: AudioFormat | None
) -> list[Taken]:
    """Send the data in pieces, then an empty final; the format is told as a session would."""
    taken = []
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        taken.append(intake.take(piece, framed_ticks(piece), audio_format, is_final=False))
        if taken[-1].pcm_rate_hz is not None:
            audio_format = PCM
    taken.append(intake.take(b"", 0, audio_format, is_final=True))
    return taken


def joined(taken: list[Taken]) -> bytes:
    return b"".join(each.audio for each in taken)


@pytest.mark.parametrize("size", [1, 3, 7, 999, 1_001, 4_095, 8_000])
@pytest.mark.parametrize("audio_format", [PCM, None])
def test_samples_may_be_cut_in_their_middle(size: int, audio_format: AudioFormat | None) -> None:
    samples = bytes(range(1, 251)) * 40
    taken = take_all(AudioIntake(), samples, size, audio_format)
    assert joined(taken) == samples
    assert not any(len(each.audio) & 1 for each in taken)


def test_half_a_sample_at_the_end_is_no_part_of_what_comes_next() -> None:
    intake = AudioIntake()
    take_all(intake, b"abc", 3, PCM)
    assert joined(take_all(intake, b"defg", 4, PCM)) == b"defg"


@pytest.mark.parametrize("size", [3, 7, 44, 3_999, 8_000])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("audio_format", [None, PCM, OPUS])
def test_a_wav_is_unwrapped_whatever_was_declared(
    size: int, rate_hz: int, audio_format: AudioFormat | None
) -> None:
    taken = take_all(AudioIntake(), wav(pcm(500), rate_hz), size, audio_format)
    assert joined(taken) == pcm(500)
    assert [each.pcm_rate_hz for each in taken if each.pcm_rate_hz] == [rate_hz]


def test_a_stream_after_a_final_may_be_something_else() -> None:
    intake = AudioIntake()
    assert joined(take_all(intake, wav(pcm(100)), 500, None)) == pcm(100)
    assert joined(take_all(intake, SPEECH, len(SPEECH), OPUS)) == SPEECH
    assert joined(take_all(intake, wav(pcm(100)), 500, OPUS)) == pcm(100)
    assert joined(take_all(intake, pcm(100), 500, PCM)) == pcm(100)


@pytest.mark.parametrize("size", [3, 250, 1_000])
def test_what_cannot_be_read_is_told_once_and_comes_to_nothing(size: int) -> None:
    intake, errors, audio = AudioIntake(), [], b""
    for at in range(0, len(WEBM), size):
        try:
            audio += intake.take(WEBM[at : at + size], 0, None, is_final=False).audio
        except ProtocolError as error:
            errors.append(error)
    [told] = errors
    assert (told.code, audio) == (ErrorCode.UNSUPPORTED_AUDIO, b"")
    assert told.message.startswith("webm cannot be read here: send ")
    assert intake.take(b"", 0, None, is_final=True).audio == b""
    assert intake.take(SPEECH, framed_ticks(SPEECH), None, is_final=False).audio == SPEECH


def test_a_wav_of_two_channels_is_told_what_it_is() -> None:
    with pytest.raises(ProtocolError, match="16-bit PCM, 2 channels, 8000 Hz"):
        take_all(AudioIntake(), wav(pcm(100), 8_000, channels=2), 500, None)


def test_what_the_client_declares_and_nobody_reads_is_refused_at_its_first_audio() -> None:
    intake = AudioIntake("mulaw")
    intake.take(b"", 0, None, is_final=True)
    with pytest.raises(ProtocolError, match="mulaw"):
        intake.take(b"\xff\x7f", 0, None, is_final=False)
    assert intake.take(b"\xff\x7f", 0, None, is_final=False).audio == b""


@pytest.mark.parametrize("audio_format", [OPUS, None])
@pytest.mark.parametrize("odd", [b"", b"\x03", b"\x03\x3f" + bytes(40)])
def test_an_empty_or_invalid_packet_is_left_out(
    odd: bytes, audio_format: AudioFormat | None
) -> None:
    chunk = join_packets([PACKET, odd, PACKET, PACKET])
    taken = AudioIntake().take(chunk, framed_ticks(chunk), audio_format, is_final=False)
    assert taken.audio == join_packets([PACKET] * 3)


def test_marks_for_lost_packets_alone_are_nothing_in_opus() -> None:
    intake = AudioIntake()
    intake.take(SPEECH, framed_ticks(SPEECH), None, is_final=False)
    assert intake.take(bytes(6), 0, OPUS, is_final=False).audio == b""


@pytest.mark.parametrize("samples", [bytes(3_200), b"\x01\x00" * 1_600, b"\xff\xff\x00\x00" * 800])
def test_quiet_samples_are_not_taken_for_packets(samples: bytes) -> None:
    assert joined(take_all(AudioIntake(), samples, 640, None)) == samples


def test_opus_goes_through_as_it_is() -> None:
    taken = AudioIntake().take(SPEECH, framed_ticks(SPEECH), None, is_final=False)
    assert taken.audio is SPEECH
    assert taken.opus_ticks == framed_ticks(SPEECH)


@given(st.binary(max_size=400), st.integers(1, 60), st.sampled_from((None, PCM, OPUS)))
def test_no_bytes_break_it(data: bytes, size: int, audio_format: AudioFormat | None) -> None:
    intake, codes = AudioIntake(), set()
    for prefix in (b"", b"RIFF", wav(b"")):
        try:
            take_all(intake, prefix + data, size, audio_format)
        except ProtocolError as error:
            codes.add(error.code)
        intake.take(b"", 0, audio_format, is_final=True)
    assert codes <= {ErrorCode.UNSUPPORTED_AUDIO}


def test_a_whole_wav_is_its_samples() -> None:
    assert whole_audio(wav(pcm(100), 48_000)) == (pcm(100), 48_000)
    assert whole_audio(pcm(100)) is None
    assert whole_audio(opus()) is None
    with pytest.raises(ProtocolError):
        whole_audio(WEBM)


@pytest.mark.parametrize("length", [4, 12, 20, 36, 43, 44, 45])
def test_a_whole_wav_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        whole_audio(wav(pcm(100))[:length])
    assert refused.value.code is ErrorCode.UNSUPPORTED_AUDIO


@pytest.mark.parametrize("rate_hz", [1, 7_999, 48_001, 4_000_000_000])
def test_a_wav_of_a_senseless_rate_is_refused(rate_hz: int) -> None:
    data = wav(pcm(100))
    data = data[:24] + rate_hz.to_bytes(4, "little") + data[28:]
    with pytest.raises(ProtocolError):
        whole_audio(data)
    data = data[:24] + bytes(4) + data[28:]
    with pytest.raises(ProtocolError):
        take_all(AudioIntake(), data, 500, None)
