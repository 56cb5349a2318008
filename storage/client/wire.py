"""A small Redis client for plain servers: one connection, pipelines in order, hiredis both ways.

Owns the connection to one server over TCP, TLS or a Unix socket. It must not know keys or scripts.
It exists for speed: it runs a pipeline of scripts in about a third of the CPU time that a general
client needs, because all it can do is write packed commands and count replies.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

import hiredis
from redis.asyncio.connection import parse_url

from storage.client.executor import Command, CommandRefused, StorageUnavailable

_pack: Callable[[Any], bytes] = hiredis.pack_command
_KNOWN_OPTIONS = {
    "connection_class", "host", "port", "path", "db", "username", "password",
    "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is and how to enter."""

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    """Of a Unix socket; instead of host and port."""
    tls: ssl.SSLContext | None = None
    greeting: tuple[Command, ...] = field(default=(), repr=False)
    """AUTH and SELECT, sent on every new connection."""
    must_be_master: bool = False
    """The greeting ends with ROLE, and only a master will do."""

    @classmethod
    def from_url(cls, url: str) -> Self | None:
        """Return the address of a redis://, rediss:// or unix:// URL.

        None when the URL asks for something that only the general client can do.
        """
        parts: dict[str, Any] = dict(parse_url(url))
        if not parts.keys() <= _KNOWN_OPTIONS:
            return None
        greeting: list[Command] = []
        if password := parts.get("password"):
            name = parts.get("username")
            greeting.append(("AUTH", name, password) if name else ("AUTH", password))
        if db := parts.get("db"):
            greeting.append(("SELECT", db))
        return cls(
            host=parts.get("host", "localhost"),
            port=parts.get("port", 6379),
            path=parts.get("path"),
            tls=_tls_context(parts) if url.startswith("rediss:") else None,
            greeting=tuple(greeting),
        )

    def as_master(self) -> Self:
        """Return the same place, to be entered only where a master answers."""
        return replace(self, greeting=(*self.greeting, ("ROLE",)), must_be_master=True)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class WireExecutor:
    """One connection that is made when needed and thrown away at the first trouble.

    Any number of tasks may execute at once; their pipelines go out in the order of the calls.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        connect_timeout_s: float = 2.0,
        reply_timeout_s: float = 5.0,
        find: "Callable[[], Awaitable[ServerAddress]] | None" = None,
    ) -> None:
        """Take an address, or with `find` a way to look it up for every new connection."""
        self._address = address
        self._find = find
        self._connect_timeout_s = connect_timeout_s
        self._reply_timeout_s = reply_timeout_s
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None
        self._closed = False

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        """See `storage.client.executor.Executor.execute`."""
        connection = self._connection
        if connection is None or connection.lost:
            connection = await self._connect()
        return await connection.send(commands)

    @property
    def address(self) -> ServerAddress:
        """Where the latest connection went, or would go."""
        return self._address

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as we know."""
        return self._connection is not None and not self._connection.lost

    def drop(self, reason: str) -> None:
        """Give the connection up; who still waits gets the reason, the next one connects anew."""
        if self._connection is not None:
            self._connection.end(reason)

    async def close(self) -> None:
        """Close the connection; who still waits gets `StorageUnavailable`. Idempotent."""
        self._closed = True
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError, StorageUnavailable):
                await connecting
        if self._connection is not None:
            self._connection.end("the store was closed")
            self._connection = None

    async def _connect(self) -> "_Connection":
        """Return a fresh connection; all who need one at the same time share the attempt."""
        if self._closed:
            raise StorageUnavailable("the store was closed")
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._open())
            self._connecting.add_done_callback(self._opened)
        try:
            return await asyncio.shield(self._connecting)
        except asyncio.CancelledError:
            if self._closed:
                raise StorageUnavailable("the store was closed") from None
            raise

    def _opened(self, attempt: "asyncio.Task[_Connection]") -> None:
        self._connecting = None
        if not attempt.cancelled() and attempt.exception() is None:
            self._connection = attempt.result()

    async def _open(self) -> "_Connection":
        if self._find is not None:
            self._address = await self._find()
        address = self._address
        connection = _Connection(asyncio.get_running_loop(), self._reply_timeout_s)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._dial(connection)
                replies = await connection.send(address.greeting)
        except (OSError, TimeoutError) as error:
            connection.end("the server did not let us in")
            reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            message = f"no connection to {address}: {reason or type(error).__name__}"
            raise StorageUnavailable(message) from error
        except BaseException:
            connection.end("the attempt was cancelled")
            raise
        for reply in replies:
            if isinstance(reply, CommandRefused):
                connection.end(str(reply))
                message = f"{address} refuses us: {reply}"
                raise StorageUnavailable(message)
        if address.must_be_master and replies[-1][0] != "master":
            connection.end("it is no master")
            message = f"{address} is no master but a {replies[-1][0]}"
            raise StorageUnavailable(message)
        return connection

    async def _dial(self, connection: "_Connection") -> None:
        loop, address = asyncio.get_running_loop(), self._address
        if address.path:
            await loop.create_unix_connection(lambda: connection, address.path)
        else:
            await loop.create_connection(
                lambda: connection, address.host, address.port, ssl=address.tls
            )


