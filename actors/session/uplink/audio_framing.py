"""Which format one session's chunks have, and how long each chunk is.

The format is what the client declared; if it declared nothing, it follows from the framing of
what comes. Must not: keep audio.

One chunk is not proof: PCM may look framed by accident, and the first opus chunk of a session
may be a broken one. So a format told from the framing becomes final with the second chunk that
fits; before that it may turn, and no session is stuck with the wrong one.
"""

from protocol.audio.framing import AudioFormat, framed_ticks, measure, misfit


class AudioFraming:
    """The format of one session. It begins open or declared, and ends settled."""

    __slots__ = ("_misfits", "audio_format", "is_opus", "is_settled", "sample_rate_hz")

    def __init__(self, audio_format: AudioFormat | None, sample_rate_hz: int) -> None:
        self.audio_format = audio_format
        """None until the first chunk."""
        self.sample_rate_hz = sample_rate_hz
        """Hertz, of PCM16."""
        self.is_settled = audio_format is not None
        """True once the format stands for good; until then each chunk is weighed."""
        self.is_opus = audio_format is AudioFormat.OPUS
        """It is opus for good: a chunk of whole packets fits."""
        self._misfits = 0
        """Chunks in a row that would be PCM, after one that looked like opus."""

    def __repr__(self) -> str:
        name = self.audio_format or "undecided"
        return f"<AudioFraming {name}{'' if self.is_settled else ', not settled'}>"

    def declare(self, audio_format: AudioFormat, sample_rate_hz: int) -> None:
        """Settle what the client says, unless a chunk or an earlier word decided it."""
        if self.audio_format is None:
            self.audio_format = audio_format
            self.sample_rate_hz = sample_rate_hz
            self.is_settled = True
            self.is_opus = audio_format is AudioFormat.OPUS

    def measure(self, audio: bytes, opus_ticks: int | None = None) -> int:
        """Return the length of a chunk of the decided format in 1/48000 s.

        `opus_ticks`: what `framed_ticks` says of it, where that is known.

        Raises:
            ProtocolError: the chunk does not fit the format.
        """
        audio_format = self.audio_format or AudioFormat.PCM16
        return measure(audio, audio_format, self.sample_rate_hz, opus_ticks)

    def weigh(self, audio: bytes, opus_ticks: int | None = None) -> bool:
        """Let a chunk speak for a format; True when it turned what an earlier one had said.

        `opus_ticks`: what `framed_ticks` says of it, where that is known.

        Raises:
            ProtocolError: the chunk fits no format, or it is the first that contradicts opus: a
                broken chunk is likelier than PCM that looked framed. The second turns it.
        """
        framed = bool(framed_ticks(audio) if opus_ticks is None else opus_ticks)
        odd = bool(len(audio) & 1)
        if not framed and odd:
            raise misfit("audio is neither opus packets behind their lengths nor 16-bit samples")
        before = self.audio_format
        if before is AudioFormat.OPUS and not framed:
            self._misfits += 1
            if self._misfits == 1:
                raise misfit("audio is not opus packets, each behind its length")
        self._misfits = 0
        self.audio_format = AudioFormat.OPUS if framed else AudioFormat.PCM16
        turned = before is not None and self.audio_format is not before
        self.is_settled = (framed and odd) or (before is not None and not (turned and framed))
        self.is_opus = self.is_settled and framed
        return turned
