"""What holds for segmentation whatever a client does."""

from dataclasses import dataclass
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from actors.session.cut import Cut, CutReason
from actors.session.options import SegmenterOptions
from actors.session.uplink.segmenter import Segmenter
from protocol.audio.framing import AudioFormat, join_packets

OPTIONS = SegmenterOptions(
    max_duration_ms=1000,
    max_turn_ms=2500,
    max_utterance_bytes=60_000,
    hangover_auto_ms=30,
)


@dataclass(frozen=True)
class Step:
    """Something that happens `after_ms` later."""

    what: str
    after_ms: int
    packets: int
    timer_late: bool


steps = st.builds(
    Step,
    st.sampled_from(
        [*["chunk"] * 4, "final", "both", "playing", "played", "hold", "release", "closed"]
    ),
    st.sampled_from([0, 20, 59, 60, 61, 256, 2999, 3000, 3001, 9000]),
    st.integers(1, 60),
    st.booleans(),
)


class Run:
    """One session that polls at its deadlines, unless the timer is late."""

    def __init__(self) -> None:
        self.segmenter = Segmenter(OPTIONS)
        self.said = b""
        self.cuts: list[Cut] = []
        self.now_ms = 0.0

    def until(self, at_ms: float) -> None:
        """Let time pass, timers on time."""
        while (deadline_ms := self.segmenter.due_ms) <= at_ms:
            self.cuts += self.segmenter.poll(deadline_ms)
            following_ms = self.segmenter.due_ms
            assert following_ms > deadline_ms, "poll made progress"
        self.now_ms = at_ms

    def take(self, seq: int, step: Step) -> None:
        at_ms = self.now_ms + step.after_ms
        if step.timer_late:
            self.now_ms = at_ms
        else:
            self.until(at_ms)
        segmenter = self.segmenter
        match step.what:
            case "playing":
                segmenter.playback_started(at_ms)
            case "played":
                segmenter.playback_ended(at_ms)
            case "hold":
                segmenter.hold_pause(at_ms)
            case "release":
                segmenter.release_pause(at_ms)
            case "closed":
                for cut in self.cuts[:-1]:
                    segmenter.turn_segment_closed(cut.turn_id, cut.turn_part)
            case what:
                packet = bytes([0x48, seq % 256]) * 200
                audio = b"" if what == "final" else join_packets([packet] * step.packets)
                self.said += audio
                ticks, is_final = segmenter.measure(audio), what != "chunk"
                self.cuts += segmenter.chunk(audio, ticks, seq=seq, is_final=is_final, now_ms=at_ms)


@given(st.lists(steps, max_size=40))
def test_every_byte_said_is_cut_once_in_order_and_turns_are_whole(script: list[Step]) -> None:
    run = Run()
    for seq, step in enumerate(script):
        run.take(seq, step)
        assert run.segmenter.held_bytes <= OPTIONS.max_utterance_bytes
    run.cuts += run.segmenter.flush(run.now_ms)
    heard = [cut for cut in run.cuts if not cut.closing]
    assert b"".join(cut.audio for cut in heard) == run.said
    assert run.segmenter.held_bytes == 0
    assert run.segmenter.due_ms == inf
    assert sum(cut.duration_ms for cut in heard) == run.segmenter.heard_ms
    check_turns(run.cuts)


def check_turns(cuts: list[Cut]) -> None:
    """Each turn's parts count from 0, stand together, and only its last one ends it."""
    for before, after in zip([None, *cuts], [*cuts, None], strict=True):
        continues = before is not None and not before.ends_turn
        if after is None:
            continue
        same = before is not None and before.turn_id == after.turn_id
        assert same <= continues
        if same:
            assert before is not None
            assert after.turn_part == before.turn_part + 1
        else:
            assert after.turn_part == 0
        assert after.ends_turn == (after.reason is not CutReason.MAX_DURATION)
        assert after.closing <= same
        assert after.audio
        assert after.audio_format is AudioFormat.OPUS


@given(st.lists(steps, max_size=40))
def test_the_end_of_a_turn_with_open_segments_always_comes(script: list[Step]) -> None:
    run = Run()
    for seq, step in enumerate(script):
        if step.what != "closed":
            run.take(seq, step)
    run.cuts += run.segmenter.flush(run.now_ms)
    by_turn = {cut.turn_id: cut for cut in run.cuts}
    assert all(last.ends_turn for last in by_turn.values())
