"""One WebSocket in a test's hands: JSON objects as they are on the wire, nothing of this project.

What arrives is checked against the oracle and kept in `heard`; `hear` takes messages out of
order, by type and fields, and waits for those that have not come yet.
"""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.waiting import PATIENCE_S
from tests.support.wire_oracle import check_message

Message = dict[str, Any]
Pair = tuple[str, str]
"""The language that is spoken and the one that is wanted."""
SECONDS = PATIENCE_S
"""What does not come within this, does not come."""


def over_sockets(
    test: Callable[..., Awaitable[None]],
) -> Callable[..., None]:
    """Let pytest run a coroutine as a test, on a loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        asyncio.run(main())

    return run


class RawWire:
    """A connection whose messages are kept. Life: `open` to `aclose`, or a context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.heard: list[Message] = []
        """Everything that came, oldest first."""
        self.failure: AssertionError | None = None
        """What the oracle said about a message that came."""
        self._unread: list[Message] = []
        self._news = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None

    @property
    def socket(self) -> ClientConnection:
        """The open connection."""
        assert self._socket is not None, "not connected"
        return self._socket

    async def open(self) -> Self:
        """Connect and begin to listen."""
        self._socket = await connect(
            self.url, compression=None, max_size=None, ping_interval=None, proxy=None
        )
        self._reader = asyncio.create_task(self._listen())
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        await self.aclose()
        if kind is None and self.failure is not None:
            raise self.failure

    async def aclose(self) -> None:
        """Close the connection as a peer does that is done."""
        if self.is_open:
            self.socket.transport.resume_reading()
            await self.socket.close()
        await self._stop_listening()

    def abort(self) -> None:
        """Cut the connection without a word, as a peer does whose machine loses its power."""
        self.socket.transport.abort()

    def be_deaf(self) -> None:
        """Read nothing more: pings stay unanswered, and what is sent still goes out."""
        self.socket.transport.pause_reading()

    async def _stop_listening(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    # ---- saying -----------------------------------------------------------------------------

    async def say(self, message: Message) -> None:
        """Send one object as JSON text."""
        await self.socket.send(json.dumps(message))

    async def say_raw(self, data: str | bytes) -> None:
        """Send text or a binary frame as it is."""
        await self.socket.send(data)

    # ---- hearing ----------------------------------------------------------------------------

    async def _listen(self) -> None:
        try:
            async for data in self.socket:
                self._text(data)
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self._news.set()

    def _text(self, data: str | bytes) -> None:
        message = json.loads(data)
        self.heard.append(message)
        try:
            self.take(message)
        except AssertionError as error:
            self.failure = self.failure or error
        self._unread.append(message)

    def take(self, message: Message) -> None:
        """Look at a message when it comes; subclasses add their own rules and answers."""
        check_message(message)

    async def hear(self, kind: str, /, *, seconds: float = SECONDS, **fields: Any) -> Message:
        """Return the first message of this type with these fields that was not taken before."""
        return await self.hear_any((kind,), seconds=seconds, **fields)

    async def hear_any(
        self, kinds: tuple[str, ...], /, *, seconds: float = SECONDS, **fields: Any
    ) -> Message:
        """Return the first message of any of these types that was not taken before."""

        def wanted(message: Message) -> bool:
            return message["type"] in kinds and all(
                message.get(name) == value for name, value in fields.items()
            )

        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._news.clear()
                    for position, message in enumerate(self._unread):
                        if wanted(message):
                            return self._unread.pop(position)
                    if self._reader is not None and self._reader.done():
                        break
                    await self._news.wait()
        except TimeoutError:
            pass
        raise AssertionError(f"no {kinds} with {fields}; unread: {_brief(self._unread)}")

    def pick(self, kind: str) -> Message | None:
        """Return the first message of this type that came and was not taken; None without one."""
        for position, message in enumerate(self._unread):
            if message["type"] == kind:
                return self._unread.pop(position)
        return None

    async def news(self) -> None:
        """Return when something came since the last look."""
        await self._news.wait()

    def look(self) -> None:
        """From now on `news` waits for what comes next."""
        self._news.clear()

    def unread(self, *kinds: str) -> list[Message]:
        """Return what came and was not taken, of these types."""
        return [message for message in self._unread if message["type"] in kinds]

    def all_heard(self, *kinds: str) -> list[Message]:
        """Return everything that ever came of these types."""
        return [message for message in self.heard if message["type"] in kinds]

    async def close_code(self, seconds: float = SECONDS) -> int:
        """Wait until the server closes; return its code."""
        async with asyncio.timeout(seconds):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed yet."""
        return self._reader is not None and not self._reader.done()


def _brief(messages: list[Message]) -> list[str]:
    return [json.dumps(message)[:160] for message in messages[-12:]]
