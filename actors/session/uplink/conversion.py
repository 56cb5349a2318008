"""Conversion: the audio of one session that has to become PCM16 before it can be cut. Pure.

It gives each piece of a stream to the session's converter and keeps, in order, what the pieces
were: the answers come later, one for each, and count as the chunks did. Nothing of a session
overtakes a piece that is not answered: who asks `is_busy` waits. Must not: cut, know sockets.
"""

from typing import Final, NamedTuple

from actors.media import CONVERTED_RATE_HZ, Converter, Converters, MediaSource, is_usable
from actors.messages.session import (
    AudioConverted,
    ChunkArrived,
    ConversionFailed,
    UtteranceArrived,
)
from actors.ports import AudioFlow, Mailbox
from protocol.audio.framing import AudioFormat
from protocol.errors import ErrorCode, ProtocolError

BUSY: Final = "busy: as much audio is converted as can be: try again later, or"
_MOST_UNANSWERED_BYTES: Final = 256 * 1024
"""With more on its way the session's socket is not read."""
_MOST_WHOLE_BYTES: Final = 120 * CONVERTED_RATE_HZ * 2
"""Two minutes: what an utterance in one piece may become."""


class Piece(NamedTuple):
    """Audio that has been converted."""

    chunk: ChunkArrived
    begins: bool
    """It is the first of its stream."""
    part: int
    """Its place among those that one chunk became, from 1; 0: it is the last of them."""


class _Fed(NamedTuple):
    """A piece on its way."""

    seq: int | None
    """None: it only ends its stream."""
    is_final: bool
    at_ms: int | None
    size: int


