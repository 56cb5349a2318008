"""Speech to text in worker processes: the built-in recognisers (English).

Owns the workers, who has which, and what was learnt about the voice of each session. Never decodes
audio in this process. The other end of the pipes is `recogniser_pipe.py`.
"""

import asyncio
import importlib.util
import json
from asyncio.subprocess import Process
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from loguru import logger

from peers.child_module import module_command, module_environment
from peers.engines.child_process import (
    ChildDiedError,
    kill_child,
    read_to,
    send,
    start_child,
    stop_child,
)
from peers.engines.engine import EngineError, Listening, ModelMissingError
from peers.pcm import BYTES_PER_MS, duration_ms

LANGUAGES = ("en",)
_Recognising = Coroutine[Any, Any, tuple[str, str]]
"""Ends with the text and the speaker's means."""
MAX_SESSIONS = 1000
"""Sessions whose voice is remembered; the least recently heard goes first."""
READY_SECONDS = 30.0
BASE_SECONDS = 10.0
"""A worker that takes longer than this plus `SLOWEST` times the audio is taken for hung."""
SLOWEST = 5.0


@dataclass(frozen=True, slots=True)
class RecogniserProgram:
    """A recogniser that can be installed."""

    distribution: str
    """What pip calls it."""
    package: str
    """What is imported."""
    module: str
    """What is run in a process of its own."""

    def is_installed(self) -> bool:
        """Say whether this Python has it."""
        return importlib.util.find_spec(self.package) is not None


MOONSHINE: Final = RecogniserProgram(
    "moonshine-voice", "moonshine_voice", "peers.engines.moonshine_worker"
)
"""Two of 38 words wrong in the carried recordings, with case and punctuation."""
POCKETSPHINX: Final = RecogniserProgram(
    "pocketsphinx", "pocketsphinx", "peers.engines.pocketsphinx_worker"
)
"""Eight of 38 words wrong; installs where the other does not."""


def installed_recogniser() -> RecogniserProgram | None:
    """Return the best recogniser that this Python has."""
    return next((each for each in (MOONSHINE, POCKETSPHINX) if each.is_installed()), None)


