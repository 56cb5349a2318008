"""How a recogniser is called: whole text, text as it comes, or with the session it belongs to.

Owns the difference between the shapes that a recogniser may have. Knows none in particular.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

from peers.engines.engine import Listening, Recognise, SessionRecogniser, call_engine


async def recognised(recognise: Recognise, pcm: bytes, language: str, listening: Listening) -> str:
    """Return the text of PCM16 16 kHz mono; on the way `listening` gets the text so far.

    Raises:
        EngineError: the recogniser could not.
    """
    if isinstance(recognise, SessionRecogniser):
        return await recognise.recognise_in_session(pcm, language, listening)
    answer: str | Iterator[str] | AsyncIterator[str]
    answer = await call_engine(recognise, pcm, language)
    if isinstance(answer, str):
        return answer
    if isinstance(answer, AsyncIterator):
        return await _last_that_comes(answer, listening)
    return await _last(answer, listening)


async def _last(texts: Iterator[str], listening: Listening) -> str:
    """Run through them in a thread; the last is the text."""
    loop = asyncio.get_running_loop()
    is_over = threading.Event()

    def run_through() -> str:
        text = ""
        for text in texts:
            if is_over.is_set():
                break
            if listening.on_partial is not None:
                loop.call_soon_threadsafe(listening.on_partial, text)
        return text

    try:
        return await asyncio.to_thread(run_through)
    finally:
        is_over.set()  # a job that was cancelled is not worked on beyond its next piece


async def _last_that_comes(texts: AsyncIterator[str], listening: Listening) -> str:
    text = ""
    async for text in texts:
        if listening.on_partial is not None:
            listening.on_partial(text)
    return text
