"""Whether somebody speaks, judged chunk by chunk: by level for PCM, by packet for opus. Pure.

Used for endpointing (wire contract section 3): audible speech, then silence, ends an utterance.
Each detector adapts to its stream and costs about 2 µs per chunk. Must not: keep audio, cut.

What counts as speech stands out: PCM above twice the noise floor, the lowest level of the last
seconds; opus by the voice flag with which the encoder begins every SILK frame (RFC 6716 section
4.2.3), in CELT packets by their size relative to the stream's own recent sizes. Where sizes do not
vary nothing is ever taken for silence.
"""

from typing import Final, Protocol

from protocol.audio.framing import TICKS_PER_MS, AudioFormat
from protocol.audio.loudness import rms

_FLOOR_WINDOW_TICKS: Final = 1_500 * TICKS_PER_MS
"""The floor is the lowest level of this window and the one before."""
_SMOOTHING_TICKS: Final = 60 * TICKS_PER_MS
_HIGHEST_FLOOR: Final = 0.04
"""Of full scale: what is twice as loud is heard, however long it lasts."""
_SPEECH_OVER_FLOOR: Final = 2.0
_QUIET_OVER_FLOOR: Final = 1.4
"""Between the two it may be speech: it is neither trimmed nor the begin of an utterance's end."""
_SAMPLE_BYTES: Final = 2
_MOST_BLOCKS: Final = 3
_BLOCKS_PER_SECOND: Final = 25

_SIZE_WINDOW_TICKS: Final = 4_000 * TICKS_PER_MS
_VOICE_SMOOTHING_TICKS: Final = 100 * TICKS_PER_MS
_VOICE_SHARE: Final = 0.35
"""Of the packets; stationary noise 5 dB below the speech raises a quarter of the flags."""
_VARIES: Final = 0.5
"""Sizes vary where the smallest are at most this share of the largest."""
_SIZE_SHARE: Final = 0.3
_CELT: Final = 128
_VOICE_FLAG: Final = 128
_FRAME_COUNT: Final = 3


class SpeechDetector(Protocol):
    """Hears every chunk of a stream, in order."""

    is_speech: bool
    """Somebody spoke in the last chunk."""
    is_quiet: bool
    """Nobody can have spoken in it."""
    silent_ticks: int
    """Since speech was last heard, in 1/48000 s."""

    def hear(self, audio: bytes, ticks: int) -> None:
        """Take the next chunk and its length."""


def speech_detector(
    audio_format: AudioFormat, rate_hz: int, silence_rms: float, silence_opus_bytes: float
) -> SpeechDetector:
    """Return a detector for a stream of this format."""
    if audio_format is AudioFormat.OPUS:
        return OpusSpeechDetector(silence_opus_bytes)
    return PcmSpeechDetector(rate_hz, silence_rms)