class RecogniserProcess:
    """One worker: one utterance at a time, started when first needed and again after each death."""

    def __init__(self, program: RecogniserProgram) -> None:
        self._program = program
        self._child: Process | None = None
        self._orders = 0
        self._on_partial: Callable[[str], None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, while the process runs."""
        if self._child is None or self._child.returncode is not None:
            return None
        return self._child.pid

    async def start(self) -> Process:
        """Return the running child; starts one if there is none.

        Raises:
            EngineError: it does not come up.
        """
        if self._child is not None and self.pid is None:
            await self.stop()
        if self._child is None:
            self._child = await start_child(
                module_command(self._program.module), env=module_environment()
            )
            try:
                async with asyncio.timeout(READY_SECONDS):
                    await read_to(self._child, b"\n")
            except (ChildDiedError, TimeoutError):
                await self.kill()
                raise EngineError("the recogniser process does not start") from None
        return self._child

    async def stop(self) -> None:
        """End the process, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            await stop_child(child)

    def interrupt(self) -> None:
        """End the process in the middle of its work; who waits for its answer sees it die."""
        if self._child is not None:
            kill_child(self._child)

    async def kill(self) -> None:
        """End the process without waiting for what it does. Nobody may wait for its answer."""
        self.interrupt()
        await self.stop()

    async def recognise(
        self, pcm: bytes, means: str, on_partial: Callable[[str], None] | None
    ) -> tuple[str, str]:
        """Return the text and the speaker's means.

        Raises:
            ChildDiedError: the process ended meanwhile.
            EngineError: it does not come up, or hangs.
        """
        child = await self._begin(on_partial)
        limit = BASE_SECONDS + SLOWEST * duration_ms(pcm) / 1000
        try:
            await self._order(child, "recognise", pcm, bytes=len(pcm), cmn=means)
            async with asyncio.timeout(limit):
                answer = await self._answer(child)
        except ChildDiedError:
            await self.kill()
            raise
        except TimeoutError:
            await self.kill()
            raise EngineError(f"no text after {limit:.0f} s") from None
        return answer.get("text", ""), answer.get("cmn", "")

    async def stream(
        self,
        pieces: AsyncIterator[bytes],
        means: str,
        on_partial: Callable[[str], None] | None,
    ) -> tuple[str, str]:
        """Do the same with what is still being spoken; the answer is due when `pieces` end.

        Raises:
            ChildDiedError, EngineError: as for `recognise`.
            Exception: what `pieces` raises.
        """
        child = await self._begin(on_partial)
        answer = asyncio.create_task(self._answer(child))
        try:
            await self._order(child, "stream", cmn=means)
            spoken_bytes = await self._pass_on(child, pieces, answer)
            limit = BASE_SECONDS + SLOWEST * spoken_bytes / BYTES_PER_MS / 1000
            async with asyncio.timeout(limit):
                text = await answer
        except ChildDiedError:
            await self.kill()
            raise
        except TimeoutError:
            await self.kill()
            raise EngineError("no text after the end of speech") from None
        except Exception:
            self.cancel()  # it was not all of it that came; the worker is free once it has answered
            await asyncio.wait({answer}, timeout=BASE_SECONDS)
            if not answer.done():
                await self.kill()
            raise
        finally:
            answer.cancel()
        return text.get("text", ""), text.get("cmn", "")

    async def _pass_on(
        self, child: Process, pieces: AsyncIterator[bytes], answer: asyncio.Task[dict[str, Any]]
    ) -> int:
        """Send the pieces as they come and say that they end; return how many bytes they were."""
        total = 0
        while not answer.done():
            coming = asyncio.ensure_future(anext(pieces, b""))
            await asyncio.wait({coming, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():  # cancelled, or the process has died
                coming.cancel()
                await asyncio.wait({coming})
                break
            piece = coming.result()
            if not piece:
                await self._order(child, "end")
                break
            total += len(piece)
            await self._order(child, "audio", piece, bytes=len(piece))
        return total

    async def _begin(self, on_partial: Callable[[str], None] | None) -> Process:
        child = await self.start()
        self._orders += 1
        self._on_partial = on_partial
        return child

    async def _order(self, child: Process, do: str, pcm: bytes = b"", **fields: int | str) -> None:
        order = {"do": do, "order": self._orders, **fields}
        await send(child, json.dumps(order).encode() + b"\n" + pcm)

    async def _answer(self, child: Process) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(await read_to(child, b"\n"))
            if message["is"] != "partial":
                return message
            if self._on_partial is not None:
                self._on_partial(message["text"])

    def cancel(self) -> None:
        """Ask the process to give up the utterance at work; its answer still comes."""
        self._on_partial = None
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.write(
                json.dumps({"do": "cancel", "order": self._orders}).encode() + b"\n"
            )


class ProcessRecogniser:
    """The pool: at most `workers` utterances at once, the others wait in order of arrival.

    Lives from `start` to `stop`, on one event loop. A worker that dies is started again and the
    utterance tried once more; if that dies, too, the utterance is at fault and fails.
    """

    languages = LANGUAGES

    def __init__(self, program: RecogniserProgram, workers: int = 1) -> None:
        self._program = program
        self._workers = [RecogniserProcess(program) for _ in range(workers)]
        self._idle: asyncio.Queue[RecogniserProcess] = asyncio.Queue()
        self._running: set[asyncio.Task[tuple[str, str]]] = set()
        self._means: OrderedDict[str, str] = OrderedDict()
        self._is_stopped = False

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def start(self) -> None:
        """Start all workers; returns when each has loaded its model."""
        self._is_stopped = False
        await asyncio.gather(*(worker.start() for worker in self._workers))
        for worker in self._workers:
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        """End all workers, with what they do; what waits for one fails."""
        self._is_stopped = True
        for worker in self._workers:
            worker.interrupt()
        if self._running:  # they read what their workers answer, and only one may read
            await asyncio.wait(self._running)
        await asyncio.gather(*(worker.kill() for worker in self._workers))

    async def __call__(self, pcm: bytes, language: str) -> str:
        """Recognise without a session."""
        return await self.recognise_in_session(pcm, language, Listening(speaker_key=""))

    async def recognise_in_session(self, pcm: bytes, language: str, listening: Listening) -> str:
        """Return what is said, "" if nobody speaks.

        Raises:
            ModelMissingError: no such language here.
            EngineError: the worker hangs, dies of this utterance, or is stopped.
        """
        self._check(language)

        def recognise(
            worker: RecogniserProcess, means: str
        ) -> Coroutine[Any, Any, tuple[str, str]]:
            return worker.recognise(pcm, means, listening.on_partial)

        for _ in range(2):
            try:
                text, means = await self._on_free_worker(recognise, listening)
            except ChildDiedError:
                if not self._is_stopped:
                    logger.warning("a recogniser process died at work and is started again")
                continue
            self._remember(listening.speaker_key, means)
            return text
        raise EngineError("the recogniser process died twice of one utterance")

    async def stream_in_session(
        self, pieces: AsyncIterator[bytes], language: str, listening: Listening
    ) -> str:
        """Return what is said, of a speaker who still speaks.

        Raises:
            ModelMissingError: no such language here.
            EngineError: the worker hangs, dies, or is stopped: what it had heard is gone.
            Exception: what `pieces` raises.
        """
        self._check(language)

        def stream(worker: RecogniserProcess, means: str) -> _Recognising:
            return worker.stream(pieces, means, listening.on_partial)

        try:
            text, means = await self._on_free_worker(stream, listening)
        except ChildDiedError:
            raise EngineError("the recogniser process died while it heard") from None
        self._remember(listening.speaker_key, means)
        return text

    def _check(self, language: str) -> None:
        if language not in {*LANGUAGES, "auto"}:
            raise ModelMissingError(f"{self._program.distribution} has no model for {language}")

    async def _on_free_worker(
        self,
        work: Callable[[RecogniserProcess, str], _Recognising],
        listening: Listening,
    ) -> tuple[str, str]:
        worker = await self._idle.get()
        if self._is_stopped:
            self._idle.put_nowait(worker)
            raise EngineError("the recogniser is stopped")
        means = self._means.get(listening.speaker_key, "")
        task = asyncio.create_task(work(worker, means))
        self._running.add(task)
        task.add_done_callback(lambda done: self._release(worker, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            worker.cancel()
            raise

    def _release(self, worker: RecogniserProcess, task: asyncio.Task[tuple[str, str]]) -> None:
        """Let the worker go, also after a cancelled wait: only once it has answered."""
        self._running.discard(task)
        self._idle.put_nowait(worker)
        if not task.cancelled():
            task.exception()

    def _remember(self, session_id: str, means: str) -> None:
        if not session_id or not means:
            return
        self._means[session_id] = means
        self._means.move_to_end(session_id)
        if len(self._means) > MAX_SESSIONS:
            self._means.popitem(last=False)
