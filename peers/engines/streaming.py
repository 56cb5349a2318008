"""How a recogniser that works while somebody speaks is called, whatever its shape.

Owns the difference between an object that knows sessions, an `async` generator and a plain one,
which runs in a thread of its own: it waits in its pieces for as long as somebody speaks, so the
shared threads of the event loop would all be taken by a handful of speakers.
"""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

from peers.engines.engine import EngineError, Listening, SessionStreamer, Stream


async def heard(
    stream: Stream | SessionStreamer,
    pieces: AsyncIterator[bytes],
    language: str,
    listening: Listening,
) -> str:
    """Return the text of all pieces; on the way `listening` gets the text so far.

    Raises:
        EngineError: the recogniser could not.
        Exception: whatever else it raises, and what `pieces` raises.
    """
    if isinstance(stream, SessionStreamer):
        return await stream.stream_in_session(pieces, language, listening)
    if _is_async(stream):
        on_loop = cast("Callable[[AsyncIterator[bytes], str], AsyncIterator[str]]", stream)
        return await _last_that_comes(on_loop(pieces, language), listening)
    in_thread = cast("Callable[[Iterator[bytes], str], Iterator[str]]", stream)
    return await _ThreadedStream(in_thread, pieces, listening).text(language)


def _is_async(stream: Stream) -> bool:
    return inspect.isasyncgenfunction(stream) or inspect.isasyncgenfunction(type(stream).__call__)


async def _last_that_comes(texts: AsyncIterator[str], listening: Listening) -> str:
    text = ""
    async for text in texts:
        if listening.on_partial is not None:
            listening.on_partial(text)
    return text


class _ThreadedStream:
    """One plain generator in its thread, from `text` until that returns or is cancelled."""

    def __init__(
        self,
        stream: Callable[[Iterator[bytes], str], Iterator[str]],
        pieces: AsyncIterator[bytes],
        listening: Listening,
    ) -> None:
        self._stream = stream
        self._pieces = pieces
        self._on_partial = listening.on_partial
        self._loop = asyncio.get_running_loop()
        self._text: asyncio.Future[str] = self._loop.create_future()
        self._waiting: asyncio.Task[bytes | None] | None = None
        """For the next piece, while the thread waits for it."""
        self._is_over = False

    async def text(self, language: str) -> str:
        """Run the generator to its end."""
        threading.Thread(target=self._run, args=(language,), daemon=True).start()
        try:
            return await self._text
        finally:
            self._is_over = True
            if self._waiting is not None:
                self._waiting.cancel()

    def _run(self, language: str) -> None:
        """Run in the thread."""
        text = ""
        try:
            for text in self._stream(self._from_loop(), language):
                if self._is_over:
                    return
                if self._on_partial is not None:
                    self._loop.call_soon_threadsafe(self._partial, text)
        except BaseException as error:  # noqa: BLE001 - raised again where the text is awaited
            self._settle(error)
        else:
            self._settle(text)

    def _partial(self, text: str) -> None:
        if self._on_partial is not None and not self._is_over:
            self._on_partial(text)

    def _from_loop(self) -> Iterator[bytes]:
        """Yield the pieces in the thread; a stream that was given up raises in the generator."""
        while not self._is_over:
            try:
                piece = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            except RuntimeError as error:  # the loop is closed
                raise EngineError("the node has stopped") from error
            if piece is None:
                return
            yield piece
        raise EngineError("the stream was given up")

    async def _next(self) -> bytes | None:
        if self._is_over:
            raise EngineError("the stream was given up")
        self._waiting = asyncio.current_task()
        try:
            return await anext(self._pieces, None)
        finally:
            self._waiting = None

    def _settle(self, outcome: str | BaseException) -> None:
        try:
            self._loop.call_soon_threadsafe(self._set, outcome)
        except RuntimeError:  # the loop is closed; nobody waits any more
            return

    def _set(self, outcome: str | BaseException) -> None:
        if self._text.done():
            return
        if isinstance(outcome, str):
            self._text.set_result(outcome)
        elif isinstance(outcome, Exception):
            self._text.set_exception(outcome)
        else:
            self._text.set_exception(EngineError(f"{type(outcome).__name__} in the recogniser"))
