"""What a segment becomes: an utterance, nothing, or a part of a turn."""

from math import inf

import pytest

from actors.session.cut import Cut, CutReason
from actors.session.options import SegmenterOptions
from actors.session.uplink.whole import whole_audio, whole_cut
from protocol.audio.framing import AudioFormat, opus_ticks
from protocol.errors import ProtocolError
from protocol.ids import SessionId, TurnId
from protocol.messages.session_inbound import Utterance
from tests.actors.support.speaker import SPEECH, Speaker, opus, pcm, reasons, silent_opus


def _only(audio: bytes) -> list[Cut]:
    speaker = Speaker()
    speaker.say(audio, 0)
    return speaker.segmenter.flush(1)


class TestSilence:
    def test_a_final_on_nothing_makes_nothing(self) -> None:
        speaker = Speaker()
        speaker.final(0)
        assert speaker.poll(60) == []
        assert speaker.segmenter.due_ms == inf

    def test_spurious_finals_on_silence_make_nothing(self) -> None:
        speaker = Speaker()
        cuts = []
        for number in range(7):
            cuts += speaker.say(silent_opus(), number * 256)
            cuts += speaker.final(number * 256 + 1)
            cuts += speaker.poll(number * 256 + 61)
        assert cuts == []
        assert speaker.segmenter.held_bytes == 0

    def test_a_short_silent_pcm_segment_makes_nothing(self) -> None:
        speaker = Speaker()
        speaker.say(pcm(256, sample=20), 0)
        assert speaker.segmenter.flush(1) == []

    def test_a_short_segment_with_a_voice_is_an_utterance(self) -> None:
        assert len(_only(SPEECH)) == 1
        assert len(_only(pcm(256))) == 1

    def test_a_silent_segment_makes_nothing_however_long_it_is(self) -> None:
        assert _only(silent_opus(packets=20)) == []
        assert _only(silent_opus(packets=3000)) == []
        assert _only(pcm(60_000, sample=0)) == []

    def test_a_minute_of_silence_is_cut_into_nothing(self) -> None:
        speaker = Speaker()
        cuts = [cut for at in range(0, 60_000, 256) for cut in speaker.say(silent_opus(), at)]
        assert cuts + speaker.segmenter.flush(60_000) == []
        assert speaker.segmenter.turn is None

    def test_one_audible_packet_makes_an_utterance_of_a_silent_segment(self) -> None:
        assert len(_only(silent_opus(packets=200) + opus(packets=1))) == 1

    def test_nothing_made_takes_no_turn(self) -> None:
        speaker = Speaker(hangover_manual_ms=0)
        speaker.final(0, silent_opus())
        [cut] = speaker.final(1, SPEECH)
        assert (cut.turn_id, cut.turn_part, cut.first_seq) == ("turn-0", 0, 1)


