"""Converting: what waits until a session's audio is converted, and what becomes of the answers.

A final, an utterance, the end of the session: whatever depends on the order of speech waits while
audio before it is on its way through a converter. Must not: convert, cut.
"""

from collections.abc import Iterator
from math import inf

from actors.messages.session import (
    AudioConverted,
    CancelRequested,
    ChunkArrived,
    CloseRequested,
    ConversionFailed,
    UpdateRequested,
    UtteranceArrived,
)
from actors.messages.takeover import DrainRequested
from actors.session.inbound import SessionMessage
from actors.session.parts import Parts
from actors.session.resume.uplink import UplinkRestore
from actors.session.speech import Speech
from actors.session.uplink.conversion import Conversion, Piece, refused
from protocol.errors import ProtocolError


class Converting:
    """Life: that of a session in a process that converts audio."""

    def __init__(
        self, conversion: Conversion, parts: Parts, speech: Speech, again: UplinkRestore | None
    ) -> None:
        self._conversion = conversion
        self._uplink = parts.uplink
        self._speech = speech
        self._again = again
        self._life = parts.life
        self._patience_ms = parts.setup.close_flush_ms
        self._waiting: list[SessionMessage] = []
        self._is_releasing = False
        self.due_ms: float | None = None
        """When the end of the session waits no longer for what is being converted."""

    def puts_off(self, message: SessionMessage, now_ms: float) -> bool:
        """Keep a message for later that must not overtake audio on its way; False: handle it."""
        conversion = self._conversion
        if self._is_releasing or not (conversion.is_open or conversion.is_busy or self._waiting):
            return False
        match message:
            case ChunkArrived():
                waits = bool(self._waiting) or not conversion.is_open
            case UtteranceArrived() | UpdateRequested() | CancelRequested():
                waits = bool(self._waiting) or conversion.is_busy
            case CloseRequested() | DrainRequested():
                conversion.end()
                waits = conversion.is_busy
                self._be_patient(message, now_ms)
            case _:
                waits = False
        if waits:
            self._waiting.append(message)
            conversion.held_bytes += _size(message)
            self._uplink.settle_flow()
        return waits

    def _be_patient(self, message: CloseRequested | DrainRequested, now_ms: float) -> None:
        """Wait for a client that asked for its end as long as its audio comes; else not for long.

        A converter that does not answer is ended by who runs it.
        """
        if isinstance(message, CloseRequested) and message.acknowledge:
            return
        within_ms = self._patience_ms if message.within_ms is None else message.within_ms
        self.due_ms = min(self.due_ms or inf, now_ms + within_ms)

    def take(self, message: AudioConverted | ConversionFailed, now_ms: float) -> None:
        """Take what a converter says."""
        if not self._conversion.is_current(message.stream):
            return
        try:
            if isinstance(message, ConversionFailed):
                self._fail(message, now_ms)
                return
            answer = self._conversion.take(message)
        except ProtocolError as error:
            self._speech.refuse(error)
            answer = None
        if isinstance(answer, UtteranceArrived):
            self._speech.utterance(answer, now_ms)
        elif answer is not None:
            self._piece(answer, now_ms)
        self._uplink.settle_flow()

    def poll(self, now_ms: float) -> None:
        """Give up what the end of the session has waited for long enough."""
        if self.due_ms is not None and now_ms >= self.due_ms:
            self._conversion.close()
            self._uplink.settle_flow()

    def released(self) -> Iterator[SessionMessage]:
        """Yield what waited and does not have to any more; each is handled before the next."""
        conversion, waiting = self._conversion, self._waiting
        while waiting:
            is_of_stream = conversion.is_open and isinstance(waiting[0], ChunkArrived)
            if conversion.is_busy and not is_of_stream:
                return
            message = waiting.pop(0)
            conversion.held_bytes -= _size(message)
            if isinstance(message, CloseRequested | DrainRequested):
                self.due_ms = None
            self._is_releasing = True
            yield message
            self._is_releasing = False

    def _piece(self, piece: Piece, now_ms: float) -> None:
        if self._again is not None and self._again.converted(piece):
            self._speech.send_filled()
        elif self._life.is_open:
            self._speech.dispatch(self._uplink.converted(piece, now_ms))

    def _fail(self, message: ConversionFailed, now_ms: float) -> None:
        """The rest of a stream comes to nothing; the client hears it if there was any."""
        conversion = self._conversion
        was_open, was_active = conversion.is_open, conversion.is_open or conversion.is_busy
        for piece in conversion.fail(message):
            self._piece(piece, now_ms)
        self._uplink.settle_flow()
        if was_open:
            self._speech.refuse(self._uplink.intake.refuse(message.why))
        elif was_active:
            self._speech.refuse(refused(message.why))


def converting_of(parts: Parts, speech: Speech, again: UplinkRestore | None) -> Converting | None:
    """Return what a session needs for it; None where nothing is converted."""
    conversion = parts.uplink.conversion
    return None if conversion is None else Converting(conversion, parts, speech, again)


def _size(message: SessionMessage) -> int:
    match message:
        case ChunkArrived(audio=audio):
            return len(audio)
        case UtteranceArrived(message=spoken):
            return len(spoken.audio)
        case _:
            return 0
