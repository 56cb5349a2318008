"""TranscoderActor: speech for members whose client plays PCM16 only.

One per process. It asks a codec outside of the loop and brings the words to their listeners, in
the order in which they came; what cannot be decoded goes out as it was, under its true format.
"""

from dataclasses import dataclass
from typing import Protocol, assert_never

from loguru import logger

from actors.directory import Directory, bring
from actors.messages.room import HeardCorrection, HeardOutcome, Listener
from actors.runtime.actor import LoopActor
from protocol.session_outbound import TranslationResult


class SpeechCodec(Protocol):
    """Decodes speech somewhere that is not the event loop."""

    async def prepare(self) -> None:
        """Be ready soon."""

    async def pcm16(self, opus: str) -> str | None:
        """Return base64 PCM16 (16 kHz, mono) for base64 framed opus; None if it cannot be."""


@dataclass(frozen=True, slots=True)
class TranscodeSpeech:
    """Bring these words to these listeners, with their speech as PCM16."""

    words: HeardOutcome | HeardCorrection
    listeners: tuple[Listener, ...]


@dataclass(frozen=True, slots=True)
class ListenerCame:
    """Somebody is in a room who will want PCM16."""


class TranscoderActor(LoopActor):
    """Decodes one after the other: what nodes speak in a second takes milliseconds."""

    def __init__(self, codec: SpeechCodec, directory: Directory) -> None:
        super().__init__()
        self._codec = codec
        self._directory = directory
        self._current: TranscodeSpeech | None = None

    async def on_receive(self, message: TranscodeSpeech | ListenerCame) -> None:
        """Handle one message."""
        match message:
            case TranscodeSpeech():
                self._current = message
                words = await self._transcoded(message.words)
                bring(self._directory, message.listeners, words)
                self._current = None
            case ListenerCame():
                await self._codec.prepare()
            case _:
                assert_never(message)

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: nobody shall wait for the words that it had."""
        if self._current is not None:
            bring(self._directory, self._current.listeners, self._current.words)

    async def _transcoded(
        self, words: HeardOutcome | HeardCorrection
    ) -> HeardOutcome | HeardCorrection:
        outcome = words.outcome
        if not isinstance(outcome, TranslationResult):
            return words
        pcm16 = await self._codec.pcm16(outcome.tts_audio)
        if pcm16 is None:
            logger.warning("speech could not be decoded; it goes out as it is")
            return words
        spoken = outcome.model_copy(update={"tts_audio": pcm16, "tts_format": "pcm16"})
        return type(words)(words.key, spoken)
