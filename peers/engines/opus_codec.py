"""OpusCodec: decodes speech in a process of its own, one piece at a time.

Two milliseconds of work per second of speech do not belong on an event loop that serves hundreds.
The process is started when it is first needed, and again should it die.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from binascii import Error, a2b_base64, b2a_base64

from peers.child_module import module_command, module_environment
from peers.engines.child_process import kill_child, stop_child
from peers.engines.opus import is_installed
from peers.engines.opus_worker import LENGTH_BYTES

ANSWER_SECONDS = 5.0
"""For the longest speech there is; the process is started in a third of a second."""
_WORKER = module_command("peers.engines.opus_worker")


class OpusCodec:
    """Life: made, used by one caller at a time, closed."""

    def __init__(self) -> None:
        self._child: Process | None = None

    @staticmethod
    def is_available() -> bool:
        """Say whether this Python can decode opus at all."""
        return is_installed()

    async def prepare(self) -> None:
        """Start the process, so that the first words need not wait for it."""
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                *_WORKER,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=module_environment(),
                start_new_session=sys.platform != "win32",
            )

    async def pcm16(self, opus: str) -> str | None:
        """Return base64 PCM16 (16 kHz, mono) for base64 framed opus; None if it cannot be."""
        try:
            framed = a2b_base64(opus)
            async with asyncio.timeout(ANSWER_SECONDS):
                pcm = await self._decoded(framed)
        except (Error, OSError, TimeoutError, asyncio.IncompleteReadError):
            await self._give_up()
            return None
        return b2a_base64(pcm, newline=False).decode() if pcm else None

    async def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            await stop_child(child)

    async def _decoded(self, framed: bytes) -> bytes:
        await self.prepare()
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise ConnectionResetError("the decoder has no pipes")
        child.stdin.write(len(framed).to_bytes(LENGTH_BYTES, "little") + framed)
        await child.stdin.drain()
        length = int.from_bytes(await child.stdout.readexactly(LENGTH_BYTES), "little")
        return await child.stdout.readexactly(length)

    async def _give_up(self) -> None:
        """A process that did not answer would answer the next question with this one's."""
        child, self._child = self._child, None
        if child is not None:
            kill_child(child)
            await child.wait()
