"""Store: runs calls and reads on the server. One per process.

Owns the round trip: pipelining, loading scripts where the server lacks them, typed replies. It must
not hold policy, and never retries behind the caller's back.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from loguru import logger

from storage.call import Call
from storage.cells import DEFAULT_PREFIX, Cell, Cells
from storage.client.executor import (
    Command,
    CommandRefused,
    Executor,
    StorageUnavailable,
    is_lacking,
    refuse_if_not_ready,
    refuses_functions,
)
from storage.client.transport import open_executor
from storage.script_library import Library
from storage.scripts import Script

__all__ = ["ScriptError", "StorageUnavailable", "Store", "open_executor", "open_store"]


_PROBE_MS = 60_000


class ScriptError(Exception):
    """A script answered with an error: a bug in it or in its call."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number
        """Which call or command of the round trip it was, from 0."""


_server_clock = int
"""Called, it is 0."""


def _ignore(*_: Any) -> None:
    """Take a measurement and drop it."""


class Store:
    """The connection to the server, by its meaning.

    Any number of tasks may use it at once. A call whose reply is lost (`StorageUnavailable`) may
    have run; running it again is harmless and answers `Duplicate` where it had. What it handed over
    to other jobs of this instance is then found by dispatching those again.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        prefix: str = DEFAULT_PREFIX,
        clock_ms: Callable[[], int] = _server_clock,
        on_script: Callable[[str, int], None] = _ignore,
        on_round_trip: Callable[[float, int], None] = _ignore,
    ) -> None:
        """Take an executor and hooks.

        Args:
            executor: How commands reach the server.
            prefix: Of every key.
            clock_ms: Time for the scripts; 0 is the server's own clock, another value is for tests.
            on_script: Called with the name of a script and how many calls of it were run.
            on_round_trip: Called with the seconds of a round trip and how many commands it carried.
        """
        self.executor = executor
        self.cells = Cells(prefix=prefix)
        """One, until the data set is known to have more."""
        self.clock_ms = clock_ms
        self._on_script = on_script
        self._on_round_trip = on_round_trip
        self._loaded: set[str] = set()
        """SHA-1 of scripts, and names of functions, that the server has, as far as we know."""
        self._takes_functions = True
        """The server has functions, and we may use them, as far as we know."""

    @property
    def prefix(self) -> str:
        """Of all keys of the first cell: of all keys, where there is one cell."""
        return self.cells.prefixes[0]

    @prefix.setter
    def prefix(self, prefix: str) -> None:
        self.cells = Cells(prefix=prefix)

    def prefix_of(self, cell: Cell) -> str:
        """Return what the keys of a cell begin with."""
        return self.cells.prefixes[cell]

    async def run(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Run all calls in order in one round trip; reply i is the typed reply of call i.

        Each call is atomic, all of them together are not. Scripts travel with their first call;
        should the server have lost one since, it is loaded and its calls run after the others.

        Where several servers share the data, calls of those that do not answer have a
        `StorageUnavailable` in the place of their reply; they may have run.

        Raises:
            StorageUnavailable: No answer at all. Any of the calls may have run.
            ScriptError: A script answered with an error: a bug.
        """
        if not calls:
            return []
        loads, commands = self._commands(calls, functions=self._takes_functions)
        replies = await self._send(commands)
        if CommandRefused in map(type, replies):
            replies = await self._run_lacking(calls, loads, replies)
        else:
            self._loaded.update(loads)
            del replies[: len(loads)]
        counts: dict[str, int] = {}
        typed: list[Any] = []
        for call, reply in zip(calls, replies, strict=True):
            name = call.script.name
            counts[name] = counts.get(name, 0) + 1
            is_read = type(reply) is list
            typed.append(call.read(reply) if is_read else _unread(call, len(typed), reply))
        for name, count in counts.items():
            self._on_script(name, count)
        return typed

    async def _run_lacking(
        self, calls: Sequence[Call[Any]], loads: Sequence[str], replies: list[Any]
    ) -> list[Any]:
        """Run again, as scripts, what the server has lost or does not take as a function."""
        texts = [str(reply) if isinstance(reply, CommandRefused) else "" for reply in replies]
        lacks = list(map(is_lacking, texts))
        refuse_if_not_ready(
            [reply for reply, is_lost in zip(replies, lacks, strict=True) if not is_lost]
        )
        if self._takes_functions and (
            any(texts[: len(loads)]) or any(map(refuses_functions, texts))
        ):
            self._takes_functions = False
            logger.bind(reason=next(filter(None, texts))).info(
                "the store takes no functions from us; scripts do the same, a little slower"
            )
        self._loaded.update(loads)
        replies = replies[len(loads) :]
        lacking = [number for number, is_lost in enumerate(lacks[len(loads) :]) if is_lost]
        if lacking:
            again = [calls[number] for number in lacking]
            self._loaded.difference_update(name for call in again for name in _names(call.script))
            loads, commands = self._commands(again, functions=False)
            rerun = (await self._execute(commands))[len(loads) :]
            self._loaded.update(loads)
            for number, reply in zip(lacking, rerun, strict=True):
                replies[number] = reply
        return replies

    async def read(self, commands: Sequence[Command]) -> list[Any]:
        """Run plain read commands in one round trip; for repositories.

        Raises:
            StorageUnavailable: No complete answer.
            ScriptError: The server refused a command: a bug.
        """
        replies = await self._execute(commands)
        for number, reply in enumerate(replies):
            if isinstance(reply, StorageUnavailable):
                raise reply
            if isinstance(reply, CommandRefused):
                message = f"{commands[number][0]!r}: {reply}"
                raise ScriptError(message, number)
        return replies

    async def probe(self) -> None:
        """Return when the server takes a write.

        Raises:
            StorageUnavailable: It does not.
        """
        written = [
            ("SET", f"{prefix}probe", "1", "PX", _PROBE_MS) for prefix in self.cells.prefixes
        ]
        await self._execute(written)

    async def close(self) -> None:
        """Close the connections; idempotent."""
        await self.executor.close()

    def _commands(
        self, calls: Sequence[Call[Any]], *, functions: bool
    ) -> tuple[list[str], list[Command]]:
        """Return what is to be loaded, and all commands: calls come behind what they run."""
        loads: list[str] = []
        commands: list[Command] = []
        for call in calls:
            script, keys = call.script, call.keys
            library = script.library if functions else None
            name = script.sha if library is None else library.function
            if name not in self._loaded and name not in loads:
                load = _load_of(script, library)
                commands.insert(len(loads), load)
                loads.append(name)
            verb = "EVALSHA" if library is None else "FCALL"
            commands.append((verb, name, len(keys), *keys, *call.args))
        return loads, commands

    async def _execute(self, commands: Sequence[Command]) -> list[Any]:
        replies = await self._send(commands)
        if CommandRefused in map(type, replies):
            refuse_if_not_ready(replies)
        return replies

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        started = time.perf_counter()
        try:
            replies = await self.executor.execute(commands)
        except StorageUnavailable:
            self._loaded.clear()  # who answers next may be another server
            self._takes_functions = True
            raise
        self._on_round_trip(time.perf_counter() - started, len(commands))
        return replies


def _names(script: Script) -> tuple[str, ...]:
    """Return under what a server has a script, in either form."""
    return (script.sha,) if script.library is None else (script.sha, script.library.function)


def _load_of(script: Script, library: Library | None) -> Command:
    if library is None:
        return ("SCRIPT", "LOAD", script.text)
    return ("FUNCTION", "LOAD", "REPLACE", library.text)


def open_store(url: str, **options: Any) -> Store:
    """Return a store for a URL of any kind (`storage.client.place`); it connects on first use.

    Takes the options of `Store`.

    Raises:
        ValueError: It is no such URL.
    """
    return Store(open_executor(url), **options)


def _unread(call: Call[Any], number: int, reply: Any) -> Any:
    """Say what else came than the reply of a script."""
    if isinstance(reply, StorageUnavailable):
        return reply
    if isinstance(reply, CommandRefused):
        message = f"{call.script.name}: {reply}"
        raise ScriptError(message, number)
    return call.read(reply)
