"""From what clients send to packets or samples: containers, odd pieces, odd packets."""

import io
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media import ContainedSource, Encoding, RawSource
from actors.session.uplink.declared import Declared
from actors.session.uplink.intake import AudioIntake, Taken
from actors.session.uplink.whole import WholeAudio, whole_audio
from protocol.audio.framing import AudioFormat, framed_ticks, join_packets, split_packets
from protocol.errors import ErrorCode, ProtocolError
from protocol.ids import SessionId
from protocol.messages.session_inbound import Utterance
from tests.actors.support.speaker import SPEECH, opus, pcm

PCM, OPUS = AudioFormat.PCM16, AudioFormat.OPUS
WEBM = b"\x1a\x45\xdf\xa3" + bytes(300)
AAC = (b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)) * 3
CASES = Path(__file__).parents[3] / "data" / "audio"
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
        if taken[-1].begins is not None:
            audio_format = taken[-1].begins[0]
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
    assert [each.begins for each in taken if each.begins] == [(PCM, rate_hz)]


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
    intake = AudioIntake(Declared(unsupported="mulaw"))
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


def whole(
    audio: bytes,
    audio_format: AudioFormat = PCM,
    rate_hz: int = 16_000,
    *,
    can_convert: bool = False,
) -> WholeAudio:
    spoken = Utterance(
        session_id=SessionId("s"),
        utterance_index=0,
        manual_cut=True,
        src_lang="en",
        tgt_lang="es",
        audio=audio,
        audio_format=audio_format,
        sample_rate=rate_hz,
    )
    return whole_audio(spoken, can_convert=can_convert)


def test_a_whole_wav_is_its_samples() -> None:
    assert whole(wav(pcm(100), 48_000))[:4] == (pcm(100), PCM, 48_000, None)
    assert whole(pcm(100)).is_as_declared
    assert whole(opus(), OPUS).is_as_declared
    with pytest.raises(ProtocolError):
        whole(WEBM)


@pytest.mark.parametrize("length", [4, 12, 20, 36, 43, 44, 45])
def test_a_whole_wav_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        whole(wav(pcm(100))[:length])
    assert refused.value.code is ErrorCode.UNSUPPORTED_AUDIO


@pytest.mark.parametrize("rate_hz", [1, 7_999, 48_001, 4_000_000_000])
def test_a_wav_of_a_senseless_rate_is_refused(rate_hz: int) -> None:
    data = wav(pcm(100))
    data = data[:24] + rate_hz.to_bytes(4, "little") + data[28:]
    with pytest.raises(ProtocolError):
        whole(data)
    data = data[:24] + bytes(4) + data[28:]
    with pytest.raises(ProtocolError):
        take_all(AudioIntake(), data, 500, None)


# ---- with converters ------------------------------------------------------------------------

CAN = Declared(can_convert=True)


def fed(taken: list[Taken]) -> bytes:
    return b"".join(each.audio for each in taken if each.is_fed)


def sources(taken: list[Taken]) -> list[object]:
    return [each.source for each in taken if each.source is not None]


@pytest.mark.parametrize("size", [3, 7, 250, 1_000, 100_000])
@pytest.mark.parametrize("declared", [None, PCM, OPUS])
@pytest.mark.parametrize("name", ["container.ogg", "container.webm"])
def test_opus_leaves_its_container_as_it_is(
    name: str, size: int, declared: AudioFormat | None
) -> None:
    taken = take_all(AudioIntake(CAN), (CASES / name).read_bytes(), size, declared)
    packets = split_packets(joined(taken))
    assert len(packets) == 150
    assert [each.begins for each in taken if each.begins] == [(OPUS, 16_000)]
    assert sum(each.opus_ticks or 0 for each in taken) == 150 * 960
    assert not fed(taken)


@pytest.mark.parametrize("size", [1, 250, 100_000])
@pytest.mark.parametrize("head", [b"fLaC", b"ID3\x04", b"\0\0\0\x18ftypM4A ", AAC])
def test_any_other_container_is_converted_from_its_first_byte(head: bytes, size: int) -> None:
    data = head + bytes(500)
    taken = take_all(AudioIntake(CAN), data, size, None)
    assert fed(taken) == data
    [source] = sources(taken)
    assert isinstance(source, ContainedSource)


@pytest.mark.parametrize("size", [7, 3_999])
def test_a_wav_that_is_no_plain_pcm_is_converted_without_its_header(size: int) -> None:
    taken = take_all(AudioIntake(CAN), wav(pcm(100), 44_100, channels=2), size, None)
    assert sources(taken) == [RawSource(Encoding.S16LE, 44_100, 2)]
    assert fed(taken) == pcm(100)
    taken = take_all(AudioIntake(CAN), wav(pcm(100)), size, None)
    assert joined(taken) == pcm(100)
    assert not fed(taken)


def test_what_is_declared_is_converted_and_opus_is_not() -> None:
    source = RawSource(Encoding.S16LE, 48_000)
    declared = Declared(rate_hz=48_000, source=source, can_convert=True)
    assert sources(take_all(AudioIntake(declared), pcm(100), 999, None)) == [source]
    taken = take_all(AudioIntake(declared), SPEECH, len(SPEECH), None)
    assert joined(taken) == SPEECH
    assert not fed(taken)


def test_after_a_container_the_format_is_as_it_was_declared() -> None:
    intake = AudioIntake(CAN)
    take_all(intake, (CASES / "container.webm").read_bytes(), 1_000, None)
    assert [each.begins for each in take_all(intake, pcm(100), 3_200, OPUS)] == [
        (None, 16_000),
        None,
    ]
    assert not any(each.begins for each in take_all(intake, pcm(100), 3_200, PCM))


def test_who_gets_no_converter_keeps_its_rate_or_hears_a_refusal() -> None:
    intake = AudioIntake(Declared(source=RawSource(Encoding.S16LE, 48_000), can_convert=True))
    first = intake.take(b"\1\2\3", 0, PCM, is_final=False)
    assert first.is_fed
    assert intake.keep_rate(first.audio, 48_000)[:3] == (b"\1\2", 0, (PCM, 48_000))
    assert intake.take(b"\4", 0, PCM, is_final=False).audio == b"\3\4"
    intake.refuse("busy")
    assert not intake.take(b"\4" * 10, 0, PCM, is_final=False).audio


def test_a_whole_utterance_says_what_it_has_to_be_converted_from() -> None:
    assert whole(pcm(100), rate_hz=48_000, can_convert=True).source == RawSource(
        Encoding.S16LE, 48_000
    )
    assert whole(b"fLaC" + bytes(99), can_convert=True).source == ContainedSource("flac")
    taken = whole((CASES / "container.webm").read_bytes(), OPUS, can_convert=True)
    assert (taken.audio_format, taken.source) == (OPUS, None)
    assert len(split_packets(taken.audio)) == 150
