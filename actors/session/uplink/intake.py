"""AudioIntake: from what a client sends to packets or samples. Pure.

The first thing that a chunk meets in its session. It recognises containers at the begin of a
stream, unwraps WAV, takes Ogg and WebM with opus apart into packets, puts samples together that
were cut in their middle, leaves out opus packets that are none, and says what has to be converted.
A stream begins with the first audio, and after each final of the client. Must not: decide the
format of a session (`audio_framing` does), convert, keep audio but for the few bytes that decide.
"""

from typing import Final, NamedTuple

from actors.media import CONVERTED_RATE_HZ, ContainedSource, Encoding, MediaSource, RawSource
from actors.session.uplink.declared import Declared
from protocol.audio.containers import (
    Container,
    Undecided,
    WavError,
    WavFormat,
    WavUnwrapper,
    recognise,
)
from protocol.audio.framing import AudioFormat, framed_ticks, valid_packets
from protocol.audio.opus_stream import Inside, OpusStream, inside
from protocol.errors import ErrorCode, ProtocolError

_SEND: Final = "send opus packets behind their lengths, PCM16, or a WAV of mono PCM16"
_LOWEST_HZ: Final = 8_000
_HIGHEST_HZ: Final = 48_000
"""Rates of PCM16 that nodes are given."""
_PCM_CODE, _FLOAT_CODE, _ALAW_CODE, _MULAW_CODE = 1, 3, 6, 7
_ENCODINGS: Final = {
    (_PCM_CODE, 8): Encoding.U8,
    (_PCM_CODE, 16): Encoding.S16LE,
    (_PCM_CODE, 24): Encoding.S24LE,
    (_PCM_CODE, 32): Encoding.S32LE,
    (_FLOAT_CODE, 32): Encoding.F32LE,
    (_FLOAT_CODE, 64): Encoding.F64LE,
    (_ALAW_CODE, 8): Encoding.ALAW,
    (_MULAW_CODE, 8): Encoding.MULAW,
}
"""Of a WAV's samples: its code and bits."""


_NOTHING: Final = Declared()


class Taken(NamedTuple):
    """What a chunk has brought."""

    audio: bytes
    """Opus packets or whole samples; may be empty."""
    opus_ticks: int | None = None
    """As in `ChunkArrived`."""
    begins: tuple[AudioFormat | None, int] | None = None
    """Set where another format begins: which, if that is known, and its rate in Hz."""
    is_fed: bool = False
    """The audio has to be converted before it counts."""
    source: MediaSource | None = None
    """Set where a stream begins that has to be converted: what it is."""