class Conversion:
    """Life: that of its session. It has a converter from the first stream that needs one."""

    __slots__ = (
        "_begins",
        "_converter",
        "_converters",
        "_fed",
        "_part",
        "_session",
        "_stream",
        "_whole",
        "_whole_pcm",
        "held_bytes",
        "is_active",
        "is_open",
    )

    def __init__(self, converters: Converters, session: Mailbox) -> None:
        self._converters = converters
        self._session = session
        self._converter: Converter | None = None
        self._stream = 0
        self._fed: list[_Fed] = []
        self._begins = False
        self._part = 0
        self._whole: UtteranceArrived | None = None
        self._whole_pcm = bytearray()
        self.held_bytes = 0
        """Bytes on their way, and converted for an utterance that is not whole yet."""
        self.is_open = False
        """A stream of chunks has begun, and has not ended."""
        self.is_active = False
        """That, or something is on its way."""

    def __repr__(self) -> str:
        return f"<Conversion {len(self._fed)} pieces, {self.held_bytes} bytes>"

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way."""
        return bool(self._fed)

    @property
    def flow(self) -> AudioFlow:
        """How the session's socket is to be read."""
        if self.held_bytes > _MOST_UNANSWERED_BYTES and self._whole is None:
            return AudioFlow.HELD
        return AudioFlow.OWN_PACE if self.is_open or self._fed else AudioFlow.METERED

    def is_current(self, stream: int) -> bool:
        """Tell whether an answer is one of the present stream, and not of one that was given up."""
        return stream == self._stream

    def has(self, seq: int) -> bool:
        """Tell whether a chunk with this number is on its way."""
        return any(fed.seq == seq for fed in self._fed)

    # ---- what is to be converted ------------------------------------------------------------

    def begin(self, source: MediaSource) -> bool:
        """Begin a stream of chunks; False: there is no converter for it now."""
        self.is_open = self._begin(source)
        return self.is_open

    def feed(self, message: ChunkArrived, piece: bytes) -> None:
        """Convert what a chunk has brought; its final ends the stream."""
        fed = _Fed(message.seq, message.is_final, message.client_timestamp_ms, len(piece))
        self._feed(fed, piece, is_last=message.is_final)

    def end(self) -> None:
        """The stream ends without a final: what was fed of it comes all the same."""
        if self.is_open:
            self._feed(_Fed(None, False, None, 0), b"", is_last=True)

    def convert_whole(
        self, message: UtteranceArrived, source: MediaSource | None, audio: bytes
    ) -> bool:
        """Convert a whole utterance; False: it has to do as it is.

        Raises:
            ProtocolError: UNSUPPORTED_AUDIO: there is no converter for it now.
        """
        if source is None:
            return False
        if self.is_open or not self._begin(source):
            if not is_usable(source):
                raise refused(BUSY)
            return False
        self._whole = message
        self._feed(_Fed(None, False, None, len(audio)), audio, is_last=True)
        return True

    def _begin(self, source: MediaSource) -> bool:
        if self._converter is None:
            self._converter = self._converters.open(self._session)
        if self._converter is None:
            return False
        self._stream += 1
        self.is_active = self._begins = True
        self._part = 0
        self._converter.begin(source, self._stream)
        return True

    def _feed(self, fed: _Fed, piece: bytes, *, is_last: bool) -> None:
        if self._converter is None:
            return
        self._fed.append(fed)
        self.held_bytes += fed.size
        if is_last:
            self.is_open = False
        self._converter.feed(piece, is_last=is_last)

    # ---- what comes back --------------------------------------------------------------------

    def take(self, message: AudioConverted) -> Piece | UtteranceArrived | None:
        """Return what goes on of an answer, if anything.

        Raises:
            ProtocolError: UNSUPPORTED_AUDIO: it is too much.
        """
        if not self._fed:
            return None
        fed = self._fed[0]
        if message.is_answer:
            self._answered()
        if self._whole is not None:
            return self._collect(self._whole, message)
        if fed.seq is None and not message.audio:
            return None
        self._part = 0 if message.is_answer else self._part + 1
        begins, self._begins = self._begins, False
        is_final = fed.is_final and message.is_answer
        chunk = ChunkArrived(message.audio, fed.seq or 0, is_final, fed.at_ms, 0)
        return Piece(chunk, begins, self._part)

    def fail(self, message: ConversionFailed) -> list[Piece]:
        """A stream comes to nothing more; return what counts all the same: its chunks, empty."""
        if message.is_lost:
            self._converter = None
            lost = [self._answered() for _ in range(len(self._fed))]
            self.is_open = self.is_active = False
        else:
            lost = [self._answered()] if self._fed else []
            self.end()
        if self._whole is not None:
            self._whole = None
            self.held_bytes -= len(self._whole_pcm)
            self._whole_pcm.clear()
            return []
        return [
            Piece(ChunkArrived(b"", fed.seq, fed.is_final, fed.at_ms, 0), begins=False, part=0)
            for fed in lost
            if fed.seq is not None
        ]

    def close(self) -> None:
        """Nothing is converted any more."""
        converter, self._converter = self._converter, None
        if converter is not None:
            converter.close()
        while self._fed:
            self._answered()
        self._whole, self.is_open, self.is_active = None, False, False
        self.held_bytes -= len(self._whole_pcm)
        self._whole_pcm.clear()
        self._stream += 1

    def _answered(self) -> _Fed:
        fed = self._fed.pop(0)
        self.held_bytes -= fed.size
        self.is_active = self.is_open or bool(self._fed)
        return fed

    def _collect(self, whole: UtteranceArrived, message: AudioConverted) -> UtteranceArrived | None:
        self._whole_pcm += message.audio
        self.held_bytes += len(message.audio)
        if len(self._whole_pcm) > _MOST_WHOLE_BYTES:
            self.close()
            raise refused("an utterance of more than two minutes")
        if not message.is_answer:
            return None
        pcm, self._whole = bytes(self._whole_pcm), None
        self.held_bytes -= len(pcm)
        self._whole_pcm.clear()
        form = {"audio": pcm, "audio_format": AudioFormat.PCM16, "sample_rate": CONVERTED_RATE_HZ}
        return UtteranceArrived(whole.message.model_copy(update=form))


def refused(what: str) -> ProtocolError:
    """Return what a client hears whose audio cannot be converted."""
    text = f"{what} cannot be read here: send opus packets behind their lengths, or PCM16"
    return ProtocolError(ErrorCode.UNSUPPORTED_AUDIO, text)
