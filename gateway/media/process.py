"""MediaProcess: the process that converts the audio of one session, and the pipes to it.

It owns the child and the pace of what comes out of it; what is inside is `worker.py`. It reads no
faster than a session may send audio, so a stream that unpacks to hours costs no memory, and the
child waits. A child that answers nothing for `media_stall_ms`, ends, or is of no more use is
killed. Must not: look into audio.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from loguru import logger

from actors.media import CONVERTED_RATE_HZ, MediaSource
from actors.messages.session import AudioConverted, ConversionFailed
from actors.ports import Mailbox
from actors.runtime.actor import tell
from gateway.media.worker import BEGIN, DONE, FAILED, FEED, HEAD, LAST

_WORKER: Final = str(Path(__file__).with_name("worker.py"))
_BYTES_PER_MS: Final = CONVERTED_RATE_HZ * 2 // 1000
_SILENCE_RATE: Final = 10
"""Digital silence comes out so many times faster: a file may unpack to hours of it."""
_MOST_ANSWER_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class ProcessRules:
    """What holds for every process."""

    cpu_share: float
    memory_bytes: int
    stall_ms: int
    rate: float
    """Audio that comes out, as a multiple of real time."""
    burst_ms: int
    """Milliseconds of it at once."""


class MediaProcess:
    """Implements `Converter`. Life: made, started, closed with its session or by its own end."""

    def __init__(
        self, session: Mailbox, rules: ProcessRules, let_go: Callable[["MediaProcess"], None]
    ) -> None:
        self._session = session
        self._rules = rules
        self._let_go = let_go
        self._loop = asyncio.get_running_loop()
        self._child: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        """Bounded by who feeds: a session holds its socket back while much is unanswered."""
        self._streams: list[int] = []
        """The stream of each piece that is not answered."""
        self._stream = 0
        self._stalled: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.idle_since_s: float | None = self._loop.time()
        """When all was answered, in loop time; None while something is not."""

    def __repr__(self) -> str:
        pid = None if self._child is None else self._child.pid
        return f"<MediaProcess {pid} {len(self._streams)} unanswered>"

    def start(self, after: Iterable[asyncio.Task[None]] = ()) -> None:
        """Start the child, as soon as these have ended."""
        self._task = self._loop.create_task(self._run(tuple(after)))

    # ---- what the session asks --------------------------------------------------------------

    def begin(self, source: MediaSource, stream: int) -> None:
        """Begin a stream."""
        self._stream = stream
        self._put(BEGIN, json.dumps(asdict(source)).encode())

    def feed(self, piece: bytes, *, is_last: bool) -> None:
        """Convert a piece of it."""
        self._streams.append(self._stream)
        self.idle_since_s = None
        self._put(LAST if is_last else FEED, piece)
        if self._stalled is None:
            self._watch()

    def close(self) -> None:
        """Kill the child; nothing more is answered."""
        if self._is_closed:
            return
        self._is_closed = True
        self._unwatch()
        self._kill()
        if self._task is not None:
            self._task.cancel()
        self._let_go(self)

    def take_away(self) -> None:
        """Another session needs it more than its own, which has sent nothing for long."""
        if not self._is_closed:
            self.close()
            why = "it was silent for so long that its converter went to others: begin again"
            tell(self._session, ConversionFailed(self._stream, why, is_lost=True))

    async def ended(self) -> None:
        """Return when nothing is left of it."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._child is not None:
            await self._child.wait()

    # ---- the child --------------------------------------------------------------------------

    async def _run(self, after: tuple[asyncio.Task[None], ...]) -> None:
        why = "its converter has ended"
        try:
            if after:
                await asyncio.wait(after)
            child = self._child = await self._spawn()
            if self._is_closed:
                self._kill()
                return
            writing = self._loop.create_task(self._write(child))
            try:
                await self._read(child)
            finally:
                writing.cancel()
        except (OSError, asyncio.IncompleteReadError) as error:
            why = f"{why}: {error.strerror}" if isinstance(error, OSError) else why
        self._gone(why)

    async def _spawn(self) -> Process:
        rules = self._rules
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", _WORKER, str(rules.cpu_share), str(rules.memory_bytes)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={},
            start_new_session=sys.platform != "win32",
        )

    async def _write(self, child: Process) -> None:
        if child.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while True:
                child.stdin.write(await self._frames.get())
                await child.stdin.drain()

    async def _read(self, child: Process) -> None:
        """Hand on what comes, at the pace at which a session may send audio."""
        rules, output = self._rules, child.stdout
        due_s = 0.0
        while output is not None:
            kind, length = HEAD.unpack(await output.readexactly(HEAD.size))
            if length > _MOST_ANSWER_BYTES:
                return
            content = await output.readexactly(length)
            self._unwatch()
            self._answer(kind, content)
            if kind == FAILED:
                continue
            now_s = self._loop.time()
            due_s = max(due_s, now_s - rules.burst_ms / 1000 / rules.rate)
            rate = rules.rate if any(content) else rules.rate * _SILENCE_RATE
            due_s += length / _BYTES_PER_MS / 1000 / rate
            if due_s > now_s:
                await asyncio.sleep(due_s - now_s)
            self._watch()

    def _answer(self, kind: int, content: bytes) -> None:
        if not self._streams:
            return
        is_answer = kind in {DONE, FAILED}
        stream = self._streams.pop(0) if is_answer else self._streams[0]
        if not self._streams:
            self.idle_since_s = self._loop.time()
        if kind == FAILED:
            tell(self._session, ConversionFailed(stream, content.decode(errors="replace")))
        elif not tell(self._session, AudioConverted(stream, content, is_answer)):
            self.close()  # its session has ended

    def _gone(self, why: str) -> None:
        """The child ended by itself, or was killed because of what it was given."""
        if self._is_closed:
            return
        logger.warning("a media process has ended with {} pieces unanswered", len(self._streams))
        self.close()
        tell(self._session, ConversionFailed(self._stream, why, is_lost=True))

    # ---- a child that hangs -----------------------------------------------------------------

    def _watch(self) -> None:
        """Expect an answer from now on, if something is unanswered."""
        if self._streams and not self._is_closed:
            self._stalled = self._loop.call_later(self._rules.stall_ms / 1000, self._on_stall)

    def _unwatch(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _on_stall(self) -> None:
        self._stalled = None
        self._kill()  # reading ends with it

    def _kill(self) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                child.kill()
            else:
                os.killpg(child.pid, signal.SIGKILL)

    def _put(self, kind: int, content: bytes) -> None:
        if not self._is_closed:
            self._frames.put_nowait(HEAD.pack(kind, len(content)) + content)
