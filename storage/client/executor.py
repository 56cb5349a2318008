"""How commands reach the server: one small seam, and redis-py behind it.

Owns connections and their errors. It must not know keys, scripts or outcomes.
"""

import re
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


_CODE = re.compile(r"[A-Z]+(?= |$)")
_OUR_CODES = ("WRONGTYPE", "NOSCRIPT")
_LACKING = re.compile(r"NOSCRIPT |(ERR )?Function not found")
_NO_FUNCTIONS = re.compile(
    r"(ERR )?unknown command .(function|fcall)|NOPERM .* '(function|fcall)\b", re.IGNORECASE
)
_OUR_FAULT = re.compile(
    r".*user_(script|function)|.*from script|Script attempted|Error (compiling|running) script"
    r"|[Ww]rong number of arg|syntax error|value is not"
)
"""`ERR` and these texts, of which some clients leave `ERR` out: one of our commands is wrong."""
_PASSED_ON = re.compile(
    r".*user_(script|function): ?\d+: -?(?!ERR|WRONGTYPE)[A-Z]+ |.*ACL failure"
    r"|.*The user executing the script"
)
"""What a server answers to a command within a script, as some servers write it."""


def is_our_fault(text: str) -> bool:
    """Return whether an error reply says that this program is wrong, or its script is not loaded.

    Whatever else a server may say, now or in a later version, is about its own state: it is full,
    read-only, busy, lets nobody else in.
    """
    if is_lacking(text):
        return True
    code = _CODE.match(text)
    if code and code[0] != "ERR":
        return code[0] in _OUR_CODES
    message = text.removeprefix("ERR ")
    return bool(_OUR_FAULT.match(message)) and not _PASSED_ON.match(message)


def refuses_functions(text: str) -> bool:
    """Return whether a server says that it has no functions, or none for us."""
    return bool(_NO_FUNCTIONS.match(text))


def is_lacking(text: str) -> bool:
    """Return whether a server has not run a script or function because it does not have it."""
    return bool(_LACKING.match(text)) or refuses_functions(text)


def refuse_if_not_ready(replies: Sequence[Any]) -> None:
    """Raise `StorageUnavailable` if an error reply is not about what was asked."""
    for reply in replies:
        if isinstance(reply, CommandRefused) and not is_our_fault(str(reply)):
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
    if isinstance(reply, redis.exceptions.NoPermissionError) and refuses_functions(str(reply)):
        return CommandRefused(str(reply))
    if type(reply) is redis.exceptions.ResponseError:
        return CommandRefused(str(reply))
    if isinstance(reply, redis.exceptions.RedisError):  # a kind of its own: the server's state
        raise StorageUnavailable(f"{type(reply).__name__}: {reply}") from reply
    return reply
