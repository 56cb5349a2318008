"""Store: runs calls and reads on the server. One per process.

Owns the round trip: pipelining, loading scripts where the server lacks them, typed replies. It must
not hold policy, and never retries behind the caller's back.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from storage.call import Call
from storage.cells import DEFAULT_PREFIX, Cell, Cells
from storage.client.executor import (
    Command,
    CommandRefused,
    Executor,
    StorageUnavailable,
    refuse_if_not_ready,
)
from storage.client.transport import open_executor

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
            on_script: Told the name of a script and how many calls of it were run.
            on_round_trip: Told the seconds of a round trip and how many commands it carried.
        """
        self.executor = executor
        self.cells = Cells(prefix=prefix)
        """One, until the data set is known to have more."""
        self.clock_ms = clock_ms
        self._on_script = on_script
        self._on_round_trip = on_round_trip
        self._loaded: set[str] = set()
        """SHA-1 of scripts that the server has, as far as we know."""

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
        loads, commands = self._commands(calls)
        replies = (await self._execute(commands))[len(loads) :]
        self._loaded.update(loads)
        if CommandRefused in map(type, replies):
            await self._run_lacking(calls, replies)
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

    async def _run_lacking(self, calls: Sequence[Call[Any]], replies: list[Any]) -> None:
        """Load what the server has lost, and run those calls again."""
        lacking = [
            number
            for number, reply in enumerate(replies)
            if isinstance(reply, CommandRefused) and str(reply).startswith("NOSCRIPT")
        ]
        if lacking:
            self._loaded.difference_update(calls[number].script.sha for number in lacking)
            loads, commands = self._commands([calls[number] for number in lacking])
            again = (await self._execute(commands))[len(loads) :]
            self._loaded.update(loads)
            for number, reply in zip(lacking, again, strict=True):
                replies[number] = reply

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

    def _commands(self, calls: Sequence[Call[Any]]) -> tuple[list[str], list[Command]]:
        """Return the SHA-1s to load, and all commands: calls come behind their scripts."""
        loads: list[str] = []
        commands: list[Command] = []
        for call in calls:
            sha = call.script.sha
            if sha not in self._loaded and sha not in loads:
                loads.append(sha)
                commands.insert(len(loads) - 1, ("SCRIPT", "LOAD", call.script.text))
            commands.append(("EVALSHA", sha, len(call.keys), *call.keys, *call.args))
        return loads, commands

    async def _execute(self, commands: Sequence[Command]) -> list[Any]:
        started = time.perf_counter()
        try:
            replies = await self.executor.execute(commands)
        except StorageUnavailable:
            self._loaded.clear()  # who answers next may be another server
            raise
        self._on_round_trip(time.perf_counter() - started, len(commands))
        if CommandRefused in map(type, replies):
            refuse_if_not_ready(replies)
        return replies


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