@dataclass(slots=True)
class _Pipeline:
    """Commands that are on their way, and their replies so far."""

    size: int
    future: asyncio.Future[list[Any]]
    give_up_at: float
    """Loop time."""
    replies: list[Any] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """One connection; `lost` for good after any error, and every pipeline in it fails."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reply_timeout_s: float) -> None:
        self.lost = False
        self._end_reason = "the connection is lost"
        self._loop = loop
        self._reply_timeout_s = reply_timeout_s
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(
            replyError=CommandRefused, encoding="utf-8", errors="surrogateescape"
        )
        self._pipelines: deque[_Pipeline] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def send(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Write commands; the future has all their replies, or fails with the connection."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if not commands:
            future.set_result([])
        elif self.lost or self._transport is None:
            future.set_exception(StorageUnavailable(self._end_reason))
        else:
            self._transport.write(b"".join(map(_pack, commands)))
            give_up_at = self._loop.time() + self._reply_timeout_s
            self._pipelines.append(_Pipeline(len(commands), future, give_up_at))
            if self._timer is None:
                self._timer = self._loop.call_at(give_up_at, self._look_at_the_clock)
        return future

    def end(self, reason: str) -> None:
        """Give the connection up; every pipeline in it fails with the reason."""
        if not self.lost:
            self._end_reason = reason
        self.lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        while self._pipelines:
            future = self._pipelines.popleft().future
            if not future.done():
                future.set_exception(StorageUnavailable(reason))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.end(f"the server does not speak Redis: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.end(f"the connection is lost: {exc or 'closed by the server'}")

    def _take(self, reply: Any) -> None:
        if isinstance(reply, CommandRefused) and not self._pipelines:
            self.end(f"the server refuses us: {reply}")  # asked nothing: it takes no connections
            return
        pipeline = self._pipelines[0]
        pipeline.replies.append(reply)
        if len(pipeline.replies) == pipeline.size:
            self._pipelines.popleft()
            if not pipeline.future.done():  # else its caller was cancelled
                pipeline.future.set_result(pipeline.replies)

    def _look_at_the_clock(self) -> None:
        """End the connection if the oldest pipeline waits too long; else look again in time."""
        self._timer = None
        if not self._pipelines:
            return
        give_up_at = self._pipelines[0].give_up_at
        if give_up_at <= self._loop.time():
            self.end(f"no answer in {self._reply_timeout_s} s")
        else:
            self._timer = self._loop.call_at(give_up_at, self._look_at_the_clock)


def _tls_context(parts: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=parts.get("ssl_ca_certs"))
    context.check_hostname = str(parts.get("ssl_check_hostname", True)).lower() in ("true", "1")
    if parts.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate := parts.get("ssl_certfile"):
        context.load_cert_chain(certificate, parts.get("ssl_keyfile"))
    return context