class TestTurns:
    def test_segments_cut_by_max_duration_share_their_turn_with_what_follows(self) -> None:
        speaker = Speaker(hangover_manual_ms=0)
        first, second = speaker.say_long(20_000, 0)
        [third] = speaker.final(1, pcm(1000))
        assert [cut.turn_id for cut in (first, second, third)] == ["turn-0"] * 3
        assert [cut.turn_part for cut in (first, second, third)] == [0, 1, 2]
        assert [cut.ends_turn for cut in (first, second, third)] == [False, False, True]
        assert not third.closing
        [following] = speaker.final(2, pcm(1000))
        assert (following.turn_id, following.turn_part) == ("turn-1", 0)

    def test_every_other_cut_has_a_turn_of_its_own(self) -> None:
        speaker = Speaker(hangover_manual_ms=0)
        [one] = speaker.final(0, SPEECH)
        speaker.say(SPEECH, 1)
        [two] = speaker.poll(3001)
        speaker.say(SPEECH, 3002)
        [three] = speaker.segmenter.flush(3003)
        assert len({one.turn_id, two.turn_id, three.turn_id}) == 3

    def test_max_turn_ends_a_monologue(self) -> None:
        speaker = Speaker()
        cuts = speaker.say_long(30_000, 0)
        assert reasons(cuts) == [
            CutReason.MAX_DURATION,
            CutReason.MAX_DURATION,
            CutReason.MAX_TURN,
        ]
        assert len({cut.turn_id for cut in cuts}) == 1
        assert (cuts[-1].ends_turn, cuts[-1].turn_part) == (True, 2)
        assert reasons(speaker.say_long(10_000, 0)) == [CutReason.MAX_DURATION]

    @pytest.mark.parametrize("audio_format", [AudioFormat.PCM16, AudioFormat.OPUS])
    def test_a_pause_closes_an_open_turn_though_nothing_more_was_said(
        self, audio_format: AudioFormat
    ) -> None:
        speaker = Speaker(max_duration_ms=260)
        [opening] = speaker.say(SPEECH if audio_format == "opus" else pcm(260), 0)
        assert speaker.segmenter.held_bytes == 0
        assert speaker.segmenter.due_ms == 3000
        [closing] = speaker.poll(3000)
        assert (closing.reason, closing.closing) == (CutReason.PAUSE, True)
        assert (closing.turn_id, closing.turn_part) == (opening.turn_id, 1)
        assert (closing.audio_format, closing.duration_ms) == (audio_format, 200)
        assert closing.audio
        assert (closing.first_seq, closing.last_seq) == (None, None)
        assert closing.first_chunk_at_ms == 3000
        assert speaker.segmenter.due_ms == inf

    def test_a_final_closes_an_open_turn_though_nothing_more_was_said(self) -> None:
        speaker = Speaker(max_duration_ms=260)
        speaker.say(SPEECH, 0)
        speaker.final(10)
        [closing] = speaker.poll(70)
        assert (closing.reason, closing.closing, closing.duration_ms) == ("manual", True, 200)
        assert (closing.first_seq, closing.last_seq) == (1, 1)

    def test_the_end_of_a_session_closes_an_open_turn(self) -> None:
        speaker = Speaker(max_duration_ms=260)
        speaker.say(SPEECH, 0)
        [closing] = speaker.segmenter.flush(10)
        assert (closing.reason, closing.closing) == (CutReason.SESSION_CLOSE, True)
        assert speaker.segmenter.flush(11) == []

    def test_a_silent_rest_closes_an_open_turn_as_it_is(self) -> None:
        speaker = Speaker(max_duration_ms=520, hangover_manual_ms=0)
        speaker.say(SPEECH, 0)
        speaker.say(SPEECH, 256)
        [closing] = speaker.final(512, silent_opus())
        assert (closing.audio, closing.closing) == (silent_opus(), True)

    def test_a_turn_whose_segments_have_their_outcomes_needs_no_closing(self) -> None:
        speaker = Speaker(max_duration_ms=260)
        [first] = speaker.say(SPEECH, 0)
        [second] = speaker.say(SPEECH, 256)
        speaker.segmenter.turn_segment_closed(first.turn_id, first.turn_part)
        speaker.segmenter.turn_segment_closed(second.turn_id, second.turn_part)
        assert speaker.poll(3256) == []
        [third] = speaker.say(SPEECH, 4000)
        assert (third.turn_id, third.turn_part) == ("turn-1", 0)

    def test_one_open_segment_is_enough_to_need_a_closing(self) -> None:
        speaker = Speaker(max_duration_ms=260)
        [first] = speaker.say(SPEECH, 0)
        speaker.say(SPEECH, 256)
        speaker.segmenter.turn_segment_closed(first.turn_id, first.turn_part)
        assert [cut.closing for cut in speaker.poll(3256)] == [True]

    def test_the_outcome_of_another_turn_closes_nothing(self) -> None:
        speaker = Speaker(max_duration_ms=260)
        speaker.say(SPEECH, 0)
        speaker.segmenter.turn_segment_closed(TurnId("turn-9"), 0)
        assert len(speaker.segmenter.flush(1)) == 1

    def test_a_turn_ended_during_the_hangover_of_its_limit_is_not_opened_first(self) -> None:
        speaker = Speaker(max_duration_ms=260, hangover_auto_ms=150)
        speaker.say(SPEECH, 0)
        [cut] = speaker.segmenter.flush(10)
        assert (cut.reason, cut.turn_part, cut.ends_turn) == (CutReason.SESSION_CLOSE, 0, True)


def whole_of(audio: bytes, audio_format: AudioFormat, rate_hz: int = 16_000) -> Cut:
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
    whole = whole_audio(spoken, can_convert=False)
    return whole_cut(whole, SegmenterOptions(), start_ms=0, now_ms=5)


class TestWhole:
    def test_it_is_a_turn_of_its_own_and_leaves_the_stream_alone(self) -> None:
        speaker = Speaker(hangover_manual_ms=0)
        speaker.say(SPEECH, 0)
        whole = whole_of(pcm(100), AudioFormat.PCM16)
        assert (whole.reason, whole.duration_ms, whole.padding_ms) == ("utterance", 100, 280)
        assert (whole.turn_part, whole.ends_turn) == (0, True)
        assert speaker.segmenter.held_bytes == len(SPEECH)
        [streamed] = speaker.final(10)
        assert streamed.audio == SPEECH
        assert streamed.turn_id != whole.turn_id

    def test_silence_is_an_utterance_when_the_client_says_so(self) -> None:
        whole = whole_of(silent_opus(), AudioFormat.OPUS)
        assert whole.duration_ms == 260

    @pytest.mark.parametrize(
        ("audio", "audio_format"),
        [(b"\x00" * 101, AudioFormat.PCM16), (pcm(100), AudioFormat.OPUS)],
    )
    def test_audio_of_another_format_is_refused(
        self, audio: bytes, audio_format: AudioFormat
    ) -> None:
        with pytest.raises(ProtocolError):
            whole_of(audio, audio_format)

    def test_the_rate_counts(self) -> None:
        whole = whole_of(bytes(16_000), AudioFormat.PCM16, 8_000)
        assert (whole.duration_ms, whole.sample_rate_hz) == (1000, 8_000)


class TestFigures:
    def test_audio_heard_is_counted_cut_or_not(self) -> None:
        speaker = Speaker(hangover_manual_ms=0)
        speaker.final(0, SPEECH)
        speaker.say(SPEECH, 1)
        assert speaker.segmenter.heard_ms == 2 * opus_ticks(SPEECH) // 48

    def test_it_shows_its_state(self) -> None:
        speaker = Speaker(max_duration_ms=260)
        speaker.say(SPEECH, 0)
        speaker.final(10)
        shown = repr(speaker.segmenter)
        assert "opus" in shown
        assert "1 open" in shown
        assert "manual at 70" in shown
