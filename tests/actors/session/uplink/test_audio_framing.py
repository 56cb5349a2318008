"""Which format a session's chunks have, told from their framing or declared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.session.cut import CutReason
from actors.session.uplink.audio_framing import AudioFraming
from protocol.audio.framing import AudioFormat, framed_ticks, join_packets
from protocol.errors import ErrorCode, ProtocolError
from tests.actors.support.speaker import SPEECH, Speaker, opus, pcm, reasons


def refused(speaker: Speaker, audio: bytes) -> bool:
    """Say it; return whether it was refused. A refused chunk leaves what is held as it was."""
    held_bytes, heard_ms = speaker.segmenter.held_bytes, speaker.segmenter.heard_ms
    try:
        speaker.say(audio, 1)
    except ProtocolError as error:
        refusal = error
    else:
        return False
    assert refusal.code is ErrorCode.INVALID_MESSAGE
    assert (speaker.segmenter.held_bytes, speaker.segmenter.heard_ms) == (held_bytes, heard_ms)
    return True


class TestFormat:
    def test_the_framing_of_the_first_chunk_decides(self) -> None:
        speaker = Speaker()
        assert speaker.segmenter.audio_format is None
        speaker.say(SPEECH, 0)
        assert speaker.segmenter.audio_format is AudioFormat.OPUS
        speaker = Speaker()
        speaker.say(pcm(256), 0)
        assert speaker.segmenter.audio_format is AudioFormat.PCM16

    def test_a_chunk_of_a_settled_format_that_does_not_fit_changes_nothing(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.say(SPEECH, 0)
        assert all(refused(speaker, SPEECH[:-2]) for _ in range(30))
        assert not refused(speaker, SPEECH)
        assert speaker.segmenter.flush(1)[0].audio == SPEECH * 3

    def test_half_a_sample_is_refused(self) -> None:
        speaker = Speaker(AudioFormat.PCM16)
        assert refused(speaker, b"\x01\x02\x03")
        speaker = Speaker()
        assert refused(speaker, b"\x01\x02\x03")
        assert speaker.segmenter.audio_format is None

    def test_a_refused_chunk_leaves_a_due_pause_to_the_poll(self) -> None:
        speaker = Speaker(AudioFormat.OPUS)
        speaker.say(SPEECH, 0)
        with pytest.raises(ProtocolError):
            speaker.say(b"\x01\x02", 4000)
        assert reasons(speaker.poll(4000)) == [CutReason.PAUSE]

    def test_a_declared_format_stands(self) -> None:
        speaker = Speaker(AudioFormat.PCM16)
        speaker.say(SPEECH, 0)
        assert speaker.segmenter.audio_format is AudioFormat.PCM16
        speaker = Speaker(AudioFormat.OPUS)
        assert refused(speaker, pcm(256))
        assert refused(speaker, pcm(256))

    def test_a_format_may_be_declared_before_the_first_chunk_only(self) -> None:
        speaker = Speaker()
        speaker.segmenter.declare_format(AudioFormat.PCM16, 8_000)
        speaker.say(bytes(1600) + pcm(100), 0)
        speaker.segmenter.declare_format(AudioFormat.OPUS, 48_000)
        [cut] = speaker.segmenter.flush(1)
        assert (cut.audio_format, cut.sample_rate_hz) == (AudioFormat.PCM16, 8_000)
        assert cut.duration_ms == 300

    def test_pcm_that_looked_framed_by_accident_is_pcm_again_soon(self) -> None:
        accident = b"\x04\x00\x48\x00\x48\x00" * 100
        speaker = Speaker()
        assert not refused(speaker, accident)
        assert [refused(speaker, pcm(256)) for _ in range(3)] == [True, False, False]
        [cut] = speaker.segmenter.flush(1)
        assert cut.audio == accident + pcm(256) * 2
        assert (cut.audio_format, cut.duration_ms) == ("pcm16", len(cut.audio) // 32)

    def test_one_broken_chunk_does_not_make_opus_pcm(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        assert refused(speaker, SPEECH[:-2])
        assert not refused(speaker, SPEECH)
        assert refused(speaker, SPEECH[:-2])
        assert refused(speaker, SPEECH[:-2])
        assert speaker.segmenter.flush(1)[0].audio == SPEECH * 2

    def test_opus_of_an_odd_size_is_beyond_doubt(self) -> None:
        speaker = Speaker()
        speaker.say(opus(packets=1, packet_bytes=61), 0)
        assert refused(speaker, pcm(256))
        assert refused(speaker, pcm(256))

    def test_a_broken_first_chunk_does_not_spoil_the_session(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH[:-2], 0)
        assert not refused(speaker, SPEECH)
        assert not refused(speaker, SPEECH)
        [cut] = speaker.segmenter.flush(1)
        assert (cut.audio_format, cut.audio) == (AudioFormat.OPUS, SPEECH * 2)


CHUNKS = st.one_of(
    st.lists(st.binary(min_size=1, max_size=40), max_size=4).map(join_packets),
    st.binary(max_size=12),
)


@given(st.lists(CHUNKS, max_size=6), st.sampled_from([None, *AudioFormat]))
def test_a_chunk_that_was_measured_on_its_way_is_taken_as_one_that_was_not(
    chunks: list[bytes], declared: AudioFormat | None
) -> None:
    measured, unmeasured = AudioFraming(declared, 16_000), AudioFraming(declared, 16_000)
    for audio in chunks:
        assert heard(measured, audio, framed_ticks(audio)) == heard(unmeasured, audio, None)
        assert repr(measured) == repr(unmeasured)


def heard(framing: AudioFraming, audio: bytes, opus_ticks: int | None) -> object:
    """Return what a format makes of a chunk: whether it turned, its length; or why not."""
    try:
        turned = False if framing.is_settled else framing.weigh(audio, opus_ticks)
        return turned, framing.measure(audio, opus_ticks)
    except ProtocolError as error:
        return error.message
