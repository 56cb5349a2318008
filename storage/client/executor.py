"""How commands reach the server: one small seam, and redis-py behind it.

Owns connections and their errors. It must not know keys, scripts or outcomes.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

Command = tuple[str | int | bytes, ...]
"""A Redis command with its arguments."""


class StorageUnavailable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """The server cannot be reached, does not answer in time, or is not ready.

    Any of the commands may have run.
    """


class CommandRefused(Exception):  # noqa: N818 - an answer of the server, returned as a value
    """The server's error reply to one command."""


class Executor(Protocol):
    """Runs commands in order, in one round trip."""

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        """Return one reply per command; an error reply is a `CommandRefused` in its place.

        Raises:
            StorageUnavailable: No complete answer; the next call connects anew.
        """

    async def close(self) -> None:
        """Close the connections; idempotent."""


NOT_READY = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOREPLICAS", "MISCONF")
"""Error replies that say that the server, not the command, is the problem."""


def refuse_if_not_ready(replies: Sequence[Any]) -> None:
    """Raise `StorageUnavailable` if an error reply says that the server is not ready."""
    for reply in replies:
        if isinstance(reply, CommandRefused) and str(reply).startswith(NOT_READY):
            raise StorageUnavailable(str(reply))


class RedisExecutor:
    """redis-py: every kind of server it knows (sentinel, cluster proxies, imitations)."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client

    @classmethod
    def from_url(
        cls, url: str, *, connect_timeout_s: float = 2.0, reply_timeout_s: float = 5.0
    ) -> "RedisExecutor":
        """Return an executor for a redis://, rediss:// or unix:// URL. Connects on first use."""
        client = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=connect_timeout_s,
            socket_timeout=reply_timeout_s,
            retry=Retry(NoBackoff(), 0),  # a hidden retry would double every time-out
        )
        return cls(client)

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        """See `Executor.execute`."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            replies = await pipeline.execute(raise_on_error=False)
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            raise StorageUnavailable(str(error)) from error
        return [_value(reply) for reply in replies]

    async def close(self) -> None:
        """See `Executor.close`."""
        await self._client.aclose()


def _value(reply: Any) -> Any:
    if isinstance(reply, redis.exceptions.NoScriptError):
        return CommandRefused(f"NOSCRIPT {reply}")
    if isinstance(reply, (redis.exceptions.BusyLoadingError, redis.exceptions.ReadOnlyError)):
        return CommandRefused(f"LOADING {reply}")
    if isinstance(reply, redis.exceptions.ResponseError):
        return CommandRefused(str(reply))
    if isinstance(reply, redis.exceptions.RedisError):
        raise StorageUnavailable(str(reply)) from reply
    return reply
