"""ClusterMaster: one master of a cluster as its client sees it.

Owns the connection to it and whether it is taken for away. While it is away nothing is sent to it
but a probe, so that nobody waits for it again and again.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from storage.client.executor import Command, StorageUnavailable
from storage.client.slot_map import Address
from storage.client.wire import WireExecutor


class ClusterMaster:
    """A master; `away` from the first trouble until a probe is answered."""

    def __init__(self, address: Address, wire: WireExecutor) -> None:
        self.address = address
        self.away: str | None = None
        """Why; None: it answers, as far as we know."""
        self._wire = wire
        self._tasks: set[asyncio.Task[Any]] = set()
        """Pipelines under way, those that nobody waits for any more included."""
        self._probe: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<ClusterMaster {self} away={self.away}>"

    def __str__(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def start(self, commands: Sequence[Command]) -> "asyncio.Task[list[Any]]":
        """Send commands; pipelines go out in the order of the calls."""
        task = asyncio.create_task(self._wire.execute(commands))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def probe(self) -> None:
        """Find out, behind everybody's back, whether it answers again."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._ask())

    async def ask(self, *command: str | int | bytes) -> Any:
        """Return the reply to one command.

        Raises:
            StorageUnavailable: There is none.
        """
        [reply] = await self.start([command])
        return reply

    async def close(self) -> None:
        """Let go of the connection; who waits gets `StorageUnavailable`."""
        if self._probe is not None:
            self._probe.cancel()
        await self._wire.close()

    async def _ask(self) -> None:
        try:
            answer = await self.ask("PING")
        except StorageUnavailable as error:
            self.away = str(error)
        else:
            self.away = None if answer == "PONG" else str(answer)

    def _done(self, task: "asyncio.Task[list[Any]]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has heard of it; nobody else needs to
