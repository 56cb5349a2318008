"""Asking before something is installed with root rights.

On a terminal whoever sits there has five seconds to refuse; without one nobody is there to ask.
"""

import asyncio
import select
import sys
from typing import TextIO

from rich.console import Console

SECONDS = 5.0


async def is_refused(command: str, console: Console, answers: TextIO = sys.stdin) -> bool:
    """Show the command that would be run as root; return whether somebody said no in time."""
    line = f"installs one thing, with root rights: {command}"
    if not (answers.isatty() and console.is_terminal):
        console.print(line)
        return False
    console.print(f"{line}\nto leave it out: n and Enter, within {SECONDS:.0f} seconds")
    return await asyncio.to_thread(_says_no, answers)


def _says_no(answers: TextIO) -> bool:
    ready, _, _ = select.select([answers], [], [], SECONDS)
    return bool(ready) and answers.readline().strip().lower().startswith("n")
