"""Text to text in another language: the built-in translator (Apertium).

Owns one warm pipeline per pair of languages, its start, its death and its restart. How the program
is spoken to is `apertium.py`'s.
"""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path

from loguru import logger

from peers.engines.apertium import from_wire, installed_modes, to_wire, warm_pipeline
from peers.engines.child_process import (
    ChildDiedError,
    kill_child,
    read_to,
    send,
    start_child,
    stop_child,
)
from peers.engines.engine import EngineError, ModelMissingError

ANSWER_SECONDS = 5.0
"""A sentence takes 2 ms; longer than this is a pipeline that hangs."""


class ApertiumPipe:
    """One pair of languages: one sentence at a time through a pipeline that stays up."""

    def __init__(self, mode_path: Path) -> None:
        self._mode_path = mode_path
        self._child: Process | None = None
        self._turn = asyncio.Lock()
        self._is_stopped = False

    async def start(self) -> None:
        """Start the pipeline and load its dictionaries."""
        self._is_stopped = False
        await self.translate("hello")

    async def stop(self) -> None:
        """End the pipeline; what is being translated or waits for it fails."""
        self._is_stopped = True
        if self._turn.locked() and self._child is not None:
            kill_child(self._child)
        async with self._turn:  # only one may read what the pipeline answers
            await self._end()

    async def translate(self, text: str) -> str:
        """Return the translation.

        Raises:
            EngineError: the pipeline is stopped, or it died or hung, and so did a fresh one.
        """
        async with self._turn:
            for _ in range(2):
                if self._is_stopped:
                    raise EngineError("the translator is stopped")
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        return await self._through(text)
                except (ChildDiedError, TimeoutError):
                    await self._kill()
                    if not self._is_stopped:
                        logger.warning("the Apertium pipeline died or hangs and is started again")
                except asyncio.CancelledError:
                    # An answer that nobody waits for would be taken for that of the next sentence.
                    await self._kill()
                    raise
        raise EngineError("Apertium does not answer")

    async def _through(self, text: str) -> str:
        if self._child is None:
            pipeline = warm_pipeline(self._mode_path.read_text(encoding="utf-8"))
            self._child = await start_child(["/bin/sh", "-c", pipeline], quiet=True)
        await send(self._child, to_wire(text))
        return from_wire(await read_to(self._child, b"\0"))

    async def _kill(self) -> None:
        if self._child is not None:
            kill_child(self._child)
        await self._end()

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await stop_child(child)


class ApertiumTranslator:
    """All pairs of languages this machine has; each pipeline starts with the node and stays."""

    def __init__(self, modes: Mapping[tuple[str, str], Path] | None = None) -> None:
        found = installed_modes() if modes is None else modes
        self._pipes = {pair: ApertiumPipe(path) for pair, path in found.items()}

    async def start(self) -> None:
        """Start all pipelines."""
        await asyncio.gather(*(pipe.start() for pipe in self._pipes.values()))

    async def stop(self) -> None:
        """End all pipelines."""
        await asyncio.gather(*(pipe.stop() for pipe in self._pipes.values()))

    async def __call__(self, text: str, source: str, target: str) -> str:
        """Return the translation; the text itself if it is in the wanted language already.

        Raises:
            ModelMissingError: this machine has no such pair.
            EngineError: the program fails.
        """
        if source == target or not text.strip():
            return text
        pipe = self._pipes.get((source, target))
        if pipe is None:
            raise ModelMissingError(f"Apertium has no {source} to {target} here")
        return await pipe.translate(text)


async def pass_through(text: str, source: str, target: str) -> str:
    """Stand in for a translator: what is in the wanted language already stays as it is.

    Raises:
        ModelMissingError: a translation was wanted.
    """
    if source != target:
        raise ModelMissingError(f"no translator from {source} to {target} here")
    return text
