"""A node as a program: it runs until it is told to stop, and leaves in order.

Owns the signals of the process. What a node does is `node`'s.
"""

import asyncio
import signal
import sys
from typing import Any

from peers.engines.engine import Engines
from peers.node.node import ReferenceNode
from peers.node.options import ReferenceNodeOptions

AT_ONCE = 128
"""Exit status of a process that a signal ended: this and the signal's number."""


def run_node(engines: Engines, **options: Any) -> int:
    """Run a node with these engines until SIGTERM or Ctrl-C; return the exit status.

    `options` are fields of `ReferenceNodeOptions`. The first signal lets the node finish the jobs
    in hand, a second one ends it at once.

    Raises:
        EngineError: an engine does not start.
        UrlError: the options' URL is none.
        TypeError: there is no such option.
    """
    return asyncio.run(run_until_stopped(ReferenceNode(ReferenceNodeOptions(**options), engines)))


async def run_until_stopped(node: ReferenceNode) -> int:
    """Run the node until it has left; return the exit status."""
    running = asyncio.create_task(node.run())
    signals: list[int] = []

    def on_signal(number: int) -> None:
        signals.append(number)
        if len(signals) == 1:
            node.leave()
        else:
            running.cancel()

    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
                asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    try:
        await running
    except asyncio.CancelledError:
        if not running.cancelled():  # it is this task that was cancelled
            running.cancel()
            await asyncio.wait({running})
            raise
        return AT_ONCE + signals[-1]
    return 0
