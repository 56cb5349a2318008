"""MediaPool: who has a process for its audio, and who gets the next one.

At most `media_processes` run at any moment, those that are being ended included. A session has one
from its first stream that needs it until its end; one that sent nothing for `media_idle_ms` loses
it to the next session that needs one. Must not: know sessions beyond their mailbox.
"""

import asyncio
import importlib.util

from loguru import logger

from actors.ports import Mailbox
from gateway.media.options import MediaOptions
from gateway.media.process import MediaProcess, ProcessRules


class MediaPool:
    """Implements `Converters`. Life: made, used, closed after all sessions."""

    def __init__(self, options: MediaOptions, rules: ProcessRules) -> None:
        self._options = options
        self._rules = rules
        self._used: dict[MediaProcess, None] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<MediaPool {len(self._used)} of {self._options.media_processes}>"

    @staticmethod
    def is_available() -> bool:
        """Say whether this Python can convert audio at all (extra `media`)."""
        return importlib.util.find_spec("av") is not None

    def open(self, session: Mailbox) -> MediaProcess | None:
        """Return a process for this session, which is about to start; None: all are in use."""
        if len(self._used) >= self._options.media_processes and not self._free_idle():
            return None
        process = MediaProcess(session, self._rules, self._let_go)
        self._used[process] = None
        process.start(tuple(self._ending))
        return process

    async def close(self) -> None:
        """End all processes; returns when none is left."""
        for process in tuple(self._used):
            process.close()
        if self._ending:
            await asyncio.wait(self._ending)

    def _free_idle(self) -> bool:
        """Take the process of the session that has sent nothing for longest, and long enough."""
        now_s = asyncio.get_running_loop().time()
        idle = [one for one in self._used if one.idle_since_s is not None]
        longest = min(idle, key=lambda one: one.idle_since_s or 0.0, default=None)
        if longest is None or longest.idle_since_s is None:
            return False
        if (now_s - longest.idle_since_s) * 1000 < self._options.media_idle_ms:
            return False
        logger.info("a session that sends no audio loses its media process to another one")
        longest.take_away()
        return True

    def _let_go(self, process: MediaProcess) -> None:
        """Its session needs it no more, or it is gone: another one may start when it has ended."""
        if self._used.pop(process, process) is not None:
            return
        task = asyncio.get_running_loop().create_task(process.ended())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