class PcmSpeechDetector:
    """Level against an adaptive noise floor.

    Up to three blocks of 40 ms stand for a chunk. In the first window nothing is known of the
    noise: everything that is not silent is speech.
    """

    __slots__ = (
        "_block_bytes",
        "_floor_before",
        "_level",
        "_lowest",
        "_silence_rms",
        "_stride_bytes",
        "_window_ticks",
        "is_quiet",
        "is_speech",
        "silent_ticks",
    )

    def __init__(self, rate_hz: int, silence_rms: float) -> None:
        self.is_speech = False
        self.is_quiet = True
        self.silent_ticks = 0
        self._silence_rms = silence_rms
        self._block_bytes = _SAMPLE_BYTES * (rate_hz // _BLOCKS_PER_SECOND)
        self._stride_bytes = self._block_bytes * 5 // 4
        self._level = 0.0
        self._floor_before = 0.0
        self._lowest = 1.0
        self._window_ticks = 0

    def hear(self, audio: bytes, ticks: int) -> None:
        """Take the next chunk and its length."""
        if len(audio) < _SAMPLE_BYTES:
            return
        blocks = min(_MOST_BLOCKS, len(audio) // self._stride_bytes) or 1
        part, part_ticks = len(audio) // blocks & ~1, ticks // blocks
        block = min(self._block_bytes, part)
        share = part_ticks / _SMOOTHING_TICKS if part_ticks < _SMOOTHING_TICKS else 1.0
        level, before = self._level, self._floor_before
        lowest = min(self._lowest, _HIGHEST_FLOOR)
        silent_ticks, is_speech, loudest, end = self.silent_ticks, False, 0.0, part
        while end <= len(audio):
            level += share * (rms(audio[end - block : end]) - level)
            if level < lowest:  # noqa: PLR1730 - calls of min and max cost as much as measuring
                lowest = level
            floor = lowest if lowest < before else before  # noqa: FURB136
            silent_ticks += part_ticks
            if level > self._silence_rms and level > _SPEECH_OVER_FLOOR * floor:
                silent_ticks, is_speech = 0, True
            if level > loudest:  # noqa: PLR1730
                loudest = level
            end += part
        self.is_speech = is_speech
        self.is_quiet = loudest <= self._silence_rms or loudest <= _QUIET_OVER_FLOOR * floor
        self.silent_ticks = silent_ticks
        self._level, self._lowest = level, lowest
        self._window_ticks += ticks
        if self._window_ticks >= _FLOOR_WINDOW_TICKS:
            self._floor_before, self._lowest, self._window_ticks = lowest, level, 0


class OpusSpeechDetector:
    """The encoder's own voice flag in SILK and hybrid packets, relative sizes in CELT packets.

    An encoder that has never raised its flag may have none: until then nothing of its packets but
    the smallest are quiet.
    """

    __slots__ = (
        "_has_voice",
        "_largest",
        "_silence_bytes",
        "_sizes_before",
        "_smallest",
        "_voice",
        "_window_ticks",
        "is_quiet",
        "is_speech",
        "silent_ticks",
    )

    def __init__(self, silence_bytes: float) -> None:
        self.is_speech = False
        self.is_quiet = True
        self.silent_ticks = 0
        self._silence_bytes = silence_bytes
        self._voice = 0.0
        self._has_voice = False
        self._smallest, self._largest = float("inf"), 0.0
        self._sizes_before = (float("inf"), 0.0)
        self._window_ticks = 0

    def hear(self, audio: bytes, ticks: int) -> None:
        """Take the next chunk and its length."""
        size = len(audio)
        position = count = voiced = 0
        toc = 0
        while position + 3 < size:
            length = audio[position] | audio[position + 1] << 8
            if length > 1:
                toc = audio[position + 2]
                if toc & _FRAME_COUNT == _FRAME_COUNT:
                    voiced += length > self._silence_bytes
                elif audio[position + 3] >= _VOICE_FLAG:
                    voiced += 1
            position += length + 2
            count += 1
        mean = (size - 2 * count) / (count or 1)
        is_big = self._is_big(mean, ticks)
        if toc >= _CELT:
            voiced = count if is_big else 0
        share = voiced / (count or 1)
        self._voice += min(1.0, ticks / _VOICE_SMOOTHING_TICKS) * (share - self._voice)
        self.is_speech = self._voice > _VOICE_SHARE
        self._has_voice = self._has_voice or voiced > 0
        self.is_quiet = not voiced and (self._has_voice or mean <= self._silence_bytes)
        self.silent_ticks = 0 if self.is_speech else self.silent_ticks + ticks

    def _is_big(self, mean: float, ticks: int) -> bool:
        """Return whether packets of this mean size are speech, going by size alone."""
        self._smallest, self._largest = min(self._smallest, mean), max(self._largest, mean)
        self._window_ticks += ticks
        if self._window_ticks >= _SIZE_WINDOW_TICKS:
            self._sizes_before = self._smallest, self._largest
            self._smallest = self._largest = mean
            self._window_ticks = 0
        smallest = min(self._smallest, self._sizes_before[0])
        largest = max(self._largest, self._sizes_before[1])
        if mean <= self._silence_bytes:
            return False
        return smallest > _VARIES * largest or mean > smallest + _SIZE_SHARE * (largest - smallest)
