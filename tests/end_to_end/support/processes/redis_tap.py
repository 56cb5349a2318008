"""Everything that a Redis server receives, seen from outside: its bytes, and what its scripts do.

`RedisTap` stands between the scheduler and a server as a second socket: it records every byte on
its way to the server, and follows the server's own MONITOR. It knows nothing of the project's
keys.
"""

import asyncio
import hashlib
import re
import socket
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.waiting import PATIENCE_S

_ARGUMENT = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.DOTALL)
_TITLE = re.compile(rb"^-- ([a-z_]+): ", re.MULTILINE)
"""How every script begins."""
_FUNCTION = re.compile(rb"lingua_([a-z_]+)_[0-9a-f]{12}")
_SCRIPT_LOAD = (b"SCRIPT", b"LOAD")
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


class RedisTap:
    """A context manager: while it is open, `url` leads to the server and everything is recorded."""

    def __init__(self, server_url: str, directory: Path) -> None:
        self._server_path = urlsplit(server_url).path
        self._path = directory / "tap.sock"
        self.received = bytearray()
        """Every byte that went to the server through here."""
        self.monitored = bytearray()
        """What MONITOR said."""
        self._news = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        """For the scheduler."""
        return f"unix://{self._path}"

    async def __aenter__(self) -> Self:
        await self._begin_monitor()
        self._listener = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._listener is not None:
            self._listener.close()
        for writer in self._writers:
            writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin_monitor(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._server_path)
        self._writers.append(writer)
        writer.write(b"MONITOR\r\n")
        assert await reader.readline() == b"+OK\r\n"

        async def listen() -> None:
            while data := await reader.read(1 << 16):
                self.monitored += data
                self._news.set()

        self._keep(listen())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, outside = await asyncio.open_unix_connection(self._server_path)
        self._writers += [writer, outside]

        async def forward() -> None:
            while data := await reader.read(1 << 16):
                self.received += data
                outside.write(data)
            outside.close()

        async def back() -> None:
            while data := await inside.read(1 << 16):
                writer.write(data)
            writer.close()

        with suppress(ConnectionError):
            await asyncio.gather(forward(), back())

    async def settle(self) -> None:
        """Return when MONITOR has told of everything that happened before this call."""
        mark = f"mark-{len(self.monitored)}".encode()
        reader, writer = await asyncio.open_unix_connection(self._server_path)
        writer.write(b"PING " + mark + b"\r\n")
        await reader.readline()
        writer.close()
        async with asyncio.timeout(PATIENCE_S):
            while mark not in self.monitored:
                self._news.clear()
                await self._news.wait()

    # ---- reading it -------------------------------------------------------------------------

    def lines(self) -> list[bytes]:
        """Return MONITOR's lines so far, one per command."""
        return bytes(self.monitored).split(b"\r\n")[:-1]

    def commands(self) -> list[list[bytes]]:
        """Return every command so far, those of scripts included, as its arguments."""
        return [[_unescape(text) for text in _ARGUMENT.findall(line)] for line in self.lines()]

    def scripts_run(self, since: int = 0) -> list[tuple[str, list[bytes]]]:
        """Return each script or function run from this line on: its name and arguments."""
        commands = self.commands()
        names: dict[bytes, str] = {}
        for command in commands:
            if len(command) > 2 and (command[0].upper(), command[1].upper()) == _SCRIPT_LOAD:
                digest = hashlib.sha1(command[2], usedforsecurity=False).hexdigest()
                title = _TITLE.search(command[2])
                names[digest.encode()] = title[1].decode() if title else "?"
        run = []
        for command in commands[since:]:
            verb = command[0].upper() if command else b""
            if verb == b"EVALSHA":
                run.append((names[command[1]], command[2:]))
            elif verb == b"FCALL" and (function := _FUNCTION.fullmatch(command[1])):
                run.append((function[1].decode(), command[2:]))
        return run

    def command_counts(self) -> Counter[str]:
        """Return how often each command was received or called by a script."""
        return Counter(command[0].decode().upper() for command in self.commands() if command)


def _unescape(text: bytes) -> bytes:
    def plain(found: re.Match[bytes]) -> bytes:
        escape = found[1]
        if len(escape) > 1:
            return bytes([int(escape[1:], 16)])
        return _PLAIN.get(escape, escape)

    return _ESCAPE.sub(plain, text)


class RedisEyes:
    """A blocking client of a few lines, to look at what is in a server."""

    def __init__(self, server_url: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(5)
        self._socket.connect(urlsplit(server_url).path)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def ask(self, *arguments: str | bytes) -> object:
        """Run one command and return its reply."""
        parts = [part if isinstance(part, bytes) else part.encode() for part in arguments]
        wire = b"*%d\r\n" % len(parts)
        wire += b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(wire)
        return self._reply()

    def all_keys(self) -> list[str]:
        """Return all keys."""
        found = self.ask("KEYS", "*")
        assert isinstance(found, list)
        return sorted(key.decode() for key in found)

    def number(self, *arguments: str) -> int:
        """Run a command whose reply is a number."""
        reply = self.ask(*arguments)
        assert isinstance(reply, int), reply
        return reply

    def _reply(self) -> object:
        line = self._file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        if kind == b"$":
            if int(rest) < 0:
                return None
            data = self._file.read(int(rest) + 2)
            return data[:-2]
        if kind == b":":
            return int(rest)
        assert kind == b"+", line
        return rest.decode()
