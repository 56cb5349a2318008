"""What a peer has to send, in order, also while its socket is away.

Owns messages from the moment they are handed over until a socket took them. Which of them may be
sent on the next socket and which are worth nothing there is the caller's choice, per message.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection

from protocol.codec import encode
from protocol.wire import WireMessage


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: WireMessage
    keep_until: float
    """Monotonic seconds; before that it survives a lost socket."""


class Outgoing:
    """A queue with one reader: the writer of the current socket."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._changed = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: WireMessage, keep_ms: int = 0) -> None:
        """Send this as soon as possible; on a further socket only within `keep_ms`."""
        self._waiting.append(_Waiting(message, time.monotonic() + keep_ms / 1000))
        self._changed.set()
        self._emptied.clear()

    async def wait_until_empty(self) -> None:
        """Return when the socket has taken everything."""
        await self._emptied.wait()

    def drop_stale(self) -> None:
        """Drop what the next socket need not get."""
        now = time.monotonic()
        self._waiting = deque(waiting for waiting in self._waiting if waiting.keep_until > now)

    async def write_to(self, socket: ClientConnection) -> None:
        """Write for ever; ends by being cancelled or with the socket's ConnectionClosed.

        A message leaves the queue once the socket has taken it.
        """
        while True:
            while self._waiting:
                await socket.send(encode(self._waiting[0].message))
                self._waiting.popleft()
            self._changed.clear()
            self._emptied.set()
            await self._changed.wait()
