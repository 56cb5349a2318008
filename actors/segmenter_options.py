"""What an operator may set about cutting speech. Must not: cut (`actors.segmenter` does)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from actors.cut import CutReason


@dataclass(frozen=True, slots=True)
class SegmenterOptions:
    """When a stream of chunks is cut, and what is too little to be an utterance."""

    pause_ms: Annotated[int, Gt(0)] = 3_000
    """Milliseconds without audio that end an utterance and its turn."""
    max_duration_ms: Annotated[int, Gt(0)] = 10_000
    """Milliseconds of audio at which an utterance is cut while its turn goes on."""
    max_turn_ms: Annotated[int, Gt(0)] = 30_000
    """Milliseconds of audio at which a turn ends."""
    hangover_manual_ms: Annotated[int, Ge(0)] = 60
    """Milliseconds after the client's final in which a chunk it overtook still joins."""
    hangover_auto_ms: Annotated[int, Ge(0)] = 0
    """Milliseconds after reaching a limit of time in which a chunk still joins."""
    padding_manual_ms: Annotated[int, Ge(0)] = 280
    """Milliseconds of silence a recogniser adds to what the client ended itself."""
    padding_auto_ms: Annotated[int, Ge(0)] = 220
    """Milliseconds of silence a recogniser adds to what was cut by the clock or a close."""
    short_segment_ms: Annotated[int, Ge(0)] = 400
    """Milliseconds below which a segment that is silent is no utterance."""
    max_utterance_bytes: Annotated[int, Gt(0)] = 512_000
    """Bytes of audio at which an utterance is cut."""
    silence_rms: Annotated[float, Ge(0)] = 0.003
    """Loudness below which PCM is silent, as a share of full scale."""
    silence_opus_bytes: Annotated[float, Ge(0)] = 12
    """Mean bytes of an opus packet up to which it is silent."""

    def hangover_ms(self, reason: CutReason) -> int:
        """Return how long a cut waits for what may still come; other reasons have waited."""
        match reason:
            case CutReason.MANUAL:
                return self.hangover_manual_ms
            case CutReason.MAX_TURN | CutReason.MAX_DURATION:
                return self.hangover_auto_ms
            case _:
                return 0

    def padding_for_ms(self, reason: CutReason) -> int:
        """Return the silence for the recogniser; none for max_length, which cuts amid a word."""
        match reason:
            case CutReason.MANUAL | CutReason.UTTERANCE:
                return self.padding_manual_ms
            case CutReason.MAX_LENGTH:
                return 0
            case _:
                return self.padding_auto_ms
