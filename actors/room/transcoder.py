"""TranscoderActor: speech for clients that play PCM16 only, in rooms and outside.

One per process. It asks a codec outside of the loop and sends outcomes to their listeners, in
the order in which they came; what cannot be decoded goes out as it was, under its true format.
"""

from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from loguru import logger

from actors.directory import Directory, send_to_listeners
from actors.messages.job import JobEnded, ResultReplaced, SpeechConverted
from actors.messages.room import HeardCorrection, HeardOutcome, Listener
from actors.ports import Mailbox
from actors.runtime.actor import LoopActor, tell
from protocol.messages.session_outbound import TranslationResult


class SpeechCodec(Protocol):
    """Decodes speech somewhere that is not the event loop."""

    async def prepare(self) -> None:
        """Be ready soon."""

    async def pcm16(self, opus: str) -> str | None:
        """Return base64 PCM16 (16 kHz, mono) for base64 framed opus; None if it cannot be."""


@dataclass(frozen=True, slots=True)
class TranscodeSpeech:
    """Send this to these listeners, with its speech as PCM16."""

    heard: HeardOutcome | HeardCorrection
    listeners: tuple[Listener, ...]


@dataclass(frozen=True, slots=True)
class ConvertSpeech:
    """Tell the session this as `SpeechConverted`: its own client hears it."""

    session: Mailbox
    message: JobEnded | ResultReplaced


@dataclass(frozen=True, slots=True)
class ListenerCame:
    """Somebody will want PCM16."""


class TranscoderActor(LoopActor):
    """Decodes one after the other: what nodes speak in a second takes milliseconds."""

    def __init__(self, codec: SpeechCodec, directory: Directory) -> None:
        super().__init__()
        self._codec = codec
        self._directory = directory
        self._current: TranscodeSpeech | ConvertSpeech | None = None

    async def on_receive(self, message: TranscodeSpeech | ConvertSpeech | ListenerCame) -> None:
        """Handle one message."""
        match message:
            case TranscodeSpeech():
                self._current = message
                transcoded = await self._transcoded(message.heard)
                send_to_listeners(self._directory, message.listeners, transcoded)
                self._current = None
            case ConvertSpeech():
                self._current = message
                tell(message.session, SpeechConverted(await self._converted(message.message)))
                self._current = None
            case ListenerCame():
                await self._codec.prepare()
            case _:
                assert_never(message)

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: nobody shall wait for the outcome that it had."""
        if self._current is not None:
            self.as_it_was(self._current)

    def as_it_was(self, message: TranscodeSpeech | ConvertSpeech) -> None:
        """Send an outcome with the speech that it has."""
        if isinstance(message, ConvertSpeech):
            tell(message.session, SpeechConverted(message.message))
        else:
            send_to_listeners(self._directory, message.listeners, message.heard)

    async def _converted(self, message: JobEnded | ResultReplaced) -> JobEnded | ResultReplaced:
        result = message.result
        if result is None:
            return message
        pcm16 = await self._codec.pcm16(result.tts_audio)
        if pcm16 is None:
            logger.warning("speech could not be decoded; it goes out as it is")
            return message
        spoken = result.model_copy(update={"tts_audio": pcm16, "tts_format": "pcm16"})
        return replace(message, result=spoken)

    async def _transcoded(
        self, heard: HeardOutcome | HeardCorrection
    ) -> HeardOutcome | HeardCorrection:
        outcome = heard.outcome
        if not isinstance(outcome, TranslationResult):
            return heard
        pcm16 = await self._codec.pcm16(outcome.tts_audio)
        if pcm16 is None:
            logger.warning("speech could not be decoded; it goes out as it is")
            return heard
        spoken = outcome.model_copy(update={"tts_audio": pcm16, "tts_format": "pcm16"})
        return replace(heard, outcome=spoken)
