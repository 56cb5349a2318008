"""Text that grows while somebody speaks, from a recogniser that knows whole pieces of speech only.

Owns when a growing line is recognised again and where a long one is split. Knows no model: it is
given a callable that turns samples into text. Pure but for that.

- The line is recognised again when there is speech that its text does not have, and not before the
  processor has rested from the last time (`rest_after`; the caller has the clock).
- Silence behind speech ends a word: then the line is recognised once more and its text is final.
  So what is asked for at the end of an utterance is mostly there.
- A line longer than `LONG_MS` is split where it is quietest: what is before keeps its text, and
  neither the work for a hypothesis nor that for the last one grows with the length of the speech.
"""

import array
import sys
from collections.abc import Callable, Sequence

RATE_HZ = 16_000
FRAME = RATE_HZ * 30 // 1000
"""Samples in which loudness is measured: 30 ms."""
LOUD = 0.008
"""RMS of a frame, as a share of full scale: speech is above 0.02, a quiet room below 0.006."""
SPEECH_FRAMES = 4
"""So many loud frames in a row are speech."""
FULL_SCALE = 32_768
LEAD_FRAMES = 10
"""Of silence before speech that the model gets."""
FIRST_FRAMES = 15
"""So much of a line is the least that is worth a hypothesis: 0.45 s."""
STEP_FRAMES = 14
"""So much more has to be there for another one: 0.42 s."""
TAIL_FRAMES = 7
"""Behind this much silence (0.2 s) no word is cut off any more."""
REST = 1.5
"""Times what a hypothesis took: no more than two fifths of a processor for one speaker."""
EASY_SECONDS = 0.3
"""What a hypothesis takes on a machine with nothing else to do, or less."""
LONGEST_REST_SECONDS = 3.0
LONG_MS = 5_000
"""The carried recordings in a row: 4 words in 76 misheard with 8, 5 and 4 s, 8 with 3 s."""
LONGEST_MS = 8_000
LATE_FRAMES = 33
"""At the end of a line that is not looked at for a place to split: what comes next is unknown."""
QUIET_FRAMES = 5
"""So long is the stretch that has to be quiet for a split: 150 ms."""

Recognise = Callable[[Sequence[int]], str]
"""16-bit samples → text."""


def rest_after(work_s: float) -> float:
    """Return how many seconds to wait for the next hypothesis after one that took so long.

    A machine that has too much to do gets longer rests than in proportion: at the end of speech the
    result waits for a hypothesis at work, and comes before any that would only be looked at. Not
    for ever: a line that is not recognised is not split either, and its last text takes the longer.
    """
    return min(LONGEST_REST_SECONDS, REST * work_s * max(1.0, work_s / EASY_SECONDS))


class GrowingLine:
    """One utterance, from its first sample to its text."""

    def __init__(self, recognise: Recognise) -> None:
        self._recognise = recognise
        self._split_texts: list[str] = []
        self._samples = array.array("h")
        """Of the line: what has no text of its own yet."""
        self._levels: list[float] = []
        """Mean square of each frame of the line, 1.0 is full scale."""
        self._in_a_row = 0
        self._has_speech = False
        self._loud_until = 0
        """Frame behind the last loud one."""
        self._text = ""
        self._text_frames = 0
        """Frames of the line that `_text` was made of; 0: none was made yet."""

    @property
    def text(self) -> str:
        """Everything that was recognised so far."""
        return " ".join(part for part in (*self._split_texts, self._text) if part)

    def add(self, pcm: bytes) -> None:
        """Take PCM16 little-endian, an even number of bytes."""
        samples = array.array("h", pcm)
        if sys.byteorder == "big":
            samples.byteswap()
        self._samples += samples
        while len(self._samples) >= (len(self._levels) + 1) * FRAME:
            had_speech = self._has_speech
            start = len(self._levels) * FRAME
            self._measure(self._samples[start : start + FRAME])
            if self._has_speech and not had_speech:
                self._drop_silence()
        if not self._has_speech:
            self._drop_silence()

    def is_due(self) -> bool:
        """Say whether another hypothesis would be worth its work."""
        frames = len(self._levels)
        if not self._has_speech or self._is_heard():
            return False
        has_ended = self._loud_until > self._text_frames and self._is_behind_a_word(frames)
        least = self._text_frames + (STEP_FRAMES if self._text_frames else FIRST_FRAMES)
        return has_ended or frames >= least

    def hypothesis(self) -> str:
        """Recognise the line as it is and return the text so far; a long line is split first."""
        cut = self._place_to_split()
        if cut is not None:
            self._split_texts.append(self._recognise(self._samples[: cut * FRAME]).strip())
            self._drop(cut)
        return self.final()

    def final(self) -> str:
        """Recognise what is not recognised yet, and return the text of everything."""
        if self._has_speech and not self._is_heard():
            self._hear()
        return self.text

    def _hear(self) -> None:
        self._text_frames = len(self._levels)
        self._text = self._recognise(self._samples).strip()

    def _is_heard(self) -> bool:
        """Say whether the text has every word of the line."""
        return self._loud_until < self._text_frames and self._is_behind_a_word(self._text_frames)

    def _is_behind_a_word(self, frame: int) -> bool:
        return frame - self._loud_until >= TAIL_FRAMES

    def _measure(self, frame: Sequence[int]) -> None:
        power = sum(sample * sample for sample in frame) / (FRAME * FULL_SCALE * FULL_SCALE)
        self._levels.append(power)
        self._count(power, len(self._levels))

    def _count(self, power: float, number: int) -> None:
        if power <= LOUD * LOUD:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row >= SPEECH_FRAMES:
            self._has_speech = True
        if self._has_speech:
            self._loud_until = number

    def _place_to_split(self) -> int | None:
        """Return the frame in the middle of the quietest stretch of a line that is too long."""
        frames = len(self._levels)
        if frames * FRAME * 1000 < LONG_MS * RATE_HZ:
            return None
        first, last = frames // 3, frames - LATE_FRAMES - QUIET_FRAMES
        levels = self._levels
        sums = [sum(levels[at : at + QUIET_FRAMES]) for at in range(first, last)]
        quietest = min(range(len(sums)), key=sums.__getitem__)
        is_pause = sums[quietest] <= LOUD * LOUD * QUIET_FRAMES
        if not is_pause and frames * FRAME * 1000 < LONGEST_MS * RATE_HZ:
            return None
        return first + quietest + QUIET_FRAMES // 2

    def _drop_silence(self) -> None:
        """Let go of what is long before speech, which may have begun just now."""
        if len(self._levels) > LEAD_FRAMES + SPEECH_FRAMES:
            self._drop(len(self._levels) - LEAD_FRAMES - SPEECH_FRAMES)

    def _drop(self, frames: int) -> None:
        """Let go of the beginning of the line, and look at the rest as at a line of its own."""
        del self._samples[: frames * FRAME]
        del self._levels[:frames]
        self._text, self._text_frames = "", 0
        self._in_a_row, self._has_speech, self._loud_until = 0, False, 0
        for number, power in enumerate(self._levels, start=1):
            self._count(power, number)
