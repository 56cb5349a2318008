"""The process in which speech is recognised by Moonshine, one utterance at a time.

The model (English, 27 MB) lies in the package. A whole utterance takes a tenth of its length on two
cores. What is sent on the pipes stands in `recogniser_pipe.py`.

The scheduler has cut the utterance already, so the package's own detector of speech is switched
off: it begins with a stray word ("You", "I guess") where an utterance begins quietly. But without
it the model finds words in silence, so what holds no speech never reaches the model.
"""

import array
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import moonshine_voice
from moonshine_voice import ModelArch
from moonshine_voice.transcriber import Transcriber

from peers.engines.growing_line import (
    FRAME,
    FULL_SCALE,
    LOUD,
    RATE_HZ,
    SPEECH_FRAMES,
    GrowingLine,
    rest_after,
)
from peers.engines.recogniser_pipe import Inbox, Order, StreamOrder, say, serve

MODEL = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
SHORTEST = RATE_HZ // 2
"""Samples: the model's first layer needs some context, so what is shorter gets silence behind."""


class MoonshineModel:
    """The loaded model."""

    def __init__(self) -> None:
        options = {"vad_threshold": "0.0"}
        self._model = Transcriber(str(MODEL), ModelArch.TINY, options=options)

    def recognise(self, order: Order, inbox: Inbox) -> dict[str, str]:
        """Return the message that ends the order; the model is not interrupted."""
        samples = samples_of(order.pcm)
        if not has_speech(samples):
            return {"is": "text", "text": "", "cmn": ""}
        text = self._text_of(samples)
        if inbox.is_cancelled(order):
            return {"is": "cancelled"}
        return {"is": "text", "text": text, "cmn": ""}

    def stream(self, order: StreamOrder, inbox: Inbox) -> dict[str, str]:
        """Recognise the line again and again while it grows, see `growing_line.py`.

        The package streams by itself, too, but ends its lines with the detector of speech that is
        switched off here, and loses the last half second of what ends without silence.
        """
        line = GrowingLine(self._text_of_samples)
        told, rested_at = "", 0.0
        while (piece := order.next_piece(_until(rested_at) if line.is_due() else None)) != b"":
            if inbox.is_cancelled(order):
                return {"is": "cancelled"}
            if piece is not None:
                line.add(piece)
            started = time.monotonic()
            if started < rested_at or not line.is_due():
                continue
            text = line.hypothesis()
            ended = time.monotonic()
            rested_at = ended + rest_after(ended - started)
            if text and text != told:
                say({"is": "partial", "text": text})
                told = text
        if inbox.is_cancelled(order):
            return {"is": "cancelled"}
        return {"is": "text", "text": line.final(), "cmn": ""}

    def _text_of_samples(self, samples: Sequence[int]) -> str:
        return self._text_of([sample / FULL_SCALE for sample in samples])

    def _text_of(self, samples: list[float]) -> str:
        samples += [0.0] * (SHORTEST - len(samples))
        lines = self._model.transcribe_without_streaming(samples, RATE_HZ).lines
        return " ".join(line.text for line in lines).strip()


def _until(at: float) -> float:
    """Return the seconds until a time of the monotonic clock."""
    return max(0.0, at - time.monotonic())


def samples_of(pcm: bytes) -> list[float]:
    """Return PCM16 little-endian as numbers from -1 to 1."""
    whole = array.array("h", pcm[: len(pcm) & ~1])
    if sys.byteorder == "big":
        whole.byteswap()
    return [sample / FULL_SCALE for sample in whole]


def has_speech(samples: list[float]) -> bool:
    """Tell whether somebody may be speaking: a few loud frames in a row."""
    in_a_row = 0
    for start in range(0, len(samples) - FRAME + 1, FRAME):
        power = sum(sample * sample for sample in samples[start : start + FRAME]) / FRAME
        in_a_row = in_a_row + 1 if power > LOUD * LOUD else 0
        if in_a_row == SPEECH_FRAMES:
            return True
    return False


if __name__ == "__main__":
    serve(MoonshineModel)
