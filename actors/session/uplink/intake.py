"""AudioIntake: from what a client sends to packets or samples. Pure.

The first thing that a chunk meets in its session. It recognises containers at the begin of a
stream, unwraps WAV, puts samples together that were cut in their middle, and leaves out opus
packets that are none. A stream begins with the first audio, and after each final of the client.
Must not: decide the format of a session (`audio_framing` does), keep audio but for the few bytes
that decide.
"""

from typing import Final, NamedTuple

from protocol.audio.containers import Container, Undecided, WavError, WavUnwrapper, recognise
from protocol.audio.framing import AudioFormat, framed_ticks, valid_packets
from protocol.errors import ErrorCode, ProtocolError

_SEND: Final = "send opus packets behind their lengths, PCM16, or a WAV of mono PCM16"
_LOWEST_HZ: Final = 8_000
_HIGHEST_HZ: Final = 48_000
"""Rates of PCM16 that nodes are given."""


class Taken(NamedTuple):
    """What a chunk has brought."""

    audio: bytes
    """Opus packets or whole samples; may be empty."""
    opus_ticks: int | None = None
    """As in `ChunkArrived`."""
    pcm_rate_hz: int | None = None
    """Set where a WAV has just said what its samples are."""


class AudioIntake:
    """One session's stream, piece by piece."""

    __slots__ = (
        "_head",
        "_is_refused",
        "_odd",
        "_unsupported",
        "_wav",
        "is_at_start",
        "passes_opus",
    )

    def __init__(self, unsupported: str | None = None) -> None:
        self._unsupported = unsupported
        """What the client has declared and nobody here can read."""
        self._begin()
        self.is_at_start = True
        """The next audio begins a stream."""
        self.passes_opus = unsupported is None
        """A chunk of whole opus packets goes on as it is: it needs no `take`, and moves
        `is_at_start` alone."""

    def take(
        self,
        audio: bytes,
        opus_ticks: int | None,
        audio_format: AudioFormat | None,
        *,
        is_final: bool,
    ) -> Taken:
        """Return what goes on of a chunk of a session that has this format, if any.

        Raises:
            ProtocolError: UNSUPPORTED_AUDIO, once for a stream; the rest of it comes to nothing.
        """
        if is_final and not audio and self.passes_opus:
            self.is_at_start = True
            return Taken(audio, opus_ticks)
        try:
            return self._take(audio, opus_ticks, audio_format, is_final=is_final)
        finally:
            if is_final:
                self._begin()
            holds = self._head or self._odd or self._wav is not None or self._is_refused
            self.passes_opus = not holds and self._unsupported is None

    def _begin(self) -> None:
        self.is_at_start = True
        self._is_refused = False
        self._head = self._odd = b""
        self._wav: WavUnwrapper | None = None

    def _take(
        self,
        audio: bytes,
        opus_ticks: int | None,
        audio_format: AudioFormat | None,
        *,
        is_final: bool,
    ) -> Taken:
        if self.is_at_start and (audio or self._head):
            if self._unsupported is not None:
                raise self._refusal(self._unsupported)
            if self._head:
                audio, self._head, opus_ticks = self._head + audio, b"", None
            found = Undecided.NONE if opus_ticks else recognise(audio)
            if found is Undecided.MORE and not is_final:
                self._head = audio
                return Taken(b"")
            self.is_at_start = False
            if found is Container.WAV:
                self._wav = WavUnwrapper()
            elif isinstance(found, Container):
                raise self._refusal(found.value)
        if self._is_refused:
            return Taken(b"")
        if self._wav is not None:
            return self._unwrap(self._wav, audio)
        return self._raw(audio, opus_ticks, audio_format)

    def _unwrap(self, wav: WavUnwrapper, audio: bytes) -> Taken:
        was_unknown = wav.format is None
        try:
            audio = wav.take(audio)
        except WavError as error:
            raise self._refusal(str(error)) from error
        if wav.format is None or not was_unknown:
            return Taken(self._whole_samples(audio), 0)
        if not wav.format.is_mono_pcm16 or not _LOWEST_HZ <= wav.format.rate_hz <= _HIGHEST_HZ:
            raise self._refusal(str(wav.format))
        return Taken(self._whole_samples(audio), 0, wav.format.rate_hz)

    def _raw(self, audio: bytes, opus_ticks: int | None, audio_format: AudioFormat | None) -> Taken:
        if opus_ticks is None and audio_format is not AudioFormat.PCM16:
            opus_ticks = framed_ticks(audio)
        if opus_ticks or not audio:
            self._odd = b""
            return Taken(audio, opus_ticks)
        if audio_format is not AudioFormat.PCM16:
            is_opus = audio_format is AudioFormat.OPUS
            packets = valid_packets(audio, is_opus=is_opus)
            if packets is not None:
                return Taken(packets)
            if is_opus:
                return Taken(audio, opus_ticks)
        return Taken(self._whole_samples(audio), 0)

    def _whole_samples(self, audio: bytes) -> bytes:
        """Return whole samples; half a one waits for the next piece."""
        if not self._odd and not len(audio) & 1:
            return audio
        audio = self._odd + audio
        whole = len(audio) & ~1
        self._odd = audio[whole:]
        return audio[:whole]

    def _refusal(self, what: str) -> ProtocolError:
        self.is_at_start, self._is_refused = False, True
        return ProtocolError(ErrorCode.UNSUPPORTED_AUDIO, f"{what} cannot be read here: {_SEND}")


def whole_audio(audio: bytes) -> tuple[bytes, int] | None:
    """Return the samples of a WAV that came in one piece, and their rate; None: it is no container.

    Raises:
        ProtocolError: UNSUPPORTED_AUDIO.
    """
    if not isinstance(recognise(audio), Container):
        return None
    taken = AudioIntake().take(audio, 0, None, is_final=False)
    if taken.pcm_rate_hz is None or not taken.audio:
        raise ProtocolError(ErrorCode.UNSUPPORTED_AUDIO, f"a WAV without samples: {_SEND}")
    return taken.audio, taken.pcm_rate_hz
