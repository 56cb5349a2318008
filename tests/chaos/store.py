"""A real store that a test can hurt: its process, and the proxy in front of it."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any

import redis.asyncio
import redis.exceptions

from storage.embedded.server import find_servers
from storage.keys import KEYS, Life
from tests.chaos.faults.proxy import FaultProxy
from tests.storage.support.key_kinds import key_of

PREFIX = "lingua:v1:"
_START_SECONDS = 5.0
_LAG_SECONDS = 0.5
_MOST_TTL_SECONDS = 3600 + 60
_DROPS = ("q:*", "pin:*", "node:*:slots", "session:*:jobs", "session:*:queued")
"""Kinds of keys that are gone when nobody speaks."""


class Survives(Enum):
    """What a store still has when it comes back."""

    ALL = auto()
    MOST = auto()
    """All but the last half second: a log that is written once a second, a replica that lags."""
    NOTHING = auto()


class ChaosStore:
    """A server on a Unix socket that only the proxy and this object know."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="chaos-"))
        self._socket = self._directory / "s.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.proxy = FaultProxy(self._socket)

    @property
    def url(self) -> str:
        """What the scheduler is told."""
        return f"redis://127.0.0.1:{self.proxy.port}"

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the server and the proxy."""
        await self._start_server()
        await self.proxy.start()

    async def _start_server(self) -> None:
        command = [str(find_servers()[0]), "--port", "0", "--unixsocket", str(self._socket)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._directory)]
        self._process = subprocess.Popen(  # noqa: ASYNC220 - forking takes no time
            [*command, "--loglevel", "warning"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(_START_SECONDS):
            while True:
                try:
                    await self.command("PING")
                except redis.exceptions.RedisError:
                    await asyncio.sleep(0.01)
                else:
                    return

    async def command(self, *words: Any) -> Any:
        """Run one command, past the proxy."""
        client = redis.asyncio.Redis(unix_socket_path=str(self._socket), decode_responses=True)
        try:
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py
        finally:
            await client.aclose()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
        """Yield what runs commands on one connection, past the proxy, open before and after."""
        client = redis.asyncio.Redis(
            unix_socket_path=str(self._socket), decode_responses=True, single_connection_client=True
        )
        await client.initialize()
        try:
            yield client.execute_command
        finally:
            await client.aclose()

    def kill(self) -> None:
        """End the server as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def restart(self, survives: Survives, down_seconds: float = 0.0) -> None:
        """End the server and start another one in its place."""
        dump = self._directory / "dump.rdb"
        dump.unlink(missing_ok=True)
        match survives:
            case Survives.ALL:
                with suppress(redis.exceptions.ConnectionError):  # it ends without an answer
                    await self.command("SHUTDOWN", "SAVE")
            case Survives.MOST:
                await self.command("SAVE")
                await asyncio.sleep(_LAG_SECONDS)
        self.kill()
        await asyncio.sleep(down_seconds)
        await self._start_server()
        dump.unlink(missing_ok=True)

    async def fail_over(self) -> None:
        """Let an empty server take the place of this one, as a replica that never caught up."""
        self.kill()
        self._socket.unlink(missing_ok=True)
        await self._start_server()
        for link in list(self.proxy.links):
            link.reset()

    async def close(self) -> None:
        """End everything and leave nothing behind."""
        await self.proxy.close()
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    # ---- what is left in it -----------------------------------------------------------------

    async def leftovers(self) -> list[str]:
        """Return what must not be there when nobody speaks any more, each as a sentence."""
        client = redis.asyncio.Redis(unix_socket_path=str(self._socket), decode_responses=True)
        try:
            names = [name async for name in client.scan_iter(count=1000)]
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.ttl(name)
            ttls = dict(zip(names, await pipeline.execute(), strict=True))
            found = [text for name in names if (text := _wrong_key(name, ttls[name]))]
            for index in ("jobs:queued", "jobs:assigned", "jobs:running", "qs"):
                left = await client.zrange(PREFIX + index, 0, 4)
                found += [f"{index} holds {member!r}" for member in left]
            return sorted(found)
        finally:
            await client.aclose()


def _wrong_key(full_name: str, ttl_seconds: int) -> str | None:
    name = full_name.removeprefix(PREFIX)
    key = key_of(name)
    if name == full_name or key is None:
        return f"{full_name} is in no table"
    if key.pattern in _DROPS:
        return f"{name} is still there"
    must_expire = key.life in (Life.EXPIRES, Life.NODE)  # no node is left, either
    if must_expire and not 0 <= ttl_seconds <= _MOST_TTL_SECONDS:
        return f"{name} lives for {ttl_seconds} s"
    if key.pattern == "inst:*:jobs":
        return f"{name} is still there"
    return None


assert all(pattern in {key.pattern for key in KEYS} for pattern in _DROPS)
