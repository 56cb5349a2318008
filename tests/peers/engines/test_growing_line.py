"""When a growing line is recognised again, and where a long one is split. No model."""

from array import array
from collections.abc import Sequence

import pytest

from peers.engines.growing_line import (
    FRAME,
    LEAD_FRAMES,
    LONG_MS,
    LONGEST_MS,
    RATE_HZ,
    TAIL_FRAMES,
    GrowingLine,
    rest_after,
)


def speech(ms: int, level: int = 3000) -> bytes:
    return array("h", [level, -level] * (RATE_HZ * ms // 2000)).tobytes()


def pause(ms: int) -> bytes:
    return bytes(2 * RATE_HZ * ms // 1000)


class Model:
    """Notes how much it was given; its text is the number of frames, so that no two are alike."""

    def __init__(self) -> None:
        self.frames: list[int] = []

    def __call__(self, samples: Sequence[int]) -> str:
        self.frames.append(len(samples) // FRAME)
        return f"{self.frames[-1]}f"


def test_silence_is_never_recognised_and_does_not_pile_up() -> None:
    model = Model()
    line = GrowingLine(model)
    for _ in range(100):
        line.add(pause(300))
        assert not line.is_due()
    assert line.final() == ""
    line = GrowingLine(model)
    line.add(pause(30_000) + speech(600))
    line.hypothesis()
    assert model.frames == [LEAD_FRAMES + 20]


def test_a_click_is_no_speech() -> None:
    model = Model()
    line = GrowingLine(model)
    line.add(pause(900) + speech(60) + pause(900))
    assert not line.is_due()
    assert line.final() == ""
    assert model.frames == []


def test_more_speech_makes_a_hypothesis_due_and_a_little_does_not() -> None:
    line = GrowingLine(Model())
    line.add(speech(390))
    assert not line.is_due()
    line.add(speech(90))
    assert line.is_due()
    line.hypothesis()
    assert not line.is_due()
    line.add(speech(390))
    assert not line.is_due()
    line.add(speech(60))
    assert line.is_due()


def test_a_pause_makes_one_more_hypothesis_due_which_is_final() -> None:
    model = Model()
    line = GrowingLine(model)
    line.add(speech(600))
    line.hypothesis()
    line.add(speech(60) + pause(150))
    assert not line.is_due()
    line.add(pause(90))
    assert line.is_due()
    text = line.hypothesis()
    line.add(pause(2000))
    assert not line.is_due()
    assert line.final() == text
    assert len(model.frames) == 2


def test_speech_behind_the_last_hypothesis_is_recognised_at_the_end() -> None:
    model = Model()
    line = GrowingLine(model)
    line.add(speech(600))
    line.hypothesis()
    line.add(speech(90))
    assert line.final() == "23f"
    line = GrowingLine(model)
    line.add(speech(150))
    assert line.final() == "5f"


def test_a_long_line_is_split_in_its_pause_and_keeps_the_text_before() -> None:
    model = Model()
    line = GrowingLine(model)
    line.add(speech(2400) + pause(300) + speech(LONG_MS - 2700 + 30))
    text = line.hypothesis()
    before, behind = model.frames
    assert 80 <= before <= 90
    assert before + behind == (LONG_MS + 30) // 30
    assert text == f"{before}f {behind}f"
    line.add(speech(600))
    assert line.hypothesis() == f"{before}f {behind + 20}f"


def test_speech_without_a_pause_is_split_where_it_is_quietest_once_it_is_too_long() -> None:
    model = Model()
    line = GrowingLine(model)
    line.add(speech(3000) + speech(300, level=900) + speech(LONG_MS - 3300))
    line.hypothesis()
    assert len(model.frames) == 1
    line.add(speech(LONGEST_MS - LONG_MS + 30))
    line.hypothesis()
    assert 100 <= model.frames[1] <= 110
    for _ in range(100):
        line.add(speech(480))
        line.hypothesis()
    assert max(model.frames) <= (LONGEST_MS + 600) // 30


def test_what_is_left_behind_a_split_is_a_line_of_its_own() -> None:
    model = Model()
    line = GrowingLine(model)
    line.add(speech(2400) + pause(LONG_MS - 2400 + 30))
    text = line.hypothesis()
    assert len(model.frames) == 1
    assert not line.is_due()
    assert line.final() == text


def test_a_pause_is_measured_in_whole_frames_wherever_the_pieces_are_cut() -> None:
    model = Model()
    line = GrowingLine(model)
    sound = pause(300) + speech(900) + pause(30 * (TAIL_FRAMES + 1))
    for start in range(0, len(sound), 34):
        line.add(sound[start : start + 34])
    whole = GrowingLine(model)
    whole.add(sound)
    assert line.final() == whole.final()


def test_a_busy_machine_rests_longer_than_in_proportion_but_not_for_ever() -> None:
    assert rest_after(0.1) == pytest.approx(0.15)
    assert rest_after(0.3) == pytest.approx(0.45)
    assert rest_after(0.6) == pytest.approx(1.8)
    assert rest_after(3.0) == pytest.approx(3.0)
