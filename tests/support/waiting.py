"""Waiting for what must come: on a condition, never for a length of time.

A limit that a test passes only on a quiet machine says nothing: `PATIENCE_S` is far beyond what
anything takes, and only what hangs reaches it. Where how soon matters, a test names its own limit.
"""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 30.0
"""How long a test waits for what has to come."""
_PAUSE_S = 0.005


def wait_until(holds: Callable[[], object], what: str = "it", seconds: float = PATIENCE_S) -> None:
    """Return when a condition holds; fail with what it is that does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(_PAUSE_S)


async def until(holds: Callable[[], Any], what: str = "it", seconds: float = PATIENCE_S) -> None:
    """Do the same without stopping the loop; the condition may be something to await."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if await found if inspect.isawaitable(found) else found:
            return
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        await asyncio.sleep(_PAUSE_S)
