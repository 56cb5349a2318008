"""When a session's speech is cut. Times are literal, in ms; a chunk is 260 ms of opus."""

from math import inf

from actors.session.cut import Cut, CutReason
from actors.session.options import SegmenterOptions
from actors.session.uplink.pause_clock import MAX_PLAYBACK_MS
from actors.session.uplink.segmenter import Segmenter
from protocol.audio.framing import AudioFormat
from protocol.ids import TurnId
from tests.actors.support.speaker import SPEECH, Speaker, opus, pcm, reasons, silent_opus


class TestManual:
    def test_a_final_cuts_after_the_hangover(self) -> None:
        speaker = Speaker()
        assert speaker.say(SPEECH, 0) == []
        assert speaker.say(opus(2), 256) == []
        assert speaker.final(300) == []
        assert speaker.segmenter.due_ms == 360
        assert speaker.poll(359.9) == []
        [cut] = speaker.poll(360)
        assert cut == Cut(
            reason=CutReason.MANUAL,
            audio=SPEECH + opus(2),
            audio_format=AudioFormat.OPUS,
            sample_rate_hz=16_000,
            duration_ms=520,
            turn_id=TurnId("turn-0"),
            turn_part=0,
            ends_turn=True,
            closing=False,
            first_seq=0,
            last_seq=2,
            padding_ms=280,
            start_ms=0,
            first_chunk_at_ms=0,
        )
        assert speaker.segmenter.held_bytes == 0
        assert speaker.segmenter.due_ms == inf

    def test_a_final_may_carry_audio(self) -> None:
        speaker = Speaker()
        speaker.final(0, SPEECH)
        [cut] = speaker.poll(60)
        assert (cut.audio, cut.first_seq, cut.last_seq) == (SPEECH, 0, 0)

    def test_without_a_hangover_the_cut_is_at_once(self) -> None:
        speaker = Speaker(hangover_manual_ms=0)
        speaker.say(SPEECH, 0)
        assert reasons(speaker.final(1)) == [CutReason.MANUAL]

    def test_a_chunk_overtaken_by_its_own_final_joins(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.final(10)
        assert speaker.say(opus(2), 30) == []
        [cut] = speaker.poll(70)
        assert (cut.audio, cut.last_seq) == (SPEECH + opus(2), 2)

    def test_the_only_chunk_may_be_the_overtaken_one(self) -> None:
        speaker = Speaker()
        assert speaker.final(0) == []
        speaker.say(SPEECH, 30)
        assert reasons(speaker.poll(60)) == [CutReason.MANUAL]

    def test_another_final_within_the_hangover_neither_cuts_again_nor_delays(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.final(10)
        speaker.final(40)
        assert reasons(speaker.poll(70)) == [CutReason.MANUAL]
        assert speaker.poll(5000) == []

    def test_a_chunk_after_a_late_timer_finds_the_cut_done(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.final(10)
        [cut] = speaker.say(opus(2), 70.1)
        assert cut.audio == SPEECH
        assert speaker.segmenter.held_bytes == len(SPEECH)
        assert speaker.segmenter.due_ms == 3070.1

    def test_a_chunk_at_the_last_moment_of_the_hangover_still_joins(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.final(10)
        [*cuts] = speaker.say(opus(2), 70)
        assert cuts == []
        assert speaker.poll(70)[0].audio == SPEECH + opus(2)

    def test_seqs_out_of_order_give_the_range(self) -> None:
        segmenter = Segmenter(SegmenterOptions())
        for seq in (7, 6, 9, 8):
            ticks = segmenter.measure(SPEECH)
            segmenter.chunk(SPEECH, ticks, seq=seq, is_final=False, now_ms=0)
        [cut] = segmenter.flush(1)
        assert (cut.first_seq, cut.last_seq) == (6, 9)


class TestPause:
    def test_quiet_cuts_without_a_hangover(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.say(SPEECH, 256)
        assert speaker.segmenter.due_ms == 3256
        assert speaker.poll(3255) == []
        [cut] = speaker.poll(3256)
        assert (cut.reason, cut.padding_ms, cut.duration_ms) == (CutReason.PAUSE, 220, 520)
        assert cut.ends_turn
        assert speaker.segmenter.due_ms == inf

    def test_the_first_chunk_after_a_pause_is_not_cut_off(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.poll(3000)
        assert speaker.say(SPEECH, 10_000) == []
        assert speaker.say(SPEECH, 10_256) == []
        assert speaker.segmenter.due_ms == 13_256

    def test_a_chunk_after_a_late_timer_is_not_part_of_what_the_pause_cut(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        [cut] = speaker.say(opus(2), 3200)
        assert (cut.reason, cut.audio) == (CutReason.PAUSE, SPEECH)
        assert speaker.segmenter.held_bytes == len(opus(2))
        assert speaker.segmenter.due_ms == 6200

    def test_manual_is_stronger_than_a_pause_of_the_same_moment(self) -> None:
        speaker = Speaker(hangover_manual_ms=0)
        speaker.say(SPEECH, 0)
        assert reasons(speaker.final(3000)) == [CutReason.MANUAL]

    def test_a_final_that_waits_for_its_hangover_is_stronger_than_a_pause(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.final(2990)
        assert speaker.poll(3040) == []
        assert reasons(speaker.poll(3050)) == [CutReason.MANUAL]

    def test_an_empty_chunk_that_is_no_final_is_not_speech(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        assert speaker.say(b"", 2000) == []
        assert speaker.segmenter.due_ms == 3000

    def test_it_stands_still_during_playback_and_goes_on_after(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.segmenter.playback_started(1000)
        assert speaker.poll(9000) == []
        speaker.segmenter.playback_ended(9000)
        assert speaker.segmenter.due_ms == 11_000
        assert speaker.poll(10_999) == []
        assert reasons(speaker.poll(11_000)) == [CutReason.PAUSE]

    def test_playback_does_not_save_what_a_late_timer_should_have_cut(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.segmenter.playback_started(3001)
        assert reasons(speaker.poll(3002)) == [CutReason.PAUSE]

    def test_a_chunk_that_was_under_way_when_playback_began_does_not_end_it(self) -> None:
        speaker = Speaker()
        speaker.segmenter.playback_started(0)
        speaker.say(SPEECH, 200)
        assert speaker.poll(60_000) == []
        speaker.segmenter.playback_ended(60_000)
        assert speaker.segmenter.due_ms == 63_000

    def test_audio_during_playback_shows_that_its_end_was_lost(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.segmenter.playback_started(100)
        assert speaker.say(SPEECH, 8000) == []
        assert speaker.segmenter.due_ms == 11_000
        assert reasons(speaker.poll(11_000)) == [CutReason.PAUSE]

    def test_a_lost_end_of_playback_keeps_words_only_so_long(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.segmenter.playback_started(1000)
        assert speaker.segmenter.due_ms == 1000 + MAX_PLAYBACK_MS + 2000
        assert reasons(speaker.poll(1000 + MAX_PLAYBACK_MS + 2000)) == [CutReason.PAUSE]

    def test_an_end_of_playback_without_a_beginning_changes_nothing(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.segmenter.playback_ended(2000)
        assert speaker.segmenter.due_ms == 3000

    def test_a_final_cuts_during_playback(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.segmenter.playback_started(1000)
        speaker.final(2000)
        assert reasons(speaker.poll(2060)) == [CutReason.MANUAL]

    def test_it_stands_still_while_held_and_goes_on_after(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.segmenter.hold_pause(2500)
        assert speaker.segmenter.due_ms == inf
        assert speaker.poll(30_000) == []
        speaker.segmenter.release_pause(30_000)
        assert speaker.segmenter.due_ms == 30_500

    def test_playback_and_hold_may_overlap(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.segmenter.playback_started(1000)
        speaker.segmenter.hold_pause(2000)
        speaker.segmenter.playback_ended(3000)
        assert speaker.segmenter.due_ms == inf
        speaker.segmenter.release_pause(5000)
        assert speaker.segmenter.due_ms == 7000

    def test_a_hangover_goes_on_while_held(self) -> None:
        speaker = Speaker()
        speaker.say(SPEECH, 0)
        speaker.final(10)
        speaker.segmenter.hold_pause(20)
        assert reasons(speaker.poll(70)) == [CutReason.MANUAL]


class TestLimits:
    def test_the_chunk_that_reaches_max_duration_belongs_to_the_segment(self) -> None:
        speaker = Speaker()
        assert speaker.say_long(9000, 0) == []
        [cut] = speaker.say(pcm(1500), 0)
        assert (cut.reason, cut.duration_ms) == (CutReason.MAX_DURATION, 10_500)
        assert (cut.ends_turn, cut.padding_ms) == (False, 220)

    def test_opus_counts_by_its_packets(self) -> None:
        speaker = Speaker(max_duration_ms=520)
        assert speaker.say(SPEECH, 0) == []
        [cut] = speaker.say(silent_opus(), 0)
        assert cut.duration_ms == 520

    def test_max_length_cuts_at_once_and_ends_the_turn(self) -> None:
        speaker = Speaker(max_utterance_bytes=2 * len(SPEECH), hangover_auto_ms=150)
        speaker.say(SPEECH, 0)
        [cut] = speaker.say(SPEECH, 1)
        assert (cut.reason, cut.ends_turn, cut.padding_ms) == (CutReason.MAX_LENGTH, True, 0)

    def test_max_length_is_stronger_than_max_turn_and_that_than_max_duration(self) -> None:
        speaker = Speaker(max_utterance_bytes=10, max_turn_ms=1000, max_duration_ms=1000)
        assert reasons(speaker.say(pcm(1000), 0)) == [CutReason.MAX_LENGTH]
        speaker = Speaker(max_turn_ms=1000, max_duration_ms=1000)
        assert reasons(speaker.say(pcm(1000), 0)) == [CutReason.MAX_TURN]

    def test_manual_is_stronger_than_every_limit(self) -> None:
        speaker = Speaker(
            max_utterance_bytes=10, max_turn_ms=10, max_duration_ms=10, hangover_manual_ms=0
        )
        assert reasons(speaker.final(0, SPEECH)) == [CutReason.MANUAL]

    def test_max_length_ends_the_hangover_of_a_final(self) -> None:
        speaker = Speaker(max_utterance_bytes=2 * len(SPEECH))
        speaker.say(SPEECH, 0)
        assert speaker.final(10) == []
        assert reasons(speaker.say(SPEECH, 20)) == [CutReason.MANUAL]

    def test_a_final_in_the_hangover_of_a_limit_takes_its_place(self) -> None:
        speaker = Speaker(hangover_auto_ms=150)
        assert speaker.say_long(10_000, 0) == []
        assert speaker.segmenter.due_ms == 150
        assert speaker.say(pcm(20), 100) == []
        assert speaker.segmenter.due_ms == 150
        assert speaker.final(140) == []
        [cut] = speaker.poll(200)
        assert (cut.reason, cut.ends_turn, cut.duration_ms) == (CutReason.MANUAL, True, 10_020)
