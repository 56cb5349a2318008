"""The plug points of a node: three callables or four, and what they can do.

Owns the shape of an engine and how one is called. Knows no engine in particular.

An engine is any callable, plain or `async`. A plain one runs in a thread, so it may take its time,
but not the interpreter's lock: what holds the lock belongs into a process of its own, as
`recogniser.py` does it. How faster-whisper, CTranslate2 and Piper fit in stands in
`peers/README.md`.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


class Speech(NamedTuple):
    """Speech that an engine made."""

    pcm: bytes
    """Signed 16-bit little-endian, mono; empty if there is nothing to say."""
    rate_hz: int


Recognise = Callable[[bytes, str], str | Awaitable[str] | Iterator[str] | AsyncIterator[str]]
"""(PCM16 16 kHz mono, language or "auto") -> text, "" if nobody spoke. A generator yields the text
so far as it grows; what it yields last is the text."""
Stream = (
    Callable[[Iterator[bytes], str], Iterator[str]]
    | Callable[[AsyncIterator[bytes], str], AsyncIterator[str]]
)
"""(pieces of PCM16 16 kHz mono as they are spoken, language or "auto") -> the text so far, whenever
there is more of it; what is yielded after the last piece is the text. A plain generator runs in a
thread of its own and waits in its pieces; an `async` one runs on the event loop."""
Translate = Callable[[str, str, str], str | Awaitable[str]]
"""(text, from language, into language) -> text."""
Speak = Callable[[str, str], tuple[bytes, int] | Awaitable[tuple[bytes, int]]]
"""(text, language) -> (PCM16 mono, rate in Hz)."""


@dataclass(frozen=True, slots=True)
class Listening:
    """What surrounds one piece of speech, for recognisers that make use of it."""

    speaker_key: str
    """Whose speech: what was learnt about a voice may be carried from one utterance to the next."""
    on_partial: Callable[[str], None] | None = None
    """Called on the event loop with the text so far; None if nobody wants it."""


@runtime_checkable
class SessionRecogniser(Protocol):
    """A recogniser that remembers speakers and can tell the text so far."""

    async def recognise_in_session(self, pcm: bytes, language: str, listening: Listening) -> str:
        """Return the text; being cancelled stops the work."""
        ...


@runtime_checkable
class SessionStreamer(Protocol):
    """A recogniser that works while somebody speaks and remembers speakers."""

    async def stream_in_session(
        self, pieces: AsyncIterator[bytes], language: str, listening: Listening
    ) -> str:
        """Return the text of all pieces; on the way `listening` gets the text so far.

        Being cancelled stops the work.
        """
        ...


@runtime_checkable
class Running(Protocol):
    """An engine with processes or threads behind it."""

    async def start(self) -> None:
        """Get warm, so that the first job is not the slow one."""
        ...

    async def stop(self) -> None:
        """Leave nothing running."""
        ...


class EngineError(Exception):
    """An engine could not do what was asked.

    The text is for log and `job_result`, so nothing that was spoken may be in it.
    """


class ModelMissingError(EngineError):
    """The engine has nothing for this language."""


@dataclass(frozen=True, slots=True)
class EngineLanguages:
    """What a set of engines can do, as a node tells it to the scheduler."""

    asr: tuple[str, ...]
    """Languages that are recognised."""
    semantic: tuple[str, ...]
    """Languages that are translated into."""
    tts: tuple[str, ...]
    """Languages that are spoken."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Everything a node needs to do its work."""

    recognise: Recognise
    translate: Translate
    speak: Speak
    languages: EngineLanguages
    names: dict[str, str] = field(default_factory=dict)
    """What does the work, by kind (asr, nmt, tts): {"asr": "pocketsphinx 5.1.1"}. For people."""
    notes: tuple[str, ...] = ()
    """What is missing and how to get it, one line each."""
    stream: Stream | SessionStreamer | None = None
    """Recognises while somebody speaks; None: only whole utterances are taken."""

    async def start(self) -> None:
        """Start what has to be started, all at the same time.

        Raises:
            EngineError: one of them does not start; none is still starting then.
        """
        outcomes = await asyncio.gather(
            *(engine.start() for engine in self._running()), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def stop(self) -> None:
        """Stop it again."""
        await asyncio.gather(*(engine.stop() for engine in self._running()))

    def _running(self) -> list[Running]:
        stages: tuple[object, ...] = (self.recognise, self.stream, self.translate, self.speak)
        running = {id(stage): stage for stage in stages if isinstance(stage, Running)}
        return list(running.values())  # one object may be two stages


async def call_engine(engine: Callable[..., T | Awaitable[T]], *arguments: object) -> T:
    """Return what an engine answers: awaited if it is `async`, else run in a thread."""
    if _is_async(engine):
        answer = engine(*arguments)
    else:
        answer = await asyncio.to_thread(engine, *arguments)
    if inspect.isawaitable(answer):
        return await answer
    return answer


def _is_async(engine: Callable[..., object]) -> bool:
    if inspect.iscoroutinefunction(engine):
        return True
    return inspect.iscoroutinefunction(type(engine).__call__)