class AudioIntake:
    """One session's stream, piece by piece."""

    __slots__ = (
        "_declared",
        "_head",
        "_is_changed",
        "_is_fed",
        "_is_refused",
        "_odd",
        "_opus",
        "_wav",
        "_wav_head",
        "is_at_start",
        "needs_begin",
        "passes_opus",
    )

    def __init__(self, declared: Declared = _NOTHING) -> None:
        self._declared = declared
        self._is_changed = False
        """An earlier stream was in a container, of whatever format."""
        self.begin()
        self.is_at_start = True
        """The next audio begins a stream."""
        self.passes_opus = self._may_pass
        """A chunk of whole opus packets goes on as it is: it needs no `take`, and moves
        `is_at_start` alone."""

    @property
    def _may_pass(self) -> bool:
        return self._declared.can_convert or self._declared.unsupported is None

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
            if self.is_at_start and (audio or self._head):
                return self._start(audio, opus_ticks, audio_format, is_final=is_final)
            return self._go_on(audio, opus_ticks, audio_format)
        finally:
            if is_final:
                self.begin()
            self._note_state()

    def refuse(self, what: str, *, is_final: bool = False) -> ProtocolError:
        """Return the refusal of a stream; the rest of it, if any, comes to nothing."""
        self.is_at_start, self._is_refused, self._is_fed = False, True, False
        if is_final:
            self.begin()
        self._note_state()
        return ProtocolError(ErrorCode.UNSUPPORTED_AUDIO, f"{what} cannot be read here: {_SEND}")

    def keep_rate(self, samples: bytes, rate_hz: int) -> Taken:
        """Take mono PCM16 as it is, that nobody can convert now."""
        self._is_fed, self._is_changed = False, True
        return Taken(self._whole_samples(samples), 0, (AudioFormat.PCM16, rate_hz))

    def begin(self) -> None:
        """Be ready for another stream."""
        self.is_at_start = True
        self._is_refused = self._is_fed = False
        self.needs_begin = False
        """What comes means nothing to who has not heard the begin of its stream."""
        self._head = self._odd = self._wav_head = b""
        self._wav: WavUnwrapper | None = None
        self._opus: OpusStream | None = None

    def _note_state(self) -> None:
        holds = self._head or self._odd or self._wav or self._opus
        self.passes_opus = not (holds or self._is_refused or self._is_fed) and self._may_pass

    # ---- the begin of a stream --------------------------------------------------------------

    def _start(
        self,
        audio: bytes,
        opus_ticks: int | None,
        audio_format: AudioFormat | None,
        *,
        is_final: bool,
    ) -> Taken:
        declared = self._declared
        if declared.unsupported is not None and not declared.can_convert:
            raise self.refuse(declared.unsupported)
        if self._head:
            audio, self._head, opus_ticks = self._head + audio, b"", None
        found = Undecided.NONE if opus_ticks else recognise(audio)
        if found is Undecided.MORE and not is_final:
            self._head = audio
            return Taken(b"")
        if isinstance(found, Container):
            return self._contained(found, audio, is_final=is_final)
        self.is_at_start = False
        if self._is_changed:
            audio_format = declared.audio_format
        source = declared.source
        if source is not None and declared.can_convert and _is_pcm(audio, opus_ticks, audio_format):
            return self._convert(source, audio)
        taken = self._raw(audio, opus_ticks, audio_format)
        if self._is_changed:
            self._is_changed = False
            return taken._replace(begins=(audio_format, declared.rate_hz))
        return taken

    def _contained(self, found: Container, audio: bytes, *, is_final: bool) -> Taken:
        if found is Container.WAV:
            self.is_at_start, self._wav = False, WavUnwrapper()
            return self._unwrap(self._wav, audio)
        if not self._declared.can_convert:
            raise self.refuse(found.value)
        what = inside(found, audio)
        if what is Inside.UNKNOWN and not is_final:
            self._head = audio
            return Taken(b"")
        self.is_at_start, self.needs_begin = False, True
        if what is not Inside.OPUS:
            return self._convert(ContainedSource(found.value), audio)
        self._opus, self._is_changed = OpusStream(found), True
        framed, ticks = self._opus.take(audio)
        return Taken(framed, ticks, (AudioFormat.OPUS, self._declared.rate_hz))

    def _convert(self, source: MediaSource, audio: bytes) -> Taken:
        self._is_fed = self._is_changed = True
        return Taken(audio, is_fed=True, source=source)

    # ---- the rest of it ---------------------------------------------------------------------

    def _go_on(
        self, audio: bytes, opus_ticks: int | None, audio_format: AudioFormat | None
    ) -> Taken:
        if self._is_refused:
            return Taken(b"")
        if self._wav is not None:
            return self._unwrap(self._wav, audio)
        if self._is_fed:
            return Taken(audio, is_fed=True)
        if self._opus is not None:
            return Taken(*self._opus.take(audio))
        return self._raw(audio, opus_ticks, audio_format)

    def _unwrap(self, wav: WavUnwrapper, audio: bytes) -> Taken:
        was_unknown = wav.format is None
        if was_unknown and self._declared.can_convert:
            self._wav_head += audio
        try:
            samples = wav.take(audio)
        except WavError as error:
            raise self.refuse(str(error)) from error
        if self._is_fed:
            return Taken(samples, is_fed=True)
        if wav.format is None or not was_unknown:
            return Taken(self._whole_samples(samples), 0)
        return self._begin_wav(wav.format, samples)

    def _begin_wav(self, form: WavFormat, samples: bytes) -> Taken:
        head, self._wav_head = self._wav_head, b""
        can_convert = self._declared.can_convert
        is_wanted = form.rate_hz == CONVERTED_RATE_HZ or not can_convert
        if form.is_mono_pcm16 and is_wanted and _LOWEST_HZ <= form.rate_hz <= _HIGHEST_HZ:
            return self.keep_rate(samples, form.rate_hz)
        if not can_convert:
            raise self.refuse(str(form))
        self.needs_begin = True
        encoding = _ENCODINGS.get((form.encoding, form.bits))
        if encoding is not None:
            return self._convert(RawSource(encoding, form.rate_hz, form.channels), samples)
        self._wav = None
        return self._convert(ContainedSource(Container.WAV.value), head)

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


def _is_pcm(audio: bytes, opus_ticks: int | None, audio_format: AudioFormat | None) -> bool:
    """Tell whether the first chunk of a stream without a container is samples."""
    if audio_format is not None:
        return audio_format is AudioFormat.PCM16
    return not (opus_ticks or framed_ticks(audio) or valid_packets(audio, is_opus=False))
