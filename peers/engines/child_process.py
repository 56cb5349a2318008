"""Helper programs of an engine: started with pipes, stopped for certain.

Owns the life of a child process. Each child gets a session of its own, so that Ctrl-C reaches only
the node, which then stops its children in order; and each child ends by itself when its input ends,
so that none survives a node that was killed.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence

STOP_SECONDS = 2.0
"""How long a child may take to end after its input has ended."""


class ChildDiedError(Exception):
    """The child ended, or closed its output, while an answer was awaited."""


async def start_child(
    argv: Sequence[str], *, quiet: bool = False, env: Mapping[str, str] | None = None
) -> Process:
    """Start a program with pipes on its input and output, in this environment or our own."""
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL if quiet else None,
        env=env,
        start_new_session=sys.platform != "win32",
    )


async def stop_child(child: Process) -> None:
    """End a child and what it started, gently first; returns when nothing is left."""
    input_pipe, output_pipe = child.stdin, child.stdout
    if input_pipe is not None:
        input_pipe.close()
    if output_pipe is None:
        return
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await output_pipe.read()
            await child.wait()
    except TimeoutError:
        kill_child(child)
        await output_pipe.read()
        await child.wait()


def kill_child(child: Process) -> None:
    """Kill a child and, where the system knows process groups, everything it started."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)


async def send(child: Process, data: bytes) -> None:
    """Write to a child's input.

    Raises:
        ChildDiedError: it has ended.
    """
    if child.stdin is None or child.returncode is not None:
        raise ChildDiedError
    try:
        child.stdin.write(data)
        await child.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        raise ChildDiedError from None


async def read_to(child: Process, end: bytes) -> bytes:
    """Return a child's output up to and with `end`.

    Raises:
        ChildDiedError: the output ended before.
    """
    if child.stdout is None:
        raise ChildDiedError
    try:
        return await child.stdout.readuntil(end)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        raise ChildDiedError from None
