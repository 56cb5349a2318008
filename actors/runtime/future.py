"""The replies of actors on the event loop: pykka futures that coroutines can await.

It owns how an asker waits. It must not know who answers.
"""

import asyncio
from collections.abc import Generator
from typing import Any, TypeVar, cast

from pykka import ActorDeadError, ThreadingFuture
from pykka._envelope import Envelope
from pykka._types import OptExcInfo
from pykka.messages import _ActorStop

from actors.runtime.dead_letter import count_dead_letters

T = TypeVar("T")


class BlockingCallError(RuntimeError):
    """A blocking `ask`, `stop` or `get` was called on an event loop; it would never return."""

    def __init__(self, future: "LoopFuture[Any]") -> None:
        super().__init__(
            "this would block the event loop: use ask(..., block=False) or stop(block=False) "
            "and await what it returns"
        )
        self.future = future
        """The reply that is not there yet."""


class LoopFuture(ThreadingFuture[T]):
    """A pykka future that a coroutine can await; other threads may `get` it as usual."""

    def __init__(self) -> None:
        super().__init__()
        self._waiters: list[asyncio.Future[None]] = []

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value; on a loop's thread only if it is there already."""
        if self._result is None and self._get_hook is None and _on_a_loop():
            raise BlockingCallError(self)
        return super().get(timeout=timeout)

    def set(self, value: Any = None) -> None:
        """Set the value and wake who awaits it."""
        super().set(value)
        self._wake_waiters()

    def set_exception(self, exc_info: OptExcInfo | None = None) -> None:
        """Set the exception and wake who awaits it."""
        super().set_exception(exc_info)
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        with self._condition:
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.get_loop().call_soon_threadsafe(_settle, waiter)

    async def _ready(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        with self._condition:
            if self._result is not None:
                return
            self._waiters.append(waiter)
        await waiter

    def __await__(self) -> Generator[Any, None, T]:
        # A future made by map(), join() or stop() asks others for its value: wait for the one
        # that has none, then try again.
        while True:
            try:
                return cast("T", self.get())
            except BlockingCallError as blocked:
                missing = blocked.future
            yield from missing._ready().__await__()  # noqa: SLF001 - another of the same class

    __iter__ = __await__


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


# ---- replies of actors that ended -----------------------------------------------------------


def answer_unhandled(recipient: str, envelope: Envelope[Any]) -> None:
    """Answer an ask that its actor did not live to handle; a stop has what it wanted."""
    if envelope.reply_to is None:
        return
    if isinstance(envelope.message, _ActorStop):
        envelope.reply_to.set(None)
    else:
        error = ActorDeadError(f"{recipient} ended before it handled the message")
        envelope.reply_to.set_exception((type(error), error, None))


def refuse(recipient: str, message: Any) -> None:
    """Take a message that came too late: another thread sent it while the actor ended."""
    if type(message) is not Envelope:
        count_dead_letters(recipient, message)
    elif message.reply_to is None:
        count_dead_letters(recipient, message.message)
    else:
        answer_unhandled(recipient, message)
